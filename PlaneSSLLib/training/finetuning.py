"""Finetuning on labelled studies, from a pretrained run or from scratch."""
from __future__ import annotations

from pathlib import Path
from types import MappingProxyType

from .. import PlaneSSLError
from ..cohort import Cohort, Split
from ..events import Report, notice, silent
from ..files import read_figures
from .guide import Guide
from .processes import by_first_alone, own
from .run import Run
from .settings import USUAL, Settings, choose_device
from .starting import run_training
from .subjects import choose_split, open_cohort, tell_overlap
from .tasks import Classification, Joint, Segmentation, Task
from .tasks.classification import constant, told_by_acquisition
from .tasks.segmentation import POSED, Poses
from .transfer import planes_of, transfer_weights


def finetune(
    cohort_folder: Path, out: Path, task: str = "segmentation", *, init: Path | None = None, transfer: str = "joint",
    subjects: int | None = None, split: Split | None = None, network: str | None = None,
    settings: Settings | None = None, align: bool = True, sequences: tuple[str, ...] = (),
    overwrite: bool = False, resume: bool = False, report: Report = silent,
) -> dict:
    """Train a segmentation or a classification.

    init: the run whose weights are taken over, None for scratch. transfer: the "encoder" alone; "all", encoder and
    decoder, as in Zhang et al. 2024; or "joint": all, and its lines and locations are learnt on beside a segmentation,
    from every study of the cohort that does not validate or test (the same as "all" for other tasks and runs).
    subjects: train on so many labelled ones, drawn by the seed, for a fixed time and without validation, since one
    patient leaves none to validate on; else 15 % of the labelled ones validate. settings: None for those that are USUAL
    for the task. align: where the run that is taken over has learnt lines, and the anatomy says how, lay images by the
    lines that it sees in them before they are segmented; its weights are kept for that. sequences: learn from images of
    these alone, and look at no others to classify; empty for all. overwrite, resume: see `run_training`.
    """
    if init is not None and Path(init).resolve() == Path(out).resolve():
        raise PlaneSSLError(f"A run cannot take the place of the one that it starts from, {init}: choose another name.")
    report = by_first_alone(report)
    cohort = open_cohort(cohort_folder, sequences, report)
    settings = settings or USUAL.get(task, USUAL["segmentation"])
    if task == "classification" and settings.batch < 2:
        raise PlaneSSLError("A classification learns what tells the studies of a batch apart: it needs at least two in "
                            f"one (--batch), not {settings.batch}.")
    begun = Run.begun(out, resume)
    split = choose_split(cohort, task, split, subjects, settings.seed, begun, report)
    start = None if init is None else _started_from(Path(init), cohort, split, report)
    guide, poses = None, {}
    if align and start is not None and task == "segmentation":
        guide = _guide(begun, start, cohort, split, report)
        poses = _poses(guide, cohort, split, settings, report)
    target = target_task(task, cohort, split, poses)
    untold = _tell_of_classes(cohort, split, report) if isinstance(target, Classification) else []
    pretext = planes_of(start, cohort) if transfer == "joint" and isinstance(target, Segmentation) else None
    if pretext is not None:
        target = Joint(target, pretext, split.train + split.validation)
    elif transfer == "joint":
        transfer = "all"
    config = {"stage": "finetuning", "task": task, "init": None if init is None else Path(init).name,
              "init_task": start.config["task"] if start else "scratch", "transfer": transfer if start else None,
              "views": labelled_views(cohort, split.train),
              **({"only_sequences": list(sequences)} if sequences else {}),
              **({"sequences": labelled_sequences(cohort, split.train)} if task == "segmentation" else {}),
              **({"plane_views": list(pretext.views)} if pretext is not None else {}),
              **({"guide": guide.guide_config} if guide else {}),
              **({"not_learnt": untold} if untold else {})}
    return run_training(
        cohort, target, split, settings, network or (start.config["network"] if start else "small"), Path(out), config,
        prepare_network=lambda fresh: {} if start is None else transfer_weights(fresh, start, transfer),
        seen=start.seen if start else (), taught=split.train + tuple(start.taught if start else ()),
        patients=start.patients if start else {}, guide=guide,
        overwrite=overwrite, resume=resume, report=report)


