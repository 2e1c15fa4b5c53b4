"""What the values in label maps stand for: said by the user, by their own file, by their data set, or the anatomy's."""
from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType

import numpy as np
import SimpleITK as sitk

from .. import PlaneSSLError
from ..anatomy import Anatomy, Label
from ..files import read_json
from .model import LabelFile, Problem

NAMING = (".nrrd", ".nhdr")  # headers that can name segments, as Slicer's do
DATA_SET = "dataset.json"
BACKGROUND = "background"
SURROUNDED = 0.6  # of the border of what lies in another structure, at least, is with that
AHEAD = 0.3  # by so much of its border something else must be surrounded more
TOUCHING, ENCLOSED = 0.1, 0.85  # of its border, with what it should not touch, and with that and what is around


def read_values(text: str) -> dict[int, str]:
    """Value -> structure, from text such as "1=LV,2=MYO,3=RV"; PlaneSSLError if it says nothing of the kind."""
    pairs = [pair.partition("=") for pair in text.split(",")]
    if not all(value.strip().isdecimal() and name.strip() for value, _, name in pairs) or len(
            {int(value) for value, _, _ in pairs}) < len(pairs):
        raise PlaneSSLError(f"'{text}' does not say what values stand for: expected VALUE=NAME,..., such as "
                            "1=LV,2=MYO,3=RV.")
    return {int(value): name.strip() for value, _, name in pairs}


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


def label_values(values: np.ndarray, file: Path, anatomy: Anatomy | None,
                 names: Mapping[int, str] = MappingProxyType({})) -> np.ndarray:
    """What a label file holds, (..., rows, columns), as uint8 label values of an anatomy: by the names of its segments,
    those that are given, or those of its data set; else the values are the anatomy's own.

    Without an anatomy, the file's own whole numbers. Numbers a thousandth off are whole: converters that scale to
    integers and back leave them so. PlaneSSLError where they are not whole, or nothing that the anatomy knows, and
    where they are taken for the anatomy's own and what is surrounded is another structure than should be.
    """
    if values.dtype.kind == "f":
        whole = np.rint(values)
        if not np.allclose(values, whole, rtol=1e-4, atol=1e-3):
            raise PlaneSSLError(f"The label map {file} holds numbers that are not whole: is it an image?")
        values = whole.astype(np.int32)
    if anatomy is None:
        return values
    meaning = {value: structure_of(anatomy, name, terminology, file)
               for name, terminology, value in segments_of(file)} or _as_said(
                   values, file, anatomy, names) or _by_data_set(values, file, anatomy)
    if not meaning:
        require_known(values, file, anatomy)
        found = values.astype(np.uint8)
        if odd := _surrounded_otherwise(found, anatomy):
            expected, other, _ = odd
            exchanged = {expected: other, other: expected}
            raise PlaneSSLError(
                f"In the label map {file} {_told(*odd)}: its values seem to be numbered otherwise. "
                f"{_say(anatomy, exchanged)} If they are right, say that: --labels '{_listed_values(anatomy)}'.")
        return found
    found = np.zeros(values.shape, np.uint8)
    for value, structure in meaning.items():
        found[values == value] = structure
    return found


def _as_said(values: np.ndarray, file: Path, anatomy: Anatomy, names: Mapping[int, str]) -> dict[int, int]:
    """The structures of names that somebody gave; PlaneSSLError where one is none, or a value has no name."""
    found = {}
    for value, name in names.items():
        structure = anatomy.structure(name)
        if (structure is None or not value) and name.strip().lower() != BACKGROUND:
            raise PlaneSSLError(f"The value {value} of label maps is said to be '{name}', which is no structure of the "
                                f"anatomy '{anatomy.name}'; it has {_listed(_structures(anatomy))}, and {BACKGROUND}.")
        found[value] = structure.value if structure else 0
    if names and (unnamed := set(np.unique(values).tolist()) - {0, *names}):
        raise PlaneSSLError(f"The label map {file} holds the values {sorted(unnamed)}, and only what "
                            f"{_listed(names)} stand for was said.")
    return found


def named_values(file: Path) -> dict[int, str]:
    """What nnU-Net's or the Decathlon's dataset.json calls the values of a label map in labelsTr or labelsTs.

    {} where there is none. Names of several values together, nnU-Net's regions, are passed over.
    """
    path = _data_set(file)
    if file.absolute().parent.name not in ("labelsTr", "labelsTs") or not path.is_file():
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
    """What values stand for where a data set names them all as the anatomy does; {} where some have its names at its
    values, so that the others may be its own, too. PlaneSSLError where neither is so.
    """
    names = named_values(file)
    known = _known(names, anatomy)
    if len(known) < len(names):
        if not _may_be_own(known):
            raise PlaneSSLError(f"{_data_set(file)} {_are_neither(names, anatomy)}. {_say(anatomy)}")
        return {}
    if names and not np.isin(values, [0, *names]).all():
        raise PlaneSSLError(f"The label map {file} holds values that {DATA_SET} does not name ({_listed(names)}).")
    return known


def _known(names: Mapping[int, str], anatomy: Anatomy) -> dict[int, int]:
    """Value -> the anatomy's own, of those whose names it knows."""
    return {value: label.value for value, name in names.items() if (label := anatomy.structure(name))}


