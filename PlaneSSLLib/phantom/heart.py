"""A made-up beating heart: chambers as implicit solids in the heart's own axes, set into a torso.

The heart's axes: s from the left ventricle's axis towards the septum and the right ventricle, t towards the anterior
wall, w from base to apex; w = 0 is the mitral plane at end-diastole. The cycle is told by one number, contraction: 0 at
end-diastole, 1 at end-systole.
"""
from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np

from .heart_parameters import HeartParameters
from .left_ventricle import LeftVentricle, Size
from .shapes import Bend, Frame, ellipsoid, tube, turned
from .tissue import HEART_LABELS, Tissue
from .torso import Torso

# Typical axes of an adult heart, LPS: the short axis' normal, and the four-chamber view's.
APEX = np.array([0.70, -0.63, -0.34]) / np.linalg.norm([0.70, -0.63, -0.34])
ANTERIOR = np.array([-0.02, -0.43, 0.90]) - APEX * (APEX @ [-0.02, -0.43, 0.90])
ANTERIOR /= np.linalg.norm(ANTERIOR)
AXES = np.stack([np.cross(APEX, ANTERIOR), ANTERIOR, APEX])
VIEW_ANGLES = {"4CH": 0.0, "3CH": 51.0, "2CH": 107.0}  # degrees about the long axis, from s towards t
OUTFLOW = np.array([np.cos(np.radians(51.0)), np.sin(np.radians(51.0))])  # where the aorta leaves, in (s, t)
# Directions in the patient along which the aorta and the lung's artery leave the heart.
AORTA_FIRST, AORTA_THEN = np.array([-0.45, 0.35, 0.80]), np.array([-0.12, -0.08, 1.0])
LUNG_ARTERY = np.array([6.0, 26.0, 34.0])
REACH = np.array([[-66.0, 112.0], [-66.0, 108.0], [-80.0, 24.0]])  # mm in s, t; w counts before the base, past the apex


@dataclass(frozen=True, eq=False)
class Moment:
    """The heart at one contraction: where its valves and vessels are, along its axes in mm."""

    contraction: float
    left: Size
    right_base: float
    right_apex: float
    aorta: np.ndarray  # (3, 3) path
    lung_valve: np.ndarray
    lung_artery: np.ndarray
    atria: tuple  # left and right: centre and radii


