"""Label maps as DICOM Segmentation objects that reference the images they were found in, one object per phase."""
from __future__ import annotations

import hashlib
import re
import warnings
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pydicom
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code

from .. import PlaneSSLError, __version__
from ..anatomy import ANATOMICAL_STRUCTURE, Anatomy
from ..study import Frame, Stack
from .labelled import content_description
from .results import SegmentedStack

if TYPE_CHECKING:
    from ..training.run import Run

_NEEDED = ("SOPClassUID", "SOPInstanceUID", "SeriesInstanceUID", "StudyInstanceUID", "FrameOfReferenceUID")
_MAY_BE_BLANK = ("PatientID", "PatientName", "PatientBirthDate", "PatientSex", "AccessionNumber", "StudyID",
                 "StudyDate", "StudyTime")
_SAME_IN_A_STACK = ("PixelMeasuresSequence", "PlaneOrientationSequence")
_OTHER_FORMS = "write .nii.gz, .seg.nrrd or .mrb instead"


@dataclass(frozen=True)
class Author:
    """What the objects say of their origin. kind: DICOM's Segment Algorithm Type; weights tell networks apart."""

    anatomy: Anatomy
    kind: str
    name: str
    software: str
    weights: str

    @classmethod
    def network(cls, run: Run) -> Author:
        """A run's network. The fingerprint of its weights tells nothing about those it was trained on."""
        weights = hashlib.sha256((run.folder / "weights.safetensors").read_bytes()).hexdigest()[:12]
        name = f"PlaneSSL {run.anatomy.name} {run.config['network']}"
        return cls(run.anatomy, "AUTOMATIC", name, run.versions["planessl"], weights)

    @classmethod
    def person(cls, anatomy: Anatomy) -> Author:
        """Somebody who has seen the outlines, and may have corrected them."""
        return cls(anatomy, "SEMIAUTOMATIC", f"PlaneSSL {anatomy.name}, seen by a person", __version__, "none")


class Source:
    """The DICOM headers behind a stack. PlaneSSLError says why a segmentation cannot reference them."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self._headers: dict[Path, Dataset] = {}
        for frame in stack.every_frame:
            self._header(frame)
        self._check()

    def images(self, phase: int) -> tuple[list[Dataset], list[int], list[int] | None]:
        """The images of a phase, the slices they show, and their frame numbers in a multi-frame image (else None).

        Several single images, or one multi-frame image cut down to the frames of the phase.
        """
        slices = self.stack.imaged_at(phase)
        frames = [self.stack.frames[i][phase] for i in slices]
        headers = [self._header(frame) for frame in frames]
        numbers = [frame.frame_number for frame in frames]
        if None in numbers:
            series = headers[0].SeriesInstanceUID  # highdicom takes one; `_name_series` names the true ones afterwards
            return [_changed(header, SeriesInstanceUID=series) for header in headers], slices, None
        groups = [headers[0].PerFrameFunctionalGroupsSequence[number - 1] for number in numbers]
        shared = Dataset()
        for one in (groups[0], *headers[0].get("SharedFunctionalGroupsSequence", ())):
            shared.update({name: one[name] for name in _SAME_IN_A_STACK if name in one})
        cut = _changed(headers[0], SharedFunctionalGroupsSequence=[shared], PerFrameFunctionalGroupsSequence=groups,
                       NumberOfFrames=len(numbers))
        return [cut], slices, numbers

    def series_of(self) -> dict[str, str]:
        """SOP instance UID -> series instance UID of every image."""
        return {header.SOPInstanceUID: header.SeriesInstanceUID for header in self._headers.values()}

    def _header(self, frame: Frame) -> Dataset:
        file = frame.source.file
        if file not in self._headers:
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")  # what is wrong with a source is told once, in `_check`
                    self._headers[file] = pydicom.dcmread(file, stop_before_pixels=True)
            except (OSError, pydicom.errors.InvalidDicomError):
                raise PlaneSSLError(
                    f"{self.stack.id} does not come from DICOM files, so that there is nothing a DICOM SEG could "
                    f"reference; {_OTHER_FORMS}.") from None
        return self._headers[file]

    def _check(self) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self._check_headers(list(self._headers.values()))

    def _check_headers(self, headers: list[Dataset]) -> None:
        for keyword in _NEEDED:
            if not all(header.get(keyword) for header in headers):
                raise PlaneSSLError(
                    f"The images of {self.stack.id} have no {pydicom.datadict.dictionary_description(keyword)}: a "
                    "DICOM SEG names the images it belongs to by their unique identifiers, and here nothing can be "
                    f"named; {_OTHER_FORMS}.")
        for keyword in ("StudyInstanceUID", "FrameOfReferenceUID"):
            found = {header[keyword].value for header in headers}
            if len(found) > 1:
                raise PlaneSSLError(
                    f"The images of {self.stack.id} have {len(found)} different values of "
                    f"{pydicom.datadict.dictionary_description(keyword)}, and a DICOM SEG can belong to one only; "
                    f"{_OTHER_FORMS}.")
        for phase in range(self.stack.phases):
            files = {self.stack.frames[i][phase].source.file for i in self.stack.imaged_at(phase)}
            several = [self._headers[file] for file in files if self._headers[file].get("NumberOfFrames", 1) > 1]
            if several and (len(files) > 1 or "PerFrameFunctionalGroupsSequence" not in several[0]):
                raise PlaneSSLError(f"A phase of {self.stack.id} is neither in one enhanced multi-frame image nor in "
                                    f"single images, and a DICOM SEG cannot reference its frames; {_OTHER_FORMS}.")
        for header in headers:
            for keyword in _MAY_BE_BLANK:
                if keyword not in header:
                    setattr(header, keyword, "")


def _changed(header: Dataset, **elements) -> Dataset:
    """A header with other elements; the rest is shared with the one given."""
    changed = Dataset()
    changed.update(header)
    for name, value in elements.items():
        changed.pop(name, None)  # the element is the header's own: setting its value would change that
        setattr(changed, name, value)
    return changed


def require_replaceable(folder: Path) -> None:
    """PlaneSSLError if there is a file of that name, or a folder with anything but an earlier segmentation in it."""
    if folder.is_file():
        raise PlaneSSLError(f"{folder} is a file, and is not replaced by a folder of DICOM SEG; choose another name.")
    others = [path.name for path in folder.iterdir() if not re.fullmatch(r".+_phase\d+\.dcm", path.name)] if (
        folder.is_dir()) else []
    if others:
        raise PlaneSSLError(f"{folder} holds more than segmentations ({others[0]}), and is not replaced by one; choose "
                            "another folder.")


def write_dicom_seg(segmented: SegmentedStack, source: Source, author: Author, folder: Path) -> list[Path]:
    """Write STACK_phaseNN.dcm into a folder, one per phase, all of one new series; returns the files.

    Their instance numbers are those of the phases, from 1.
    """
    import highdicom

    series, stack = highdicom.UID(), segmented.stack
    descriptions, files = _descriptions(author), []
    for n, phase in enumerate(segmented.phases):
        images, slices, frame_numbers = source.images(phase)
        labels = np.stack([segmented.image(n, i) for i in slices])
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # about names and the like that the source already has
                made = _segmentation(stack, images, labels, author, series, phase + 1, descriptions)
        except (ValueError, TypeError, AttributeError, KeyError) as error:
            raise PlaneSSLError(f"A DICOM SEG of {stack.id} cannot be made: {str(error).rstrip('.')}; "
                                f"{_OTHER_FORMS}.") from None
        if frame_numbers is not None:
            _name_frames(made, frame_numbers)
        _name_series(made, source.series_of())
        files.append(folder / f"{stack.id}_phase{phase:02d}.dcm")
        made.save_as(files[-1], enforce_file_format=True)
    return files


def _descriptions(author: Author) -> list:
    """The segments: numbered from 1 in the anatomy's order, tracked through the phases."""
    import highdicom

    algorithm = highdicom.AlgorithmIdentificationSequence(
        name=author.name[:64], family=codes.DCM.ArtificialIntelligence,
        version=f"{author.software}, weights {author.weights}", source="PlaneSSL")
    return [highdicom.seg.SegmentDescription(
        segment_number=n, segment_label=label.title, segmented_property_category=_code(ANATOMICAL_STRUCTURE),
        segmented_property_type=_code(label.code), algorithm_type=author.kind, algorithm_identification=algorithm,
        tracking_id=label.name, tracking_uid=highdicom.UID(),
        display_color=highdicom.color.CIELabColor.from_rgb(*(round(255 * part) for part in label.color)),
    ) for n, label in enumerate(author.anatomy.labels, start=1)]


