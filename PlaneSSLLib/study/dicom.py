"""DICOM headers as the images they describe; pixels are left in the files until somebody asks for them.

A header is read from the first kilobytes of its file, only up to the image's own group and only the elements that
matter, and those are taken as the bytes they are: this is what makes ten thousand files a matter of seconds.
"""
from __future__ import annotations

import os
import struct
import warnings
from contextlib import suppress
from dataclasses import dataclass
from math import isfinite
from pathlib import Path

import numpy as np
import pydicom
from pydicom.charset import convert_encodings
from pydicom.dataset import Dataset
from pydicom.filereader import read_partial
from pydicom.multival import MultiValue
from pydicom.pixels import pixel_array
from pydicom.tag import Tag
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian, RLELossless

from .. import PlaneSSLError
from ..geometry import Plane
from .elements import read_elements
from .images import Image, Series
from .native import SYNTAXES as NATIVE_SYNTAXES, NativePixels

HEAD_BYTES = 24 * 1024  # where the image group of nearly every file is over
MOST_PIXELS_PER_BYTE = 1000  # no compression of images does better, and decoders take memory for what is claimed
ENDINGS = (".dcm", ".dicom", ".ima")

_SERIES = {name: Tag(keyword) for name, keyword in {
    "uid": "SeriesInstanceUID", "number": "SeriesNumber", "description": "SeriesDescription",
    "protocol": "ProtocolName", "study_uid": "StudyInstanceUID", "study_description": "StudyDescription",
    "subject": "PatientID", "modality": "Modality", "body_part": "BodyPartExamined", "laterality": "Laterality",
    "image_type": "ImageType"}.items()}
_NUMBERS = {name: Tag(keyword) for name, keyword in {
    "thickness_mm": "SliceThickness", "time_ms": "TriggerTime", "temporal": "TemporalPositionIdentifier",
    "acquisition": "AcquisitionNumber", "instance": "InstanceNumber", "echo_ms": "EchoTime",
    "inversion_ms": "InversionTime", "b_value": "DiffusionBValue"}.items()}
_IN_FRAMES = {  # what the same things are called in the functional groups of a multi-frame file
    "time_ms": Tag("NominalCardiacTriggerDelayTime"), "temporal": Tag("TemporalPositionIndex"),
    "echo_ms": Tag("EffectiveEchoTime"), "inversion_ms": Tag("InversionTimes"),
    "acquisition": Tag("FrameAcquisitionNumber")}
_SOP, _FRAME_UID, _FRAMES = Tag("SOPInstanceUID"), Tag("FrameOfReferenceUID"), Tag("NumberOfFrames")
_POSITION, _ORIENTATION = Tag("ImagePositionPatient"), Tag("ImageOrientationPatient")
_ROWS, _COLUMNS, _SPACING = Tag("Rows"), Tag("Columns"), Tag("PixelSpacing")
_BITS, _STORED, _SIGNED = Tag("BitsAllocated"), Tag("BitsStored"), Tag("PixelRepresentation")
_SAMPLES, _PHOTOMETRIC = Tag("SamplesPerPixel"), Tag("PhotometricInterpretation")
_IMAGE_LATERALITY = Tag("ImageLaterality")
_COMPONENT, _SLOPE, _INTERCEPT = Tag("ComplexImageComponent"), Tag("RescaleSlope"), Tag("RescaleIntercept")
_SHARED, _PER_FRAME = Tag("SharedFunctionalGroupsSequence"), Tag("PerFrameFunctionalGroupsSequence")
_CHARACTERS, _SYNTAX = Tag("SpecificCharacterSet"), Tag("TransferSyntaxUID")
TAGS = {int(tag): tag for tag in (
    _CHARACTERS, *_SERIES.values(), *_NUMBERS.values(), _SOP, _FRAME_UID, _FRAMES, _POSITION, _ORIENTATION, _ROWS,
    _COLUMNS, _SPACING, _BITS, _STORED, _SIGNED, _SAMPLES, _PHOTOMETRIC, _IMAGE_LATERALITY, _COMPONENT, _SLOPE,
    _INTERCEPT, _SHARED, _PER_FRAME)}

