"""When planes are alike, and how numbers within names are ordered."""
from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from ..geometry import Plane

SAME_DIRECTION_DEG = 0.5
SAME_SPACING = 1e-3  # relative: archives write one number in several ways
SAME_PLACE_MM = 0.05  # along the normal


def classes_of(planes: Sequence[Plane]) -> list[int]:
    """Per plane the number of its class: planes of one class have one size, one spacing and the same two directions.

    They may be slices of one stack. Classes are numbered in the order of their first planes.
    """
    kinds = defaultdict(list)
    for i, plane in enumerate(planes):
        kinds[plane.shape].append(i)
    first_of = list(range(len(planes)))  # per plane the first plane that is like it
    least = np.cos(np.radians(SAME_DIRECTION_DEG))
    for members in kinds.values():
        left = np.array(members)
        axes = np.array([(planes[i].row, planes[i].column) for i in members])
        spacings = np.array([planes[i].spacing for i in members])
        while len(left):
            like = ((axes * axes[0]).sum(-1) > least).all(-1) & (np.abs(spacings / spacings[0] - 1) < SAME_SPACING
                                                                 ).all(-1)
            like[0] = True
            for i in left[like]:
                first_of[i] = int(left[0])
            left, axes, spacings = left[~like], axes[~like], spacings[~like]
    numbers = {first: n for n, first in enumerate(sorted(set(first_of)))}
    return [numbers[first] for first in first_of]


def natural(text: str) -> list[tuple]:
    """A sorting key that counts: "s2" comes before "s10"."""
    return [(0, int(part), "") if part.isdecimal() else (1, 0, part) for part in re.split(r"(\d+)", text) if part]
