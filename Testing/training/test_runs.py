"""What a run's folder holds, and what is neither lost, overwritten nor believed."""
from __future__ import annotations

import json
import os
import pickle
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from PlaneSSLLib import PlaneSSLError
from PlaneSSLLib.files import LOCK, claim
from PlaneSSLLib.training.finetuning import finetune
from PlaneSSLLib.training.pretraining import pretrain
from PlaneSSLLib.training.run import Run
from PlaneSSLLib.training.tasks.planes import Planes

from .conftest import QUICK, rows_of, same_weights


class Malice:
    def __reduce__(self):
        return os.system, ("touch should-not-exist",)


def test_pickled_code_is_refused(pretrained, tmp_path):
    shutil.copytree(pretrained, tmp_path / "run")
    torch.save({"step": Malice()}, tmp_path / "run" / "state.pt")
    with pytest.raises(PlaneSSLError, match="was not loaded"):
        Run(tmp_path / "run").state()
    (tmp_path / "run" / "weights.safetensors").write_bytes(pickle.dumps(Malice()))
    with pytest.raises(PlaneSSLError, match="damaged"):
        Run(tmp_path / "run").network()


def test_weights_of_another_network_show_both_sides(pretrained, tmp_path):
    shutil.copytree(pretrained, tmp_path / "run")
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    config["heads"]["lines"]["channels"] = 9
    (tmp_path / "run" / "config.json").write_text(json.dumps(config))
    with pytest.raises(PlaneSSLError, match=r"network \(36,.*file \(16,"):
        Run(tmp_path / "run").network()


def test_a_run_on_another_grid_is_refused_with_both_sides(pretrained, cohort_folder, tmp_path):
    shutil.copytree(pretrained, tmp_path / "run")
    plan = json.loads((tmp_path / "run" / "plan.json").read_text())
    (tmp_path / "run" / "plan.json").write_text(json.dumps({**plan, "spacing": [1.0, 1.0]}))
    with pytest.raises(PlaneSSLError, match=r"spacing: \(1\.0, 1\.0\) and \(2\.0, 2\.0\)"):
        finetune(cohort_folder, tmp_path / "out", init=tmp_path / "run", settings=QUICK)
    assert not (tmp_path / "out").exists()


def test_resuming_with_other_choices_is_refused(pretrained, cohort_folder):
    with pytest.raises(PlaneSSLError, match="task: lines,location and location"):
        pretrain(cohort_folder, pretrained, tasks=("location",), settings=QUICK, resume=True)


def test_existing_runs_are_not_overwritten_silently(pretrained, cohort_folder):
    before = (pretrained / "weights.safetensors").read_bytes()
    with pytest.raises(PlaneSSLError, match="exists already"):
        pretrain(cohort_folder, pretrained, settings=QUICK)
    assert (pretrained / "weights.safetensors").read_bytes() == before


@pytest.mark.usefixtures("short_epochs")
def test_a_finished_run_is_replaced_when_asked(pretrained, cohort_folder, tmp_path):
    """As make demo does, each time but the first."""
    shutil.copytree(pretrained, tmp_path / "run")
    told = pretrain(cohort_folder, tmp_path / "run", settings=replace(QUICK, epochs=1, batch=1), overwrite=True)
    assert told["epochs"] == 1
    assert len(rows_of(tmp_path / "run")) == 1
    assert not same_weights(tmp_path / "run", pretrained)


@pytest.mark.usefixtures("short_epochs")
def test_a_run_is_kept_until_the_one_that_replaces_it_has_ended(pretrained, cohort_folder, tmp_path, monkeypatch):
    """A training that fails must not have cost a month's work; what others put into the folder stays as well."""
    shutil.copytree(pretrained, tmp_path / "run")
    (tmp_path / "run" / "mine").mkdir()
    with monkeypatch.context() as broken:
        broken.setattr(Planes, "sums", lambda task, outputs, batch: {"lines": outputs["lines"].sum() * float("nan")})
        for _ in range(2):  # a second attempt replaces the first one's remains, not what is kept
            with pytest.raises(PlaneSSLError, match="no longer a number"):
                pretrain(cohort_folder, tmp_path / "run", tasks=("lines",), settings=QUICK, overwrite=True)
            assert same_weights(tmp_path / "run" / "replaced", pretrained)
            assert Run.open(tmp_path / "run" / "replaced").finished and not Run.open(tmp_path / "run").finished
    pretrain(cohort_folder, tmp_path / "run", settings=replace(QUICK, epochs=1), overwrite=True)
    assert {path.name for path in (tmp_path / "run").iterdir() if path.is_dir()} - {"tensorboard"} == {"mine"}


