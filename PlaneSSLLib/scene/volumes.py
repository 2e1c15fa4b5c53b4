"""The pixels of a stack as volumes and sequences whose IJK -> RAS is that of the acquired planes, to the last digit.

A stack that fills a regular grid is one volume; k counts the slices in the stack's canonical order. Uneven and tilted
stacks, and those whose slices differ in size or direction, become one volume a slice: MRML volumes have no shear.
"""
from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import slicer
from vtkmodules.util.numpy_support import numpy_to_vtk
from vtkmodules.vtkCommonDataModel import vtkImageData

from ..study import Stack, Study
from . import nodes
from .coordinates import ijk_to_ras, vtk_matrix
from .drawing import Drawing, series_name

_SAME_CYCLE = 0.1  # cines whose cycles differ by less than this fraction are played together


def volumes_in_steps(study: Study, drawing: Drawing) -> Iterator[list]:
    """Add the volumes of a study, its cines as sequences with browsers, one stack a step; yields the volumes of each.

    The volume of a cine is the proxy of its sequence. Reads all pixels; PlaneSSLError where a file cannot be decoded.
    """
    key = drawing.key
    for group in _played_together(study.stacks):
        still = group[0].phases == 1
        browser = None if still else _browser(group[0], drawing)
        for stack in group:
            parent, volumes = drawing.folder(stack.id), []
            for part in _parts(stack):
                phases = _smallest_type([part.pixels(phase) for phase in range(stack.phases)])
                volume = nodes.add_node("vtkMRMLScalarVolumeNode", part.name, "volume", key, stack.id, part.index)
                volume.SetIJKToRASMatrix(vtk_matrix(part.matrix))
                volume.SetAndObserveImageData(image_data(phases[0]))
                _show(volume, phases)
                nodes.file_under(volume, parent)
                if not still:
                    sequence = _sequence(part, phases, index_values(group[0]), key)
                    browser.AddProxyNode(volume, sequence, False)  # synchronises the sequence, too
                    nodes.file_under(sequence, parent)
                volumes.append(volume)
            if browser and stack is group[-1]:
                slicer.modules.sequences.logic().UpdateProxyNodesFromSequences(browser)
            yield volumes


@dataclass(frozen=True)
class _Part:
    """What one volume node shows of a stack: all its slices (index None), or one of them."""

    stack: Stack
    index: int | None
    matrix: np.ndarray

    @property
    def name(self) -> str:
        name = series_name(self.stack)
        return name if self.index is None else f"{name} slice {self.index + 1}"

    def pixels(self, phase: int) -> np.ndarray:
        """(slices, rows, columns) of one phase. A slice that lacks it goes on showing the one before."""
        slices = range(len(self.stack.planes)) if self.index is None else [self.index]
        return np.stack([self.stack.pixels(i, self.stack.shown(i, phase)) for i in slices])


def _parts(stack: Stack) -> list[_Part]:
    first = stack.planes[0]
    if len(stack.planes) > 1 and stack.is_volume():
        step = (stack.planes[-1].position - first.position) / (len(stack.planes) - 1)
        return [_Part(stack, None, ijk_to_ras(first, step))]
    thickness = stack.thickness_mm or stack.step_mm or 1.0
    return [_Part(stack, i if len(stack.planes) > 1 else None, ijk_to_ras(plane, plane.normal * thickness))
            for i, plane in enumerate(stack.planes)]


def _smallest_type(phases: list[np.ndarray]) -> list[np.ndarray]:
    """Whole numbers that fit are kept in 16 bits, as scanners write them; nothing is rounded.

    All phases are of one type, or their sequence could not be saved.
    """
    if all(-32768 <= pixels.min() and pixels.max() <= 32767 for pixels in phases):
        whole = [pixels.astype(np.int16) for pixels in phases]
        if all(map(np.array_equal, whole, phases)):
            return whole
    return phases