class Heart:
    """One heart in one torso; the same parameters and state of the generator give the same heart.

    middle: (3,) LPS mm, middle of the left ventricle. labels: value of each Tissue in label maps.
    """

    labels = HEART_LABELS
    side = None
    patient_position = "HFS"
    coil_spread = 130.0

    def __init__(self, parameters: HeartParameters, rng: np.random.Generator) -> None:
        self.parameters = p = parameters
        self.torso = Torso.draw(rng)
        self.left = LeftVentricle(p)
        self._moments: dict[float, Moment] = {}
        self.bend = Bend.draw(rng, amount_mm=rng.uniform(0.6, 1.5), shortest_mm=55.0)
        self.ridges = rng.uniform(0, 2 * np.pi, 4).tolist()
        self.pillars = (np.radians([135.0, -118.0]) + rng.normal(0, 0.15, 2)).tolist()
        cos, sin = np.cos(np.radians(p.roll)), np.sin(np.radians(p.roll))
        axes = np.array([[cos, sin, 0], [-sin, cos, 0], [0, 0, 1]]) @ turned(AXES, p.turn) @ self.torso.frame.axes
        self.middle = self.torso.frame.to_lps(self.torso.parameters.heart)
        self.frame = Frame(axes, self.middle - axes[2] * p.length / 2)

    @classmethod
    def draw(cls, rng: np.random.Generator) -> Heart:
        return cls(HeartParameters.draw(rng), rng)

    @property
    def coil_depth(self) -> float:
        return self.torso.parameters.half_depth

    @property
    def classes(self) -> dict[str, int]:
        return self.parameters.classes

    def description(self, phases: int) -> dict:
        """What truth.json says of this heart; volumes are counted, per phase, and good to about 0.5 %."""
        to_lps, p = self.frame.to_lps, self.parameters
        return {
            "parameters": asdict(p), "surroundings": asdict(self.torso.parameters), "axes": self.frame.axes.tolist(),
            "landmarks": {"base": to_lps([0, 0, 0]).tolist(), "apex": to_lps([0, 0, p.length]).tolist()},
            "volumes_ml": [self.volumes_ml(contraction_at(phase, phases)) for phase in range(phases)],
        }

    def volumes_ml(self, contraction: float, step: float = 2.5) -> dict[str, float]:
        """Volumes of the labelled structures, from points on a grid of this step in mm along the heart's axes."""
        low, high = REACH.T + np.array([[0, 0, 0], [0, 0, self.parameters.length]])
        grid = np.meshgrid(*(np.arange(a, b, step) for a, b in zip(low, high, strict=True)), indexing="ij")
        tissue = self.tissue(self.frame.to_lps(np.stack(grid, axis=-1)), contraction)
        counts = np.bincount(self.labels[tissue].ravel(), minlength=4) * step**3 / 1000
        return {"RV": float(counts[1]), "MYO": float(counts[2]), "LV": float(counts[3])}

    def tissue(self, points: np.ndarray, contraction: float = 0.0) -> np.ndarray:
        """(..., 3) LPS mm -> (...) uint8 of Tissue."""
        points = np.asarray(points, dtype=float)
        flat = np.ascontiguousarray(points.reshape(-1, 3).T, dtype=np.float32)
        found, near = self.still(flat), self.near(flat)
        found[near] = self.beating(flat[:, near], found[near], contraction)
        return found.reshape(points.shape[:-1])

    def still(self, points: np.ndarray) -> np.ndarray:
        """(3, n) LPS -> (n,) the tissues that do not beat: everything but the heart."""
        return self.torso.tissue(points)

    def near(self, points: np.ndarray) -> np.ndarray:
        """(3, n) LPS -> (n,) bool: may something that beats be here?"""
        low, high = REACH.T
        high = high + [0, 0, self.parameters.length]
        h = self.frame.inside(points)
        return np.all([(h[k] > low[k]) & (h[k] < high[k]) for k in range(3)], axis=0)

    def beating(self, points: np.ndarray, around: np.ndarray, contraction: float) -> np.ndarray:
        """(3, n) LPS and the still tissues there -> (n,) tissues with the heart at this moment of its cycle."""
        moment = self.moment(contraction)
        h = self.bend(self.frame.inside(points))
        rho, theta = np.sqrt(h[0] * h[0] + h[1] * h[1]), np.arctan2(h[1], h[0])
        found = around.copy()
        aorta = tube(h, moment.aorta, [self.parameters.aorta * f for f in (1, 1.12, 1)])
        right, cone = self._right_ventricle(h, moment)
        self._draw_around(found, h, rho, theta, moment, aorta, right, cone)
        self._draw_right(found, h, rho, theta, moment, aorta, right, cone)
        self._draw_left(found, h, rho, theta, moment)
        return found

    def moment(self, contraction: float) -> Moment:
        if contraction not in self._moments:
            self._moments[contraction] = self._place(contraction)
        return self._moments[contraction]

    def _place(self, contraction: float) -> Moment:
        p, left, axes = self.parameters, self.left.at(contraction), self.frame.axes
        right_base = 5 + 1.25 * left.base  # the tricuspid valve lies nearer the apex and travels farther
        root = np.array([*(OUTFLOW * (0.55 * p.radius + 6.5)), left.base - 1])
        bulb = root + 22 * axes @ AORTA_FIRST
        lung_valve = np.array([0.45 * p.right_width, p.radius + p.wall + 10, 0.6 * left.base - 14])
        fill = float(np.sqrt(1 + 0.25 * contraction))  # the atria fill while the ventricles empty
        left_roof, right_roof = 4 - 2.0 * p.left_atrium, -1.75 * p.right_atrium
        atria = (
            ((-4, -9, (left.base + left_roof) / 2),
             (1.1 * p.left_atrium * fill, p.left_atrium * fill, (left.base - left_roof) / 2 + 4)),
            ((p.right_width + 0.9 * p.radius, -5, (right_base + right_roof) / 2),
             (p.right_atrium * fill, 1.1 * p.right_atrium * fill, (right_base - right_roof) / 2 + 4)))
        aorta = np.stack([root, bulb, bulb + 60 * axes @ AORTA_THEN])
        return Moment(
            contraction, left, right_base, p.right_apex * p.length, aorta, lung_valve,
            lung_valve + axes @ LUNG_ARTERY, atria)

    def _right_ventricle(self, h: np.ndarray, moment: Moment) -> tuple[np.ndarray, np.ndarray]:
        """Inflow part and body: (n,) below 1 inside; outflow part: (n,) mm, negative inside."""
        p = self.parameters
        place = np.clip((h[2] - moment.right_base) / (moment.right_apex - moment.right_base), 0, None)
        narrow = np.sqrt(np.clip(1 - place**2, 1e-4, None))
        lost, outer = p.right_contraction * moment.contraction, p.radius + p.wall
        middle = 0.8 * outer * (1 - 0.25 * place)
        across = (0.2 * outer + p.right_width * (1 - lost)) * narrow
        high = p.right_height * outer * (1 - 0.4 * lost) * narrow
        s, t = (h[0] - middle) / across, (h[1] + 3 * (1 - place)) / high
        body = np.sqrt(s * s + t * t + 0.25 * s * t)  # leans over towards the diaphragm, as the sharp margin does
        start = (p.radius + p.wall + 0.35 * p.right_width, 12, moment.right_base + 16)
        body[place >= 1] = np.inf
        return body, tube(h, [start, moment.lung_valve], [14 - 3 * moment.contraction, 12.0])

    def _draw_around(self, found, h, rho, theta, moment, aorta, right, cone) -> None:
        """Fat, then the atria and the great vessels with their thin walls."""
        p, w = self.parameters, h[2]
        left_atrium, right_atrium = (ellipsoid(h, *room) for room in moment.atria)
        artery = tube(h, [moment.lung_valve, moment.lung_artery], 11.5)
        padding = p.fat * (0.25 + 0.75 * np.clip(np.cos(theta - 0.6), 0, 1))  # fat lies in the grooves and in front
        fat = (rho < self.left.outer_radius(w, theta, moment.left, padding)) & (w > moment.left.base - 4)
        fat |= (right < 1.1 + p.fat / 30) & (w > moment.right_base - 6)
        fat |= (cone < p.fat + 3) | (aorta < 4) | (left_atrium < 1.1) | (right_atrium < 1.05 + p.fat / 30)
        outer = p.radius + p.wall
        groove = (0.5 * p.right_width + 2, -2, moment.left.base - 8), (outer + 0.4 * p.right_width, 0.95 * outer, 20)
        fat |= ellipsoid(h, *groove) < 1
        found[fat] = Tissue.FAT
        found[(left_atrium < 1.08) | (right_atrium < 1.08) | (aorta < 1.8) | (artery < 1.8)] = Tissue.MUSCLE
        found[artery < 0] = Tissue.VESSEL
        found[(right_atrium < 1) | (left_atrium < 1)] = Tissue.ATRIUM
        found[aorta < 0] = Tissue.VESSEL

    def _draw_right(self, found, h, rho, theta, moment, aorta, right, cone) -> None:
        w, p = h[2], self.parameters
        past_valve, clear = w > moment.right_base, aorta > 2
        found[((right < 1.1) & past_valve) | ((cone < 2.5) & clear)] = Tissue.RIGHT_WALL
        blood = ((right < 1) & past_valve) | ((cone < 0) & clear)
        found[blood] = Tissue.RIGHT_VENTRICLE
        net = np.sin(7 * theta + w / 5 + self.ridges[0]) * np.sin(w / 4 + 3 * theta + self.ridges[1])
        found[blood & (right > 0.72) & (net > 1 - 0.17 * p.trabeculae)] = Tissue.RIGHT_TRABECULAE
        closed = moment.contraction > 0.5
        leaflet = (np.abs(w - moment.right_base) < 0.9) & (right < 1) & (cone > 0) & (rho > p.radius + p.wall)
        gap = np.abs(h[0] - p.radius - p.wall - p.right_width / 2)
        found[leaflet & (gap > (0 if closed else 8))] = Tissue.VALVE

    def _draw_left(self, found, h, rho, theta, moment) -> None:
        w, p, size = h[2], self.parameters, moment.left
        past_valve = w > size.base
        endocardium = self.left.inner_radius(w, theta, size)
        inner = past_valve & (rho < endocardium)
        found[past_valve & (rho < self.left.outer_radius(w, theta, size))] = Tissue.MYOCARDIUM
        found[inner] = Tissue.LEFT_VENTRICLE
        ridge = np.sin(6 * theta + w / 7 + self.ridges[2]) + np.sin(11 * theta - w / 9 + self.ridges[3])
        depth = p.trabeculae * np.clip(ridge, 0, None)
        found[inner & (rho > endocardium - depth) & (w > 0.25 * p.length)] = Tissue.TRABECULAE
        long = size.apex - size.base
        for angle in self.pillars:  # from the wall, two thirds of the way to the apex, towards the valve
            out = size.radius * np.array([np.cos(angle), np.sin(angle)])
            path = [(*(0.72 * out), size.base + 0.72 * long), (*(0.5 * out), size.base + 0.35 * long)]
            found[inner & (tube(h, path, [p.papillary, 0.65 * p.papillary]) < 0)] = Tissue.PAPILLARY
        leaflet = (np.abs(w - size.base) < 0.9) & (rho < endocardium)
        opening = np.abs(rho - 0.55 * endocardium)
        found[leaflet & (opening > (0 if moment.contraction > 0.5 else 9))] = Tissue.VALVE


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
