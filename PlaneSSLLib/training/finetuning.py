"""Finetuning on labelled studies, from a pretrained run or from scratch."""
from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

from torch import nn

from .. import PlaneSSLError
from ..cohort import Cohort, Split, draw_split
from ..files import read_figures
from .engine import Report
from .guide import Guide
from .networks import Network
from .run import Run
from .settings import USUAL, Settings, choose_device
from .starting import run_training
from .tasks import Classification, Joint, Segmentation, Task
from .tasks.classification import constant
from .tasks.planes import Planes
from .tasks.segmentation import POSED, Poses

TRANSFERS = ("joint", "all", "encoder")


def finetune(
    cohort_folder: Path, out: Path, task: str = "segmentation", *, init: Path | None = None, transfer: str = "joint",
    subjects: int | None = None, split: Split | None = None, network: str | None = None,
    settings: Settings | None = None, align: bool = True, **running,
) -> dict:
    """Train a segmentation or a classification.

    init: the run whose weights are taken over, None for scratch. transfer: the "encoder" alone; "all", encoder and
    decoder, as in Zhang et al. 2024; or "joint": all, and its lines and locations are learnt on beside a segmentation,
    from every study of the cohort that does not validate or test (the same as "all" for other tasks and runs).
    subjects: train on so many labelled ones, drawn by the seed, for a fixed time and without validation, since one
    patient leaves none to validate on; else 15 % of the labelled ones validate. settings: None for those that are USUAL
    for the task. align: where the run that is taken over has learnt lines, and the anatomy says how, lay images by the
    lines that it sees in them before they are segmented; its weights are kept for that. running: see `run_training`.
    """
    if init is not None and Path(init).resolve() == Path(out).resolve():
        raise PlaneSSLError(f"A run cannot take the place of the one that it starts from, {init}: choose another name.")
    cohort = Cohort(cohort_folder)
    settings = settings or USUAL.get(task, USUAL["segmentation"])
    if task == "classification" and settings.batch < 2:
        raise PlaneSSLError("A classification learns what tells the studies of a batch apart: it needs at least two in "
                            f"one (--batch), not {settings.batch}.")
    report = running.get("report", lambda event: None)
    begun = Run.begun(out, running.get("resume", False))
    if split is not None and begun is not None and _goes_on(begun.split, split):
        split = begun.split
    elif split is not None:
        split = _labelled_part(split, cohort, task, report)
    elif begun is not None and subjects in (None, len(cohort.by_patient(begun.split.train))):
        split = begun.split  # whoever got labels since is none of those that it began with
    else:
        split = draw_split(cohort.by_patient(labelled_subjects(cohort, task)), settings.seed, subjects)
    split.require_in(cohort)
    start = None if init is None else Run.open(init)
    if start is not None:
        start.plan.require_same(cohort.plan, f"The run {init}", f"the cohort {cohort_folder}")
    if start is not None and not start.finished:
        report({"event": "notice", "text": f"The training of {init} has not ended: its best weights so far are taken."})
    asked = {*split.validation, *split.test}
    taught = asked & cohort.of_same_patients(start.taught) if start else set()
    if taught:
        report({"event": "notice", "text": (
            f"The run {init} has learnt from the labels of {len(taught)} of these {len(asked)} subjects to validate or "
            "test on: figures on them say nothing about others.")})
    opened = set(split.test) & cohort.of_same_patients(start.seen) - taught if start else set()
    if opened:
        report({"event": "notice", "text": (
            f"The run {init} has learnt from the images of {len(opened)} of these {len(split.test)} test subjects, "
            "without their labels: pretrain with the same --split to keep them out.")})
    name = network or (start.config["network"] if start else "small")
    guide, poses = None, {}
    if align and start and task == "segmentation":
        if begun is None:
            guide = guiding_run(start, cohort, split, report)
        elif "guide" in begun.config:
            guide = begun  # the run that is taken over may have learnt on since
    if guide is not None:
        seeing = Guide(guide.guiding_network(), cohort.plan, cohort.anatomy, choose_device(settings.device))
        poses = seeing.of_outlined([cohort.studies[name] for name in (*split.train, *split.validation)], report)
    target = target_task(task, cohort, split, poses)
    untold = constant(cohort, split.train) if isinstance(target, Classification) else []
    if untold:
        report({"event": "notice", "text": (
            f"All studies to train on give one answer, or none, to {', '.join(untold)}: nothing is learnt of that.")})
    pretext = planes_of(start, cohort) if transfer == "joint" and isinstance(target, Segmentation) else None
    if pretext is not None:
        target = Joint(target, pretext, split.train + split.validation)
    elif transfer == "joint":
        transfer = "all"
    config = {"stage": "finetuning", "task": task, "init": None if init is None else Path(init).name,
              "init_task": start.config["task"] if start else "scratch", "transfer": transfer if start else None,
              "views": labelled_views(cohort, split.train),
              **({"plane_views": list(pretext.views)} if pretext is not None else {}),
              **({"guide": guide.guide_config} if guide else {}),
              **({"not_learnt": untold} if untold else {})}
    return run_training(
        cohort, target, split, settings, name, Path(out), config,
        prepare_network=lambda fresh: {} if start is None else take_over(fresh, start, transfer),
        seen=start.seen if start else (), taught=split.train + tuple(start.taught if start else ()), guide=guide,
        **running)


