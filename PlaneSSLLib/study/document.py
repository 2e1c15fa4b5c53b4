"""study.json: what a study's folder says of itself. Nothing in it is taken on trust."""
from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path, PureWindowsPath

from .. import PlaneSSLError
from ..files import read_json
from ..kinds import TABLE, WORD, Kind, shortly
from .dicom_segmentations import is_segmentation
from .labels import label_phases, phases_of
from .model import LabelFile, Problem, Stack
from .volumes import ENDINGS

NAME = "study.json"
KEYS = ("subject", "patient", "anatomy", "side", "views", "frames_of_reference", "corrected", "sequences", "labels",
        "label_values", "classes")
SIDES = ("left", "right")


def _object_of(what: str, key: Kind = WORD) -> Kind:
    return Kind(lambda v: isinstance(v, dict) and all(key.holds(name) and isinstance(v[name], str) for name in v),
                f"an object of {what}")


_KINDS = {  # of what is read whole or not at all
    "side": Kind(lambda v: v in ("", *SIDES), "left or right"),
    "frames_of_reference": _object_of("files and names of frames"),
    "corrected": _object_of("stacks and their views"),
    "sequences": _object_of("stacks and their sequences"),
    "label_values": _object_of("values in label maps and structures", Kind(str.isdecimal, "digits")),
    "classes": Kind(TABLE.holds, "an object of classes and answers")}


@dataclass(frozen=True)
class Document:
    """The entries of a study.json, empty where it has none or none that make sense.

    patient: whose study it is, where that is not its subject: of one patient there may be several. side: left or right.
    views: view name -> file or files, None where the key is absent. frames_of_reference: file -> what stands for that
    of its image, where they differ; volume files have none of their own. corrected: stack id -> view, where the view
    that the reader finds in DICOM is wrong. sequences: stack id -> what it was acquired in. labels: entries as they
    stand. label_values: value in label maps -> the structure that it stands for. classes: 0 or 1. readable: not where
    there is a study.json that is damaged.
    """

    subject: str = ""
    patient: str = ""
    anatomy: str | None = None
    side: str = ""
    views: object = None
    frames_of_reference: Mapping[str, str] = field(default_factory=dict)
    corrected: Mapping[str, str] = field(default_factory=dict)
    sequences: Mapping[str, str] = field(default_factory=dict)
    labels: tuple = ()
    label_values: Mapping[int, str] = field(default_factory=dict)
    classes: Mapping[str, int] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()
    readable: bool = True


def read_document(folder: Path) -> Document:
    """The study.json of a folder; one that cannot be read is a problem and says nothing else."""
    file = folder / NAME
    if not file.is_file():
        return Document()
    try:
        found = read_json(file)
    except PlaneSSLError as error:
        return Document(problems=(Problem(file, str(error)),), readable=False)
    if not isinstance(found, dict):
        return Document(problems=(Problem(file, "is no JSON object"),), readable=False)
    anatomy = found.get("anatomy")
    labels = found.get("labels", [])
    problems = [Problem(file, f"has '{key}', which is not read: '{meant[0]}' is") for key in found
                if key not in KEYS and (meant := get_close_matches(key, KEYS, n=1))]
    for key, kind in _KINDS.items():
        if key in found and not kind.holds(found[key]):
            problems.append(Problem(file, f'"{key}" is {shortly(found.pop(key))}, not {kind.words}'))
    classes = found.get("classes", {})
    problems += [Problem(file, f"answers {value!r} to the class {name}, not 0 or 1") for name, value in classes.items()
                 if value not in (0, 1)]
    return Document(
        **{who: str(found[who]) for who in ("subject", "patient") if isinstance(found.get(who), str | int)},
        anatomy=_as_it_is_spelt(anatomy) if isinstance(anatomy, str) and anatomy else None,
        views=found.get("views"),
        **{key: found[key] for key in ("side", "frames_of_reference", "corrected", "sequences") if key in found},
        labels=tuple(labels if isinstance(labels, list) else [labels]),
        label_values={int(value): name for value, name in found.get("label_values", {}).items()},
        classes={name: int(value) for name, value in classes.items() if value in (0, 1)},
        problems=tuple(problems))


def _as_it_is_spelt(anatomy: str) -> str:
    """Heart is heart; the name of a file is as it is."""
    return anatomy.lower() if anatomy.isalpha() else anatomy


def inside(folder: Path, name: object) -> Path | None:
    """The file of this name below the folder; None for a name that is no text or leads elsewhere."""
    if not isinstance(name, str) or not name:
        return None
    there = PureWindowsPath(name)  # takes slashes of both kinds for what they may be
    if there.drive or there.root or ".." in there.parts:
        return None
    return folder / name


def label_files(folder: Path, document: Document, stacks: Sequence[Stack]) -> tuple[list[LabelFile], list[Problem]]:
    """The label maps that a study.json names for series of DICOM: [{"file", "series", "phase"}, ...].

    series: the id of a stack, or the UID or the number of a series that is one stack. phase: from 0; without it, a map
    of a whole cine outlines the phases in which it holds anything.
    """
    labels, problems = [], []
    for entry in document.labels:
        if not isinstance(entry, dict) or "file" not in entry or "series" not in entry:
            problems.append(Problem(folder / NAME, f'"labels" has {entry!r}, where an object of "file" and "series" (a '
                                                   'stack\'s id), and "phase" of a cine, is expected'))
            continue
        file, series, phase = inside(folder, entry["file"]), str(entry["series"]), entry.get("phase")
        owners = [s for s in stacks if series in (s.id, s.series_uid, s.series)]
        if file is None or not file.is_file():
            problems.append(Problem(file or folder / NAME, f"is not there, though {NAME} names it as labels"))
        elif len(owners) != 1:
            problems.append(Problem(file, f"is a label map of '{series}', which names {len(owners) or 'none'} of the "
                                          f"stacks {', '.join(stack.id for stack in stacks)}"))
        elif phase is not None and (type(phase) is not int or not 0 <= phase < owners[0].phases):
            problems.append(Problem(file, f"is a label map of phase {phase!r}, and its stack has {owners[0].phases}"))
        else:
            try:
                labels += _of_phases(file, owners[0], phase)
            except ValueError as error:
                problems.append(Problem(file, str(error)))
    return labels, problems


def _of_phases(file: Path, stack: Stack, phase: int | None) -> list[LabelFile]:
    """A label map of one phase of a stack, or of all that it outlines; ValueError if it has another number of them."""
    if is_segmentation(file):
        if phase is None and stack.phases > 1:
            raise ValueError(f'is of one phase of {stack.phases}, and "phase" does not say of which')
        return [LabelFile(file, stack.id, phase or 0)]
    if phase is None:
        return [LabelFile(file, stack.id, k, k) for k in label_phases(file, stack.phases)]
    count = phases_of(file) or 1
    if count not in (1, stack.phases):
        raise ValueError(f"is a label map of {count} phases, and its image has {stack.phases}")
    return [LabelFile(file, stack.id, phase, phase if count > 1 else 0)]


def unclaimed(folder: Path, labels: Sequence[LabelFile], problems: Iterable[Problem]) -> list[Problem]:
    """The label maps in the folder `labels` that are nobody's."""
    known = {label.file for label in labels} | {problem.file for problem in problems}
    return [Problem(file, f"belongs to no image here: it has the name of none, and {NAME} does not name it")
            for file in sorted((folder / "labels").glob("[!.]*"))
            if file.name.lower().endswith(ENDINGS) and file not in known]
