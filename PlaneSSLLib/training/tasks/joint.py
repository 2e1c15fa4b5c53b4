"""Segmentation of few labelled patients, while planes are learnt on from all."""
from __future__ import annotations

import copy

import numpy as np
import torch

from ...cohort.plan import Plan
from ...cohort.samples import Place, Sample
from ...cohort.store import PreparedStudy
from .planes import Planes
from .segmentation import Segmentation
from .task import Batch, Outputs

UNKNOWN = -1


class Joint:
    """A segmentation, and beside it the pretext tasks on labelled and unlabelled frames alike.

    With one labelled patient a network soon knows that patient by heart. What it must go on telling about all others
    keeps it from that: multi-task learning, as Bai et al., MICCAI 2019, found it with anatomical positions.
    labelled: the subjects whose labels may be seen; those of all others are not even opened.
    """

    def __init__(self, segmentation: Segmentation, planes: Planes, labelled: tuple[str, ...]) -> None:
        self.segmentation, self.planes, self.labelled = segmentation, planes, frozenset(labelled)
        self.heads = {**segmentation.heads, **planes.heads}
        self.weights = {**segmentation.weights, **planes.weights}
        self.best = segmentation.best

    @property
    def plan(self) -> Plan:
        return self.segmentation.plan

    @plan.setter
    def plan(self, plan: Plan) -> None:
        self.segmentation, self.planes = copy.copy(self.segmentation), copy.copy(self.planes)
        self.segmentation.plan = self.planes.plan = plan

    def places(self, study: PreparedStudy) -> list[Place]:
        return self.segmentation.places(study)

    def free_places(self, study: PreparedStudy) -> list[Place]:
        """Frames to learn planes from; no label is needed."""
        return self.planes.places(study)

    def sample(self, study: PreparedStudy, place: Place, rng: np.random.Generator | None) -> Sample:
        """Planes' sample of the frame, labels UNKNOWN; where these may be seen, both tasks' of Segmentation's image."""
        if place.study in self.labelled and (place.slice, place.phase) in study.stacks[place.stack].labelled:
            image, matrix = self.segmentation.laid_image(study, place, rng)
            return {"image": image[None], "labels": self.segmentation.labels(study, place, matrix),
                    **self.planes.asked(study, place, matrix)}
        return {**self.planes.sample(study, place, rng), "labels": np.full(self.plan.size, UNKNOWN)}

    def counts(self, batch: Batch) -> dict[str, torch.Tensor]:
        return {**self.segmentation.counts(_known(batch)), **self.planes.counts(batch)}

    def sums(self, outputs: Outputs, batch: Batch) -> dict[str, torch.Tensor]:
        known = _known(batch)
        of_known = {"segmentation": outputs["segmentation"][_is_known(batch)]}
        if len(known["labels"]):
            sums = self.segmentation.sums(of_known, known)
        else:  # a piece of the batch without labels
            sums = dict.fromkeys(self.segmentation.weights, of_known["segmentation"].sum())
        return {**sums, **self.planes.sums(outputs, batch)}

    def measure(self, outputs: Outputs, batch: Batch) -> dict[str, list[float]]:
        return self.segmentation.measure(outputs, batch)


def _is_known(batch: Batch) -> torch.Tensor:
    return batch["labels"][:, 0, 0] != UNKNOWN


def _known(batch: Batch) -> Batch:
    return {"labels": batch["labels"][_is_known(batch)]}
