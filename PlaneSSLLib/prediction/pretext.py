"""A pretrained run against the planes of a cohort."""
from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch.utils.data import DataLoader

from .. import PlaneSSLError
from ..cohort import Cohort
from ..cohort.samples import Listed
from ..training.pretraining import pretext_task
from ..training.run import Run
from ..training.settings import choose_device
from ..training.starting import places_of


@torch.inference_mode()
def evaluate_pretext(run: Run, cohort: Cohort, subjects: Sequence[str], device: str = "auto") -> dict:
    """The errors of a pretrained run on every frame of these subjects.

    {"subjects": n, "frames": n, "metrics": {"angle_deg": {"median", "mean", "n"}, "distance_mm": {..},
    "offset_mm": {..}, "location_error_slices": {..}}}, as far as the run's task has them; see `Planes.measure`. A line
    that is not found counts as 90 degrees and a quarter of the field off.
    """
    config = run.config
    task = pretext_task(tuple(config["task"].split(",")), cohort, tuple(config["views"]))
    places = places_of(task, cohort, tuple(subjects))
    if not places:
        raise PlaneSSLError(f"No frame of the cohort {cohort.folder} has a target of the task {config['task']}.")
    where = choose_device(device)
    network = run.network().to(where, memory_format=torch.channels_last)
    values: dict[str, list[float]] = {}
    for batch in DataLoader(Listed(cohort, places, task.sample), batch_size=16):
        outputs = {name: out.float().cpu() for name, out in network(batch["image"].to(where)).items()}
        for name, found in task.measure(outputs, batch).items():
            values.setdefault(name, []).extend(found)
    metrics = {name: {"median": float(np.median(found)), "mean": float(np.mean(found)), "n": len(found)}
               for name, found in values.items() if found}
    return {"subjects": len(subjects), "frames": len(places), "metrics": metrics}
