"""What the pretext tasks ask of an image, and what a network answers: heatmaps in colour, and relative locations."""
from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import slicer

from .. import anatomy as anatomies
from ..anatomy import Anatomy
from ..geometry import heatmaps, lines_hit
from ..study.targets import SliceTargets, Target, stack_targets
from . import nodes
from .drawing import Drawing
from .views import composite_of
from .volumes import image_data

_ROLES = ("targets", "predicted targets")


def targets_of(drawing: Drawing, stack: str, index: int, anatomy: Anatomy | None = None) -> Target:
    """What training regresses of a slice, planes as they lie now; lines that miss the image are left out, as there."""
    return _targets(drawing, stack, anatomy or anatomies.load(drawing.study.anatomy))[index]


def draw_targets(drawing: Drawing, stack: str, anatomy: Anatomy | None = None) -> list:
    """Heatmaps of every slice of a stack as colour volumes on the very voxels of its volumes; returns the nodes.

    Every line glows in its view's colour. The relative location of the slices is in the node's description. Earlier
    ones of the stack are replaced; `overlay` lays one over an image.
    """
    anatomy = anatomy or anatomies.load(drawing.study.anatomy)
    return _draw(drawing, stack, "targets", _targets(drawing, stack, anatomy))


def draw_predicted_targets(drawing: Drawing, found: Mapping[tuple[str, int], Target]) -> list:
    """What a network answered, by stack id and slice, drawn as `draw_targets` draws what it was asked.

    Stacks of which nothing is predicted have no node; earlier predictions of the study go away.
    """
    for old in drawing.nodes("predicted targets"):
        nodes.remove(old)
    made = []
    for stack in drawing.study.stacks:
        if any((stack.id, i) in found for i in range(len(stack.planes))):
            made += _draw(drawing, stack.id, "predicted targets", [
                found.get((stack.id, i)) or Target((), np.zeros((0, *plane.shape), np.float32), np.nan)
                for i, plane in enumerate(stack.planes)])
    return made


def _draw(drawing: Drawing, stack: str, role: str, targets: Sequence[Target]) -> list:
    for old in drawing.nodes(role, stack):
        nodes.remove(old)
    now, made = drawing.now, []
    colors = {one.view: now.colors[one.id] for one in now.study.stacks}
    for volume in drawing.nodes("volume", stack):
        index = volume.GetAttribute(nodes.SLICE)
        shown = targets if index is None else [targets[int(index)]]
        node = nodes.add_node("vtkMRMLVectorVolumeNode", f"{volume.GetName()} {role}", role, drawing.key, stack,
                              None if index is None else int(index))
        node.CopyOrientation(volume)
        node.SetAndObserveImageData(image_data(np.stack([_glow(target, colors) for target in shown])))
        node.SetVoxelVectorType(node.VoxelVectorTypeColorRGB)
        node.CreateDefaultDisplayNodes()
        node.SetDescription("relative location: " + ", ".join(f"{target.location:.3f}" for target in shown))
        nodes.file_under(node, drawing.folder(stack))
        made.append(node)
    return made


def overlay(slice_node, targets: Sequence, opacity: float = 0.7) -> None:
    """Let a slice view add the colours of a stack's targets nodes to its image; none takes them away.

    Where every slice has a volume of its own, the view gets the node of the slice that it shows.
    """
    composite = composite_of(slice_node)
    shown = nodes.scene().GetNodeByID(composite.GetBackgroundVolumeID() or "")
    of_slice = [node for node in targets if shown and node.GetAttribute(nodes.SLICE) == shown.GetAttribute(nodes.SLICE)]
    node = next(iter([*of_slice, *targets]), None)
    composite.SetForegroundVolumeID(node.GetID() if node else None)
    composite.SetForegroundOpacity(opacity if node else 0.0)
    composite.SetCompositing(slicer.vtkMRMLSliceCompositeNode.Add if node else slicer.vtkMRMLSliceCompositeNode.Alpha)


def overlay_all(targets: Sequence, drawing: Drawing | None = None) -> None:
    """`overlay` in every slice view that shows an image of a study, None for any of ours; what lies over others is not
    touched.
    """
    for view in nodes.nodes_of("vtkMRMLSliceNode"):
        composite = composite_of(view)
        if composite is not None and (_is_of(drawing, composite.GetForegroundVolumeID(), _ROLES) or (
                targets and _is_of(drawing, composite.GetBackgroundVolumeID()))):
            overlay(view, targets)


def overlaid() -> bool:
    """Does a slice view lay any targets, or predicted ones, over an image?"""
    return any(_is_of(None, one.GetForegroundVolumeID(), _ROLES) for one in nodes.nodes_of("vtkMRMLSliceCompositeNode"))


def _is_of(drawing: Drawing | None, node_id: str | None, roles: Sequence[str] = ("volume",)) -> bool:
    node = nodes.scene().GetNodeByID(node_id or "")
    key = None if node is None else node.GetAttribute(nodes.STUDY)
    return key is not None and drawing in (None, Drawing(key)) and node.GetAttribute(nodes.ROLE) in roles


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


def _glow(target: Target, colors: Mapping[str, tuple[float, float, float]]) -> np.ndarray:
    """(rows, columns, 3) uint8, every line in the colour of its view; white where the study has no such view."""
    of_lines = np.array([colors.get(name.partition(":")[0], (1, 1, 1)) for name in target.names]).reshape(-1, 3)
    return np.clip(255 * np.tensordot(target.maps, of_lines, axes=(0, 0)), 0, 255).astype(np.uint8)
