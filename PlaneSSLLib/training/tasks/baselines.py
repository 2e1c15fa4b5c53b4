"""Two other ways to pretrain, through the same engine and data, to compare with."""
from __future__ import annotations

import numpy as np
import torch
from torch.nn import functional

from ...anatomy import Anatomy
from ...cohort.placing import STRONG, Augmentation
from ...cohort.plan import Plan
from ...cohort.samples import Place, Sample, frames, working_image
from ...cohort.store import PreparedStudy
from ...geometry import in_millimetres, lines_hit, move_lines
from ..networks import Head
from .planes import Planes
from .task import Batch, Outputs


class Masked:
    """Masked image modelling (He et al. 2022, for a U-Net): paint out squares, predict what was there.

    The loss is the mean squared error over the hidden pixels, the image scaled to zero mean and unit deviation.
    """

    SQUARES = 9  # along each side of the image, whatever its resolution
    HIDDEN = 0.6

    def __init__(self, plan: Plan, views: tuple[str, ...] = (), augmentation: Augmentation = STRONG) -> None:
        self.plan, self.views, self.augmentation = plan, views, augmentation
        self.heads = {"pixels": Head(1)}
        self.weights = {"pixels": 1.0}
        self.best = ("pixel_error", False)

    def places(self, study: PreparedStudy) -> list[Place]:
        return frames(study, self.views)

    def sample(self, study: PreparedStudy, place: Place, rng: np.random.Generator | None) -> Sample:
        """image (1, rows, columns) with holes of zero; pixels: what was there; hidden: where."""
        image, _ = working_image(study, place, self.plan, self.augmentation, rng)
        holes = rng if rng is not None else np.random.default_rng([place.stack, place.slice, place.phase])
        square = [np.arange(size) * self.SQUARES // size for size in self.plan.size]
        hidden = (holes.random((self.SQUARES, self.SQUARES)) < self.HIDDEN)[np.ix_(*square)]
        pixels = (image - image.mean()) / (image.std() + 1e-3)
        return {"image": np.where(hidden, 0, image)[None], "pixels": pixels[None], "hidden": hidden[None]}

    def counts(self, batch: Batch) -> dict[str, torch.Tensor]:
        return {"pixels": batch["hidden"].sum()}

    def sums(self, outputs: Outputs, batch: Batch) -> dict[str, torch.Tensor]:
        squared = (outputs["pixels"].float() - batch["pixels"]).square()
        return {"pixels": (squared * batch["hidden"]).sum()}

    def measure(self, outputs: Outputs, batch: Batch) -> dict[str, list[float]]:
        squared = (outputs["pixels"].float() - batch["pixels"]).square() * batch["hidden"]
        return {"pixel_error": (squared.sum((1, 2, 3)) / batch["hidden"].sum((1, 2, 3)).clamp(min=1)).tolist()}


class Position(Planes):
    """Anatomical position prediction, after Bai et al., MICCAI 2019: nine boxes along two long-axis lines.

    The boxes lie where two lines of a slice cross, and at one and two steps to both sides along each line; the network
    tells them apart, and from the background, by cross entropy. The lines are those of the views that the anatomy's
    pose names (4CH and 2CH, as there), or of the first two that a view regresses: the same ones in all studies.
    """

    BOX_MM = 16.0
    STEP_MM = 30.0

    def __init__(self, plan: Plan, anatomy: Anatomy, views: tuple[str, ...] = (),
                 augmentation: Augmentation = STRONG) -> None:
        super().__init__(plan, anatomy, lines=True, location=False, views=views, augmentation=augmentation)
        self.heads = {"position": Head(10)}
        self.weights = {"position": 1.0}
        self.best = ("wrong_pixels", False)

    def places(self, study: PreparedStudy) -> list[Place]:
        def two_lines(place: Place) -> bool:
            lines = self._pair(study, place)
            return len(lines) == 2 and bool(
                lines_hit(lines, study.stacks[place.stack].planes[place.slice].shape).all())
        return [place for place in frames(study, self.views) if two_lines(place)]

    def _pair(self, study: PreparedStudy, place: Place) -> np.ndarray:
        """(2, 3) lines of a slice, NaN where one was not acquired; (0, 3) for a view that regresses fewer."""
        view = self.anatomy.view(study.stacks[place.stack].view)
        central = [line.view for line in view.lines if line.plane == "central"] if view else []
        by = (view.pose or tuple(central[:2])) if view else ()
        rows = [self.plan.targets.index(f"{name}:central") for name in by] if len(by) == 2 else []
        return self.targets(study, place.stack)[place.slice].lines[rows, 0]

    def sample(self, study: PreparedStudy, place: Place, rng: np.random.Generator | None) -> Sample:
        """image (1, rows, columns); position (rows, columns): 0 background, 1 the crossing, 2 .. 9 along the lines."""
        image, matrix = working_image(study, place, self.plan, self.augmentation, rng)
        lines = move_lines(self._pair(study, place), matrix)
        if self.plan.mirrored and self.anatomy.mirrors(study.stacks[place.stack].side):
            lines = -lines  # planes do not turn their normals in a mirror, and boxes are counted by these
        return {"image": image[None], "position": self._boxes(in_millimetres(lines, self.plan.spacing))}

    def _boxes(self, lines: np.ndarray) -> np.ndarray:
        rows, columns = self.plan.size
        mm = np.array([self.plan.spacing[1], self.plan.spacing[0]])
        normals = lines[:, :2] / mm
        boxes = np.zeros(self.plan.size, np.int64)
        if abs(np.linalg.det(normals)) < 0.1:
            return boxes
        crossing = np.linalg.solve(normals, -lines[:, 2])  # mm, from the first pixel
        x, y = np.arange(columns) * mm[0], np.arange(rows) * mm[1]

        def paint(centre: np.ndarray, value: int) -> None:
            near = [np.abs(axis - at) <= self.BOX_MM / 2 for axis, at in zip((x, y), centre, strict=True)]
            boxes[np.ix_(near[1], near[0])] = value

        number = 2
        for normal, other in zip(normals, normals[::-1], strict=True):
            along = np.array([-normal[1], normal[0]])
            along *= np.sign(along @ other) or 1.0  # towards the same side of the other line in every slice
            for step in (-2, -1, 1, 2):
                paint(crossing + step * self.STEP_MM * along, number)
                number += 1
        paint(crossing, 1)
        return boxes

    def counts(self, batch: Batch) -> dict[str, torch.Tensor]:
        return {"position": torch.tensor(float(batch["position"].numel()))}

    def sums(self, outputs: Outputs, batch: Batch) -> dict[str, torch.Tensor]:
        # The boxes cover a tenth of the image: weighted so that background and boxes count alike.
        weight = torch.ones(10, device=batch["position"].device)
        weight[0] = 0.1
        return {"position": functional.cross_entropy(
            outputs["position"].float(), batch["position"], weight=weight, reduction="sum")}

    def measure(self, outputs: Outputs, batch: Batch) -> dict[str, list[float]]:
        wrong = outputs["position"].argmax(1) != batch["position"]
        return {"wrong_pixels": wrong.float().mean((1, 2)).tolist()}
