"""DICOM Segmentation objects: what their segments outline, on which planes, and in which images of a study."""
from __future__ import annotations

import warnings
from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pydicom
from pydicom.dataset import Dataset

from .. import PlaneSSLError
from ..anatomy import Anatomy
from ..geometry import Plane
from .meanings import structure_of
from .model import LabelFile, Problem, Stack
from .volumes import ENDINGS, OFF_GRID

STORAGES = ("1.2.840.10008.5.1.4.1.1.66.4", "1.2.840.10008.5.1.4.1.1.66.7")
Where = tuple[str, int, int]  # stack, slice, phase
IN_STUDY_JSON = 'study.json can name its images ("labels")'


def is_segmentation(file: Path) -> bool:
    """Is it a DICOM Segmentation object? A volume file is told by its name, and not opened."""
    if file.name.lower().endswith(ENDINGS):
        return False
    try:
        with open(file, "rb") as stream:  # of thousands of files few are asked for more than their beginning
            beginning = stream.read(4096)
        if not any(storage.encode() in beginning for storage in STORAGES):
            return False
        header = pydicom.dcmread(file, stop_before_pixels=True, specific_tags=["SOPClassUID"])
    except (OSError, pydicom.errors.InvalidDicomError):
        return False
    return header.get("SOPClassUID") in STORAGES


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


def outlines(seg: Dataset, anatomy: Anatomy, source: Path) -> Iterator[tuple[Plane, np.ndarray]]:
    """Every frame: its plane, and (rows, columns) uint8, the structure's label value or 0.

    PlaneSSLError if a segment is no structure of the anatomy, or the object's type is another one.
    """
    _require_type(seg, source)
    meaning = {int(s.SegmentNumber): structure_of(anatomy, *name_and_code(s), source) for s in seg.SegmentSequence}
    # A fraction, or a probability, of a half and more is the structure's.
    least = int(seg.MaximumFractionalValue) / 2 if is_fraction(seg) else 1
    pixels = seg.pixel_array.reshape(-1, seg.Rows, seg.Columns)
    for groups, mask in zip(seg.PerFrameFunctionalGroupsSequence, pixels, strict=True):
        value = np.uint8(meaning[_segment(seg, groups)])
        yield _plane(seg, groups), np.where(mask >= least, value, np.uint8(0))


def _require_type(seg: Dataset, source: Path) -> None:
    if seg.get("SegmentationType") not in ("BINARY", "FRACTIONAL"):
        raise PlaneSSLError(f"The segmentation {source} is of the type {seg.get('SegmentationType') or 'unknown'}, "
                            "which is not read: save it as BINARY.")


def lay_over(labels: np.ndarray, more: np.ndarray, source: str | Path, fraction: bool = False) -> None:
    """Add label values to others of the same pixels; PlaneSSLError that names the source where they overlap.

    fraction: two structures may have half of a pixel each; then it is the later one's.
    """
    if not fraction and ((labels > 0) & (more > 0) & (labels != more)).any():
        raise PlaneSSLError(f"{source} holds segments that overlap, which no label map can: remove the overlap, for "
                            "example in 3D Slicer's Segment Editor.")
    np.copyto(labels, more, where=more > 0, casting="unsafe")


@dataclass(frozen=True)
class _Frame:
    """A frame of an object. named: the images of the study that it was drawn on. elsewhere: it was drawn on others."""

    plane: Plane
    segment: int
    named: frozenset[Where]
    elsewhere: bool


