"""The chest around the heart: skin, fat, muscle, ribs, lungs, diaphragm, liver, spleen, spine, great vessels."""
from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .shapes import Bend, Frame, bounded_normal, ellipsoid, tube, turned
from .tissue import Tissue


@dataclass(frozen=True)
class TorsoParameters:
    """Sizes in mm, angles in degrees; places along the torso's own axes: left, back, up from its middle."""

    half_width: float
    half_depth: float
    fat: float
    wall: float
    squareness: float
    diaphragm: float  # height of its right dome
    rib_step: float
    vertebra_step: float
    arms: bool
    turn: tuple[float, float, float]
    place: tuple[float, float, float]  # LPS
    heart: tuple[float, float, float]  # where the middle of the left ventricle is

    @classmethod
    def draw(cls, rng: np.random.Generator) -> TorsoParameters:
        values = {
            "half_width": bounded_normal(rng, 165, 14), "half_depth": bounded_normal(rng, 112, 9),
            "fat": np.clip(rng.gamma(2.5, 4.5), 4, 32), "wall": rng.uniform(13, 22),
            "squareness": rng.uniform(2.2, 2.9),
            "diaphragm": rng.uniform(-45, -25), "rib_step": rng.uniform(24, 32), "vertebra_step": rng.uniform(24, 31)}
        triples = {
            "turn": bounded_normal(rng, np.zeros(3), np.array([2.5, 2.5, 4.0])),
            "place": rng.uniform((-20, -20, -120), (20, 20, 120)),
            "heart": bounded_normal(rng, np.array([38.0, -24.0, 0.0]), np.array([6.0, 6.0, 6.0]))}
        return cls(**{name: float(value) for name, value in values.items()}, arms=bool(rng.random() < 0.4),
                   **{name: tuple(triple.tolist()) for name, triple in triples.items()})