def target_task(name: str, cohort: Cohort, split: Split, poses: Poses = MappingProxyType({})) -> Task:
    """The task of this name for a cohort; PlaneSSLError if its anatomy has nothing of the kind."""
    if name == "segmentation" and cohort.plan.labels:
        return Segmentation(cohort.plan, poses=poses)
    if name == "classification" and cohort.plan.classes:
        return Classification.of(cohort, split.train)
    if name not in {"segmentation", "classification"}:
        raise PlaneSSLError(f"The tasks are segmentation and classification, not '{name}'.")
    missing = "labels" if name == "segmentation" else "classes"
    raise PlaneSSLError(f"The anatomy '{cohort.plan.anatomy}' names no {missing}: {name} has nothing to learn.")


def labelled_subjects(cohort: Cohort, task: str) -> tuple[str, ...]:
    """Who can be trained on: those with label maps, or with a known class; PlaneSSLError if there is nobody."""
    def has(study) -> bool:
        return study.labelled if task == "segmentation" else bool(study.classes.keys() & set(cohort.plan.classes))

    found = tuple(name for name in cohort.pseudonyms if has(cohort.studies[name]))
    if not found:
        raise PlaneSSLError(f"No study in the cohort {cohort.folder} has labels for {task}.")
    return found


def _goes_on(begun: Split, asked: Split) -> bool:
    """Does a run go on with a split that is asked for? It trains on those of it who had labels when it began."""
    return (begun.validation, begun.test) == (asked.validation, asked.test) and set(begun.train) <= set(asked.train)


def _labelled_part(split: Split, cohort: Cohort, task: str, report: Report) -> Split:
    """Of a split, without those to train on of whom nothing is labelled; PlaneSSLError where nothing is of all."""
    labelled = set(labelled_subjects(cohort, task))
    train = tuple(name for name in split.train if name in labelled)
    if not train:
        raise PlaneSSLError(f"None of the subjects to train on has labels for {task} in {cohort.folder}; "
                            f"{len(labelled)} others have.")
    if split.validation and labelled.isdisjoint(split.validation):
        report({"event": "notice", "text": f"None of the {len(split.validation)} subjects to validate on has labels "
                                           f"for {task}: it trains for a fixed time, and looks at nobody."})
    if left := len(split.train) - len(train):
        report({"event": "notice", "text": f"{left} of the {len(split.train)} subjects to train on have no labels for "
                                           f"{task}: it learns from {len(train)}."})
    return replace(split, train=train)


def labelled_views(cohort: Cohort, subjects: tuple[str, ...]) -> list[str]:
    """The views that a segmentation of these subjects is trained on, in the anatomy's order."""
    there = {stack.view for name in subjects for stack in cohort.studies[name].stacks if stack.labelled}
    named = [view.name for view in cohort.anatomy.views if view.name in there]
    return [*named, *sorted(there.difference(named))]  # views that the anatomy does not name can be outlined, too


def guiding_run(start: Run, cohort: Cohort, split: Split, report: Report) -> Run | None:
    """The run itself where it can be a `Guide` to images of the views that are outlined; else None."""
    posed = any(map(cohort.anatomy.pose_of, labelled_views(cohort, split.train)))
    if not posed or "lines" not in start.config["heads"]:
        return None
    off_deg = read_figures(start.folder).get("angle_deg_median", 0.0)  # 0 where nobody validates
    if off_deg > POSED.rotation_deg:
        report({"event": "notice", "text": (
            f"The lines that {start.folder} sees are {off_deg:.0f} degrees off, and images cannot be laid alike by "
            "them: they are taken as they are. Pretrain for longer.")})
        return None
    return start


def planes_of(run: Run | None, cohort: Cohort) -> Planes | None:
    """The task of a run's lines and locations, be it all that it has learnt or not; None if it has neither."""
    names = set() if run is None else set(run.config["heads"])
    if not names & {"lines", "location"}:
        return None
    return Planes(cohort.plan, cohort.anatomy, lines="lines" in names, location="location" in names,
                  views=run.plane_views)


def take_over(network: Network, run: Run, transfer: str) -> dict:
    """Copy a run's encoder, or "all" of its body, and the heads that both have, into a network.

    Convolutions that a normalisation follows (those without a bias) come with the length they had before training. What
    they compute is the same, but an optimiser turns a vector that training has made three times as long only a third as
    fast (van Laarhoven 2017, arXiv:1706.05350). Returns what was taken and what is new. PlaneSSLError if the run's
    network is another one.
    """
    if transfer not in TRANSFERS:
        raise PlaneSSLError(f"What is taken over from a run is one of {', '.join(TRANSFERS)}, not '{transfer}'.")
    theirs, mine = run.config["network"], network.state_dict()
    theirs_alone = {head for head in run.config["heads"] if head not in network.kinds}
    left = (*(f"heads.{head}." for head in theirs_alone),
            *((f"body.{network.body.decoder_prefix}", "heads.") if transfer == "encoder" else ()))
    weights = {name: tensor for name, tensor in run.weights().items() if not name.startswith(left)}
    misfit = [name for name in mine if name.startswith("body.") and not name.startswith(left)
              and (name not in weights or weights[name].shape != mine[name].shape)]
    if misfit:
        raise PlaneSSLError(f"The run {run.folder} holds the network '{theirs}', which does not fit the one to be "
                            f"trained (first at {misfit[0]}); choose --network {theirs}.")
    for name, module in network.named_modules():
        weight = f"{name}.weight"
        if isinstance(module, nn.Conv2d) and module.bias is None and weight in weights:
            weights[weight] = weights[weight] * (mine[weight].norm() / weights[weight].norm())
    network.load_state_dict({**mine, **weights})
    return {"taken_over": len(weights), "new": sorted(name for name in mine if name not in weights)}
