"""Volumes that lie in the patient in every way there is, and label maps made to be found again."""
from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage, generate_uid

from PlaneSSLLib.geometry import Plane

KINDS = ("oblique", "left-handed", "permuted", "anisotropic", "one slice", "tilted")
SEEDS = range(30)  # five of each kind


@dataclass(frozen=True, eq=False)
class Volume:
    """A stack of planes, in order, and label values (slices, rows, columns) on their pixels."""

    kind: str
    planes: tuple[Plane, ...]
    labels: np.ndarray
    step: np.ndarray  # (3,) mm from slice to slice

    def write(self, path: Path, values: np.ndarray | None = None) -> None:
        """As a volume file; values: (slices, rows, columns), or with phases before them; else the label values."""
        values = self.labels if values is None else values
        image = sitk.GetImageFromArray(values, isVector=False)
        first, distance = self.planes[0], np.linalg.norm(self.step)
        direction = np.eye(values.ndim)
        direction[:3, :3] = np.stack([first.row, first.column, self.step / distance], axis=1)
        more = [1.0] * (values.ndim - 3)
        image.SetSpacing([first.spacing[1], first.spacing[0], distance, *more])
        image.SetOrigin([*first.position, *(0.0 for _ in more)])
        image.SetDirection(direction.ravel().tolist())
        sitk.WriteImage(image, str(path))

    def write_dicom(self, folder: Path, phases: int = 1, own_series: bool = False, **changes) -> None:
        """As MR images that show the label values, in one series, or every slice in its own.

        Keywords replace attributes, or empty them if None.
        """
        study, series, frame = (generate_uid(entropy_srcs=[str(folder), what]) for what in "abc")
        folder.mkdir(parents=True)
        for k, plane in enumerate(self.planes):
            for phase in range(phases):
                image = Dataset()
                image.update(_HEADER)
                image.SOPInstanceUID = generate_uid(entropy_srcs=[str(folder), str(k), str(phase)])
                image.StudyInstanceUID, image.SeriesInstanceUID, image.FrameOfReferenceUID = study, series, frame
                if own_series:
                    image.SeriesInstanceUID = generate_uid(entropy_srcs=[str(folder), "series", str(k)])
                    image.SeriesNumber = 5 + k
                image.InstanceNumber = k * phases + phase + 1
                image.TriggerTime = str(40 * phase)
                image.ImagePositionPatient = [f"{x:.9g}" for x in plane.position]
                image.ImageOrientationPatient = [f"{x:.9g}" for x in (*plane.row, *plane.column)]
                image.PixelSpacing = [f"{x:.9g}" for x in plane.spacing]
                image.SliceThickness = f"{np.linalg.norm(self.step):.6g}"
                image.Rows, image.Columns = plane.shape
                image.PixelData = (100 * self.labels[k].astype("<u2")).tobytes()
                for name, value in changes.items():
                    setattr(image, name, value)
                image.file_meta = FileMetaDataset()
                image.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
                image.file_meta.MediaStorageSOPClassUID = MRImageStorage
                image.file_meta.MediaStorageSOPInstanceUID = generate_uid()
                image.save_as(folder / f"{k:02d}-{phase:02d}.dcm", enforce_file_format=True)


_HEADER = Dataset()
_HEADER.SOPClassUID, _HEADER.Modality, _HEADER.Manufacturer = MRImageStorage, "MR", "made up"
_HEADER.PatientID, _HEADER.PatientName, _HEADER.PatientBirthDate, _HEADER.PatientSex = "made-up", "Made^Up", "", "O"
_HEADER.StudyDate, _HEADER.StudyTime, _HEADER.StudyID, _HEADER.AccessionNumber = "20200102", "080000", "1", ""
_HEADER.ReferringPhysicianName, _HEADER.SeriesNumber, _HEADER.SeriesDescription = "", 5, "cine SAX"
_HEADER.ImageType, _HEADER.ScanningSequence, _HEADER.SequenceVariant = ["ORIGINAL", "PRIMARY", "OTHER"], "GR", "SS"
_HEADER.ScanOptions, _HEADER.MRAcquisitionType, _HEADER.EchoTime, _HEADER.EchoTrainLength = "", "2D", "1.4", "1"
_HEADER.RepetitionTime, _HEADER.PatientPosition, _HEADER.PositionReferenceIndicator = "3.2", "HFS", ""
_HEADER.SamplesPerPixel, _HEADER.PhotometricInterpretation, _HEADER.PixelRepresentation = 1, "MONOCHROME2", 0
_HEADER.BitsAllocated, _HEADER.BitsStored, _HEADER.HighBit = 16, 16, 15


def volume(seed: int) -> Volume:
    """The same seed is the same volume: a ball (3) in a shell (2) in another (1), off the middle of the images.

    The ball is 20 pixels and more across, the shells are five pixels thick. An oblique volume has any direction, a
    left-handed one counts its slices against row x column, a permuted one lies along the patient's axes in any order
    and sense, an anisotropic one has pixels twice as high as wide, a tilted one is sheared, as only single planes can.
    """
    rng = np.random.default_rng(seed)
    kind = KINDS[seed % len(KINDS)]
    axes = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    if kind == "permuted":
        axes = np.eye(3)[rng.permutation(3)] * rng.choice([-1, 1], 3)
    row, column = axes[:2]
    normal = np.cross(row, column) * (-1 if kind == "left-handed" else 1)
    across = rng.uniform(0.9, 2.0)
    spacing = (across * (2.0 if kind == "anisotropic" else rng.uniform(0.9, 1.1)), across)
    count = 1 if kind == "one slice" else int(rng.integers(3, 6))
    step = rng.uniform(5, 10) * normal + (4.0 * row if kind == "tilted" else 0)
    shape = tuple(4 * int(n) for n in rng.integers(15, 20, 2))  # ITK loses the last of bits that fill no byte
    corner = rng.uniform(-150, 150, 3)
    planes = tuple(Plane(corner + k * step, row, column, spacing, shape) for k in range(count))
    middle = (np.array(shape) - 1) / 2 + rng.uniform(-4, 4, 2)
    radius = rng.uniform(10.5, 13)
    rows, columns = np.indices(shape)
    labels = []
    for k in range(count):
        away = np.hypot(rows - middle[0] - k, columns - middle[1] + k)
        labels.append(np.select([away < radius, away < radius + 5, away < radius + 10], [3, 2, 1]))
    return Volume(kind, planes, np.array(labels, np.uint8), step)
