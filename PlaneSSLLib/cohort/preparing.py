"""Studies -> a cohort: restartable, parallel, and a broken study never stops the others."""
from __future__ import annotations

import secrets
import shutil
import traceback
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import as_completed
from dataclasses import replace
from pathlib import Path

import numpy as np

from .. import PlaneSSLError, anatomy, study
from ..anatomy.wording import says
from ..events import Report, progress, silent
from ..files import beginning_folder, read_json, replacing_folder, write_json, write_text
from ..geometry import Plane
from ..pools import processes
from ..study.document import Document, read_document
from ..study.filenames import patient_of, stem, without_visit
from ..study.recognition import FALLBACK
from .classes import settled, table_notes
from .plan import Plan, scaled_phase
from .sameness import NAME_THEM, is_same, marks_of, name_in, of_one_patient, one_each, under_two_names
from .store import Cohort, namings, pseudonym
from .upright import upright_slices
from .whose import by_folders

MOST_BEYOND = 0.02  # of what is outlined: more beyond the working grid is told
FEWEST_VALUES = 16  # of an image; label maps hold fewer, and a network trained on one learns the answers by heart


def prepare(
    folders: Iterable[Path], anatomy_name: str, out: Path, *, jobs: int = 1, shard: tuple[int, int] = (0, 1),
    classes: dict[str, dict[str, int]] | None = None, unnamed: str | None = None,
    label_values: Mapping[int, str] | None = None, names_of: Path | None = None, report: Report = silent,
) -> dict:
    """Read every study below the folders into the cohort `out`, leaving alone those already there.

    Of these, labels and classes that have come or changed since are taken over. shard (i, n) takes every n-th study
    from the i-th on, so that n machines can fill one cohort. classes: per subject, the classes it belongs to. unnamed:
    the view of volume files in studies in which neither headers nor names tell any of the anatomy's, as where headers
    are made up. label_values: what the values in label maps stand for, where they are numbered otherwise than the
    anatomy's; a study.json that says so itself is believed. What was said so once is remembered. names_of: a cohort
    whose pseudonyms its subjects are to have here, too, so that who is in both is known.

    Returns {"studies", "prepared", "labelled", "classified", "left_out": [{"study", "reason"}], "notes"}; a study is
    left out that holds several patients, or says that it is of another anatomy, and all but one of a subject's studies
    if neither DICOM nor study.json tells them apart.
    """
    chosen = anatomy.load(anatomy_name)
    if unnamed is not None and chosen.view(unnamed) is None:
        raise PlaneSSLError(f"The anatomy '{chosen.name}' has no view '{unnamed}'; it has "
                            f"{', '.join(view.name for view in chosen.views)}.")
    new = not (out / "plan.json").is_file()
    below = {folder: study.find_studies(folder, damaged=True) for folder in folders}
    found = [path for paths in below.values() for path in paths]
    if not found:
        beside = [told for folder in below for told in study.not_looked_into(folder)]
        raise PlaneSSLError(f"No study was found below {', '.join(map(str, below))}"
                            f"{''.join(f'; {told}' for told in beside)}.")
    plan, salt = _open(out, chosen, names_of)
    nothing = [f"{folder}: holds no image, and nothing was taken from it" for folder, paths in below.items()
               if not paths and shard[0] == 0]
    mine = found[shard[0]::shard[1]]
    whose = {path: who for folder, paths in below.items() for path, who in by_folders(folder, paths).items()}
    work = [(path, whose[path], chosen, plan, salt, out, classes or {}, unnamed, label_values) for path in mine]

    outcomes: list[dict] = []
    for outcome in _run(work, jobs):
        outcomes.append(outcome)
        progress(report, "prepare", len(outcomes), len(work))
    taken, twice = one_each(out, [outcome for outcome in outcomes if "pseudonym" in outcome])
    if classes and shard == (0, 1):
        nothing += table_notes(classes, [outcome["subject"] for outcome in taken],
                               [outcome["subject"] for outcome in taken if not outcome["classified"]])
    if unnamed := sum(not outcome["named"] for outcome in taken):
        nothing.append(f"{unnamed} of {len(taken)} studies have no view of the anatomy '{chosen.name}' "
                       f"({', '.join(view.name for view in chosen.views)}), as it seems: look whether they are of it, "
                       "and name their views, in study.json or all alike by --unnamed")
    if shard[0] == 0:
        nothing += [f"{folder}: {told}" for folder in below for told in study.not_looked_into(folder)]
    if taken and shard == (0, 1) and not any(outcome["labelled"] for outcome in taken):
        left = [Path(outcome["study"]) for outcome in outcomes if "reason" in outcome]
        idle = [labels for folder in below if folder.is_dir() for labels in study.label_folders(folder)
                if not any(labels.is_relative_to(path) for path in left)]
        if idle:
            nothing.append(f"label maps belong to no study (folders: {len(idle)}, {idle[0]} first): one is found by "
                           "the name of its image, beside that or in a folder beside the images', or where a "
                           "study.json names it")
    if unsided := sum(outcome["unsided"] for outcome in taken):
        nothing.append(f"the side of {unsided} of {len(taken)} studies is unknown, and they are taken as of a left "
                       f'{chosen.title.lower()}: a study.json can say it ("side": "right")')
    if new and not taken and shard == (0, 1):
        shutil.rmtree(out)  # it was begun for nothing
    elif taken:
        cohort = Cohort(out)
        write_json(out / "order.json", cohort.pseudonyms)
        nothing += [*under_two_names(cohort), *of_one_patient(cohort)]
    return {
        "studies": len(work), "prepared": len(taken), "labelled": sum(outcome["labelled"] for outcome in taken),
        "classified": sum(outcome["classified"] for outcome in taken),
        "left_out": sorted(({"study": o["study"], "reason": o["reason"]} for o in [*outcomes, *twice] if "reason" in o),
                           key=lambda o: o["study"]),
        "notes": [*nothing, *sorted(note for outcome in taken for note in outcome["notes"])],
    }


