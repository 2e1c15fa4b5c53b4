"""A run at work."""
from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..cohort.placing import resample
from ..cohort.plan import scaled_phase
from ..cohort.upright import upright_slices
from ..events import Report, silent
from ..study import Stack
from ..training.inference import Inference
from ..training.run import Run
from ..training.settings import choose_device


class Predictor(Inference):
    """A run's network, and what it was trained with. device: see `choose_device`."""

    def __init__(self, run: Run, device: str = "auto", batch: int = 16, report: Report = silent) -> None:
        super().__init__(run.network(), choose_device(device), batch, report)
        self.plan, self.anatomy = run.plan, run.anatomy

    def on_grid(self, stack: Stack, frames: Sequence[tuple[int, int]]) -> tuple[list[np.ndarray], np.ndarray]:
        """Frames of a stack, (slice, phase) each, as images on the working grid, and the (n, 3, 3) matrices from its
        pixels to those of each slice. PlaneSSLError where pixels cannot be decoded.
        """
        scaled = {k: scaled_phase(stack, k, self.plan) for k in {k for _, k in frames}}
        slices = upright_slices(stack, self.anatomy, self.plan)
        matrices = np.array([slices[i].placement(self.plan) for i, _ in frames])
        return [resample(scaled[k][i], matrix, self.plan.size)
                for (i, k), matrix in zip(frames, matrices, strict=True)], matrices
