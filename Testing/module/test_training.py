"""The Train section: what it offers, what it starts, what it tells."""
from __future__ import annotations

import pytest
from Testing.made_up_run import write_run
from Testing.made_up_study import write_study
from Testing.module.using import draw, pick

from PlaneSSLLib import PlaneSSLError
from PlaneSSLLib.files import read_json, write_json


def test_what_the_panel_starts_are_commands_that_planessl_knows(panel, study_folder, tmp_path):
    from PlaneSSLLib.cli import _parser

    logic, workspace = panel.logic, panel.logic.workspace
    write_run(workspace.run("lines"), stage="pretraining", task="lines,location", finished=False)
    write_run(workspace.run("hearts"))
    config = workspace.run("hearts") / "config.json"
    write_json(config, {**read_json(config), "only_sequences": ["cine", "LGE"]})
    study = logic.drawStudy(study_folder)
    jobs = [
        *logic.pretrainingJobs(study_folder, "heart", "new", epochs=3), logic.resumingJob("lines"),
        *logic.finetuningJobs(study_folder, "heart", "new", init="lines", subjects=2, classes="c.csv",
                              sequences=["cine"], labels="1=LV,2=MYO,3=RV"),
        logic.resumingJob("hearts"),
        logic.segmentationJob("hearts", study, tmp_path / "x.npz", clean=True, stack="s"), logic.devicesJob(),
        logic.classificationJob("hearts", study), logic.predictionJob("lines", study, tmp_path / "maps.npz"),
        logic.readingJob(study_folder, tmp_path / "kept", "heart", {"s": "SAX"})]
    known = [_parser().parse_args([*job.arguments, "--json"]) for job in jobs]
    assert [options.command for options in known] == [
        "prepare", "pretrain", "pretrain", "prepare", "finetune", "finetune", "segment", "devices", "classify", "lines",
        "handover"]
    assert known[1].out == workspace.run("new") and known[1].epochs == 3
    assert known[3].classes.name == "c.csv" and known[3].labels == {1: "LV", 2: "MYO", 3: "RV"}
    assert [known[n].sequences for n in (1, 2, 4, 5)] == ["", "", "cine", "cine,LGE"]
    assert known[2].resume and known[2].tasks == "lines,location" and known[2].seed == 3
    assert known[5].resume and known[5].split == workspace.run("hearts") / "splits.json"
    for options, name in ((known[2], "lines"), (known[5], "hearts")):  # goes on as it began, whatever is usual by now
        began = read_json(workspace.run(name) / "config.json")["settings"]
        assert {key: getattr(options, key) for key in ("epochs", "batch", "coarse", "learning_rate", "precision")} == {
            key: began[key] for key in ("epochs", "batch", "coarse", "learning_rate", "precision")}
    with pytest.raises(PlaneSSLError, match="another name"):
        logic.pretrainingJobs(study_folder, "heart", "lines")
    with pytest.raises(PlaneSSLError, match="does not say what values stand for"):
        logic.finetuningJobs(study_folder, "heart", "new", labels="LV is 1")
    with pytest.raises(PlaneSSLError):
        logic.segmentationJob("nothing", study, tmp_path / "x.npz")


def test_a_training_starts_from_the_run_that_is_shown(panel, study_folder, monkeypatch):
    """A run of hearts that was chosen is no start for knees, and is not offered for them; nor are hearts' sequences."""
    write_run(panel.logic.workspace.run("lines"), stage="pretraining", task="lines,location")
    panel.settings.labelledFolder = str(study_folder)
    started = []
    monkeypatch.setattr(panel.running, "start", lambda title, jobs, *more, **others: started.append(jobs[-1].arguments))
    monkeypatch.setattr(panel, "missingPackages", lambda: False)
    panel.settings.startingRun = "lines"
    panel.refresh()
    pick(panel.ui.trainingSequence, "cine")
    for anatomy, start in (("heart", str(panel.logic.workspace.run("lines"))), ("knee", "none")):
        panel.settings.trainingAnatomy = anatomy
        panel.ui.finetuneButton.click()
        assert ("--sequences" in started[-1]) == (anatomy == "heart")
        assert str(started[-1][started[-1].index("--init") + 1]) == start
        assert ("none" in panel.ui.startingRun.currentText) == (start == "none")


def test_a_cohort_is_not_mixed_with_studies_from_elsewhere(panel, study_folder, tmp_path):
    from PlaneSSLLib.cohort import prepare

    prepare([study_folder], "heart", panel.logic.workspace.cohort("p"))
    assert len(panel.logic.pretrainingJobs(study_folder, "heart", "p")) == 2  # as after a cancelled training
    with pytest.raises(PlaneSSLError, match=r"from elsewhere.*another name"):
        panel.logic.pretrainingJobs(tmp_path, "heart", "p")


def test_studies_that_are_left_out_are_told_in_the_details(panel, study_folder, tmp_path):
    from PlaneSSLLib.jobs import Job

    write_study(tmp_path / "all" / "good", 0)
    (tmp_path / "all" / "bad").mkdir()
    (tmp_path / "all" / "bad" / "x.dcm").write_bytes(b"nothing")
    prepare = Job(["prepare", tmp_path / "all", "--anatomy", "heart", "--out", tmp_path / "c"])
    panel.running.start("Preparing", [prepare, Job(["anatomy", "list"])], lambda results: None)
    panel.running.finish()
    told = panel.ui.jobText.toPlainText()
    assert "bad: left out." in told and "good" not in told


