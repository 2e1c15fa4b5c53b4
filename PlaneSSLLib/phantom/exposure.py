"""An image as a scanner takes it: partial volume, texture, coils, blur, noise."""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from ..geometry import Plane
from .organ import Organ
from .tissue import Tissue

# Where a pixel's volume is sampled, as shares of column spacing, row spacing and slice thickness: four points that
# take four different places along every axis (a rotated grid, with its places through the slice shuffled). Each pixel
# moves them through the slice by up to LOOSE, or surfaces that graze the slice would show as terraces.
SAMPLES = ((-0.125, -0.375, 0.125), (0.375, -0.125, -0.375), (0.125, 0.375, 0.375), (-0.375, 0.125, -0.125))
LOOSE = 0.125


@dataclass(frozen=True, eq=False)
class Scanner:
    """What stays the same in all series of one study: coils, texture of the tissues, gain."""

    coils: np.ndarray  # (k, 3) LPS mm
    reach: list[float]  # mm at which a coil's sensitivity has halved
    texture: np.ndarray  # (32, 32, 32), standard deviation 1, repeats without a seam
    grain: np.ndarray  # (tissues,) relative strength of the texture
    gain: float
    noise: float  # relative to blood in the middle of the heart
    blur: float  # pixels

    @classmethod
    def draw(cls, rng: np.random.Generator, middle: np.ndarray, depth: float, spread: float) -> Scanner:
        """Coils lie in front of and behind the middle, at this depth, spread to the sides (mm)."""
        count = 6
        side = rng.uniform(-1, 1, (count, 3)) * (spread, 0, spread)
        side[:, 1] = depth * np.where(np.arange(count) % 2, 1.25, -1.0)
        texture = ndimage.gaussian_filter(rng.normal(size=(32, 32, 32)).astype(np.float32), 0.8, mode="wrap")
        grain = np.clip(rng.normal(0.06, 0.02, len(Tissue)), 0.02, 0.15)
        return cls(
            middle + side, rng.uniform(60, 110, count).tolist(), texture / texture.std(), grain.astype(np.float32),
            gain=float(rng.uniform(350, 800)), noise=float(rng.uniform(0.015, 0.05)),
            blur=float(rng.uniform(0.3, 0.6)))

    def sensitivity(self, points: np.ndarray, middle: np.ndarray) -> np.ndarray:
        """(3, n) LPS -> (n,) what the coils pick up, 1 at the middle."""
        def total(at):
            picked = 0.0
            for coil, reach in zip(self.coils.astype(np.float32), self.reach, strict=True):
                picked = picked + 1 / (1 + ((at - coil[:, None]) ** 2).sum(0) / reach**2) ** 2
            return np.sqrt(picked)
        return total(points) / total(middle.astype(np.float32)[:, None])

    def texture_at(self, points: np.ndarray, size_mm: float = 2.2) -> np.ndarray:
        """(3, n) LPS -> (n,) the tissues' own unevenness."""
        return ndimage.map_coordinates(self.texture, points / np.float32(size_mm), order=1, mode="grid-wrap")


def expose(organ: Organ, scanner: Scanner, plane: Plane, thickness: float, contractions: Sequence[float],
           signal: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """One slice at each moment of the cycle: (contractions, rows, columns) uint16 pixels and uint8 labels.

    A pixel's signal is the magnitude of the mean over its own volume; its label is the tissue at its centre.
    """
    shape = plane.shape
    centre = _grid(plane, 0.0, 0.0, 0.0)
    moving = np.flatnonzero(organ.near(centre))
    loose = rng.uniform(-LOOSE, LOOSE, centre.shape[1])
    samples = [_Sample(organ, _grid(plane, *at[:2], (at[2] + loose) * thickness), moving) for at in SAMPLES]
    middle = _Sample(organ, centre, moving)
    still = sum(signal[sample.still] for sample in samples) / len(samples)
    shading = scanner.sensitivity(centre, organ.middle).reshape(shape)
    texture = scanner.texture_at(centre)

    images = np.empty((len(contractions), *shape), np.uint16)
    labels = np.empty((len(contractions), *shape), np.uint8)
    for k, contraction in enumerate(contractions):
        tissue, mean = middle.still.copy(), still.copy()
        tissue[moving] = middle.beating(contraction)
        mean[moving] = sum(signal[sample.beating(contraction)] for sample in samples) / len(samples)
        grained = np.abs(mean) * (1 + scanner.grain[tissue] * texture)
        image = ndimage.gaussian_filter(grained.reshape(shape), scanner.blur) * shading
        noise = rng.normal(0, scanner.noise, (2, *shape)).astype(np.float32)
        images[k] = np.clip(np.hypot(image + noise[0], noise[1]) * scanner.gain, 0, 4095).round()
        labels[k] = organ.labels[tissue].reshape(shape)
    return images, labels


class _Sample:
    """One point in every pixel: what stands still is looked up once, what beats at every moment."""

    def __init__(self, organ: Organ, points: np.ndarray, moving: np.ndarray) -> None:
        self.organ, self.still = organ, organ.still(points)
        self.points, self.around = np.ascontiguousarray(points[:, moving]), self.still[moving]

    def beating(self, contraction: float) -> np.ndarray:
        return self.organ.beating(self.points, self.around, contraction)


def _grid(plane: Plane, along_row: float, down_column: float, off_plane) -> np.ndarray:
    """(3, rows * columns) float32 LPS: every pixel's centre, moved by parts of a pixel, and by mm off the plane."""
    column, row = np.meshgrid(np.arange(plane.shape[1]) + along_row, np.arange(plane.shape[0]) + down_column)
    pixels = np.stack([column.ravel(), row.ravel(), np.ones(column.size)])
    return (np.einsum("xk,kn->xn", plane.matrix, pixels) + plane.normal[:, None] * off_plane).astype(np.float32)
