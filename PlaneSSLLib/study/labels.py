"""Label maps of a stack: which phases they outline, and on which pixels they lie."""
from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.lib.stride_tricks import as_strided

from .. import PlaneSSLError
from ..anatomy import Anatomy
from .dicom_segmentations import is_segmentation, lay_over, on_stack
from .meanings import label_values
from .model import LabelFile, Stack
from .volumes import OFF_GRID, VolumeFile


def label_phases(file: Path, phases: int) -> list[int]:
    """The phases of an image that a label map beside it outlines: the first one, if the map has but one.

    Of a map with as many phases as the image, those in which anything is labelled: in public data sets the others are
    empty because nobody outlined them. ValueError if it has another number of phases. A damaged map is found out by
    who reads its labels.
    """
    try:
        volume = VolumeFile(file)
        outlined = volume.array.any((1, 2, 3)) if volume.phases > 1 else [True]
    except (ValueError, PlaneSSLError):
        return [0]
    if len(outlined) not in (1, phases):
        raise ValueError(f"is a label map of {len(outlined)} phases, and its image has {phases}")
    return np.flatnonzero(outlined).tolist()


def phases_of(file: Path) -> int | None:
    """How many phases a label map has; None for a damaged one, which is found out by who reads its labels."""
    try:
        return VolumeFile(file).phases
    except ValueError:
        return None


def read_labels(label: LabelFile, stack: Stack, anatomy: Anatomy | None = None) -> np.ndarray:
    """(slices, rows, columns): a label map in the order of the stack's planes and pixels, its values as `label_values`.

    The file may be stored with its axes or its slices in another order; PlaneSSLError if it is on another grid.
    """
    return read_all_labels([label], stack, anatomy)[label.phase]


def read_all_labels(labels: Iterable[LabelFile], stack: Stack, anatomy: Anatomy | None = None) -> dict[int, np.ndarray]:
    """The same of several label maps of a stack, by phase; a file that holds those of many phases is read once.

    Of DICOM Segmentation objects, several may outline one phase, each other structures or slices, but none one of which
    there is a map. Without an anatomy nothing says what their segments are: PlaneSSLError.
    """
    by_file: dict[Path, list[LabelFile]] = {}
    for label in labels:
        by_file.setdefault(label.file, []).append(label)
    segmentations = [file for file in by_file if is_segmentation(file)]
    outlined: dict[int, np.ndarray] = {}
    for file in segmentations:
        if anatomy is None:
            raise PlaneSSLError(f"Of {file} can be read what an anatomy knows: name one.")
        phases = {label.phase for label in by_file.pop(file)}
        for phase, more in on_stack(file, stack, phases, anatomy).items():
            lay_over(outlined.setdefault(phase, np.zeros_like(more)), more, file)
    found: dict[int, np.ndarray] = {}
    for file, of_file in by_file.items():
        try:
            volume = VolumeFile(file)
        except ValueError as error:
            raise PlaneSSLError(f"The label map {file} {error}.") from None
        found |= {label.phase: _on_stack(volume, label, stack, anatomy) for label in of_file}
    if twice := found.keys() & outlined.keys():
        raise PlaneSSLError(f"Phase {min(twice)} of {stack.id} has a label map and {segmentations[0]}: name one of "
                            "them.")
    return found | outlined


def _on_stack(volume: VolumeFile, label: LabelFile, stack: Stack, anatomy: Anatomy | None) -> np.ndarray:
    values = label_values(volume.array[label.file_phase], label.file, anatomy, label.names)
    inverse = np.linalg.inv(volume.matrix)
    labels = np.zeros((len(stack.planes), *stack.planes[0].shape), values.dtype)
    for i, plane in enumerate(stack.planes):
        to_voxel = inverse @ plane.matrix
        to_voxel[:, 2] -= inverse @ volume.origin
        # On a shared grid, a pixel's step is a step of whole voxels; what differs, differs most at the corners.
        whole = np.rint(to_voxel).astype(int)
        bottom, right = plane.shape[0] - 1, plane.shape[1] - 1
        corners = np.array([[0, right, 0, right], [0, 0, bottom, bottom], [1, 1, 1, 1]])
        at = whole @ corners
        if (np.abs((to_voxel - whole) @ corners).max() > OFF_GRID or (at < 0).any()
                or (at >= np.array(values.shape[::-1])[:, None]).any()):
            raise PlaneSSLError(f"The label map {label.file} is not on the grid of stack {stack.id}, see slice {i}.")
        along_row, down_column, (x, y, z) = whole.T
        bytes_per_voxel = np.array(values.strides[::-1])
        labels[i] = as_strided(
            values[z:, y:, x:], plane.shape, (int(down_column @ bytes_per_voxel), int(along_row @ bytes_per_voxel)))
    return labels
