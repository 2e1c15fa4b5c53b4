"""A run against the labels of a cohort."""
from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from .. import PlaneSSLError
from ..cohort import Cohort, PreparedStack, PreparedStudy, namings
from ..events import Report, notice, progress, silent
from ..training.run import Run
from ..training.subjects import SAME_NAMES, labelled_subjects
from .classifying import Classifier, evaluate_classes
from .cleaning import largest_pieces
from .metrics import agreement, bootstrap_interval
from .pretext import evaluate_pretext
from .segmenting import Segmenter
from .studies import as_learnt

Learnt = Mapping[str, Sequence[str]]  # view -> sequences, see `Run.learnt`
METRICS = ("dice", "hd95_mm", "assd_mm")


def evaluate(
    run_folder: Path, cohort_folder: Path, *, part: str | None = None, clean: bool = False, device: str = "auto",
    report: Report = silent,
) -> dict:
    """Measure a run on every study of a cohort that has what it takes, or on one part of the run's own split.

    Pretraining: see `evaluate_pretext`. Classification: see `evaluate_classes`. Segmentation: a patient's figure is the
    mean over the labelled stacks and phases of its studies, those of what the run has learnt or, where a study has none
    of these, of others, as `stacks_to_segment` takes them; mean, sd and interval are over patients; clean: keep the
    largest pieces of every structure first, as `segment` does where it is asked to.

    All have "trained_on": how many of the subjects the run was trained on, "selected_on": how many have chosen its
    weights, by validation, and "seen": how many it has learnt from without their labels; notices say so, too.
    trained_on and seen count trainings before this one. They are None where these were on a cohort with other
    pseudonyms: who is in both cannot be told.
    """
    run = Run.open(run_folder)
    cohort = Cohort(cohort_folder, run.only_sequences)
    run.plan.require_same(cohort.plan, f"The run {run_folder}", f"the cohort {cohort_folder}")
    names = cohort.pseudonyms if part is None else _part(run, cohort, part)
    if run.config["stage"] != "pretraining":
        labelled = set(labelled_subjects(cohort, run.config["task"]))
        names = [name for name in names if name in labelled]
        if not names:
            raise PlaneSSLError(f"There is no labelled study to evaluate on in {cohort_folder}.")
    split, seen, patients = run.split, run.seen, run.patients
    taught = run.taught or set(split.train)  # a pretraining trains on planes alone
    of_taught, validated, of_seen = (cohort.of_same_patients(of, patients) for of in (taught, split.validation, seen))
    counts = {kind: len(of.intersection(names)) for kind, of in (
        ("trained_on", of_taught), ("selected_on", validated - of_taught),
        ("seen", of_seen - of_taught - validated))}
    here = namings(cohort.pseudonyms)
    unknown = {kind: not namings(of) <= here for kind, of in (
        ("trained_on", taught), ("selected_on", split.validation), ("seen", seen))}
    if any(unknown.values()):
        notice(report, "The run has learnt from another cohort: whether some of its subjects are "
                       f"the same as these cannot be told. {SAME_NAMES}")
    if counts["trained_on"] and part != "train":
        notice(report, f"{counts['trained_on']} of these {len(names)} subjects were in the training set: figures on "
                       "them do not estimate performance on unseen patients.")
    if counts["selected_on"]:
        notice(report, f"The run's weights were chosen on {counts['selected_on']} of these {len(names)} subjects: "
                       "figures on them are optimistic.")
    if counts["seen"]:
        notice(report, f"The run has learnt from the images of {counts['seen']} of these {len(names)} subjects, "
                       "without their labels.")
    told = {kind: None if unknown[kind] else count for kind, count in counts.items()}
    return {**_measured(run, cohort, names, clean, device, report), **told}


def _part(run: Run, cohort: Cohort, part: str) -> list[str]:
    """The subjects of a cohort that are in a part of a run's split; PlaneSSLError if there is none."""
    sizes = {name: len(subjects) for name, subjects in run.split.as_json().items()}
    if part not in sizes:
        raise PlaneSSLError(f"A split has no part '{part}'; it has train, validation and test.")
    if not sizes[part]:
        raise PlaneSSLError(f"The split of the run {run.folder} has no {part} subjects: it has "
                            f"{', '.join(f'{count} {name}' for name, count in sizes.items() if count)}.")
    names = [name for name in getattr(run.split, part) if name in cohort.studies]
    if not names:
        raise PlaneSSLError(f"The cohort {cohort.folder} holds none of the run's {part} subjects: a split is of the "
                            "cohort that the run was trained on. Without --split, all of a cohort is measured.")
    return names