def segmentation_labels(
    files: Sequence[Path], stacks: Sequence[Stack], anatomy: Anatomy,
) -> tuple[list[LabelFile], list[Problem]]:
    """Which phases of which stacks these objects outline, by the images that they name; and why others are not taken.

    What a program has outlined and nobody has seen is no label to learn from; nor are objects of which two outline the
    same structure in the same images.
    """
    found: dict[tuple[str, int], dict[Path, set[tuple[int, int]]]] = defaultdict(dict)  # to slices and values
    seen: dict[str, Path] = {}
    where = _images_of(stacks)
    problems = []
    for file in files:
        try:
            seg = _read(file, stop_before_pixels=True)
            first = seen.setdefault(str(seg.SOPInstanceUID), file)
            if first != file:
                raise ValueError(f"is the same object as {_called(first, file)}, kept once")
            _require_type(seg, file)
            values = _values(seg, anatomy)
            if any(segment.SegmentAlgorithmType == "AUTOMATIC" for segment in seg.SegmentSequence):
                raise ValueError("holds what a program has outlined and nobody has seen, as it says, and is not taken "
                                 "for labels")
            for frame, (stack, i, phase) in _places(seg, stacks, where):
                found[stack, phase].setdefault(file, set()).add((i, values[frame.segment]))
        except (PlaneSSLError, ValueError) as error:
            problems.append(Problem(file, str(error)))
        except Exception as error:  # a damaged object can raise anything at all
            problems.append(Problem(file, f"cannot be read as a segmentation ({type(error).__name__})"))
    labels = []
    for (stack, phase), of_images in found.items():
        for file, outlined in of_images.items():
            others = [other for other, theirs in of_images.items() if other != file and outlined & theirs]
            if others:
                problems.append(Problem(file, (
                    f"outlines in {stack} what {_called(others[0], file)} outlines, too, and neither is taken for "
                    f'labels: leave one of them here, or let study.json name it ("labels")')))
            else:
                labels.append(LabelFile(file, stack, phase))
    refused = {problem.file for problem in problems}
    return [label for label in labels if label.file not in refused], problems


def on_stack(file: Path, stack: Stack, phases: Collection[int], anatomy: Anatomy) -> dict[int, np.ndarray]:
    """(slices, rows, columns) uint8 for each of these phases of a stack: what an object outlines there.

    A frame lies on the image that it names; one that names none, and all of an object that names none of the stack's,
    lies where its plane does. PlaneSSLError if it cannot be read, is on another grid, outlines other phases, or its
    segments overlap.
    """
    found = {phase: np.zeros((len(stack.planes), *stack.planes[0].shape), np.uint8) for phase in phases}
    astray = PlaneSSLError(f"The segmentation {file} is not on the grid of stack {stack.id}: draw it on that, without "
                           "resampling.")
    try:
        seg = _read(file)
        frames = _frames(seg, _images_of([stack]))
        by_name = {phase for frame in frames for _, _, phase in frame.named}
        if by_name and not by_name & found.keys():
            raise PlaneSSLError(f"The segmentation {file} names images of phase {_listed(by_name)} of {stack.id}, and "
                                f"is said to be of phase {_listed(found)}.")
        for frame, (plane, values) in zip(frames, outlines(seg, anatomy, file), strict=True):
            if frame.elsewhere and by_name:
                continue  # of another stack
            meant = {(i, phase) for _, i, phase in frame.named if phase in found}
            if frame.named and not meant:
                continue  # of another phase
            if not frame.named and len(found) == 1:
                meant = {(i, phase) for i in range(len(stack.planes)) for phase in found}
            places = [(i, phase) for i, phase in meant if _coincide(plane, stack.planes[i])]
            if values.any() and not places:
                raise astray
            for i, phase in places:
                lay_over(found[phase][i], values, file, is_fraction(seg))
    except PlaneSSLError:
        raise
    except BaseException as error:  # decoders raise anything at all; those in Rust not even an Exception
        if isinstance(error, KeyboardInterrupt | SystemExit):
            raise
        raise PlaneSSLError(f"{file} cannot be read as DICOM SEG: {error}.") from None
    return found


def _read(file: Path, **how) -> Dataset:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of values that are not as they should be
        seg = pydicom.dcmread(file, **how)
        if "PixelData" in seg:
            seg.pixel_array  # noqa: B018  (kept by the data set; decoders warn as well)
        return seg


def _values(seg: Dataset, anatomy: Anatomy) -> dict[int, int]:
    """The label values of an object's segments by their numbers; ValueError if one is no structure of the anatomy."""
    structures = [(s, anatomy.structure(*name_and_code(s))) for s in seg.SegmentSequence]
    if unknown := [str(s.SegmentLabel) for s, structure in structures if structure is None]:
        raise ValueError(f"outlines {', '.join(unknown)}, which the anatomy '{anatomy.name}' does not know, and is not "
                         "taken for labels")
    return {int(s.SegmentNumber): structure.value for s, structure in structures}


