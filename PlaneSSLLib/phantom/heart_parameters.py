"""What tells one made-up heart from another, and the classes that follow from it."""
from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .shapes import bounded_normal

DILATED_RADIUS_MM = 27.5  # of the left ventricle's cavity at end-diastole; above it a heart is dilated
HYPERTROPHIED_WALL_MM = 11.5  # mean thickness of its wall at end-diastole; above it a heart is hypertrophied
EJECTION_RANGE = (0.12, 0.80)
# Radius, length, wall (mm) and ejection fraction of the three kinds a heart is drawn from: mean and standard deviation.
# The kinds overlap; the classes are cut by the two limits above, whatever kind a heart was drawn from.
KINDS = {
    "normal": ((24.0, 1.8), (84, 5), (8.4, 1.1), (0.62, 0.05)),
    "dilated": ((31.0, 2.3), (95, 6), (8.3, 1.2), (0.34, 0.09)),
    "hypertrophied": ((22.5, 2.0), (82, 5), (14.2, 1.7), (0.68, 0.05)),
}
SHARES = (0.4, 0.3, 0.3)


@dataclass(frozen=True)
class HeartParameters:
    """Sizes in mm at end-diastole, angles in degrees."""

    radius: float  # of the left ventricle's cavity
    length: float  # of the left ventricle's cavity, mitral plane to apex
    wall: float
    septum_ratio: float  # septum's thickness by the wall's mean
    ellipticity: float
    bluntness: float  # exponent of the apex' outline: 2 is an ellipse, more is blunter
    ejection_fraction: float
    base_descent: float
    right_width: float  # septum to free wall
    right_height: float  # half its extent along the septum, as a share of the left ventricle's outer radius
    right_apex: float  # share of the left ventricle's length
    right_contraction: float  # share of the width lost in systole
    left_atrium: float
    right_atrium: float
    aorta: float
    papillary: float
    trabeculae: float
    fat: float  # around the heart
    turn: tuple[float, float, float]  # of the heart in the chest, about left, back and up
    roll: float  # about its own long axis

    @classmethod
    def draw(cls, rng: np.random.Generator) -> HeartParameters:
        kind = str(rng.choice(list(KINDS), p=SHARES))
        radius, length, wall, ejection = (bounded_normal(rng, *draw) for draw in KINDS[kind])
        ejection = np.clip(ejection, *EJECTION_RANGE)
        size = bounded_normal(rng, 1.0, 0.06)
        values = {
            "radius": size * radius, "length": size * length, "wall": size * wall,
            "septum_ratio": rng.uniform(1.0, 1.5) if kind == "hypertrophied" else rng.uniform(0.9, 1.15),
            "ellipticity": rng.uniform(-0.06, 0.06), "bluntness": rng.uniform(1.9, 2.6),
            "ejection_fraction": ejection, "base_descent": 4 + 14 * ejection * rng.uniform(0.8, 1.2),
            "right_width": size * bounded_normal(rng, 31, 3.5), "right_height": bounded_normal(rng, 1.12, 0.06),
            "right_apex": rng.uniform(0.78, 0.94), "right_contraction": rng.uniform(0.28, 0.50),
            "left_atrium": size * bounded_normal(rng, 24, 3), "right_atrium": size * bounded_normal(rng, 23, 3),
            "aorta": size * bounded_normal(rng, 13.5, 1.4), "papillary": rng.uniform(3.5, 6.0),
            "trabeculae": rng.uniform(1.0, 3.5), "fat": rng.uniform(1.5, 7.0), "roll": bounded_normal(rng, 0, 7),
        }
        turn = bounded_normal(rng, np.zeros(3), np.array([6.0, 9.0, 8.0]), reach=2.0)
        return cls(**{name: float(value) for name, value in values.items()}, turn=tuple(turn.tolist()))

    @property
    def classes(self) -> dict[str, int]:
        dilated, thick = self.radius > DILATED_RADIUS_MM, self.wall > HYPERTROPHIED_WALL_MM
        return {"normal": int(not dilated and not thick), "dilated": int(dilated), "hypertrophied": int(thick)}
