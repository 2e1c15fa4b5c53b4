"""Label maps in volume files: which phases they outline, what their values mean, and on which pixels they lie."""
from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from numpy.lib.stride_tricks import as_strided

from .. import PlaneSSLError
from ..anatomy import Anatomy
from ..files import read_json
from .model import LabelFile, Problem, Stack
from .volumes import OFF_GRID, VolumeFile

NAMING = (".nrrd", ".nhdr")  # headers that can name segments, as Slicer's do
DATA_SET = "dataset.json"


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


def is_of_one_phase(file: Path) -> bool:
    try:
        return VolumeFile(file).phases == 1
    except ValueError:  # a damaged map is found out by who reads its labels
        return False


def segments_of(file: Path) -> list[tuple[str, str, int]]:
    """(name, terminology, voxel value) of the segments that Slicer keeps in a .seg.nrrd's header; none in other files.

    Slicer numbers segments as they were drawn, whatever they are. PlaneSSLError if one has no value.
    """
    if file.suffix.lower() not in NAMING:
        return []
    reader = sitk.ImageFileReader()
    reader.SetFileName(str(file))
    reader.ReadImageInformation()
    header = {key: reader.GetMetaData(key) for key in reader.GetMetaDataKeys()}
    found = []
    for i in range(sum(re.fullmatch(r"Segment\d+_ID", key) is not None for key in header)):
        name, value = header.get(f"Segment{i}_Name", ""), header.get(f"Segment{i}_LabelValue", "")
        if not value.isdigit():
            raise PlaneSSLError(f"The header of {file} does not say which voxels are the segment '{name}'.")
        found.append((name, header.get(f"Segment{i}_Tags", ""), int(value)))
    return found


def structure_of(anatomy: Anatomy, name: str, terminology: str, file: Path) -> int:
    """The label value of the structure that a segment is; PlaneSSLError if the anatomy does not know it."""
    found = anatomy.structure(name, terminology)
    if found is None:
        raise PlaneSSLError(f"The segment '{name}' of {file} is no structure of the anatomy '{anatomy.name}', which "
                            f"has {', '.join(label.title for label in anatomy.labels) or 'none'}.")
    return found.value


def label_values(values: np.ndarray, file: Path, anatomy: Anatomy | None) -> np.ndarray:
    """What a label file holds, as uint8 label values of an anatomy: by names where its segments have some, or the
    values of its data set.

    Without an anatomy, the file's own whole numbers. Numbers a thousandth off are whole: converters that scale to
    integers and back leave them so. PlaneSSLError where they are not whole, or nothing that the anatomy knows.
    """
    if values.dtype.kind == "f":
        whole = np.rint(values)
        if not np.allclose(values, whole, rtol=1e-4, atol=1e-3):
            raise PlaneSSLError(f"The label map {file} holds numbers that are not whole: is it an image?")
        values = whole.astype(np.int32)
    if anatomy is None:
        return values
    meaning = {value: structure_of(anatomy, name, terminology, file)
               for name, terminology, value in segments_of(file)} or _by_data_set(values, file, anatomy)
    if not meaning:
        require_known(values, file, anatomy)
        return values.astype(np.uint8)
    found = np.zeros(values.shape, np.uint8)
    for value, structure in meaning.items():
        found[values == value] = structure
    return found


def _named_values(file: Path) -> dict[int, str]:
    """What nnU-Net's or the Decathlon's dataset.json calls the values of a label map in labelsTr or labelsTs.

    {} where there is none. Names of several values together, nnU-Net's regions, are passed over.
    """
    path = file.parent.with_name(DATA_SET)
    if file.parent.name not in ("labelsTr", "labelsTs") or not path.is_file():
        return {}
    document = read_json(path)
    labels = document.get("labels") if isinstance(document, dict) else None
    found = {}
    for one, other in labels.items() if isinstance(labels, dict) else ():
        name, value = (other, one) if one.isdigit() else (one, other)  # the Decathlon has the value first
        if isinstance(name, str) and str(value).isdigit() and int(value):
            found[int(value)] = name
    return found


