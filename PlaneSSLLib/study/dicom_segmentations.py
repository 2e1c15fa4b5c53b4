"""DICOM Segmentation objects: what their segments outline, on which planes, and in which images of a study."""
from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pydicom
from pydicom.dataset import Dataset

from .. import PlaneSSLError
from ..anatomy import Anatomy
from ..geometry import Plane
from .meanings import structure_of
from .model import LabelFile, Problem, Stack
from .volumes import OFF_GRID

STORAGE = "1.2.840.10008.5.1.4.1.1.66.4"
Where = tuple[str, int, int]  # stack, slice, phase


def is_segmentation(file: Path) -> bool:
    try:
        with open(file, "rb") as stream:  # of thousands of files few are asked for more than their beginning
            if STORAGE.encode() not in stream.read(4096):
                return False
        header = pydicom.dcmread(file, stop_before_pixels=True, specific_tags=["SOPClassUID"])
    except (OSError, pydicom.errors.InvalidDicomError):
        return False
    return header.get("SOPClassUID") == STORAGE


def name_and_code(segment: Dataset) -> tuple[str, str]:
    """A segment's label, and its type as `Anatomy.structure` takes a terminology."""
    codes = segment.get("SegmentedPropertyTypeCodeSequence") or ()
    return str(segment.SegmentLabel), "".join(
        f"~{code.get('CodingSchemeDesignator')}^{code.get('CodeValue')}^" for code in codes)


def functional_group(seg: Dataset, of_frame: Dataset, name: str) -> Dataset:
    """The functional group of this name, of a frame or of all."""
    return (of_frame if name in of_frame else seg.SharedFunctionalGroupsSequence[0])[name][0]


def is_fraction(seg: Dataset) -> bool:
    return seg.get("SegmentationType") == "FRACTIONAL"


def outlines(seg: Dataset, anatomy: Anatomy, source: Path) -> Iterator[tuple[Dataset, Plane, np.ndarray]]:
    """Every frame: its functional groups, its plane, and (rows, columns) uint8, the structure's label value or 0.

    PlaneSSLError if a segment is no structure of the anatomy.
    """
    meaning = {int(s.SegmentNumber): structure_of(anatomy, *name_and_code(s), source) for s in seg.SegmentSequence}
    # A fraction, or a probability, of a half and more is the structure's.
    least = int(seg.MaximumFractionalValue) / 2 if is_fraction(seg) else 1
    pixels = seg.pixel_array.reshape(-1, seg.Rows, seg.Columns)
    for groups, mask in zip(seg.PerFrameFunctionalGroupsSequence, pixels, strict=True):
        number = functional_group(seg, groups, "SegmentIdentificationSequence").ReferencedSegmentNumber
        yield groups, _plane(seg, groups), np.where(mask >= least, np.uint8(meaning[int(number)]), np.uint8(0))


def lay_over(labels: np.ndarray, more: np.ndarray, source: str | Path, fraction: bool = False) -> None:
    """Add label values to others of the same pixels; PlaneSSLError that names the source where they overlap.

    fraction: two structures may have half of a pixel each; then it is the later one's.
    """
    if not fraction and ((labels > 0) & (more > 0) & (labels != more)).any():
        raise PlaneSSLError(f"{source} holds segments that overlap, which no label map can: remove the overlap, for "
                            "example in 3D Slicer's Segment Editor.")
    np.copyto(labels, more, where=more > 0, casting="unsafe")


def segmentation_labels(
    files: Sequence[Path], stacks: Sequence[Stack], anatomy: Anatomy,
) -> tuple[list[LabelFile], list[Problem]]:
    """Which phases of which stacks these objects outline, by the images that they name; and why others are not taken.

    What a program has outlined and nobody has seen is no label to learn from; nor are objects of which two outline the
    same structure in the same images.
    """
    where = _images_of(stacks)
    found: dict[tuple[str, int], list[tuple[Path, set[int]]]] = defaultdict(list)
    problems = []
    for file in files:
        try:
            seg = pydicom.dcmread(file, stop_before_pixels=True)
            structures = {s.SegmentLabel: anatomy.structure(*name_and_code(s)) for s in seg.SegmentSequence}
            if unknown := [name for name, structure in structures.items() if structure is None]:
                raise ValueError(f"outlines {', '.join(unknown)}, which the anatomy '{anatomy.name}' does not know, "
                                 "and is not taken for labels")
            if all(segment.SegmentAlgorithmType == "AUTOMATIC" for segment in seg.SegmentSequence):
                raise ValueError("was outlined by a program, says that nobody has seen it, and is not taken for labels")
            values = {structure.value for structure in structures.values()}
            for owner in _outlined_by(seg, where, stacks):
                found[owner].append((file, values))
        except ValueError as error:
            problems.append(Problem(file, str(error)))
        except Exception as error:  # a damaged object can raise anything at all
            problems.append(Problem(file, f"cannot be read as a segmentation ({type(error).__name__})"))
    labels = []
    for (stack, phase), of_images in found.items():
        for file, values in of_images:
            others = [other for other, theirs in of_images if other != file and values & theirs]
            if others:
                problems.append(Problem(file, f"outlines in {stack} what {others[0].name} outlines, too: leave one of "
                                              "them here, since both are not taken for labels"))
            else:
                labels.append(LabelFile(file, stack, phase))
    refused = {problem.file for problem in problems}
    return [label for label in labels if label.file not in refused], problems


