"""A run without training: the network is a stand-in that reads the labels off the image itself."""
from __future__ import annotations

import pytest
import torch
from Testing.made_up_study import write_study
from torch import nn

from PlaneSSLLib import anatomy
from PlaneSSLLib.cohort import Cohort, Plan, Split, prepare
from PlaneSSLLib.prediction.segmenting import Segmenter
from PlaneSSLLib.training.networks import Head, build
from PlaneSSLLib.training.run import Run


class TruthTeller(nn.Module):
    """Takes images whose intensities are label values, scaled so that 3 is 1: the truth is in them.

    Probabilities are hats about the values, so that an image blurred between two neighbouring values is no third one.
    """

    def forward(self, image):
        near = (1 - (3 * image - torch.arange(4.0).view(1, 4, 1, 1)).abs()).clamp(min=1e-6)
        return {"segmentation": near.log()}


@pytest.fixture(scope="session")
def run(tmp_path_factory):
    """A run for hearts, with untrained weights."""
    heart, heads = anatomy.load("heart"), {"segmentation": {"channels": 4, "per": "pixel"}}
    made = Run.create(
        tmp_path_factory.mktemp("runs") / "heart",
        {"stage": "finetuning", "task": "segmentation", "network": "small", "heads": heads, "views": ["SAX"],
         "epochs": 1},
        Plan.of(heart), heart.file.read_text(encoding="utf-8"), Split((), (), ()), overwrite=True)
    made.save_weights(build("small", {"segmentation": Head(4)}, seed=0).state_dict())
    return made


@pytest.fixture
def truthful(run):
    """A segmenter that finds exactly what its images show."""
    segmenter = Segmenter(run, "cpu")
    segmenter.network = TruthTeller()
    return segmenter


@pytest.fixture
def truthful_run(run, monkeypatch):
    """The folder of a run whose network is the stand-in, however it is opened."""
    monkeypatch.setattr(Run, "network", lambda self: TruthTeller())
    return run.folder


@pytest.fixture(scope="session")
def cohort(tmp_path_factory):
    """Two made-up studies of two phases."""
    root = tmp_path_factory.mktemp("studies")
    for seed in range(2):
        write_study(root / f"s{seed}", seed, phases=2)
    prepare([root], "heart", root / "cohort")
    return Cohort(root / "cohort")