def _open(out: Path, chosen: anatomy.Anatomy, names_of: Path | None) -> tuple[Plan, str]:
    """Start the cohort, or check that the one that is there was made with the same plan, and its pseudonyms."""
    same = None if names_of is None else _salt(names_of)
    plan, page = Plan.of(chosen), chosen.file.read_text(encoding="utf-8")
    if not (out / "plan.json").is_file():
        if out.exists() and any(out.iterdir()):
            raise PlaneSSLError(f"{out} is not empty and is no cohort; choose another folder.")
        with beginning_folder(out) as side:  # the shards of an array job start together
            (side / "private").mkdir(mode=0o700)
            write_json(side / "private" / "salt.json", same or secrets.token_hex(16))
            write_text(side / "anatomy.toml", page)
            write_json(side / "plan.json", plan.as_json())
    Plan.read(out / "plan.json").require_same(plan, f"The cohort {out}", f"the anatomy '{chosen.name}'")
    write_text(out / "anatomy.toml", page)  # it may say more than when the cohort was begun
    if same not in (None, salt := _salt(out)):
        raise PlaneSSLError(f"The cohort {out} has other pseudonyms than {names_of}, which cannot be changed: make it "
                            "anew, in another folder.")
    return plan, salt


def _salt(cohort: Path) -> str:
    """What a cohort's pseudonyms are made with."""
    file = cohort / "private" / "salt.json"
    if not file.is_file():
        raise PlaneSSLError(f"{cohort} has no {file.relative_to(cohort)}: it is no cohort, or one that was passed on "
                            "without the names behind its pseudonyms.")
    salt = read_json(file)
    made = [path.name for path in (cohort / "studies").glob("[!.]*")]
    if made and namings(made) != namings([pseudonym(salt)]):
        raise PlaneSSLError(f"The cohort {cohort} was made by an earlier version, which called its studies otherwise: "
                            "prepare it anew, in another folder.")
    return salt


def _run(work: list[tuple], jobs: int) -> Iterable[dict]:
    if jobs <= 1 or len(work) == 1:
        yield from map(_prepare_one, work)
        return
    of_one = defaultdict(list)
    for item in work:  # one after the other, so that of several files of a subject it is always the first that is taken
        path = item[0]
        of_one[(path.parent, patient_of(stem(path))) if path.is_file() else path].append(item)
    with processes(jobs) as pool:
        for done in as_completed([pool.submit(_prepare_all, items) for items in of_one.values()]):
            yield from done.result()


def _prepare_all(items: list[tuple]) -> list[dict]:
    return list(map(_prepare_one, items))