def _by_data_set(values: np.ndarray, file: Path, anatomy: Anatomy) -> dict[int, int]:
    """What values stand for where a data set names them all as the anatomy does; {} where its values are the anatomy's.

    PlaneSSLError where neither is so.
    """
    names = _named_values(file)
    known = {value: label.value for value, name in names.items() if (label := anatomy.structure(name))}
    if len(known) < len(names):
        if any(value != structure for value, structure in known.items()):
            raise PlaneSSLError(
                f"{file.parent.with_name(DATA_SET)} has the labels {_listed(names)}, which are neither all the names "
                f"nor the values of the anatomy '{anatomy.name}' ({_listed(_structures(anatomy))}): name all as it "
                "does.")
        return {}
    if names and not np.isin(values, [0, *names]).all():
        raise PlaneSSLError(f"The label map {file} holds values that {DATA_SET} does not name ({_listed(names)}).")
    return known


def taken_by_value(labels: Iterable[LabelFile], anatomy: Anatomy) -> Iterator[Problem]:
    """What is to be said of label maps whose data set has names for values that the anatomy does not know."""
    for file in {label.file for label in labels} if anatomy.labels else ():
        try:
            names = _named_values(file)
        except PlaneSSLError as error:
            yield Problem(file.parent.with_name(DATA_SET), str(error))
            continue
        if not all(map(anatomy.structure, names.values())):
            yield Problem(file.parent.with_name(DATA_SET), (
                f"has the labels {_listed(names)}: their values are taken for those of the anatomy '{anatomy.name}', "
                f"{_listed(_structures(anatomy))}"))


def _structures(anatomy: Anatomy) -> dict[int, str]:
    return {label.value: label.name for label in anatomy.labels}


def _listed(names: Mapping[int, str]) -> str:
    return ", ".join(f"{value} {name}" for value, name in sorted(names.items()))


def read_labels(label: LabelFile, stack: Stack, anatomy: Anatomy | None = None) -> np.ndarray:
    """(slices, rows, columns): a label map in the order of the stack's planes and pixels, its values as `label_values`.

    The file may be stored with its axes or its slices in another order; PlaneSSLError if it is on another grid.
    """
    return read_all_labels([label], stack, anatomy)[label.phase]


def read_all_labels(labels: Iterable[LabelFile], stack: Stack, anatomy: Anatomy | None = None) -> dict[int, np.ndarray]:
    """The same of several label maps of a stack, by phase; a file that holds those of many phases is read once."""
    by_file: dict[Path, list[LabelFile]] = {}
    for label in labels:
        by_file.setdefault(label.file, []).append(label)
    found = {}
    for file, of_file in by_file.items():
        try:
            volume = VolumeFile(file)
        except ValueError as error:
            raise PlaneSSLError(f"The label map {file} {error}.") from None
        found |= {label.phase: _on_stack(volume, label, stack, anatomy) for label in of_file}
    return found


def _on_stack(volume: VolumeFile, label: LabelFile, stack: Stack, anatomy: Anatomy | None) -> np.ndarray:
    values = label_values(volume.array[label.file_phase], label.file, anatomy)
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


def require_known(labels: np.ndarray, file: Path, anatomy: Anatomy) -> None:
    """PlaneSSLError where a label map holds values that an anatomy does not know."""
    known = [label.value for label in anatomy.labels]
    if sum(np.count_nonzero(labels == value) for value in (0, *known)) < labels.size:
        strange = sorted(set(np.unique(labels).tolist()) - {0, *known})
        if len(strange) > 8:
            raise PlaneSSLError(f"{file} holds {len(strange)} different numbers that are no labels of the anatomy "
                                f"'{anatomy.name}': is it an image?")
        raise PlaneSSLError(f"The label map {file} holds the values {strange}, which the anatomy '{anatomy.name}' does "
                            f"not know; it knows {sorted(known)}.")
