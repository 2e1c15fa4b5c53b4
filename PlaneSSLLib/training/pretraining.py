"""Pretraining on the labels that come free with the planes."""
from __future__ import annotations

from pathlib import Path

from .. import PlaneSSLError
from ..cohort import Cohort, Split, draw_split
from ..events import Report, notice, silent
from .processes import by_first_alone
from .run import Run
from .settings import USUAL, Settings
from .starting import run_training
from .subjects import open_cohort
from .tasks import Task
from .tasks.baselines import Masked, Position
from .tasks.planes import Planes

TASKS = ("lines", "location", "masked", "position")


def pretext_task(names: tuple[str, ...], cohort: Cohort, views: tuple[str, ...]) -> Task:
    """The task of these names: lines, location, both, or one of the baselines alone; of all views, or of these."""
    if unknown := [view for view in views if cohort.anatomy.view(view) is None]:
        known = ", ".join(view.name for view in cohort.anatomy.views)
        raise PlaneSSLError(f"The anatomy '{cohort.plan.anatomy}' has no view '{unknown[0]}'; it has {known}.")
    if not names or not set(names) <= set(TASKS):
        raise PlaneSSLError(f"The pretext tasks are {', '.join(TASKS)}, not '{','.join(names)}'.")
    if set(names) <= {"lines", "location"}:
        return Planes(cohort.plan, cohort.anatomy, lines="lines" in names, location="location" in names, views=views)
    if len(names) > 1:
        raise PlaneSSLError(f"'{names[0]}' and '{names[1]}' do not go together: masked and position are tasks alone.")
    return Masked(cohort.plan, views) if names == ("masked",) else Position(cohort.plan, cohort.anatomy, views)


def pretrain(
    cohort_folder: Path, out: Path, *, tasks: tuple[str, ...] = ("lines", "location"), views: tuple[str, ...] = (),
    sequences: tuple[str, ...] = (), split: Split | None = None, network: str = "small",
    settings: Settings = USUAL["pretraining"], overwrite: bool = False, resume: bool = False,
    report: Report = silent,
) -> dict:
    """Pretrain a network on a cohort, by a split or on all of it, where 15 % validate.

    views, sequences: learn from images of these alone; empty for all. Where no two views cross anywhere, locations are
    learnt alone; PlaneSSLError if they were not asked for. overwrite, resume: see `run_training`.
    """
    report = by_first_alone(report)
    cohort = open_cohort(cohort_folder, sequences, report)
    task = pretext_task(tasks, cohort, views)
    if "lines" in tasks and not any(map(task.has_lines, cohort.studies.values())):
        said = f"No study of the cohort {cohort_folder} has an image that a plane of another view cuts"
        if "location" not in tasks:
            raise PlaneSSLError(f"{said}: there is no line to learn.")
        notice(report, f"{said}: only locations are learnt.")
        tasks = ("location",)
        task = pretext_task(tasks, cohort, views)
    unsided = sum(any(not cohort.anatomy.end_is_known(stack.view, stack.side) for stack in study.stacks)
                  for study in cohort.studies.values())
    if "location" in tasks and unsided:
        notice(report, f"The side of {unsided} of {len(cohort.studies)} studies is unknown: from "
                       "medial to lateral their slices have no place to learn.")
    config = {"stage": "pretraining", "task": ",".join(tasks), "views": list(views),
              **({"only_sequences": list(sequences)} if sequences else {})}
    begun = Run.begun(out, resume)  # it goes on with whom it began with
    if split is None:
        imaged = [name for name, study in cohort.studies.items() if study.stacks]
        split = begun.split if begun else draw_split(cohort.by_patient(imaged), settings.seed)
    split.require_in(cohort)
    return run_training(cohort, task, split, settings, network, Path(out), config, overwrite=overwrite, resume=resume,
                        report=report)
