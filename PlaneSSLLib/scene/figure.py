"""A picture for a paper: the planes and their lines in 3D beside the images with the lines that cut them."""
from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
from vtkmodules.vtkIOImage import vtkPNGWriter
from vtkmodules.vtkRenderingCore import vtkRenderer, vtkTexture

from .. import PlaneSSLError
from ..files import refuse_existing, replacing
from ..study import Stack
from .camera import look_at, telling_direction
from .coordinates import to_ras
from .drawing import Drawing
from .lines import line_radius
from .meshes import rectangles, segments_mesh
from .paper import SAMPLES, Paper, flat_actor
from .predictions import predicted_on
from .segmentations import outline_in, surfaces
from .slicelines import ImageLines, Sheet, image_line_colors, lines_mesh, lines_on
from .textures import atlas, slice_image
from .volumes import image_data

_MOST_IMAGES = 6
_BACKGROUNDS = {"black": (0.0, 0.0, 0.0), "white": (1.0, 1.0, 1.0)}
_IN_IMAGE = (0.25, 0.25, 0.25)  # tissue, on the average: what weak lines in images fade into


def save_figure(drawing: Drawing, path: str | Path, size: tuple[int, int] = (1600, 900), background: str = "black",
                overwrite: bool = False) -> Path:
    """Write a PNG of (width, height) pixels: 3D on the left, one image a view on the right, a legend below.

    Predicted lines that are in the scene are dashed in the images. background: black or white. Needs no display.
    PlaneSSLError where the machine cannot render (it names the package to install) or the file is there already.
    """
    path = Path(path).resolve()
    if path.suffix.lower() != ".png":
        raise PlaneSSLError(f"A figure is a PNG: let the name {path.name} end in .png.")
    refuse_existing(path, overwrite)
    picture = draw_figure(drawing, size, background)
    with replacing(path) as side:
        writer = vtkPNGWriter()
        writer.SetFileName(str(side))
        writer.SetInputData(image_data(np.ascontiguousarray(picture[None, ::-1])))
        writer.Write()
        if writer.GetErrorCode():  # it only says so where nobody reads it
            raise PlaneSSLError(f"{path} cannot be written whole: is the disk full?")
    return path


def draw_figure(drawing: Drawing, size: tuple[int, int] = (1600, 900), background: str = "black") -> np.ndarray:
    """The picture of `save_figure` as (height, width, 3) uint8."""
    if background not in _BACKGROUNDS:
        raise PlaneSSLError(f"The background is '{background}' instead of {' or '.join(_BACKGROUNDS)}.")
    if min(size) < 200:
        raise PlaneSSLError(f"A figure of {size[0]} x {size[1]} pixels is too small: give it 200 or more each way.")
    return _Figure(drawing, size, background).draw()


