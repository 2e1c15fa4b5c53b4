"""study.json: what a study's folder says of itself. Nothing in it is taken on trust."""
from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from .. import PlaneSSLError
from ..files import read_json
from .model import LabelFile, Problem, Stack

NAME = "study.json"


@dataclass(frozen=True)
class Document:
    """The entries of a study.json, empty where it has none or none that make sense.

    views: view name -> file or files, None where the key is absent. labels: entries as they stand. classes: 0 or 1.
    """

    subject: str = ""
    anatomy: str | None = None
    views: object = None
    labels: tuple = ()
    classes: Mapping[str, int] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()


def read_document(folder: Path) -> Document:
    """The study.json of a folder; one that cannot be read is a problem and says nothing else."""
    file = folder / NAME
    if not file.is_file():
        return Document()
    try:
        found = read_json(file)
    except PlaneSSLError as error:
        return Document(problems=(Problem(file, str(error)),))
    if not isinstance(found, dict):
        return Document(problems=(Problem(file, "is no JSON object"),))
    subject, anatomy = found.get("subject"), found.get("anatomy")
    labels, classes = found.get("labels", []), found.get("classes")
    return Document(
        subject=str(subject) if isinstance(subject, str | int) else "",
        anatomy=anatomy if isinstance(anatomy, str) and anatomy else None,
        views=found.get("views"),
        labels=tuple(labels if isinstance(labels, list) else [labels]),
        classes={name: int(value) for name, value in classes.items() if value in (0, 1)}
        if isinstance(classes, dict) else {})


def inside(folder: Path, name: object) -> Path | None:
    """The file of this name below the folder; None for a name that is no text or leads elsewhere."""
    if not isinstance(name, str) or not name or PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts:
        return None
    return folder / name


def label_files(folder: Path, document: Document, stacks: Sequence[Stack]) -> tuple[list[LabelFile], list[Problem]]:
    """The label maps that a study.json names for series of DICOM: [{"file", "series": its UID, "phase"}, ...]."""
    labels, problems = [], []
    for entry in document.labels:
        entry = entry if isinstance(entry, dict) else {}
        file, phase = inside(folder, entry.get("file")), entry.get("phase", 0)
        owner = next((s for s in stacks if s.series_uid and s.series_uid == entry.get("series")), None)
        if file is None or not file.is_file():
            problems.append(Problem(file or folder / NAME, "study.json names labels that are not there"))
        elif owner is None:
            problems.append(Problem(file, "is a label map of a series that is not in this folder"))
        elif not isinstance(phase, int) or not 0 <= phase < owner.phases:
            problems.append(Problem(file, f"is a label map of phase {phase!r}, and its stack has {owner.phases}"))
        else:
            labels.append(LabelFile(file, owner.id, phase))
    return labels, problems