class Torso:
    """Everything that does not beat."""

    def __init__(self, parameters: TorsoParameters, bend: Bend, waves: list[float]) -> None:
        self.parameters, self.bend, self.waves = parameters, bend, waves
        self.frame = Frame(turned(np.eye(3), parameters.turn), np.array(parameters.place))
        self.spine_y = 0.47 * parameters.half_depth

    @classmethod
    def draw(cls, rng: np.random.Generator) -> Torso:
        parameters = TorsoParameters.draw(rng)
        return cls(parameters, Bend.draw(rng, amount_mm=2.5, shortest_mm=110.0), rng.uniform(0, 2 * np.pi, 8).tolist())

    def tissue(self, points: np.ndarray) -> np.ndarray:
        """(3, n) LPS -> (n,) uint8 of Tissue."""
        p = self.parameters
        q = self.bend(self.frame.inside(points))
        x, y, z = q
        wide = p.half_width * (1 + 0.0006 * np.clip(z, -150, 150))
        body = (np.abs(x / wide) ** p.squareness + np.abs(y / p.half_depth) ** p.squareness) ** (1 / p.squareness)
        inside = (1 - body) * p.half_depth  # about mm below the skin, front and back
        found = np.full(x.shape, Tissue.AIR, np.uint8)
        found[inside > 0] = Tissue.SKIN
        found[inside > 2] = Tissue.FAT
        depth = inside - p.fat * (1 + 0.35 * np.sin(x / 60 + self.waves[0]) + 0.3 * np.cos(z / 90 + self.waves[1]))
        self._draw_wall(found, q, depth)
        chest = np.flatnonzero(depth > p.wall)
        for draw, where in (
                (self._chest, chest),
                (self._belly, chest[z[chest] < p.diaphragm + 12]),
                (self._spine, np.flatnonzero((np.abs(x) < 56) & (y > self.spine_y - 24) & (inside > 2))),
                (self._vessels, chest[np.abs(x[chest]) < 55])):
            found[where] = draw(found[where], q[:, where])
        if p.arms:
            self._draw_arms(found, q, inside)
        return found

    def _draw_wall(self, found, q, depth) -> None:
        p, (x, y, z) = self.parameters, q
        at = np.flatnonzero((depth > 0) & (depth < p.wall + 1))
        x, y, z, depth = x[at], y[at], z[at], depth[at]
        wall = np.full(len(at), Tissue.MUSCLE, np.uint8)
        wall[np.sin(x / 9 + y / 5 + self.waves[2]) * np.sin(z / 23 + y / 11) > 0.80] = Tissue.FAT
        ribs = np.sin(2 * np.pi * (z - 0.5 * np.abs(y) + 12 * np.cos(x / 60)) / p.rib_step + self.waves[3])
        beside = np.abs(x) > 25
        wall[(depth > 0.35 * p.wall) & (ribs > 0.35) & beside] = Tissue.BONE
        wall[(depth > 0.5 * p.wall) & (ribs > 0.6) & beside] = Tissue.MARROW
        wall[(depth > 0.3 * p.wall) & (np.abs(x) < 16) & (y < 0)] = Tissue.MARROW  # the breast bone
        found[at] = wall

    def _draw_arms(self, found, q, inside) -> None:
        for side in (-1, 1):
            arm = np.sqrt((q[0] - side * (self.parameters.half_width + 42)) ** 2 + (q[1] - 15) ** 2)
            for radius, tissue in ((36, Tissue.SKIN), (34, Tissue.FAT), (27, Tissue.MUSCLE), (10, Tissue.BONE),
                                   (7, Tissue.MARROW)):
                found[(arm < radius) & (inside < 0)] = tissue

    def _chest(self, found, q):
        """Lungs, and the fat between them: thin in front, wider before the spine."""
        x, y, z = q
        found[:] = Tissue.LUNG
        twigs = np.sin(x / 5.3 + self.waves[4]) * np.sin(y / 4.7 + self.waves[5] + z / 31) * np.sin(z / 6.1 + x / 23)
        found[twigs > 0.86] = Tissue.VESSEL
        half = np.clip(17 + 0.22 * y + 6 * np.sin(z / 70 + self.waves[6]), 4, 32)
        found[np.abs(x - 4) < half] = Tissue.FAT
        return found

    def _belly(self, found, q):
        p, waves, (x, y, z) = self.parameters, self.waves, q
        dome = p.diaphragm - 0.0022 * ((x + 65) ** 2 * (x < -5) + (x - 70) ** 2 * (x > 70)) - 0.004 * (y - 5) ** 2
        dome += 5 * np.sin(y / 35 + waves[7]) - 14 / (1 + np.exp(-(x - 5) / 18))  # lower on the left
        found[z < dome + 3] = Tissue.MUSCLE
        belly = z < dome
        found[belly] = Tissue.FAT
        gut = np.sin(x / 13 + waves[1]) * np.sin(y / 12 + waves[2]) * np.sin(z / 15 + waves[3])
        found[belly & (gut > 0)] = Tissue.BOWEL
        found[belly & (ellipsoid(q, (85, 5, p.diaphragm - 68), (52, 74, 48)) < 1)] = Tissue.BOWEL
        found[belly & (ellipsoid(q, (105, 62, p.diaphragm - 58), (32, 34, 44)) < 1)] = Tissue.SPLEEN
        liver = belly & (ellipsoid(q, (-55, -14, p.diaphragm - 62), (128, 108, 76)) < 1)
        found[liver] = Tissue.LIVER
        veins = np.sin(x / 9 + z / 21 + waves[4]) * np.sin(y / 10 - x / 33 + waves[5]) * np.sin(z / 8 + waves[6])
        found[liver & (veins > 0.83)] = Tissue.VESSEL
        return found

    def _spine(self, found, q):
        x, back, z = q[0], q[1] - self.spine_y, q[2]
        found[((np.abs(x) - 28) / 26) ** 2 + ((back - 34) / 22) ** 2 < 1] = Tissue.MUSCLE
        body = (x / 21) ** 2 + (back / 17) ** 2
        step = np.abs((z / self.parameters.vertebra_step) % 1 - 0.5)
        found[body < 1.25] = Tissue.FAT
        found[body < 1] = Tissue.BONE
        found[(body < 0.85) & (step < 0.36)] = Tissue.MARROW
        found[(body < 0.9) & (step > 0.40)] = Tissue.DISC
        found[(x / 15) ** 2 + ((back - 27) / 14) ** 2 < 1] = Tissue.BONE
        found[(np.abs(x) < 4) & (back > 30) & (back < 52) & (step < 0.33)] = Tissue.MARROW
        canal = x * x + (back - 25) ** 2
        found[canal < 81] = Tissue.FLUID
        found[canal < 20] = Tissue.CORD
        return found

    def _vessels(self, found, q):
        """Descending aorta and arch, the upper and the lower hollow vein, the gullet."""
        y, heart = self.spine_y, self.parameters.heart
        down = [(24, y - 26, -400), (24, y - 26, 60), (20, y - 36, 82)]
        arch = [(20, y - 36, 82), (4, y - 58, 98), (-14, heart[1] - 6, 84), (-18, heart[1] - 10, 62)]
        for path, radius in ((down, 11.5), (arch, 13.0)):
            distance = tube(q, path, radius)
            found[distance < 1.5] = Tissue.MUSCLE
            found[distance < 0] = Tissue.VESSEL
        upper = [(-34, heart[1] + 12, 140), (-32, heart[1] + 14, 10)]
        lower = [(-26, heart[1] + 20, -20), (-24, y - 34, -90), (-20, y - 28, -400)]
        for path, radius in ((upper, 9.5), (lower, 12.5)):
            found[tube(q, path, radius) < 0] = Tissue.VESSEL
        found[tube(q, [(12, y - 26, 200), (12, y - 26, -60)], 7.0) < 0] = Tissue.MUSCLE
        return found
