"""Label maps of a stack as segmentation nodes on the very voxels for which they were computed."""
from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass

import numpy as np
import slicer
from vtkmodules.vtkCommonDataModel import vtkPlane, vtkPolyData
from vtkmodules.vtkFiltersCore import vtkCutter

from .. import PlaneSSLError
from ..anatomy import Label, terminology_entry
from ..geometry import Plane
from ..steps import finish
from ..study import Stack
from . import nodes
from .coordinates import matrix_of, to_ras
from .drawing import Drawing
from .volumes import image_data

_BINARY = slicer.vtkSegmentationConverter.GetBinaryLabelmapRepresentationName()
_GEOMETRY = slicer.vtkSegmentationConverter.GetReferenceImageGeometryParameterName()
_SURFACE = slicer.vtkSegmentationConverter.GetClosedSurfaceRepresentationName()


def add_segmentation(drawing: Drawing, stack: Stack | str, labels, structures: Sequence[Label],
                     surface: bool = False, phases: Sequence[int] | None = None) -> list:
    """Show a label map of a stack: one segmentation node for each of its volumes; the nodes are returned.

    labels: (slices, rows, columns) integers, or a list of those, one a phase (None for a slice without that phase);
    slices in the stack's order. phases: which phases these are, from 0 if not told. Over a cine they become a sequence
    that is played with it, empty in other phases, and one of them is shown. An earlier segmentation of the stack is
    replaced. surface: also make the closed surfaces. PlaneSSLError where the shape is not that of the stack, or its
    volume is not in the scene.
    """
    return finish(segmentation_steps(drawing, stack, labels, structures, surface, phases))


def segmentation_steps(drawing: Drawing, stack: Stack | str, labels, structures: Sequence[Label],
                       surface: bool = False, phases: Sequence[int] | None = None) -> Generator[None, None, list]:
    """What `add_segmentation` does and returns, a phase a step. Closed midway, it leaves nothing."""
    stack = drawing.now.acquired.stack(stack if isinstance(stack, str) else stack.id)
    given = [_on_grid(phase, stack) for phase in (labels if _has_phases(labels) else [labels])]
    _remove(drawing, stack)
    volumes = drawing.nodes("volume", stack.id)
    if not volumes:
        raise PlaneSSLError(f"The images of {stack.id} are not in the scene: draw the study again, with its volumes.")
    of_phase = dict(zip(range(len(given)) if phases is None else phases, given, strict=True))
    try:
        found = []
        for volume in volumes:
            found.append((yield from _add(drawing, stack, volume, of_phase, structures, surface)))
        return found
    except BaseException:
        _remove(drawing, stack)
        raise


@dataclass(frozen=True, eq=False)
class Surface:
    """The closed surface (RAS) of a segment. stack: the id of the stack whose images were segmented."""

    stack: str
    name: str
    color: tuple[float, float, float]
    mesh: vtkPolyData


def surfaces(drawing: Drawing) -> list[Surface]:
    """The surface of every segment of a study that has one, as it is now."""
    found = []
    for node in drawing.nodes("segmentation"):
        segmentation = node.GetSegmentation()
        for i in range(segmentation.GetNumberOfSegments()):
            segment = segmentation.GetNthSegment(i)
            surface = segment.GetRepresentation(_SURFACE)
            if surface is not None and surface.GetNumberOfPoints():
                found.append(Surface(node.GetAttribute(nodes.STACK), segment.GetName(), segment.GetColor(), surface))
    return found


def outline_in(surface: vtkPolyData, image: Plane) -> vtkPolyData:
    """Where an image cuts a surface (RAS)."""
    plane = vtkPlane()
    plane.SetOrigin(*to_ras(image.position))
    plane.SetNormal(*to_ras(image.normal))
    cutter = vtkCutter()
    cutter.SetCutFunction(plane)
    cutter.SetInputData(surface)
    cutter.Update()
    return cutter.GetOutput()


def _remove(drawing: Drawing, stack: Stack) -> None:
    """Take away an earlier segmentation; its browser first, which would put the proxy back."""
    for sequence in drawing.nodes("segmentation sequence", stack.id):
        for browser in drawing.nodes("browser"):
            browser.RemoveSynchronizedSequenceNode(sequence.GetID())
        nodes.remove(sequence)
    for node in drawing.nodes("segmentation", stack.id):
        nodes.remove(node)


def _has_phases(labels) -> bool:
    return not isinstance(labels, np.ndarray) or labels.ndim == 4


