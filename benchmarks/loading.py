"""Does loading keep the network busy? `python benchmarks/loading.py` prints one JSON object.

A training step with real samples (drawn, augmented, with their heatmaps) beside one with a fixed batch in memory, small
network, batch 16, on made-up hearts, with the optimisers of a training; the two are taken in turn, and the medians are
compared.
"""
from __future__ import annotations

import json
import statistics
import tempfile
import time
from pathlib import Path

import machine
import torch
from torch.utils.data import default_collate

from PlaneSSLLib.cohort import Cohort, prepare
from PlaneSSLLib.cohort.samples import RandomFrames
from PlaneSSLLib.phantom import write_phantoms
from PlaneSSLLib.training.engine import optimizers_of
from PlaneSSLLib.training.memory import keep_freed_memory, training_format
from PlaneSSLLib.training.networks import build
from PlaneSSLLib.training.settings import Settings
from PlaneSSLLib.training.tasks.planes import Planes


def main() -> None:
    torch.set_num_threads(2)
    keep_freed_memory()
    with tempfile.TemporaryDirectory() as folder:
        write_phantoms("heart", 4, 0, Path(folder, "studies"), phases=2)
        prepare([Path(folder, "studies")], "heart", Path(folder, "cohort"))
        cohort = Cohort(Path(folder, "cohort"))
        task = Planes(cohort.plan, cohort.anatomy)
        places = [place for study in cohort.studies.values() for place in task.places(study)]
        samples = RandomFrames(cohort, places, task.sample, 0, 10_000)
        network = build("small", task.heads, 0).to(memory_format=training_format(torch.device("cpu")))
        optimizers = optimizers_of(network, Settings(epochs=1))

        def step(batch) -> None:
            sums, counts = task.sums(network(batch["image"]), batch), task.counts(batch)
            sum(sums[name] / counts[name] for name in sums).backward()
            for optimizer in optimizers:
                optimizer.step()
            network.zero_grad(set_to_none=True)

        fixed = default_collate([samples[i] for i in range(16)])
        times: dict[str, list[float]] = {"fixed": [], "real": []}
        for n in range(14):
            for name, measured in times.items():
                start = time.perf_counter()
                step(fixed if name == "fixed" else default_collate([samples[16 * n + i] for i in range(16)]))
                measured.append(time.perf_counter() - start)
    fixed_s, real_s = (statistics.median(times[name][2:]) for name in ("fixed", "real"))
    print(json.dumps({"what": "training step, real samples beside a fixed batch", "fixed_s": fixed_s, "real_s": real_s,
                      "ratio": real_s / fixed_s, "limit": 1.10, "machine": machine.describe()}, indent=1))


if __name__ == "__main__":
    main()
