"""The colours of lines in slice views as a colour table.

There, unlike in 3D, MRML's direct colours report an error on every update; colours looked up in a table do not.
"""
from __future__ import annotations

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
        colors = _colors(drawing.now)
        node = nodes.add_node("vtkMRMLColorTableNode", "Colours of planes", "palette", drawing.key)
        node.SetTypeToUser()
        node.HideFromEditorsOff()
        node.SetNumberOfColors(len(colors))
        for k, color in enumerate(colors):
            node.SetColor(k, f"{k}", *color)
    return node


def look_up(drawing: Drawing, display, mesh: vtkPolyData) -> None:
    """Let a mesh with direct colours take them from the table, where the display node finds them."""
    node = palette_node(drawing)
    colors = _code(to_bytes(_colors(drawing.now)))
    order = np.argsort(colors)
    index = order[np.searchsorted(colors, _code(vtk_to_numpy(mesh.GetCellData().GetScalars())), sorter=order)]
    values = numpy_to_vtk(index.astype(np.uint8), deep=True)
    values.SetName(COLOR)
    mesh.GetCellData().SetScalars(values)
    display.SetAndObserveColorNodeID(node.GetID())
    display.SetScalarRangeFlag(display.UseManualScalarRange)
    display.SetScalarRange(-0.5, len(colors) - 0.5)


def _code(colors: np.ndarray) -> np.ndarray:
    """(n, 4) uint8 -> (n,) numbers, one a colour."""
    return np.ascontiguousarray(colors).view(np.uint32)[:, 0]


def _colors(now: DrawnStudy) -> np.ndarray:
    """(n, 4): every stack's colour as strong and as weak as lines are drawn in images, and the label's."""
    colors = [(*color, strength) for color in dict.fromkeys(now.colors.values()) for strength in image_strength()]
    return np.array([*colors, LABEL])
