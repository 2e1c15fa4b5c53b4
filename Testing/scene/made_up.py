"""Studies whose planes and pixels are known, made without a file."""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from PlaneSSLLib.geometry import Plane
from PlaneSSLLib.study import Frame, Naming, Stack, Study


@dataclass(frozen=True, eq=False)
class Pixels:
    """An image that is there already."""

    values: np.ndarray
    file: Path = Path("made-up")

    def read(self) -> np.ndarray:
        return self.values


def turn(degrees: float, axis: Sequence[float]) -> np.ndarray:
    """(3, 3) rotation about an axis (Rodrigues)."""
    x, y, z = np.array(axis, dtype=float) / np.linalg.norm(axis)
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    angle = np.radians(degrees)
    return np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross


def planes(row, column, shape=(64, 80), spacing=(2.0, 1.6), centre=(3.0, -5.0, 8.0), slices=1, step=8.0, shear=0.0):
    """Parallel planes about a centre; shear: mm along a row that each is moved more than the one before."""
    row, column = np.array(row, dtype=float), np.array(column, dtype=float)
    normal = np.cross(row, column)
    corner = np.array(centre) - row * spacing[1] * (shape[1] - 1) / 2 - column * spacing[0] * (shape[0] - 1) / 2
    offsets = np.atleast_1d(step)[:, None] * normal + shear * row
    places = np.arange(slices) - (slices - 1) / 2 if np.isscalar(step) else None
    shifts = places[:, None] * offsets if places is not None else np.array(step)[:, None] * normal
    return tuple(Plane(corner + shift, row, column, spacing, shape) for shift in shifts)


def stack(name: str, view: str, of: Sequence[Plane], phases: int | Sequence[int] = 1, **more) -> Stack:
    """A stack of grey images; every frame has a mean of its own, so that frames can be told apart."""
    counts = [phases] * len(of) if isinstance(phases, int) else list(phases)
    frames = tuple(tuple(Frame(Pixels(_image(plane, 100 + 10 * i + k)), 40.0 * k) for k in range(count))
                   for i, (plane, count) in enumerate(zip(of, counts, strict=True)))
    more = {"series": str(more.pop("number", 1)), "description": name, "frame_of_reference": "1.2.3",
            "thickness_mm": 6.0, **more}
    return Stack(name, tuple(of), frames, Naming(view, 1.0), **more)


def _image(plane: Plane, level: float) -> np.ndarray:
    rows, columns = plane.shape
    wave = np.sin(np.arange(rows) / 5)[:, None] * np.cos(np.arange(columns) / 7)
    return np.round(level + 40 * wave).astype(np.float32)


def study(stacks: Sequence[Stack], anatomy: str = "heart", name: str = "made-up") -> Study:
    return Study(Path(name), "nobody", anatomy, tuple(stacks))


def heart(phases: int = 3) -> Study:
    """A short-axis cine stack, two long-axis cines and a localizer, none of them along a patient axis."""
    basis = turn(40, (1, 2, 3))
    sax, long_axis = (basis[:, 0], basis[:, 1]), (basis[:, 0], basis[:, 2])
    tilted = turn(75, basis[:, 2])
    return study([
        stack("sax", "SAX", planes(*sax, slices=5), phases, number=1),
        stack("two", "2CH", planes(*long_axis, shape=(72, 60)), phases, number=2),
        stack("four", "4CH", planes(tilted @ basis[:, 0], basis[:, 2], spacing=(1.8, 1.8)), phases, number=3),
        stack("scout", "4CH", planes(basis[:, 1], turn(20, basis[:, 1]) @ basis[:, 2], centre=(8, 2, 3)), number=4,
              localizer=True),
    ])


def knee() -> Study:
    """Three stacks exactly along the patient's axes, where lines have constant x, y or z."""
    return study([
        stack("sag", "sagittal", planes((0, 1, 0), (0, 0, -1), slices=4), number=1, side="left"),
        stack("cor", "coronal", planes((1, 0, 0), (0, 0, -1), slices=3, spacing=(1.2, 1.8)), number=2, side="left"),
        stack("tra", "axial", planes((1, 0, 0), (0, 1, 0), slices=3, shape=(60, 60)), number=3, side="left"),
    ], anatomy="knee")


def tilted() -> Study:
    """A stack whose slices are sheared, one whose steps are uneven, one whose slices count against row x column."""
    basis = turn(65, (3, -1, 2))
    against = planes(basis[:, 2], basis[:, 0], slices=3)[::-1]
    return study([
        stack("sheared", "SAX", planes(basis[:, 0], basis[:, 1], slices=4, shear=3.0), number=1),
        stack("uneven", "2CH", planes(basis[:, 1], basis[:, 2], slices=3, step=(-9.0, -2.0, 10.0)), number=2),
        stack("against", "4CH", against, number=3),
    ])


STUDIES = {"heart": heart, "knee": knee, "tilted": tilted}
