"""A plane taken in hand: while its handles are dragged, its rectangle, its lines and those of its partners follow."""
from __future__ import annotations

import numpy as np
import slicer

from ..geometry import Plane
from . import nodes
from .coordinates import to_lps, to_ras
from .drawing import Drawing, drawings
from .lines import lines_of_plane, set_lines, update_lines
from .observing import Observers
from .planes import show_model, update_plane


class PlaneInHand:
    """A markups plane with handles in the place of one acquired plane.

    `handle` is the vtkMRMLMarkupsPlaneNode. Moving and turning it moves the plane; its size is that of the image and
    stays. `reset` puts it back where it was acquired, `release` lets it lie where it is. Deleting the handle or any
    other node of ours, or closing the scene, releases it.
    """

    def __init__(self, drawing: Drawing, stack: str, index: int) -> None:
        """KeyError or IndexError if the study has no such plane."""
        self.drawing, self.stack, self.index = drawing, stack, index
        now = drawing.now
        plane = now.study.stack(stack).planes[index]
        self._acquired = now.acquired.stack(stack).planes[index]
        name = now.label(stack, index)
        self.handle = nodes.add_node("vtkMRMLMarkupsPlaneNode", f"{name} in hand", "handle", drawing.key, stack, index)
        self._lines = nodes.add_node("vtkMRMLModelNode", f"Lines of {name}", "lines in hand", drawing.key, stack, index)
        _show_handle(self.handle, now.colors[stack])
        for node in (self.handle, self._lines):
            nodes.file_under(node, drawing.folder(stack))
        self._place(plane)
        update_plane(drawing, stack, index)
        update_lines(drawing)
        show_model(self._lines, now.colors[stack], line_width=2)
        self._observers = Observers()
        self._observers.add(self.handle, self.handle.PointModifiedEvent, self._moved)
        self._observers.add(nodes.scene(), nodes.scene().NodeRemovedEvent, self._removed)
        self._observers.add(nodes.scene(), nodes.scene().StartCloseEvent, self._observers.stop)

    @property
    def plane(self) -> Plane:
        """Where the plane lies now."""
        right, down, normal, centre = [0.0] * 3, [0.0] * 3, [0.0] * 3, [0.0] * 3
        self.handle.GetAxesWorld(right, down, normal)
        self.handle.GetCenterWorld(centre)
        row, column = (to_lps(axis) / np.linalg.norm(axis) for axis in (right, down))
        like = self._acquired
        position = (to_lps(centre) - row * like.spacing[1] * (like.shape[1] - 1) / 2
                    - column * like.spacing[0] * (like.shape[0] - 1) / 2)
        return Plane(position, row, column, like.spacing, like.shape)

    def reset(self) -> None:
        """Undo: back to where the plane was acquired."""
        self._place(self._acquired)
        self.drawing.move(self.stack, self.index, None)
        self._draw_own()

    def release(self) -> None:
        """Take the handles away; the plane stays where it is now, and its lines join the others."""
        if not self._observers:
            return
        self._observers.stop()
        nodes.remove(self.handle)
        nodes.remove(self._lines)
        if self.drawing in drawings():
            update_lines(self.drawing)

    def _moved(self) -> None:
        self.drawing.move(self.stack, self.index, self.plane)
        self._draw_own()

    def _removed(self) -> None:
        if not nodes.scene().IsNodePresent(self.handle):
            self.release()

    def _place(self, plane: Plane) -> None:
        with slicer.util.NodeModify(self.handle):
            self.handle.SetSize(plane.size[1], plane.size[0])
            self.handle.SetAxes(*(to_ras(axis) for axis in (plane.row, plane.column, plane.normal)))
            self.handle.SetCenter(*to_ras(plane.centre))

    def _draw_own(self) -> None:
        update_plane(self.drawing, self.stack, self.index)
        if nodes.scene().IsNodePresent(self._lines):
            now = self.drawing.now
            set_lines(self._lines, now, lines_of_plane(now, self.stack, self.index))


def let_go() -> None:
    """Take away handles that nobody holds, as a scene has that was saved with a plane in hand; the planes stay."""
    left = [node for role in ("handle", "lines in hand") for node in nodes.our_nodes(role)]
    studies = {node.GetAttribute(nodes.STUDY) for node in left}
    for node in left:
        nodes.remove(node)
    for drawing in drawings():
        if drawing.key in studies:
            update_lines(drawing)


def _show_handle(handle, color: tuple[float, float, float]) -> None:
    handle.SetPlaneType(handle.PlaneTypePointNormal)
    handle.SetSizeMode(handle.SizeModeAbsolute)
    handle.CreateDefaultDisplayNodes()
    display = handle.GetDisplayNode()
    display.SetSelectedColor(*color)
    display.SetColor(*color)
    display.SetOpacity(0.4)
    display.SetHandlesInteractive(True)
    display.SetVisibility2D(False)  # its outline would be projected into slice views
    display.SetPropertiesLabelVisibility(False)
    display.SetUseGlyphScale(False)
    display.SetGlyphSize(6)
    display.ScaleHandleVisibilityOff()