class _Figure:
    """What is drawn where; lengths are pixels of the paper."""

    def __init__(self, drawing: Drawing, size: tuple[int, int], background: str) -> None:
        self.drawing, self.now = drawing, drawing.now
        self.paper = Paper(size, _BACKGROUNDS[background])
        self.shown = self.now.foremost()[:_MOST_IMAGES]
        self.surfaces = surfaces(drawing)

    def draw(self) -> np.ndarray:
        """(height, width, 3) uint8."""
        paper, unit = self.paper, self.paper.unit
        foot = self.legend()
        gap, title, count = 0.5 * unit, 1.6 * unit, len(self.shown)
        upright = paper.height - foot > paper.width  # then the images lie below the 3D view instead of beside it
        room = (paper.width, 0.45 * (paper.height - foot)) if upright else (0.55 * paper.width, paper.height - foot)

        def side(columns: int) -> float:
            return min(room[0] / columns - gap, room[1] / -(-count // columns) - title - gap)

        columns = max(range(1, count + 1), key=side)
        rows, size = -(-count // columns), side(columns)
        cell = (size + gap, size + title + gap)
        left = (paper.width - columns * cell[0] + gap) / 2 if upright else paper.width - columns * cell[0]
        top = foot + rows * cell[1] if upright else (paper.height + foot + rows * cell[1]) / 2
        if upright:
            self.space(0, top, paper.width, paper.height - top)
        else:
            self.space(0, foot, left - gap, paper.height - foot)
        for n, stack in enumerate(self.shown):
            self.image(stack, left + n % columns * cell[0], top - (n // columns + 1) * cell[1], size, size + title)
        return paper.picture()

    def space(self, x: float, y: float, width: float, height: float) -> None:
        """The planes in 3D, the shown ones with their images and the lines on them, and the surfaces."""
        view = self.paper.view(x, y, width, height)
        corners = []
        for stack in self.now.study.stacks:
            if stack.localizer and stack not in self.shown:
                continue  # its large rectangles would leave little room for the others
            strength = self.now.strength(stack)
            ends = (0, len(strength) - 1)  # of the weak planes, those that show how far the stack reaches
            seen = [i for i, s in enumerate(strength) if s == 1 or (s > 0 and i in ends)]
            planes = [stack.planes[i] for i in seen]
            corners += [plane.corners() for plane in planes]
            color = np.array([(*self.now.colors[stack.id], strength[i]**0.5) for i in seen]).reshape(-1, 4)
            self.opaque(view, lambda some, color, _, planes=planes: rectangles([planes[k] for k in some], color),
                        color, 1.0, self.paper.background)
        drawn: set[frozenset] = set()
        for stack in self.shown:
            self.picture(view, stack)
            lines = self.lines(stack)
            pairs = [frozenset((place, (stack.id, stack.central))) for place in lines.planes]
            lines = lines.take([pair not in drawn for pair in pairs])  # the line of two shown images is drawn once
            drawn.update(pairs)
            self.opaque(view, lambda some, color, strong, lines=lines: segments_mesh(
                lines.segments[some], color, strong * line_radius(self.now)), image_line_colors(self.now, lines), 1.4,
                _IN_IMAGE)
        for surface in self.surfaces:
            actor = flat_actor(surface.mesh, 1)
            actor.GetMapper().ScalarVisibilityOff()
            actor.GetProperty().SetColor(surface.color)
            actor.GetProperty().LightingOn()
            actor.GetProperty().SetAmbient(0.3)
            view.AddActor(actor)
        direction = telling_direction(np.array([self.acquired(stack).normal for stack in self.shown]))
        look_at(view.GetActiveCamera(), np.concatenate(corners), direction, width / height)

    def image(self, stack: Stack, x: float, y: float, width: float, height: float) -> None:
        """The middle slice of a stack, upright as acquired, under its name."""
        plane, unit = self.acquired(stack), self.paper.unit
        title = 1.6 * unit
        scale = min(width / plane.size[1], (height - title) / plane.size[0])  # pixels a mm
        wide, high = scale * plane.size[1], scale * plane.size[0]
        x, top = x + (width - wide) / 2, y + height - title
        view = self.paper.view(x, top - high, wide, high)
        camera = view.GetActiveCamera()
        look_at(camera, plane.corners(), -plane.normal, wide / high)
        camera.SetViewUp(*to_ras(-plane.column))
        camera.SetParallelScale(plane.size[0] / 2)
        self.picture(view, stack)
        for surface in self.surfaces:
            if surface.stack != stack.id:
                continue  # what was found in other images is seen in 3D; here it would only hide what was found in this
            actor = flat_actor(outline_in(surface.mesh, plane), 1.6 * SAMPLES)
            actor.GetMapper().ScalarVisibilityOff()
            actor.GetProperty().SetColor(surface.color)
            view.AddActor(actor)
        lines = self.lines(stack)
        if len(lines.planes):
            made = lines_mesh(self.now, lines, Sheet.of(plane), 0.64 * unit / scale)
            view.AddActor(flat_actor(made, 0.9 * SAMPLES))
            color = image_line_colors(self.now, lines)
            strong = color[:, 3] == 1
            view.AddActor(flat_actor(segments_mesh(lines.segments[strong], color[strong]), 1.8 * SAMPLES))
        (dashes,) = predicted_on(self.drawing, [(stack.id, stack.central)])
        view.AddActor(flat_actor(segments_mesh(*dashes), 2.4 * SAMPLES))
        self.paper.frame(x, top - high, wide, high, self.now.colors[stack.id])
        of = f" of {len(stack.planes)}" if len(stack.planes) > 1 else ""
        self.paper.text(f"{self.now.label(stack.id, stack.central)}{of}", x, top + 0.35 * unit)

    def legend(self) -> float:
        """Colours and what they stand for, in rows at the foot; returns how high they are.

        Planes have frames, as in the picture; structures, in rows of their own below, are filled.
        """
        planes = {}
        for stack in (*self.shown, *self.now.study.stacks):
            title = self.now.titles[stack.id]
            words = stack.view if title == stack.view else f"{stack.view}  {title}"
            planes.setdefault(words, self.now.colors[stack.id])
        if any(stack.localizer for stack in self.now.study.stacks):
            planes["loc: localizer"] = None
        structures = {surface.name: surface.color for surface in self.surfaces}
        unit = self.paper.unit
        rows = [*self.rows(planes), *self.rows(structures)]
        for n, row in enumerate(reversed(rows)):
            x = (self.paper.width - sum(map(self.entry_width, row))) / 2
            y = (0.7 + 1.6 * n) * unit
            for words in row:
                color = structures.get(words, planes.get(words))
                if color is not None:
                    swatch = self.paper.box if words in structures else self.paper.frame
                    swatch(x, y - 0.05 * unit, 0.8 * unit, 0.8 * unit, color)
                self.paper.text(words, x + 1.3 * unit, y)
                x += self.entry_width(words)
        return (1.0 + 1.6 * len(rows)) * unit

    def rows(self, entries: Iterable[str]) -> list[list[str]]:
        """Entries of the legend in rows that fit on the paper."""
        rows: list[list[str]] = []
        for words in entries:
            if not rows or sum(map(self.entry_width, (*rows[-1], words))) > self.paper.width - 2 * self.paper.unit:
                rows.append([])
            rows[-1].append(words)
        return rows

    def entry_width(self, words: str) -> float:
        return 2.8 * self.paper.unit + self.paper.text_width(words)

    def acquired(self, stack: Stack):
        """The plane of a stack's middle image; a plane in hand leaves its image where it was taken."""
        return self.now.acquired.stack(stack.id).planes[stack.central]

    def lines(self, stack: Stack) -> ImageLines:
        """Where the planes cut a stack's middle image."""
        return lines_on(self.now, [(self.acquired(stack), stack.id)])[0]

    def picture(self, view: vtkRenderer, stack: Stack) -> None:
        """Add the middle slice on its rectangle, if its volume is in the scene."""
        pixels = slice_image(self.drawing, stack.id, stack.central)
        if pixels is None:
            return
        shape, image = atlas([self.acquired(stack)], [pixels])
        texture = vtkTexture()
        texture.SetInputData(image)
        texture.InterpolateOn()
        actor = flat_actor(shape, 1)
        actor.SetTexture(texture)
        view.AddActor(actor)

    def opaque(self, view: vtkRenderer, made_of, color: np.ndarray, line_width: float, backdrop) -> None:
        """Add things of (n, 4) colours to a view; the weak ones thinner, and faded into a backdrop.

        Translucent ones would need depth peeling, which takes half a minute in software. made_of: numbers of things,
        their colours, and whether they are strong -> their mesh.
        """
        strength = color[:, 3:]
        faded = np.c_[strength * color[:, :3] + (1 - strength) * backdrop, np.ones(len(color))]
        for strong, width in ((False, 0.5), (True, 2.0)):
            some = np.flatnonzero((strength == 1) == strong)
            if len(some):
                view.AddActor(flat_actor(made_of(some, faded[some], strong), width * line_width * SAMPLES))
