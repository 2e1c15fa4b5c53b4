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
    TENDON = auto()
    FEMUR = auto()
    FEMUR_CORTEX = auto()
    FEMUR_BRUISE = auto()
    TIBIA = auto()
    TIBIA_CORTEX = auto()
    TIBIA_BRUISE = auto()
    PATELLA = auto()
    PATELLA_CORTEX = auto()
    FEMORAL_CARTILAGE = auto()
    TIBIAL_CARTILAGE = auto()
    PATELLAR_CARTILAGE = auto()
    MENISCUS = auto()
    MENISCUS_TEAR = auto()
    ACL = auto()
    ACL_TEAR = auto()
    PCL = auto()


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

# A torn structure is still that structure.
KNEE_LABELS = _labels({
    Tissue.FEMUR: 1, Tissue.FEMUR_CORTEX: 1, Tissue.FEMUR_BRUISE: 1,
    Tissue.TIBIA: 2, Tissue.TIBIA_CORTEX: 2, Tissue.TIBIA_BRUISE: 2, Tissue.PATELLA: 3, Tissue.PATELLA_CORTEX: 3,
    Tissue.FEMORAL_CARTILAGE: 4, Tissue.TIBIAL_CARTILAGE: 5, Tissue.PATELLAR_CARTILAGE: 6,
    Tissue.MENISCUS: 7, Tissue.MENISCUS_TEAR: 7, Tissue.ACL: 8, Tissue.ACL_TEAR: 8, Tissue.PCL: 9,
})
