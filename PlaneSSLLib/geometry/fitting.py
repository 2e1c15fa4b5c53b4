"""Lines from heatmaps, and planes from lines: what a network's answers say, in the terms of the geometry."""
from __future__ import annotations

import numpy as np

from .planes import Plane, scanner_axes

RIDGE = 0.15  # pure noise correlates with its best line by less than 0.1, one under noise of its own amplitude by 0.2
SAMPLES = 0.4  # of sigma between the pixels that a line is fitted to, at most
STILL_MM = 1e-4  # a fit that moves by less, at the image's border, is done
STEADY_MM = 3.0  # lines are not expected to lie nearer to their plane than this
PAIRS = 300  # of lines, at most, that are tried as the beginning of a plane
SPREAD_MM = 5.0  # lines that all lie nearer than this to one line say nothing about a plane


def fit_lines(maps: np.ndarray, spacing: tuple[float, float], sigma_mm: float, steps: int = 50) -> np.ndarray:
    """Recover lines from heatmaps: (n, rows, columns) -> (n, 3), in_millimetres; NaN where a map holds no ridge.

    A coarse Hough transform (Duda and Hart 1972) of the bright pixels finds the strongest ridge, which other ridges do
    not pull; Levenberg-Marquardt on the two parameters of the line, angle and offset, then minimises the squared
    difference between the map and the ideal heatmap, with a free amplitude, so that a nearby border does not pull it
    either. A map that correlates with its best ideal heatmap by less than RIDGE holds no ridge. A line that only cuts
    off a corner, with less than sigma of its length in the image, may come out wrong or NaN.
    """
    maps = np.asarray(maps, dtype=float)
    rows, columns = maps.shape[-2:]
    x = (np.arange(columns) - (columns - 1) / 2) * spacing[1]
    y = (np.arange(rows) - (rows - 1) / 2) * spacing[0]
    grid = np.stack(np.broadcast_arrays(x[None], y[:, None]), axis=-1)
    every = max(1, int(SAMPLES * sigma_mm / max(spacing)))  # a ridge is smooth: not every pixel says something new
    fitted = np.array([_fit_line(m, grid, every, sigma_mm, steps) for m in maps]).reshape(-1, 3)
    lines = fitted * (spacing[1], spacing[0], 1)  # from mm about the middle of the image to pixels
    lines[:, 2] -= lines[:, :2] @ [(columns - 1) / 2, (rows - 1) / 2]
    return lines


def _fit_line(map_: np.ndarray, grid: np.ndarray, every: int, sigma: float, steps: int) -> np.ndarray:
    if not np.isfinite(map_).all() or map_.max(initial=0) < 1e-3 or np.ptp(map_) < 1e-3:
        return np.full(3, np.nan)
    values, places = map_[::every, ::every].ravel(), grid[::every, ::every].reshape(-1, 2)
    line = np.array(_strongest_ridge(values, places, sigma))
    edge = np.array([np.abs(grid).max(), 1.0])  # what a step of the angle, and of the offset, moves there, in mm
    damping, now = 1e-3, _model_at(line, values, places, sigma)
    for _ in range(steps):
        jacobian, _, missed = now
        normal_matrix = jacobian @ jacobian.T
        normal_matrix += np.diag(damping * np.diag(normal_matrix) + 1e-12)
        step = np.linalg.solve(normal_matrix, jacobian @ missed)
        new = _model_at(line + step, values, places, sigma)
        better = new[2] @ new[2] < missed @ missed
        if better:
            line, now = line + step, new
        damping *= 0.1 if better else 10
        if np.abs(step) @ edge < STILL_MM:
            break
    _, ideal, _ = _model_at(line, map_.ravel(), grid.reshape(-1, 2), sigma)
    ideal, values = ideal - ideal.mean(), map_.ravel() - map_.mean()
    if ideal @ values <= RIDGE * np.linalg.norm(ideal) * np.linalg.norm(values):
        return np.full(3, np.nan)
    return np.array([np.cos(line[0]), np.sin(line[0]), line[1]])


