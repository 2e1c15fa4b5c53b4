"""A sheet of paper to draw on: one off-screen window, divided into views, with text and lines over them."""
from __future__ import annotations

import numpy as np
import vtkmodules.vtkRenderingFreeType  # noqa: F401  text actors need its fonts
from vtkmodules.vtkCommonDataModel import vtkPolyData
from vtkmodules.vtkRenderingCore import vtkActor, vtkMapper, vtkPolyDataMapper, vtkRenderer, vtkTextActor

from .meshes import mesh
from .offscreen import picture_of, render_window

SAMPLES = 2  # the window is this much larger than the picture and averaged, which smooths lines and letters alike


class Paper:
    """All lengths are pixels of the window, x from its left edge and y from its lower edge.

    unit: the height of a line of text.
    """

    def __init__(self, size: tuple[int, int], background: tuple[float, float, float]) -> None:
        """size: (width, height) of the picture in pixels. NoOpenGL where the machine cannot render."""
        self.width, self.height = SAMPLES * size[0], SAMPLES * size[1]
        self.background = background
        self.ink = tuple(0.92 - 0.84 * c for c in background)
        self.unit = min(self.height, 0.7 * self.width) / 36
        self._window = render_window(self.width, self.height)
        self._window.SetNumberOfLayers(2)
        self.view(0, 0, self.width, self.height)
        self._top = self.view(0, 0, self.width, self.height, layer=1)
        camera = self._top.GetActiveCamera()
        camera.ParallelProjectionOn()
        camera.SetFocalPoint(self.width / 2, self.height / 2, 0)
        camera.SetPosition(self.width / 2, self.height / 2, 1)
        camera.SetParallelScale(self.height / 2)
        camera.SetClippingRange(0.5, 2)

    def picture(self) -> np.ndarray:
        """(height, width, 3) uint8, top row first; the paper is used up."""
        vtkMapper.SetResolveCoincidentTopologyToPolygonOffset()  # lines win over the planes they lie in, as in Slicer
        fine = picture_of(self._window)
        self._window.Finalize()
        blocks = fine.reshape(self.height // SAMPLES, SAMPLES, self.width // SAMPLES, SAMPLES, 3)
        return np.round(blocks.mean(axis=(1, 3))).astype(np.uint8)

    def view(self, x: float, y: float, width: float, height: float, layer: int = 0) -> vtkRenderer:
        """A part of the paper to look into."""
        made = vtkRenderer()
        made.SetViewport(x / self.width, y / self.height, (x + width) / self.width, (y + height) / self.height)
        made.SetBackground(self.background)
        made.SetLayer(layer)
        made.UseOITOff()  # translucent things are blended in the order in which they were added
        self._window.AddRenderer(made)
        return made

    def text_width(self, words: str) -> float:
        size = [0.0, 0.0]
        self._text(words).GetSize(self._top, size)
        return size[0]

    def text(self, words: str, x: float, y: float) -> None:
        """Write words from the left end of their base line."""
        actor = self._text(words)
        actor.SetDisplayPosition(round(x), round(y))
        self._top.AddViewProp(actor)

    def box(self, x: float, y: float, width: float, height: float, color: tuple[float, float, float]) -> None:
        """A filled rectangle."""
        self._rectangle(x, y, width, height, color, filled=True)

    def frame(self, x: float, y: float, width: float, height: float, color: tuple[float, float, float]) -> None:
        """The outline of a rectangle."""
        self._rectangle(x, y, width, height, color, filled=False)

    def _rectangle(self, x: float, y: float, width: float, height: float, color, filled: bool) -> None:
        points = [(x, y, 0), (x + width, y, 0), (x + width, y + height, 0), (x, y + height, 0)]
        around = np.array([[0, 1, 2, 3]])
        made = mesh(points, faces=around) if filled else mesh(points, lines=np.c_[around, 0])
        actor = flat_actor(made, 2 * SAMPLES)
        actor.GetProperty().SetColor(color)
        self._top.AddActor(actor)

    def _text(self, words: str) -> vtkTextActor:
        actor = vtkTextActor()
        actor.SetInput(words)
        style = actor.GetTextProperty()
        style.SetFontFamilyToArial()
        style.SetFontSize(round(self.unit))
        style.SetColor(self.ink)
        return actor


def flat_actor(source: vtkPolyData, line_width: float) -> vtkActor:
    """A mesh in its own colours, without light and shade."""
    mapper = vtkPolyDataMapper()
    mapper.SetInputData(source)
    actor = vtkActor()
    actor.SetMapper(mapper)
    actor.GetProperty().SetLineWidth(line_width)
    actor.GetProperty().LightingOff()
    return actor
