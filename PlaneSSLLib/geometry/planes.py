"""Imaging planes in the patient, and the segments in which they cut each other."""
from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum

import numpy as np

PARALLEL_DEG = 5.0  # planes closer than this in angle have no line worth drawing
COINCIDENT_MM = 0.1  # parallel planes whose images lie within this distance of each other are one plane


class Relation(Enum):
    """How two imaging planes lie to each other."""

    CROSSING = "crossing"
    OUTSIDE = "outside"  # they cut each other, but not inside both images
    PARALLEL = "parallel"
    COINCIDENT = "coincident"


@dataclass(frozen=True, eq=False)
class Plane:
    """The rectangle that one MR image covers in the patient.

    position: (3,) centre of the first pixel, LPS mm. row: (3,) unit direction along a row, in which the column index
    grows. column: (3,) unit direction down a column. spacing: (row, column) mm. shape: (rows, columns) in pixels.
    normal: (3,) unit normal, row x column.
    Row and column directions are normalised and orthogonalised symmetrically, so that rounding in the header shifts no
    pixel in the round trip pixel -> LPS -> pixel. ValueError if they are not finite, more than 1.1 deg off the right
    angle (some archives leave two decimals), or if a size or spacing is not positive.
    """

    position: np.ndarray
    row: np.ndarray
    column: np.ndarray
    spacing: tuple[float, float]
    shape: tuple[int, int]
    normal: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        vectors = {name: np.array(getattr(self, name), dtype=float) for name in ("position", "row", "column")}
        for name, vector in vectors.items():
            if vector.shape != (3,) or not math.isfinite(vector @ vector):
                raise ValueError(f"the plane's {name} is not three finite numbers: {vector.tolist()}")
        for name in ("row", "column"):
            length = math.sqrt(vectors[name] @ vectors[name])
            if not 0.9 < length < 1.1:
                raise ValueError(f"the plane's {name} direction has length {length:.3g} instead of 1")
            vectors[name] = vectors[name] / length
        row, column, overlap = vectors["row"], vectors["column"], vectors["row"] @ vectors["column"]
        if abs(overlap) > 0.02:
            raise ValueError("the plane's row and column directions are not perpendicular")
        for name, vector in ("row", row - overlap / 2 * column), ("column", column - overlap / 2 * row):
            vectors[name] = vector / math.sqrt(vector @ vector)
        spacing = tuple(float(s) for s in self.spacing)
        if len(spacing) != 2 or not all(0 < s < math.inf for s in spacing):
            raise ValueError(f"the plane's pixel spacing is not two positive numbers: {list(spacing)}")
        shape = tuple(int(n) for n in self.shape)
        if len(shape) != 2 or min(shape) < 1 or shape != tuple(self.shape):
            raise ValueError(f"the plane's image size is not two positive whole numbers: {list(self.shape)}")
        vectors["normal"] = _cross(vectors["row"], vectors["column"])
        for name, vector in vectors.items():
            vector.setflags(write=False)
            object.__setattr__(self, name, vector)
        object.__setattr__(self, "spacing", spacing)
        object.__setattr__(self, "shape", shape)

    def as_json(self) -> dict:
        """{"position", "row", "column", "spacing", "shape"}, as plain numbers; Plane(**of them) is the same."""
        vectors = {name: getattr(self, name).tolist() for name in ("position", "row", "column")}
        return {**vectors, "spacing": list(self.spacing), "shape": list(self.shape)}

    @property
    def centre(self) -> np.ndarray:
        """(3,) LPS mm of the middle of the image."""
        return self.to_lps([(self.shape[1] - 1) / 2, (self.shape[0] - 1) / 2])

    @property
    def size(self) -> tuple[float, float]:
        """Height and width of the rectangle in mm, outer edges included."""
        return self.shape[0] * self.spacing[0], self.shape[1] * self.spacing[1]

    @property
    def matrix(self) -> np.ndarray:
        """(3, 3) matrix that takes (column, row, 1) to LPS mm."""
        return np.stack([self.row * self.spacing[1], self.column * self.spacing[0], self.position], axis=1)

    def to_lps(self, pixels: np.ndarray) -> np.ndarray:
        """(..., 2) pixels (column, row) -> (..., 3) LPS mm."""
        pixels = np.asarray(pixels, dtype=float)
        return pixels @ self.matrix[:, :2].T + self.position

    def to_pixels(self, points: np.ndarray) -> np.ndarray:
        """(..., 3) LPS mm -> (..., 2) pixels (column, row) of their perpendicular projections on the plane."""
        offset = np.asarray(points, dtype=float) - self.position
        return np.stack([offset @ self.row / self.spacing[1], offset @ self.column / self.spacing[0]], axis=-1)

    def distance(self, points: np.ndarray) -> np.ndarray:
        """(..., 3) LPS mm -> (...) signed distance in mm, positive on the normal's side."""
        return (np.asarray(points, dtype=float) - self.position) @ self.normal

    def corners(self) -> np.ndarray:
        """(4, 3) LPS mm of the rectangle's corners, half a pixel past the outer pixel centres, in order around it."""
        bottom, right = self.shape[0] - 0.5, self.shape[1] - 0.5
        return self.to_lps([(-0.5, -0.5), (right, -0.5), (right, bottom), (-0.5, bottom)])

    def contains(self, points: np.ndarray, margin_mm: float = 1e-6) -> np.ndarray:
        """(..., 3) LPS mm -> (...) bool: does the perpendicular projection fall into the rectangle?"""
        column, row = np.moveaxis(self.to_pixels(points), -1, 0)
        high, wide = self.shape
        at_row, at_column = margin_mm / self.spacing[0], margin_mm / self.spacing[1]
        return (
            (column >= -0.5 - at_column) & (column <= wide - 0.5 + at_column)
            & (row >= -0.5 - at_row) & (row <= high - 0.5 + at_row)
        )


