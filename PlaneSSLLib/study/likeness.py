"""When two planes are alike, and how numbers within names are ordered."""
from __future__ import annotations

import re

import numpy as np

from ..geometry import Plane, angle_between

SAME_DIRECTION_DEG = 0.5
SAME_PLACE_MM = 0.05  # along the normal


def alike(first: Plane, second: Plane) -> bool:
    """Same size, spacing and directions: may the two be slices of one stack?"""
    return (
        first.shape == second.shape and np.allclose(first.spacing, second.spacing, rtol=1e-3)
        and first.row @ second.row > 0 and first.column @ second.column > 0
        and angle_between(first.row, second.row) < SAME_DIRECTION_DEG
        and angle_between(first.column, second.column) < SAME_DIRECTION_DEG)


def natural(text: str) -> list[tuple]:
    """A sorting key that counts: "s2" comes before "s10"."""
    return [(0, int(part), "") if part.isdecimal() else (1, 0, part) for part in re.split(r"(\d+)", text) if part]