NOT_ACQUIRED = {"SEG", "RTDOSE", "RTSTRUCT", "RTPLAN", "RTIMAGE", "RTRECORD", "SR", "PR", "KO", "DOC", "REG", "FID"}
NO_IMAGE = "holds no acquired image ({})"
_COMPONENTS = {"P": "phase map", "PHASE": "phase map", "PHASE MAP": "phase map", "R": "real", "REAL": "real",
               "I": "imaginary", "IMAGINARY": "imaginary",  # and of Dixon's method:
               "W": "water", "WATER": "water", "F": "fat", "FAT": "fat", "IP": "in phase", "IN_PHASE": "in phase",
               "OP": "out of phase", "OPP_PHASE": "out of phase", "OUT_PHASE": "out of phase"}


@dataclass(frozen=True)
class DicomImage:
    """The pixels of one frame of a DICOM file; they become mr = slope * stored + intercept."""

    file: Path
    frame: int | None = None  # counted from 0 in a multi-frame file
    slope: float = 1.0
    intercept: float = 0.0
    native: NativePixels | None = None  # where its pixels need no decoder

    def read(self) -> np.ndarray:
        """(rows, columns) float32, rescale slope and intercept applied; PlaneSSLError if it cannot be decoded."""
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                pixels = self._stored()
        except BaseException as error:  # decoders raise anything at all; those in Rust not even an Exception
            if isinstance(error, KeyboardInterrupt | SystemExit):
                raise
            raise PlaneSSLError(f"The pixels of {self.file} cannot be decoded: {_first_line(error)}.") from None
        pixels = pixels.astype(np.float32)
        pixels *= np.float32(self.slope)
        pixels += np.float32(self.intercept)
        return pixels

    def _stored(self) -> np.ndarray:
        if self.native is not None and (pixels := self.native.read(self.file, self.frame or 0)) is not None:
            return pixels
        if self.frame is not None:
            return pixel_array(self.file, index=self.frame)  # reads this frame only
        header = pydicom.dcmread(self.file, force=True)
        if "TransferSyntaxUID" not in header.file_meta:
            implicit, little = header.original_encoding
            header.file_meta.TransferSyntaxUID = (
                ImplicitVRLittleEndian if implicit else ExplicitVRLittleEndian if little else ExplicitVRBigEndian)
        # pydicom's own RLE decoder is slower than the one in Rust, which prints a page when it meets a damaged file.
        own = header.file_meta.TransferSyntaxUID == RLELossless
        return pixel_array(header, decoding_plugin="pydicom" if own else "")


