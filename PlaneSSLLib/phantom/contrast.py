"""How bright tissues are: relative signal in each weighting, and how much it varies from study to study."""
from __future__ import annotations

import numpy as np

from .tissue import Tissue


def _knee(*, fat, marrow, bruise, muscle, fluid, cartilage, meniscus, tear, ligament, torn, vessel) -> dict:
    return {
        Tissue.SKIN: 0.5 * muscle, Tissue.FAT: fat, Tissue.MUSCLE: muscle, Tissue.FLUID: fluid, Tissue.VESSEL: vessel,
        Tissue.BONE: 0.05, Tissue.MARROW: marrow, Tissue.TENDON: 0.6 * ligament,
        **dict.fromkeys((Tissue.FEMUR, Tissue.TIBIA, Tissue.PATELLA), marrow),
        **dict.fromkeys((Tissue.FEMUR_CORTEX, Tissue.TIBIA_CORTEX, Tissue.PATELLA_CORTEX), 0.06),
        **dict.fromkeys((Tissue.FEMUR_BRUISE, Tissue.TIBIA_BRUISE), bruise),
        **dict.fromkeys((Tissue.FEMORAL_CARTILAGE, Tissue.TIBIAL_CARTILAGE, Tissue.PATELLAR_CARTILAGE), cartilage),
        Tissue.MENISCUS: meniscus, Tissue.MENISCUS_TEAR: tear, Tissue.ACL: 1.3 * ligament, Tissue.ACL_TEAR: torn,
        Tissue.PCL: ligament,
    }


# Relative signal at the same distance from the coils. Negative is fat in opposed phase: where it shares a pixel with
# water the two cancel, which draws the dark outlines of a balanced steady-state image.
WEIGHTINGS = {
    "bSSFP": {
        Tissue.SKIN: 0.35, Tissue.FAT: -1.05, Tissue.MUSCLE: 0.27, Tissue.LUNG: 0.03, Tissue.BONE: 0.08,
        Tissue.MARROW: -0.45, Tissue.DISC: 0.35, Tissue.FLUID: 1.1, Tissue.CORD: 0.5, Tissue.LIVER: 0.36,
        Tissue.SPLEEN: 0.5, Tissue.BOWEL: 0.45, Tissue.VESSEL: 0.95, Tissue.ATRIUM: 0.92, Tissue.VALVE: 0.35,
        Tissue.RIGHT_VENTRICLE: 0.95, Tissue.RIGHT_TRABECULAE: 0.55, Tissue.RIGHT_WALL: 0.38, Tissue.MYOCARDIUM: 0.38,
        Tissue.LEFT_VENTRICLE: 1.0, Tissue.TRABECULAE: 0.6, Tissue.PAPILLARY: 0.40,
    },
    "PD": _knee(fat=1.0, marrow=0.85, bruise=0.75, muscle=0.45, fluid=0.9, cartilage=0.68, meniscus=0.10, tear=0.70,
                ligament=0.16, torn=0.55, vessel=0.15),
    "T2 FS": _knee(fat=0.16, marrow=0.13, bruise=0.60, muscle=0.32, fluid=1.3, cartilage=0.55, meniscus=0.09, tear=0.80,
                   ligament=0.13, torn=0.75, vessel=0.25),
    "T1": _knee(fat=1.1, marrow=0.95, bruise=0.55, muscle=0.36, fluid=0.26, cartilage=0.42, meniscus=0.10, tear=0.28,
                ligament=0.14, torn=0.32, vessel=0.12),
}
# Tissues of one kind: what changes the signal of one in a study changes all.
KINDS = (
    (Tissue.LEFT_VENTRICLE, Tissue.RIGHT_VENTRICLE, Tissue.ATRIUM, Tissue.VESSEL),
    (Tissue.MYOCARDIUM, Tissue.RIGHT_WALL, Tissue.PAPILLARY), (Tissue.TRABECULAE, Tissue.RIGHT_TRABECULAE),
    (Tissue.FEMUR, Tissue.TIBIA, Tissue.PATELLA, Tissue.MARROW),
    (Tissue.FEMORAL_CARTILAGE, Tissue.TIBIAL_CARTILAGE, Tissue.PATELLAR_CARTILAGE),
)


def draw_drift(rng: np.random.Generator) -> np.ndarray:
    """(tissues,) factors by which the tissues of one study are brighter or darker than usual."""
    drift = np.clip(rng.normal(1, 0.1, len(Tissue)), 0.75, 1.3)
    for kind in KINDS:
        drift[list(kind)] = drift[kind[0]] * np.clip(rng.normal(1, 0.03, len(kind)), 0.92, 1.08)
    return drift


def signal_table(weighting: str, drift: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """(tissues,) float32 signal of a study with this drift in one series."""
    table = np.zeros(len(Tissue))
    for tissue, value in WEIGHTINGS[weighting].items():
        table[tissue] = value
    return (table * drift * np.clip(rng.normal(1, 0.03, len(table)), 0.92, 1.08)).astype(np.float32)
