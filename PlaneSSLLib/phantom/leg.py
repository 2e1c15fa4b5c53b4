"""The leg around a knee: skin, fat, muscles, vessels, calf bone."""
from __future__ import annotations

import numpy as np

from .knee_parameters import KneeParameters
from .shapes import ellipsoid, tube
from .tissue import Tissue

BENDS_AT = 23.0  # height at which the leg's outline follows the flexion


class Leg:
    """Everything outside the joint, along the knee's axes: lateral, backwards, up."""

    def __init__(self, parameters: KneeParameters, phases: list[float]) -> None:
        self.parameters, self.phases = parameters, phases
        self.slope = float(np.tan(np.radians(parameters.flexion)))

    def tissue(self, k: np.ndarray) -> np.ndarray:
        """(3, n) along the knee's axes -> (n,) uint8 of Tissue."""
        p = self.parameters
        side, u = k[0], k[2]
        back = k[1] - self.slope * 15 * np.logaddexp(0, (u - BENDS_AT) / 15)  # the thigh leans backwards
        up, down = np.clip((u - 10) / 90, 0, 1), np.clip((10 - u) / 90, 0, 1)
        wide = (57 + 12 * up - 4 * down) * p.girth
        deep = (62 + 12 * up - 10 * down) * p.girth
        middle = -3 + 9 * up + 14 * down
        depth = (1 - np.sqrt((side / wide) ** 2 + ((back - middle) / deep) ** 2)) * deep
        found = np.full(u.shape, Tissue.AIR, np.uint8)
        found[depth > 0] = Tissue.SKIN
        found[depth > 1.6] = Tissue.FAT
        at = np.flatnonzero(depth > p.fat * (1 + 0.2 * np.sin(u / 25 + self.phases[0])))
        found[at] = self._flesh(found[at], np.stack([side[at], back[at], u[at]]))
        return found

    def _flesh(self, found, q) -> np.ndarray:
        side, back, u = q
        hollow = (np.abs(side) < 15 - 0.08 * np.abs(u - 20)) & (back > 14)  # the fat behind the knee
        front = 44 + 8 * np.cos(side / 14) + 5 * np.sin(back / 19 + self.phases[1])
        muscle = (u > front) & ~hollow
        muscle |= (u < -24 + 0.5 * np.abs(side) + 6 * np.sin(back / 15)) & ((back > 6) | (side > 6))
        low = np.flatnonzero(u < 40)
        muscle[low] |= ellipsoid(np.stack([np.abs(side[low]), back[low], u[low]]), (19, 41, -38), (17, 16, 72)) < 1
        high = np.flatnonzero(u > 0)
        hamstrings = np.stack([np.abs(side[high]), back[high], u[high]])
        muscle[high] |= tube(hamstrings, [(31, 32, 120), (34, 30, 10)], [16, 7]) < 0
        found[muscle] = Tissue.MUSCLE
        seams = np.sin(side / 12 + np.sin(back / 14 + self.phases[1])) * np.sin(
            back / 13 + np.sin(side / 17 + u / 60 + self.phases[2]))
        found[muscle & (np.abs(seams) < 0.016)] = Tissue.FAT
        strands = np.sin(side / 2.9 + u / 11 + self.phases[2]) * np.sin(back / 3.7 - u / 7 + side / 9 + self.phases[3])
        found[~muscle & (strands > 0.965)] = Tissue.TENDON  # the walls between fat lobules
        behind = np.flatnonzero((back > 22) & (np.abs(side) < 12))
        q = q[:, behind]
        vessels = tube(q, [(3, 36, 150), (2, 33, 0), (4, 30, -150)], 3.6) < 0
        vessels |= tube(q, [(-4, 42, 150), (-3, 41, 0), (-2, 37, -150)], 4.4) < 0
        found[behind[vessels]] = Tissue.VESSEL
        low = np.flatnonzero((u < -5) & (side > 20))
        calf_bone = tube(np.stack([side[low], back[low], u[low]]), [(36, 17, -17), (34, 19, -160)], [8.5, 6.0])
        found[low[calf_bone < 0]] = Tissue.BONE
        found[low[calf_bone < -2]] = Tissue.MARROW
        return found
