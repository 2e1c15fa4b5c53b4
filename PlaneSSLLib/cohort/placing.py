"""From native pixels to the working grid in one composed resampling, and the same for the lines."""
from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy import ndimage

from ..geometry import Plane
from .plan import Plan


@dataclass(frozen=True)
class Augmentation:
    """How far a training image may be moved and its intensities changed. Zeros leave it as it is."""

    rotation_deg: float = 0.0
    zoom: float = 0.0  # 0.2: between 1 / 1.2 and 1.2, each axis by up to a third of it more
    shift_mm: float = 0.0
    flip: bool = False
    gamma: float = 0.0  # exponent between 1 / (1 + gamma) and 1 + gamma
    gain: float = 0.0  # contrast and brightness
    noise: float = 0.0  # standard deviation, in units of the stack's range
    blur_px: float = 0.0
    shading: float = 0.0  # strength of a smooth multiplicative field
    shaded: float = 0.5  # share of the images that have one
    curve: float = 0.0  # spread of the slopes of a random rising curve through which intensities are sent

    def motion(self, rng: np.random.Generator, most_mm: float = np.inf) -> np.ndarray:
        """(3, 3) matrix in mm about the grid's centre: where in the patient's image a point of the new image lies.

        most_mm: no shift is larger; what moves a heart a little would move a small organ out of its field.
        """
        if self == NONE:
            return np.eye(3)
        angle = np.deg2rad(rng.uniform(-self.rotation_deg, self.rotation_deg))
        zoom = np.exp(rng.uniform(-1, 1) * np.log1p(self.zoom) + rng.uniform(-1, 1, 2) * np.log1p(self.zoom / 3))
        mirror = -1.0 if self.flip and rng.random() < 0.5 else 1.0
        cosine, sine = np.cos(angle), np.sin(angle)
        matrix = np.eye(3)
        matrix[:2, :2] = np.array([[cosine, -sine], [sine, cosine]]) * [mirror / zoom[0], 1 / zoom[1]]
        most = min(self.shift_mm, most_mm)
        matrix[:2, 2] = rng.uniform(-most, most, 2)
        return matrix

    def intensities(self, image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """(rows, columns) float32 -> the same with changed contrast, noise and so on; all in single precision."""
        if self.curve:
            image = _through_curve(image, self.curve, rng)
        if self.shading and rng.random() < self.shaded:
            rows, columns = (_between(4, size) for size in image.shape)
            image = image * np.exp((rows @ rng.normal(0, self.shading, (4, 4)) @ columns.T).astype(np.float32))
        if self.blur_px and rng.random() < 0.3:
            image = ndimage.gaussian_filter(image, rng.uniform(0, self.blur_px))
        if self.gamma:
            exponent = float(np.exp(rng.uniform(-1, 1) * np.log1p(self.gamma)))
            image = np.sign(image) * np.abs(image) ** exponent
        if self.gain:
            image = image * float(np.exp(rng.normal(0, self.gain))) + rng.normal(0, self.gain / 2)
        if self.noise and rng.random() < 0.5:
            image = image + rng.normal(0, rng.uniform(0, self.noise), image.shape).astype(np.float32)
        return image.astype(np.float32, copy=False)


NONE = Augmentation()
# Few patients show few brightnesses: blood near the coil, or dark in one ventricle, must not be new to the network.
STRONG = Augmentation(rotation_deg=45, zoom=0.35, shift_mm=20, curve=0.6, gamma=0.5, gain=0.25, noise=0.1, blur_px=1.2,
                      shading=0.5, shaded=0.8)
# A random curve's knots lie evenly around the range that a plan's percentiles are scaled to.
_DARKEST, _BRIGHTEST, _PARTS = -0.2, 1.4, 6


def _through_curve(image: np.ndarray, spread: float, rng: np.random.Generator) -> np.ndarray:
    """Intensities through a random rising curve: what is brighter stays so, but blood and muscle lose their own greys.

    After Zhou et al., Models Genesis, Medical Image Analysis 2021, whose curves are Bezier's; this one is straight
    between its knots. Beyond them nothing is stretched.
    """
    rises = np.exp(rng.normal(0, spread, _PARTS))
    rises *= (_BRIGHTEST - _DARKEST) / rises.sum()
    starts = _DARKEST + rises.cumsum() - rises
    within = np.clip(image, _DARKEST, _BRIGHTEST)
    at = (within - _DARKEST) * (_PARTS / (_BRIGHTEST - _DARKEST))  # in parts; np.interp takes four times as long
    part = np.minimum(at.astype(np.intp), _PARTS - 1)
    curved = starts.astype(np.float32)[part] + rises.astype(np.float32)[part] * (at - part.astype(np.float32))
    return curved + (image - within)


@lru_cache(maxsize=8)
def _between(count: int, size: int) -> np.ndarray:
    """(size, count) weights: linearly between `count` values in the middles of equal parts of `size` pixels."""
    at = np.clip((np.arange(size) + 0.5) * count / size - 0.5, 0, count - 1)
    return np.maximum(0, 1 - np.abs(at[:, None] - np.arange(count)))


def placement(plane: Plane, plan: Plan, motion: np.ndarray | None = None) -> np.ndarray:
    """(3, 3) matrix from pixels (column, row, 1) of the working grid to pixels of the plane.

    The grid's centre lies on the image's centre; motion, in mm about it, comes from `Augmentation.motion`. The matrix
    resamples the image, and `geometry.move_lines` with the same matrix moves its lines.
    """
    rows, columns = plan.size
    to_mm = np.array([[plan.spacing[1], 0, -plan.spacing[1] * (columns - 1) / 2],
                      [0, plan.spacing[0], -plan.spacing[0] * (rows - 1) / 2],
                      [0, 0, 1.0]])
    to_pixels = np.array([[1 / plane.spacing[1], 0, (plane.shape[1] - 1) / 2],
                          [0, 1 / plane.spacing[0], (plane.shape[0] - 1) / 2],
                          [0, 0, 1.0]])
    return to_pixels @ (np.eye(3) if motion is None else motion) @ to_mm


def resample(image: np.ndarray, matrix: np.ndarray, size: tuple[int, int], order: int = 1, outside: float = 0.0):
    """Sample an image (rows, columns) once on a grid of (rows, columns) size through a `placement` matrix.

    order 1 is linear (images), 0 nearest (labels). Where a new pixel is more than 1.5 old ones wide, its value is
    the mean of several linear samples within it, so that fine images do not alias.
    """
    swapped = matrix[[1, 0, 2]][:, [1, 0, 2]]  # scipy counts (row, column)
    linear, offset = swapped[:2, :2], swapped[:2, 2]
    dtype = np.float32 if order else image.dtype
    image = np.asarray(image, dtype=dtype)
    finer = np.maximum(1, np.rint(np.linalg.norm(linear, axis=0))).astype(int) if order else np.ones(2, int)
    if finer.max() <= 1:
        return ndimage.affine_transform(image, linear, offset, size, order=order, cval=outside, output=dtype)
    inner = linear / finer
    start = offset - inner @ ((finer - 1) / 2)
    fine = ndimage.affine_transform(image, inner, start, tuple(size * finer), order=order, cval=outside, output=dtype)
    return fine.reshape(size[0], finer[0], size[1], finer[1]).mean(axis=(1, 3))
