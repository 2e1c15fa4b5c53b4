"""Where the working grid lies on an image, and whether it cuts through what was found."""
from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..cohort.placing import placement
from ..cohort.plan import Plan
from ..geometry import Plane

MIDDLE = (0.0, 0.0)


def grid_on(plane: Plane, plan: Plan, centre: tuple[float, float] = MIDDLE) -> np.ndarray:
    """`placement` of a working grid whose centre lies (column, row) mm from the image's."""
    return placement(plane, plan, np.array([[1, 0, centre[0]], [0, 1, centre[1]], [0, 0, 1.0]]))


def pixels_cut(labels: Sequence[np.ndarray], planes: Sequence[Plane], plan: Plan,
               centre: tuple[float, float] = MIDDLE) -> int:
    """Labelled pixels on those borders of the working grid that lie inside the images: what they belong to goes on."""
    count = 0
    for found, plane in zip(labels, planes, strict=True):
        matrix = grid_on(plane, plan, centre)
        for axis, k in ((0, 1), (1, 0)):  # rows are the second of (column, row)
            last = plane.shape[axis] - 1
            low = np.ceil(matrix[k, 2] - 1e-6)
            high = np.floor(matrix[k, 2] + matrix[k, k] * (plan.size[axis] - 1) + 1e-6)
            count += sum(np.count_nonzero(found.take(int(at), axis)) for at in (low, high) if 0 < at < last)
    return count


def middle_of(labels: Sequence[np.ndarray], planes: Sequence[Plane]) -> tuple[float, float]:
    """(column, row) mm from the images' centres to the centre of all that is labelled; there must be something."""
    points = [
        (np.argwhere(found)[:, ::-1] - (np.array(plane.shape[::-1]) - 1) / 2) * plane.spacing[::-1]
        for found, plane in zip(labels, planes, strict=True)]
    column, row = np.concatenate(points).mean(0)
    return float(column), float(row)