def _on_grid(phase, stack: Stack) -> list[np.ndarray | None]:
    """One label image a slice; PlaneSSLError if they are not those of the stack."""
    if len(phase) != len(stack.planes):
        raise PlaneSSLError(f"The label map has {len(phase)} slices, and {stack.id} has {len(stack.planes)}.")
    for i, (image, plane) in enumerate(zip(phase, stack.planes, strict=True)):
        if image is not None and np.shape(image) != plane.shape:
            raise PlaneSSLError(f"The label map of slice {i} (from 0) has {np.shape(image)} pixels, and {stack.id} has "
                                f"{plane.shape}.")
    return list(phase)


def _add(drawing: Drawing, stack: Stack, volume, phases: dict[int, list], structures: Sequence[Label],
         surface: bool) -> Generator[None, None, slicer.vtkMRMLSegmentationNode]:
    index = volume.GetAttribute(nodes.SLICE)
    index = None if index is None else int(index)
    maps = {k: np.stack([_filled(image, plane.shape) for image, plane in zip(phase, stack.planes, strict=True)]
                        if index is None else [_filled(phase[index], stack.planes[index].shape)])
            for k, phase in phases.items()}
    browser = next((b for b in drawing.nodes("browser") if b.GetSequenceNode(volume)), None)
    items = browser.GetNumberOfItems() if browser is not None else 0
    if items and not set(maps) <= set(range(items)):
        raise PlaneSSLError(f"The label map is of phases {sorted(maps)}, and the cine of {stack.id} has {items}.")
    name = f"{volume.GetName()} segmentation"
    node = nodes.add_node("vtkMRMLSegmentationNode", name, "segmentation", drawing.key, stack.id, index)
    node.SetReferenceImageGeometryParameterFromVolumeNode(volume)
    _fill(node, volume, next(iter(maps.values())), structures, surface)
    node.CreateDefaultDisplayNodes()
    parent = drawing.folder(stack.id)
    nodes.file_under(node, parent)
    yield
    if items > 1:
        nothing = np.zeros_like(next(iter(maps.values())))
        every = [maps.get(k, nothing) for k in range(items)]
        sequence = yield from _sequence(drawing, stack, node, browser, every, structures, surface, index)
        nodes.file_under(sequence, parent)
        if browser.GetSelectedItemNumber() not in maps:
            browser.SetSelectedItemNumber(min(maps))
    return node


def _filled(image: np.ndarray | None, shape: tuple[int, int]) -> np.ndarray:
    return np.zeros(shape, np.uint8) if image is None else np.asarray(image).astype(np.uint8)


def _fill(node, volume, labels: np.ndarray, structures: Sequence[Label], surface: bool) -> None:
    """Segments that share one label map, as Slicer itself keeps segments that do not overlap."""
    shared = slicer.vtkOrientedImageData()
    shared.ShallowCopy(image_data(labels))
    shared.SetGeometryFromImageToWorldMatrix(matrix_of(volume))
    segmentation = node.GetSegmentation()
    segmentation.SetSourceRepresentationName(_BINARY)
    # Files then hold the whole grid: Slicer crashes on one that was cropped to nothing, a phase without any outline.
    segmentation.SetConversionParameter(_GEOMETRY, slicer.vtkSegmentationConverter.SerializeImageGeometry(shared))
    for label in structures:
        segment = slicer.vtkSegment()
        segment.SetName(label.title)
        segment.SetColor(*label.color)
        segment.SetLabelValue(label.value)
        segment.SetTerminology(terminology_entry(label.code))
        segment.AddRepresentation(_BINARY, shared)
        segmentation.AddSegment(segment, label.name)
    if surface and labels.any():
        node.CreateClosedSurfaceRepresentation()


def _sequence(drawing: Drawing, stack: Stack, node, browser, maps: list, structures: Sequence[Label], surface: bool,
              index: int | None) -> Generator[None, None, slicer.vtkMRMLSequenceNode]:
    """One label map for each item of a cine's browser, which is told to play them along; an item a step."""
    volume = node.GetNodeReference(node.GetReferenceImageGeometryReferenceRole())
    master = browser.GetMasterSequenceNode()
    sequence = nodes.add_node("vtkMRMLSequenceNode", f"{node.GetName()} sequence", "segmentation sequence",
                              drawing.key, stack.id, index)
    sequence.SetIndexType(slicer.vtkMRMLSequenceNode.NumericIndex)
    for i, labels in enumerate(maps):
        phase = slicer.vtkMRMLSegmentationNode()
        phase.SetName(node.GetName())
        nodes.mark(phase, "segmentation", drawing.key, stack.id, index)
        _fill(phase, volume, labels, structures, surface)
        sequence.SetDataNodeAtValue(phase, master.GetNthIndexValue(i))
        yield
    browser.AddProxyNode(node, sequence, False)
    browser.SetSaveChanges(sequence, True)  # what is corrected in one phase is still there after another was shown
    slicer.modules.sequences.logic().UpdateProxyNodesFromSequences(browser)
    return sequence