class HeaderReader:
    """Reads the headers of many files. What files share (series, planes) is decoded once and kept once."""

    def __init__(self) -> None:
        self._series: dict[tuple, Series] = {}
        self._planes: dict[tuple, Plane] = {}

    def images(self, file: Path) -> list[Image] | None:
        """The images of a file; None if it is not DICOM and does not claim to be; ValueError says what is wrong."""
        with open(file, "rb") as stream:
            size = os.fstat(stream.fileno()).st_size
            head = stream.read(HEAD_BYTES)
        if not _claims_dicom(head, file.name):
            return None
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                return self._images(file, head, size)
        except ValueError:
            raise
        except Exception as error:  # a damaged header can raise anything at all
            raise ValueError(f"the header is damaged ({_first_line(error)})") from None

    def series_of(self, file: Path) -> Series:
        """What a file says about its series, be it one of images or not."""
        with open(file, "rb") as stream:
            size = os.fstat(stream.fileno()).st_size
            header, _, _ = _read_header(file, stream.read(HEAD_BYTES), size)
        return self._series_of(file, header)

    def _images(self, file: Path, head: bytes, size: int) -> list[Image]:
        header, header_bytes, syntax = _read_header(file, head, size)
        modality = _text(header, _SERIES["modality"])
        if modality in NOT_ACQUIRED:
            raise ValueError(NO_IMAGE.format(modality))
        rows, columns = _whole(header, _ROWS), _whole(header, _COLUMNS)
        if "MOSAIC" in _text(header, _SERIES["image_type"]).split("\\"):
            raise ValueError("is a mosaic of slices in one picture: convert it to a volume file first (dcm2niix)")
        if rows is None or columns is None:
            raise ValueError(f"holds no image ({modality or 'no readable header'})")
        samples = _whole(header, _SAMPLES)
        if (samples or 1) != 1:
            raise ValueError("is a colour picture, not an image of the patient in grey")
        frames = int((_numbers(header, _FRAMES) or [1])[0]) if _FRAMES in header else 1
        if not 1 <= frames <= size:
            raise ValueError(f"claims {frames} frames, which its {size} bytes cannot hold")
        needed = rows * columns * frames * (_whole(header, _BITS) or 0) // 8
        if rows * columns > MOST_PIXELS_PER_BYTE * size:
            raise ValueError(f"claims {rows} x {columns} pixels, which its {size} bytes cannot hold")
        if size < header_bytes + needed and syntax in ("", *NATIVE_SYNTAXES):
            raise ValueError(f"is cut off: it has {size} bytes and needs at least {header_bytes + needed}")
        series = self._series_of(file, header)
        native = NativePixels.of(
            syntax, _text(header, _PHOTOMETRIC), samples, _whole(header, _SIGNED), _whole(header, _BITS),
            _whole(header, _STORED), (frames, rows, columns))
        if _PER_FRAME in header and (frames > 1 or _numbers(header, _POSITION) is None):
            return self._functional_groups(file, native, header, series)
        if frames > 1:
            return [self._image(file, number, native, header, header, series) for number in range(frames)]
        return [self._image(file, None, native, header, header, series)]

    def _series_of(self, file: Path, header: Dataset) -> Series:
        raw = tuple(_bytes(header, tag) for tag in _SERIES.values())
        laterality = _bytes(header, _IMAGE_LATERALITY)
        key = (*raw, laterality, file.parent)
        if key not in self._series:
            texts = {name: _decoded(header, tag) for name, tag in _SERIES.items()}
            texts["laterality"] = _decoded(header, _IMAGE_LATERALITY) or texts["laterality"]
            self._series[key] = Series(folder=file.parent, **texts)
        return self._series[key]

    def _plane(self, header: Dataset, top: Dataset) -> Plane:
        key = (*(_bytes(header, tag) for tag in (_POSITION, _ORIENTATION, _SPACING)),
               _bytes(top, _ROWS), _bytes(top, _COLUMNS))
        if key not in self._planes:
            position, orientation = _numbers(header, _POSITION), _numbers(header, _ORIENTATION)
            spacing = _numbers(header, _SPACING)
            if position is None or len(position) != 3 or orientation is None or len(orientation) != 6:
                raise ValueError("has no position and orientation in the patient")
            if spacing is None or len(spacing) != 2:
                raise ValueError("has no pixel spacing")
            try:
                self._planes[key] = Plane(position, orientation[:3], orientation[3:], tuple(spacing),
                                          (_whole(top, _ROWS), _whole(top, _COLUMNS)))
            except ValueError as error:
                raise ValueError(f"its geometry is impossible: {error}") from None
        return self._planes[key]

    def _functional_groups(self, file: Path, native: NativePixels | None, header: Dataset,
                           series: Series) -> list[Image]:
        shared = header.get(_SHARED)
        common = _flattened(shared.value[0]) if shared is not None and shared.value else []
        frames, per_frame = int((_numbers(header, _FRAMES) or [1])[0]), header[_PER_FRAME].value
        if len(per_frame) != frames:
            raise ValueError(f"claims {frames} frames, but describes {len(per_frame)}")
        images = []
        for number, groups in enumerate(per_frame):
            frame = Dataset()
            frame.update({element.tag: element for element in (*common, *_flattened(groups))})
            images.append(self._image(file, number, native, frame, header, series))
        return images

    def _image(self, file: Path, frame: int | None, native: NativePixels | None, header: Dataset, top: Dataset,
               series: Series) -> Image:
        plane = self._plane(header, top)
        numbers = {}
        for name, tag in _NUMBERS.items():
            value = _numbers(header, tag)
            if value is None and frame is not None:
                value = (name in _IN_FRAMES and _numbers(header, _IN_FRAMES[name])) or _numbers(top, tag)
            numbers[name] = value[0] if value else None
        slope, intercept = _rescale(header, top)
        component = _text(header, _COMPONENT) or _text(top, _COMPONENT)
        parts = [component] if component else series.image_type.split("\\")[2:]
        return Image(
            source=DicomImage(file, frame, slope, intercept, native),
            plane=plane, series=series, frame_of_reference=_text(top, _FRAME_UID),
            sop_instance_uid=_text(top, _SOP), frame_number=None if frame is None else frame + 1,
            component=next((_COMPONENTS[part] for part in parts if part in _COMPONENTS), ""), **numbers)


def _rescale(header: Dataset, top: Dataset) -> tuple[float, float]:
    """Slope and intercept of stored numbers; those of MONOCHROME1, in which the least is white, are turned round."""
    slope, intercept = _numbers(header, _SLOPE), _numbers(header, _INTERCEPT)
    slope, intercept = slope[0] if slope and slope[0] else 1.0, intercept[0] if intercept else 0.0
    if _text(top, _PHOTOMETRIC) != "MONOCHROME1":
        return slope, intercept
    least_and_most = -1 if _whole(top, _SIGNED) else 2 ** (_whole(top, _STORED) or _whole(top, _BITS) or 0) - 1
    return -slope, intercept + slope * least_and_most


