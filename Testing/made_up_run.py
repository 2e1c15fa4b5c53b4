"""A run's folder as a training leaves it, without a training."""
from __future__ import annotations

import json
from pathlib import Path


def write_run(folder: Path, stage: str = "finetuning", task: str = "segmentation", anatomy: str = "heart",
              epochs: int = 5, finished: bool = True) -> Path:
    """config.json, plan.json, metrics.csv and empty weights; of five epochs, every second one validated."""
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps({
        "stage": stage, "task": task, "views": ["SAX"], "network": "small", "init": None,
        "settings": {"epochs": epochs, "batch": 16, "seed": 3}}))
    (folder / "plan.json").write_text(json.dumps({"anatomy": anatomy}))
    (folder / "weights.safetensors").touch()
    (folder / "metrics.csv").write_text(
        "epoch,loss_lines,dice\n1,0.5,\n2,0.4,0.3\n3,0.3,\n4,0.25,0.6\n5,0.2,\n")
    if finished:
        (folder / "results.json").write_text("{}")
    return folder