def _measured(run: Run, cohort: Cohort, names: Sequence[str], clean: bool, device: str,
              report: Report) -> dict:
    if clean and run.config["task"] != "segmentation":
        raise PlaneSSLError(f"--clean is for runs that segment, and {run.folder} does not.")
    if run.config["stage"] == "pretraining":
        return evaluate_pretext(run, cohort, names, device, report)
    if run.config["task"] == "classification":
        return evaluate_classes(Classifier(run, device, report=report), cohort, names)
    patients = cohort.by_patient(names)
    segmenter = Segmenter(run, device, report=report)
    measured, learnt = [], run.learnt
    taken = {study: _taken(learnt, study) for study in (cohort.studies[name] for name in names)}
    _tell_of_stacks(learnt, taken, report)
    for i, studies in enumerate(patients, start=1):
        stacks = [(study, stack) for study in (cohort.studies[name] for name in studies) for stack in taken[study][0]]
        measured.append(_measure(segmenter, stacks, clean))
        progress(report, "evaluate", i, len(patients))
    return _table(measured, [name for _, name in run.plan.labels])


def _taken(learnt: Learnt, study: PreparedStudy) -> tuple[list[PreparedStack], list[PreparedStack]]:
    """The outlined stacks of a study that a run is measured on, as `stacks_to_segment` takes them, and those of them
    that are like what it has learnt; all of a study that has none of the run's views.
    """
    outlined = [stack for stack in study.stacks if stack.labelled]
    _, alike, taken = as_learnt([stack for stack in outlined if stack.view in learnt] or outlined, learnt)
    return taken, alike


def _tell_of_stacks(learnt: Learnt, taken: Mapping[PreparedStudy, tuple[list[PreparedStack], list[PreparedStack]]],
                    report: Report) -> None:
    """Notices of outlined stacks that are not measured, or are though the run has not learnt them."""
    left = [stack for study, (measured, _) in taken.items() for stack in study.stacks
            if stack.labelled and stack not in measured]
    strange = [stack for measured, alike in taken.values() for stack in measured
               if stack not in alike and (stack.sequence or stack.view not in learnt)]
    known = _kinds((view, name) for view, sequences in learnt.items() for name in sequences or [""])
    for stacks, text in ((left, f"Not measured, since the run has learnt {known}"), (
            strange, f"The run has learnt {known}, and is measured on others where a study has no such outlines")):
        if stacks:
            kinds = _kinds((one.view, one.sequence) for one in stacks)
            notice(report, f"{text}: {kinds} (outlined stacks: {len(stacks)}).")


def _kinds(several: Iterable[tuple[str, str]]) -> str:
    """What views and their sequences are called, each once."""
    return ", ".join(f"{view} of {name}" if name else view for view, name in sorted(set(several)))


def _measure(segmenter: Segmenter, stacks: Sequence[tuple[PreparedStudy, PreparedStack]],
             clean: bool) -> dict[str, list[dict[str, float]]]:
    found: dict[str, list[dict[str, float]]] = {name: [] for _, name in segmenter.plan.labels}
    for study, stack in stacks:
        labels = dict(zip(stack.labelled, segmenter.segment(
            [study.image(stack, i, k) for i, k in stack.labelled], [stack.planes[i] for i, _ in stack.labelled],
            stack.view,
        ), strict=True))
        for phase in sorted({k for _, k in stack.labelled}):
            slices = [i for i, k in stack.labelled if k == phase]
            predicted = np.stack([labels[i, phase] for i in slices])
            predicted = largest_pieces(predicted, segmenter.anatomy.labels) if clean else predicted
            reference = np.stack([study.labels(stack, i, phase) for i in slices])
            spacing = (stack.step_mm or 1.0, *stack.planes[0].spacing)
            for value, name in segmenter.plan.labels:
                found[name].append(agreement(predicted == value, reference == value, spacing))
    return found


def _table(measured: list[dict[str, list[dict[str, float]]]], names: list[str]) -> dict:
    structures = {}
    per_subject = []
    for name in names:
        frames = [[f for f in study[name] if not np.isnan(f["dice"])] for study in measured]
        frames = [study for study in frames if study]
        if not frames:
            continue
        row: dict = {}
        for metric in METRICS:
            values = np.array([np.mean([f[metric] for f in study]) for study in frames])
            row[metric] = {"mean": float(values.mean()), "sd": float(values.std(ddof=1)) if len(values) > 1 else 0.0,
                           "interval": bootstrap_interval(values)}
        row["missing"] = sum(int(f["missing"]) for study in frames for f in study)
        structures[name] = row
    for study in measured:
        dice = [np.nanmean([f["dice"] for f in study[name]]) for name in names
                if any(not np.isnan(f["dice"]) for f in study[name])]
        per_subject.append(float(np.mean(dice)) if dice else None)
    dice = [d for d in per_subject if d is not None]
    return {"subjects": len(measured), "structures": structures, "mean_dice": float(np.mean(dice)) if dice else None,
            "per_subject": per_subject}
