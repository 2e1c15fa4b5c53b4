"""A made-up knee: bones, cartilages, menisci and ligaments as implicit solids in the knee's own axes.

The knee's axes: l lateral, p backwards, u up the shin bone; (0, 0, 0) is the middle of the joint's cleft. The thigh
bone has its own, turned by the flexion about an axis through both condyles. A right knee is the mirror image.
"""
from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np

from .knee_parameters import KneeParameters
from .leg import Leg
from .shapes import Bend, Frame, ellipsoid, tube, turned
from .tissue import KNEE_LABELS, Tissue

PIVOT = np.array([3.0, 23.0])  # (p, u) of the axis of flexion
CONDYLE, CONDYLE_RADII = (23.5, 3.0, 23.0), (15.5, 30.0, 21.5)
TROCHLEA, TROCHLEA_RADII = (0.0, -14.0, 31.0), (29.0, 15.5, 19.0)
NOTCH, NOTCH_RADII = (0.0, 18.0, 10.0), (9.5, 29.0, 22.0)
PATELLA_DEPTH, PATELLA_RADII = -46.0, (21.0, 9.5, 21.0)
PLATEAU = -3.0  # height of the shin bone's top
MENISCUS_CENTRE, MENISCUS_OUTER = 21.5, 19.5
CORTEX = 1.4


@dataclass(frozen=True, eq=False)
class Surfaces:
    """(n,) mm from the bones, negative inside."""

    femur: np.ndarray
    rounds: np.ndarray  # condyles and trochlea alone: what carries cartilage
    tibia: np.ndarray
    above: np.ndarray  # above the shin bone's top
    patella: np.ndarray


