"""The Apply section, button by button, with real child processes and untrained runs."""
from __future__ import annotations

import numpy as np
import pydicom
import pytest
from Testing.made_up_run import write_untrained_run
from Testing.module.using import draw

from PlaneSSLLib.cli import _parser
from PlaneSSLLib.phantom import write_phantoms

pytest.importorskip("torch")


@pytest.fixture(scope="module")
def heart(tmp_path_factory):
    """A phantom heart of two phases as DICOM."""
    out = tmp_path_factory.mktemp("phantom")
    write_phantoms("heart", 1, 3, out, phases=2)
    return next(path for path in sorted(out.iterdir()) if path.is_dir())


@pytest.fixture
def ready(panel, heart):
    """The panel with a study drawn and three runs to apply; called with a task, it chooses the run for it."""
    for task in ("segmentation", "classification", "lines"):
        write_untrained_run(panel.logic.workspace.run(task), task)
    study = draw(panel, heart)

    def choose_run(task: str):
        names = [panel.ui.run.itemData(i) for i in range(panel.ui.run.count)]
        panel.ui.run.setCurrentIndex(names.index(task))
        panel.refresh()
        return study

    return choose_run


def press(panel, button) -> None:
    assert button.enabled, button.toolTip
    button.click()
    panel.running.finish()
    assert "failed" not in panel.ui.jobTitle.text, panel.ui.jobText.toPlainText()


def test_segment_shows_every_phase_and_its_measures(panel, host, ready):
    ready("segmentation")
    press(panel, panel.ui.segmentButton)
    assert host.util.getNodesByClass("vtkMRMLSegmentationNode")
    tables = [node.GetName() for node in host.util.getNodesByClass("vtkMRMLTableNode")]
    assert any(name.endswith("measures") for name in tables)


def test_a_segmentation_is_measured_as_it_was_corrected(panel, host, heart):
    """The cavity of the first phase is painted once more as large: so is the volume, and what is ejected."""
    from PlaneSSLLib import anatomy, scene
    from PlaneSSLLib.study import read_study

    assert not panel.ui.measureButton.enabled
    study = draw(panel, heart)
    sax = next(stack for stack in read_study(heart).stacks if stack.view == "SAX" and not stack.localizer)
    labels = [np.zeros((len(sax.planes), *sax.planes[0].shape), np.uint8) for _ in range(2)]
    for phase in labels:
        phase[:, 20:30, 20:30] = 3
    for side, ejected in ((30, 0), (40, 50)):
        labels[0][:, 20:30, 20:side] = 3
        scene.add_segmentation(panel.logic.drawing(study), sax.id, labels, anatomy.load("heart").labels)
        panel.refresh()
        press(panel, panel.ui.measureButton)
        assert f"ejection fraction {ejected} %" in panel.ui.answer.text
    cavity = panel.logic.measure(study)["stacks"][0]["cavities"]["LV"]
    assert (cavity["ed_phase"], cavity["es_phase"]) == (0, 1)
    area = sax.planes[0].spacing[0] * sax.planes[0].spacing[1]
    assert cavity["edv_ml"] == pytest.approx(200 * area * sax.step_mm * len(sax.planes) / 1000, rel=1e-3)


def test_a_corrected_view_is_what_networks_are_asked_about(panel, ready, heart, tmp_path):
    ready("lines")
    panel.logic.clear()
    ids = {stack.view: stack.id for stack in panel.logic.readStudy(heart).stacks if not stack.localizer}
    corrected = {ids["SAX"]: "oblique", ids["4CH"]: "SAX"}
    study = panel.logic.drawStudy(panel.logic.readStudy(heart, views=corrected))
    lines = panel.logic.predictionJob("lines", study).wait()
    asked = {line["image"]["stack"] for line in lines if "predicted" in line}
    assert ids["4CH"] in asked and ids["SAX"] not in asked
    for job in (panel.logic.segmentationJob("segmentation", study, tmp_path / "x.npz"),
                panel.logic.classificationJob("classification", study)):
        assert dict(_parser().parse_args(job.arguments).view) == corrected


