"""A folder becomes a Study."""
from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from .. import PlaneSSLError
from ..anatomy import Anatomy
from .dicom import NO_IMAGE
from .dicom_segmentations import is_segmentation, segmentation_labels
from .document import NAME, Document, label_files, read_document, unclaimed
from .filenames import IMAGE_FOLDERS, is_label, patient_of, stem
from .grouping import group, without_copies
from .identity import with_ids
from .images import Image, Series
from .irregularities import irregularities
from .layouts import Volumes, case_of, cases, loose_volumes, named_views, one_case
from .localizers import are_localizers
from .meanings import taken_by_value
from .model import LabelFile, Naming, Problem, Stack, Study
from .recognition import Recognition, recognise
from .scanning import files_below, scan
from .sequences import with_sequences
from .sides import side_notes, sided
from .views import OBLIQUE, PATIENT_PLANES, counting_direction
from .volumes import ENDINGS


UNTELLING = {"anat", "data", "dcm", "dicom", "func", "nifti", "study", *IMAGE_FOLDERS}  # every patient has them


def read_study(folder: str | os.PathLike, anatomy: str | Anatomy | None = None, views: dict[str, str] | None = None,
               workers: int = 1, likely: Anatomy | None = None) -> Study:
    """Read a study: a folder of DICOM, or of NIfTI with or without study.json; or a lone volume file.

    anatomy: one, its name or its file; else the one that study.json names, else the one that fits best; of those that
    fit about as well likely, if it is one. views: stack id -> view, for those that the caller knows better; ids do not
    change by it. workers: processes that read headers (they are only started for many files). PlaneSSLError if there is
    no image that can be read: it names the path and the reason.
    """
    folder = Path(folder)
    document = read_document(folder) if folder.is_dir() else Document()
    images, volumes, problems, mixed = _contents(folder, document, workers)
    images, copies = without_copies(images)
    stacks = [*group(images), *volumes.stacks]
    problems = [*document.problems, *problems, *copies, *volumes.problems]
    if not stacks:
        raise PlaneSSLError(_nothing(folder, problems))

    headers = {image.series for image in images}
    stacks, side_source = sided(stacks, document.side, " | ".join({series.study_description for series in headers}))
    sides = Counter(stack.side for stack in stacks).most_common(1)
    recognised = recognise(stacks, _text(headers), " ".join(sorted({series.body_part for series in headers})),
                           sides[0][0], anatomy or document.anatomy, likely)
    chosen = recognised.anatomy
    if not chosen.sided:
        stacks = [replace(stack, side="") for stack in stacks]
    stacks = with_ids([stack if stack.view else replace(stack, naming=naming)
                       for stack, naming in zip(stacks, recognised.fit.namings, strict=True)])
    stacks, strange = _known_views(folder, stacks, chosen)
    stacks, wrong = _corrected(folder, stacks, document.corrected, chosen)
    stacks = _overridden(stacks, views or {}, chosen)
    stacks = [_counted(stack, recognised, in_order=document.views is not None) for stack in stacks]
    sequences, unknown = _possible(folder, document.sequences, stacks, "says that {!r} is of the sequence {}",
                                   "sequences", [one.name for one in chosen.sequences])
    stacks = with_sequences(stacks, chosen, sequences)
    localizers = are_localizers(stacks, chosen)
    stacks = [replace(stack, localizer=localizer, notes=(*stack.notes, *irregularities(stack)))
              for stack, localizer in zip(stacks, localizers, strict=True)]
    stacks, frame_notes = _one_frame(stacks)
    named, label_problems = label_files(folder, document, stacks)
    # Those that lie beside images are of the phases that study.json says, where it says any.
    labels = (*(label for label in volumes.labels if label.file not in {one.file for one in named}), *named)
    no_images = {problem for problem in problems if problem.reason == NO_IMAGE.format("SEG")}
    outlined, untaken = _outlined(folder, {problem.file for problem in no_images}, labels, stacks, chosen)
    labels = tuple(replace(label, names=document.label_values) for label in (*labels, *outlined))
    settled = {label.file for label in labels} | {problem.file for problem in untaken}
    problems = {*problems} - {problem for problem in no_images if problem.file in settled}
    problems |= {*strange, *wrong, *unknown, *label_problems, *untaken, *_strange_classes(folder, document, chosen),
                 *taken_by_value(labels, chosen)}
    problems |= set(unclaimed(folder, labels, problems))
    subjects = len({series.subject for series in headers} - {""})
    if subjects > 1 and not document.subject:  # a study.json may say that several identifiers are one subject's
        mixed = f"{subjects} subjects"
    uids = [uid for uid, _ in Counter(image.series.study_uid for image in images).most_common() if uid]
    studies = len(uids)
    if studies > 1 and not subjects and not document.subject:  # nothing says that they are one patient's
        mixed = f"{studies} studies without a patient's identifier"
    subject = document.subject or _subject(folder, images)
    identifier = next((series.subject for series in headers if series.subject), "") if subjects == 1 else ""
    return Study(
        folder=folder, subject=subject, patient=document.patient or subject, identifier=identifier,
        uids=tuple(uids) if identifier or document.subject else (),  # folders of one name are no patient
        anatomy=chosen.name, stacks=tuple(stacks),
        problems=tuple(sorted(problems, key=lambda problem: (str(problem.file), problem.reason))),
        notes=(*_several(headers, mixed), *recognised.notes, *frame_notes, *side_notes(stacks, chosen, side_source)),
        labels=labels, classes=document.classes, mixed=mixed)


