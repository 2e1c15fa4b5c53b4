"""Where cohorts and runs are kept."""
from __future__ import annotations

import pytest
from Testing.made_up_run import write_run

from PlaneSSLLib import PlaneSSLError
from PlaneSSLLib.files import claim, read_figures
from PlaneSSLLib.workspace import Workspace, history


@pytest.fixture
def workspace(tmp_path):
    return Workspace(tmp_path / "kept")


def test_a_new_workspace_is_empty(workspace):
    assert workspace.runs() == [] == workspace.cohorts()
    assert not workspace.folder.exists()


def test_runs_are_told_at_a_glance(workspace):
    write_run(workspace.run("one"))
    write_run(workspace.run("two"), stage="pretraining", task="lines", epochs=9, finished=False)
    one, two = sorted(workspace.runs(), key=lambda run: run.name)
    assert (one.stage, one.task, one.anatomy, one.network, one.views) == (
        "finetuning", "segmentation", "heart", "small", ("SAX",))
    assert (one.epochs, one.of_epochs, one.finished, one.usable) == (5, 5, True, True)
    assert one.figures == {"loss_lines": 0.2, "dice": 0.6}
    assert (two.stage, two.of_epochs, two.finished) == ("pretraining", 9, False)


def test_the_figures_of_a_finished_run_are_those_of_the_weights_it_has_kept(workspace):
    run = write_run(workspace.run("one"))
    assert read_figures(run) == {"epoch": 5, "loss_lines": 0.2, "dice": 0.6}
    (run / "results.json").write_text('{"epochs": 5, "kept_epoch": 2, "validation": {"dice": 0.3}}')
    assert read_figures(run) == {"epoch": 5, "loss_lines": 0.2, "dice": 0.3}


def test_history_leaves_empty_cells_out(workspace):
    rows = history(write_run(workspace.run("one")))
    assert rows[0] == {"epoch": 1, "loss_lines": 0.5}
    assert rows[1] == {"epoch": 2, "loss_lines": 0.4, "dice": 0.3}


def test_a_damaged_run_is_passed_over(workspace):
    write_run(workspace.run("good"))
    (write_run(workspace.run("bad")) / "config.json").write_text("{")
    (write_run(workspace.run("old")) / "config.json").write_text("{}")
    assert [run.name for run in workspace.runs()] == ["good"]


@pytest.mark.parametrize("name", [
    "", "../away", "a/b", ".hidden", "x" * 70, "naïve?", "ends ", "ends.", "nul", "COM1.old"])
def test_a_name_that_is_no_folder_is_refused(workspace, name):
    with pytest.raises(PlaneSSLError, match="cannot be the name"):
        workspace.run(name)


def test_deleting_takes_cohorts_and_runs_only(workspace):
    run = write_run(workspace.run("one"))
    cohort = workspace.cohort("c")
    cohort.mkdir(parents=True)
    (cohort / "plan.json").write_text("{}")
    other = workspace.folder / "runs" / "mine"
    other.mkdir()
    for folder in (other, workspace.folder, workspace.folder / "runs", workspace.folder.parent):
        with pytest.raises(PlaneSSLError, match="left alone"):
            workspace.delete(folder)
    workspace.delete(run)
    workspace.delete(cohort)
    assert workspace.runs() == [] == workspace.cohorts()
    assert other.is_dir()


def test_a_run_that_is_being_trained_is_not_deleted(workspace):
    run = write_run(workspace.run("one"))
    lock = claim(run, "")
    with pytest.raises(PlaneSSLError, match="is being trained"):
        workspace.delete(run)
    assert (run / "config.json").is_file()
    lock.release()
    workspace.delete(run)
    assert not run.exists()
