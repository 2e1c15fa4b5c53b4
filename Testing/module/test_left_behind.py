"""Nothing is left behind: by what was emptied, cleared, cancelled or saved; on slicer-core with stand-ins."""
from __future__ import annotations

import gc
import sys
import weakref

import numpy as np
import pytest
from Testing.made_up_run import write_run
from Testing.made_up_study import write_study
from Testing.module.using import draw, turn_until

from PlaneSSLLib import anatomy, scene


@pytest.fixture
def later_view(host):
    """A slice view of a layout that comes after the panel; it goes with the test."""
    view = scene.view_named("Later")
    yield view
    for kind in ("vtkMRMLSliceNode", "vtkMRMLSliceCompositeNode"):
        for node in host.util.getNodesByClass(kind):
            if node.GetLayoutName() == "Later":
                host.mrmlScene.RemoveNode(node)


def test_the_sections_are_reloaded_with_the_module(panel, monkeypatch):
    from slicer.ScriptedLoadableModule import ScriptedLoadableModuleWidget

    def sections():
        return {name: module for name, module in sys.modules.items() if name.startswith("PlaneSSLPanel")}

    before, left = sections(), []
    monkeypatch.setattr(ScriptedLoadableModuleWidget, "onReload", lambda widget: left.append(sections()), raising=False)
    try:
        panel.onReload()
    finally:
        sys.modules.update(before)
    assert len(before) > 5 and left == [{}], "nothing old is left when Slicer reads the module's file again"


def test_an_emptied_path_is_no_path(panel, tmp_path):
    panel.ui.exportFolder.currentPath = str(tmp_path)
    assert panel.settings.exportFolder == str(tmp_path)
    panel.ui.exportFolder.currentPath = ""
    panel.settings.surface = not panel.settings.surface
    assert (panel.settings.exportFolder, panel.ui.exportFolder.currentPath) == ("", "")


def test_a_path_is_taken_once_it_is_typed(panel, host, tmp_path):
    """Not letter by letter, and none that begins nowhere: models and cohorts would lie in folders of that name."""
    before, box = panel.logic.workspace.folder, panel.ui.workspace
    for typed in (str(tmp_path)[:-3], "half", str(tmp_path)):
        box.currentPath = typed
        assert panel.logic.workspace.folder == before
    turn_until(host, lambda: panel.logic.workspace.folder == tmp_path)
    box.currentPath = "half"
    panel.sections["PlaneSSLSetUp"]._move()
    assert panel.logic.workspace.folder == tmp_path


def test_a_cine_that_was_drawn_can_be_played(panel, host, study_folder, monkeypatch):
    shown = []
    monkeypatch.setattr(host.util, "mainWindow", object)
    monkeypatch.setattr(host.modules.sequences, "showSequenceBrowser", shown.append, raising=False)
    study = draw(panel, study_folder)
    assert shown == panel.logic.drawing(study).nodes("browser")[:1] != []


def test_the_look_that_a_script_chose_stays_until_the_user_chooses(panel, study_folder):
    study = panel.logic.drawStudy(study_folder, textures="all")
    before = panel.logic.drawing(study).look
    panel.settings.surface = not panel.settings.surface
    assert panel.logic.drawing(study).look == before


def test_the_panel_forgets_settings_that_it_no_longer_shows(panel):
    shown = weakref.ref(panel.settings)
    panel.exit()
    gc.collect()
    assert shown() is None


def test_handles_of_a_saved_scene_hold_nothing_and_go(panel, host, study_folder, tmp_path):
    draw(panel, study_folder)
    panel.ui.takeButton.click()
    scene.save_scene(tmp_path / "saved.mrb")
    host.mrmlScene.Clear(0)
    scene.load_scene(tmp_path / "saved.mrb")
    panel.enter()
    drawing, = scene.drawings()
    assert drawing.nodes("handle") == drawing.nodes("lines in hand") == []
    assert drawing.node("lines").GetPolyData().GetNumberOfLines() == 11
    assert panel.ui.takeButton.enabled


def test_clearing_gives_slice_views_back_as_they_were(panel, host, study_folder):
    draw(panel, study_folder)
    panel.ui.targetsButton.click()
    panel.ui.clearButton.click()
    composites = host.util.getNodesByClass("vtkMRMLSliceCompositeNode")
    assert {node.GetCompositing() for node in composites} == {host.vtkMRMLSliceCompositeNode.Alpha}
    assert not panel.ui.targetsButton.checked


