"""A picture for a paper: the planes and their lines in 3D beside the images with the lines that cut them."""
from __future__ import annotations

from pathlib import Path

import numpy as np
import vtkmodules.vtkRenderingFreeType  # noqa: F401  text actors need its fonts
from vtkmodules.vtkCommonDataModel import vtkPolyData
from vtkmodules.vtkIOImage import vtkPNGWriter
from vtkmodules.vtkRenderingCore import (
    vtkActor, vtkMapper, vtkPolyDataMapper, vtkRenderer, vtkTextActor, vtkTexture,
)

from .. import PlaneSSLError
from .. import anatomy as anatomies
from ..files import refuse_existing, replacing
from ..study import Stack
from .camera import look_at, telling_direction
from .coordinates import to_ras
from .drawing import Drawing
from .meshes import rectangles, segments_mesh
from .offscreen import picture_of, render_window
from .slicelines import Sheet, image_line_colors, lines_mesh, lines_on
from .textures import atlas, slice_image
from .volumes import image_data

_SAMPLES = 2  # the picture is drawn this much larger and averaged, which smooths lines and letters alike
_MOST_IMAGES = 6
_IN_IMAGE = (0.25, 0.25, 0.25)  # tissue, on the average
_BACKGROUNDS = {"black": (0.0, 0.0, 0.0), "white": (1.0, 1.0, 1.0)}


def save_figure(drawing: Drawing, path: str | Path, size: tuple[int, int] = (1600, 900), background: str = "black",
                overwrite: bool = False) -> Path:
    """Write a PNG of (width, height) pixels: 3D on the left, one image a view on the right, a legend below.

    background: black or white. Needs no display. PlaneSSLError where the machine cannot render (it names the package to
    install) or the file is there already.
    """
    path = Path(path).resolve()
    refuse_existing(path, overwrite)
    picture = draw_figure(drawing, size, background)
    with replacing(path) as side:
        writer = vtkPNGWriter()
        writer.SetFileName(str(side))
        writer.SetInputData(image_data(np.ascontiguousarray(picture[None, ::-1])))
        writer.Write()
    return path


def draw_figure(drawing: Drawing, size: tuple[int, int] = (1600, 900), background: str = "black") -> np.ndarray:
    """The picture of `save_figure` as (height, width, 3) uint8."""
    if background not in _BACKGROUNDS:
        raise PlaneSSLError(f"The background is '{background}' instead of {' or '.join(_BACKGROUNDS)}.")
    if min(size) < 200:
        raise PlaneSSLError(f"A figure of {size[0]} x {size[1]} pixels is too small: give it 200 or more each way.")
    return _Figure(drawing, size, background).draw()


