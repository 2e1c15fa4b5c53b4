"""How tissues look: signal, partial volume, texture, coils, noise."""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from scipy import ndimage

from ..geometry import Plane
from .tissue import Tissue

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
}
IN_PLANE, THROUGH_PLANE = 2, 2  # samples along each side of a pixel, and through the slice


@dataclass(frozen=True, eq=False)
class Scanner:
    """What stays the same in all series of one study: coils, texture of the tissues, gain."""

    coils: np.ndarray  # (k, 3) LPS mm
    reach: np.ndarray  # (k,) mm at which a coil's sensitivity has halved
    texture: np.ndarray  # (32, 32, 32), standard deviation 1, repeats without a seam
    grain: np.ndarray  # (tissues,) relative strength of the texture
    drift: np.ndarray  # (tissues,) factor on the signal
    gain: float
    noise: float  # relative to blood in the middle of the heart
    blur: float  # pixels

    @classmethod
    def draw(cls, rng: np.random.Generator, middle: np.ndarray, half_depth: float, spread: float = 130.0) -> Scanner:
        count = 6
        side = rng.uniform(-1, 1, (count, 3)) * (spread, 0, spread)
        side[:, 1] = half_depth * np.where(np.arange(count) % 2, 1.15, -1.25)
        texture = ndimage.gaussian_filter(rng.normal(size=(32, 32, 32)).astype(np.float32), 0.8, mode="wrap")
        grain = np.clip(rng.normal(0.06, 0.02, len(Tissue)), 0.02, 0.15)
        return cls(
            middle + side, rng.uniform(70, 130, count), texture / texture.std(), grain,
            np.clip(rng.normal(1, 0.1, len(Tissue)), 0.75, 1.3), rng.uniform(350, 800), rng.uniform(0.015, 0.05),
            rng.uniform(0.3, 0.6))

    def sensitivity(self, points: np.ndarray, middle: np.ndarray) -> np.ndarray:
        """(3, n) LPS -> (n,) what the coils pick up, 1 at the middle."""
        def total(at):
            picked = 0.0
            for coil, reach in zip(self.coils.astype(np.float32), self.reach, strict=True):
                picked = picked + 1 / (1 + ((at - coil[:, None]) ** 2).sum(0) / np.float32(reach**2)) ** 2
            return np.sqrt(picked)
        return total(points) / total(middle.astype(np.float32)[:, None])

    def texture_at(self, points: np.ndarray, size_mm: float = 2.2) -> np.ndarray:
        """(3, n) LPS -> (n,) the tissues' own unevenness."""
        return ndimage.map_coordinates(self.texture, points / np.float32(size_mm), order=1, mode="grid-wrap")


def signal_table(weighting: str, scanner: Scanner, rng: np.random.Generator) -> np.ndarray:
    """(tissues,) float32 signal of this study in one series."""
    table = np.zeros(len(Tissue), np.float32)
    for tissue, value in WEIGHTINGS[weighting].items():
        table[tissue] = value
    return (table * scanner.drift * np.clip(rng.normal(1, 0.03, len(table)), 0.9, 1.1)).astype(np.float32)


def expose(organ, scanner: Scanner, plane: Plane, thickness: float, moments: Sequence[float], signal: np.ndarray,
           rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """One slice at each moment of the cycle: (moments, rows, columns) uint16 pixels and uint8 labels.

    A pixel's signal is the magnitude of the mean over its own volume; its label is the tissue at its centre.
    """
    shape = plane.shape
    centre = _grid(plane, 0.0, 0.0, 0.0)
    shading = (scanner.sensitivity(centre, organ.middle)).reshape(shape)
    texture = scanner.texture_at(centre)

    offsets = [(np.arange(n) + 0.5) / n - 0.5 for n in (IN_PLANE, IN_PLANE, THROUGH_PLANE)]
    samples = [_Sample(organ, _grid(plane, *at[:2], at[2] * thickness)) for at in product(*offsets)]
    middle = _Sample(organ, centre)
    images = np.empty((len(moments), *shape), np.uint16)
    labels = np.empty((len(moments), *shape), np.uint8)
    for k, moment in enumerate(moments):
        tissue = middle.at(moment)
        mean = sum(signal[sample.at(moment)] for sample in samples) / len(samples)
        grained = mean * (1 + scanner.grain.astype(np.float32)[tissue] * texture)
        image = ndimage.gaussian_filter(grained.reshape(shape), scanner.blur) * shading
        noise = rng.normal(0, scanner.noise, (2, *shape)).astype(np.float32)
        images[k] = np.clip(np.hypot(image + noise[0], noise[1]) * scanner.gain, 0, 4095).round()
        labels[k] = organ.labels[tissue].reshape(shape)
    return images, labels


class _Sample:
    """Points in one image: what stands still is looked up once, what beats at every moment."""

    def __init__(self, organ, points: np.ndarray) -> None:
        self.organ, self.still = organ, organ.still(points)
        self.moving = np.flatnonzero(organ.near(points))
        self.points, self.around = np.ascontiguousarray(points[:, self.moving]), self.still[self.moving]

    def at(self, moment: float) -> np.ndarray:
        tissue = self.still.copy()
        if len(self.moving):
            tissue[self.moving] = self.organ.beating(self.points, self.around, moment)
        return tissue


def _grid(plane: Plane, along_row: float, down_column: float, off_plane: float) -> np.ndarray:
    """(3, rows * columns) float32 LPS: every pixel's centre, moved by parts of a pixel and mm off the plane."""
    column, row = np.meshgrid(np.arange(plane.shape[1]) + along_row, np.arange(plane.shape[0]) + down_column)
    pixels = np.stack([column.ravel(), row.ravel(), np.ones(column.size)])
    return (plane.matrix @ pixels + off_plane * plane.normal[:, None]).astype(np.float32)
