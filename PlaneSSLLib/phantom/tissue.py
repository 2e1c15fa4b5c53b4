"""The tissues phantoms are made of, and the label each carries in an anatomy."""
from __future__ import annotations

from enum import IntEnum, auto

import numpy as np


class Tissue(IntEnum):
    """What is at a point."""

    AIR = 0
    SKIN = auto()
    FAT = auto()
    MUSCLE = auto()
    LUNG = auto()
    BONE = auto()
    MARROW = auto()
    DISC = auto()
    FLUID = auto()
    CORD = auto()
    LIVER = auto()
    SPLEEN = auto()
    BOWEL = auto()
    VESSEL = auto()
    ATRIUM = auto()
    VALVE = auto()
    RIGHT_VENTRICLE = auto()
    RIGHT_TRABECULAE = auto()
    RIGHT_WALL = auto()
    MYOCARDIUM = auto()
    LEFT_VENTRICLE = auto()
    TRABECULAE = auto()
    PAPILLARY = auto()


def _labels(values: dict[Tissue, int]) -> np.ndarray:
    table = np.zeros(len(Tissue), np.uint8)
    for tissue, value in values.items():
        table[tissue] = value
    return table


# Readers draw the contour of a cavity around its trabeculae and papillary muscles.
HEART_LABELS = _labels({
    Tissue.RIGHT_VENTRICLE: 1, Tissue.RIGHT_TRABECULAE: 1, Tissue.MYOCARDIUM: 2,
    Tissue.LEFT_VENTRICLE: 3, Tissue.TRABECULAE: 3, Tissue.PAPILLARY: 3,
})
