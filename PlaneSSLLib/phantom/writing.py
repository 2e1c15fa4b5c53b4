"""A phantom study on disk: DICOM files, label maps, study.json and truth.json."""
from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage, generate_uid

from ..files import write_json
from .study import Acquired, PhantomStudy, label_order

DATE, TIME = "20200102", "080000"  # no day is real: the same study is the same bytes for ever
CYCLE_MS = 900.0
# Scanning sequence, variant, options; repetition and echo time in ms, flip angle in degrees, echoes in a train.
SEQUENCES = {
    "bSSFP": ("GR", "SS", "", "3.2", "1.4", "60", 1), "PD": ("SE", "SK", "", "2800", "28", "150", 8),
    "T2 FS": ("SE", "SK", "FS", "3900", "68", "150", 11), "T1": ("SE", "SK", "", "620", "14", "150", 3),
}


def write_study(study: PhantomStudy, folder: Path) -> None:
    """Fill an empty folder with one study."""
    uids = _Uids(study)
    labels = []
    for acquired in study.acquired:
        _write_series(study, acquired, folder, uids)
        if acquired.series.labelled:
            labels += _write_labels(acquired, folder, uids)
    write_json(folder / "study.json", {
        "subject": study.subject, "anatomy": study.anatomy, "labels": labels, "classes": study.organ.classes})
    write_json(folder / "truth.json", {
        "anatomy": study.anatomy, "seed": study.seed, "index": study.index, **study.organ.description(study.phases),
        "series": [{
            "number": a.series.number, "uid": uids.series(a), "description": a.series.description,
            "view": a.series.view, "localizer": a.series.localizer, "slices": len(a.series.planes),
            "phases": a.series.phases} for a in study.acquired],
        "lines": study.crossing_lines()})


class _Uids:
    """Unique identifiers that depend on nothing but the study's name."""

    def __init__(self, study: PhantomStudy) -> None:
        self.name = study.folder_name

    def of(self, *what) -> str:
        return generate_uid(entropy_srcs=["PlaneSSL phantom", self.name, *map(str, what)])

    def series(self, acquired: Acquired) -> str:
        return self.of("series", acquired.series.number)


def _write_series(study: PhantomStudy, acquired: Acquired, folder: Path, uids: _Uids) -> None:
    series = acquired.series
    target = folder / f"{series.number:02d}_{re.sub(r'[^A-Za-z0-9_-]+', '_', series.description)}"
    target.mkdir(parents=True)
    instance = 0
    for i, plane in enumerate(series.planes):
        for phase in range(series.phases):
            instance += 1
            image = _header(study, acquired, uids, instance)
            image.ImagePositionPatient = [_decimal(x) for x in plane.position]
            image.ImageOrientationPatient = [_decimal(x) for x in (*plane.row, *plane.column)]
            image.PixelSpacing = [_decimal(x) for x in plane.spacing]
            image.SliceLocation = _decimal(plane.position @ plane.normal)
            image.Rows, image.Columns = plane.shape
            if series.phases > 1:
                image.TriggerTime = _decimal(CYCLE_MS * phase / series.phases)
                image.NominalInterval = int(CYCLE_MS)
                image.CardiacNumberOfImages = series.phases
                image.TemporalPositionIdentifier = phase + 1
                image.NumberOfTemporalPositions = series.phases
            pixels = acquired.pixels[i, phase]
            image.SmallestImagePixelValue, image.LargestImagePixelValue = int(pixels.min()), int(pixels.max())
            image.WindowCenter, image.WindowWidth = (_decimal(round(np.percentile(pixels, 98) * f)) for f in (0.5, 1.0))
            image.PixelData = pixels.astype("<u2").tobytes()
            image.save_as(target / f"IM{instance:04d}.dcm", enforce_file_format=True)


def _header(study: PhantomStudy, acquired: Acquired, uids: _Uids, instance: int) -> Dataset:
    series = acquired.series
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = MRImageStorage
    meta.MediaStorageSOPInstanceUID = uids.of("image", series.number, instance)
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    image = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    image.SpecificCharacterSet = "ISO_IR 192"
    image.ImageType = ["ORIGINAL", "PRIMARY", "M"]
    image.SOPClassUID, image.SOPInstanceUID = meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID
    image.StudyDate = image.SeriesDate = image.AcquisitionDate = image.ContentDate = DATE
    image.StudyTime = image.SeriesTime = image.AcquisitionTime = image.ContentTime = TIME
    image.AccessionNumber, image.StudyID, image.ReferringPhysicianName = "", "1", ""
    image.Modality, image.Manufacturer, image.ManufacturerModelName = "MR", "PlaneSSL", "Phantom"
    image.StudyDescription = f"{study.anatomy.capitalize()} phantom"
    image.SeriesDescription = image.ProtocolName = series.description
    image.PatientName, image.PatientID = f"Phantom^{study.anatomy.capitalize()} {study.index:04d}", study.subject
    image.PatientBirthDate, image.PatientSex = "", "O"
    image.BodyPartExamined, image.PatientPosition = study.anatomy.upper(), study.organ.patient_position
    if study.organ.side is not None:
        image.Laterality = study.organ.side
    image.MRAcquisitionType, image.MagneticFieldStrength = "2D", "1.5"
    image.ScanningSequence, image.SequenceVariant, image.ScanOptions, *times = SEQUENCES[series.weighting]
    image.RepetitionTime, image.EchoTime, image.FlipAngle, image.EchoTrainLength = times
    if series.phases > 1:
        image.ScanOptions = "CG"  # gated by the heart: without it a trigger time may not be given
    image.SliceThickness = _decimal(series.thickness)
    if series.step is not None:
        image.SpacingBetweenSlices = _decimal(series.step)
    image.StudyInstanceUID, image.SeriesInstanceUID = uids.of("study"), uids.series(acquired)
    image.FrameOfReferenceUID, image.PositionReferenceIndicator = uids.of("frame"), ""
    image.SeriesNumber, image.AcquisitionNumber, image.InstanceNumber = series.number, 1, instance
    image.SamplesPerPixel, image.PhotometricInterpretation = 1, "MONOCHROME2"
    image.BitsAllocated, image.BitsStored, image.HighBit, image.PixelRepresentation = 16, 12, 11, 0
    return image


def _decimal(value: float) -> str:
    """A DICOM decimal string: as many digits as its sixteen characters hold."""
    for digits in range(14, 0, -1):
        text = f"{float(value):.{digits}g}"
        if len(text) <= 16:
            return text
    raise ValueError(f"{value} does not fit into a decimal string")


def _write_labels(acquired: Acquired, folder: Path, uids: _Uids) -> list[dict]:
    """One volume a phase on the series' own grid, its slices in the order of the planes' normal."""
    series, order, entries = acquired.series, label_order(acquired.series.planes), []
    first = series.planes[order[0]]
    (folder / "labels").mkdir(exist_ok=True)
    for phase in range(series.phases):
        volume = sitk.GetImageFromArray(acquired.labels[order, phase])
        volume.SetOrigin(first.position.tolist())
        volume.SetSpacing([first.spacing[1], first.spacing[0], series.step or series.thickness])
        volume.SetDirection(np.stack([first.row, first.column, first.normal], axis=1).ravel().tolist())
        name = f"labels/{series.number}_phase{phase:02d}.nii.gz"
        sitk.WriteImage(volume, str(folder / name))
        entries.append({"file": name, "series": uids.series(acquired), "phase": phase})
    return entries
