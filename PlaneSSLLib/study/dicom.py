"""DICOM headers as the images they describe; pixels are left in the files until somebody asks for them."""
from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pydicom
from pydicom.tag import Tag

from .. import PlaneSSLError
from ..geometry import Plane
from .images import Image, Series

TAGS = [Tag(name) for name in (
    "SpecificCharacterSet", "ImageType", "SOPClassUID", "SOPInstanceUID", "Modality", "StudyDescription",
    "SeriesDescription", "ProtocolName", "PatientID", "BodyPartExamined", "SliceThickness", "TriggerTime", "EchoTime",
    "SpacingBetweenSlices", "StudyInstanceUID", "SeriesInstanceUID", "SeriesNumber", "AcquisitionNumber",
    "InstanceNumber", "ImagePositionPatient", "ImageOrientationPatient", "FrameOfReferenceUID", "Laterality",
    "ImageLaterality", "TemporalPositionIdentifier", "SamplesPerPixel", "NumberOfFrames", "Rows", "Columns",
    "PixelSpacing", "DiffusionBValue", "ComplexImageComponent", "SharedFunctionalGroupsSequence",
    "PerFrameFunctionalGroupsSequence",
)]


@dataclass(frozen=True)
class DicomImage:
    """The pixels of one frame of a DICOM file."""

    file: Path
    frame: int | None = None  # counted from 0 in a multi-frame file

    def read(self) -> np.ndarray:
        """(rows, columns) float32, rescale slope and intercept applied; PlaneSSLError if it cannot be decoded."""
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                header = pydicom.dcmread(self.file, force=True)
                pixels = header.pixel_array
        except Exception as error:
            raise PlaneSSLError(f"The pixels of {self.file} cannot be decoded: {error}.") from None
        if self.frame is not None and pixels.ndim == 3:
            pixels = pixels[self.frame]
        slope, intercept = float(header.get("RescaleSlope", 1) or 1), float(header.get("RescaleIntercept", 0) or 0)
        return pixels.astype(np.float32) * slope + intercept


def read_images(file: Path) -> list[Image]:
    """The images of one DICOM file; ValueError with the reason, in plain words, if there are none."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            header = pydicom.dcmread(file, stop_before_pixels=True, specific_tags=TAGS, force=True)
        except Exception as error:
            raise ValueError(f"it cannot be read as DICOM ({error})") from None
        if not header.get("Rows") or not header.get("Columns"):
            raise ValueError(f"it holds no image ({header.get('Modality') or 'no modality'})")
        series = Series(
            uid=str(header.get("SeriesInstanceUID") or ""), number=str(header.get("SeriesNumber") or ""),
            description=str(header.get("SeriesDescription") or ""), protocol=str(header.get("ProtocolName") or ""),
            folder=file.parent, study_uid=str(header.get("StudyInstanceUID") or ""),
            study_description=str(header.get("StudyDescription") or ""), subject=str(header.get("PatientID") or ""),
            body_part=str(header.get("BodyPartExamined") or ""),
            laterality=str(header.get("ImageLaterality") or header.get("Laterality") or ""),
            modality=str(header.get("Modality") or ""))
        if "PerFrameFunctionalGroupsSequence" in header:
            return _frames(file, header, series)
        return [_image(file, None, header, series, header)]


def _frames(file: Path, header, series: Series) -> list[Image]:
    shared = header.get("SharedFunctionalGroupsSequence") or [pydicom.Dataset()]
    images = []
    for number, groups in enumerate(header.PerFrameFunctionalGroupsSequence):
        flat = pydicom.Dataset()
        for group in (shared[0], groups):
            for element in group:
                if element.VR == "SQ" and element.value:
                    flat.update(element.value[0])
        images.append(_image(file, number, flat, series, header))
    return images


def _image(file: Path, frame: int | None, header, series: Series, top) -> Image:
    orientation, position = header.get("ImageOrientationPatient"), header.get("ImagePositionPatient")
    spacing = header.get("PixelSpacing")
    if not orientation or len(orientation) != 6 or not position or len(position) != 3:
        raise ValueError("it has no orientation or position in the patient")
    if not spacing or len(spacing) != 2:
        raise ValueError("it has no pixel spacing")
    plane = Plane(position, orientation[:3], orientation[3:], tuple(spacing), (top.Rows, top.Columns))
    return Image(
        source=DicomImage(file, frame), plane=plane, series=series,
        frame_of_reference=str(top.get("FrameOfReferenceUID") or ""),
        sop_instance_uid=str(top.get("SOPInstanceUID") or ""), frame_number=None if frame is None else frame + 1,
        time_ms=_number(header.get("TriggerTime", header.get("NominalCardiacTriggerDelayTime"))),
        temporal=_number(header.get("TemporalPositionIdentifier", header.get("TemporalPositionIndex"))),
        acquisition=_number(top.get("AcquisitionNumber")), instance=_number(top.get("InstanceNumber")),
        echo_ms=_number(header.get("EchoTime", header.get("EffectiveEchoTime"))),
        b_value=_number(header.get("DiffusionBValue")), thickness_mm=_number(header.get("SliceThickness")))


def _number(value) -> float | None:
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if np.isfinite(number) else None