def _claims_dicom(head: bytes, name: str) -> bool:
    """The DICOM mark, a first element of group 2 or 8 without it, or a name that says so."""
    return (head[128:132] == b"DICM" or name.lower().endswith(ENDINGS)
            or (head[:2] in (b"\x02\x00", b"\x08\x00") and head[3:4] == b"\x00" and len(head) > 8))


def _read_header(file: Path, head: bytes, size: int) -> tuple[Dataset, int, str]:
    """The header, how many bytes of it were passed, and the transfer syntax, or "" where none is given.

    From the head alone where that tells the geometry, else by pydicom's own reading of the file.
    """
    if not head:
        raise ValueError("is empty")
    with suppress(Exception):  # whatever is odd in the head, pydicom may know a way
        header, end, syntax = _image_group(head)
        single = _FRAMES not in header or (_numbers(header, _FRAMES) or [1]) == [1]
        if _POSITION in header and _BITS in header and single:
            return header, end, syntax
    with open(file, "rb") as stream:
        header = read_partial(
            stream, lambda tag, vr, length: tag.group == 0x7FE0, force=True, specific_tags=list(TAGS.values()))
        return header, stream.tell(), str(header.file_meta.get("TransferSyntaxUID", ""))


def _image_group(head: bytes) -> tuple[Dataset, int, str]:
    """What the head of a file that keeps to the rules says, up to the end of its image group; KeyError and the like.

    With it, where it ends, and the transfer syntax.
    """
    meta, end = read_elements(head, 132, 0x0002, {int(_SYNTAX): _SYNTAX})
    syntax = meta[_SYNTAX].value.decode("ascii").strip(" \0")
    implicit, little = syntax == ImplicitVRLittleEndian, syntax != ExplicitVRBigEndian
    elements, end = read_elements(head, end, 0x0028, TAGS, implicit, little)
    header = Dataset(elements)
    if _CHARACTERS in header:
        header.set_original_encoding(implicit, little, convert_encodings(header[_CHARACTERS].value))
    return header, end, syntax


def _bytes(header: Dataset, tag) -> object:
    element = header.get_item(tag)
    value = None if element is None else element.value
    return tuple(value) if isinstance(value, MultiValue) else value


def _text(header: Dataset, tag) -> str:
    """One value as plain text: identifiers and code strings, for which no character set matters."""
    value = _bytes(header, tag)
    if isinstance(value, bytes):
        return value.decode("latin-1").strip(" \0")
    return "" if value is None else str(value).strip(" \0")


def _decoded(header: Dataset, tag) -> str:
    """Text as the header's character set has it; several values are joined by a backslash, as they are stored."""
    try:
        value = header[tag].value if tag in header else None
    except Exception:  # a character set that does not exist, a length that does not fit
        return _text(header, tag)
    texts = value if isinstance(value, MultiValue) else [value]
    return "\\".join(str(text).strip(" \0") for text in texts if text is not None)


def _numbers(header: Dataset, tag) -> list[float] | None:
    """The finite numbers of an element, or None if it is missing, empty or no number."""
    element = header.get_item(tag)
    if element is None:
        return None
    value = element.value
    try:
        if isinstance(value, bytes) and element.VR in ("DS", "IS", None) and tag != _NUMBERS["b_value"]:
            numbers = [float(part) for part in value.decode("ascii").strip(" \0").split("\\")]
        else:
            value = header[tag].value
            numbers = [float(part) for part in (value if isinstance(value, MultiValue) else [value])]
    except Exception:  # not numbers, or a VR that cannot hold them
        return None
    return numbers if all(map(isfinite, numbers)) else None


def _whole(header: Dataset, tag) -> int | None:
    """A 16-bit count, such as Rows."""
    element = header.get_item(tag)
    value = getattr(element, "value", None)
    if isinstance(value, bytes) and len(value) == 2:
        return struct.unpack("<H" if element.is_little_endian else ">H", value)[0]
    numbers = _numbers(header, tag)
    return int(numbers[0]) if numbers else None


def _flattened(groups: Dataset) -> list:
    """The elements of one item of functional groups, whichever macro they are in.

    Philips repeats positions in private ones, half a pixel off the standard's.
    """
    return [element for group in groups if group.VR == "SQ" and not group.tag.is_private and group.value
            for element in group.value[0]]


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
