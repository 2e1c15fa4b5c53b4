"""Rectangles and segments as VTK meshes, coloured cell by cell."""
from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from vtkmodules.util.numpy_support import numpy_to_vtk, numpy_to_vtkIdTypeArray, vtk_to_numpy
from vtkmodules.vtkCommonCore import vtkPoints
from vtkmodules.vtkCommonDataModel import vtkCellArray, vtkPolyData

from ..geometry import Plane
from .coordinates import to_lps, to_ras

COLOR = "PlaneSSL.color"
_SIDES = 8  # of a tube


def mesh(points: np.ndarray, lines: Sequence[np.ndarray] = (), faces: Sequence[np.ndarray] = (),
         color: np.ndarray | None = None) -> vtkPolyData:
    """(n, 3) RAS mm, arrays of point numbers (cells, points a cell), and (cells, 4) red, green, blue, alpha, 0 to 1.

    Colours come lines first, then faces, as VTK counts cells. Points keep double precision.
    """
    made = vtkPolyData()
    made.SetPoints(_points(points))
    if len(lines):
        made.SetLines(_cells(lines))
    if len(faces):
        made.SetPolys(_cells(faces))
    if color is not None:
        set_color(made, color)
    return made


def set_color(target: vtkPolyData, color: np.ndarray) -> None:
    """(cells, 4) red, green, blue, alpha, 0 to 1."""
    values = numpy_to_vtk(to_bytes(color), deep=True)
    values.SetName(COLOR)
    target.GetCellData().SetScalars(values)


def to_bytes(color: np.ndarray) -> np.ndarray:
    """(n, 4) 0 to 1 -> (n, 4) uint8."""
    return np.round(255 * np.asarray(color).reshape(-1, 4)).astype(np.uint8)


def move_points(target: vtkPolyData, first: int, points: np.ndarray) -> None:
    """Move (n, 3) RAS points of a mesh in place, from this number on."""
    vtk_to_numpy(target.GetPoints().GetData())[first:first + len(points)] = points
    target.GetPoints().Modified()
    target.Modified()


def points_of(source: vtkPolyData) -> np.ndarray:
    """(n, 3) LPS mm of a mesh's points."""
    if source is None or source.GetNumberOfPoints() == 0:
        return np.zeros((0, 3))
    return to_lps(vtk_to_numpy(source.GetPoints().GetData()))


def rectangles(planes: Sequence[Plane], edges: np.ndarray, faces: np.ndarray | None = None) -> vtkPolyData:
    """Every plane as an outline, and a face where faces have one that is seen; colours (n, 4).

    Point 4 i + k is plane i's corner k.
    """
    corners = np.array([plane.corners() for plane in planes]).reshape(-1, 3)
    first = 4 * np.arange(len(planes))[:, None]
    faces = np.zeros((len(planes), 4)) if faces is None else faces
    seen = faces[:, 3] > 0
    return mesh(to_ras(corners), lines=first + [0, 1, 2, 3, 0], faces=first[seen] + [0, 1, 2, 3],
                color=np.concatenate([edges, faces[seen]]))


def segments_mesh(segments: np.ndarray, color: np.ndarray, tube_mm: float | np.ndarray = 0.0) -> vtkPolyData:
    """(n, 2, 3) LPS mm, colours (n, 4). Points 2 i and 2 i + 1 are the ends of segment i, which is line cell i.

    tube_mm: the radius of a tube around every one, or (n,) around each; 0 for none. Where two images meet in a valley,
    a line at its bottom would be hidden by both.
    """
    segments = np.asarray(segments, dtype=float).reshape(-1, 2, 3)
    points, faces = [segments.reshape(-1, 3)], ()
    lines = np.arange(2 * len(segments)).reshape(-1, 2)
    radius = np.broadcast_to(tube_mm, len(segments))
    solid = np.flatnonzero(radius)
    if len(solid):
        points.append(_tube_points(segments[solid], radius[solid]).reshape(-1, 3))
        first = 2 * len(segments) + 2 * _SIDES * np.arange(len(solid))[:, None, None]
        k = np.arange(_SIDES)
        side = np.stack([k, (k + 1) % _SIDES, (k + 1) % _SIDES + _SIDES, k + _SIDES], axis=-1)
        faces = (first + side).reshape(-1, 4)
        color = np.concatenate([color, np.repeat(color[solid], _SIDES, axis=0)])
    return mesh(to_ras(np.concatenate(points)), lines=lines, faces=faces, color=color)


def _tube_points(segments: np.ndarray, radius: np.ndarray) -> np.ndarray:
    """(n, 2, 3), (n,) -> (n, 2, _SIDES, 3): a ring of points around either end."""
    along = segments[:, 1] - segments[:, 0]
    along = along / np.maximum(np.linalg.norm(along, axis=-1, keepdims=True), 1e-12)
    helper = np.eye(3)[np.abs(along).argmin(-1)]  # the axis that is farthest from the line
    across = np.cross(along, helper)
    across = across / np.linalg.norm(across, axis=-1, keepdims=True)
    angle = 2 * np.pi * np.arange(_SIDES)[:, None] / _SIDES
    ring = np.cos(angle) * across[:, None] + np.sin(angle) * np.cross(along, across)[:, None]
    return segments[:, :, None] + radius[:, None, None, None] * ring[:, None]


def _points(points: np.ndarray) -> vtkPoints:
    made = vtkPoints()
    made.SetDataTypeToDouble()
    made.SetData(numpy_to_vtk(np.ascontiguousarray(points, dtype=float).reshape(-1, 3), deep=True))
    return made


def _cells(cells: Sequence[np.ndarray]) -> vtkCellArray:
    cells = np.ascontiguousarray(cells, dtype=np.int64)
    made = vtkCellArray()
    made.SetData(cells.shape[1], numpy_to_vtkIdTypeArray(cells.ravel(), deep=True))
    return made