def test_classify_tells_the_classes_and_shows_the_slices_that_weighed_most(panel, host, ready):
    study = ready("classification")
    press(panel, panel.ui.classifyButton)
    assert [line.partition(":")[0] for line in panel.ui.answer.text.splitlines()] == [
        "normal", "dilated", "hypertrophied"]
    names = {node.GetName() for node in host.util.getNodesByClass("vtkMRMLTableNode")}
    assert {"Classes", "Slices by weight"} <= names
    table, view = panel.ui.weightsTable, host.mrmlScene.GetNodeByID("vtkMRMLSliceNodeRed")
    drawing = panel.logic.drawing(study)
    for row in (0, table.rowCount - 1):
        table.setCurrentCell(row, 0)
        stack, index, phase = (table.item(row, column).text() for column in range(3))
        plane = drawing.study.stack(stack).planes[int(index) - 1]
        to_ras = view.GetSliceToRAS()
        centre = [-to_ras.GetElement(0, 3), -to_ras.GetElement(1, 3), to_ras.GetElement(2, 3)]
        assert centre == pytest.approx(plane.centre.tolist(), abs=1e-6)
        volume = drawing.volume_of(stack, int(index) - 1)
        browsers = [one for one in drawing.nodes("browser") if one.GetSequenceNode(volume)]
        assert all(one.GetSelectedItemNumber() == int(phase) - 1 for one in browsers)


def test_predicted_lines_are_drawn_and_their_heatmaps_laid_over(panel, ready):
    study = ready("lines")
    press(panel, panel.ui.predictButton)
    stack = next(one["id"] for one in panel.logic.drawnStacks(study) if one["view"] == "SAX")
    assert panel.logic.predictedTargets(study, stack)
    assert panel.ui.answer.text
    stacks = panel.ui.planeStack
    stacks.setCurrentIndex(next(i for i in range(stacks.count) if stacks.itemData(i) == stack))
    assert panel.ui.predictedButton.enabled, panel.ui.predictedButton.toolTip


def test_export_writes_the_outlines_as_they_were_corrected_into_a_new_folder_of_the_chosen_one(
        panel, heart, tmp_path):
    """One phase of two is outlined: by a network, say, and put right by hand."""
    from PlaneSSLLib import anatomy, calls, scene

    study = draw(panel, heart)
    sax = next(stack for stack in panel.logic.drawing(study).study.stacks if stack.view == "SAX")
    labels = np.zeros((len(sax.planes), *sax.planes[0].shape), np.uint8)
    labels[2:5, 20:30, 20:30] = 3
    scene.add_segmentation(panel.logic.drawing(study), sax.id, [labels], anatomy.load("heart").labels, phases=[1])
    assert not panel.ui.exportButton.enabled
    (tmp_path / "export").mkdir()  # a file dialog offers folders that are there
    (tmp_path / "export" / "other.txt").touch()
    panel.settings.exportFolder = str(tmp_path / "export")
    panel.refresh()
    press(panel, panel.ui.exportButton)
    made, = (path for path in (tmp_path / "export").iterdir() if path.is_dir())
    assert str(made) in panel.ui.answer.text
    written, = made.rglob("*.dcm")
    assert pydicom.dcmread(written, stop_before_pixels=True).Modality == "SEG"
    found = calls.measure(made)["stacks"][0]["volumes_ml"]
    area = sax.planes[0].spacing[0] * sax.planes[0].spacing[1]
    assert found["LV"] == [pytest.approx(300 * area * sax.step_mm / 1000, rel=1e-3)]
    assert found["MYO"] == [0]


def test_a_study_cleared_from_the_scene_is_not_shown_by_an_old_table(panel, ready):
    ready("classification")
    press(panel, panel.ui.classifyButton)
    panel.logic.clear()
    panel.refresh()
    panel.ui.weightsTable.setCurrentCell(1, 0)
    assert panel.logic.studies() == []
