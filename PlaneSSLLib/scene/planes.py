"""Every stack's planes as rectangles in its view's colour: one model node a stack."""
from __future__ import annotations

import numpy as np

from ..study import Stack
from . import nodes
from .coordinates import to_ras
from .drawing import Drawing
from .meshes import COLOR, move_points, rectangles
from .record import DrawnStudy

_FACE = 0.15  # opacity of a face


def draw_planes(drawing: Drawing) -> list:
    """Add an outline node for every stack; returns the nodes."""
    now = drawing.now
    made = []
    for stack in now.study.stacks:
        node = nodes.add_node("vtkMRMLModelNode", f"{now.names[stack.id]} planes", "planes", drawing.key, stack.id)
        node.SetAndObservePolyData(rectangles(stack.planes, *_colors(now, stack)))
        show_model(node, now.colors[stack.id], line_width=2)
        made.append(node)
    return made


def update_planes(drawing: Drawing) -> None:
    """Bring all rectangles to where the planes lie now, and to the present look."""
    now = drawing.now
    for stack in now.study.stacks:
        node = drawing.node("planes", stack.id)
        if node is not None:  # a user may have deleted it
            node.SetAndObservePolyData(rectangles(stack.planes, *_colors(now, stack)))


def update_plane(drawing: Drawing, stack_id: str, index: int) -> None:
    """Bring one rectangle to where its plane lies now; everything else stays as it is."""
    node = drawing.node("planes", stack_id)
    if node is not None and node.GetPolyData() is not None:  # a user may have deleted it
        corners = drawing.study.stack(stack_id).planes[index].corners()
        move_points(node.GetPolyData(), 4 * index, to_ras(corners))


def show_model(node, color: tuple[float, float, float], line_width: float) -> None:
    """Show a mesh of ours in 3D in the colours of its cells, flat, and not in slice views.

    color: for Slicer's lists, which show one colour a node.
    """
    node.CreateDefaultDisplayNodes()
    display = node.GetDisplayNode()
    display.SetColor(color)
    display.SetActiveScalar(COLOR, 1)  # 1: cell data
    display.SetScalarRangeFlag(display.UseDirectMapping)
    display.ScalarVisibilityOn()
    display.SetLineWidth(line_width)
    display.LightingOff()
    display.BackfaceCullingOff()
    display.Visibility2DOff()


def _colors(now: DrawnStudy, stack: Stack) -> tuple[np.ndarray, np.ndarray]:
    """(slices, 4) colours of the edges, and of the faces, which give way to textures.

    Only planes in full strength have a face: those of a whole stack make a fog, which is slow to draw besides.
    """
    strength = now.strength(stack)
    color = np.broadcast_to(now.colors[stack.id], (len(strength), 3))
    face = np.where(now.textured(stack) | (strength < 1), 0.0, _FACE)
    return np.column_stack([color, strength]), np.column_stack([color, face])
