"""A made-up beating heart: chambers as implicit solids in the heart's own axes, set into a torso.

The heart's axes: s from the left ventricle's axis towards the septum and the right ventricle, t towards the anterior
wall, w from base to apex; w = 0 is the mitral plane at end-diastole. The cycle is told by one number, contraction: 0 at
end-diastole, 1 at end-systole.
"""
from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import cached_property

import numpy as np

from .shapes import Bend, Frame, bounded_normal, ellipsoid, tube, turned
from .tissue import HEART_LABELS, Tissue
from .torso import Torso

# Typical axes of an adult heart, LPS: the short axis' normal, and the four-chamber view's.
APEX = np.array([0.70, -0.63, -0.34]) / np.linalg.norm([0.70, -0.63, -0.34])
ANTERIOR = np.array([-0.02, -0.43, 0.90]) - APEX * (APEX @ [-0.02, -0.43, 0.90])
AXES = np.stack([np.cross(APEX, ANTERIOR / np.linalg.norm(ANTERIOR)), ANTERIOR / np.linalg.norm(ANTERIOR), APEX])
VIEW_ANGLES = {"4CH": 0.0, "3CH": 51.0, "2CH": 107.0}  # degrees about the long axis, from s towards t
AORTIC_ANGLE = np.radians(51.0)

DILATED_RADIUS_MM = 27.5  # of the cavity at end-diastole
HYPERTROPHIED_WALL_MM = 11.5
EJECTION_RANGE = (0.10, 0.82)
WAIST, NARROWING = 0.30, 0.12  # the ventricle is widest 30 % of the way to the apex, 12 % narrower at the base
REACH_MM = 135.0  # nothing that beats is farther than this from the middle of the left ventricle


@dataclass(frozen=True)
class HeartParameters:
    """Sizes in mm at end-diastole, angles in degrees."""

    radius: float
    length: float
    wall: float
    septum_ratio: float
    ellipticity: float
    bluntness: float
    ejection_fraction: float
    base_descent: float
    right_width: float
    right_height: float
    right_apex: float
    right_contraction: float
    left_atrium: float
    right_atrium: float
    aorta: float
    papillary: float
    trabeculae: float
    fat: float
    turn: tuple[float, float, float]
    roll: float

    @classmethod
    def draw(cls, rng: np.random.Generator) -> HeartParameters:
        kind = rng.choice(["normal", "dilated", "hypertrophied"], p=[0.4, 0.3, 0.3])
        radius, length, wall, ejection = {
            "normal": ((24.0, 1.8), (84, 5), (8.4, 1.1), (0.62, 0.05)),
            "dilated": ((31.0, 2.3), (95, 6), (8.3, 1.2), (0.34, 0.09)),
            "hypertrophied": ((22.5, 2.0), (82, 5), (14.2, 1.7), (0.68, 0.05)),
        }[kind]
        size = bounded_normal(rng, 1.0, 0.06)
        ejection = float(np.clip(bounded_normal(rng, *ejection), *EJECTION_RANGE))
        radius = size * bounded_normal(rng, *radius)
        septum = rng.uniform(1.0, 1.5) if kind == "hypertrophied" else rng.uniform(0.9, 1.15)
        values = {
            "radius": radius, "length": size * bounded_normal(rng, *length), "wall": size * bounded_normal(rng, *wall),
            "septum_ratio": septum, "ellipticity": rng.uniform(-0.06, 0.06), "bluntness": rng.uniform(1.9, 2.6),
            "ejection_fraction": ejection, "base_descent": 4 + 14 * ejection * rng.uniform(0.8, 1.2),
            "right_width": size * bounded_normal(rng, 30, 3.5), "right_height": size * bounded_normal(rng, 39, 3),
            "right_apex": rng.uniform(0.78, 0.94), "right_contraction": rng.uniform(0.12, 0.28),
            "left_atrium": size * bounded_normal(rng, 25, 3), "right_atrium": size * bounded_normal(rng, 24, 3),
            "aorta": size * bounded_normal(rng, 13.5, 1.4), "papillary": rng.uniform(3.5, 6.0),
            "trabeculae": rng.uniform(1.0, 3.5), "fat": rng.uniform(2.0, 8.0),
            "roll": bounded_normal(rng, 0, 7),
        }
        turn = tuple(float(x) for x in bounded_normal(rng, np.zeros(3), np.array([6.0, 9.0, 8.0]), 2.0))
        return cls(**{name: float(value) for name, value in values.items()}, turn=turn)

    @property
    def classes(self) -> dict[str, int]:
        dilated, thick = self.radius > DILATED_RADIUS_MM, self.wall > HYPERTROPHIED_WALL_MM
        return {"normal": int(not dilated and not thick), "dilated": int(dilated), "hypertrophied": int(thick)}


