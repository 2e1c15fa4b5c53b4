"""Slice views: show an acquired image as it was acquired, and keep the lines on whatever a view shows."""
from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import slicer

from .. import PlaneSSLError
from ..geometry import Plane, angle_between
from ..study import Stack
from . import nodes
from .coordinates import array_of, to_lps, to_ras, vtk_matrix
from .drawing import Drawing, drawings
from .meshes import mesh
from .observing import Observers
from .palette import look_up
from .planes import show_model
from .predictions import predicted_on
from .slicelines import Sheet, lines_mesh, lines_on

_SAME_DIRECTION_DEG = 0.5
_LETTER_PX = 11  # height of a capital letter on the screen
_VIEW = "PlaneSSL.view"


def show_image(slice_node, drawing: Drawing, stack: str, index: int) -> None:
    """Let a slice view show one acquired image, whole, its rows to the right and its columns down.

    slice_node: a vtkMRMLSliceNode. PlaneSSLError where the image is not in the scene.
    """
    plane = drawing.now.acquired.stack(stack).planes[index]
    volume = drawing.volume_of(stack, index)
    if volume is None:
        raise PlaneSSLError(f"The images of {stack} are not in the scene: draw the study again, with its volumes.")
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


def draw_view_lines(slice_node):
    """Draw the lines in which the planes cut what a slice view shows, in this view alone; returns the node, or None.

    The node of the view is made, filled anew, or taken away where there is nothing of ours to see.
    """
    shown = shown_image(slice_node)
    old = next((n for n in nodes.our_nodes("view lines", class_name="vtkMRMLModelNode")
                if n.GetAttribute(_VIEW) == slice_node.GetID()), None)
    if shown is None:
        nodes.remove(old)
        return None
    drawing = shown.drawing
    sheet = _sheet(slice_node, shown.image)
    now = drawing.now
    lines = lines_on(now, shown.image, shown.stack)
    letter = _LETTER_PX * slice_node.GetFieldOfView()[1] / max(slice_node.GetDimensions()[1], 1)
    dashes = predicted_on(drawing, shown.stack.id, shown.index) if shown.index is not None else None
    made = lines_mesh(now, lines, sheet, letter, dashes) if len(lines.planes) else mesh(np.zeros((0, 3)))
    if old is None:
        old = nodes.add_node("vtkMRMLModelNode", f"Lines in {slice_node.GetName()}", "view lines", drawing.key)
        old.SetAttribute(_VIEW, slice_node.GetID())
        show_model(old, (1.0, 1.0, 1.0), line_width=2)
        display = old.GetDisplayNode()
        display.SetVisibility3D(False)
        display.SetVisibility2D(True)
        display.SetSliceDisplayModeToProjection()  # the mesh lies in the image: nothing is displaced by it
        display.SetSliceIntersectionThickness(2)
        display.SetViewNodeIDs([slice_node.GetID()])
        nodes.file_under(old, drawing.folder())
    old.SetAttribute(nodes.STUDY, drawing.key)
    if made.GetNumberOfCells():
        look_up(drawing, old.GetDisplayNode(), made)
    old.SetAndObservePolyData(made)
    return old


class ViewLines:
    """Keeps the lines of slice views up to date: other slice, other volume, other zoom, a plane in hand.

    Call `stop` when done; closing the scene does so, too.
    """

    def __init__(self, slice_nodes: Iterable | None = None) -> None:
        """slice_nodes: vtkMRMLSliceNodes, by default all of the scene."""
        self._views = list(nodes.nodes_of("vtkMRMLSliceNode") if slice_nodes is None else slice_nodes)
        self._observers = Observers()
        self._observers.add(nodes.scene(), nodes.scene().StartCloseEvent, self.stop)
        for view in self._views:
            for node in filter(None, (view, composite_of(view))):
                self._observers.add(node, "ModifiedEvent", lambda view=view: _draw(view))
        for drawing in drawings():
            self._observers.add(drawing.record, "ModifiedEvent", self.update)
        self.update()

    def update(self) -> None:
        """Draw the lines of all views anew."""
        for view in self._views:
            _draw(view)

    def stop(self) -> None:
        """Follow no longer; the lines that are drawn stay."""
        self._observers.stop()


def _draw(view) -> None:
    if nodes.scene().IsNodePresent(view):
        draw_view_lines(view)


def show_views(drawing: Drawing) -> list:
    """Show a study's foremost images in the Red, Green and Yellow slice views, with their lines; returns the views.

    Views that are absent (slicer-core) are made, so that Slicer shows the images when it opens the saved scene.
    """
    stacks = [stack for stack in drawing.now.foremost() if drawing.volume_of(stack.id, stack.central)]
    views = []
    for name, stack in zip(("Red", "Green", "Yellow"), stacks, strict=False):
        view = next((n for n in nodes.nodes_of("vtkMRMLSliceNode") if n.GetLayoutName() == name), None) or _view(name)
        show_image(view, drawing, stack.id, stack.central)
        draw_view_lines(view)
        views.append(view)
    return views


def _view(name: str):
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


def _sheet(slice_node, image: Plane) -> Sheet:
    """The part of an image that a view shows, with the view's directions."""
    placed = array_of(slice_node.GetSliceToRAS())
    right, down = to_lps(placed[:3, 0]), -to_lps(placed[:3, 1])
    wide, high, _ = slice_node.GetFieldOfView()
    middle = image.to_lps(image.to_pixels(to_lps(placed[:3, 3])))
    whole = Sheet(middle - right * wide / 2 - down * high / 2, right, down, (high, wide))
    corners = whole.to_sheet(image.corners())
    low, high_end = np.maximum(corners.min(0), 0), np.minimum(corners.max(0), (wide, high))
    size = np.maximum(high_end - low, 0)
    return Sheet(whole.corner + right * low[0] + down * low[1], right, down, (size[1], size[0]))
