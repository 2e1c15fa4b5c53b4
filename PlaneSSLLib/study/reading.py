"""A folder becomes a Study."""
from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import replace
from itertools import count
from pathlib import Path

import numpy as np

from .. import PlaneSSLError
from ..anatomy import Anatomy
from .grouping import group, without_copies
from .images import Image
from .irregularities import irregularities
from .layouts import Volumes, inside, loose_volumes, named_views, one_case, read_document, stem
from .localizers import are_localizers
from .model import LabelFile, Naming, Problem, Stack, Study
from .recognition import Recognition, recognise
from .scanning import files_below, scan
from .sides import side_of
from .views import OBLIQUE, PATIENT_PLANES, counting_direction
from .volumes import ENDINGS


def read_study(folder: str | os.PathLike, anatomy: str | None = None, views: dict[str, str] | None = None,
               workers: int = 1) -> Study:
    """Read a study: a folder of DICOM, or of NIfTI with or without study.json; or a lone volume file.

    anatomy: name or file of an anatomy; else the one that study.json names, else the one that fits best. views: stack
    id -> view, for those that the caller knows better; ids do not change by it. workers: processes that read headers
    (they are only started for many files). PlaneSSLError if there is no image that can be read: it names the path and
    the reason.
    """
    folder = Path(folder)
    images, volumes, document, problems = _contents(folder, workers)
    images, copies = without_copies(images)
    problems += copies
    stacks = [*group(images), *volumes.stacks]
    problems += volumes.problems
    if not stacks:
        raise PlaneSSLError(_nothing(folder, problems))

    side, side_source = side_of(
        [image.series.laterality for image in images],
        [text for i in images for text in (i.series.description, i.series.study_description)][:1000], stacks)
    recognised = recognise(stacks, _text(images, folder), _body_part(images), side, anatomy or _anatomy(document))
    chosen = recognised.anatomy
    stacks = [stack if stack.view else replace(stack, naming=naming)
              for stack, naming in zip(stacks, recognised.fit.namings, strict=True)]
    stacks = _identified(stacks)
    stacks = _overridden(stacks, views or {}, chosen)
    stacks = [_counted(stack, recognised, in_order=bool(document.get("views"))) for stack in stacks]
    stacks = [replace(stack, localizer=localizer, notes=(*stack.notes, *irregularities(stack)))
              for stack, localizer in zip(stacks, are_localizers(stacks, beating=_beats(chosen)), strict=True)]
    stacks, frame_notes = _one_frame(stacks)
    labels, label_problems = _labels(folder, document, stacks)
    notes = [*recognised.notes, *frame_notes, *_several(images)]
    if chosen.sided and side:
        notes.append(f"the {side} {chosen.title.lower()}, {side_source}")
    return Study(folder, _subject(folder, document, images), chosen.name, tuple(stacks),
                 tuple(sorted({*problems, *label_problems}, key=lambda problem: str(problem.file))),
                 tuple(notes), (*volumes.labels, *labels), _classes(document))


def _contents(folder: Path, workers: int) -> tuple[list[Image], Volumes, dict, list[Problem]]:
    if folder.is_file():
        if folder.name.lower().endswith(ENDINGS):
            return [], one_case(folder), {}, []
        images, _, problems = scan([folder])
        return images, Volumes(), {}, problems
    if not folder.is_dir():
        raise PlaneSSLError(f"There is no folder {folder}.")
    document, problems = read_document(folder)
    if "views" in document:
        return [], named_views(folder, document["views"]), document, problems
    files, unreadable = files_below(folder)
    images, volume_files, bad = scan(files, workers)
    if images:
        bad += [Problem(file, "lies beside DICOM images and is not read as one; study.json can name it as labels")
                for file in volume_files]
        return images, Volumes(), document, [*problems, *unreadable, *bad]
    return images, loose_volumes(volume_files), document, [*problems, *unreadable, *bad]


def _nothing(folder: Path, problems: Sequence[Problem]) -> str:
    if not problems:
        return f"{folder} holds no image: no DICOM, NIfTI, NRRD or MetaImage file."
    first = problems[0]
    more = f" (and {len(problems) - 1} more files like it)" if len(problems) > 1 else ""
    return f"{folder} holds no image that can be read: {first.file.name} {first.reason}{more}."


def _text(images: Sequence[Image], folder: Path) -> str:
    texts = {text for image in images for text in (
        image.series.description, image.series.protocol, image.series.study_description,
        image.series.image_type.replace("\\", " "))}
    return " | ".join(sorted(texts))


def _body_part(images: Sequence[Image]) -> str:
    return " ".join(sorted({image.series.body_part for image in images}))


def _classes(document: dict) -> dict[str, int]:
    """What study.json says of the whole study: class -> 0 or 1."""
    classes = document.get("classes")
    return {name: int(value) for name, value in classes.items() if value in (0, 1)} if isinstance(classes, dict) else {}


def _anatomy(document: dict) -> str | None:
    name = document.get("anatomy")
    return name if isinstance(name, str) and name else None


