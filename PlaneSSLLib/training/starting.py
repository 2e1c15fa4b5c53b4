"""From a cohort and a few choices to a trained run: what pretraining and finetuning have in common."""
from __future__ import annotations

import copy
import json
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path
from types import MappingProxyType

import torch
from torch.utils.data import Dataset

from .. import PlaneSSLError
from ..cohort import Cohort, Split
from ..cohort.samples import FrameList, Interleaved, Place, RandomFrames, some_of
from ..events import Report, notice, silent
from .engine import Engine, Stage
from .memory import is_out_of_memory, keep_freed_memory
from .networks import Network, build
from .processes import Processes, joined, own
from .run import Run
from .settings import Settings, choose_device
from .tasks import Joint, Task

MOST_FRAMES = 400  # validation looks at so many frames at most
COARSE_COST = 0.4  # of a step's time, measured on CPUs, takes one on pixels twice as wide


def places_of(task: Task, cohort: Cohort, subjects: tuple[str, ...]) -> list[Place]:
    """Every frame of these subjects that the task can use; damage in a study is found here, before any work."""
    places = []
    for name in subjects:
        cohort.studies[name].check()
        places += task.places(cohort.studies[name])
    return places


def free_places_of(task: Joint, cohort: Cohort, split: Split, among: Collection[str] | None = None) -> list[Place]:
    """Every frame that planes can be learnt from, but those of patients who validate or test; among: of these alone."""
    places, kept_out = [], cohort.of_same_patients(split.validation + split.test)
    for name in cohort.pseudonyms:
        if name not in kept_out and (among is None or name in among):
            cohort.studies[name].check()
            places += task.free_places(cohort.studies[name])
    return places


def run_training(
    cohort: Cohort, task: Task, split: Split, settings: Settings, network_name: str, out: Path, config: dict, *,
    prepare_network: Callable[[Network], dict] = lambda network: {}, seen: Collection[str] = (),
    taught: Collection[str] = (), patients: Mapping[str, str] = MappingProxyType({}), guide: Run | None = None,
    overwrite: bool = False, resume: bool = False, report: Report = silent,
) -> dict:
    """Train and write the run at `out`; returns its results.

    config: what else is to be known about the run. prepare_network: takes pretrained weights over and returns what it
    has to say about them. seen: whose images these weights have learnt from already. taught, patients, guide: see
    `Run.create`. With resume, a run that is there goes on, on the studies that it began with; if its choices differ
    from these, both are shown.
    """
    keep_freed_memory()
    training = places_of(task, cohort, split.train)
    if not training:
        raise PlaneSSLError(f"None of the {len(split.train)} subjects to train on has a frame for this task.")
    begun = Run.begun(out, resume)
    free = free_places_of(task, cohort, split, begun and begun.seen) if isinstance(task, Joint) else []
    watched = places_of(task, cohort, split.validation)
    watched = some_of(watched, MOST_FRAMES)
    seen = {*seen, *(place.study for place in free)}

    network = build(network_name, task.heads, settings.seed)
    if any(size % network.body.multiple for size in cohort.plan.size):
        raise PlaneSSLError(
            f"The network '{network_name}' needs a working grid of multiples of {network.body.multiple} pixels; "
            f"the anatomy '{cohort.plan.anatomy}' has {list(cohort.plan.size)}.")
    choices = {**config, "network": network_name, "settings": _kept(settings),
               "heads": {name: asdict(head) for name, head in task.heads.items()}}
    choices = json.loads(json.dumps(choices))  # as the run will hold them: a resumed one is compared with these
    device = own(choose_device(settings.device))
    with joined(device.type) as processes:
        if processes.count > 1 and not network.divisible:
            raise PlaneSSLError("A classification normalises over the whole batch, which cannot be split between "
                                "processes: train it in one, without torchrun.")
        if settings.precision == "bfloat16" and not settings.mixed(device) and processes.first:
            notice(report, "This processor has no native bfloat16: float32 is used, which is faster on it.")
        if device.type == "cuda":
            torch.cuda.set_device(device)
        transfer = prepare_network(network)  # before a run is begun that could not go on
        here = {name: cohort.studies[name].patient for name in {*seen, *split.train, *split.validation}
                if name in cohort.studies}
        patients = {**patients, **here}
        run = _start(out, choices, cohort, split, seen, taught, patients, guide, overwrite, resume, processes)
        if run.finished:
            raise PlaneSSLError(f"The run {out} is finished; there is nothing to resume.")
        if run.replaced.exists() and processes.first:
            notice(report, f"The run that was there is kept in {run.replaced} until this ends.")

        def drawn(one: Task, count: int) -> Dataset:
            samples = RandomFrames(cohort, training, one.sample, settings.seed, count)
            beside = RandomFrames(cohort, free, one.sample, settings.seed, count) if free else None
            return samples if beside is None else Interleaved(samples, beside)

        stages = [
            Stage(end, one, drawn(one, end * settings.batch), FrameList(cohort, watched, one.sample), cost)
            for end, one, cost in ((settings.coarse_steps, _coarser(task, network.body.multiple), COARSE_COST),
                                   (settings.steps, task, 1.0)) if end]
        with run.alone() if processes.first else nullcontext():
            try:
                engine = Engine(network, stages, settings, run, device, processes, report)
            except RuntimeError as error:
                if not is_out_of_memory(error):
                    raise
                raise PlaneSSLError(f"There is no room for the network on {device}: close what else uses it, or choose "
                                    "another --device.") from None
            last, kept = engine.train()
        results = {"run": str(out), "epochs": last["epoch"], "kept_epoch": kept["epoch"],
                   "train": len(split.train), "device": str(device),
                   "losses": {k: v for k, v in last.items() if k.startswith("loss_")},
                   "validation": {k: v for k, v in kept.items() if k != "epoch" and not k.startswith("loss_")},
                   **transfer}
        if processes.first:
            run.finish(results)
    return results