class _Figure:
    """One window, divided into renderers; all lengths are pixels of the window, which is _SAMPLES times the picture."""

    def __init__(self, drawing: Drawing, size: tuple[int, int], background: str) -> None:
        self.drawing, self.now, self.study = drawing, drawing.now, drawing.study
        self.width, self.height = _SAMPLES * size[0], _SAMPLES * size[1]
        self.background = _BACKGROUNDS[background]
        self.ink = tuple(0.92 - 0.84 * c for c in self.background)
        self.unit = min(self.height, 0.7 * self.width) / 36  # height of a line of text
        self.shown = self.now.foremost()[:_MOST_IMAGES]
        self.window = render_window(self.width, self.height)
        self.window.SetNumberOfLayers(2)
        self.renderer(0, 0, self.width, self.height)  # the paper
        self.sheet = self.renderer(0, 0, self.width, self.height, layer=1)  # text and swatches, over all

    def draw(self) -> np.ndarray:
        """(height, width, 3) uint8."""
        vtkMapper.SetResolveCoincidentTopologyToPolygonOffset()  # lines win over the planes they lie in, as in Slicer
        self.flat_camera(self.sheet)
        foot = self.legend(2.2 * self.unit)
        columns = 1 if len(self.shown) < 3 else 2
        rows = max(-(-len(self.shown) // columns), 1)
        gap = 0.5 * self.unit
        cell = (self.height - foot - gap) / rows
        wide = min(cell - 1.6 * self.unit, 0.27 * self.width if columns == 2 else 0.42 * self.width)
        left = self.width - columns * (wide + gap) if self.shown else self.width
        self.space(0, foot, left - gap, self.height - foot)
        for n, stack in enumerate(self.shown):
            x = left + n % columns * (wide + gap)
            y = self.height - gap - (n // columns + 1) * cell
            self.image(stack, x, y + gap / 2, wide, cell - gap)
        picture = picture_of(self.window)
        self.window.Finalize()
        blocks = picture.reshape(self.height // _SAMPLES, _SAMPLES, self.width // _SAMPLES, _SAMPLES, 3)
        return np.round(blocks.mean(axis=(1, 3))).astype(np.uint8)

    def space(self, x: float, y: float, width: float, height: float) -> None:
        """The planes in 3D, the shown ones with their images, and all lines."""
        renderer = self.renderer(x, y, width, height)
        corners = []
        for stack in self.study.stacks:
            strength = self.now.strength(stack)
            ends = (0, len(strength) - 1)  # of the weak planes, those that show how far the stack reaches
            seen = [i for i, s in enumerate(strength) if s == 1 or (s > 0 and i in ends)]
            corners += [stack.planes[i].corners() for i in seen]
            color = np.array([(*self.now.colors[stack.id], strength[i]) for i in seen]).reshape(-1, 4)
            self.opaque(renderer, lambda some, planes=[stack.planes[i] for i in seen], color=color: rectangles(
                [planes[k] for k in some], color[some]), color, 1.0)
            if stack in self.shown:
                self.picture(renderer, stack)
                lines = lines_on(self.now, stack.planes[stack.central], stack)
                color = image_line_colors(self.now, lines)
                self.opaque(renderer, lambda some, lines=lines, color=color: segments_mesh(
                    lines.segments[some], color[some]), color, 1.4, backdrop=_IN_IMAGE)
        direction = telling_direction(np.array([stack.planes[stack.central].normal for stack in self.shown]))
        look_at(renderer.GetActiveCamera(), np.concatenate(corners), direction, width / height)

    def image(self, stack: Stack, x: float, y: float, width: float, height: float) -> None:
        """The middle slice of a stack, upright as acquired, under its name."""
        plane = stack.planes[stack.central]
        title = 1.6 * self.unit
        scale = min(width / plane.size[1], (height - title) / plane.size[0])  # pixels a mm
        wide, high = scale * plane.size[1], scale * plane.size[0]
        x, top = x + (width - wide) / 2, y + height - title
        renderer = self.renderer(x, top - high, wide, high)
        camera = renderer.GetActiveCamera()
        look_at(camera, plane.corners(), -plane.normal, wide / high, margin=1.0)
        camera.SetViewUp(*to_ras(-plane.column))
        camera.SetParallelScale(plane.size[0] / 2)
        self.picture(renderer, stack)
        lines = lines_on(self.now, plane, stack)
        if len(lines.planes):
            made = lines_mesh(self.now, lines, Sheet.of(plane), 0.64 * self.unit / scale)
            renderer.AddActor(self.mesh_actor(made, 0.9 * _SAMPLES))
            color = image_line_colors(self.now, lines)
            strong = color[:, 3] == 1
            renderer.AddActor(self.mesh_actor(segments_mesh(lines.segments[strong], color[strong]), 1.8 * _SAMPLES))
        frame = 1.0 * _SAMPLES
        self.rectangle(x, top - high, wide, high, self.now.colors[stack.id], frame)
        of = f" of {len(stack.planes)}" if len(stack.planes) > 1 else ""
        self.text(f"{self.now.label(stack.id, stack.central)}{of}", x, top + 0.35 * self.unit)

    def legend(self, height: float) -> float:
        """Colours and what they stand for, centred at the foot; returns how high it is."""
        model = anatomies.load(self.study.anatomy)
        entries = {}
        for stack in self.study.stacks:
            view = model.view(stack.view)
            words = f"{stack.view}  {view.title}" if view and view.title != stack.view else stack.view
            entries.setdefault(words, self.now.colors[stack.id])
        gap, box = self.unit, 0.8 * self.unit
        widths = {words: self.text_width(words) for words in entries}
        total = sum(widths.values()) + len(entries) * (box + 1.5 * gap)
        x = max((self.width - total) / 2, gap)
        base = 0.7 * self.unit
        for words, color in entries.items():
            self.swatch(x, base - 0.05 * box, box, color)
            self.text(words, x + box + 0.5 * gap, base)
            x += box + 1.5 * gap + widths[words]
        return height

    def renderer(self, x: float, y: float, width: float, height: float, layer: int = 0) -> vtkRenderer:
        made = vtkRenderer()
        made.SetViewport(x / self.width, y / self.height, (x + width) / self.width, (y + height) / self.height)
        made.SetBackground(self.background)
        made.SetLayer(layer)
        made.UseOITOff()  # translucent things are blended in the order in which they were added
        self.window.AddRenderer(made)
        return made

    def flat_camera(self, renderer: vtkRenderer) -> None:
        """One unit is one pixel of the window, from its lower left corner."""
        camera = renderer.GetActiveCamera()
        camera.ParallelProjectionOn()
        camera.SetFocalPoint(self.width / 2, self.height / 2, 0)
        camera.SetPosition(self.width / 2, self.height / 2, 100)
        camera.SetParallelScale(self.height / 2)
        camera.SetClippingRange(1, 200)

    def opaque(self, renderer: vtkRenderer, made_of, color: np.ndarray, line_width: float, backdrop=None) -> None:
        """Add things of (n, 4) colours to a renderer; the weak ones thinner, and faded instead of translucent.

        Depth peeling would take half a minute in software. made_of: numbers of things -> their mesh. backdrop: the
        colour into which they fade, by default the background.
        """
        strength = color[:, 3:].copy()
        color[:, :3] = strength * color[:, :3] + (1 - strength) * np.array(backdrop or self.background)
        color[:, 3] = 1.0
        for chosen, width in ((strength < 1, 0.5), (strength == 1, 2.0)):
            some = np.flatnonzero(chosen)
            if len(some):
                renderer.AddActor(self.mesh_actor(made_of(some), width * line_width * _SAMPLES))

    def mesh_actor(self, source: vtkPolyData, line_width: float) -> vtkActor:
        mapper = vtkPolyDataMapper()
        mapper.SetInputData(source)
        actor = vtkActor()
        actor.SetMapper(mapper)
        actor.GetProperty().SetLineWidth(line_width)
        actor.GetProperty().LightingOff()
        return actor

    def picture(self, renderer: vtkRenderer, stack: Stack) -> None:
        """Add the middle slice on its rectangle, if its volume is in the scene."""
        pixels = slice_image(self.drawing, stack.id, stack.central)
        if pixels is None:
            return
        shape, image = atlas([self.now.acquired.stack(stack.id).planes[stack.central]], [pixels])
        texture = vtkTexture()
        texture.SetInputData(image)
        texture.InterpolateOn()
        actor = self.mesh_actor(shape, 1)
        actor.SetTexture(texture)
        renderer.AddActor(actor)

    def text_actor(self, words: str) -> vtkTextActor:
        actor = vtkTextActor()
        actor.SetInput(words)
        style = actor.GetTextProperty()
        style.SetFontFamilyToArial()
        style.SetFontSize(round(self.unit))
        style.SetColor(self.ink)
        return actor

    def text_width(self, words: str) -> float:
        size = [0.0, 0.0]
        self.text_actor(words).GetSize(self.sheet, size)
        return size[0]

    def text(self, words: str, x: float, y: float) -> None:
        actor = self.text_actor(words)
        actor.SetDisplayPosition(round(x), round(y))
        self.sheet.AddActor2D(actor)

    def swatch(self, x: float, y: float, size: float, color: tuple[float, float, float]) -> None:
        for line in np.arange(0, size, 1.0):
            self.line([(x, y + line), (x + size, y + line)], color, 2.0)

    def rectangle(self, x: float, y: float, width: float, height: float, color, line_width: float) -> None:
        self.line([(x, y), (x + width, y), (x + width, y + height), (x, y + height), (x, y)], color, 2 * line_width)

    def line(self, points, color, line_width: float) -> None:
        path = np.array([(x, y, 0.0) for x, y in points])
        pairs = np.stack([path[:-1], path[1:]], axis=1) * [-1, -1, 1]
        self.sheet.AddActor(self.mesh_actor(segments_mesh(pairs, np.full((len(pairs), 4), (*color, 1.0))), line_width))
