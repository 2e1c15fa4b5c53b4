"""Segmenting a cine of 15 slices x 30 phases, 256 x 256, against the network alone: at least 0.85 of its throughput.

The network alone is a bare loop of forward passes over as many images that lie on the working grid already. Segmenting
starts from the acquired pixels and ends with label maps on them: intensities, resampling there and back, argmax. In
every frame something as large as a heart is found. Both are timed in turn, in one process, and the best of three rounds
counts. Its memory is the largest of the process, above what it held with the weights loaded. A third way lays the
images alike first, by a second network's lines.

    python benchmarks/segmenting.py [DEVICE]      prints one JSON object
"""
from __future__ import annotations

import json
import resource
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import machine
import numpy as np
import torch

from PlaneSSLLib import anatomy
from PlaneSSLLib.cohort import Plan, Split
from PlaneSSLLib.geometry import Plane, heatmaps
from PlaneSSLLib.prediction.segmenting import Segmenter
from PlaneSSLLib.prediction.studies import segment_stack
from PlaneSSLLib.study import Frame, Naming, Stack
from PlaneSSLLib.training.guide import Guide
from PlaneSSLLib.training.networks import Head, build
from PlaneSSLLib.training.run import Run

SLICES, PHASES, SHAPE, SPACING_MM = 15, 30, (256, 256), (1.4, 1.4)
LEAST_RATIO, MOST_GB, ROUNDS = 0.85, 2.0, 3


def untrained(folder: Path) -> Run:
    """A run of the default network whose answer is the same everywhere."""
    heart = anatomy.load("heart")
    channels = len(heart.labels) + 1
    run = Run.create(folder, {
        "task": "segmentation", "network": "small", "views": ["SAX"],
        "heads": {"segmentation": {"channels": channels, "per": "pixel"}},
    }, Plan.of(heart), heart.file.read_text(encoding="utf-8"), Split((), (), ()), overwrite=True)
    network = build("small", {"segmentation": Head(channels)}, seed=0)
    for parameter in network.heads.parameters():
        torch.nn.init.zeros_(parameter)
    run.save_weights(network.state_dict())
    return run


class FindsAHeart(torch.nn.Module):
    """The network, which besides finds a disc of 100 mm in the middle of every image, as a trained one would."""

    def __init__(self, network: torch.nn.Module, plan: Plan) -> None:
        super().__init__()
        self.network = network
        rows, columns = ((torch.arange(n) - (n - 1) / 2) * mm for n, mm in zip(plan.size, plan.spacing, strict=True))
        inside = torch.hypot(rows[:, None], columns) < 50
        self.register_buffer("found", 10.0 * torch.stack([~inside, inside, *[torch.zeros_like(inside)] * 2]))

    def forward(self, image: torch.Tensor) -> dict[str, torch.Tensor]:
        return {"segmentation": self.network(image)["segmentation"] + self.found}


class Sees(torch.nn.Module):
    """The network, which sees besides the lines of two planes that cross in the middle of every image."""

    def __init__(self, network: torch.nn.Module, plan: Plan) -> None:
        super().__init__()
        self.network = network
        lines = np.array([[0.4, 0.9, 0.0], [0.9, -0.4, 0.0]])
        lines[:, 2] = -lines[:, :2] @ (np.array(plan.size[::-1]) - 1) / 2
        maps = np.zeros((len(plan.targets), *plan.size), np.float32)
        maps[[plan.targets.index("4CH:central"), plan.targets.index("2CH:central")]] = heatmaps(
            lines, plan.size, plan.spacing, plan.sigma_mm)
        self.register_buffer("maps", torch.from_numpy(maps))

    def forward(self, image: torch.Tensor) -> dict[str, torch.Tensor]:
        self.network(image)
        return {"lines": self.maps.expand(len(image), -1, -1, -1)}


@dataclass(frozen=True)
class Held:
    """Pixels that need no decoding."""

    values: np.ndarray

    def read(self) -> np.ndarray:
        return self.values


def cine() -> Stack:
    rng = np.random.default_rng(0)
    return Stack(
        "cine", tuple(Plane((0, 0, 8.0 * i), (1, 0, 0), (0, 1, 0), SPACING_MM, SHAPE) for i in range(SLICES)),
        tuple(tuple(Frame(Held(rng.gamma(2.0, 100.0, SHAPE).astype(np.int16)), 30.0 * k) for k in range(PHASES))
              for _ in range(SLICES)), Naming("SAX", 1.0), frame_of_reference="1.2.3")


@torch.inference_mode()
def network_alone(segmenter: Segmenter, count: int) -> None:
    batch = torch.rand(segmenter.batch, 1, *segmenter.plan.size).to(
        segmenter.device, memory_format=torch.channels_last)
    for first in range(0, count, segmenter.batch):
        segmenter.network(batch[: count - first])["segmentation"].sum().item()  # waits for the device


def held_gb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def seconds(function) -> float:
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        segmenter = Segmenter(untrained(Path(folder, "run")), sys.argv[1] if len(sys.argv) > 1 else "auto")
    segmenter.network = FindsAHeart(segmenter.network, segmenter.plan).to(segmenter.device)
    stack, frames = cine(), SLICES * PHASES
    network_alone(segmenter, 2 * segmenter.batch)  # warm up
    before = held_gb()
    guide = Guide(Sees(segmenter.network.network, segmenter.plan), segmenter.plan, segmenter.anatomy, segmenter.device)
    alone, whole, laid = [], [], []
    for _ in range(ROUNDS):
        alone.append(seconds(lambda: network_alone(segmenter, frames)))
        whole.append(seconds(lambda: segment_stack(segmenter, stack)))
        segmenter.guide = guide
        laid.append(seconds(lambda: segment_stack(segmenter, stack)))
        segmenter.guide = None
    ratio = min(alone) / min(whole)
    memory = held_gb() - before
    print(json.dumps({
        "what": f"segmenting {frames} frames of {SHAPE[0]} x {SHAPE[1]} against the network alone",
        "device": str(segmenter.device),
        "network_frames_per_s": round(frames / min(alone), 1),
        "segmenting_frames_per_s": round(frames / min(whole), 1),
        "ratio": round(ratio, 3),
        "ratio_laid_alike": round(min(alone) / min(laid), 3),
        "least_ratio": LEAST_RATIO,
        "memory_gb": round(memory, 2),
        "most_memory_gb": MOST_GB,
        "within_limits": ratio >= LEAST_RATIO and memory <= MOST_GB,
        "machine": machine.describe(),
    }, indent=1))


if __name__ == "__main__":
    main()