def _may_be_own(known: Mapping[int, int]) -> bool:
    """Are the names that the anatomy knows at its own values, and is there one?"""
    return bool(known) and all(value == own for value, own in known.items())


def _are_neither(names: Mapping[int, str], anatomy: Anatomy) -> str:
    return (f"has the labels {_listed(names)}, which are neither all the names nor the values of the anatomy "
            f"'{anatomy.name}' ({_listed(_structures(anatomy))})")


def taken_by_value(labels: Iterable[LabelFile], anatomy: Anatomy) -> Iterator[Problem]:
    """What is to be said of label maps whose data set has names for values that the anatomy does not know."""
    for file in {label.file for label in labels if not label.names} if anatomy.labels else ():
        try:
            names = named_values(file)
        except PlaneSSLError as error:
            yield Problem(_data_set(file), str(error))
            continue
        known = _known(names, anatomy)
        if len(known) == len(names):
            continue
        yield Problem(_data_set(file), (
            f"has the labels {_listed(names)}: their values are taken for those of the anatomy '{anatomy.name}', "
            f"{_listed(_structures(anatomy))}" if _may_be_own(known) else
            f"{_are_neither(names, anatomy)}: its label maps cannot be used as they are"))


def _data_set(file: Path) -> Path:
    """Where what is known of the data set of a label map lies, if it is of one."""
    return file.absolute().parent.parent / DATA_SET


def _structures(anatomy: Anatomy) -> dict[int, str]:
    return {label.value: label.name for label in anatomy.labels}


def _listed(names: Mapping[int, str]) -> str:
    return ", ".join(f"{value} {name}" for value, name in sorted(names.items()))


def require_known(labels: np.ndarray, file: Path, anatomy: Anatomy) -> None:
    """PlaneSSLError where a label map holds values that an anatomy does not know."""
    known = [label.value for label in anatomy.labels]
    if sum(np.count_nonzero(labels == value) for value in (0, *known)) < labels.size:
        strange = sorted(set(np.unique(labels).tolist()) - {0, *known})
        if len(strange) > 8:
            raise PlaneSSLError(f"{file} holds {len(strange)} different numbers that are no labels of the anatomy "
                                f"'{anatomy.name}': is it an image?")
        way_out = f" {_say(anatomy)}" if known else ""
        raise PlaneSSLError(f"The label map {file} holds the values {strange}, which the anatomy '{anatomy.name}' does "
                            f"not know; it has {_listed(_structures(anatomy)) or 'none'}.{way_out}")


def odd_arrangement(labels: np.ndarray, anatomy: Anatomy) -> str:
    """How (..., rows, columns) label values lie otherwise than the anatomy says they do; empty where they do not."""
    odd = _surrounded_otherwise(labels, anatomy)
    return _told(*odd) if odd else ""


def _told(expected: Label, other: Label, around: Label) -> str:
    return f"{_valued(around)} surrounds {_valued(other)}, where {_valued(expected)} is expected"


def _surrounded_otherwise(labels: np.ndarray, anatomy: Anatomy) -> tuple[Label, Label, Label] | None:
    """The structure that another should surround, the one that it does surround, and itself; None if all is as it
    should be.

    Something else lies in what should surround a structure; or it does together with that structure, which it touches,
    as a cavity does with a scar in its wall where that is taken for the cavity.
    """
    within = [label for label in anatomy.labels if label.surrounded_by]
    if not within:
        return None
    count = 1 + max(int(labels.max(initial=0)), *(label.value for label in anatomy.labels))
    borders = np.zeros((count, count), np.intp)  # how many pixels of one value have a neighbour of another in the plane
    for one, other in ((labels[..., 1:], labels[..., :-1]), (labels[..., 1:, :], labels[..., :-1, :])):
        differ = one != other
        pairs = one[differ].astype(np.intp) * count + other[differ]
        borders += np.bincount(pairs, minlength=count**2).reshape(count, count)
    borders += borders.T
    shares = borders / np.maximum(borders.sum(1, keepdims=True), 1)
    for label in within:
        around = anatomy.structure(label.surrounded_by)
        for other in anatomy.labels:
            surrounded, touching = shares[other.value, around.value], shares[other.value, label.value]
            if other not in (label, around) and (
                    surrounded > max(SURROUNDED, shares[label.value, around.value] + AHEAD)
                    or (touching > TOUCHING and surrounded + touching > ENCLOSED)):
                return label, other, around
    return None


def _valued(label: Label) -> str:
    return f"{label.value} ({label.name})"


def _say(anatomy: Anatomy, instead: Mapping[Label, Label] = MappingProxyType({})) -> str:
    """The way out. instead: structures that others may stand for."""
    return (f"Say what its values stand for, as in --labels '{_listed_values(anatomy, instead)}', or in a study.json "
            '("label_values": {"VALUE": "NAME"}).')


def _listed_values(anatomy: Anatomy, instead: Mapping[Label, Label] = MappingProxyType({})) -> str:
    return ",".join(f"{label.value}={instead.get(label, label).name}" for label in anatomy.labels)
