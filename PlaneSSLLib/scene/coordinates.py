"""The one place where the patient's LPS becomes MRML's RAS, and back."""
from __future__ import annotations

import numpy as np
from vtkmodules.vtkCommonMath import vtkMatrix4x4

from ..geometry import Plane

_FLIP = np.array([-1.0, -1.0, 1.0])


def to_ras(points: np.ndarray) -> np.ndarray:
    """(..., 3) LPS -> (..., 3) RAS, points or directions."""
    return np.asarray(points, dtype=float) * _FLIP


def to_lps(points: np.ndarray) -> np.ndarray:
    """(..., 3) RAS -> (..., 3) LPS, points or directions."""
    return np.asarray(points, dtype=float) * _FLIP


def ijk_to_ras(first: Plane, step: np.ndarray) -> np.ndarray:
    """(4, 4) matrix from (column, row, slice) to RAS mm, for slices that lie step, (3,) LPS mm, apart."""
    matrix = np.eye(4)
    matrix[:3, :2] = to_ras(first.matrix[:, :2].T).T
    matrix[:3, 2] = to_ras(step)
    matrix[:3, 3] = to_ras(first.position)
    return matrix


def vtk_matrix(matrix: np.ndarray) -> vtkMatrix4x4:
    made = vtkMatrix4x4()
    made.DeepCopy(np.asarray(matrix, dtype=float).ravel().tolist())
    return made


def array_of(matrix: vtkMatrix4x4) -> np.ndarray:
    return np.array([[matrix.GetElement(i, j) for j in range(4)] for i in range(4)])


def matrix_of(volume) -> vtkMatrix4x4:
    """From (column, row, slice) of a volume node to RAS mm."""
    matrix = vtkMatrix4x4()
    volume.GetIJKToRASMatrix(matrix)
    return matrix