class Knee:
    """One knee; the same parameters and state of the generator give the same knee.

    middle: (3,) LPS mm, middle of the joint. labels: value of each Tissue in label maps.
    """

    labels = KNEE_LABELS
    patient_position = "FFS"
    coil_depth, coil_spread = 70.0, 70.0

    def __init__(self, parameters: KneeParameters, rng: np.random.Generator) -> None:
        self.parameters = p = parameters
        self.bend = Bend.draw(rng, amount_mm=rng.uniform(0.3, 0.7), shortest_mm=45.0)
        self.phases = rng.uniform(0, 2 * np.pi, 4).tolist()
        axes = turned(np.diag([1.0 if p.side == "L" else -1.0, 1.0, 1.0]), p.turn)
        self.middle = np.array(p.place)
        self.frame = Frame(axes, self.middle)
        self.leg = Leg(p, self.phases)

    @classmethod
    def draw(cls, rng: np.random.Generator) -> Knee:
        return cls(KneeParameters.draw(rng), rng)

    @property
    def classes(self) -> dict[str, int]:
        return self.parameters.classes

    @property
    def side(self) -> str:
        return self.parameters.side

    def description(self, phases: int) -> dict:
        """What truth.json says of this knee, the same for any number of phases."""
        return {"parameters": asdict(self.parameters), "axes": self.frame.axes.tolist(),
                "landmarks": {"middle": self.middle.tolist()}}

    def tissue(self, points: np.ndarray, contraction: float = 0.0) -> np.ndarray:
        """(..., 3) LPS mm -> (...) uint8 of Tissue, at any contraction."""
        points = np.asarray(points, dtype=float)
        flat = np.ascontiguousarray(points.reshape(-1, 3).T, dtype=np.float32)
        return self.still(flat).reshape(points.shape[:-1])

    def near(self, points: np.ndarray) -> np.ndarray:
        """(3, n) -> (n,) False: nothing beats in a knee."""
        return np.zeros(points.shape[1], bool)

    def beating(self, points: np.ndarray, around: np.ndarray, contraction: float) -> np.ndarray:
        """A knee looks the same at every moment."""
        return around

    def still(self, points: np.ndarray) -> np.ndarray:
        """(3, n) LPS -> (n,) uint8 of Tissue."""
        k = self.bend(self.frame.inside(points) / self.parameters.size)
        found = self.leg.tissue(k)
        at = np.flatnonzero((np.abs(k[0]) < 52) & (np.abs(k[1]) < 72) & (found != Tissue.AIR))
        k, inner = k[:, at], found[at]
        f = self.in_femur(k)
        surfaces = self._surfaces(k, f)
        joint = np.flatnonzero(np.abs(k[2] - 16) < 62)
        inner[joint] = self._joint(inner[joint], k[:, joint], f[:, joint], surfaces, joint)
        self._draw_bones(inner, k, f, surfaces)
        found[at] = inner
        return found

    def in_femur(self, k: np.ndarray) -> np.ndarray:
        """(3, n) along the shin bone's axes -> along the thigh bone's."""
        angle = np.radians(self.parameters.flexion)
        cos, sin = float(np.cos(angle)), float(np.sin(angle))
        p, u = k[1] - float(PIVOT[0]), k[2] - float(PIVOT[1])
        return np.stack([k[0], cos * p - sin * u + float(PIVOT[0]), sin * p + cos * u + float(PIVOT[1])])

    def from_femur(self, point) -> np.ndarray:
        """(3,) along the thigh bone's axes -> along the shin bone's."""
        angle = np.radians(self.parameters.flexion)
        p, u = point[1] - PIVOT[0], point[2] - PIVOT[1]
        return np.array([point[0], np.cos(angle) * p + np.sin(angle) * u + PIVOT[0],
                         -np.sin(angle) * p + np.cos(angle) * u + PIVOT[1]])

    def _surfaces(self, k: np.ndarray, f: np.ndarray) -> Surfaces:
        p = self.parameters
        side = np.abs(f[0]) / p.slender
        mirrored = np.stack([side, f[1], f[2]])
        condyles = (ellipsoid(mirrored, CONDYLE, CONDYLE_RADII) - 1) * 20
        trochlea = (ellipsoid(f, TROCHLEA, TROCHLEA_RADII) - 1) * 17 + 3.5 * np.exp(-(f[0] / 8) ** 2)
        rounds = np.minimum(condyles, trochlea)
        place = np.clip((f[2] - 34) / 48, 0, 1)
        place = place * place * (3 - 2 * place)
        wide, deep = (36 - 21.5 * place) * p.slender, 22 - 8 * place
        shaft = (np.sqrt((f[0] / wide) ** 2 + ((f[1] + 3) / deep) ** 2) - 1) * np.minimum(wide, deep)
        femur = np.minimum(rounds, np.maximum(shaft, 30 - f[2]))
        femur = np.maximum(femur, (1 - ellipsoid(f, NOTCH, NOTCH_RADII)) * 9)

        side = np.abs(k[0]) / p.slender
        spines = 7 * np.exp(-((side - 5.5) / 3.2) ** 2 - ((k[1] - 1) / 8) ** 2)
        above = k[2] - PLATEAU + 0.10 * k[1] - spines
        place = np.clip((-k[2] - 8) / 45, 0, 1)
        place = place * (2 - place)
        wide, deep = 37.5 - 23 * place, 24.5 - 10 * place
        column = (((side / wide) ** 2.5 + (np.abs(k[1] - 3 + 6 * place) / deep) ** 2.5) ** 0.4 - 1) * deep
        tibia = np.maximum(column, above)
        tibia = np.minimum(tibia, (ellipsoid(k, (0, -19, -38), (12, 9, 16)) - 1) * 9)

        patella = f - np.array([[0], [PATELLA_DEPTH], [p.patella_height]], np.float32)
        power = sum(np.abs(patella[i] / PATELLA_RADII[i]) ** 2.4 for i in range(3)) ** (1 / 2.4)
        return Surfaces(femur, rounds, tibia, above, (power - 1) * 9.5)

    def _joint(self, found, k, f, surfaces, at) -> np.ndarray:
        """Fluid, tendons, ligaments, menisci, cartilages."""
        p = self.parameters
        femur, rounds, tibia, above, patella = (
            getattr(surfaces, name)[at] for name in ("femur", "rounds", "tibia", "above", "patella"))
        pouch = ellipsoid(f, (0, -31, 66), (20 + 6 * p.effusion, 1.2 + 6.0 * p.effusion, 18 + 6 * p.effusion))
        found[pouch < 1] = Tissue.FLUID
        found[(femur < 0.6 + 3.0 * p.effusion) & (np.abs(f[0]) > 30) & (f[2] > 16) & (f[2] < 48)] = Tissue.FLUID
        found[(np.maximum(femur, 0) + np.maximum(tibia, 0) < 5.0) & (np.abs(k[0]) < 39)] = Tissue.FLUID
        inside = np.flatnonzero((np.abs(k[0]) < 18) & (np.abs(k[1] - 8) < 30) & (np.abs(k[2] - 10) < 32))
        found[inside] = self._cruciates(found[inside], k[:, inside])
        between = np.flatnonzero((above > p.tibial_cartilage) & (above < p.tibial_cartilage + 1 + p.meniscus_height))
        found[between] = self._menisci(found[between], k[:, between], rounds[between], above[between])
        at_rest = (ellipsoid(f, NOTCH, NOTCH_RADII) > 1.03) & ((f[2] < 27) | (f[1] < -18)) & (f[2] < 45)
        found[(rounds < p.femoral_cartilage) & at_rest] = Tissue.FEMORAL_CARTILAGE
        pads = ((np.abs(k[0]) - 20.5) / 15.5) ** 2 + ((k[1] - 2) / 20) ** 2 < 1
        found[(np.abs(above) < p.tibial_cartilage) & pads & (rounds > 0)] = Tissue.TIBIAL_CARTILAGE
        facing = (f[1] > PATELLA_DEPTH + 2) & (np.abs(f[2] - p.patella_height - 2) < 15)
        facing &= rounds > p.femoral_cartilage
        found[(patella < p.patellar_cartilage) & facing] = Tissue.PATELLAR_CARTILAGE
        return found

    def _cruciates(self, found, k) -> np.ndarray:
        p = self.parameters
        pcl = [(-1, 25, -9), (-2, 21, 8), self.from_femur((-6.5, -3, 15))]
        found[tube(k, pcl, [p.pcl_radius, p.pcl_radius, 1.15 * p.pcl_radius]) < 0] = Tissue.PCL
        foot, top = np.array([-1.0, -10.0, -1.0]), self.from_femur((8.5, 17.0, 21.0))
        along = (top - foot) / np.linalg.norm(top - foot)
        middle = (foot + top) / 2 + (0, -6 * p.acl_tear, -9 * p.acl_tear)  # a torn ligament sags
        acl = tube(k, [foot, middle, top], [1.15 * p.acl_radius, p.acl_radius, 1.1 * p.acl_radius])
        found[acl < 0] = Tissue.ACL
        if p.acl_tear:
            place = along @ (k - foot[:, None]) / np.linalg.norm(top - foot)
            ragged = np.sin(k[0] * 1.1 + self.phases[0]) + np.sin(k[1] * 0.7 + k[2] * 0.5 + self.phases[1])
            gap = np.abs(place - p.acl_tear_at) < p.acl_tear / 2 + 0.04 * ragged
            found[(acl < 1.2) & gap & (ragged > -0.8)] = Tissue.ACL_TEAR
        return found

    def _menisci(self, found, k, rounds, above) -> np.ndarray:
        p = self.parameters
        for name, side in (("medial", -1), ("lateral", 1)):
            a, b = side * k[0] - MENISCUS_CENTRE, (k[1] - 2) / (1.12 if side < 0 else 1.0)
            radius = np.sqrt(a * a + b * b)
            rise = (radius - p.meniscus_inner) / (MENISCUS_OUTER - p.meniscus_inner)
            wedge = (rise > 0) & (rise < 1) & (a > -0.72 * radius) & (rounds > p.femoral_cartilage)
            wedge &= above < p.tibial_cartilage + 1 + p.meniscus_height * rise
            found[wedge] = Tissue.MENISCUS
            if name == p.meniscus_tear:
                turn = np.degrees(np.arctan2(b, a)) - p.meniscus_tear_angle
                slit = (above - p.tibial_cartilage) - 0.55 * (MENISCUS_OUTER - radius)
                found[wedge & (np.abs(turn) < 24) & (np.abs(slit) < p.meniscus_tear_width / 2)] = Tissue.MENISCUS_TEAR
        return found

    def _draw_bones(self, found, k, f, surfaces) -> None:
        p = self.parameters
        self._draw_tendons(found, k, f)
        for distance, cortex, marrow in (
                (surfaces.femur, Tissue.FEMUR_CORTEX, Tissue.FEMUR),
                (surfaces.tibia, Tissue.TIBIA_CORTEX, Tissue.TIBIA),
                (surfaces.patella, Tissue.PATELLA_CORTEX, Tissue.PATELLA)):
            found[distance < 0] = cortex
            found[distance < -CORTEX] = marrow
        if p.bruise:
            cloud = p.bruise * (1 + 0.25 * np.sin(k[0] / 3 + self.phases[2]) * np.sin(k[1] / 3.4 + k[2] / 2.7))
            for place, bone, bruise in (((23, -4, 4), Tissue.FEMUR, Tissue.FEMUR_BRUISE),
                                        ((24, 16, -10), Tissue.TIBIA, Tissue.TIBIA_BRUISE)):
                found[(ellipsoid(k, place, (1, 1, 1)) < cloud) & (found == bone)] = bruise

    def _draw_tendons(self, found, k, f) -> None:
        """Kneecap's tendons in front; collateral ligaments and the iliotibial band at the sides, all flat bands."""
        height = self.parameters.patella_height
        front = np.flatnonzero((np.abs(k[0]) < 14) & (k[1] < -14))
        lower = [self.from_femur((0, PATELLA_DEPTH - 3, height - 18)), (0, -30, -36)]
        upper = [(0, PATELLA_DEPTH - 3, height + 17), (0, -38, height + 75)]
        flat, flat_femur = (np.stack([q[0, front] * 0.28, q[1, front], q[2, front]]) for q in (k, f))
        found[front[(tube(flat, lower, 2.6) < 0) | (tube(flat_femur, upper, 3.0) < 0)]] = Tissue.TENDON
        beside = np.flatnonzero((np.abs(k[0]) > 30) & (np.abs(k[1]) < 28))
        inner, band = [(-38, 0, 34), (-39.5, 0, 0), (-33, 0, -32)], [(38, -4.5, 60), (37, -5.5, -12)]
        outer = [self.from_femur((38, 3, 27)), (37, 15, -18)]
        flat = np.stack([k[0, beside], k[1, beside] * 0.3, k[2, beside]])
        tendon = (tube(flat, inner, 1.3) < 0) | (tube(flat, band, 1.3) < 0) | (tube(k[:, beside], outer, 2.3) < 0)
        found[beside[tendon]] = Tissue.TENDON