def _tell_of_classes(cohort: Cohort, split: Split, report: Report) -> list[str]:
    """The classes of which nothing is learnt; notices of them, and of those that what was acquired gives away."""
    untold = constant(cohort, split.train)
    if untold:
        notice(report, (
            f"All training studies have the same value, or none, for {', '.join(untold)}: these classes are not "
            "learnt."))
    if given_away := told_by_acquisition(cohort, split.train):
        names = dict.fromkeys(name for name, _, _ in given_away)
        kinds = dict.fromkeys(f"{view} of {sequence}" if sequence else view for _, view, sequence in given_away)
        notice(report, (
            f"Among the training studies, whether images were acquired ({', '.join(kinds)}) almost determines "
            f"{', '.join(names)}: the network may learn this instead of the disease."))
    return untold


def _started_from(init: Path, cohort: Cohort, split: Split, report: Report) -> Run:
    """The run to start from; PlaneSSLError if it does not go with the cohort, notices of what is to be known of it."""
    start = Run.open(init)
    start.plan.require_same(cohort.plan, f"The run {init}", f"the cohort {cohort.folder}")
    if not start.finished:
        notice(report, f"The training of {init} has not ended: its best weights so far are taken.")
    tell_overlap(start, cohort, split, report)
    return start


def _guide(begun: Run | None, start: Run, cohort: Cohort, split: Split, report: Report) -> Run | None:
    """The run by whose lines images are laid. One that goes on keeps its own: the other may have learnt on since."""
    if begun is None:
        return guiding_run(start, cohort, split, report)
    return begun if "guide" in begun.config else None


def _poses(guide: Run | None, cohort: Cohort, split: Split, settings: Settings, report: Report) -> Poses:
    if guide is None:
        return {}
    device = own(choose_device(settings.device))
    seeing = Guide(guide.guiding_network(), cohort.plan, cohort.anatomy, device, report=report)
    return seeing.of_outlined([cohort.studies[name] for name in (*split.train, *split.validation)])


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


def labelled_views(cohort: Cohort, subjects: tuple[str, ...]) -> list[str]:
    """The views that a segmentation of these subjects is trained on, in the anatomy's order."""
    there = set(labelled_sequences(cohort, subjects))
    named = [view.name for view in cohort.anatomy.views if view.name in there]
    return [*named, *sorted(there.difference(named))]  # views that the anatomy does not name can be outlined, too


def labelled_sequences(cohort: Cohort, subjects: tuple[str, ...]) -> dict[str, list[str]]:
    """Of every view that is outlined, the sequences of the stacks that are; an empty one where nothing tells."""
    found: dict[str, set[str]] = {}
    for stack in [stack for name in subjects for stack in cohort.studies[name].stacks if stack.labelled]:
        found.setdefault(stack.view, set()).add(stack.sequence)
    return {view: sorted(sequences) for view, sequences in sorted(found.items())}


def guiding_run(start: Run, cohort: Cohort, split: Split, report: Report) -> Run | None:
    """The run itself where it can be a `Guide` to images of the views that are outlined; else None."""
    posed = any(map(cohort.anatomy.pose_of, labelled_views(cohort, split.train)))
    if not posed or "lines" not in start.config["heads"]:
        return None
    if start.config["stage"] == "finetuning" and "guide" not in start.config:
        notice(report, (
            f"The lines that {start.folder} predicts were not measured when it was finetuned: training goes on without "
            "alignment. Start from a pretrained run, or from one that was finetuned with alignment."))
        return None
    off_deg = read_figures(start.folder).get("angle_deg_median", 0.0)  # 0 where nobody validates
    if off_deg > POSED.rotation_deg:
        notice(report, (
            f"The lines predicted by {start.folder} are off by a median of {off_deg:.0f} degrees, too much to align "
            "images by: training goes on without alignment. Pretrain for longer."))
        return None
    return start