def read_patient(folder: str | os.PathLike, anatomy: str | Anatomy | None = None, views: dict[str, str] | None = None,
                 workers: int = 1, likely: Anatomy | None = None) -> Study:
    """`read_study`, for what makes sense of one patient's study only: PlaneSSLError where the folder holds several."""
    study = read_study(folder, anatomy, views, workers, likely)
    if study.mixed:
        raise PlaneSSLError(f"{folder} holds images of {study.mixed}, and this is done for one patient at a time: name "
                            "the folder of one, or put those of each into a folder of their own. Where they are of "
                            'one, a study.json with "views" says so (of DICOM, with "subject"); a data set of cases in '
                            "several phases is read from folders imagesTr and labelsTr.")
    return study


def would_be_read(study: Study, file: Path) -> bool:
    """Would a file of this name be taken for one of the study's images when it is read again?"""
    where, name = study.folder, file.name.lower()
    if not where.is_dir() or not file.resolve().is_relative_to(where.resolve()) or not name.endswith(ENDINGS):
        return False
    of_volumes = all(frame.source.file.name.lower().endswith(ENDINGS)
                     for stack in study.stacks for frame in stack.every_frame)
    return of_volumes and not is_label(file) and read_document(where).views is None


def _contents(folder: Path, document: Document, workers: int) -> tuple[list[Image], Volumes, list[Problem], str]:
    """Images, volumes, problems, and what of several studies these are, as far as files and folders tell."""
    if folder.is_file():
        if folder.name.lower().endswith(ENDINGS):
            return [], one_case(folder), [], ""
        images, _, problems = scan([folder])
        return images, Volumes(), problems, ""
    if not folder.is_dir():
        raise PlaneSSLError(f"There is no file or folder {folder}.")
    if document.views is not None:
        return [], named_views(folder, document.views, document.frames_of_reference), [], ""
    files, unreadable = files_below(folder)
    mixed = _several_studies(folder, files)
    images, volume_files, bad = scan(files, workers)
    if not images:
        volumes = loose_volumes(volume_files)
        return [], volumes, [*unreadable, *bad], mixed or volumes.mixed
    beside = [Problem(file, "lies beside DICOM images and is not read as one; study.json can name it as labels")
              for file in volume_files]
    return images, Volumes(), [*unreadable, *bad, *beside], mixed


def _outlined(
    folder: Path, no_images: Collection[Path], labels: Sequence[LabelFile], stacks: Sequence[Stack], anatomy: Anatomy,
) -> tuple[list[LabelFile], list[Problem]]:
    """What DICOM Segmentation objects, among what is no image or beside label maps, outline in phases that have no
    labels yet; and why the others are not taken.
    """
    segs = {*no_images, *(file for file in (folder / "labels").glob("[!.]*") if is_segmentation(file))}
    segs -= {label.file for label in labels}
    outlined, untaken = segmentation_labels(sorted(segs), stacks, anatomy) if anatomy.labels else ([], [])
    have = {(label.stack, label.phase) for label in labels}
    spare = [label for label in outlined if (label.stack, label.phase) in have]
    return [label for label in outlined if label not in spare], [*untaken, *(
        Problem(label.file, f"outlines in {label.stack} what has a label map, which is taken") for label in spare)]


def _several_studies(folder: Path, files: Sequence[Path]) -> str:
    own = {file.parent for file in files if file.name == NAME}
    loose = any(own.isdisjoint(file.parents) and file.name.lower().endswith(ENDINGS) for file in files)
    if folder not in own and len(own) + loose > 1:
        return f"{len(own) + loose} studies, {'some' if loose else 'each'} with a {NAME} of its own"
    count = len(cases(folder))
    return f"{count} cases" if count > 1 else ""


def _nothing(folder: Path, problems: Sequence[Problem]) -> str:
    if not problems:
        return f"{folder} holds no image: no DICOM, NIfTI, NRRD or MetaImage file."
    if all(problem.reason == NO_IMAGE.format("SEG") for problem in problems):
        return f"{folder} holds DICOM SEG and no image: put it below the folder of the images that it outlines."
    first = problems[0]
    more = f" (and {len(problems) - 1} more files like it)" if len(problems) > 1 else ""
    return f"{folder} holds no image that can be read: {first.file.name} {first.reason}{more}."


def _text(headers: Iterable[Series]) -> str:
    texts = {text for series in headers for text in (
        series.description, series.protocol, series.study_description, series.image_type.replace("\\", " "))}
    return " | ".join(sorted(texts))