def _coarser(task: Task, multiple: int) -> Task:
    """The same task on pixels twice as wide."""
    other = copy.copy(task)
    other.plan = task.plan.coarser(multiple)
    return other


def _kept(settings: Settings) -> dict:
    """The settings that decide the result; where and with how many workers it is computed may change on resuming."""
    kept = asdict(settings)
    for name in ("device", "workers"):
        del kept[name]
    return kept


def _differences(one: dict, other: dict) -> Iterator[str]:
    """What two documents have under one key and do not agree on, down to single settings."""
    for key in one.keys() | other.keys():
        this, that = one.get(key), other.get(key)
        if isinstance(this, dict) and isinstance(that, dict):
            yield from _differences(this, that)
        elif this != that:
            yield f"{key}: {this} and {that}"


def _start(
    out: Path, choices: dict, cohort: Cohort, split: Split, seen: Collection[str], taught: Collection[str],
    patients: Mapping[str, str], guide: Run | None, overwrite: bool, resume: bool, processes: Processes,
) -> Run:
    if (run := Run.begun(out, resume)) is not None:
        run.plan.require_same(cohort.plan, f"The run {out}", f"the cohort {cohort.folder}")
        there = run.config
        differ = list(_differences(there, choices))
        if run.split != split:
            differ.append(f"the split of the subjects; its own: --split {out / 'splits.json'}")
        if differ:
            raise PlaneSSLError(f"The run {out} was started otherwise ({'; '.join(sorted(differ))}); "
                                "resume with its own choices, or start another run.")
    elif processes.first:
        toml = (cohort.folder / "anatomy.toml").read_text(encoding="utf-8")
        run = Run.create(out, choices, cohort.plan, toml, split, overwrite, seen, taught, patients, guide)
    processes.wait()
    return Run(out) if not processes.first else run

