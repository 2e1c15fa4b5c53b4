"""Learning from one MR sequence: the others might as well not have been acquired, and prediction keeps to it."""
from __future__ import annotations

import shutil
from dataclasses import replace

import numpy as np
import pytest
from Testing.made_up_study import write_study

from PlaneSSLLib import PlaneSSLError, calls
from PlaneSSLLib.cli import main
from PlaneSSLLib.cohort import Cohort
from PlaneSSLLib.files import read_json, write_json
from PlaneSSLLib.prediction.evaluating import evaluate
from PlaneSSLLib.prediction.segmenting import Segmenter
from PlaneSSLLib.study import read_study
from PlaneSSLLib.training.finetuning import finetune
from PlaneSSLLib.training.pretraining import pretrain
from PlaneSSLLib.training.run import Run

from .conftest import QUICK

ONE_EPOCH = replace(QUICK, epochs=1, batch=2)


@pytest.fixture
def mixed(cohort_folder, tmp_path):
    """Of eight studies the first two are late enhancement alone, of the next two only the outlined stack is."""
    folder = shutil.copytree(cohort_folder, tmp_path / "mixed")
    for n, name in enumerate(Cohort(folder).pseudonyms):
        file = folder / "studies" / name / "study.json"
        document = read_json(file)
        for stack in document["stacks"]:
            late = n < 2 or (n < 4 and stack["view"] == "SAX")
            stack["sequence"] = "LGE" if late else "cine"
        document["classes"] = {"dilated": n % 2}
        write_json(file, document)
    return folder


def test_a_cohort_shows_the_sequences_that_are_asked_for(mixed):
    cines = list(Cohort(mixed, ["cine"]).studies.values())
    assert [len(study.stacks) for study in cines] == [0, 0, 2, 2, 3, 3, 3, 3]
    assert [study.labelled for study in cines] == [False] * 4 + [True] * 4
    assert [len(study.stacks) for study in Cohort(mixed, ["cine", "LGE"]).studies.values()] == [3] * 8
    with pytest.raises(PlaneSSLError, match="has no sequence 'cinema'; it has TI-scout, "):
        Cohort(mixed, ["cinema"])


@pytest.mark.usefixtures("short_epochs")
def test_a_pretraining_sees_them_alone(mixed, tmp_path):
    told = []
    pretrain(mixed, tmp_path / "run", sequences=("cine",), settings=ONE_EPOCH, report=told.append)
    assert "2 of 8 studies have no image of cine: nothing is learnt from them." in [one.get("text") for one in told]
    run, names = Run.open(tmp_path / "run"), Cohort(mixed).pseudonyms
    assert set(run.split.train + run.split.validation) == set(names[2:])
    assert run.only_sequences == ("cine",)
    assert evaluate(run.folder, mixed)["metrics"]["location_error_slices"]["n"] == 4 * 5 * 2  # slices of two phases
    with pytest.raises(PlaneSSLError, match=r"No study of the cohort .* has an image of perfusion or map"):
        pretrain(mixed, tmp_path / "none", sequences=("perfusion", "map"), settings=ONE_EPOCH)
    assert not (tmp_path / "none").exists()


@pytest.mark.usefixtures("short_epochs")
def test_a_segmentation_is_of_those_outlined_in_them(mixed, tmp_path, monkeypatch):
    options = ["finetune", str(mixed), "--task", "segmentation", "--init", "none", "--out", str(tmp_path / "run"),
               "--sequences", "LGE", "--epochs", "1", "--batch", "2"]
    assert main([*options, "--subjects", "5"]) == 1  # four have outlines in late enhancement
    assert main([*options, "--fold", "0/2"]) == 0
    run, names = Run.open(tmp_path / "run"), Cohort(mixed).pseudonyms
    assert sorted(run.split.train + run.split.validation) == sorted(names[:4])
    assert run.learnt == {"SAX": ("LGE",)}
    with pytest.raises(PlaneSSLError, match="only_sequences: "):
        finetune(mixed, run.folder, settings=ONE_EPOCH, split=run.split, resume=True)

    def perfect(segmenter, images, planes, view):
        return [np.ones(plane.shape, np.uint8) for plane in planes]

    monkeypatch.setattr(Segmenter, "segment", perfect)
    assert evaluate(run.folder, mixed)["subjects"] == 4


@pytest.mark.usefixtures("short_epochs")
def test_a_classification_looks_at_them_alone(mixed, tmp_path):
    finetune(mixed, tmp_path / "run", "classification", sequences=("cine",), subjects=4, settings=ONE_EPOCH)
    assert evaluate(tmp_path / "run", mixed)["subjects"] == 6
    study = write_study(tmp_path / "study", 3, phases=2)
    looked_at = calls.classify(tmp_path / "run", study)["slices"]
    assert {item["stack"].rpartition("-")[2] for item in looked_at} == {"SAX"}  # the others have no phases: not told
    late = dict.fromkeys([stack.id for stack in read_study(study).stacks], "LGE")
    write_json(study / "study.json", {**read_json(study / "study.json"), "sequences": late})
    with pytest.raises(PlaneSSLError, match="looks at images of cine, and the study has LGE"):
        calls.classify(tmp_path / "run", study)
