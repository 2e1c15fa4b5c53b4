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
    values = numpy_to_vtk(np.round(255 * np.asarray(color).reshape(-1, 4)).astype(np.uint8), deep=True)
    values.SetName(COLOR)
    target.GetCellData().SetScalars(values)


def set_points(target: vtkPolyData, points: np.ndarray) -> None:
    """Move the (n, 3) RAS points of a mesh."""
    target.SetPoints(_points(points))


def points_of(source: vtkPolyData) -> np.ndarray:
    """(n, 3) LPS mm of a mesh's points."""
    if source is None or source.GetNumberOfPoints() == 0:
        return np.zeros((0, 3))
    return to_lps(vtk_to_numpy(source.GetPoints().GetData()))


def rectangles(planes: Sequence[Plane], edges: np.ndarray, faces: np.ndarray | None = None) -> vtkPolyData:
    """Every plane as an outline, and a face if faces are given; colours (n, 4). Point 4 i + k is plane i's corner k."""
    corners = np.array([plane.corners() for plane in planes]).reshape(-1, 3)
    first = 4 * np.arange(len(planes))[:, None]
    return mesh(to_ras(corners), lines=first + [0, 1, 2, 3, 0], faces=() if faces is None else first + [0, 1, 2, 3],
                color=edges if faces is None else np.concatenate([edges, faces]))


def segments_mesh(segments: np.ndarray, color: np.ndarray) -> vtkPolyData:
    """(n, 2, 3) LPS mm, colours (n, 4)."""
    count = len(segments)
    return mesh(to_ras(np.asarray(segments).reshape(-1, 3)), lines=np.arange(2 * count).reshape(count, 2), color=color)


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
