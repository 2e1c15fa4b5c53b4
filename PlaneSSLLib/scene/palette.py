"""The colours of lines in slice views as a colour table.

There, unlike in 3D, MRML's direct colours report an error on every update; colours looked up in a table do not.
"""
from __future__ import annotations

from functools import lru_cache

import numpy as np
from vtkmodules.util.numpy_support import numpy_to_vtk, vtk_to_numpy
from vtkmodules.vtkCommonDataModel import vtkPolyData

from . import nodes
from .drawing import Drawing
from .meshes import COLOR, to_bytes
from .record import DrawnStudy
from .slicelines import LABEL, image_strength


def palette_node(drawing: Drawing):
    """The colour table of a drawing, made if it is not there."""
    node = drawing.node("palette")
    if node is None:
        colors = _colors(_stack_colors(drawing.now))
        node = nodes.add_node("vtkMRMLColorTableNode", "Colours of planes", "palette", drawing.key)
        node.SetTypeToUser()
        node.HideFromEditorsOff()
        node.SetNumberOfColors(len(colors))
        for k, color in enumerate(colors):
            node.SetColor(k, f"{k}", *color)
    return node


def look_up(palette, now: DrawnStudy, display, mesh: vtkPolyData) -> None:
    """Let a mesh with direct colours take them from its study's table, where the display node finds them."""
    codes, order = _numbers(_stack_colors(now))
    index = order[np.searchsorted(codes, _code(vtk_to_numpy(mesh.GetCellData().GetScalars())))]
    values = numpy_to_vtk(index, deep=True)
    values.SetName(COLOR)
    mesh.GetCellData().SetScalars(values)
    display.SetAndObserveColorNodeID(palette.GetID())
    display.SetScalarRangeFlag(display.UseManualScalarRange)
    display.SetScalarRange(-0.5, palette.GetNumberOfColors() - 0.5)


def _code(colors: np.ndarray) -> np.ndarray:
    """(n, 4) uint8 -> (n,) numbers, one a colour."""
    return np.ascontiguousarray(colors).view(np.uint32)[:, 0]


def _stack_colors(now: DrawnStudy) -> tuple[tuple[float, float, float], ...]:
    return tuple(dict.fromkeys(now.colors.values()))


def _colors(of_stacks: tuple[tuple[float, float, float], ...]) -> np.ndarray:
    """(n, 4): every stack's colour as strong and as weak as lines are drawn in images, and the label's."""
    return np.array([*((*color, strength) for color in of_stacks for strength in image_strength()), LABEL])


@lru_cache(maxsize=8)
def _numbers(of_stacks: tuple[tuple[float, float, float], ...]) -> tuple[np.ndarray, np.ndarray]:
    """Codes of the table's colours in rising order, and the number of each in the table as uint8."""
    codes = _code(to_bytes(_colors(of_stacks)))
    order = np.argsort(codes)
    return codes[order], order.astype(np.uint8)
