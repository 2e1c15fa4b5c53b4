"""The two pretext tasks of Zhang et al. 2024: relative orientation (lines) and relative slice location."""
from __future__ import annotations

import numpy as np
import torch

from ... import PlaneSSLError
from ...anatomy import Anatomy
from ...cohort.placing import STRONG, Augmentation
from ...cohort.plan import Plan
from ...cohort.samples import Place, Sample, frames, working_image
from ...cohort.store import PreparedStudy
from ...geometry import distance_to_lines, fit_lines, heatmaps, line_errors, lines_hit, move_lines
from ...study.targets import SliceTargets, stack_targets
from ..networks import Head
from .task import Batch, Outputs


class Planes:
    """Regress the lines in which other views cut a slice, its location in its stack, or both.

    alpha and beta of the paper are the weights, 1 and 1. What a slice does not have is masked, never zeroed: a line of
    a view that was not acquired, that is parallel, or that misses the image on the working grid; the location of a
    one-slice stack.
    """

    def __init__(self, plan: Plan, anatomy: Anatomy, *, lines: bool = True, location: bool = True,
                 views: tuple[str, ...] = (), augmentation: Augmentation = STRONG) -> None:
        self.plan, self.anatomy, self.views, self.augmentation = plan, anatomy, views, augmentation
        self.heads: dict[str, Head] = {}
        if lines:
            self.heads["lines"] = Head(len(plan.targets))
        if location:
            self.heads["location"] = Head(1, "image", bias_init=0.5)
        if not self.heads:
            raise PlaneSSLError("Choose at least one pretext task: lines, location.")
        self.weights = dict.fromkeys(self.heads, 1.0)
        self.best = ("distance_mm", False) if lines else ("location_error_slices", False)
        self._targets: dict[tuple[str, int], list[SliceTargets]] = {}

    def targets(self, study: PreparedStudy, stack: int) -> list[SliceTargets]:
        key = (study.pseudonym, stack)
        if key not in self._targets:
            self._targets[key] = stack_targets(self.anatomy, study.stacks, stack)
        return self._targets[key]

    def has_lines(self, study: PreparedStudy) -> bool:
        """Is there an image of the task's views that a plane of another one cuts, be it outside its borders?"""
        return any(np.isfinite(target.lines).any() for s, stack in enumerate(study.stacks)
                   if not self.views or stack.view in self.views for target in self.targets(study, s))

    def places(self, study: PreparedStudy) -> list[Place]:
        """Frames for which at least one target is there."""
        def useful(place: Place) -> bool:
            target = self.targets(study, place.stack)[place.slice]
            shape = study.stacks[place.stack].planes[place.slice].shape
            return ("lines" in self.heads and bool(lines_hit(target.lines, shape).any())) or (
                "location" in self.heads and np.isfinite(target.location))
        return [place for place in frames(study, self.views) if useful(place)]

    def sample(self, study: PreparedStudy, place: Place, rng: np.random.Generator | None) -> Sample:
        """image (1, rows, columns), and what is `asked` of it."""
        image, matrix = working_image(study, place, self.plan, self.augmentation, rng)
        return {"image": image[None], **self.asked(study, place, matrix)}

    def asked(self, study: PreparedStudy, place: Place, matrix: np.ndarray) -> Sample:
        """Of a frame that was put on the working grid by this matrix: maps (targets, rows, columns), their lines
        (targets, 3), middles of these (targets, 2) and lines_mask (targets,); location, location_mask and the number of
        slices it counts.
        """
        target = self.targets(study, place.stack)[place.slice]
        lines = move_lines(target.lines, matrix)
        lines[~lines_hit(lines, self.plan.size)] = np.nan
        sample = {"lines_mask": np.isfinite(lines).all(-1).any(-1),
                  "location": np.float32(np.nan_to_num(target.location)), "location_mask": np.isfinite(target.location),
                  "slices": np.float32(target.slices)}
        if "lines" in self.heads:
            several = heatmaps(lines.reshape(-1, 3), self.plan.size, self.plan.spacing, self.plan.sigma_mm)
            sample["maps"] = several.reshape(*lines.shape[:2], *self.plan.size).max(1)
            alone = np.array([not name.endswith(":all") for name in self.plan.targets])  # one line stands for itself
            sample["lines"] = np.where(alone[:, None], lines[:, 0], np.nan)
            sample["middles"] = target.middles[:, 0] @ np.linalg.inv(matrix)[:2, :2].T + np.linalg.inv(matrix)[:2, 2]
        return sample

    def counts(self, batch: Batch) -> dict[str, torch.Tensor]:
        pixels = self.plan.size[0] * self.plan.size[1]
        counts = {"lines": batch["lines_mask"].sum() * pixels, "location": batch["location_mask"].sum()}
        return {name: counts[name] for name in self.heads}

    def sums(self, outputs: Outputs, batch: Batch) -> dict[str, torch.Tensor]:
        sums = {}
        if "lines" in self.heads:
            squared = (outputs["lines"].float() - batch["maps"]).square().sum((2, 3))
            sums["lines"] = (squared * batch["lines_mask"]).sum()
        if "location" in self.heads:
            squared = (outputs["location"].float()[:, 0] - batch["location"]).square()
            sums["location"] = (squared * batch["location_mask"]).sum()
        return sums

    def seen_lines(self, outputs: Outputs, batch: Batch) -> np.ndarray:
        """(n, targets, 3) lines fitted to the heatmaps, on the working grid; NaN where none is asked for, or seen."""
        asked = self._asked(batch)
        lines = np.full((*asked.shape, 3), np.nan)
        lines[asked] = fit_lines(outputs["lines"].float().numpy()[asked], self.plan.spacing, self.plan.sigma_mm)
        return lines

    @staticmethod
    def _asked(batch: Batch) -> np.ndarray:
        """(n, targets): where one line is asked for. A map of all of a stack's lines has no one line to measure."""
        return np.isfinite(batch["lines"].numpy()).all(-1) & batch["lines_mask"].numpy().astype(bool)

    def line_measures(self, seen: np.ndarray, batch: Batch) -> dict[str, list[float]]:
        """angle_deg, distance_mm and offset_mm of every line (n, targets, 3) that was asked for, against the true one.

        distance_mm is the mean along the true line within the image, so it grows with the angle and the field;
        offset_mm is taken at one point, the middle of the image that cuts, as in view planning (Wei et al. 2021).
        A line that was not found is as wrong as can be: at right angles, and a quarter of the field away.
        """
        asked = self._asked(batch)
        seen, true = seen[asked], batch["lines"].numpy()[asked]
        angle, distance = line_errors(seen, true, self.plan.size, self.plan.spacing)
        offset = np.abs(distance_to_lines(seen, batch["middles"].numpy()[asked], self.plan.spacing))
        return {"angle_deg": np.nan_to_num(angle, nan=90.0).tolist(),
                "distance_mm": np.nan_to_num(distance, nan=self.plan.reach_mm).tolist(),
                "offset_mm": np.nan_to_num(offset, nan=self.plan.reach_mm).tolist()}

    def location_measures(self, outputs: Outputs, batch: Batch) -> dict[str, list[float]]:
        """location_error_slices of every image that has a location."""
        error = (outputs["location"].float()[:, 0] - batch["location"]).abs() * (batch["slices"] - 1)
        return {"location_error_slices": error[batch["location_mask"].bool()].tolist()}

    def measure(self, outputs: Outputs, batch: Batch) -> dict[str, list[float]]:
        """The errors of lines and locations, as far as the task has them."""
        lines = self.line_measures(self.seen_lines(outputs, batch), batch) if "lines" in self.heads else {}
        return lines | (self.location_measures(outputs, batch) if "location" in self.heads else {})
