"""Names as flat letters in an image's plane: they belong to the mesh of the lines, so that no text node is needed."""
from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from vtkmodules.util.numpy_support import vtk_to_numpy
from vtkmodules.vtkRenderingFreeType import vtkVectorText

_CAPITAL = 0.98  # height of a capital letter in vtkVectorText's units
_MOST_NAMES = 16  # more would neither be read nor be placed in time while a plane is moved


@lru_cache(maxsize=512)
def letters(text: str) -> tuple[np.ndarray, np.ndarray]:
    """(n, 2) points, x to the right and y up from the left end of the base line, capitals 1 high; (m, 3) triangles."""
    source = vtkVectorText()
    source.SetText(text)
    source.Update()
    made = source.GetOutput()
    points = vtk_to_numpy(made.GetPoints().GetData())[:, :2].astype(float) / _CAPITAL
    triangles = vtk_to_numpy(made.GetPolys().GetConnectivityArray()).reshape(-1, 3).astype(int)
    return points, triangles


def place_names(segments: np.ndarray, names: Sequence[str], order: Sequence[int], needed: int,
                size: tuple[float, float], height: float) -> list[np.ndarray | None]:
    """Where to write the name of each line so that it covers no other name and no line, its own or another's.

    segments: (n, 2, 2), x to the right and y down, in an image of size (height, width), all in one unit; height of a
    capital in the same. order: whose name matters most comes first; the first `needed` may cover lines other than
    their own rather than be left out. Returns the left end of each base line, or None for a name that finds no room:
    among crowded lines a name would not tell whose it is.
    """
    taken = np.zeros((0, 4))
    places: list[np.ndarray | None] = [None] * len(segments)
    for n, k in enumerate(order[:_MOST_NAMES]):
        width = letters(names[k])[0][:, 0].max() * height
        corners = _candidates(segments[k], width, height)
        margin = 0.3 * height
        boxes = np.column_stack([corners[:, 0] - margin, corners[:, 1] - height - margin,
                                 corners[:, 0] + width + margin, corners[:, 1] + margin])
        free = (boxes[:, :2] >= 0).all(1) & (boxes[:, 2:] <= size[::-1]).all(1)
        free &= ~((boxes[:, None, :2] < taken[:, 2:]) & (taken[:, :2] < boxes[:, None, 2:])).all(2).any(1)
        cut = _cut(boxes, segments)
        free &= ~cut[:, k]
        cost = np.where(free, cut.sum(1), np.inf)
        first = np.argmin(cost)
        if cost[first] == 0 or (n < needed and free[first]):
            taken = np.concatenate([taken, boxes[first:first + 1]])
            places[k] = corners[first]
    return places


def _candidates(segment: np.ndarray, width: float, height: float) -> np.ndarray:
    """(n, 2) left ends of base lines beside the line: near its ends first, then further in, on either side."""
    start, end = map(np.array, sorted(np.asarray(segment).tolist()))
    length = max(np.linalg.norm(end - start), 1e-9)
    along = (end - start) / length
    across = np.array([-along[1], along[0]])
    # How far the name's box reaches across and along the line decides how far its middle must keep away.
    aside = (width * abs(across[0]) + height * abs(across[1])) / 2 + 0.6 * height
    inward = (width * abs(along[0]) + height * abs(along[1])) / 2 + 0.5 * height
    fractions = np.repeat([0.0, 1.0, 0.1, 0.9, 0.2, 0.8, 0.3, 0.7, 0.4, 0.6, 0.5], 2)[:, None]
    sides = np.tile([-1.0, 1.0], len(fractions) // 2)[:, None]
    middle = start + along * (inward + fractions * (length - 2 * inward)) + sides * across * aside
    return middle + [-width / 2, height / 2]


def _cut(boxes: np.ndarray, segments: np.ndarray) -> np.ndarray:
    """(b, 4) boxes (left, top, right, bottom), (n, 2, 2) segments -> (b, n) bool: does the segment enter the box?"""
    start, step = segments[:, 0], segments[:, 1] - segments[:, 0]
    step = np.where(np.abs(step) < 1e-9, 1e-9, step)
    one, two = (boxes[:, None, :2] - start) / step, (boxes[:, None, 2:] - start) / step
    enter, leave = np.minimum(one, two).max(-1), np.maximum(one, two).min(-1)
    return (enter < leave) & (enter < 1) & (leave > 0)
