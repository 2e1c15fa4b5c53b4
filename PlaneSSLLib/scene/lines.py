"""All crossing lines of a study in one model node: the segments of geometry, in the colour of the cutting view."""
from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from vtkmodules.util.numpy_support import numpy_to_vtk, vtk_to_numpy

from ..geometry import angle_between, crossings
from ..study import Study
from . import nodes
from .drawing import Drawing
from .meshes import points_of, segments_mesh
from .planes import show_model

_PLACES = "PlaneSSL.planes"


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


def crossing_lines(study: Study, any_frame: bool = False) -> Lines:
    """Every line in which two planes of different stacks cut each other inside both images."""
    places, segments, angles = [np.zeros((0, 4), int)], [np.zeros((0, 2, 3))], [np.zeros(0)]
    number = {stack.id: i for i, stack in enumerate(study.stacks)}
    for stack in study.stacks:
        for partner in study.partners(stack, any_frame):
            a, b = number[stack.id], number[partner.id]
            if b < a:
                continue
            pairs = crossings(stack.planes, partner.planes)
            i, j = np.nonzero(np.isfinite(pairs.segments).all((-1, -2)))
            places.append(np.column_stack([np.full(len(i), a), i, np.full(len(i), b), j]))
            segments.append(pairs.segments[i, j])
            angles.append(pairs.angle_deg[i, j])
    return Lines(np.concatenate(places), np.concatenate(segments), np.concatenate(angles))


def draw_lines(drawing: Drawing):
    """Add the node of all crossing lines; returns it."""
    node = nodes.add_node("vtkMRMLModelNode", "Crossing lines", "lines", drawing.key)
    set_lines(node, drawing, crossing_lines(drawing.study, drawing.any_frame))
    show_model(node, (1.0, 1.0, 1.0), line_width=3)
    return node


def update_lines(drawing: Drawing) -> None:
    """Draw the lines anew, where the planes lie now and in the present look."""
    node = drawing.node("lines")
    if node is not None:
        set_lines(node, drawing, crossing_lines(drawing.study, drawing.any_frame))


def set_lines(node, drawing: Drawing, lines: Lines) -> None:
    """Let a node show these lines of a drawing."""
    made = segments_mesh(lines.segments, line_colors(drawing, lines))
    places = numpy_to_vtk(lines.places.astype(np.int32), deep=True)
    places.SetName(_PLACES)
    made.GetCellData().AddArray(places)
    node.SetAndObservePolyData(made)


def lines_in_scene(drawing: Drawing) -> Lines:
    """The lines as they are drawn, read back from their node; none where a user has deleted it."""
    node = drawing.node("lines")
    source = node and node.GetPolyData()
    if not source or not source.GetNumberOfCells():
        return Lines(np.zeros((0, 4), int), np.zeros((0, 2, 3)), np.zeros(0))
    places = vtk_to_numpy(source.GetCellData().GetArray(_PLACES)).astype(int)
    segments = points_of(source).reshape(-1, 2, 3)
    normals = [np.array([plane.normal for plane in stack.planes]) for stack in drawing.study.stacks]
    angle = [angle_between(normals[a][i], normals[b][j]) for a, i, b, j in places]
    return Lines(places, segments, np.array(angle))


def line_colors(drawing: Drawing, lines: Lines) -> np.ndarray:
    """(n, 4) colours: the view of the plane whose stack has fewer slices, as strong as the weaker plane of the two."""
    stacks = drawing.study.stacks
    strength = np.concatenate([drawing.strength(stack) for stack in stacks])
    color = np.array([drawing.colors[stack.id] for stack in stacks]).reshape(-1, 3)
    count = np.array([len(stack.planes) for stack in stacks])
    made = np.zeros((len(lines.places), 4))
    a, i, b, j = lines.places.T
    made[:, :3] = color[np.where(count[a] < count[b], a, b)]
    first = np.cumsum(count) - count
    made[:, 3] = np.minimum(strength[first[a] + i], strength[first[b] + j])
    return made
