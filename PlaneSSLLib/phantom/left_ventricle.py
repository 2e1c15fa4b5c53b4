"""The left ventricle: a cavity and a wall of revolution whose blood is ejected and whose muscle keeps its volume."""
from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from .heart_parameters import HeartParameters

WAIST = 0.30  # the ventricle is widest at this share of the way from base to apex
INNER_NARROWING, OUTER_NARROWING = 0.10, 0.17  # how much narrower its cavity and its outside are at the base
TIP = 0.75  # the wall's thickness at the apex, as a share of its mean


@dataclass(frozen=True)
class Size:
    """The left ventricle at one moment, mm: places along the long axis, and largest radii."""

    base: float
    apex: float  # of the cavity
    tip: float  # of the wall
    radius: float
    outer: float


@dataclass(frozen=True)
class LeftVentricle:
    """Along the heart's axes: rho and theta about the long axis, w along it from the mitral plane to the apex."""

    parameters: HeartParameters

    def at(self, contraction: float) -> Size:
        """The cavity's volume falls linearly with contraction; base and apex move towards each other."""
        p = self.parameters
        base, apex = contraction * p.base_descent, p.length - 0.2 * p.wall * contraction
        tip = p.length + TIP * p.wall
        cavity = p.radius**2 * self._fullness(0, p.length, INNER_NARROWING) * (1 - p.ejection_fraction * contraction)
        return Size(
            base, apex, tip, float(np.sqrt(cavity / self._fullness(base, apex, INNER_NARROWING))),
            float(np.sqrt((cavity + self._muscle) / self._fullness(base, tip, OUTER_NARROWING))))

    def volume_ml(self, contraction: float) -> float:
        """Of the cavity as designed: in closed form, before the phantom is bent and made elliptic."""
        size = self.at(contraction)
        return np.pi * size.radius**2 * self._fullness(size.base, size.apex, INNER_NARROWING) / 1000

    def inner_radius(self, w: np.ndarray, theta: np.ndarray, size: Size) -> np.ndarray:
        """Distance from the long axis to the endocardium; 0 beyond the apex."""
        around = size.radius * (1 + self.parameters.ellipticity * np.cos(2 * theta))
        return around * self._profile(w, size.base, size.apex, INNER_NARROWING)

    def outer_radius(
            self, w: np.ndarray, theta: np.ndarray, size: Size, margin: float | np.ndarray = 0.0) -> np.ndarray:
        """Distance from the long axis to a surface that lies `margin` mm outside the epicardium."""
        p = self.parameters
        around = (size.outer + margin) * (1 + p.ellipticity * np.cos(2 * theta))
        around += (p.septum_ratio - 1) * (size.outer - size.radius) / 2 * np.cos(theta)
        return around * self._profile(w, size.base, size.tip + margin, OUTER_NARROWING)

    @cached_property
    def _muscle(self) -> float:
        p = self.parameters
        return ((p.radius + p.wall) ** 2 * self._fullness(0, p.length + TIP * p.wall, OUTER_NARROWING)
                - p.radius**2 * self._fullness(0, p.length, INNER_NARROWING))

    def _fullness(self, base: float, apex: float, narrowing: float) -> float:
        w = np.linspace(base, apex, 401)
        return float(np.trapezoid(self._profile(w, base, apex, narrowing) ** 2, w))

    def _profile(self, w: np.ndarray, base: float, apex: float, narrowing: float) -> np.ndarray:
        """Radius at w as a share of the largest one."""
        centre = base + WAIST * (apex - base)
        ahead = np.clip((w - centre) / (apex - centre), 0, 1)
        behind = np.clip((centre - w) / (centre - base), 0, 1.5)
        return np.where(w > centre, np.sqrt(1 - ahead**self.parameters.bluntness), 1 - narrowing * behind**2)