def _subject(folder: Path, document: dict, images: Sequence[Image]) -> str:
    named = document.get("subject")
    if isinstance(named, str | int) and str(named):
        return str(named)
    found = next((image.series.subject for image in images if image.series.subject), "")
    return found or (stem(folder) if folder.is_file() else folder.name)


def _several(images: Sequence[Image]) -> list[str]:
    notes = []
    found = {"studies": {i.series.study_uid for i in images}, "subjects": {i.series.subject for i in images}}
    for what, values in found.items():
        if len(values - {""}) > 1:
            notes.append(f"the folder holds images of {len(values - {''})} {what}, read as one")
    return notes


def _beats(anatomy: Anatomy) -> bool:
    return any(label.ejects for label in anatomy.labels)


def _identified(stacks: Sequence[Stack]) -> list[Stack]:
    """Ids of series number and view, such as s06-4CH, with a number where that is not unique.

    Which of several gets which number depends on their geometry alone, not on the order of files or instances.
    """
    bases = [stack.id or _base(stack) for stack in stacks]
    used, ids, turns = set(bases), [""] * len(stacks), {}
    for i in sorted(range(len(stacks)), key=lambda i: _place(stacks[i])):
        if bases[i] not in turns:
            turns[bases[i]], ids[i] = count(2), bases[i]
        else:
            ids[i] = next(name for n in turns[bases[i]] if (name := f"{bases[i]}-{n}") not in used)
    return [replace(stack, id=stack_id) for stack, stack_id in zip(stacks, ids, strict=True)]


def _place(stack: Stack) -> tuple:
    first = stack.planes[0]
    numbers = np.round((*np.abs(first.normal), *stack.planes[stack.central].centre), 2)
    return stack.series_uid, tuple(numbers), first.shape, stack.phases


def _base(stack: Stack) -> str:
    number = re.sub(r"[^A-Za-z0-9]+", "", stack.series) or "00"
    return f"s{number.zfill(2)}-{re.sub(r'[^A-Za-z0-9]+', '-', stack.view)}"


def _overridden(stacks: Sequence[Stack], views: dict[str, str], anatomy: Anatomy) -> list[Stack]:
    ids, known = [stack.id for stack in stacks], [*(v.name for v in anatomy.views), *PATIENT_PLANES, OBLIQUE]
    for stack_id, view in views.items():
        if stack_id not in ids:
            raise PlaneSSLError(f"There is no stack '{stack_id}' to name {view}; there are: {', '.join(ids)}.")
        if view not in known:
            raise PlaneSSLError(f"There is no view '{view}' for stack {stack_id}; there are: {', '.join(known)}.")
    return [replace(s, naming=Naming(views[s.id], 1.0, ("given by the caller",))) if s.id in views else s
            for s in stacks]


def _counted(stack: Stack, recognised: Recognition, in_order: bool) -> Stack:
    """The stack with its slices in canonical order.

    in_order: the files come from a study.json, whose slices are in order already (base to apex, ...): that is trusted
    except for patient planes, whose order the file's axes tell.
    """
    if len(stack.planes) < 2 or (in_order and stack.view not in PATIENT_PLANES):
        return stack
    direction = counting_direction(
        stack.view, stack.planes[0].normal, recognised.anatomy, recognised.fit.turn, recognised.mirrored)
    if (stack.planes[-1].position - stack.planes[0].position) @ direction >= 0:
        return stack
    return replace(stack, planes=stack.planes[::-1], frames=stack.frames[::-1])


def _one_frame(stacks: Sequence[Stack]) -> tuple[list[Stack], list[str]]:
    """Stacks without a frame of reference of their own take the study's, where there is only one."""
    found = {stack.frame_of_reference for stack in stacks} - {""}
    if not found:
        told = any(stack.series_uid or stack.series for stack in stacks)  # volume files never have one
        return list(stacks), ["no stack has a frame of reference of its own: all are taken as in one"] * told
    blank = [stack.id for stack in stacks if not stack.frame_of_reference]
    notes = []
    if len(found) > 1:
        notes.append(f"{len(found)} frames of reference: stacks of different ones are not crossed by default")
    if blank:
        notes.append(f"no single frame of reference in {', '.join(blank)}: taken as one with "
                     + ("the others" if len(found) == 1 else "each other"))
        if len(found) == 1:
            stacks = [replace(stack, frame_of_reference=min(found)) for stack in stacks]
    return list(stacks), notes


def _labels(folder: Path, document: dict, stacks: Sequence[Stack]) -> tuple[list[LabelFile], list[Problem]]:
    """The label maps that study.json names for series of DICOM."""
    labels, problems = [], []
    entries = document.get("labels", [])
    for entry in entries if isinstance(entries, list) else [entries]:
        entry = entry if isinstance(entry, dict) else {}
        file, phase = inside(folder, entry.get("file")), entry.get("phase", 0)
        owner = next((s.id for s in stacks if s.series_uid and s.series_uid == entry.get("series")), None)
        if file is None or not isinstance(phase, int) or not file.is_file():
            problems.append(Problem(file or folder / "study.json", "study.json names labels that are not there"))
        elif owner is None:
            problems.append(Problem(file, "is a label map of a series that is not in this folder"))
        else:
            labels.append(LabelFile(file, owner, phase))
    return labels, problems
