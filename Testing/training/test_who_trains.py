"""Who is trained on: of a split those who have labels, of a run that goes on those whom it began with."""
from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from PlaneSSLLib import PlaneSSLError
from PlaneSSLLib.cohort import Cohort, Split
from PlaneSSLLib.files import read_json, write_json
from PlaneSSLLib.training.finetuning import finetune
from PlaneSSLLib.training.pretraining import pretrain
from PlaneSSLLib.training.run import Run

from .conftest import QUICK

SHORT = replace(QUICK, epochs=1, batch=2)
pytestmark = pytest.mark.usefixtures("short_epochs")


@pytest.fixture
def answered(cohort_folder, tmp_path) -> Path:
    """Six of eight subjects have an answer, every other one another."""
    folder = shutil.copytree(cohort_folder, tmp_path / "c")
    for n, name in enumerate(Cohort(folder).pseudonyms[:6]):
        answer(folder, name, n % 2)
    return folder


def answer(folder: Path, name: str, value: int) -> None:
    file = folder / "studies" / name / "study.json"
    write_json(file, {**read_json(file), "classes": {"dilated": value}})


def break_off(run: Path) -> Split:
    (run / "results.json").unlink()  # the last that a training writes
    return Run(run).split


def test_a_pretraining_goes_on_in_a_cohort_that_has_grown(cohort_folder, tmp_path):
    folder = shutil.copytree(cohort_folder, tmp_path / "c")
    late = folder / "studies" / Cohort(folder).pseudonyms[3]
    late.rename(tmp_path / "late")
    pretrain(folder, tmp_path / "run", settings=SHORT)
    before = break_off(tmp_path / "run")
    (tmp_path / "late").rename(late)
    pretrain(folder, tmp_path / "run", settings=SHORT, resume=True)
    assert Run(tmp_path / "run").finished and Run(tmp_path / "run").split == before
    shutil.rmtree(folder / "studies" / before.train[0])
    break_off(tmp_path / "run")
    with pytest.raises(PlaneSSLError, match="1 of the 7 subjects to train or validate on are not in the cohort"):
        pretrain(folder, tmp_path / "run", settings=SHORT, resume=True)


@pytest.mark.parametrize("subjects", [None, 4])
def test_a_classification_goes_on_when_somebody_else_got_an_answer(answered, tmp_path, subjects):
    finetune(answered, tmp_path / "run", "classification", subjects=subjects, settings=SHORT)
    before = break_off(tmp_path / "run")
    answer(answered, Cohort(answered).pseudonyms[7], 1)
    finetune(answered, tmp_path / "run", "classification", subjects=subjects, settings=SHORT, resume=True)
    assert Run(tmp_path / "run").finished and Run(tmp_path / "run").split == before
    break_off(tmp_path / "run")
    with pytest.raises(PlaneSSLError, match=r"the split of the subjects; its own: --split .*splits\.json"):
        finetune(answered, tmp_path / "run", "classification", subjects=6, settings=SHORT, resume=True)
    answer(answered, before.train[0], 1 - Cohort(answered).studies[before.train[0]].classes["dilated"])
    with pytest.raises(PlaneSSLError, match="started otherwise"):  # it would learn another answer than it began with
        finetune(answered, tmp_path / "run", "classification", subjects=subjects, settings=SHORT, resume=True)


def test_of_a_split_those_without_labels_do_not_count(answered, tmp_path):
    names = Cohort(answered).pseudonyms
    told = []
    found = finetune(answered, tmp_path / "run", "classification", split=Split(names[:3] + names[6:], names[3:5]),
                     settings=SHORT, report=told.append)
    assert found["train"] == 3 and Run(tmp_path / "run").split == Split(names[:3], names[3:5])
    assert Run(tmp_path / "run").taught == set(names[:3])
    assert "2 of the 5 subjects to train on have no labels for classification: it learns from 3." in [
        event.get("text") for event in told]


def test_a_split_of_which_nobody_to_train_on_is_labelled_is_refused(answered, tmp_path):
    names = Cohort(answered).pseudonyms
    with pytest.raises(PlaneSSLError, match="None of the subjects to train on has labels for classification"):
        finetune(answered, tmp_path / "run", "classification", split=Split(names[6:], names[:2]), settings=SHORT)
    assert not (tmp_path / "run").exists()


def test_a_split_of_which_nobody_to_validate_on_is_labelled_trains_for_a_fixed_time(answered, tmp_path):
    """As a pretraining's may be: it was drawn from all, and few are labelled."""
    names, said = Cohort(answered).pseudonyms, []
    told = finetune(answered, tmp_path / "run", "classification", split=Split(names[:4], names[6:]), settings=SHORT,
                    report=said.append)
    assert told["validation"] == {} and told["kept_epoch"] == told["epochs"]
    assert any("without validation" in event.get("text", "") for event in said)


def test_a_run_goes_on_with_the_split_that_it_was_given_whoever_got_labels_since(answered, tmp_path):
    names = Cohort(answered).pseudonyms
    given = Split(names[:4] + names[6:], names[4:6])
    finetune(answered, tmp_path / "run", "classification", split=given, settings=SHORT)
    before = break_off(tmp_path / "run")
    answer(answered, names[6], 1)
    finetune(answered, tmp_path / "run", "classification", split=given, settings=SHORT, resume=True)
    assert Run(tmp_path / "run").finished and Run(tmp_path / "run").split == before
