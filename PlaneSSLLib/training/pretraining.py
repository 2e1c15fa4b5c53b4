"""Pretraining on the labels that come free with the planes."""
from __future__ import annotations

from pathlib import Path

from .. import PlaneSSLError
from ..cohort import Cohort, draw_split
from .settings import Settings
from .starting import run_training
from .tasks import Task
from .tasks.baselines import Masked, Position
from .tasks.planes import Planes

TASKS = ("lines", "location", "masked", "position")


def pretext_task(names: tuple[str, ...], cohort: Cohort, views: tuple[str, ...]) -> Task:
    """The task of these names: lines, location, both, or one of the baselines alone."""
    if not names or not set(names) <= set(TASKS):
        raise PlaneSSLError(f"The pretext tasks are {', '.join(TASKS)}, not '{','.join(names)}'.")
    if set(names) <= {"lines", "location"}:
        return Planes(cohort.plan, cohort.anatomy, lines="lines" in names, location="location" in names, views=views)
    if len(names) > 1:
        raise PlaneSSLError(f"'{names[0]}' and '{names[1]}' do not go together: masked and position are tasks alone.")
    return Masked(cohort.plan, views) if names == ("masked",) else Position(cohort.plan, cohort.anatomy, views)


def pretrain(
    cohort_folder: Path, out: Path, *, tasks: tuple[str, ...] = ("lines", "location"), views: tuple[str, ...] = (),
    network: str = "small", settings: Settings = Settings(epochs=100, coarse=0.55), **running,
) -> dict:
    """Pretrain a network on a cohort; 15 % of its subjects validate. running: see `run_training`."""
    cohort = Cohort(cohort_folder)
    unknown = [view for view in views if cohort.anatomy.view(view) is None]
    if unknown:
        known = ", ".join(view.name for view in cohort.anatomy.views)
        raise PlaneSSLError(f"The anatomy '{cohort.plan.anatomy}' has no view '{unknown[0]}'; it has {known}.")
    config = {"stage": "pretraining", "task": ",".join(tasks), "views": list(views)}
    return run_training(cohort, pretext_task(tasks, cohort, views), draw_split(cohort.pseudonyms, settings.seed),
                        settings, network, Path(out), config, **running)