def test_targets_leave_views_of_other_images_alone(panel, host, study_folder, later_view):
    draw(panel, study_folder)
    composite = next(node for node in host.util.getNodesByClass("vtkMRMLSliceCompositeNode")
                     if node.GetLayoutName() == later_view.GetLayoutName())
    foreign = [host.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode").GetID() for _ in range(2)]
    composite.SetBackgroundVolumeID(foreign[0])
    composite.SetForegroundVolumeID(foreign[1])
    composite.SetForegroundOpacity(0.3)
    for _ in range(2):
        panel.ui.targetsButton.click()
        assert (composite.GetForegroundVolumeID(), composite.GetForegroundOpacity()) == (foreign[1], 0.3)


@pytest.mark.parametrize(("given", "written", "allowed"), [
    ("new", "new.csv", True), ("old", "old.csv", True), ("old", "old.csv", False), ("new.txt", "new.txt", True)])
def test_a_table_of_pairs_gets_an_ending_where_the_dialog_gives_none(panel, host, study_folder, tmp_path, monkeypatch,
                                                                     given, written, allowed):
    import qt

    asked = []
    draw(panel, study_folder)
    (tmp_path / "old.csv").write_text("kept")
    monkeypatch.setattr(qt.QFileDialog, "getSaveFileName", lambda *_: str(tmp_path / given))
    monkeypatch.setattr(host.util, "confirmOkCancelDisplay", lambda text: asked.append(text) or allowed)
    panel.ui.savePairsButton.click()
    kept = (tmp_path / written).read_text()
    assert (kept == "kept") == (not allowed) and bool(asked) == (given == "old")


def test_targets_of_a_study_drawn_before_are_taken_away_with_the_button_too(panel, host, study_folder, tmp_path):
    draw(panel, study_folder)
    panel.ui.targetsButton.click()
    panel.logic.drawStudy(write_study(tmp_path / "other", seed=2, slices=3))
    composites = host.util.getNodesByClass("vtkMRMLSliceCompositeNode")
    assert panel.ui.targetsButton.checked and any(node.GetForegroundVolumeID() for node in composites)
    panel.ui.targetsButton.click()
    assert not any(node.GetForegroundVolumeID() for node in composites)


def test_targets_go_with_a_study_that_is_drawn_again_and_so_does_the_button(panel, study_folder):
    draw(panel, study_folder)
    panel.ui.targetsButton.click()
    assert panel.ui.targetsButton.checked
    draw(panel, study_folder)
    assert not panel.ui.targetsButton.checked
    panel.ui.targetsButton.click()
    assert panel.ui.targetsButton.checked and panel.logic.targetsShown()


def test_what_was_drawn_before_is_followed_on_after_a_cancelled_drawing(panel, host, study_folder, tmp_path, request):
    first = draw(panel, study_folder)
    write_study(tmp_path / "other", seed=2, slices=3)
    steps = panel.logic.drawingSteps(panel.logic.readStudy(tmp_path / "other"))
    next(steps)
    steps.close()
    drawing = panel.logic.drawing(first)
    view = request.getfixturevalue("later_view")
    sax = next(stack["id"] for stack in panel.logic.drawnStacks(first) if stack["view"] == "SAX")
    scene.show_image(view, drawing, sax, 2)
    assert [node for node in drawing.nodes("view lines") if node.GetAttribute("PlaneSSL.view") == view.GetID()]


def test_outlines_go_only_where_the_user_says_so(panel, host, study_folder, monkeypatch):
    draw(panel, study_folder)
    (study,) = panel.logic.studies()
    drawing = panel.logic.drawing(study)
    stack = next(one for one in drawing.study.stacks if one.view == "SAX")
    labels = np.zeros((len(stack.planes), *stack.planes[0].shape), np.uint8)
    labels[:, 5:9, 5:9] = 3
    node, = scene.add_segmentation(drawing, stack, labels, anatomy.load("heart").labels)
    answers: list[bool] = []
    monkeypatch.setattr(host.util, "confirmOkCancelDisplay", lambda text: answers.pop())
    for button in (panel.ui.drawButton, panel.ui.clearButton):
        answers.append(False)
        button.click()
        panel.running.finish()
        assert not answers and host.mrmlScene.IsNodePresent(node)
    answers.append(True)
    panel.ui.clearButton.click()
    assert not answers and not panel.logic.studies()
    panel.ui.drawButton.click()  # nothing to lose: nobody is asked
    panel.running.finish()
    assert panel.logic.studies()


def test_a_run_of_a_strange_name_closes_no_section(panel):
    write_run(panel.logic.workspace.folder / "runs" / "pretrained (copy)", finished=False)
    panel.refresh()
    panel.ui.runsTable.setCurrentCell(0, 0)
    assert not panel.ui.resumeButton.enabled and "cohort" in panel.ui.resumeButton.toolTip