def _subject(folder: Path, images: Sequence[Image]) -> str:
    found = next((image.series.subject for image in images if image.series.subject), "")
    if found or folder.is_file():
        return found or patient_of(case_of(folder) if cases(folder.parent) else stem(folder))
    folder = folder.resolve()
    while folder.name.lower() in UNTELLING or re.match(r"ses(sion)?[-_]", folder.name.lower()):  # of BIDS, say
        folder = folder.parent
    return folder.name


def _several(headers: Iterable[Series], mixed: str) -> list[str]:
    studies, subjects = ({getattr(series, name) for series in headers} - {""} for name in ("study_uid", "subject"))
    found = [mixed, *(f"{len(values)} {what}" for what, values in (("studies", studies), ("subjects", subjects))
                      if len(values) > 1)]
    return [f"the folder holds images of {several}, read as one" for several in dict.fromkeys(filter(None, found))]


def _views_of(anatomy: Anatomy) -> list[str]:
    return list(dict.fromkeys((*(view.name for view in anatomy.views), *PATIENT_PLANES, OBLIQUE)))


def _known_views(folder: Path, stacks: Sequence[Stack], anatomy: Anatomy) -> tuple[list[Stack], list[Problem]]:
    """A view that study.json names and the anatomy does not have is kept, without confidence, and is a problem."""
    known = _views_of(anatomy)
    spelt = {view.lower(): view for view in known}
    stacks = [replace(stack, naming=replace(stack.naming, view=spelt.get(stack.view.lower(), stack.view)))
              for stack in stacks]
    strange = list(dict.fromkeys(stack.view for stack in stacks if stack.view not in known))
    problems = [Problem(folder / NAME, f"names the view {view}, which the anatomy '{anatomy.name}' does not have; "
                                       f"there are: {', '.join(known)}") for view in strange]
    return [replace(stack, naming=replace(stack.naming, confidence=0.0)) if stack.view in strange else stack
            for stack in stacks], problems


def _strange_classes(folder: Path, document: Document, anatomy: Anatomy) -> list[Problem]:
    return [Problem(folder / NAME, f"names the class {name}, which the anatomy '{anatomy.name}' does not have; there "
                                   f"are: {', '.join(anatomy.classes) or 'none'}")
            for name in document.classes if name not in anatomy.classes]


def _corrected(folder: Path, stacks: Sequence[Stack], views: Mapping[str, str],
               anatomy: Anatomy) -> tuple[list[Stack], list[Problem]]:
    """What study.json corrects; a stack or a view that there is not is a problem."""
    right, problems = _possible(folder, views, stacks, "corrects {!r} to the view {}", "views", _views_of(anatomy))
    return _given(stacks, right, NAME), problems


def _possible(folder: Path, said: Mapping[str, str], stacks: Sequence[Stack], sentence: str, what: str,
              known: Sequence[str]) -> tuple[dict[str, str], list[Problem]]:
    """Of what study.json says of stacks by their ids, what can be; the rest, of no stack or not known, are problems.

    sentence: how it says that of a stack; what: is known.
    """
    ids = [stack.id for stack in stacks]
    right = {name: value for name, value in said.items() if name in ids and value in known}
    return right, [Problem(folder / NAME, f"{sentence.format(name, value)}; there are the stacks {', '.join(ids)} and "
                                          f"the {what} {', '.join(known) or '(none)'}")
                   for name, value in said.items() if name not in right]


def _given(stacks: Sequence[Stack], views: Mapping[str, str], who: str) -> list[Stack]:
    return [replace(stack, naming=Naming(views[stack.id], 1.0, (f"given by {who}",), given=True))
            if stack.id in views else stack for stack in stacks]


def _overridden(stacks: Sequence[Stack], views: dict[str, str], anatomy: Anatomy) -> list[Stack]:
    ids, known = [stack.id for stack in stacks], _views_of(anatomy)
    for stack_id, view in views.items():
        if stack_id not in ids:
            raise PlaneSSLError(f"There is no stack '{stack_id}' to name {view}; there are: {', '.join(ids)}.")
        if view not in known:
            raise PlaneSSLError(f"There is no view '{view}' for stack {stack_id}; there are: {', '.join(known)}.")
    return _given(stacks, views, "the caller")


def _counted(stack: Stack, recognised: Recognition, in_order: bool) -> Stack:
    """The stack with its slices in canonical order.

    in_order: the files come from a study.json, whose slices are in order already (base to apex, ...): that is trusted
    except for patient planes, whose order the file's axes tell. A header that says otherwise gives a note.
    """
    if len(stack.planes) < 2:
        return stack
    normal = stack.planes[0].normal
    direction = counting_direction(
        stack.view, normal, recognised.anatomy, recognised.fit.turn, recognised.anatomy.mirrors(stack.side))
    if (stack.planes[-1].position - stack.planes[0].position) @ direction >= 0:
        return stack
    if in_order and stack.view not in PATIENT_PLANES:
        view = recognised.anatomy.view(stack.view)
        told = ("study.json gives the slices in canonical order (base to apex, ...); by its header the file has them "
                "the other way round: look whether they are")
        return replace(stack, notes=(*stack.notes, told)) if view and view.lies_as_usual(normal) else stack
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
