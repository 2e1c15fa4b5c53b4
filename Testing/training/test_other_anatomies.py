"""Other organs through the same machine, by their files alone: one short training each."""
from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from Testing.made_up_study import write_knee

from PlaneSSLLib import PlaneSSLError, calls
from PlaneSSLLib.cohort import Cohort, prepare
from PlaneSSLLib.phantom import write_phantoms
from PlaneSSLLib.training.finetuning import finetune
from PlaneSSLLib.training.pretraining import pretrain
from PlaneSSLLib.training.run import Run
from PlaneSSLLib.training.tasks.planes import Planes

from .conftest import QUICK

SHORT = replace(QUICK, epochs=1, batch=2)
pytestmark = pytest.mark.usefixtures("short_epochs")


@pytest.fixture(scope="module")
def knees(tmp_path_factory):
    root = tmp_path_factory.mktemp("knees")
    write_phantoms("knee", 2, 11, root / "studies")
    told = prepare([root / "studies"], "knee", root / "cohort")
    assert told["prepared"] == told["labelled"] == 2, told
    return root / "cohort"


def test_a_knee_regresses_the_other_two_views_middle_planes(knees):
    cohort = Cohort(knees)
    task = Planes(cohort.plan, cohort.anatomy)
    for study in cohort.studies.values():
        for s, stack in enumerate(study.stacks):
            for target in task.targets(study, s):
                there = np.isfinite(target.lines[:, 0]).all(-1)
                names = {name.partition(":")[0] for name, yes in zip(cohort.plan.targets, there, strict=True) if yes}
                assert names == {"sagittal", "coronal", "axial"} - {stack.view}
            locations = [target.location for target in task.targets(study, s)]
            assert locations == sorted(locations)
            assert (locations[0], locations[-1]) == (0, 1)


def test_a_knee_is_pretrained_and_segmented(knees, tmp_path):
    pretrain(knees, tmp_path / "pretrained", settings=SHORT)
    told = finetune(knees, tmp_path / "run", init=tmp_path / "pretrained", subjects=2, settings=SHORT)
    assert all(name.startswith("heads.segmentation") for name in told["new"])
    assert Run.open(tmp_path / "run").config["heads"]["segmentation"]["channels"] == 10
    assert Run.open(tmp_path / "run").config["views"] == ["sagittal", "coronal", "axial"]
    for side, told in (("right", False), ("", True)):
        said = []
        calls.segment(tmp_path / "run", write_knee(tmp_path / f"knee{side}", side), report=said.append)
        notices = [event["text"] for event in said if event["event"] == "notice"]
        assert any("The side of sagittal, coronal, axial is unknown: taken as of a left knee" in one
                   for one in notices) == told


@pytest.mark.parametrize("side", ["right", ""])
def test_where_the_side_is_unknown_pretraining_says_what_it_does_not_learn(tmp_path, side):
    prepare([write_knee(tmp_path / "knee", side)], "knee", tmp_path / "cohort")
    said = []
    pretrain(tmp_path / "cohort", tmp_path / "run", settings=SHORT, report=said.append)
    told = [event["text"] for event in said if event["event"] == "notice"]
    assert ["no place to learn" in text for text in told] == [True] * (not side)


def test_the_real_knee_learns_its_slices_places(data, tmp_path):
    """One direction only: there is no line to learn, and the location is."""
    prepare([data("knee-sagittal") / "mese"], "knee", tmp_path / "cohort")
    said = []
    told = pretrain(tmp_path / "cohort", tmp_path / "run", settings=SHORT, report=said.append)
    assert told["epochs"] == 1 and set(told["losses"]) == {"loss_location"}
    assert "only locations are learnt" in next(event["text"] for event in said if event["event"] == "notice")
    with pytest.raises(PlaneSSLError, match="there is no line to learn"):
        pretrain(tmp_path / "cohort", tmp_path / "lines", tasks=("lines",), settings=SHORT)


def test_the_prostate_needs_nothing_but_its_file(data, tmp_path):
    told = prepare([data("prostate")], "prostate", tmp_path / "cohort")
    assert told["prepared"] == 1, told
    [study] = Cohort(tmp_path / "cohort").studies.values()
    assert {"sagittal", "coronal", "axial"} <= {stack.view for stack in study.stacks}
    pretrain(tmp_path / "cohort", tmp_path / "run", settings=SHORT)
    assert {"lines", "location"} == set(Run.open(tmp_path / "run").config["heads"])
