"""What has learnt lines tells how images lie: what is segmented then lies alike in all patients."""
from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
import torch

from ..anatomy import Anatomy
from ..cohort.placing import placement, resample
from ..cohort.plan import Plan
from ..cohort.store import PreparedStudy
from ..events import Report, notice, silent
from ..geometry import Plane, agree, fit_lines, move_lines, pose
from .inference import Inference
from .networks import Network
from .tasks.segmentation import Poses

LOOKS = 2  # at each slice, in phases far apart: more of them would tell the same


class Guide(Inference):
    """A network that has learnt lines, and the poses that it sees.

    Of views with a "pose" in the anatomy file: along the line of one view the image is turned, and where that of
    another crosses it lies the middle. The planes are those on which all images of a stack agree, as the network sees
    them: headers are not asked, so that a stack without long-axis images is treated as others are.
    """

    def __init__(self, network: Network, plan: Plan, anatomy: Anatomy, device: torch.device, batch: int = 8,
                 report: Report = silent) -> None:
        super().__init__(network, device, batch, report)
        self.plan, self.anatomy = plan, anatomy

    def poses(self, view: str, images: Sequence[np.ndarray], planes: Sequence[Plane]) -> dict[Plane, np.ndarray]:
        """Of every plane of a stack, see `geometry.pose`; {} if the view has none, or it cannot be told of them all.

        images: (rows, columns) on the plan's scale, upright. planes: that of each.
        """
        by = self.anatomy.pose_of(view)
        if not by:
            return {}
        by_plane = defaultdict(list)
        for image, plane in zip(images, planes, strict=True):
            by_plane[plane].append(image)
        shown = [(plane, image) for plane, several in by_plane.items()
                 for image in several[:: -(-len(several) // LOOKS)]]
        lines = self._lines(shown, by)
        _, found = agree([plane for plane, _ in shown], [by] * len(shown), lines, self.plan.reach_mm)
        if len(found) < 2:
            return {}
        poses = {plane: pose(plane, *(found[name] for name in by)) for plane in by_plane}
        return {} if any(self._is_far(one) for one in poses.values()) else poses

    def of_outlined(self, studies: Sequence[PreparedStudy]) -> Poses:
        """The poses in all outlined stacks of these studies that can be laid; a notice tells where none are seen."""
        poses, without = {}, 0
        for study in studies:
            for s, stack in enumerate(study.stacks):
                if not stack.labelled or not self.anatomy.pose_of(stack.view):
                    continue
                found = self.poses(stack.view, [study.image(stack, i, k) for i, k in stack.labelled],
                                   [stack.planes[i] for i, _ in stack.labelled])
                if found:
                    poses[study.pseudonym, s] = [found.get(plane) for plane in stack.planes]
                without += not found
        if without:
            notice(self.report, f"In {without} of {without + len(poses)} outlined stacks the pose of the organ cannot "
                                "be estimated from predicted lines: they are not aligned.")
        return poses

    def _is_far(self, one: np.ndarray | None) -> bool:
        """A middle so far out is none: lines were seen wrongly."""
        return one is None or float(np.hypot(*one[:2, 2])) > 2 * self.plan.reach_mm

    def _lines(self, shown: Sequence[tuple[Plane, np.ndarray]], views: Sequence[str]) -> np.ndarray:
        """(n, views, 3) lines of these views' central planes, each image for itself, in its own pixels."""
        matrices = [placement(plane, self.plan) for plane, _ in shown]
        images = np.stack([resample(image, matrix, self.plan.size)
                           for (_, image), matrix in zip(shown, matrices, strict=True)])
        maps = self.outputs(torch.from_numpy(images[:, None]))["lines"].numpy()
        return acquired_lines(
            maps[:, [self.plan.targets.index(f"{view}:central") for view in views]], matrices, self.plan)


def acquired_lines(maps: np.ndarray, matrices: Sequence[np.ndarray], plan: Plan) -> np.ndarray:
    """(n, k, 3) lines fitted to heatmaps (n, k, rows, columns), in the pixels of images put on the grid by matrices."""
    fitted = fit_lines(maps.reshape(-1, *plan.size), plan.spacing, plan.sigma_mm).reshape(*maps.shape[:2], 3)
    return np.stack([move_lines(of_image, np.linalg.inv(matrix))
                     for of_image, matrix in zip(fitted, matrices, strict=True)])
