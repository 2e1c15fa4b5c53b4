"""One study as ten vendors might write it: each rewrite takes a folder of DICOM and fills another one."""
from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import highdicom
import numpy as np
import pydicom
from pydicom.uid import ExplicitVRBigEndian, JPEG2000Lossless, JPEGLSLossless, RLELossless, generate_uid

Rewrite = Callable[[list[pydicom.FileDataset], Path], None]


def images_of(folder: Path) -> list[pydicom.FileDataset]:
    """The images of a study in the order of their paths."""
    return [pydicom.dcmread(path) for path in sorted(folder.rglob("*.dcm"))]


def blank_uids(images, out):
    for image in images:
        for name in ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "FrameOfReferenceUID"):
            setattr(image, name, "")
        _save(image, out / f"{image.SeriesNumber:02d}" / f"{image.InstanceNumber:05d}")


def shuffled_names(images, out):
    names = [f"{n:06x}" for n in range(len(images))]
    random.Random(7).shuffle(names)
    for name, image in zip(names, images, strict=True):
        _save(image, out / name[-1] / name)


def enhanced(images, out):
    """One multi-frame file per series, written by highdicom."""
    for number, series in _by_series(images).items():
        for image in series:
            image.AcquisitionDate, image.AcquisitionTime = "20200102", "080000"
        multi = highdicom.legacy.LegacyConvertedEnhancedMRImage(
            series, series_instance_uid=series[0].SeriesInstanceUID, series_number=number,
            sop_instance_uid=generate_uid(), instance_number=1)
        multi.SeriesDescription, multi.BodyPartExamined = series[0].SeriesDescription, series[0].BodyPartExamined
        _save(multi, out / f"{number}.dcm")


def compressed(images, out):
    """RLE, JPEG 2000 and JPEG-LS, series by series."""
    syntaxes = (RLELossless, JPEG2000Lossless, JPEGLSLossless)
    for image in images:
        image.compress(syntaxes[int(image.SeriesNumber) % 3], generate_instance_uid=False)
        _save(image, out / f"{image.SOPInstanceUID}.dcm")


def big_endian(images, out):
    for image in images:
        image.PixelData = np.frombuffer(image.PixelData, "<u2").astype(">u2").tobytes()
        image.file_meta.TransferSyntaxUID = ExplicitVRBigEndian
        for _ in image.iterall():
            pass  # decodes every element: bytes that are still raw would be written as they are
        out.mkdir(parents=True, exist_ok=True)
        pydicom.dcmwrite(out / f"{image.SOPInstanceUID}.dcm", image, enforce_file_format=True)


def without_meta_header(images, out):
    """Implicit little endian without preamble and file meta information, and names that say nothing."""
    for number, image in enumerate(images):
        for _ in image.iterall():
            pass
        del image.file_meta
        out.mkdir(parents=True, exist_ok=True)
        pydicom.dcmwrite(out / str(number), image, implicit_vr=True, little_endian=True)


def series_per_slice(images, out):
    """Every slice has a series of its own; numbers go on from series to series."""
    uids, numbers = {}, {}
    for image in images:
        key = (int(image.SeriesNumber), *map(float, (*image.ImagePositionPatient, *image.ImageOrientationPatient)))
        numbers.setdefault(key, 1 + len(numbers))
        uids.setdefault(key, generate_uid())
    for image in images:
        key = (int(image.SeriesNumber), *map(float, (*image.ImagePositionPatient, *image.ImageOrientationPatient)))
        image.SeriesNumber, image.SeriesInstanceUID = numbers[key], uids[key]
        _save(image, out / f"{image.SOPInstanceUID}.dcm")


def one_series(images, out):
    """Everything in one series of one name, instances numbered through."""
    for number, image in enumerate(images, start=1):
        image.SeriesNumber, image.SeriesInstanceUID = 1, images[0].SeriesInstanceUID
        image.SeriesDescription = image.ProtocolName = "CARDIAC"
        image.InstanceNumber = number
        _save(image, out / f"{number:05d}.dcm")


def reversed_order(images, out):
    """Instances numbered and files named from the last slice to the first; each keeps its trigger time."""
    last = defaultdict(int)
    for image in images:
        last[image.SeriesInstanceUID] = max(last[image.SeriesInstanceUID], int(image.InstanceNumber))
    for image in images:
        image.InstanceNumber = 1 + last[image.SeriesInstanceUID] - int(image.InstanceNumber)
        _save(image, out / f"{image.SeriesNumber:02d}" / f"{image.InstanceNumber:05d}.dcm")


def without_trigger_time(images, out):
    """Only the instance number is left to order the phases by."""
    for image in images:
        for name in ("TriggerTime", "TemporalPositionIdentifier", "NumberOfTemporalPositions", "NominalInterval"):
            if name in image:
                delattr(image, name)
        _save(image, out / f"{image.SOPInstanceUID}.dcm")


def renamed_descriptions(images, out):
    """Every series is called like an examination that it is not, or nothing at all."""
    for image in images:
        image.SeriesDescription = image.ProtocolName = ("", "Serie", "BEAT_iPAT", "WIP 3")[int(image.SeriesNumber) % 4]
        image.StudyDescription = ""
        _save(image, out / f"{image.SOPInstanceUID}.dcm")


REWRITES: tuple[Rewrite, ...] = (
    blank_uids, shuffled_names, enhanced, compressed, big_endian, without_meta_header, series_per_slice, one_series,
    reversed_order, without_trigger_time, renamed_descriptions)


def rewrite(how: Rewrite, study: Path, out: Path) -> Path:
    """Write the study again in another way; returns the folder."""
    how(images_of(study), out)
    return out


def _by_series(images) -> dict[int, list]:
    found = defaultdict(list)
    for image in images:
        found[int(image.SeriesNumber)].append(image)
    return found


def _save(image, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save_as(path, enforce_file_format=True)