class Heart:
    """One heart in one torso. Drawn from a generator; the same generator state gives the same heart."""

    labels = HEART_LABELS
    anatomy = "heart"

    def __init__(self, rng: np.random.Generator) -> None:
        self.parameters = HeartParameters.draw(rng)
        self.torso = Torso.draw(rng)
        self.bend = Bend.draw(rng, amount_mm=rng.uniform(0.6, 1.5), shortest_mm=55.0)
        p = self.parameters
        roll = np.radians(p.roll)
        axes = turned(AXES, p.turn)
        axes = np.array([[np.cos(roll), np.sin(roll), 0], [-np.sin(roll), np.cos(roll), 0], [0, 0, 1]]) @ axes
        axes = axes @ self.torso.frame.axes  # the torso's own lie turns the heart along
        middle = self.torso.frame.to_lps(self.torso.heart_place)
        self.frame = Frame(axes, middle - axes[2] * p.length / 2)
        self.middle = middle
        self.ridges = rng.uniform(0, 2 * np.pi, 6)
        self.pillars = np.radians([135.0, -118.0]) + rng.normal(0, 0.15, 2)

    @property
    def classes(self) -> dict[str, int]:
        return self.parameters.classes

    def description(self) -> dict:
        """What truth.json says of this heart."""
        frame, p = self.frame, self.parameters
        return {
            "heart": asdict(p), "torso": asdict(self.torso.parameters), "axes": frame.axes.tolist(),
            "landmarks": {"base": frame.to_lps([0, 0, 0]).tolist(), "apex": frame.to_lps([0, 0, p.length]).tolist()},
        }

    def tissue(self, points: np.ndarray, contraction: float = 0.0) -> np.ndarray:
        """(..., 3) LPS mm -> (...) uint8 of Tissue."""
        points = np.asarray(points, dtype=float)
        flat = np.ascontiguousarray(points.reshape(-1, 3).T, dtype=np.float32)
        return self.beating(flat, self.still(flat), contraction).reshape(points.shape[:-1])

    def still(self, points: np.ndarray) -> np.ndarray:
        """(3, n) LPS -> (n,) the tissues that do not beat: everything but the heart."""
        return self.torso.tissue(points)

    def near(self, points: np.ndarray) -> np.ndarray:
        """(3, n) LPS -> (n,) bool: may something that beats be here?"""
        offset = points - self.middle.astype(np.float32)[:, None]
        return (offset * offset).sum(0) < REACH_MM**2

    def beating(self, points: np.ndarray, around: np.ndarray, contraction: float) -> np.ndarray:
        """(3, n) LPS and the still tissues there -> (n,) tissues with the heart at this moment of its cycle."""
        p, size = self.parameters, self.size_at(contraction)
        h = self.bend(self.frame.inside(points))
        s, t, w = h
        found = around.copy()
        theta = np.arctan2(t, s)
        rho = np.sqrt(s * s + t * t)
        base, descent = size["base"], size["base"]
        grow = 1 + 0.25 * contraction  # the atria fill while the ventricles empty

        aortic = np.array([np.cos(AORTIC_ANGLE), np.sin(AORTIC_ANGLE)]) * (0.55 * p.radius + 6.5)
        root = np.array([*aortic, base - 1])
        up = self.frame.axes @ np.array([-0.12, -0.08, 1.0])
        back = self.frame.axes @ np.array([-0.45, 0.35, 0.8])
        aorta = [root, root + 22 * back, root + 22 * back + 60 * up]
        right_base, right_apex = 5 + 1.25 * descent, p.right_apex * p.length
        valve = np.array([0.4 * p.right_width, p.radius + p.wall + 11, -14 + 0.6 * descent])
        trunk = valve + self.frame.axes @ np.array([6.0, 26.0, 34.0])
        cone = [np.array([p.right_width + 6, 15, right_base + 16]), valve]
        left_roof, right_roof = -2.0 * p.left_atrium + 4, -1.75 * p.right_atrium
        left_room = (-4, -9, (base + left_roof) / 2), p.left_atrium * grow**0.5 * np.array([1.05, 1.0, 0]) + np.array(
            [0, 0, (base - left_roof) / 2 + 4])
        right_room = (p.right_width + p.radius * 0.85, -5, (right_base + right_roof) / 2), (
            p.right_atrium * grow**0.5 * np.array([1.0, 1.1, 0]) + np.array([0, 0, (right_base - right_roof) / 2 + 4]))

        outer = rho - self.radius_at(w, theta, size, p.fat, outer=True)
        wall = self.radius_at(w, theta, size, 0.0, outer=True)
        cavity = self.radius_at(w, theta, size, 0.0, outer=False)
        right = self.right_ventricle(h, right_base, right_apex, contraction)
        conus = tube(h, cone, [15 - 2 * contraction, 12.5])
        left_atrium, right_atrium = ellipsoid(h, *left_room), ellipsoid(h, *right_room)
        aorta_distance = tube(h, aorta, [p.aorta, p.aorta * 1.1, p.aorta])
        trunk_distance = tube(h, [valve, trunk], 11.5)

        beyond = w > base
        wide = 1 + (p.fat + 3) / 26
        fat = ((outer < 0) & (w > base - 4)) | ((right < wide) & (w > right_base - 6)) | (conus < p.fat + 3)
        fat |= (left_atrium < 1 + 3 / 26) | (right_atrium < 1 + p.fat / 26) | (aorta_distance < 4)
        found[fat] = Tissue.FAT
        found[(left_atrium < 1.08) | (right_atrium < 1.08)] = Tissue.MUSCLE
        found[(aorta_distance < 1.8) | (trunk_distance < 1.8)] = Tissue.MUSCLE
        found[trunk_distance < 0] = Tissue.VESSEL
        found[right_atrium < 1] = Tissue.ATRIUM
        found[left_atrium < 1] = Tissue.ATRIUM
        found[aorta_distance < 0] = Tissue.VESSEL
        inflow = (w > right_base) | (conus < 0)
        shell = ((right < 1 + 3.5 / 30) & (w > right_base)) | ((conus < 3) & (aorta_distance > 2))
        found[shell] = Tissue.RIGHT_WALL
        blood = inflow & (((right < 1) & (w > right_base)) | ((conus < 0) & (aorta_distance > 2)))
        found[blood] = Tissue.RIGHT_VENTRICLE
        found[blood & (right > 0.72) & (np.sin(7 * theta + w / 5 + self.ridges[0]) * np.sin(
            w / 4 + 3 * theta + self.ridges[1]) > 1 - 0.17 * p.trabeculae)] = Tissue.RIGHT_TRABECULAE

        thick = beyond & (rho < wall)
        found[thick] = Tissue.MYOCARDIUM
        inner = beyond & (rho < cavity)
        found[inner] = Tissue.LEFT_VENTRICLE
        ridge = np.sin(6 * theta + w / 7 + self.ridges[2]) + np.sin(11 * theta - w / 9 + self.ridges[3])
        found[inner & (rho > cavity - p.trabeculae * np.clip(ridge, 0, None) * (w > 0.25 * p.length))] = Tissue.TRABECULAE
        self.add_pillars(found, h, inner, size)
        leaflet = (np.abs(w - base) < 0.9) & (rho < cavity + 1)
        found[leaflet & (np.abs(rho - 0.55 * cavity) > (0 if contraction > 0.5 else 9.0))] = Tissue.VALVE
        tricuspid = (np.abs(w - right_base) < 0.9) & (right < 1) & (rho > wall) & (conus > 0)
        found[tricuspid & (np.abs(s - p.right_width - 12) > (0 if contraction > 0.5 else 8.0))] = Tissue.VALVE
        return found

    def add_pillars(self, found: np.ndarray, h: np.ndarray, inner: np.ndarray, size: dict) -> None:
        """The two papillary muscles, from the wall at two thirds of the length towards the valve."""
        long, thick = size["apex"] - size["base"], self.parameters.papillary
        for angle in self.pillars:
            out = np.array([np.cos(angle), np.sin(angle)])
            foot = [*(out * size["radius"] * 0.72), size["base"] + 0.72 * long]
            tip = [*(out * size["radius"] * 0.5), size["base"] + 0.35 * long]
            found[inner & (tube(h, [foot, tip], [thick, thick * 0.65]) < 0)] = Tissue.PAPILLARY

    def right_ventricle(self, h: np.ndarray, base: float, apex: float, contraction: float) -> np.ndarray:
        """(3, n) along the heart's axes -> (n,) below 1 inside the right ventricle's inflow part and body."""
        p = self.parameters
        place = np.clip((h[2] - base) / (apex - base), 0, None)
        narrow = np.sqrt(np.clip(1 - place**2, 1e-4, None))
        middle = p.right_width * (1 - 0.35 * place) + 2
        shrink = 1 - p.right_contraction * contraction
        across = (p.radius + p.wall + p.right_width * shrink - p.right_width - 2) * narrow
        high = p.right_height * (1 - 0.5 * p.right_contraction * contraction) * narrow
        return np.sqrt(((h[0] - middle) / across) ** 2 + ((h[1] - 3 * (1 - place)) / high) ** 2)

    @cached_property
    def muscle_volume(self) -> float:
        p = self.parameters
        apex = p.length + 0.75 * p.wall
        return (p.radius + p.wall) ** 2 * self.fullness(0, apex) - p.radius**2 * self.fullness(0, p.length)

    def size_at(self, contraction: float) -> dict[str, float]:
        """Radii, base and apex of the left ventricle: its volume falls linearly, its muscle keeps its volume."""
        p = self.parameters
        base, apex = contraction * p.base_descent, p.length - 0.2 * p.wall * contraction
        volume = p.radius**2 * self.fullness(0, p.length) * (1 - p.ejection_fraction * contraction)
        tip = p.length + 0.75 * p.wall
        return {
            "base": base, "apex": apex, "tip": tip, "radius": float(np.sqrt(volume / self.fullness(base, apex))),
            "outer": float(np.sqrt((volume + self.muscle_volume) / self.fullness(base, tip))),
        }

    def left_volume_ml(self, contraction: float) -> float:
        """Volume of the left ventricle's cavity as designed, before the bend."""
        size = self.size_at(contraction)
        return size["radius"] ** 2 * np.pi * self.fullness(size["base"], size["apex"]) / 1000

    def fullness(self, base: float, apex: float) -> float:
        """Integral of the squared profile along w, mm."""
        w = np.linspace(base, apex, 401)
        return float(np.trapezoid(self.profile(w, base, apex) ** 2, w))

    def profile(self, w: np.ndarray, base: float, apex: float) -> np.ndarray:
        """Radius at w as a share of the largest one."""
        centre = base + WAIST * (apex - base)
        ahead = np.clip((w - centre) / (apex - centre), 0, 1)
        behind = np.clip((centre - w) / (centre - base), 0, 1.5)
        return np.where(w > centre, np.sqrt(1 - ahead**self.parameters.bluntness), 1 - NARROWING * behind**2)

    def radius_at(self, w: np.ndarray, theta: np.ndarray, size: dict, margin: float, outer: bool) -> np.ndarray:
        """Distance from the axis to the endocardium or (outer) to the epicardium and a margin past it."""
        p = self.parameters
        around = 1 + p.ellipticity * np.cos(2 * theta)
        if not outer:
            return size["radius"] * around * self.profile(w, size["base"], size["apex"])
        wall = size["outer"] - size["radius"]
        uneven = (p.septum_ratio - 1) * wall / 2 * np.cos(theta)  # a thick septum takes from the lateral wall
        radius = (size["outer"] + margin) * around + uneven
        return radius * self.profile(w, size["base"], size["tip"] + margin)


def contraction_at(phase: int, phases: int) -> float:
    """Contraction of the ventricles in one phase: 0 in the first, 1 at the end of systole, always one of the phases.

    Systole takes about 36 % of the cycle; filling is fast at first, rests, and ends with the atria's beat.
    """
    end = max(1, round(0.36 * phases))
    if phase <= end:
        return float(np.sin(np.pi / 2 * phase / end) ** 2)
    rest = (phase - end) / (phases - end)
    early, late = np.clip(rest / 0.5, 0, 1), np.clip((rest - 0.75) / 0.25, 0, 1)
    return float(1 - 0.75 * np.sin(np.pi / 2 * early) ** 2 - 0.25 * np.sin(np.pi / 2 * late) ** 2)