def image_data(pixels: np.ndarray) -> vtkImageData:
    """(slices, rows, columns) or (slices, rows, columns, components) -> an image that owns its copy of the pixels."""
    image = vtkImageData()
    image.SetDimensions(pixels.shape[2], pixels.shape[1], pixels.shape[0])
    flat = np.ascontiguousarray(pixels).reshape(-1, *pixels.shape[3:])
    scalars = numpy_to_vtk(flat, deep=True)
    scalars.SetName("ImageScalars")
    image.GetPointData().SetScalars(scalars)
    return image


def _show(volume, phases: list[np.ndarray]) -> None:
    """Grey levels for all phases alike, so that a playing cine does not flicker."""
    low, high = np.nan_to_num(np.nanpercentile(np.stack(phases)[:, :, ::2, ::2], (0.5, 99.5)))
    volume.CreateDefaultDisplayNodes()
    display = volume.GetDisplayNode()
    display.SetAndObserveColorNodeID("vtkMRMLColorTableNodeGrey")
    display.AutoWindowLevelOff()
    display.SetWindowLevel(max(high - low, 1e-6), (high + low) / 2)


def _times(stack: Stack) -> list[float] | None:
    times = stack.times_ms
    rising = None not in times and all(a < b for a, b in pairwise(times))
    return times if rising else None


def index_values(stack: Stack) -> list[str]:
    """How the phases of a stack are called in its sequence: trigger times in ms, or their numbers."""
    return [f"{time:.2f}" for time in _times(stack) or ()] or [str(phase) for phase in range(stack.phases)]


def _sequence(part: _Part, phases: list[np.ndarray], index_values: list[str], key: str):
    stack = part.stack
    sequence = nodes.add_node("vtkMRMLSequenceNode", f"{part.name} sequence", "sequence", key, stack.id, part.index)
    sequence.SetIndexType(slicer.vtkMRMLSequenceNode.NumericIndex)
    sequence.SetIndexName("time" if _times(stack) else stack.dimension)
    sequence.SetIndexUnit("ms" if _times(stack) else "")
    frame = slicer.vtkMRMLScalarVolumeNode()
    frame.SetName(part.name)
    nodes.mark(frame, "volume", key, stack.id, part.index)  # the proxy takes over the attributes of each phase
    frame.SetIJKToRASMatrix(vtk_matrix(part.matrix))
    for value, pixels in zip(index_values, phases, strict=True):
        frame.SetAndObserveImageData(image_data(pixels))
        sequence.SetDataNodeAtValue(frame, value)
    storage = nodes.scene().AddNewNodeByClass("vtkMRMLVolumeSequenceStorageNode")
    sequence.SetAndObserveStorageNodeID(storage.GetID())
    return sequence


def _browser(stack: Stack, drawing: Drawing):
    name = f"{series_name(stack)} browser"
    browser = nodes.add_node("vtkMRMLSequenceBrowserNode", name, "browser", drawing.key, stack.id)
    times = _times(stack)
    if times:
        browser.SetPlaybackRateFps(1000 * (len(times) - 1) / (times[-1] - times[0]))
    nodes.file_under(browser, drawing.folder())
    return browser


def _played_together(stacks: tuple[Stack, ...]) -> list[list[Stack]]:
    """Group the cines that run through the same cycle phase by phase; a still stack is a group of its own."""
    groups: list[list[Stack]] = []
    for stack in stacks:
        group = next((group for group in groups if stack.phases > 1 and _same_cycle(group[0], stack)), None)
        if group:
            group.append(stack)
        else:
            groups.append([stack])
    return groups


def _same_cycle(first: Stack, second: Stack) -> bool:
    """As many phases, and cycles whose lengths agree: gated cines of one heart differ a little from beat to beat."""
    if first.phases != second.phases or first.dimension != second.dimension:
        return False
    one, two = _times(first), _times(second)
    if one is None or two is None:
        return one is two and first.dimension == "phase"
    return abs(one[-1] - two[-1]) < _SAME_CYCLE * max(one[-1], two[-1])
