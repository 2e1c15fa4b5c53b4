"""Small DICOM images and volume files, made to order."""
from __future__ import annotations

from pathlib import Path

import numpy as np
import SimpleITK as sitk
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage, generate_uid

SERIES_UID = generate_uid()
SHAPE = (3, 4, 5)  # slices, rows, columns


def image(number: int = 1, **changes) -> Dataset:
    """A small sagittal image; changes replace or, with None, remove elements."""
    made = Dataset()
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    made.file_meta.MediaStorageSOPClassUID = made.SOPClassUID = MRImageStorage
    made.file_meta.MediaStorageSOPInstanceUID = made.SOPInstanceUID = generate_uid()
    made.Modality, made.PatientID, made.StudyInstanceUID, made.SeriesInstanceUID = "MR", "p", "1.2", SERIES_UID
    made.SeriesNumber, made.InstanceNumber, made.SeriesDescription = 3, number, "t2"
    made.ImageOrientationPatient, made.ImagePositionPatient = [0, 1, 0, 0, 0, -1], [3.0 * number, 0, 0]
    made.PixelSpacing, made.SliceThickness, made.FrameOfReferenceUID = [1.5, 1], 3, "1.2.3"
    made.Rows, made.Columns, made.SamplesPerPixel, made.PhotometricInterpretation = 8, 6, 1, "MONOCHROME2"
    made.BitsAllocated, made.BitsStored, made.HighBit, made.PixelRepresentation = 16, 16, 15, 0
    made.PixelData = (np.arange(48, dtype="<u2") + number).tobytes()
    for name, value in changes.items():
        if value is None:
            delattr(made, name)
        else:
            setattr(made, name, value)
    return made


def write(made: Dataset, path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    made.save_as(path, enforce_file_format=True)
    return path


def volume(path, value=0, origin=(10, -20, 30), direction=None, spacing=(1.25, 1.5, 8), dtype=np.int16, shape=SHAPE):
    """Voxels count up from value; returns them."""
    array = (np.arange(np.prod(shape)).reshape(shape) + value).astype(dtype)
    made = sitk.GetImageFromArray(array, isVector=False)
    made.SetOrigin([*origin, 0][:array.ndim])
    made.SetSpacing([*spacing, 1][:array.ndim])
    if direction is not None:
        made.SetDirection(direction)
    path.parent.mkdir(parents=True, exist_ok=True)
    sitk.WriteImage(made, str(path))
    return array
