"""Volume files (NIfTI, NRRD, MetaImage): their planes from the header, their pixels when asked for."""
from __future__ import annotations

import gzip
import os
import re
import zlib
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from .. import PlaneSSLError
from ..files import replacing
from ..geometry import Plane
from .model import Frame

ENDINGS = (".nii", ".nii.gz", ".nrrd", ".nhdr", ".mha", ".mhd")
DETACHED = (".nhdr", ".mhd")  # headers whose voxels are in another file
MOST_VOXELS_PER_BYTE = 1100  # gzip does no better; SimpleITK takes memory for what a header claims
THICK = 1.5  # times the pixels: an axis of such steps is the one that slices lie along
OFF_GRID = 0.25  # of a voxel: a label map further off than this is on another grid


class VolumeFile:
    """A volume file: its planes at once, its pixels when they are asked for, read once.

    The slices run along the third axis of the file, unless another is clearly the thick one: programs that turn
    volumes to fixed axes leave the slices on any. ValueError if the file cannot be read or is no grey image.
    """

    def __init__(self, file: Path) -> None:
        self.file = file
        try:
            str(file).encode()
        except UnicodeEncodeError:  # ITK would end the process
            raise ValueError("has a name, or lies in a folder of a name, that is no UTF-8: rename it") from None
        try:
            now = file.stat()
        except OSError as error:
            raise ValueError(f"cannot be read as a volume ({error.strerror})") from None
        header = _read_header(file, now.st_size, (now.st_mtime_ns, now.st_ctime_ns, now.st_ino))
        self.phases, self.origin = header.phases, header.origin
        self.axes = _slices_last(header.spacing, header.count)  # which of the file run along a row, down, across
        x, y, z = self.axes
        self.thickness_mm = float(header.spacing[z])
        self.matrix = (header.direction * header.spacing)[:, self.axes]  # (3, 3) pixel (column, row, slice) to LPS mm
        self._directions = header.direction[:, x], header.direction[:, y]
        self._spacing = header.spacing[y], header.spacing[x]
        self._size = header.count[z], header.count[y], header.count[x]
        try:
            self._plane(0)  # the others differ in their places alone
        except ValueError as error:
            raise ValueError(f"its geometry is impossible: {error}") from None

    @cached_property
    def planes(self) -> tuple[Plane, ...]:
        """One per slice, in the order of the file; nobody asks for a label map's."""
        return tuple(map(self._plane, range(self._size[0])))

    def _plane(self, k: int) -> Plane:
        return Plane(self.origin + k * self.matrix[:, 2], *self._directions, self._spacing, self._size[1:])

    @cached_property
    def array(self) -> np.ndarray:
        """(phases, slices, rows, columns), in the type of the file; PlaneSSLError if it cannot be read."""
        if self.file.suffix.lower() == ".gz" and not _unpacks(self.file):  # ITK takes what comes, without a word
            raise PlaneSSLError(f"The pixels of {self.file} cannot be read: it is damaged, its checksum does not fit.")
        try:
            array = sitk.GetArrayFromImage(sitk.ReadImage(str(self.file)))
        except RuntimeError as error:
            raise PlaneSSLError(f"The pixels of {self.file} cannot be read: {itk_reason(error)}.") from None
        x, y, z = self.axes
        array = array.reshape(self.phases, *array.shape[-3:] if array.ndim > 2 else (1, *array.shape))
        return array.transpose(0, 3 - z, 3 - y, 3 - x)  # SimpleITK's arrays have the axes of the file backwards

    def slices_at(self, planes: tuple[Plane, ...]) -> range | None:
        """Which of the volume's slices lie in these planes: all, in this order or backwards; None on another grid."""
        if len(planes) != len(self.planes) or planes[0].shape != self.planes[0].shape:
            return None
        corners = np.array([plane.corners() for plane in planes])
        own = np.array([plane.corners() for plane in self.planes])
        near = OFF_GRID * min(*self.planes[0].spacing, self.thickness_mm)
        there = range(len(planes))
        return next((order for order in (there, there[::-1]) if np.abs(corners - own[order]).max() < near), None)


@dataclass(frozen=True)
class _Header:
    """Three axes of a file, in its order: origin (3,) LPS mm, direction (3, 3) in columns, spacing in mm and count; and
    how many such volumes it holds.
    """

    origin: np.ndarray
    direction: np.ndarray
    spacing: tuple[float, ...]
    count: tuple[int, ...]
    phases: int


