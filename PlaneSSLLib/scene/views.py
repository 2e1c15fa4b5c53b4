"""Slice views: show an acquired image as it was acquired, and tell what a view shows."""
from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import slicer

from .. import PlaneSSLError
from ..geometry import Plane, angle_between
from ..study import Stack
from . import nodes
from .coordinates import array_of, to_lps, to_ras, vtk_matrix
from .drawing import Drawing, drawings

_SAME_DIRECTION_DEG = 0.5


def show_image(slice_node, drawing: Drawing, stack: str, index: int, phase: int | None = None) -> None:
    """Let a slice view show one acquired image, whole, its rows to the right and its columns down.

    slice_node: a vtkMRMLSliceNode. phase: of a cine, which then shows it in every view; None leaves it where it plays.
    PlaneSSLError where the image is not in the scene.
    """
    plane = drawing.now.acquired.stack(stack).planes[index]
    volume = drawing.volume_of(stack, index)
    if volume is None:
        raise PlaneSSLError(f"The images of {stack} are not in the scene: draw the study again, with its volumes.")
    if phase is not None:
        for browser in drawing.nodes("browser"):
            if browser.GetSequenceNode(volume):
                browser.SetSelectedItemNumber(phase)
    composite = composite_of(slice_node)
    if composite is not None:
        composite.SetBackgroundVolumeID(volume.GetID())
    placed = np.eye(4)
    placed[:3, :3] = to_ras([plane.row, -plane.column, -plane.normal]).T
    placed[:3, 3] = to_ras(plane.centre)
    wide, high, _ = slice_node.GetDimensions()
    scale = max(plane.size[1] / max(wide, 1), plane.size[0] / max(high, 1))
    with slicer.util.NodeModify(slice_node):
        slice_node.GetSliceToRAS().DeepCopy(vtk_matrix(placed))
        slice_node.SetFieldOfView(scale * max(wide, 1), scale * max(high, 1), slice_node.GetFieldOfView()[2])
        slice_node.SetXYZOrigin(0, 0, 0)
        slice_node.UpdateMatrices()


@dataclass(frozen=True)
class Shown:
    """What a slice view shows of a drawing: an image of a stack, or (index None) a cut through its volume."""

    drawing: Drawing
    stack: Stack
    index: int | None
    image: Plane


def shown_image(slice_node) -> Shown | None:
    """What a slice view shows of ours; None where its background is not one of our volumes.

    A view that lies like the stack's images, nearer than half a step to one of them, shows that image.
    """
    composite = composite_of(slice_node)
    volume = composite and composite.GetBackgroundVolumeID() and nodes.scene().GetNodeByID(
        composite.GetBackgroundVolumeID())
    if not volume or volume.GetAttribute(nodes.ROLE) != "volume":
        return None
    drawing = next((d for d in drawings() if d.key == volume.GetAttribute(nodes.STUDY)), None)
    if drawing is None:
        return None
    stack = drawing.now.acquired.stack(volume.GetAttribute(nodes.STACK))
    placed = array_of(slice_node.GetSliceToRAS())
    right, up, centre = to_lps(placed[:3, 0]), to_lps(placed[:3, 1]), to_lps(placed[:3, 3])
    if angle_between(np.cross(right, up), stack.planes[0].normal) < _SAME_DIRECTION_DEG:
        away = np.array([abs(plane.distance(centre)) for plane in stack.planes])
        reach = stack.step_mm or stack.thickness_mm or 1.0
        if away.min() <= reach / 2 + 1e-6:
            return Shown(drawing, stack, int(away.argmin()), stack.planes[away.argmin()])
    wide, high, _ = slice_node.GetFieldOfView()
    corner = centre - right * wide / 2 + up * high / 2
    columns, rows = (max(int(n), 1) for n in slice_node.GetDimensions()[:2])
    spacing = (high / rows, wide / columns)
    first = corner + right * spacing[1] / 2 - up * spacing[0] / 2
    return Shown(drawing, stack, None, Plane(first, right, -up, spacing, (rows, columns)))


def view_named(name: str):
    """The slice view of a layout name; where it is absent (slicer-core) it is made."""
    for node in nodes.nodes_of("vtkMRMLSliceNode"):
        if node.GetLayoutName() == name:
            return node
    for class_name in ("vtkMRMLSliceCompositeNode", "vtkMRMLSliceNode"):
        node = nodes.scene().CreateNodeByClass(class_name)
        node.UnRegister(None)
        node.SetSingletonTag(name)
        node.SetLayoutName(name)
        node.SetName(name)
        node = nodes.scene().AddNode(node)
    node.SetDimensions(400, 400, 1)
    return node


def composite_of(slice_node):
    """The vtkMRMLSliceCompositeNode of a slice view, the one of the same layout name; None if it has none."""
    for node in nodes.nodes_of("vtkMRMLSliceCompositeNode"):
        if node.GetLayoutName() == slice_node.GetLayoutName():
            return node
    return None