def _segmentation(stack: Stack, images: list[Dataset], labels: np.ndarray, author: Author, series: str,
                  instance: int, descriptions: list):
    """Empty frames are kept: readers then find every slice, also those in which nothing was found."""
    import highdicom

    numbers = np.zeros(256, np.uint8)
    numbers[[label.value for label in author.anatomy.labels]] = np.arange(1, len(descriptions) + 1)
    description = f"Segmentation of {images[0].get('SeriesDescription', '')}".removesuffix(" of ")
    return highdicom.seg.Segmentation(
        source_images=images, pixel_array=numbers[labels], segmentation_type="BINARY",
        segment_descriptions=descriptions, series_instance_uid=series,
        series_number=9000 + int(images[0].get("SeriesNumber") or 0) % 900, sop_instance_uid=highdicom.UID(),
        instance_number=instance, manufacturer="PlaneSSL", manufacturer_model_name="PlaneSSL",
        software_versions=author.software, device_serial_number=author.weights,
        series_description=description[:64], content_label="SEGMENTATION",
        content_description=content_description(stack), content_creator_name="PlaneSSL^", omit_empty_frames=False)


def _code(code) -> Code:
    return Code(code.value, code.scheme, code.meaning)


def _name_frames(found: Dataset, numbers: Sequence[int]) -> None:
    """References to the n-th frame of a phase become references to the frame of that number in the source."""
    items = {id(item): item for groups in found.PerFrameFunctionalGroupsSequence  # segments of a frame share theirs
             for derivation in groups.get("DerivationImageSequence", []) for item in derivation.SourceImageSequence}
    for item in items.values():
        item.ReferencedFrameNumber = numbers[int(item.ReferencedFrameNumber) - 1]


def _name_series(found: Dataset, series_of: dict[str, str]) -> None:
    """List the images that are referenced under the series that each is of."""
    by_series: dict[str, list[Dataset]] = defaultdict(list)
    for item in found.ReferencedSeriesSequence[0].ReferencedInstanceSequence:
        by_series[series_of[item.ReferencedSOPInstanceUID]].append(item)
    listed = []
    for uid, items in by_series.items():
        listed.append(Dataset())
        listed[-1].SeriesInstanceUID, listed[-1].ReferencedInstanceSequence = uid, items
    found.ReferencedSeriesSequence = listed