def on_stack(label: LabelFile, stack: Stack, anatomy: Anatomy) -> np.ndarray:
    """(slices, rows, columns) uint8: what an object outlines in one phase of a stack.

    By the images that its frames name, or where it names none of the stack's, by their planes. PlaneSSLError if it
    cannot be read, is on another grid, or its segments overlap.
    """
    labels = np.zeros((len(stack.planes), *stack.planes[0].shape), np.uint8)
    where = _images_of([stack])
    try:
        seg = pydicom.dcmread(label.file)
        by_name = any(_named(groups, where) for groups in seg.PerFrameFunctionalGroupsSequence)
        for groups, plane, values in outlines(seg, anatomy, label.file):
            if by_name:
                slices = {i for _, i, phase in _named(groups, where) if phase == label.phase}
            else:
                slices = [i for i, own in enumerate(stack.planes) if _coincide(plane, own)]
            astray = values.any() and not by_name and not slices
            if astray or not all(_coincide(plane, stack.planes[i]) for i in slices):
                raise PlaneSSLError(f"The segmentation {label.file} is not on the grid of stack {stack.id}.")
            for i in slices:
                lay_over(labels[i], values, label.file, is_fraction(seg))
    except (AttributeError, IndexError, KeyError, OSError, TypeError, ValueError, RuntimeError,
            pydicom.errors.InvalidDicomError) as error:
        raise PlaneSSLError(f"{label.file} cannot be read as DICOM SEG: {error}.") from None
    return labels


def _outlined_by(seg: Dataset, where: dict[tuple, Where], stacks: Sequence[Stack]) -> set[tuple[str, int]]:
    """The stacks and phases that an object outlines; ValueError says why that cannot be told."""
    found = set()
    for groups in seg.PerFrameFunctionalGroupsSequence:
        named = _named(groups, where)
        if len({(stack, phase) for stack, _, phase in named}) > 1:
            raise ValueError("names several images for one outline, and is not taken for labels")
        found |= {(stack, phase) for stack, _, phase in named}
    if found:
        return found
    for series in seg.get("ReferencedSeriesSequence", ()):
        for item in series.get("ReferencedInstanceSequence", ()):
            found |= {(stack, phase) for stack, _, phase in _at(item, where)}
    if not found:
        planes = [_plane(seg, groups) for groups in seg.PerFrameFunctionalGroupsSequence]
        frame = str(seg.get("FrameOfReferenceUID", ""))
        found = {(stack.id, phase) for stack in stacks if stack.frame_of_reference == frame and all(
            any(_coincide(plane, own) for own in stack.planes) for plane in planes) for phase in range(stack.phases)}
    if len(found) > 1:
        raise ValueError(f"does not say which of {len(found)} sets of images it outlines, and is not taken for labels; "
                         'study.json can ("labels")')
    if not found:
        raise ValueError("outlines images that are not here")
    return found


def _images_of(stacks: Sequence[Stack]) -> dict[tuple, Where]:
    """By its SOP instance UID, and its number in a multi-frame file, where an image is."""
    return {(frame.sop_instance_uid, frame.frame_number): (stack.id, i, phase)
            for stack in stacks for i in range(len(stack.planes)) for phase, frame in stack.acquired(i).items()
            if frame.sop_instance_uid}


def _named(groups: Dataset, where: dict[tuple, Where]) -> set[Where]:
    """The images of `where` that a frame of an object was drawn on."""
    return {at for derivation in groups.get("DerivationImageSequence", ())
            for item in derivation.get("SourceImageSequence", ()) for at in _at(item, where)}


def _at(item: Dataset, where: dict[tuple, Where]) -> set[Where]:
    numbers = item.get("ReferencedFrameNumber")
    numbers = [None] if numbers is None else [int(n) for n in np.atleast_1d(numbers)] + [None]
    keys = [(str(item.get("ReferencedSOPInstanceUID", "")), number) for number in numbers]
    return {where[key] for key in keys if key in where}


def _plane(seg: Dataset, groups: Dataset) -> Plane:
    position = functional_group(seg, groups, "PlanePositionSequence").ImagePositionPatient
    directions = functional_group(seg, groups, "PlaneOrientationSequence").ImageOrientationPatient
    spacing = functional_group(seg, groups, "PixelMeasuresSequence").PixelSpacing
    return Plane(position, directions[:3], directions[3:], tuple(spacing), (seg.Rows, seg.Columns))


def _coincide(one: Plane, other: Plane) -> bool:
    """Do their pixels lie in the same places?"""
    return one.shape == other.shape and bool(
        np.abs(one.corners() - other.corners()).max() < OFF_GRID * min(one.spacing))