def _prepare_one(item: tuple) -> dict:
    """One study into the cohort; what is wrong with it comes back as a reason, never as an exception."""
    path, (subject, patient), chosen, plan, salt, out, classes, unnamed, label_values = item
    try:
        own = _require_fit(path, chosen)
        read = study.read_patient(path, anatomy=chosen)
        if not read.identifier and not own.subject:  # else somebody has said whose it is
            patient = own.patient or patient or without_visit(read.subject)
            read = replace(read, subject=subject or read.subject, patient=patient)
        marks = marks_of(read, salt)
        name = name_in(out, read, salt, marks)
        folder = out / "studies" / name
        document = read_json(folder / "study.json") if (folder / "study.json").is_file() else None
        unnamed = unnamed or (document or {}).get("unnamed")
        label_values = label_values or {int(value): name for value, name in (document or {}).get("label_values", ())}
        as_read = read
        if unnamed and not any(chosen.view(stack.view) or stack.series_uid for stack in read.stacks):
            named = study.read_patient(path, anatomy=chosen, views=dict(_unnamed(read.stacks, chosen, unnamed)))
            read = replace(named, subject=read.subject, patient=read.patient)
        if label_values:
            read = replace(read, labels=tuple(
                label if label.names else replace(label, names=label_values) for label in read.labels))
        if read is not as_read:
            marks = marks_of(read, salt)
        notes: list[str] = []
        write_json(out / "private" / f"{name}.json", read.subject)
        if document is not None and not is_same(document, marks):
            return {"study": str(path), "reason": (
                f"The cohort has other series of the very same study ({name}), by its identifier: put all of them into "
                "one folder, so that their planes are crossed, and delete that study in the cohort." if read.uids else
                f"The cohort has another study of the same subject ({name}). {NAME_THEM} If its images were replaced, "
                "delete that study in the cohort.")}
        said, doubtful = settled(read.classes, classes.get(read.subject, {}), document or {}, chosen.classes)
        said["patient"] = pseudonym(salt, read.patient)
        notes += [f"study {name}: {text}" for text in doubtful]
        changed = document is not None and document["content"] != marks["content"]
        if document is None or changed or document["unreadable"]:  # what could not be decoded then, may be now
            notes += [f"study {name}: its files have changed, and it was prepared again"] * changed
            of_it = {"pseudonym": name, **marks, **said, "unnamed": unnamed, "label_values": [*label_values.items()]}
            document, about = _write(read, chosen, plan, folder, of_it)
            notes += about
            write_json(out / "private" / f"{name}-folder.json", str(path.resolve()))
        elif not said.items() <= document.items():
            document |= said
            write_json(folder / "study.json", document)
        return {"study": str(path), "subject": read.subject, "pseudonym": name, "uids": read.uids,
                "folder": str(path.resolve()), "notes": [*notes, *study.problem_sentences(read)],
                "labelled": document["sizes"]["labels"] > 0, "classified": bool(document["classes"]),
                "unsided": chosen.sided and not any(stack.side for stack in read.stacks),
                "named": bool({stack.view for stack in read.stacks} & {view.name for view in chosen.views})}
    except (PlaneSSLError, OSError) as error:  # the latter of its own files: what the cohort's refuse is the former
        return {"study": str(path), "reason": str(error)}
    except Exception as error:  # one study that nobody has foreseen must not end the work on a thousand others
        last = traceback.extract_tb(error.__traceback__)[-1]  # not the error's own words: they may hold a name
        where = f"{type(error).__name__} in {Path(last.filename).name}, line {last.lineno}"
        return {"study": str(path), "reason": f"It cannot be prepared, for a reason that nobody has foreseen: {where}."}


def _unnamed(stacks: Iterable[study.Stack], chosen: anatomy.Anatomy, unnamed: str) -> Iterator[tuple[str, str]]:
    """The views of stacks of made-up headers by their ids: those that names tell, and of the others this one."""
    for stack in stacks:
        said = [view.name for view in chosen.views if says(view.words, stack.description)]
        if len(said) < 2:  # of a file that names several, nobody knows which slice shows which
            yield stack.id, said[0] if said else unnamed


def _require_fit(path: Path, chosen: anatomy.Anatomy) -> Document:
    """What a study says of itself; PlaneSSLError where that is of another anatomy, or cannot be read.

    The generic anatomy takes all.
    """
    document = read_document(path)
    if not document.readable:
        raise PlaneSSLError(f"{document.problems[0].reason} Whose study it is, and of what, is not guessed.")
    said = document.anatomy
    if said is not None and Path(said).stem != chosen.name and chosen.name != FALLBACK:
        raise PlaneSSLError(f"Its study.json says that its anatomy is '{said}', and the cohort's is '{chosen.name}'.")
    return document