def test_a_run_is_listed_as_soon_as_it_has_figures(panel, study_folder, monkeypatch):
    monkeypatch.setattr(panel.logic, "pretrainingJobs", lambda *_what, **_how: [])
    told = []
    monkeypatch.setattr(panel.running, "start", lambda _title, _jobs, _then, told=None: heard.append(told))
    heard = told
    panel.ui.pretrainingFolder.currentPath = str(study_folder)
    panel.settings.pretrainingName = "new"
    panel.ui.pretrainButton.click()
    write_run(panel.logic.workspace.run("new"), stage="pretraining", task="lines,location", finished=False)
    assert panel.ui.runsTable.rowCount == 0
    heard[0]({"event": "progress", "metrics": {"loss_lines": 0.1}})
    assert panel.ui.runsTable.rowCount == 1


def test_a_run_of_another_kind_is_not_offered_for_segmenting(panel, study_folder, tmp_path):
    write_run(panel.logic.workspace.run("lines"), stage="pretraining", task="lines,location")
    draw(panel, study_folder)
    assert panel.ui.runsTable.rowCount == 1
    assert not panel.ui.segmentButton.enabled and "segments" in panel.ui.segmentButton.toolTip
    assert panel.ui.predictButton.enabled
    starts = [panel.ui.startingRun.itemText(i) for i in range(panel.ui.startingRun.count)]
    assert starts == ["none: from scratch", "lines"]
    panel.ui.startingRun.setCurrentIndex(1)
    assert panel.settings.startingRun == "lines"


@pytest.fixture
def outlined(panel, study_folder, tmp_path):
    """A drawn volume and its segmentation, both chosen in the panel, and a folder to keep them in."""
    from PlaneSSLLib import anatomy, scene
    from PlaneSSLLib.study import read_labels, read_study

    drawing = panel.logic.drawing(draw(panel, study_folder))
    label = (study := read_study(study_folder)).labels[0]
    stack = study.stack(label.stack)
    (node,) = scene.add_segmentation(drawing, stack, read_labels(label, stack), anatomy.load("heart").labels)
    volume = drawing.volume_of(stack.id, 0)
    pick(panel.ui.trainingAnatomy, "heart")
    panel.ui.labelledFolder.currentPath = str(tmp_path / "outlined")
    panel.ui.labelledVolume.setCurrentNode(volume)
    panel.ui.labelledSegmentation.setCurrentNode(node)
    return volume, node


def test_outlines_made_in_slicer_become_a_labelled_study(panel, outlined, tmp_path, monkeypatch):
    """Kept again, corrected perhaps, they take the place of what was kept of these images, if the user says so."""
    import slicer

    from PlaneSSLLib.study import read_study

    _volume, segmentation = outlined
    assert panel.ui.keepButton.enabled
    panel.ui.keepButton.click()
    (kept,) = (tmp_path / "outlined").iterdir()
    label = read_study(kept).labels[0].file
    before = label.read_bytes()
    segment = segmentation.GetSegmentation().GetNthSegmentID(0)
    segmentation.GetSegmentation().RemoveSegment(segment)
    asked = []
    for answer in (False, True):
        assert label.read_bytes() == before
        monkeypatch.setattr(slicer.util, "confirmOkCancelDisplay",
                            lambda text, answer=answer: asked.append(text) or answer)
        panel.ui.keepButton.click()
    assert label.read_bytes() != before
    assert list((tmp_path / "outlined").iterdir()) == [kept]
    assert len(asked) == 2 and f"are in {kept} already" in asked[0]


def test_a_volume_from_elsewhere_is_kept_under_the_view_that_is_chosen(panel, outlined, tmp_path):
    """Disowned, it is as if the user had opened its file in Slicer."""
    from PlaneSSLLib.study import read_study

    for node in outlined:
        node.RemoveAttribute("PlaneSSL.study")
    panel.refresh()
    assert not panel.ui.keepButton.enabled and "view" in panel.ui.keepButton.toolTip
    views = panel.ui.labelledView
    views.setCurrentIndex(next(i for i in range(views.count) if views.itemData(i) == "4CH"))
    panel.ui.keepButton.click()
    (kept,) = (tmp_path / "outlined").iterdir()
    assert [one.view for one in read_study(kept).stacks] == ["4CH"]


def test_nothing_is_finetuned_that_an_anatomy_does_not_know(panel, study_folder):
    panel.ui.labelledFolder.currentPath = str(study_folder)
    for anatomy, task, able in (("heart", "segmentation", True), ("heart", "classification", True),
                                ("generic", "segmentation", False), ("prostate", "classification", False)):
        pick(panel.ui.trainingAnatomy, anatomy)
        pick(panel.ui.task, task)
        assert panel.ui.finetuneButton.enabled == able
    assert "prostate" in panel.ui.finetuneButton.toolTip
