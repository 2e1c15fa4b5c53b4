"""A run at work."""
from __future__ import annotations

from ..events import Report, silent
from ..training.inference import Inference
from ..training.run import Run
from ..training.settings import choose_device


class Predictor(Inference):
    """A run's network, and what it was trained with. device: see `choose_device`."""

    def __init__(self, run: Run, device: str = "auto", batch: int = 16, report: Report = silent) -> None:
        super().__init__(run.network(), choose_device(device), batch, report)
        self.plan, self.anatomy = run.plan, run.anatomy