def _write(read: study.Study, chosen: anatomy.Anatomy, plan: Plan, folder: Path, about: dict) -> tuple[dict, list[str]]:
    """Pixels, labels and study.json of a study, with what else is to be known about it; returns that, and notes."""
    frames_of_reference: list[str] = []
    pixels: list[np.ndarray] = []
    labels: list[np.ndarray] = []
    sizes = {"pixels": 0, "labels": 0}
    stacks, notes, reasons = [], [], []
    outlined, within = 0, 0
    for stack in read.stacks:
        slices = upright_slices(stack, chosen, plan)
        try:
            images = [scaled_phase(stack, phase, plan) for phase in range(stack.phases)]
        except PlaneSSLError as error:  # one of many must not cost the study
            reasons.append(str(error))
            notes.append(f"study {about['pseudonym']}: the stack {stack.id} is left out: {error}")
            continue
        if all(np.unique(image).size < FEWEST_VALUES for image in images[0].values()):
            notes.append(f"study {about['pseudonym']}: the stack {stack.id} holds but a few different values, as a "
                         "label map does, and is left out")
            continue
        if stack.frame_of_reference not in frames_of_reference:
            frames_of_reference.append(stack.frame_of_reference)
        of_stack = [label for label in read.labels if label.stack == stack.id] if chosen.labels else []
        try:
            maps = study.read_all_labels(of_stack, stack, chosen)
        except PlaneSSLError as error:
            if not all(study.is_segmentation(label.file) for label in of_stack):
                raise
            notes.append(f"study {about['pseudonym']}: {error} {stack.id} is prepared without labels.")
            maps = {}
        said = any(label.names for label in of_stack)
        if said and (odd := study.odd_arrangement(np.array(list(maps.values())), chosen)):
            notes.append(f"study {about['pseudonym']}: in the label maps of {stack.id} {odd}: look whether what was "
                         "said of their values is so")
        pixels_at: list[list[int]] = []
        labels_at: list[list[int]] = []
        for i, frames in enumerate(stack.frames):
            pixels_at.append([])
            labels_at.append([])
            for k, frame in enumerate(frames):
                if frame is None:
                    pixels_at[i].append(-1)
                    labels_at[i].append(-1)
                    continue
                image = images[k][i]
                pixels_at[i].append(sizes["pixels"])
                pixels.append(slices[i].turn(image).astype(np.float16).ravel())
                sizes["pixels"] += image.size
                labels_at[i].append(sizes["labels"] if k in maps else -1)
                if k in maps:
                    turned = slices[i].turn(maps[k][i])
                    labels.append(turned.ravel())
                    sizes["labels"] += image.size
                    outlined += np.count_nonzero(turned)
                    within += np.count_nonzero(turned[_on_grid(slices[i].plane, plan)])
        stacks.append({
            "id": f"{len(stacks) + 1:02}-{stack.view}", "view": stack.view, "localizer": stack.localizer,
            "sequence": stack.sequence, "side": stack.side,
            "frame_of_reference": frames_of_reference.index(stack.frame_of_reference),
            "planes": [one.plane.as_json() for one in slices], "pixels_at": pixels_at, "labels_at": labels_at})
    if not stacks:
        raise PlaneSSLError(next(iter(reasons), "Its images hold but a few different values each, as label maps do."))
    missing = [label for value, label in plan.labels if not any((array == value).any() for array in labels)]
    if labels and missing:
        notes.append(f"study {about['pseudonym']}: no pixel is labelled {', '.join(missing)}")
    if (beyond := outlined - within) > MOST_BEYOND * outlined:
        height, width = np.multiply(plan.size, plan.spacing)
        notes.append(f"study {about['pseudonym']}: {beyond / outlined:.0%} of what is outlined lies beyond the working "
                     f"grid ({height:.0f} x {width:.0f} mm about an image's middle), and is hardly learnt from")
    document = {**about, "sizes": sizes, "stacks": stacks, "unreadable": len(reasons)}
    with replacing_folder(folder) as side:
        np.save(side / "pixels.npy", np.concatenate(pixels))
        if labels:
            np.save(side / "labels.npy", np.concatenate(labels))
        write_json(side / "study.json", document, indent=None)
    return document, notes


def _on_grid(plane: Plane, plan: Plan) -> tuple[slice, ...]:
    """The rows and columns of an image whose pixels lie within the working grid that is centred on it."""
    middle = (np.array(plane.shape) - 1) / 2
    reach = np.multiply(plan.size, plan.spacing) / 2 / plane.spacing
    low, high = np.maximum(np.ceil(middle - reach), 0).astype(int), np.floor(middle + reach).astype(int) + 1
    return tuple(map(slice, low, high))
