"""Who is trained on, and what a run that is taken over knows of those who are not."""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from .. import PlaneSSLError
from ..cohort import Cohort, Split, draw_split, namings
from ..events import Report, notice
from .run import Run

SAME_NAMES = "It can where one cohort is prepared with the pseudonyms of the other (--names-of)."


def open_cohort(folder: Path, sequences: Sequence[str], report: Report) -> Cohort:
    """A cohort to learn from, of these sequences alone if any are named; a notice tells how many studies have none.

    PlaneSSLError if nobody has any.
    """
    cohort = Cohort(folder, sequences)
    without = sum(not study.stacks for study in cohort.studies.values())
    if without == len(cohort.studies):
        raise PlaneSSLError(f"No study of the cohort {folder} has an image of {' or '.join(sequences)}.")
    if without:
        notice(report, f"{without} of {len(cohort.studies)} studies have no image of "
                       f"{' or '.join(sequences)}: nothing is learnt from them.")
    return cohort


def choose_split(cohort: Cohort, task: str, asked: Split | None, count: int | None, seed: int, begun: Run | None,
                 report: Report) -> Split:
    """The split that is asked for, as far as its subjects are labelled; else one drawn by the seed, see `draw_split`.

    count: how many are asked for to train on. begun: a run that is to go on. It goes on with whom it began with:
    whoever got labels since is none of those. PlaneSSLError where nobody is labelled, or one is not in the cohort.
    """
    if asked is not None:
        split = begun.split if begun and _is_of(begun.split, asked) else _labelled_part(asked, cohort, task, report)
    elif begun is not None and count in (None, len(cohort.by_patient(begun.split.train))):
        split = begun.split
    else:
        split = draw_split(cohort.by_patient(labelled_subjects(cohort, task)), seed, count)
    split.require_in(cohort)
    return split


def tell_overlap(start: Run, cohort: Cohort, split: Split, report: Report) -> None:
    """Notices of the subjects to validate or test on from whom the run that is taken over has learnt before."""
    asked = {*split.validation, *split.test}
    if asked and not namings(start.seen) <= namings(cohort.pseudonyms):
        notice(report, (
            f"The run {start.folder} has learnt from another cohort: whether some of the {len(asked)} subjects to "
            f"validate or test on are among its own cannot be told. {SAME_NAMES}"))
    taught = asked & cohort.of_same_patients(start.taught, start.patients)
    if taught:
        notice(report, (
            f"The run {start.folder} has learnt from the labels of {len(taught)} of these {len(asked)} subjects to "
            "validate or test on: figures on them say nothing about others."))
    opened = set(split.test) & cohort.of_same_patients(start.seen, start.patients) - taught
    if opened:
        notice(report, (
            f"The run {start.folder} has learnt from the images of {len(opened)} of these {len(split.test)} test "
            "subjects, without their labels: pretrain with the same --split to keep them out."))


def labelled_subjects(cohort: Cohort, task: str) -> tuple[str, ...]:
    """Who can be trained on: those with label maps, or with a known class; PlaneSSLError if there is nobody."""
    def has(study) -> bool:
        known = study.labelled if task == "segmentation" else study.classes.keys() & set(cohort.plan.classes)
        return bool(known and study.stacks)

    found = tuple(name for name in cohort.pseudonyms if has(cohort.studies[name]))
    if not found:
        of_these = f" and images of {' or '.join(cohort.sequences)}" if cohort.sequences else ""
        raise PlaneSSLError(f"No study in the cohort {cohort.folder} has labels for {task}{of_these}.")
    return found


def _is_of(begun: Split, asked: Split) -> bool:
    """Is a run's split the one that is asked for? It trains on those who had labels when it began."""
    return (begun.validation, begun.test) == (asked.validation, asked.test) and set(begun.train) <= set(asked.train)


def _labelled_part(split: Split, cohort: Cohort, task: str, report: Report) -> Split:
    """Of a split, without those to train on of whom nothing is labelled; PlaneSSLError where nothing is of all."""
    labelled = set(labelled_subjects(cohort, task))
    train = tuple(name for name in split.train if name in labelled)
    if not train:
        raise PlaneSSLError(f"None of the subjects to train on has labels for {task} in {cohort.folder}; "
                            f"{len(labelled)} others have.")
    if split.validation and labelled.isdisjoint(split.validation):
        notice(report, f"None of the {len(split.validation)} subjects to validate on has labels for {task}: training "
                       "runs for a fixed number of epochs, without validation.")
    if left := len(split.train) - len(train):
        notice(report, f"{left} of the {len(split.train)} subjects to train on have no labels for {task}: it learns "
                       f"from {len(train)}.")
    return replace(split, train=train)
