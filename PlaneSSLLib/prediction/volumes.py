"""Label maps as volume files on the grid of their images; 3D Slicer finds its segments in a .seg.nrrd."""
from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from .. import PlaneSSLError
from ..anatomy import Label, terminology_entry
from ..files import refuse_existing
from ..study import Stack
from ..study.volumes import write_volume
from .results import SegmentedStack

SEGMENTATION = ".seg.nrrd"
ENDINGS = (".nii.gz", ".nii", SEGMENTATION, ".nrrd", ".mha")


def is_volume_file(path: Path) -> bool:
    return path.name.lower().endswith(ENDINGS)


def best_stack(stacks: Sequence[Stack]) -> Stack:
    """The one that shows most of the organ: of several slices, a cine, on a regular grid, of most slices and phases."""
    return max(stacks, key=lambda stack: (
        len(stack.planes) > 1, stack.is_cine, stack.is_volume(), len(stack.planes), stack.phases))


def whole_phases(stack: Stack) -> tuple[int, ...]:
    """The phases that all slices have."""
    return tuple(phase for phase in range(stack.phases) if not _slices_without(stack, [phase]))


def what_is_left_out(stack: Stack) -> str:
    """In words, the phases that only some slices of a stack have."""
    left = sorted({*range(stack.phases)} - {*whole_phases(stack)})
    slices = _listed("slice", _slices_without(stack, left))
    return (f"holds the phases that all slices of {stack.id} have. Left out: {_listed('phase', left)}, not acquired in "
            f"{slices} (all counted from 0); .mrb and DICOM SEG hold all.")


def _slices_without(stack: Stack, phases: Sequence[int]) -> list[int]:
    return [i for i in range(len(stack.planes)) if not all(stack.has(i, phase) for phase in phases)]


def _listed(what: str, numbers: Sequence[int]) -> str:
    """'slice 3', 'slices 3, 4'."""
    return f"{what}{'s' * (len(numbers) > 1)} {', '.join(map(str, numbers))}"


def require_fit(path: Path, stack: Stack, phases: Sequence[int]) -> None:
    """PlaneSSLError if one volume file cannot hold these phases of a stack.

    Its planes must fill a grid, a .seg.nrrd holds one phase, and nothing in a file tells a slice in which nothing was
    found from one that was never acquired.
    """
    if not stack.is_volume():
        raise PlaneSSLError(
            f"The slices of {stack.id} lie unevenly, tilted or turned against each other, which no volume file can "
            "hold: write .mrb or a folder of DICOM SEG, or choose another stack with --stack.")
    if len(phases) > 1 and path.name.lower().endswith(SEGMENTATION):
        raise PlaneSSLError(f"A {SEGMENTATION} file holds one phase, and {stack.id} has {len(phases)}: choose one with "
                            "--phase, or write .nii.gz, .mrb or a folder of DICOM SEG.")
    if lacking := _slices_without(stack, phases):
        raise PlaneSSLError(f"{stack.id} was not acquired in {_listed('slice', lacking)} at {_listed('phase', phases)} "
                            "(counted from 0), and no volume file can say so: write .mrb or a folder of "
                            "DICOM SEG, or choose another phase.")


def write_stack(segmented: SegmentedStack, structures: Sequence[Label], path: Path, overwrite: bool = False) -> None:
    """Write the label maps of a stack as one volume; a cine's phases are its fourth dimension.

    Slices that come from a volume file keep the order and the axis that they have there, so that the arrays match, too.
    In a .seg.nrrd lie names, colours and codes. PlaneSSLError as of `require_fit`, or where the file cannot be written.
    """
    require_fit(path, segmented.stack, segmented.phases)
    refuse_existing(path, overwrite)
    image = _image(segmented)
    if path.name.lower().endswith(SEGMENTATION):
        for key, text in _segments(structures, image.GetSize()).items():
            image.SetMetaData(key, text)
    write_volume(image, path)


def _image(segmented: SegmentedStack) -> sitk.Image:
    stack = segmented.stack
    sources = [next(iter(stack.acquired(i).values())).source for i in range(len(stack.planes))]
    order = np.argsort([getattr(source, "slice_index", i) for i, source in enumerate(sources)])
    labels = np.stack([segmented.filled(n)[order] for n in range(len(segmented.phases))])
    image = sitk.GetImageFromArray(labels if len(labels) > 1 else labels[0], isVector=False)
    first, last = stack.planes[order[0]], stack.planes[order[-1]]
    if len(order) > 1:
        step = (last.position - first.position) / (len(order) - 1)
    else:
        step = first.normal * (stack.thickness_mm or 1.0)
    distance = np.linalg.norm(step)
    time = [1.0] * (image.GetDimension() - 3)
    direction = np.eye(image.GetDimension())
    direction[:3, :3] = np.stack([first.row, first.column, step / distance], axis=1)
    image.SetSpacing([first.spacing[1], first.spacing[0], distance, *time])
    image.SetOrigin([*first.position, *(0.0 for _ in time)])
    image.SetDirection(direction.ravel())
    volume = getattr(sources[0], "volume", None)
    axes = [0, 1, 2] if volume is None else volume.axes
    return sitk.PermuteAxes(image, [*map(int, np.argsort(axes)), *range(3, image.GetDimension())])


def _segments(structures: Sequence[Label], size: Sequence[int]) -> dict[str, str]:
    """The header fields of Slicer's segmentation files (vtkMRMLSegmentationStorageNode)."""
    extent = " ".join(f"0 {n - 1}" for n in size[:3])
    found = {"Segmentation_MasterRepresentation": "Binary labelmap",
             "Segmentation_ContainedRepresentationNames": "Binary labelmap|",
             "Segmentation_ReferenceImageExtentOffset": "0 0 0"}
    for i, label in enumerate(structures):
        fields = {
            "ID": label.name, "Name": label.title, "NameAutoGenerated": "0", "ColorAutoGenerated": "0",
            "Color": " ".join(f"{part:g}" for part in label.color), "Extent": extent, "Layer": "0",
            "LabelValue": str(label.value), "Tags": f"TerminologyEntry:{terminology_entry(label.code)}|"}
        found.update({f"Segment{i}_{name}": text for name, text in fields.items()})
    return found


def says_no_direction(path: Path) -> bool:
    """Is this a NIfTI file without qform and sform? Readers then take its axes as the patient's."""
    reader = sitk.ImageFileReader()
    reader.SetFileName(str(path))
    reader.ReadImageInformation()
    codes = [reader.GetMetaData(key) for key in ("qform_code", "sform_code") if key in reader.GetMetaDataKeys()]
    return bool(codes) and all(code == "0" for code in codes)
