"""A run's folder as a training leaves it, without a training."""
from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path


def write_run(folder: Path, stage: str = "finetuning", task: str = "segmentation", anatomy: str = "heart",
              epochs: int = 5, finished: bool = True) -> Path:
    """config.json, plan.json, metrics.csv and empty weights; of five epochs, every second one validated."""
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps({
        "stage": stage, "task": task, "views": ["SAX"], "network": "small", "init": None,
        "heads": {"classes" if name == "classification" else name: {} for name in task.split(",")},
        "settings": {"epochs": epochs, "batch": 12, "coarse": 0.25, "learning_rate": 0.0005, "precision": "float32",
                     "seed": 3}}))
    (folder / "plan.json").write_text(json.dumps({"anatomy": anatomy}))
    (folder / "weights.safetensors").touch()
    (folder / "metrics.csv").write_text(
        "epoch,loss_lines,dice\n1,0.5,\n2,0.4,0.3\n3,0.3,\n4,0.25,0.6\n5,0.2,\n")
    if finished:
        (folder / "results.json").write_text("{}")
    return folder


def write_untrained_run(folder: Path, task: str, of: str = "heart") -> Path:
    """A run that every command takes, with the weights that a training starts from; for hearts one of short axes.

    task: segmentation, classification or lines. of: the anatomy.
    """
    from PlaneSSLLib import anatomy
    from PlaneSSLLib.cohort import Plan, Split
    from PlaneSSLLib.training.networks import Head, build
    from PlaneSSLLib.training.run import Run

    chosen = anatomy.load(of)
    plan = Plan.of(chosen)
    name, head = {"segmentation": ("segmentation", Head(1 + len(plan.labels))),
                  "classification": ("classes", Head(len(plan.classes), "study")),
                  "lines": ("lines", Head(len(plan.targets)))}[task]
    made = Run.create(folder, {
        "stage": "pretraining" if task == "lines" else "finetuning", "task": task, "network": "small",
        "views": ["SAX"] if of == "heart" else [view.name for view in chosen.views],
        "init": None, "heads": {name: asdict(head)}, "settings": {"epochs": 1, "batch": 16, "seed": 0}},
        plan, chosen.file.read_text(encoding="utf-8"), Split((), (), ()), overwrite=False)
    made.save_weights(build("small", {name: head}, seed=0).state_dict())
    (folder / "results.json").write_text("{}")
    return folder
