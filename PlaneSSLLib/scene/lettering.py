"""Names as flat letters in an image's plane: they belong to the mesh of the lines, so that no text node is needed."""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from vtkmodules.util.numpy_support import vtk_to_numpy
from vtkmodules.vtkRenderingFreeType import vtkVectorText

_CAPITAL = 0.98  # height of a capital letter in vtkVectorText's units
_MOST_NAMES = 16  # more would neither be read nor be placed in time while a plane is moved
_FRACTIONS = np.repeat([0.0, 1.0, 0.1, 0.9, 0.2, 0.8, 0.3, 0.7, 0.4, 0.6, 0.5], 2)
_SIDES = np.tile([-1.0, 1.0], len(_FRACTIONS) // 2)


@dataclass(frozen=True, eq=False)
class Letters:
    """A text in letters. points: (n, 2), x to the right and y up from the left end of the base line, capitals 1 high.

    triangles: (m, 3) point numbers. width: how far the points reach to the right.
    """

    points: np.ndarray
    triangles: np.ndarray
    width: float


@lru_cache(maxsize=512)
def letters(text: str) -> Letters:
    """The letters of a text."""
    source = vtkVectorText()
    source.SetText(text)
    source.Update()
    made = source.GetOutput()
    points = vtk_to_numpy(made.GetPoints().GetData())[:, :2].astype(float) / _CAPITAL
    triangles = vtk_to_numpy(made.GetPolys().GetConnectivityArray()).reshape(-1, 3).astype(int)
    return Letters(points, triangles, points[:, 0].max())


@dataclass(frozen=True, eq=False)
class Signs:
    """Names, each on a label of its own, the left ends of all their base lines at (0, 0).

    points: (n, 2), x to the right and y down, capitals 1 high. triangles: (m, 3) point numbers. of_point, of_triangle:
    the number of the name to which each belongs. is_label: (m,) bool, is the triangle part of a label?
    """

    points: np.ndarray
    triangles: np.ndarray
    of_point: np.ndarray
    of_triangle: np.ndarray
    is_label: np.ndarray


@lru_cache(maxsize=64)
def signs(names: tuple[str, ...]) -> Signs:
    """The signs of names; while a plane is moved, mostly the same ones are wanted again."""
    points, triangles, count = [np.zeros((0, 2))], [np.zeros((0, 3), int)], 0
    for name in names:
        word = letters(name)
        low, high = word.points.min(0) - 0.25, word.points.max(0) + 0.25
        label = [(low[0], low[1]), (high[0], low[1]), (high[0], high[1]), (low[0], high[1])]
        points.append(np.concatenate([label, word.points]) * [1, -1])
        triangles.append(np.concatenate([[(0, 1, 2), (0, 2, 3)], word.triangles + 4]) + count)
        count += len(points[-1])
    of_point, of_triangle = (np.repeat(np.arange(len(names)), [len(part) for part in parts[1:]])
                             for parts in (points, triangles))
    is_label = np.concatenate([np.zeros(0, bool), *(np.arange(len(part)) < 2 for part in triangles[1:])])
    return Signs(np.concatenate(points), np.concatenate(triangles), of_point, of_triangle, is_label)


def place_names(segments: np.ndarray, names: Sequence[str], order: Sequence[int], needed: int,
                size: tuple[float, float], height: float) -> list[np.ndarray | None]:
    """Where to write the name of each line so that it covers no other name and no line, its own or another's.

    segments: (n, 2, 2), x to the right and y down, in an image of size (height, width), all in one unit; height of a
    capital in the same. order: whose name matters most comes first; the first `needed` may cover lines other than
    their own rather than be left out. Returns the left end of each base line, or None for a name that finds no room:
    among crowded lines a name would not tell whose it is.
    """
    order = list(order[:_MOST_NAMES])
    places: list[np.ndarray | None] = [None] * len(segments)
    if not order:
        return places
    width = height * np.array([letters(names[k]).width for k in order])
    corners = _candidates(segments[order], width, height)  # (names, candidates, 2)
    margin = 0.3 * height
    far = np.stack([width + margin, np.full(len(width), margin)], axis=-1)[:, None]
    boxes = np.concatenate([corners + [-margin, -height - margin], corners + far], axis=-1)
    inside = (boxes[..., :2] >= 0).all(-1) & (boxes[..., 2:] <= size[::-1]).all(-1)
    cut = _cut(boxes.reshape(-1, 4), segments).reshape(*inside.shape, len(segments))
    cost = cut.sum(-1) + np.where(inside & ~cut[np.arange(len(order)), :, order], 0.0, np.inf)
    cheapest, boxes = np.argsort(cost, axis=-1, kind="stable").tolist(), boxes.tolist()
    taken: list[list[float]] = []
    for n, k in enumerate(order):
        limit = len(segments) if n < needed else 0
        for c in cheapest[n]:
            if cost[n, c] > limit:
                break
            if not any(_overlap(boxes[n][c], box) for box in taken):
                taken.append(boxes[n][c])
                places[k] = corners[n, c]
                break
    return places


def _overlap(one: list[float], two: list[float]) -> bool:
    """Do two boxes (left, top, right, bottom) share more than an edge?"""
    return one[0] < two[2] and two[0] < one[2] and one[1] < two[3] and two[1] < one[3]


def _candidates(segments: np.ndarray, width: np.ndarray, height: float) -> np.ndarray:
    """(n, c, 2) left ends of base lines beside n lines: near their ends first, then further in, on either side."""
    swap = segments[:, 0, 0] > segments[:, 1, 0]
    start, end = np.where(swap[:, None, None], segments[:, ::-1], segments).transpose(1, 0, 2)
    length = np.maximum(np.linalg.norm(end - start, axis=-1, keepdims=True), 1e-9)
    along = (end - start) / length
    across = np.stack([-along[:, 1], along[:, 0]], axis=-1)
    # How far the name's box reaches across and along the line decides how far its middle must keep away.
    half = np.stack([width, np.full(len(width), height)], axis=-1) / 2
    aside = (half * np.abs(across)).sum(-1, keepdims=True) + 0.6 * height
    inward = (half * np.abs(along)).sum(-1, keepdims=True) + 0.5 * height
    shift = (inward + _FRACTIONS * (length - 2 * inward))[..., None] * along[:, None]
    middle = start[:, None] + shift + _SIDES[:, None] * (across * aside)[:, None]
    return middle + (half * [-1, 1])[:, None]


def _cut(boxes: np.ndarray, segments: np.ndarray) -> np.ndarray:
    """(b, 4) boxes (left, top, right, bottom), (n, 2, 2) segments -> (b, n) bool: does the segment enter the box?"""
    enter, leave = 0.0, 1.0
    for axis in range(2):
        start = segments[:, 0, axis]
        step = segments[:, 1, axis] - start
        per_step = 1 / np.where(np.abs(step) < 1e-9, 1e-9, step)
        one = (boxes[:, axis, None] - start) * per_step
        two = (boxes[:, axis + 2, None] - start) * per_step
        enter, leave = np.maximum(enter, np.minimum(one, two)), np.minimum(leave, np.maximum(one, two))
    return enter < leave