@pytest.mark.usefixtures("short_epochs")
def test_a_file_that_somebody_put_beside_a_run_outlives_it(pretrained, cohort_folder, tmp_path):
    shutil.copytree(pretrained, tmp_path / "run")
    (tmp_path / "run" / "notes.txt").write_text("the one with the odd scanner", encoding="utf-8")
    pretrain(cohort_folder, tmp_path / "run", settings=replace(QUICK, epochs=1), overwrite=True)
    assert (tmp_path / "run" / "notes.txt").is_file() and not (tmp_path / "run" / "replaced").exists()


def test_a_model_of_another_program_is_not_taken_for_a_run(cohort_folder, tmp_path):
    """Many keep a config.json."""
    others = {"config.json": '{"model_type": "bert"}', "versions.json": '["1.0"]', "thesis.txt": "three years"}
    for name, text in others.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    with pytest.raises(PlaneSSLError, match="something else than a run"):
        pretrain(cohort_folder, tmp_path, settings=QUICK, overwrite=True)
    assert {path.name: path.read_text(encoding="utf-8") for path in tmp_path.iterdir()} == others


@pytest.mark.usefixtures("short_epochs")
def test_a_run_that_was_broken_off_before_it_began_is_replaced(pretrained, cohort_folder, tmp_path):
    """Ctrl-C in the moment between putting the old run aside and the first word of the new one."""
    shutil.copytree(pretrained, tmp_path / "run" / "replaced")
    shutil.copytree(pretrained, tmp_path / "run", dirs_exist_ok=True)
    for path in (tmp_path / "run").iterdir():
        if path.name not in ("plan.json", "replaced"):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    told = pretrain(cohort_folder, tmp_path / "run", settings=replace(QUICK, epochs=1, batch=1), overwrite=True)
    assert told["epochs"] == 1 and Run.open(tmp_path / "run").finished


@pytest.mark.usefixtures("short_epochs")
@pytest.mark.parametrize("resume", [True, False])
def test_what_was_broken_off_before_a_run_began_is_in_nobodys_way(pretrained, cohort_folder, tmp_path, resume):
    """A full disk, a kill: a grid of comparisons must not stand still for it."""
    shutil.copytree(pretrained, tmp_path / "run")
    for path in (tmp_path / "run").iterdir():
        if path.name not in ("plan.json", "versions.json"):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    told = pretrain(cohort_folder, tmp_path / "run", settings=replace(QUICK, epochs=1, batch=1), resume=resume)
    assert told["epochs"] == 1 and Run.open(tmp_path / "run").finished


def test_a_run_is_known_as_one_wherever_putting_it_aside_was_broken_off(pretrained, tmp_path, monkeypatch):
    shutil.copytree(pretrained, tmp_path / "run")
    run, move = Run(tmp_path / "run"), Path.replace

    def interrupted(path, target):
        move(path, target)
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "replace", interrupted)
    left = sum(path.is_file() and path.name != LOCK for path in run.folder.iterdir())
    for _ in range(left):
        with pytest.raises(KeyboardInterrupt):
            run._put_aside()
        assert run._is_ours()
    run._put_aside()
    assert same_weights(run.replaced, pretrained) and Run(run.replaced).finished


@pytest.mark.usefixtures("short_epochs")
def test_weights_that_are_kept_have_their_figures_in_the_checkpoint(cohort_folder, tmp_path, monkeypatch):
    """Whatever the time: on a GPU a training that goes on from before does not find these weights again."""
    kept, saved = [], []
    weights, state = Run.save_weights, Run.save_state
    monkeypatch.setattr(Run, "save_weights", lambda run, found: (kept.append(1), weights(run, found)))
    monkeypatch.setattr(Run, "save_state", lambda run, found: (saved.append(found["kept"]), state(run, found)))
    monkeypatch.setattr("PlaneSSLLib.training.engine.time.monotonic", lambda: 0.0)  # no time for a checkpoint
    pretrain(cohort_folder, tmp_path / "run", settings=replace(QUICK, epochs=3, batch=1))
    assert len(kept) > 1 and len(set(saved)) == len(kept)


def test_of_two_that_begin_one_run_the_later_one_changes_nothing(pretrained, tmp_path):
    """Both have found it free; what the first has written is what it trains by."""
    of = Run(pretrained)

    def begin(task):
        return Run.create(tmp_path / "run", {**of.config, "task": task}, of.plan, "", of.split, overwrite=True)

    first = begin("lines")
    with pytest.raises(PlaneSSLError, match="Another process is training"):
        begin("location")
    assert first.config["task"] == "lines"
    with first.alone():
        pass
    assert begin("location").config["task"] == "location"


def test_a_run_that_was_broken_off_before_its_first_file_is_begun_again(pretrained, tmp_path):
    of = Run(pretrained)
    (tmp_path / "run").mkdir()
    claim(tmp_path / "run", "").release()
    made = Run.create(tmp_path / "run", of.config, of.plan, "", of.split, overwrite=False)
    assert made.config == of.config
