"""All crossing lines of a study in one model node: the segments of geometry, in the colour of the cutting view."""
from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from vtkmodules.util.numpy_support import numpy_to_vtk, vtk_to_numpy

from ..geometry import angle_between, crossings
from . import nodes
from .drawing import Drawing
from .meshes import points_of, segments_mesh
from .planes import show_model
from .record import DrawnStudy

_PLACES = "PlaneSSL.planes"
_MOST_TRANSLUCENT = 1000  # lines; what shines through is drawn once for every layer, which many lines make slow
_BACKDROP = 0.45  # grey that weak lines fade into where they are too many to shine through


@dataclass(frozen=True, eq=False)
class Lines:
    """n crossing lines, each pair of planes once.

    places: (n, 4) int, the number of a stack in the study, a slice in it, and the same of the other plane.
    segments: (n, 2, 3) LPS mm. angle_deg: (n,).
    """

    places: np.ndarray
    segments: np.ndarray
    angle_deg: np.ndarray

    def of(self, stack: int, index: int) -> np.ndarray:
        """(n,) bool: is this plane one of the two?"""
        return ((self.places[:, :2] == (stack, index)).all(1)) | ((self.places[:, 2:] == (stack, index)).all(1))

    def take(self, which: np.ndarray) -> Lines:
        """Some of the lines, (n,) bool or numbers."""
        return Lines(self.places[which], self.segments[which], self.angle_deg[which])


def crossing_lines(now: DrawnStudy) -> Lines:
    """Every line in which two planes of different stacks cut each other inside both images."""
    stacks = now.study.stacks
    found = [_no_lines()]
    for a, stack in enumerate(stacks):
        partners = list(now.partners(stack.id))
        for b, partner in enumerate(stacks):
            if b > a and partner in partners:
                pairs = crossings(stack.planes, partner.planes)
                i, j = np.nonzero(np.isfinite(pairs.segments).all((-1, -2)))
                places = np.column_stack([np.full(len(i), a), i, np.full(len(i), b), j])
                found.append(Lines(places, pairs.segments[i, j], pairs.angle_deg[i, j]))
    return Lines(*(np.concatenate([getattr(part, name) for part in found])
                   for name in ("places", "segments", "angle_deg")))


def lines_of_plane(now: DrawnStudy, stack: str, index: int) -> Lines:
    """The lines of one plane with those of all other stacks."""
    number = {one.id: k for k, one in enumerate(now.study.stacks)}
    others = [(number[partner.id], j) for partner in now.partners(stack) for j in range(len(partner.planes))]
    if not others:
        return _no_lines()
    pairs = crossings([now.study.stack(stack).planes[index]], [now.study.stacks[b].planes[j] for b, j in others])
    found = np.flatnonzero(np.isfinite(pairs.segments[0]).all((-1, -2)))
    own = (number[stack], index)
    places = [own + others[k] if own < others[k] else others[k] + own for k in found]
    return Lines(np.array(places, int).reshape(-1, 4), pairs.segments[0][found], pairs.angle_deg[0][found])


def _no_lines() -> Lines:
    return Lines(np.zeros((0, 4), int), np.zeros((0, 2, 3)), np.zeros(0))


def draw_lines(drawing: Drawing):
    """Add the node of all crossing lines; returns it."""
    node = nodes.add_node("vtkMRMLModelNode", "Crossing lines", "lines", drawing.key)
    now = drawing.now
    set_lines(node, now, crossing_lines(now))
    show_model(node, (1.0, 1.0, 1.0), line_width=2)
    return node


def update_lines(drawing: Drawing) -> None:
    """Draw the lines anew, where the planes lie now and in the present look; a plane in hand has a node for its own."""
    now = drawing.now
    lines = crossing_lines(now)
    number = {stack.id: k for k, stack in enumerate(now.study.stacks)}
    for node in drawing.nodes("lines in hand"):
        own = lines.of(number[node.GetAttribute(nodes.STACK)], int(node.GetAttribute(nodes.SLICE)))
        set_lines(node, now, lines.take(own))
        lines = lines.take(~own)
    if (node := drawing.node("lines")) is not None:
        set_lines(node, now, lines)


def set_lines(node, now: DrawnStudy, lines: Lines) -> None:
    """Let a node show these lines of a study, as far as its look does not hide them."""
    color = line_colors(now, lines)
    lines, color = lines.take(color[:, 3] > 0), color[color[:, 3] > 0]
    strong = color[:, 3] == 1
    if np.count_nonzero(~strong) > _MOST_TRANSLUCENT:
        color[:, :3] = color[:, 3:] * color[:, :3] + (1 - color[:, 3:]) * _BACKDROP
        color[:, 3] = 1.0
    made = segments_mesh(lines.segments, color, line_radius(now) * strong)
    places = np.full((made.GetNumberOfCells(), 4), -1, np.int32)  # the tubes' faces are no lines
    places[:len(lines.places)] = lines.places
    array = numpy_to_vtk(places, deep=True)
    array.SetName(_PLACES)
    made.GetCellData().AddArray(array)
    node.SetAndObservePolyData(made)


def lines_in_scene(drawing: Drawing) -> Lines:
    """The lines as they are drawn, read back from their node; none where a user has deleted it."""
    node = drawing.node("lines")
    source = node and node.GetPolyData()
    if not source or not source.GetNumberOfCells():
        return _no_lines()
    places = vtk_to_numpy(source.GetCellData().GetArray(_PLACES))[:source.GetNumberOfLines()].astype(int)
    segments = points_of(source)[:2 * len(places)].reshape(-1, 2, 3)
    stacks = drawing.study.stacks
    normals = [(stacks[a].planes[i].normal, stacks[b].planes[j].normal) for a, i, b, j in places.tolist()]
    return Lines(places, segments, angle_between(*np.array(normals).transpose(1, 0, 2)))


def line_radius(now: DrawnStudy) -> float:
    """Radius in mm of the tubes around lines: a hair against the images of the study."""
    return 0.003 * float(np.median([max(stack.planes[0].size) for stack in now.study.stacks]))


def line_colors(now: DrawnStudy, lines: Lines) -> np.ndarray:
    """(n, 4) colours: the view of the plane whose stack has fewer slices, as strong as the weaker plane of the two."""
    stacks = now.study.stacks
    strength = np.concatenate([now.strength(stack) for stack in stacks])
    color = np.array([now.colors[stack.id] for stack in stacks]).reshape(-1, 3)
    count = np.array([len(stack.planes) for stack in stacks])
    made = np.zeros((len(lines.places), 4))
    a, i, b, j = lines.places.T
    made[:, :3] = color[np.where(count[a] < count[b], a, b)]
    first = np.cumsum(count) - count
    made[:, 3] = np.minimum(strength[first[a] + i], strength[first[b] + j])
    return made