def _model_at(line: np.ndarray, values: np.ndarray, grid: np.ndarray, sigma: float) -> tuple[np.ndarray, ...]:
    """For a line (angle of the normal, offset): the Jacobian (2, n) of the ideal heatmap at its best-fitting amplitude,
    the heatmap at unit amplitude (n,), and the residual (n,) of a map's values.
    """
    normal, turned = np.array([[np.cos(line[0]), np.sin(line[0])], [-np.sin(line[0]), np.cos(line[0])]])
    distance = grid @ normal + line[1]
    ideal = np.exp(-(distance**2) / (2 * sigma**2))
    amplitude = max(ideal @ values / (ideal @ ideal + 1e-12), 1e-3)  # a step may have left the image
    slope = -amplitude * ideal * distance / sigma**2
    return np.stack([slope * (grid @ turned), slope]), ideal, values - amplitude * ideal


def _strongest_ridge(values: np.ndarray, grid: np.ndarray, sigma: float) -> tuple[float, float]:
    """Angle of the normal, and offset, of the strip of two sigma that holds most of the map's bright pixels."""
    bright = np.flatnonzero(values > 0.5 * values.max())
    bright = bright[:: 1 + len(bright) // 2000]
    angles = np.radians(np.arange(0, 180, 4))
    strip = np.floor(grid[bright] @ np.stack([np.cos(angles), np.sin(angles)]) / sigma).astype(int)
    first = strip.min()
    count = strip.max() - first + 2
    cell = (strip - first) + count * np.arange(len(angles))
    votes = np.bincount(cell.ravel(), np.repeat(values[bright], len(angles)), count * len(angles))
    votes = votes.reshape(len(angles), count)
    k, at = np.unravel_index((votes[:, :-1] + votes[:, 1:]).argmax(), (len(angles), count - 1))
    return angles[k], -(first + at + 1) * sigma


def fit_plane(segments: np.ndarray, steps: int = 20) -> Plane | None:
    """The plane in which most of n segments lie: (n, 2, 3) LPS mm; its extent means nothing.

    Of the planes through two of the segments each, the one that most others are near to is the first guess (Fischler
    and Bolles 1981); total least squares along the whole of every segment, with Cauchy's weights, refines it. Segments
    that are far off do not pull. None for fewer than three segments, and where all lie about one line, as in a single
    image.
    """
    segments = np.asarray(segments, dtype=float).reshape(-1, 2, 3)
    if len(segments) < 3:
        return None
    # Two points to stand for a segment: they have the moments of all of it (Gauss's rule).
    middle, half = segments.mean(1), (segments[:, 1] - segments[:, 0]) / 2
    points = np.stack([middle - half / np.sqrt(3), middle + half / np.sqrt(3)], axis=1)
    first, second = np.triu_indices(len(points), 1)
    tried = np.unique(np.linspace(0, len(first) - 1, PAIRS).round().astype(int))
    guesses = np.concatenate([points[first[tried]], points[second[tried]]], axis=1)
    centres = guesses.mean(1)
    normals = np.linalg.svd(guesses - centres[:, None])[2][:, 2]
    away = _away(points, centres, normals)
    away = away[(away / (away + STEADY_MM)).sum(1).argmin()]
    usual = max(STEADY_MM, float(np.median(away)))  # a line so far away counts half, one much further hardly at all
    for _ in range(steps):
        weights = 1 / (1 + np.square(away / usual))
        share = np.repeat(weights / weights.sum() / 2, 2)
        centre = share @ points.reshape(-1, 3)
        _, spread, axes = np.linalg.svd(np.sqrt(share)[:, None] * (points.reshape(-1, 3) - centre), full_matrices=False)
        away = _away(points, centre[None], axes[2:])[0]
    if spread[1] < SPREAD_MM:
        return None
    return Plane(centre, *scanner_axes(axes[2]), (1.0, 1.0), (1, 1))


def _away(points: np.ndarray, centres: np.ndarray, normals: np.ndarray) -> np.ndarray:
    """(planes, n) root mean square distance of n pairs of points (n, 2, 3) from planes."""
    distance = np.einsum("nkx,px->pnk", points, normals) - (centres * normals).sum(-1)[:, None, None]
    return np.sqrt(np.square(distance).mean(-1))
