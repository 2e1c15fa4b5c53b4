"""Series as an operator prescribes them: planes laid through an organ, the image turned as scanners turn it."""
from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.spatial.transform import Rotation

from ..geometry import Plane, scanner_axes


@dataclass(frozen=True)
class Series:
    """What is acquired under one series number.

    planes: in the order of acquisition. view: the true view, None where one series holds several directions. step: mm
    between slices, None for one slice. weighting: a name in contrast.WEIGHTINGS. labelled: are label maps written?
    """

    number: int
    description: str
    view: str | None
    planes: tuple[Plane, ...]
    thickness: float
    weighting: str
    step: float | None = None
    phases: int = 1
    localizer: bool = False
    labelled: bool = False


def oriented(centre, normal, spacing: tuple[float, float], shape: tuple[int, int], turn_deg: float = 0.0,
             like: int | None = None) -> Plane:
    """The plane through centre (3,) at right angles to normal (3,), laid by `scanner_axes` and turned within itself."""
    row, column = scanner_axes(normal, like)
    turn = Rotation.from_rotvec(np.radians(turn_deg) * np.cross(row, column))
    row, column = turn.apply(row), turn.apply(column)
    corner = np.asarray(centre, dtype=float)
    corner = corner - row * spacing[1] * (shape[1] - 1) / 2 - column * spacing[0] * (shape[0] - 1) / 2
    return Plane(corner, row, column, spacing, shape)


def stack(middle: Plane, step: float, count: int, reverse: bool = False) -> tuple[Plane, ...]:
    """count parallel planes, step mm apart, around a middle one; reverse: against the direction of its normal."""
    places = (np.arange(count) - (count - 1) / 2) * step * (-1 if reverse else 1)
    return tuple(
        Plane(middle.position + place * middle.normal, middle.row, middle.column, middle.spacing, middle.shape)
        for place in places)


def unsteady(rng: np.random.Generator, normal: np.ndarray, degrees: float) -> np.ndarray:
    """A direction as a hand sets it: off by a normal draw of this standard deviation about each axis."""
    return Rotation.from_rotvec(np.radians(rng.normal(0, degrees, 3))).apply(normal)


def field_of_view(rng: np.random.Generator, height: float, width: float, pixel: float) -> tuple[tuple, tuple]:
    """(row, column) spacing and (rows, columns) of an image of about this size in mm; pixels not always square."""
    ratio = rng.uniform(1.08, 1.3) if rng.random() < 0.2 else 1.0
    spacing = (round(pixel * ratio, 4), round(pixel, 4)) if rng.random() < 0.5 else (
        round(pixel, 4), round(pixel * ratio, 4))
    return spacing, tuple(int(2 * round(mm / s / 2)) for mm, s in zip((height, width), spacing, strict=True))
