"""A knee study as it is run: a sagittal, a coronal and an axial stack through the joint."""
from __future__ import annotations

import numpy as np

from .knee import Knee
from .prescription import Series, oriented, stack, unsteady

# (sagittal, coronal, axial) weightings, and how descriptions name weighting and direction.
HABITS = (
    (("PD", "T1", "T2 FS"), ("sag PD TSE", "cor T1 TSE", "tra T2 TSE fs")),
    (("T2 FS", "T1", "PD"), ("SAG T2 FS", "COR T1", "AX PD")),
    (("PD", "T2 FS", "T2 FS"), ("PDW_TSE SAG", "T2W_SPAIR COR", "T2W_SPAIR AX")),
    (("T2 FS", "PD", "T1"), ("t2_tse_fs_sag", "pd_tse_cor", "t1_tse_tra")),
)
VIEWS = ("sagittal", "coronal", "axial")
STRAIGHT = 0.25  # share of the studies whose planes follow the scanner's axes exactly
TILT_DEG, SHIFT_MM = 3.0, 4.0


def knee_series(knee: Knee, phases: int, rng: np.random.Generator) -> tuple[Series, ...]:
    """Three stacks of one phase (a knee does not beat, whatever phases says), each with its own grid and weighting."""
    weightings, names = HABITS[rng.integers(len(HABITS))]
    straight = rng.random() < STRAIGHT
    extents = {"sagittal": 86.0, "coronal": 88.0, "axial": 98.0}
    series = []
    for i in rng.permutation(3):
        view = VIEWS[i]
        normal = np.eye(3)[i] if straight else unsteady(rng, knee.frame.axes[i], TILT_DEG)
        pixel, ratio = rng.uniform(0.80, 1.0), rng.choice([1.0, rng.uniform(1.05, 1.25)], p=[0.75, 0.25])
        spacing = (round(pixel, 4), round(float(pixel * ratio), 4))
        size = rng.uniform(145, 165, 2)
        shape = tuple(int(2 * round(mm / s / 2)) for mm, s in zip(size, spacing, strict=True))
        thick = round(float(rng.uniform(3.0, 4.0)), 1)
        step = round(float(thick + rng.choice([0.0, 0.3, 0.5])), 2)
        centre = knee.frame.to_lps([0, 2, 12]) + rng.normal(0, SHIFT_MM, 3)
        middle = oriented(centre, normal, spacing, shape, 0.0 if straight else rng.normal(0, 3))
        planes = stack(middle, step, round(extents[view] / step), reverse=rng.random() < 0.5)
        series.append(Series(len(series) + 2, names[i], view, planes, thick, weightings[i], step, labelled=True))
    return tuple(series)
