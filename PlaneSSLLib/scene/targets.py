"""What the pretext tasks ask of an image: heatmaps of lines, shown in colour, and the slice's relative location."""
from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import slicer

from .. import anatomy as anatomies
from ..anatomy import Anatomy
from ..geometry import heatmaps, lines_hit
from ..study.targets import SliceTargets, stack_targets
from . import nodes
from .drawing import Drawing
from .views import composite_of
from .volumes import image_data


@dataclass(frozen=True, eq=False)
class Target:
    """The targets of one image: what training regresses, on the image's own pixels instead of the working grid.

    names: of n lines, "2CH:central". maps: (n, rows, columns) 0 .. 1. location: 0 .. 1, or NaN for a single slice.
    """

    names: tuple[str, ...]
    maps: np.ndarray
    location: float


def targets_of(drawing: Drawing, stack: str, index: int, anatomy: Anatomy | None = None) -> Target:
    """The targets of a slice, planes as they lie now; lines that miss the image are left out, as in training."""
    return _targets(drawing, stack, anatomy or anatomies.load(drawing.study.anatomy))[index]


def draw_targets(drawing: Drawing, stack: str, anatomy: Anatomy | None = None) -> list:
    """Heatmaps of every slice of a stack as colour volumes on the very voxels of its volumes; returns the nodes.

    Every line glows in its view's colour. The relative location of the slices is in the node's description. Earlier
    ones of the stack are replaced; `overlay` lays one over an image.
    """
    for old in drawing.nodes("targets", stack):
        nodes.remove(old)
    anatomy = anatomy or anatomies.load(drawing.study.anatomy)
    targets = _targets(drawing, stack, anatomy)
    made = []
    for volume in drawing.nodes("volume", stack):
        index = volume.GetAttribute(nodes.SLICE)
        shown = targets if index is None else [targets[int(index)]]
        node = nodes.add_node("vtkMRMLVectorVolumeNode", f"{volume.GetName()} targets", "targets", drawing.key, stack,
                              None if index is None else int(index))
        node.CopyOrientation(volume)
        node.SetAndObserveImageData(image_data(np.stack([_glow(target, anatomy) for target in shown])))
        node.SetVoxelVectorType(node.VoxelVectorTypeColorRGB)
        node.CreateDefaultDisplayNodes()
        node.SetDescription("relative location: " + ", ".join(f"{target.location:.3f}" for target in shown))
        nodes.file_under(node, drawing.folder(stack))
        made.append(node)
    return made


def overlay(slice_node, node, opacity: float = 0.7) -> None:
    """Let a slice view add the colours of a targets node to its image; None takes them away."""
    composite = composite_of(slice_node)
    composite.SetForegroundVolumeID(node.GetID() if node else None)
    composite.SetForegroundOpacity(opacity if node else 0.0)
    composite.SetCompositing(slicer.vtkMRMLSliceCompositeNode.Add if node else slicer.vtkMRMLSliceCompositeNode.Alpha)


def _targets(drawing: Drawing, stack: str, anatomy: Anatomy) -> list[Target]:
    stacks = drawing.study.stacks
    number = [one.id for one in stacks].index(stack)
    found = stack_targets(anatomy, stacks, number)
    return [_target(one, plane, anatomy) for one, plane in zip(found, stacks[number].planes, strict=True)]


def _target(found: SliceTargets, plane, anatomy: Anatomy) -> Target:
    names, maps = [], [np.zeros((0, *plane.shape), np.float32)]
    for name, lines in zip(anatomy.targets, found.lines, strict=True):
        inside = lines[lines_hit(lines, plane.shape)]
        if len(inside):
            names.append(name)
            maps.append(heatmaps(inside, plane.shape, plane.spacing, anatomy.sigma_mm).max(0, keepdims=True))
    return Target(tuple(names), np.concatenate(maps), found.location)


def _glow(target: Target, anatomy: Anatomy) -> np.ndarray:
    """(rows, columns, 3) uint8."""
    colors = np.array([anatomy.view(name.partition(":")[0]).color for name in target.names]).reshape(-1, 3)
    return np.clip(255 * np.tensordot(target.maps, colors, axes=(0, 0)), 0, 255).astype(np.uint8)
