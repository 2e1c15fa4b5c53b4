"""Does a run suit what is asked of it?"""
from __future__ import annotations

from .. import PlaneSSLError
from ..cohort import Plan
from ..study import Study
from ..study.recognition import FALLBACK
from ..training.run import Run

SEGMENTATION, CLASSES, LINES = "segmentation", "classes", "lines"  # heads of a network


def require_head(run: Run, head: str) -> None:
    """PlaneSSLError if the run's network does not answer that: it says what the run has learnt, and what to do."""
    config = run.config
    if head in config["heads"]:
        return
    pretrained = config["stage"] == "pretraining"
    learnt = f"The run {run.folder} was {'pretrained on' if pretrained else 'finetuned for'} {config['task']}"
    if head == LINES:
        raise PlaneSSLError(f"{learnt} and predicts no lines: name a run that was pretrained on lines, or one that was "
                            "finetuned from it with --transfer joint.")
    wanted = {SEGMENTATION: "segmentation", CLASSES: "classification"}[head]
    way_out = f": finetune it first, with --task {wanted} --init {run.folder}" if pretrained else ""
    raise PlaneSSLError(f"{learnt}, not for {wanted}{way_out}.")


def require_anatomy(plan: Plan, study: Study) -> None:
    """PlaneSSLError if the study is known to show another anatomy than the run was trained on."""
    if study.anatomy not in (plan.anatomy, FALLBACK):
        raise PlaneSSLError(f"{other_anatomy(plan, study)}. If it reads wrongly, name its anatomy with --anatomy.")


def other_anatomy(plan: Plan, study: Study) -> str:
    return f"The run was trained on the anatomy '{plan.anatomy}', and {study.folder} reads as '{study.anatomy}'"
