"""Work in the background: the panel goes on living while it lasts, when it fails, and when everything closes."""
from __future__ import annotations

import sys

import pytest
from Testing.module.using import choose, draw, longest_stand_still

from PlaneSSLLib import PlaneSSLError
from PlaneSSLLib.jobs import Job


def lost(arguments=()) -> Job:
    return Job(arguments, program=[sys.executable, "-c", "1 / 0"])


def endless() -> Job:
    code = "import time; from PlaneSSLLib import jobs; jobs.end_with_parent(); time.sleep(1000)"
    return Job([], program=[sys.executable, "-c", code])


def test_nothing_freezes_while_a_study_is_read_and_drawn(panel, host, study_folder):
    choose(panel, study_folder)
    # One of three will do, since other programs may keep the machine busy.
    assert any(longest_stand_still(panel, host, panel.ui.readButton.click) < 0.1 for _ in range(3))
    assert any(longest_stand_still(panel, host, panel.ui.drawButton.click) < 0.5 for _ in range(3))


def test_only_one_thing_is_under_way(panel, study_folder):
    panel.running.start("First", [endless()], lambda results: None)
    choose(panel, study_folder)
    assert not panel.ui.readButton.enabled and "First is under way" in panel.ui.readButton.toolTip
    with pytest.raises(PlaneSSLError, match="First is under way"):
        panel.running.start("Second", [endless()], lambda results: None)
    panel.ui.cancelButton.click()
    panel.running.finish()
    assert panel.ui.readButton.enabled
    assert "cancelled" in panel.ui.jobTitle.text


def test_a_job_that_dies_at_once_is_told_and_the_panel_stays_usable(panel, study_folder, monkeypatch):
    monkeypatch.setattr(panel.logic, "readingJob", lambda *_: lost(["handover"]))
    choose(panel, study_folder)
    panel.ui.readButton.click()
    panel.running.finish()
    assert "ZeroDivisionError" in panel.ui.jobText.toPlainText()
    assert "failed" in panel.ui.jobTitle.text
    monkeypatch.undo()
    draw(panel, study_folder)


def test_what_planessl_calls_options_are_controls_here(panel):
    said = "choose another stack with --stack, or --learning-rate"
    program = [sys.executable, "-c", f"import sys; print('planessl: {said}', file=sys.stderr); sys.exit(1)"]
    panel.running.start("Segmenting", [Job([], program=program)], lambda results: None)
    panel.running.finish()
    assert "choose another stack with 'Stack', or --learning-rate" in panel.ui.jobText.toPlainText()


def test_jobs_follow_each_other_and_the_second_is_not_started_after_a_failure(panel):
    said = []
    ok = [Job([], program=[sys.executable, "-c", f"print({n})"]) for n in (1, 2)]
    panel.running.start("Two", ok, said.append)
    panel.running.finish()
    assert said == [[1, 2]]
    never = endless()
    panel.running.start("Two", [lost(), never], said.append)
    panel.running.finish()
    assert never.state == "waiting"
    assert len(said) == 1


def test_closing_the_scene_ends_what_would_enter_it_and_nothing_else(panel, host, study_folder):
    job = endless()
    panel.running.start("Training", [job], lambda results: None)
    host.mrmlScene.Clear(0)
    assert job.active
    panel.ui.cancelButton.click()
    panel.running.finish()
    job = endless()
    panel.running.start("Segmenting", [job], lambda results: None, entersScene=True)
    host.mrmlScene.Clear(0)
    assert job.state == "cancelling"
    panel.running.finish()
    assert job.state == "cancelled"
    draw(panel, study_folder)


def test_a_result_that_comes_too_late_does_not_enter_another_scene(panel, host):
    said = []
    job = Job([], program=[sys.executable, "-c", "print(1)"])
    panel.running.start("Segmenting", [job], said.append, entersScene=True)
    job._process.wait()
    host.mrmlScene.Clear(0)
    panel.running.finish()
    assert said == []


def test_closing_the_scene_while_it_is_drawn_leaves_nothing_half_drawn(panel, host, study_folder):
    study = panel.logic.readStudy(study_folder)
    panel.running.steps("Drawing", panel.logic.drawingSteps(study), lambda: None)
    panel.running._turn()
    assert panel.logic.studies()
    host.mrmlScene.Clear(0)
    assert panel.logic.studies() == []
    assert not panel.running.busy
    assert len(panel.logic.pairs(draw(panel, study_folder))) == 11


def test_closing_slicer_leaves_no_process(panel):
    job = endless()
    panel.running.start("Training", [job], lambda results: None)
    panel.cleanup()
    assert not job.active


def test_what_nobody_foresaw_is_told_by_its_kind_and_its_place_is_logged(panel, caplog):
    patient = "Doe, Jane"

    def steps():
        yield
        raise KeyError(patient)

    panel.running.steps("Drawing", steps(), lambda *results: None)
    panel.running.finish()
    assert "unforeseen happened (KeyError)" in panel.ui.jobText.toPlainText()
    assert "test_running.py" in caplog.text and "Doe" not in caplog.text


def test_what_was_cancelled_goes_on_to_nothing_though_it_was_done_before_it_heard(panel):
    done, started = [], []
    quick = [sys.executable, "-c", "print('{}')"]
    for entering in (False, True):
        jobs = [Job([], program=quick), *([] if entering else [Job([], program=quick)])]
        panel.running.start("Work", jobs, done.append, entersScene=entering)
        jobs[0]._process.wait()
        panel.ui.cancelButton.click()
        panel.running.finish()
        started += [job.state for job in jobs[1:]]
        assert "cancelled" in panel.ui.jobTitle.text
    assert done == [] and started == ["waiting"]