def _images_of(stacks: Sequence[Stack]) -> dict[tuple, Where]:
    """By its SOP instance UID, and its number in a multi-frame file, where an image is."""
    return {(frame.sop_instance_uid, frame.frame_number): (stack.id, i, phase)
            for stack in stacks for i in range(len(stack.planes)) for phase, frame in stack.acquired(i).items()
            if frame.sop_instance_uid}


def _frames(seg: Dataset, where: dict[tuple, Where]) -> list[_Frame]:
    found = []
    for groups in seg.PerFrameFunctionalGroupsSequence:
        items = [item for derivation in groups.get("DerivationImageSequence", ())
                 for item in derivation.get("SourceImageSequence", ())]
        named = {at for item in items for at in _at(item, where)}
        found.append(_Frame(_plane(seg, groups), _segment(seg, groups), frozenset(named), bool(items) and not named))
    return found


def _at(item: Dataset, where: dict[tuple, Where]) -> set[Where]:
    """The images that an item of references means: of a multi-frame file without frame numbers, all of its frames."""
    uid, numbers = str(item.get("ReferencedSOPInstanceUID", "")), item.get("ReferencedFrameNumber")
    if numbers is None:
        return {at for (one, _), at in where.items() if one == uid}
    keys = [(uid, None), *((uid, int(number)) for number in np.atleast_1d(numbers))]
    return {where[key] for key in keys if key in where}


def _places(seg: Dataset, stacks: Sequence[Stack], where: dict[tuple, Where]) -> Iterator[tuple[_Frame, Where]]:
    """Every frame of an object that was drawn on images of these stacks, with its image; ValueError says why that
    cannot be told, or why it cannot lie there. where: the stacks' `_images_of`.
    """
    frames = _frames(seg, where)
    if not frames:
        raise ValueError("outlines nothing")
    if all(frame.elsewhere for frame in frames):
        raise ValueError(f"outlines images that are not here; where it is of others, {IN_STUDY_JSON}")
    listed = [item for series in seg.get("ReferencedSeriesSequence", ())
              for item in series.get("ReferencedInstanceSequence", ())]
    among = {at for item in listed for at in _at(item, where)} if listed else {
        (stack.id, i, phase) for stack in stacks if stack.frame_of_reference == str(seg.get("FrameOfReferenceUID", ""))
        for i in range(len(stack.planes)) for phase in stack.acquired(i)}
    planes = {(stack.id, i): plane for stack in stacks for i, plane in enumerate(stack.planes)}
    for frame in frames:
        if frame.elsewhere:
            continue
        meant = frame.named or among
        near = {place for place in {at[:2] for at in meant} if _coincide(frame.plane, planes[place])}
        there = {at for at in meant if at[:2] in near}
        if not there:
            raise ValueError("is not on the pixels of the images that it names: draw it on these, without resampling"
                             if frame.named else "outlines images that are not here" if not among else
                             "lies on no image's pixels: draw it on these, without resampling")
        if len(there) > 1:
            raise ValueError(f"does not say which of {len(there)} images of one place it outlines, and is not taken "
                             f"for labels; {IN_STUDY_JSON}")
        yield frame, there.pop()


def _listed(numbers: Collection[int]) -> str:
    return " and ".join(map(str, sorted(numbers)))


def _called(other: Path, file: Path) -> str:
    """The name of another file; with its folder, where both have one name."""
    return other.name if other.name != file.name else f"{other.parent.name}/{other.name}"


def _segment(seg: Dataset, groups: Dataset) -> int:
    """The number of the segment that a frame is of."""
    return int(functional_group(seg, groups, "SegmentIdentificationSequence").ReferencedSegmentNumber)


def _plane(seg: Dataset, groups: Dataset) -> Plane:
    position = functional_group(seg, groups, "PlanePositionSequence").ImagePositionPatient
    directions = functional_group(seg, groups, "PlaneOrientationSequence").ImageOrientationPatient
    spacing = functional_group(seg, groups, "PixelMeasuresSequence").PixelSpacing
    return Plane(position, directions[:3], directions[3:], tuple(spacing), (seg.Rows, seg.Columns))


def _coincide(one: Plane, other: Plane) -> bool:
    """Do their pixels lie in the same places?"""
    return one.shape == other.shape and bool(
        np.abs(one.corners() - other.corners()).max() < OFF_GRID * min(one.spacing))
