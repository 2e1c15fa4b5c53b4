"""The lines on whatever slice views show: drawn once, or kept up to date while planes move and views turn."""
from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from ..geometry import Plane
from . import nodes
from .coordinates import array_of, to_lps
from .drawing import Drawing, drawings
from .observing import Observers
from .palette import look_up, palette_node
from .planes import show_model
from .predictions import predicted_on
from .slicelines import Sheet, lines_mesh, lines_on
from .views import Shown, composite_of, show_image, shown_image, view_named

_LETTER_PX = 11  # height of a capital letter on the screen
_VIEW = "PlaneSSL.view"


@dataclass(eq=False)
class _Page:
    """What a slice view shows of ours, and how: all that stays as it is while planes move. drawn: what lies on it."""

    view: object
    shown: Shown
    sheet: Sheet
    letter_mm: float
    drawn: tuple = ()

    @classmethod
    def of(cls, view) -> _Page | None:
        """None where a view shows nothing of ours."""
        shown = shown_image(view)
        if shown is None:
            return None
        letter_mm = _LETTER_PX * view.GetFieldOfView()[1] / max(view.GetDimensions()[1], 1)
        return cls(view, shown, _sheet(view, shown.image), letter_mm)


def draw_view_lines(slice_node):
    """Draw the lines in which the planes cut what a slice view shows, in this view alone; returns the node, or None.

    The node of the view is made, filled anew, or taken away where there is nothing of ours to see.
    """
    page = _Page.of(slice_node)
    if page is None:
        nodes.remove(_nodes_of_views().get(slice_node.GetID()))
        return None
    _draw(page.shown.drawing, [page])
    return _nodes_of_views().get(slice_node.GetID())


class ViewLines:
    """Keeps the lines of slice views up to date: other slice, other volume, other zoom, a plane in hand.

    Call `stop` when done; closing the scene does so, too.
    """

    def __init__(self, slice_nodes: Iterable | None = None) -> None:
        """slice_nodes: vtkMRMLSliceNodes, by default all of the scene, those of later layouts, too."""
        self._views: list = []
        self._pages: dict[str, _Page] = {}  # by the view's id
        self._observers = Observers()
        self._observers.add(nodes.scene(), nodes.scene().StartCloseEvent, self.stop)
        for drawing in drawings():
            self._observers.add(drawing.record, "ModifiedEvent", lambda drawing=drawing: self._follow(drawing))
        if slice_nodes is None:
            self._observers.add(nodes.scene(), nodes.scene().NodeAddedEvent, self._take_new)
            slice_nodes = _whole_views()
        self._take(slice_nodes)

    def _take(self, views: Iterable) -> None:
        for view in views:
            self._views.append(view)
            for node in filter(None, (view, composite_of(view))):
                self._observers.add(node, "ModifiedEvent", lambda view=view: self._turn_page(view))
            self._turn_page(view)

    def _take_new(self) -> None:
        """A node was added to the scene, which may be a view, or what it shows."""
        self._take([view for view in _whole_views() if view not in self._views])

    def update(self) -> None:
        """Draw the lines of all views anew."""
        for view in self._views:
            self._turn_page(view)

    def stop(self) -> None:
        """Follow no longer; the lines that are drawn stay."""
        self._observers.stop()

    def _turn_page(self, view) -> None:
        """A view shows something else."""
        self._pages.pop(view.GetID(), None)
        if not nodes.scene().IsNodePresent(view):
            return
        page = _Page.of(view)
        if page is None:
            nodes.remove(_nodes_of_views().get(view.GetID()))
        else:
            self._pages[view.GetID()] = page
            _draw(page.shown.drawing, [page])

    def _follow(self, drawing: Drawing) -> None:
        """Planes or the look of a study changed."""
        _draw(drawing, [page for page in self._pages.values()
                        if page.shown.drawing == drawing and nodes.scene().IsNodePresent(page.view)])


def show_views(drawing: Drawing) -> list:
    """Show a study's foremost images in the Red, Green and Yellow slice views, with their lines; returns the views.

    Views that are absent (slicer-core) are made, so that Slicer shows the images when it opens the saved scene.
    """
    stacks = [stack for stack in drawing.now.foremost() if drawing.volume_of(stack.id, stack.central)]
    views = []
    for name, stack in zip(("Red", "Green", "Yellow"), stacks, strict=False):
        view = view_named(name)
        show_image(view, drawing, stack.id, stack.central)
        draw_view_lines(view)
        views.append(view)
    return views


def _whole_views() -> list:
    """The slice views that have what says which images they show, which comes after them."""
    return [view for view in nodes.nodes_of("vtkMRMLSliceNode") if composite_of(view) is not None]


def _draw(drawing: Drawing, pages: Sequence[_Page]) -> None:
    """Draw the lines of pages that show one study."""
    now, palette, there = drawing.now, palette_node(drawing), _nodes_of_views()
    found = lines_on(now, [(page.shown.image, page.shown.stack.id) for page in pages])
    dashes = predicted_on(drawing, [(page.shown.stack.id, page.shown.index) for page in pages])
    for page, lines, dashed in zip(pages, found, dashes, strict=True):
        node = there.get(page.view.GetID())
        content = (now.look, lines.planes, *(array.tobytes() for array in (lines.segments, *dashed)))
        if node is not None and content == page.drawn:
            continue  # most moves leave some views as they are: that of the plane's own stack, at least
        page.drawn = content
        node = node or _make_node(drawing, page.view)
        made = lines_mesh(now, lines, page.sheet, page.letter_mm, dashed)
        node.SetAttribute(nodes.STUDY, drawing.key)
        if made.GetNumberOfCells():
            look_up(palette, now, node.GetDisplayNode(), made)
        node.SetAndObservePolyData(made)


def _nodes_of_views() -> dict[str, object]:
    """The nodes of lines in slice views, by the view's id."""
    return {node.GetAttribute(_VIEW): node for node in nodes.our_nodes("view lines", class_name="vtkMRMLModelNode")}


def _make_node(drawing: Drawing, view):
    node = nodes.add_node("vtkMRMLModelNode", f"Lines in {view.GetName()}", "view lines", drawing.key)
    node.SetAttribute(_VIEW, view.GetID())
    show_model(node, (1.0, 1.0, 1.0), line_width=2)
    display = node.GetDisplayNode()
    display.SetVisibility3D(False)
    display.SetVisibility2D(True)
    display.SetSliceDisplayModeToProjection()  # the mesh lies in the image: nothing is displaced by it
    display.SetSliceIntersectionThickness(2)
    display.SetViewNodeIDs([view.GetID()])
    nodes.file_under(node, drawing.folder())
    return node


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
