"""Lines in an image: the pretext targets of a slice, exact under any orientation, spacing and augmentation.

A line is three numbers (a, b, c) with a * column + b * row + c = 0: the plane that cuts the image, written in the
image's own pixels. No line is ever rasterised: its heatmap is a function of (a, b, c), and moving an image (rotation,
zoom, flip) moves its lines by one 3 x 3 product.
"""
from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .planes import PARALLEL_DEG, Plane, angle_between

_NOTHING = -80.0  # e to this is nothing (2e-35); below, single precision takes twice as long, and then has no numbers


def lines_in_image(image: Plane, planes: Sequence[Plane], parallel_deg: float = PARALLEL_DEG) -> np.ndarray:
    """The lines in which the (unbounded) planes cut an image: (n, 3) float, (a, b, c) in the image's pixels.

    a * column + b * row + c is the signed distance in mm, within the image, from a pixel to the line: the distance to
    the plane divided by the sine of the angle between the two. Planes within parallel_deg of the image give NaN.
    """
    normals = np.array([plane.normal for plane in planes]).reshape(-1, 3)
    positions = np.array([plane.position for plane in planes]).reshape(-1, 3)
    offset = ((image.position - positions) * normals).sum(-1)
    lines = np.concatenate([normals @ image.matrix[:, :2], offset[:, None]], axis=1)
    sine = np.linalg.norm(np.cross(normals, image.normal), axis=-1)
    parallel = angle_between(normals, image.normal) < max(parallel_deg, 1e-6)
    return np.where(parallel[:, None], np.nan, lines / np.where(parallel, 1.0, sine)[:, None])


def move_lines(lines: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """The same lines in another image's pixels: (..., 3) and a (3, 3) matrix that takes new pixels to old ones.

    Pixels are homogeneous (column, row, 1). The very matrix that resamples the image moves its lines.
    """
    return np.asarray(lines) @ np.asarray(matrix)


def clip_line(line: np.ndarray, shape: tuple[int, int]) -> np.ndarray | None:
    """(2, 2) pixels (column, row) where a line (3,) enters and leaves an image of shape (rows, columns).

    None if it never does; a line that is NaN, or only touches a corner, does not.
    """
    length = np.hypot(line[0], line[1])
    if not np.isfinite(line).all() or length == 0:
        return None
    a, b, c = np.asarray(line) / length
    point, along = np.array([-a * c, -b * c]), np.array([-b, a])
    low, high = -np.inf, np.inf
    for k, count in enumerate((shape[1], shape[0])):
        if abs(along[k]) < 1e-12:
            if not -0.5 <= point[k] <= count - 0.5:
                return None
            continue
        ends = sorted(((-0.5 - point[k]) / along[k], (count - 0.5 - point[k]) / along[k]))
        low, high = max(low, ends[0]), min(high, ends[1])
    return np.stack([point + low * along, point + high * along]) if high - low > 1e-9 else None


def lines_hit(lines: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """(..., 3) lines -> (...) bool: does the line pass through the rectangle of an image of shape (rows, columns)?"""
    bottom, right = shape[0] - 0.5, shape[1] - 0.5
    corners = np.array([(-0.5, -0.5, 1), (right, -0.5, 1), (right, bottom, 1), (-0.5, bottom, 1)])
    side = np.asarray(lines) @ corners.T
    return (side.min(-1) < 0) & (side.max(-1) > 0)  # comparisons with NaN are false: no line, no hit


def in_millimetres(lines: np.ndarray, spacing: tuple[float, float]) -> np.ndarray:
    """Scale (..., 3) lines: a * column + b * row + c becomes mm in an image of this (row, column) spacing.

    Numbers that are no line (a = b = 0, or infinite) become NaN.
    """
    lines = np.asarray(lines, dtype=float)
    slope = np.hypot(lines[..., 0] / spacing[1], lines[..., 1] / spacing[0])
    return lines / np.where((slope > 0) & (slope < np.inf), slope, np.nan)[..., None]


def distance_to_lines(lines: np.ndarray, pixels: np.ndarray, spacing: tuple[float, float]) -> np.ndarray:
    """Signed distance in mm from pixels (..., 2), as (column, row), to lines (..., 3); NaN where there is no line."""
    scaled = in_millimetres(lines, spacing)
    return (scaled[..., :2] * pixels).sum(-1) + scaled[..., 2]


def nearest_on_lines(lines: np.ndarray, pixels: np.ndarray, spacing: tuple[float, float]) -> np.ndarray:
    """The points (..., 2) of lines (..., 3) that are nearest to pixels (..., 2); NaN where there is no line."""
    away = distance_to_lines(lines, pixels, spacing)[..., None]
    return pixels - away * in_millimetres(lines, spacing)[..., :2] / np.square([spacing[1], spacing[0]])


def heatmaps(lines: np.ndarray, shape: tuple[int, int], spacing: tuple[float, float], sigma_mm: float) -> np.ndarray:
    """(n, 3) lines -> (n, rows, columns) float32, exp(-d^2 / (2 sigma^2)), d = distance in mm to the infinite line.

    The pretext target of Zhang et al. 2024 (there 6 px of 1.26 mm), peak 1. NaN lines give zeros; mask them by
    `lines_hit`, never train on them.
    """
    scaled = in_millimetres(np.reshape(lines, (-1, 3)), spacing) / (np.sqrt(2.0) * sigma_mm)
    missing = ~np.isfinite(scaled).all(-1)
    a, b, c = np.where(missing[:, None], 0.0, scaled).astype(np.float32).T[..., None, None]
    columns = np.arange(shape[1], dtype=np.float32)[None, None]
    rows = np.arange(shape[0], dtype=np.float32)[None, :, None]
    exponent = a * columns + (b * rows + c)
    np.multiply(exponent, exponent, out=exponent)
    np.negative(exponent, out=exponent)
    np.maximum(exponent, _NOTHING, out=exponent)
    maps = np.exp(exponent, out=exponent)
    maps[missing] = 0
    return maps


def line_errors(predicted: np.ndarray, true: np.ndarray, shape: tuple[int, int], spacing: tuple[float, float]):
    """Angle in degrees and mean distance in mm between predicted and true lines, (n, 3) each -> two (n,) arrays.

    The distance is averaged over the part of the true line inside the image; NaN where either line is missing.
    """
    predicted, true = in_millimetres(predicted, spacing), in_millimetres(true, spacing)
    to_mm = np.array([1 / spacing[1], 1 / spacing[0]])
    first, second = predicted[:, :2] * to_mm, true[:, :2] * to_mm
    angle = np.degrees(np.arctan2(np.abs(first[:, 0] * second[:, 1] - first[:, 1] * second[:, 0]),
                                  np.abs((first * second).sum(-1))))
    distance = np.full(len(true), np.nan)
    for i, line in enumerate(true):
        segment = clip_line(line, shape)
        if segment is not None and np.isfinite(predicted[i]).all():
            start, end = segment @ predicted[i, :2] + predicted[i, 2]
            # The mean of the absolute value of a linear function: two triangles where it changes sign.
            size = abs(start) + abs(end)
            distance[i] = (start**2 + end**2) / (2 * size) if start * end < 0 else size / 2
    return np.where(np.isnan(distance), np.nan, angle), distance