@dataclass(frozen=True, eq=False)
class Crossing:
    """Two planes and the line they share.

    segment: (2, 3) LPS mm, the part of the line inside both rectangles, or None unless relation is CROSSING.
    """

    relation: Relation
    angle_deg: float
    segment: np.ndarray | None

    @property
    def length_mm(self) -> float:
        return 0.0 if self.segment is None else float(np.linalg.norm(self.segment[1] - self.segment[0]))


@dataclass(frozen=True, eq=False)
class Crossings:
    """All pairs of n images and m planes: relation (n, m) of Relation, angle_deg (n, m), segments (n, m, 2, 3) LPS mm.

    Segments are NaN wherever the relation is not CROSSING.
    """

    relation: np.ndarray
    angle_deg: np.ndarray
    segments: np.ndarray

    def __getitem__(self, pair: tuple[int, int]) -> Crossing:
        relation = self.relation[pair]
        segment = self.segments[pair] if relation is Relation.CROSSING else None
        return Crossing(relation, float(self.angle_deg[pair]), segment)


def scanner_axes(normal, like: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Unit row and column directions (LPS) of a plane with this normal, of either sign, as scanners lay images.

    Transverse images are seen from the feet with the front up, coronal ones from the front, sagittal ones from the
    left, the head up; an oblique plane follows the one it is nearest to, or the one that is wanted (like: 0 sagittal,
    1 coronal, 2 transverse).
    """
    normal = np.asarray(normal, dtype=float) / np.linalg.norm(normal)
    main = int(np.abs(normal).argmax()) if like is None else like
    if main == 2:
        column = _cross(normal, np.array([1.0, 0, 0]))
        column *= np.sign(column[1]) / np.linalg.norm(column)
        row = _cross(column, normal)
        row *= np.sign(row[0])
    else:
        row = _cross(normal, np.array([0, 0, 1.0]))
        row *= np.sign(row[1 - main]) / np.linalg.norm(row)
        column = _cross(normal, row)
        column *= -np.sign(column[2])
    return row, column


def angle_between(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Angle in degrees, 0 .. 90, between undirected unit vectors (..., 3); exact for small angles too (atan2)."""
    first, second = np.asarray(first, dtype=float), np.asarray(second, dtype=float)
    sine = np.linalg.norm(_cross(first, second), axis=-1)
    return np.degrees(np.arctan2(sine, np.abs((first * second).sum(-1))))


def _cross(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """np.cross of (..., 3) vectors, which for one pair of them takes six times as long."""
    one, two = (1, 2, 0), (2, 0, 1)
    return first.take(one, -1) * second.take(two, -1) - first.take(two, -1) * second.take(one, -1)


def intersect(first: Plane, second: Plane) -> Crossing:
    """The line in which two planes cut each other, clipped to both rectangles; see `crossings` for many at once."""
    return crossings([first], [second])[0, 0]


def crossings(images: Sequence[Plane], planes: Sequence[Plane], parallel_deg: float = PARALLEL_DEG) -> Crossings:
    """Intersect every image with every plane.

    The line of two planes with unit normals m, n through p, q has direction d = m x n and passes through
    ((m.p) (n x d) + (n.q) (d x m)) / |d|^2 (Goldman, Intersection of three planes, Graphics Gems 1990), taken here
    about the middle of the two images so that far-away origins cost no digits. It is then clipped against the four
    sides of both rectangles (Liang and Barsky 1984). The result does not depend on the order of a pair.
    """
    first, second = _Many.of(images), _Many.of(planes)
    angle = angle_between(first.normal[:, None], second.normal[None])
    parallel = angle < max(parallel_deg, 1e-6)

    direction = _cross(first.normal[:, None], second.normal[None])  # (n, m, 3)
    squared = np.where(parallel, 1.0, (direction**2).sum(-1))
    # One sign for both orders of a pair: the largest component points up.
    largest = np.take_along_axis(direction, np.abs(direction).argmax(-1)[..., None], axis=-1)
    sign = np.where(largest < 0, -1.0, 1.0)
    unit = direction * sign / np.sqrt(squared)[..., None]

    middle = (first.centre[:, None] + second.centre[None]) / 2
    height_first = ((first.position[:, None] - middle) * first.normal[:, None]).sum(-1)
    height_second = ((second.position[None] - middle) * second.normal[None]).sum(-1)
    point = middle + (
        height_first[..., None] * _cross(second.normal[None], direction)
        + height_second[..., None] * _cross(direction, first.normal[:, None])
    ) / squared[..., None]

    low_first, high_first = first.clip(point, unit, rows=True)
    low_second, high_second = second.clip(point, unit, rows=False)
    low, high = np.maximum(low_first, low_second), np.minimum(high_first, high_second)
    crossing = ~parallel & (high - low > 1e-9)

    ends = np.where(crossing[..., None], np.stack([low, high], axis=-1), np.nan)
    segments = point[..., None, :] + ends[..., None] * unit[..., None, :]

    relation = np.where(crossing, Relation.CROSSING, Relation.OUTSIDE)
    relation[parallel] = Relation.PARALLEL
    apart = np.maximum(first.distance(second.corners).max(-1), second.distance(first.corners).max(-1).T)
    relation[parallel & (apart <= COINCIDENT_MM)] = Relation.COINCIDENT
    return Crossings(relation, angle, segments)


@dataclass(frozen=True, eq=False)
class _Many:
    """Planes side by side, for vectorised work: every field has the planes along its first axis."""

    position: np.ndarray
    centre: np.ndarray
    corners: np.ndarray  # (n, 4, 3)
    normal: np.ndarray
    axes: np.ndarray  # (n, 2, 3) directions along a row and down a column
    reach: np.ndarray  # (n, 2, 2) mm from position at which the rectangle starts and ends, per axis

    @classmethod
    def of(cls, planes: Sequence[Plane]) -> _Many:
        position = np.array([p.position for p in planes]).reshape(-1, 3)
        axes = np.array([(p.row, p.column) for p in planes]).reshape(-1, 2, 3)
        step = np.array([(p.spacing[1], p.spacing[0]) for p in planes]).reshape(-1, 2)
        count = np.array([(p.shape[1], p.shape[0]) for p in planes], dtype=float).reshape(-1, 2)
        reach = np.stack([-0.5 * step, (count - 0.5) * step], axis=-1)
        centre = position + np.einsum("nk,nkx->nx", (count - 1) / 2 * step, axes)
        across = reach[:, 0, [0, 1, 1, 0], None] * axes[:, 0, None]
        down = reach[:, 1, [0, 0, 1, 1], None] * axes[:, 1, None]
        normal = np.array([p.normal for p in planes]).reshape(-1, 3)
        return cls(position, centre, position[:, None] + across + down, normal, axes, reach)

    def distance(self, points: np.ndarray) -> np.ndarray:
        """(m, k, 3) points -> (n, m, k) mm by which they lie off each plane."""
        offset = points[None] - self.position[:, None, None]
        return np.abs(np.einsum("nmkx,nx->nmk", offset, self.normal))

    def clip(self, point: np.ndarray, unit: np.ndarray, rows: bool) -> tuple[np.ndarray, np.ndarray]:
        """Range of t for which point + t * unit, both (n, m, 3), stays inside the rectangles; empty when low > high."""
        lift = (slice(None), None) if rows else (None, slice(None))
        low = np.full(point.shape[:2], -np.inf)
        high = np.full(point.shape[:2], np.inf)
        for k in range(2):
            start = ((point - self.position[lift]) * self.axes[:, k][lift]).sum(-1)
            speed = (unit * self.axes[:, k][lift]).sum(-1)
            least, most = self.reach[:, k, 0][lift], self.reach[:, k, 1][lift]
            along = np.abs(speed) < 1e-12  # the line runs along this side: it is inside for all t, or for none
            inside = (start >= least - 1e-9) & (start <= most + 1e-9)
            safe = np.where(along, 1.0, speed)
            one, two = (least - start) / safe, (most - start) / safe
            low = np.maximum(low, np.where(along, np.where(inside, -np.inf, np.inf), np.minimum(one, two)))
            high = np.minimum(high, np.where(along, np.where(inside, np.inf, -np.inf), np.maximum(one, two)))
        return low, high


def mean_step(planes: Sequence[Plane]) -> float | None:
    """Mean distance in mm between neighbouring slices along the normal of the first; None for one slice."""
    if len(planes) < 2:
        return None
    return float(abs(planes[0].distance(planes[-1].centre)) / (len(planes) - 1))


def relative_locations(planes: Sequence[Plane], within: Sequence[Plane] | None = None) -> np.ndarray:
    """(n,) place of each slice in its stack, 0 for the first and 1 for the last; NaN for a stack without extent.

    y = (s - min s) / (max s - min s), s = position of the image's centre along the normal of the first plane (Zhang et
    al. 2024, eq. for relative slice location). The planes come in canonical order, so that 0 and 1 mean the same end of
    the organ in every study; unevenly spaced and repeated positions keep their true places. within: the stack in which
    the places are, where it is another, parallel one; NaN for a slice that lies further beyond its ends than half its
    mean step.
    """
    if not planes:
        return np.zeros(0)
    whole = planes if within is None else within
    normal, origin = whole[0].normal, whole[0].centre
    if (whole[-1].centre - origin) @ normal < 0:
        normal = -normal
    ends, places = ((np.array([plane.centre for plane in of]) - origin) @ normal for of in (whole, planes))
    extent = ends.max() - ends.min()
    if extent < 1e-6:
        return np.full(len(planes), np.nan)
    places = (places - ends.min()) / extent
    beyond = 0.5 / (len(whole) - 1) + 1e-9
    return np.where((places < -beyond) | (places > 1 + beyond), np.nan, np.clip(places, 0, 1))
