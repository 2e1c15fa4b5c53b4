"""Which study is which: what it is called in a cohort, and whether it is there already."""
from __future__ import annotations

import os
from collections import defaultdict
from pathlib import Path

from ..files import read_json
from ..study import Study
from .store import Cohort, digest, pseudonym

NAME_THEM = ("If they are of two subjects, or two studies of one, name them in study.json: 'subject' is what a study "
             "is called, and 'patient' whose it is, where that is another name.")


def name_in(out: Path, read: Study, salt: str, marks: dict) -> str:
    """The pseudonym of a study in a cohort.

    It stands for the subject, and, where DICOM tells the studies of a subject apart, for the study: a patient may have
    come twice. What the cohort has under another of a study's identifiers keeps its name.
    """
    names = [pseudonym(salt, read.subject, uid) for uid in read.uids] or [pseudonym(salt, read.subject)]
    for name in names:
        file = out / "studies" / name / "study.json"
        if file.is_file() and is_same(read_json(file), marks):
            return name
    return names[0]


def marks_of(read: Study, salt: str) -> dict:
    """What tells a study from others, and whether images, what is said of them, or labels changed, wherever it lies."""
    of_volumes = not any(stack.series_uid for stack in read.stacks)

    def place(file: Path) -> str:
        return file.name if file == read.folder else os.path.relpath(file, read.folder)

    def stamp(file: Path) -> tuple[str, str, int]:
        told = file.stat()
        return place(file), f"{told.st_size}{_sample(file, told.st_size) if of_volumes else ''}", told.st_mtime_ns

    images = sorted(map(stamp, {frame.source.file for stack in read.stacks for frame in stack.every_frame}))
    views = [(stack.view, stack.sequence, place(next(stack.every_frame).source.file)) for stack in read.stacks]
    sides = [(stack.id, stack.side) for stack in read.stacks if stack.side]  # images are laid by it
    frames = [stack.frame_of_reference for stack in read.stacks if of_volumes]  # else headers say it
    labels = [(*stamp(label.file), label.stack, label.phase, label.file_phase, *label.names.items())
              for label in read.labels]
    return {"series": sorted(digest(salt, uid)[:16] for uid in {stack.series_uid for stack in read.stacks} - {""}),
            "images": digest(salt, *(f"{name} {size}" for name, size, _ in images))[:16],
            "files": [digest(salt, f"{name} {size}")[:16] for name, size, _ in images] if of_volumes else [],
            "identifier": digest(salt, read.identifier)[:16] if read.identifier else "",
            "content": digest(salt, *map(str, (*images, *views, *labels, *sides, *filter(None, frames))))[:16]}


def _sample(file: Path, size: int) -> str:
    """Some bytes from the middle of a file: volumes of one matrix that are not compressed are all of one size."""
    with open(file, "rb") as stream:
        stream.seek(size // 2)
        return stream.read(4096).hex()


def is_same(document: dict, marks: dict) -> bool:
    """Have they a series in common, or, where series have no identifiers, the same image files, or these and more?"""
    if marks["series"] and document["series"]:
        return bool(set(marks["series"]) & set(document["series"]))
    before = set(document.get("files", ()))
    return marks["images"] == document["images"] or (bool(before) and before <= set(marks["files"]))


def one_each(out: Path, outcomes: list[dict]) -> tuple[list[dict], list[dict]]:
    """The outcomes of studies that are in the cohort, and others, of the same pseudonym, with the reason why not."""
    def is_other(outcome: dict) -> bool:
        where = out / "private" / f"{outcome['pseudonym']}-folder.json"
        return where.is_file() and read_json(where) != outcome["folder"]

    taken: dict[str, dict] = {}
    twice = []
    for outcome in sorted(outcomes, key=lambda outcome: (is_other(outcome), outcome["study"])):
        first = taken.setdefault(outcome["pseudonym"], outcome)
        if first is not outcome:
            twice.append({"study": outcome["study"], "reason": (
                f"It is the same study as {first['study']}, by its identifier." if outcome["uids"] else
                f"It is of the same subject as {first['study']}, and nothing tells them apart. {NAME_THEM}")})
    return list(taken.values()), twice


def under_two_names(cohort: Cohort) -> list[str]:
    """A sentence for studies of the very same files, or series: of a subject that got another name, or was copied."""
    alike = defaultdict(list)
    for name, study in cohort.studies.items():
        for mark in (study.marks.get("content", name), *study.marks.get("series", ())):
            alike[mark].append(name)
    return [f"the studies {', '.join(names)} are of the same files: where a subject was only given another name, "
            f"delete all but one of them in {cohort.folder / 'studies'}, or it may train and validate"
            for names in dict.fromkeys(tuple(names) for names in alike.values() if len(names) > 1)]


def of_one_patient(cohort: Cohort) -> list[str]:
    """Sentences where patients have several studies, and where one may have several that stand apart."""
    several = [names for names in cohort.by_patient(cohort.pseudonyms) if len(names) > 1]
    told = []
    if several:
        most = max(map(len, several))
        told.append(f"{len(several)} patients have several studies, up to {most}, which stay together; if "
                    "they are several who got one identifier from an anonymiser, name them in study.json ('subject')")
    by_identifier = defaultdict(set)
    for study in cohort.studies.values():
        by_identifier[study.marks.get("identifier", "")].add(study.patient)
    apart = [patients for identifier, patients in by_identifier.items() if identifier and len(patients) > 1]
    if apart:
        told.append(f"{sum(map(len, apart))} patients, as study.json names them, share {len(apart)} identifiers in "
                    "DICOM headers: where they are one and the same, let their study.json give one 'patient', or they "
                    "may train and validate")
    return told