@lru_cache(maxsize=1000)
def _read_header(file: Path, size_in_bytes: int, as_of: tuple[int, ...]) -> _Header:
    """Once for a file, until it changes: who lays files out asks first, who reads their pixels asks again."""
    reader = sitk.ImageFileReader()
    reader.SetFileName(str(file))
    try:
        reader.ReadImageInformation()
    except RuntimeError as error:
        if "orthonormal" in str(error):
            raise ValueError("has axes that are not at right angles, which ITK, and so Slicer, does not read: write "
                             "its orientation anew, with nibabel by image.set_qform(image.affine, 1)") from None
        raise ValueError(f"cannot be read as a volume ({itk_reason(error)})") from None
    size, dimension = reader.GetSize(), reader.GetDimension()
    if reader.GetNumberOfComponents() > 1 and reader.HasMetaDataKey("Segment0_ID"):
        raise ValueError("holds segments that overlap, which no label map can: let them not, in the Segment Editor")
    if dimension not in (2, 3, 4) or reader.GetNumberOfComponents() != 1:
        raise ValueError(f"holds no grey image (dimensions {dimension}, values per pixel "
                         f"{reader.GetNumberOfComponents()})")
    voxels = int(np.prod(size, dtype=float))
    if file.suffix.lower() not in DETACHED and voxels > MOST_VOXELS_PER_BYTE * size_in_bytes:
        raise ValueError(f"claims {voxels} voxels, which its {size_in_bytes} bytes cannot hold")
    if file.name.lower().endswith((".nii", ".nii.gz")) and reader.HasMetaDataKey("bitpix") and _is_cut_off(
            file, int(float(reader.GetMetaData("vox_offset"))) + voxels * int(reader.GetMetaData("bitpix")) // 8):
        raise ValueError("is cut off: it ends before its last voxel")  # (other formats keep NIfTI's keys, too)
    spatial = min(dimension, 3)
    direction, origin = np.eye(3), np.zeros(3)
    direction[:spatial, :spatial] = np.reshape(reader.GetDirection(), (dimension, dimension))[:spatial, :spatial]
    origin[:spatial] = reader.GetOrigin()[:spatial]
    for array in (direction, origin):
        array.setflags(write=False)
    return _Header(origin, direction, (*reader.GetSpacing()[:spatial], 1.0)[:3], (*size[:spatial], 1)[:3],
                   size[3] if dimension == 4 else 1)


@dataclass(frozen=True)
class VolumeSlice:
    """The pixels of one slice and phase of a volume file."""

    volume: VolumeFile
    phase: int
    slice_index: int

    @property
    def file(self) -> Path:
        return self.volume.file

    def read(self) -> np.ndarray:
        """(rows, columns) float32; SimpleITK has applied the header's slope and intercept."""
        return self.volume.array[self.phase, self.slice_index].astype(np.float32)


def frames_of(volumes: list[VolumeFile]) -> tuple[tuple[Frame, ...], ...]:
    """Volumes of one grid as the phases of one stack: per slice of the first one its frames."""
    at = [volume.slices_at(volumes[0].planes) for volume in volumes]
    return tuple(
        tuple(Frame(VolumeSlice(volume, phase, slices[k]))
              for volume, slices in zip(volumes, at, strict=True) for phase in range(volume.phases))
        for k in range(len(volumes[0].planes)))


def _slices_last(spacing: tuple[float, ...], count: tuple[int, ...]) -> list[int]:
    thick = int(np.argmax(spacing))
    others = max(spacing[axis] for axis in range(3) if axis != thick)
    if thick == 2 or count[2] == 1 or spacing[thick] < THICK * others:
        return [0, 1, 2]
    return [axis for axis in range(3) if axis != thick] + [thick]


def _is_cut_off(file: Path, needed: int) -> bool:
    """Does a NIfTI file end before it has given so many bytes? ITK would fill the rest with zeros, without a word."""
    if file.suffix.lower() != ".gz":
        return file.stat().st_size < needed
    with open(file, "rb") as stream:
        stream.seek(-4, os.SEEK_END)
        told = int.from_bytes(stream.read(4), "little")  # gzip ends with the length of what it holds
    if 0 <= told - needed % 2**32 < 2**16:
        return False
    try:
        with gzip.open(file) as stream:
            while needed > 0 and (part := stream.read(2**20)):
                needed -= len(part)
    except (EOFError, OSError, zlib.error):
        return True
    return needed > 0


def write_volume(image: sitk.Image, path: Path) -> None:
    """Write a volume file, compressed, and read it back: on a full disk ITK writes what fits, without a word.

    PlaneSSLError where it cannot be written.
    """
    with replacing(path) as side:
        try:
            sitk.WriteImage(image, str(side), True)
        except RuntimeError as error:
            raise PlaneSSLError(f"{path} cannot be written: {itk_reason(error)}.") from None
        try:
            whole = VolumeFile(side).array.size == image.GetNumberOfPixels()
        except (ValueError, PlaneSSLError):
            whole = False
        if not whole:
            raise PlaneSSLError(f"{path} cannot be written whole: is the disk full?")


def _unpacks(file: Path) -> bool:
    """Is a gzip file whole, to its checksum?"""
    try:
        with gzip.open(file) as stream:
            while stream.read(2**22):
                pass
    except (EOFError, OSError, zlib.error):
        return False
    return True


def itk_reason(error: Exception) -> str:
    """ITK's own sentence, without the source file it comes from."""
    text = str(error).strip().splitlines()[-1] if str(error).strip() else type(error).__name__
    return re.sub(r"^.*?:\s*(ERROR:)?\s*", "", text).strip().rstrip(".") or "unknown format"
