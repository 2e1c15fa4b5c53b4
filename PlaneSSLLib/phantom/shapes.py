"""The bricks phantoms are built of: implicit solids, smooth random bending, pose.

Points are float32 of shape (3, n), one row per axis, so that every step runs over contiguous memory; all lengths in mm.
Products of small matrices with many points go through einsum: it starts no threads, where every process has its own.
"""
from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.spatial.transform import Rotation


@dataclass(frozen=True, eq=False)
class Bend:
    """A smooth displacement of space, a short sum of sines: no two organs keep the same outline."""

    waves: np.ndarray  # (k, 3) angular frequencies, 1/mm
    phases: np.ndarray  # (k,)
    shifts: np.ndarray  # (3, k) mm

    @classmethod
    def draw(cls, rng: np.random.Generator, amount_mm: float, shortest_mm: float, count: int = 5) -> Bend:
        """amount_mm: standard deviation of the displacement along each axis."""
        directions = rng.normal(size=(count, 3))
        directions /= np.linalg.norm(directions, axis=1, keepdims=True)
        waves = directions * (2 * np.pi / rng.uniform(shortest_mm, 2.5 * shortest_mm, (count, 1)))
        shifts = rng.normal(size=(3, count)) * amount_mm * np.sqrt(2 / count)
        return cls(waves.astype(np.float32), rng.uniform(0, 2 * np.pi, count).astype(np.float32),
                   shifts.astype(np.float32))

    def __call__(self, points: np.ndarray) -> np.ndarray:
        waves = np.sin(np.einsum("kx,xn->kn", self.waves, points) + self.phases[:, None])
        return points + np.einsum("xk,kn->xn", self.shifts, waves)


@dataclass(frozen=True, eq=False)
class Frame:
    """An organ's own axes in the patient: axes (3, 3), one unit vector per row, LPS; origin (3,), LPS mm."""

    axes: np.ndarray
    origin: np.ndarray

    def inside(self, points: np.ndarray) -> np.ndarray:
        """(3, n) LPS -> (3, n) along the organ's own axes."""
        offset = points - self.origin.astype(np.float32)[:, None]
        return np.einsum("kx,xn->kn", self.axes.astype(np.float32), offset)

    def to_lps(self, point) -> np.ndarray:
        """(3,) or (n, 3) along the organ's own axes -> LPS."""
        return np.asarray(point, dtype=float) @ self.axes + self.origin


def turned(axes: np.ndarray, degrees) -> np.ndarray:
    """The same axes (one per row) turned about the patient's x, y and z by three angles."""
    return Rotation.from_euler("xyz", degrees, degrees=True).apply(axes)


def bounded_normal(rng: np.random.Generator, mean, sd, reach: float = 2.2):
    """A normal draw kept within `reach` standard deviations."""
    return mean + sd * np.clip(rng.normal(size=np.shape(mean)), -reach, reach)


def ellipsoid(points: np.ndarray, centre, radii) -> np.ndarray:
    """(n,) below 1 inside, 1 on the surface, growing linearly outwards."""
    total = np.zeros(points.shape[1], np.float32)
    for axis in range(3):
        total += ((points[axis] - np.float32(centre[axis])) * np.float32(1 / radii[axis])) ** 2
    return np.sqrt(total)


def tube(points: np.ndarray, path, radii) -> np.ndarray:
    """(n,) mm from the surface of a tube along a path (k, 3) whose radius changes linearly; negative inside."""
    path, radii = np.asarray(path, dtype=float), np.broadcast_to(radii, len(path)).tolist()
    nearest = np.full(points.shape[1], np.inf, np.float32)
    x, y, z = points
    for start, end, first, last in zip(path.tolist(), path[1:].tolist(), radii, radii[1:], strict=False):
        u, v, w = (b - a for a, b in zip(start, end, strict=True))
        dx, dy, dz = x - start[0], y - start[1], z - start[2]
        place = np.clip((u * dx + v * dy + w * dz) / (u * u + v * v + w * w), 0, 1)
        dx -= u * place
        dy -= v * place
        dz -= w * place
        np.minimum(nearest, np.sqrt(dx * dx + dy * dy + dz * dz) - (first + (last - first) * place), out=nearest)
    return nearest
