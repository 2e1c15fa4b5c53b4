"""The chest around the heart: skin, fat, muscle, ribs, lungs, diaphragm, liver, spleen, spine, great vessels."""
from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .shapes import Bend, Frame, bounded_normal, ellipsoid, tube, turned
from .tissue import Tissue


@dataclass(frozen=True)
class TorsoParameters:
    """Sizes in mm, angles in degrees, places in the torso's own axes (left, back, up from the middle of the chest)."""

    half_width: float
    half_depth: float
    fat: float
    wall: float
    squareness: float
    diaphragm: float
    rib_step: float
    vertebra_step: float
    arms: float
    turn: tuple[float, float, float]
    place: tuple[float, float, float]
    heart: tuple[float, float, float]


class Torso:
    """Everything that does not beat."""

    def __init__(self, parameters: TorsoParameters, bend: Bend, wave: np.ndarray) -> None:
        self.parameters, self.bend, self.wave = parameters, bend, wave
        self.frame = Frame(turned(np.eye(3), parameters.turn), np.array(parameters.place))
        self.heart_place = np.array(parameters.heart)

    @classmethod
    def draw(cls, rng: np.random.Generator) -> Torso:
        values = {
            "half_width": bounded_normal(rng, 165, 14), "half_depth": bounded_normal(rng, 112, 9),
            "fat": float(np.clip(rng.gamma(2.5, 5.0), 4, 35)), "wall": rng.uniform(13, 22),
            "squareness": rng.uniform(2.2, 2.9), "diaphragm": rng.uniform(-50, -30), "rib_step": rng.uniform(24, 32),
            "vertebra_step": rng.uniform(24, 31), "arms": 1.0 if rng.random() < 0.4 else 0.0,
        }
        return cls(
            TorsoParameters(
                **{name: float(value) for name, value in values.items()},
                turn=tuple(float(x) for x in bounded_normal(rng, np.zeros(3), np.array([2.5, 2.5, 4.0]))),
                place=tuple(float(x) for x in rng.uniform((-20, -20, -120), (20, 20, 120))),
                heart=tuple(float(x) for x in bounded_normal(rng, np.array([38.0, -24.0, 0.0]), np.array([6, 6, 6.0])))),
            Bend.draw(rng, amount_mm=2.5, shortest_mm=110.0), rng.uniform(0, 2 * np.pi, 8))

    def tissue(self, points: np.ndarray) -> np.ndarray:
        """(3, n) LPS -> (n,) uint8 of Tissue."""
        p, wave = self.parameters, self.wave
        q = self.bend(self.frame.inside(points))
        x, y, z = q
        shape = p.squareness
        wide = p.half_width * (1 + 0.0006 * np.clip(z, -150, 150))
        body = (np.abs(x / wide) ** shape + np.abs(y / p.half_depth) ** shape) ** (1 / shape)
        inside = (1 - body) * np.float32(p.half_depth)  # about mm below the skin, front and back
        fat = p.fat * (1 + 0.35 * np.sin(x / 60 + wave[0]) + 0.3 * np.cos(z / 90 + wave[1]))
        found = np.full(x.shape, Tissue.AIR, np.uint8)

        found[inside > 0] = Tissue.SKIN
        found[inside > 2] = Tissue.FAT
        wall = inside > fat
        found[wall] = Tissue.MUSCLE
        streak = np.sin(x / 9 + y / 5 + wave[2]) * np.sin(z / 23 + y / 11) > 0.80
        found[wall & streak] = Tissue.FAT
        ribs = np.sin(2 * np.pi * (z + 0.5 * y * np.sign(-y) + 12 * np.cos(x / 60)) / p.rib_step + wave[3])
        depth = inside - fat
        found[(depth > 0.35 * p.wall) & (ribs > 0.35) & (np.abs(x) > 25)] = Tissue.BONE
        found[(depth > 0.5 * p.wall) & (ribs > 0.6) & (np.abs(x) > 25)] = Tissue.MARROW
        chest = depth > p.wall
        found[chest] = Tissue.LUNG
        twigs = np.sin(x / 5.3 + wave[4]) * np.sin(y / 4.7 + wave[5] + z / 31) * np.sin(z / 6.1 + x / 23)
        found[chest & (twigs > 0.86)] = Tissue.VESSEL

        middle = chest & (np.abs(x - 0.12 * self.heart_place[0]) < 26 + 10 * np.sin(z / 70 + wave[6]))
        found[middle] = Tissue.FAT
        self.add_belly(found, x, y, z, chest)
        self.add_spine(found, x, y, z)
        self.add_vessels(found, q)
        if p.arms:
            for side in (-1, 1):
                arm = np.sqrt((x - side * (p.half_width + 42)) ** 2 + (y - 15) ** 2)
                for radius, tissue in ((36, Tissue.SKIN), (34, Tissue.FAT), (27, Tissue.MUSCLE), (10, Tissue.BONE),
                                       (7, Tissue.MARROW)):
                    found[(arm < radius) & (inside < 0)] = tissue
        return found

    def add_belly(self, found, x, y, z, chest) -> None:
        p, wave = self.parameters, self.wave
        dome = p.diaphragm - 0.0022 * ((x + 65) ** 2 * (x < -5) + (x - 70) ** 2 * (x > 70)) - 0.004 * (y - 5) ** 2
        dome = dome - 14 / (1 + np.exp(-(x - 5) / 18)) + 5 * np.sin(y / 35 + wave[7])
        belly = chest & (z < dome)
        found[belly] = Tissue.FAT
        q = np.stack([x, y, z])
        gut = np.sin(x / 13 + wave[1]) * np.sin(y / 12 + wave[2]) * np.sin(z / 15 + wave[3])
        found[belly & (gut > 0.12)] = Tissue.BOWEL
        found[belly & (ellipsoid(q, (90, 20, p.diaphragm - 60), (46, 60, 44)) < 1)] = Tissue.BOWEL
        found[belly & (ellipsoid(q, (105, 62, p.diaphragm - 55), (32, 34, 48)) < 1)] = Tissue.SPLEEN
        liver = belly & (ellipsoid(q, (-62, -10, p.diaphragm - 62), (122, 108, 76)) < 1)
        found[liver] = Tissue.LIVER
        veins = np.sin(x / 9 + z / 21 + wave[4]) * np.sin(y / 10 - x / 33 + wave[5]) * np.sin(z / 8 + wave[6])
        found[liver & (veins > 0.83)] = Tissue.VESSEL
        found[chest & (z < dome + 3) & ~belly] = Tissue.MUSCLE

    def add_spine(self, found, x, y, z) -> None:
        p = self.parameters
        back = y - self.spine_y
        muscle = (((np.abs(x) - 28) / 26) ** 2 + ((back - 34) / 22) ** 2 < 1) & (found != Tissue.AIR)
        found[muscle & (found != Tissue.SKIN)] = Tissue.MUSCLE
        body = (x / 21) ** 2 + (back / 17) ** 2
        step = np.abs((z / p.vertebra_step) % 1 - 0.5)
        found[body < 1.25] = Tissue.FAT
        found[body < 1] = Tissue.BONE
        found[(body < 0.85) & (step < 0.36)] = Tissue.MARROW
        found[(body < 0.9) & (step > 0.40)] = Tissue.DISC
        arch = (x / 15) ** 2 + ((back - 27) / 14) ** 2
        found[arch < 1] = Tissue.BONE
        found[(np.abs(x) < 4) & (back > 30) & (back < 52) & (step < 0.33)] = Tissue.MARROW
        canal = x**2 + (back - 25) ** 2
        found[canal < 81] = Tissue.FLUID
        found[canal < 20] = Tissue.CORD

    @property
    def spine_y(self) -> float:
        return 0.47 * self.parameters.half_depth

    def add_vessels(self, found, q) -> None:
        """Descending aorta, arch, upper and lower hollow veins, gullet."""
        y, heart = self.spine_y, self.heart_place
        down = [(24, y - 26, -400), (24, y - 26, 60), (20, y - 36, 82)]
        arch = [(20, y - 36, 82), (4, y - 58, 98), (-14, heart[1] - 6, 84), (-18, heart[1] - 10, 40)]
        for path, radius in ((down, 11.5), (arch, 13.0)):
            distance = tube(q, path, radius)
            found[distance < 1.5] = Tissue.MUSCLE
            found[distance < 0] = Tissue.VESSEL
        upper = [(-34, heart[1] + 12, 140), (-32, heart[1] + 14, 10)]
        lower = [(-26, heart[1] + 20, -20), (-24, y - 34, -90), (-20, y - 28, -400)]
        for path, radius in ((upper, 9.5), (lower, 12.5)):
            found[tube(q, path, radius) < 0] = Tissue.VESSEL
        gullet = tube(q, [(12, y - 26, 200), (12, y - 26, -60)], 7.0)
        found[gullet < 0] = Tissue.MUSCLE
