"""What the engine knows of a task, and nothing more."""
from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from torch import Tensor

from ...cohort.plan import Plan
from ...cohort.samples import Place, Sample
from ...cohort.store import PreparedStudy
from ..networks import Head

Batch = dict[str, Tensor]
Outputs = dict[str, Tensor]


class Task(Protocol):
    """A learning task. A loss is a sum over valid entries divided by their number in the whole global batch.

    Keeping the two apart is what makes one step over several processes, or over a batch cut up for want of memory, the
    same as one step over the batch in one piece. Heads that answer per "study" cannot be cut up, see `Network`.
    """

    plan: Plan  # the working grid of its samples
    heads: dict[str, Head]
    weights: dict[str, float]  # of the losses
    best: tuple[str, bool]  # the metric that model selection looks at, and whether more is better

    def places(self, study: PreparedStudy) -> list[Place]:
        """The frames of a study that this task can learn from."""

    def sample(self, study: PreparedStudy, place: Place, rng: np.random.Generator | None) -> Sample:
        """Input and targets of one frame, augmented with rng; as it is where rng is None."""

    def counts(self, batch: Batch) -> dict[str, Tensor]:
        """Loss name -> number of valid entries in the batch, from its masks alone."""

    def sums(self, outputs: Outputs, batch: Batch) -> dict[str, Tensor]:
        """Loss name -> sum over the valid entries."""

    def measure(self, outputs: Outputs, batch: Batch) -> dict[str, Sequence[float]]:
        """Metric name -> one value for each thing measured in the batch; the engine takes the median or mean."""
