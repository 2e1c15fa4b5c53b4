"""Segmentation of single slices, whatever their view."""
from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

import numpy as np
import torch
from monai.losses import DiceLoss
from torch.nn import functional

from ...cohort.placing import STRONG, Augmentation, resample
from ...cohort.plan import Plan
from ...cohort.samples import Place, Sample, frames, working_image
from ...cohort.store import PreparedStudy
from ..networks import Head
from .task import Batch, Outputs

MOVES = replace(STRONG, shift_mm=15)
POSED = replace(STRONG, rotation_deg=20, shift_mm=8)  # what a pose that a network sees may be wrong by
Poses = Mapping[tuple[str, int], Sequence[np.ndarray]]  # by study and stack, one a slice
OUTLINED = 0.06  # of an image, roughly: what the network says everywhere before it has learnt anything


class Segmentation:
    """Dice and cross entropy over background and the plan's labels, in their order.

    Dice is that of all images together: a slice has little or nothing of a structure. Worked in pieces, or by several
    processes, a batch has the mean of its pieces' Dice, which is not quite the same.
    poses: how the organ lies in the images of a stack, see `Guide`; images without one are taken as they lie.
    """

    def __init__(self, plan: Plan, views: tuple[str, ...] = (), augmentation: Augmentation | None = None,
                 poses: Poses = MappingProxyType({})) -> None:
        self.plan, self.views, self.poses = plan, views, poses
        self.augmentation = augmentation or (POSED if poses else MOVES)
        share = OUTLINED / len(plan.labels)
        self.heads = {"segmentation": Head(1 + len(plan.labels), bias_init=tuple(
            np.log([1 - OUTLINED, *[share] * len(plan.labels)]).tolist()))}
        self.weights = {"cross_entropy": 1.0, "dice": 1.0}
        self.best = ("dice", True)
        self._dice = DiceLoss(softmax=True, to_onehot_y=True, include_background=False, batch=True)
        self._channel = np.zeros(256, np.int64)  # label value -> output channel
        for channel, (value, _) in enumerate(plan.labels, start=1):
            self._channel[value] = channel

    def places(self, study: PreparedStudy) -> list[Place]:
        return frames(study, self.views, labelled=True)

    def pose(self, place: Place) -> np.ndarray | None:
        of_stack = self.poses.get((place.study, place.stack))
        return None if of_stack is None else of_stack[place.slice]

    def sample(self, study: PreparedStudy, place: Place, rng: np.random.Generator | None) -> Sample:
        """image (1, rows, columns) float32; labels (rows, columns) int64, channel numbers."""
        image, matrix = self.laid_image(study, place, rng)
        return {"image": image[None], "labels": self.labels(study, place, matrix)}

    def laid_image(self, study: PreparedStudy, place: Place,
                   rng: np.random.Generator | None) -> tuple[np.ndarray, np.ndarray]:
        """`working_image`, by the pose of the frame where there is one."""
        return working_image(study, place, self.plan, self.augmentation, rng, self.pose(place))

    def labels(self, study: PreparedStudy, place: Place, matrix: np.ndarray) -> np.ndarray:
        """(rows, columns) int64 channel numbers of a frame that was put on the working grid by this matrix."""
        labels = study.labels(study.stacks[place.stack], place.slice, place.phase)
        return self._channel[resample(labels, matrix, self.plan.size, order=0)]

    def counts(self, batch: Batch) -> dict[str, torch.Tensor]:
        return {"cross_entropy": torch.tensor(float(batch["labels"].numel())),
                "dice": torch.tensor(float(len(batch["labels"])))}

    def sums(self, outputs: Outputs, batch: Batch) -> dict[str, torch.Tensor]:
        logits, labels = outputs["segmentation"].float(), batch["labels"]
        return {"cross_entropy": functional.cross_entropy(logits, labels, reduction="sum"),
                "dice": self._dice(logits, labels[:, None]) * len(labels)}

    def measure(self, outputs: Outputs, batch: Batch) -> dict[str, list[float]]:
        """dice of every label in every slice that has it, or in which it is found without being there.

        The whole study is measured by `evaluate`.
        """
        predicted, labels = outputs["segmentation"].argmax(1), batch["labels"]
        dice = []
        for channel in range(1, outputs["segmentation"].shape[1]):
            one, other = predicted == channel, labels == channel
            there = (one | other).any((1, 2))
            overlap = 2 * (one & other).sum((1, 2)) / (one.sum((1, 2)) + other.sum((1, 2))).clamp(min=1)
            dice += overlap[there].tolist()
        return {"dice": dice}
