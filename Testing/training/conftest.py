from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from Testing.made_up_study import write_study

from PlaneSSLLib.anatomy import load
from PlaneSSLLib.cohort import Cohort, prepare
from PlaneSSLLib.training.pretraining import pretrain
from PlaneSSLLib.training.run import Run
from PlaneSSLLib.training.settings import Settings

# Few steps teach little, but they teach it in seconds: a small grid, small batches.
QUICK = Settings(epochs=2, batch=4, warmup_steps=5, validate_every=1, ema=0.9)


@pytest.fixture(scope="session")
def coarse(tmp_path_factory) -> Path:
    """The heart on a grid of 64 x 64 pixels of 2 mm."""
    text = load("heart").file.read_text(encoding="utf-8")
    text = text.replace("spacing = [1.5, 1.5]", "spacing = [2.0, 2.0]").replace("size = [144, 144]", "size = [64, 64]")
    path = tmp_path_factory.mktemp("anatomy") / "coarse.toml"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def cohort_folder(coarse, tmp_path_factory) -> Path:
    """Eight made-up studies of two phases, with labels, on the coarse grid."""
    root = tmp_path_factory.mktemp("studies")
    for seed in range(8):
        write_study(root / f"s{seed}", seed, phases=2)
    out = tmp_path_factory.mktemp("cohort") / "c"
    prepare([root], str(coarse), out)
    return out


@pytest.fixture(scope="session")
def cohort(cohort_folder) -> Cohort:
    return Cohort(cohort_folder)


@pytest.fixture(scope="session")
def pretrained(cohort_folder, tmp_path_factory) -> Path:
    """A run long enough to have learnt both tasks."""
    out = tmp_path_factory.mktemp("runs") / "pretrained"
    pretrain(cohort_folder, out, settings=replace(QUICK, epochs=6, batch=8, validate_every=3))
    return out


def rows_of(run: Path) -> list[dict]:
    with open(run / "metrics.csv", newline="") as rows:
        return list(csv.DictReader(rows))


def same_weights(first: Path, second: Path) -> bool:
    one, two = Run.open(first).weights(), Run.open(second).weights()
    return one.keys() == two.keys() and all(torch.equal(one[name], two[name]) for name in one)
