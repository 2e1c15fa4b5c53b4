"""The panel on slicer-core with stand-ins; see standins for what that proves."""
from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from Testing.made_up_study import write_study
from Testing.module.using import choose, draw, pick

from PlaneSSLLib import PlaneSSLError

HOUSE = Path(__file__).resolve().parents[2]


def nodes_of_others(host) -> int:
    """Nodes in the scene, but for the subject hierarchy, which comes with the first item."""
    scene = host.mrmlScene
    return scene.GetNumberOfNodes() - scene.GetNumberOfNodesByClass("vtkMRMLSubjectHierarchyNode")


def shown_views(panel) -> list[str]:
    table = panel.ui.stackTable
    return [table.cellWidget(row, 1).currentText for row in range(table.rowCount)]


def select(table, row: int) -> None:
    table.setCurrentCell(row, 0)


def test_the_module_loads_to_its_last_control(panel):
    assert panel.ui.deleteButton.toolTip
    assert panel.settings.anatomy == "guess"


def test_every_control_says_what_it_is_for(panel, host):
    import qt

    import ctk

    kinds = (qt.QPushButton, qt.QComboBox, qt.QCheckBox, qt.QSpinBox, qt.QTableWidget, qt.QLineEdit, qt.QLabel,
             ctk.ctkCollapsibleButton, ctk.ctkCollapsibleGroupBox, ctk.ctkPathLineEdit, host.qMRMLNodeComboBox)
    names = [name for name, widget in vars(panel.ui).items()
             if isinstance(widget, kinds) and not widget.toolTip and not name.startswith("qt_")]
    assert names == []


def test_importing_the_module_is_light():
    code = (f"import sys; sys.path[:0] = [{str(HOUSE)!r}, {str(HOUSE / 'Testing' / 'module')!r}]\n"
            "import standins; standins.install()\n"
            "before = set(sys.modules); import PlaneSSL\n"
            "print([name for name in ('pydicom', 'torch', 'monai', 'matplotlib', 'highdicom', 'PyTorchUtils', "
            "'PlaneSSLLib.study.reading', 'PlaneSSLLib.anatomy.reading', 'PlaneSSLLib.scene.nodes') "
            "if name in set(sys.modules) - before])")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=HOUSE)
    assert done.stdout.strip() == "[]"


def test_an_own_anatomy_that_cannot_be_read_closes_no_panel(tmp_path):
    (tmp_path / "broken.toml").write_text("views = [", encoding="utf-8")
    code = (f"import os, sys; sys.path[:0] = [{str(HOUSE)!r}, {str(HOUSE / 'Testing' / 'module')!r}]\n"
            f"os.environ['PLANESSL_ANATOMIES'] = {str(tmp_path)!r}\n"
            "import standins; standins.install()\n"
            "import PlaneSSL, PlaneSSLPanel.parameters as p; print(*p.ANATOMIES)")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=HOUSE)
    assert done.stdout.split() == ["generic", "heart", "knee", "prostate"]


def test_buttons_say_what_is_missing(panel, study_folder):
    ui = panel.ui
    assert not ui.readButton.enabled and "folder" in ui.readButton.toolTip
    choose(panel, study_folder)
    assert ui.readButton.enabled
    for button, missing in ((ui.clearButton, "Nothing"), (ui.takeButton, "Draw"), (ui.releaseButton, "No plane"),
                            (ui.pretrainButton, "folder"), (ui.segmentButton, "run"), (ui.resumeButton, "Select")):
        assert not button.enabled and missing in button.toolTip


def test_a_folder_is_read_into_the_table_and_drawn_and_cleared(panel, host, study_folder):
    before = nodes_of_others(host)
    choose(panel, study_folder)
    panel.ui.readButton.click()
    assert panel.running.busy
    panel.running.finish()
    assert sorted(shown_views(panel)) == ["2CH", "4CH", "SAX"]
    panel.ui.drawButton.click()
    panel.running.finish()
    (study,) = panel.logic.studies()
    # 5 SAX slices cut the 2CH and the 4CH image, which cut each other.
    assert len(panel.logic.pairs(study)) == panel.ui.pairsTable.rowCount == 11
    panel.ui.clearButton.click()
    assert panel.logic.studies() == []
    panel.logic.forgetViews()
    left = [node for node in host.util.getNodesByClass("vtkMRMLNode") if node.IsA("vtkMRMLSliceNode")
            or node.IsA("vtkMRMLSliceCompositeNode")]
    assert nodes_of_others(host) - len(left) <= before  # the slice views, which Slicer always has, stay


def test_the_logic_does_it_in_one_call(panel, study_folder):
    study = panel.logic.drawStudy(study_folder, others="show")
    assert len(panel.logic.pairs(study)) == 11
    panel.logic.clear(study)
    assert panel.logic.studies() == []


def test_a_corrected_view_is_read_again(panel, study_folder):
    choose(panel, study_folder)
    panel.ui.readButton.click()
    panel.running.finish()
    row = shown_views(panel).index("4CH")
    panel.ui.stackTable.cellWidget(row, 1).currentText = "3CH"
    assert panel.running.busy and panel.ui.stackTable.cellWidget(row, 1).currentText == "3CH", "while it is read"
    panel.running.finish()
    assert sorted(shown_views(panel)) == ["2CH", "3CH", "SAX"]
    draw(panel, study_folder)
    assert sorted(stack["view"] for stack in panel.logic.drawnStacks(panel.logic.studies()[0])) == ["2CH", "3CH", "SAX"]


def test_a_folder_that_is_not_there_is_told_in_a_sentence(panel, tmp_path):
    choose(panel, tmp_path / "nowhere")
    panel.ui.drawButton.click()
    panel.running.finish()
    assert "nowhere" in panel.ui.jobText.toPlainText()
    assert panel.logic.studies() == []
    assert panel.ui.drawButton.enabled


def test_a_saved_scene_brings_the_panel_back(panel, host, study_folder, tmp_path):
    from PlaneSSLLib import scene

    draw(panel, study_folder)
    pick(panel.ui.textures, "central")
    panel.ui.finetuningEpochs.value = 7
    panel.ui.taskLines.checked = False
    panel.ui.labelledVolume.setCurrentNode(host.util.getNodesByClass("vtkMRMLScalarVolumeNode")[0])
    for name, place in (("planeStack", 1), ("applyStack", 2)):
        getattr(panel.ui, name).setCurrentIndex(place)
    chosen = panel.settings.planeStack, panel.settings.applyStack
    assert all(chosen)
    scene.save_scene(tmp_path / "saved.mrb")
    host.mrmlScene.Clear(0)
    assert panel.ui.textures.currentData == "none"
    scene.load_scene(tmp_path / "saved.mrb")
    panel.enter()
    assert panel.ui.studyFolder.currentPath == str(study_folder)
    assert panel.ui.textures.currentData == "central"
    assert panel.ui.finetuningEpochs.value == 7
    assert not panel.ui.taskLines.checked
    assert panel.settings.labelledVolume is not None
    assert (panel.ui.planeStack.currentData, panel.ui.applyStack.currentData) == chosen
    assert len(panel.logic.studies()) == 1


def test_the_lines_and_images_of_a_loaded_scene_follow_what_is_shown(panel, host, study_folder, tmp_path):
    from PlaneSSLLib import scene

    pick(panel.ui.textures, "central")
    draw(panel, study_folder)
    scene.save_scene(tmp_path / "saved.mrb")
    host.mrmlScene.Clear(0)
    scene.load_scene(tmp_path / "saved.mrb")
    drawing, = scene.drawings()
    textures = drawing.nodes("texture")
    assert textures and all(node.GetDisplayNode().GetTextureImageDataConnection() for node in textures)
    red = scene.view_named("Red")
    sax = next(stack["id"] for stack in panel.logic.stacks(drawing.study) if stack["view"] == "SAX")
    seen = []
    for index in (0, 4):
        scene.show_image(red, drawing, sax, index)
        lines = next(node for node in drawing.nodes("view lines") if node.GetAttribute("PlaneSSL.view") == red.GetID())
        seen.append(host.util.arrayFromModelPoints(lines).copy())
    assert not np.allclose(seen[0].mean(0), seen[1].mean(0), atol=1)


def test_leaving_the_module_does_not_stop_a_study_from_being_drawn(panel, study_folder):
    choose(panel, study_folder)
    panel.ui.drawButton.click()
    panel.exit()
    panel.running.finish()
    assert len(panel.logic.studies()) == 1


def test_the_pairs_of_another_scene_are_not_kept(panel, host, study_folder, tmp_path):
    """The next study's record has the same node's id: ids begin anew in an emptied scene."""
    first = draw(panel, study_folder).GetID()
    write_study(tmp_path / "other", seed=2, slices=3)
    panel.exit()
    host.mrmlScene.Clear(0)
    second = panel.logic.drawStudy(tmp_path / "other")
    panel.enter()
    assert second.GetID() == first
    assert panel.ui.pairsTable.rowCount == len(panel.logic.pairs(second)) == 7


def test_the_look_may_change_while_a_training_runs(panel, study_folder):
    from PlaneSSLLib import scene
    from PlaneSSLLib.jobs import Job

    draw(panel, study_folder)
    panel.running.start("Training", [Job(["devices"])], lambda results: None)
    pick(panel.ui.others, "hide")
    assert scene.drawings()[0].look.others == "hide"
    panel.running.finish()


def test_settings_of_another_version_do_no_harm(panel, host):
    panel.exit()
    node = host.mrmlScene.GetSingletonNode("PlaneSSL", "vtkMRMLScriptedModuleNode")
    node.SetParameter("network", "transformer")
    node.SetParameter("finetuningEpochs", "100000")
    node.SetParameter("gone", "x")
    panel.enter()
    assert (panel.settings.network, panel.settings.finetuningEpochs) == ("small", 40)
    panel.settings.textures = "all"
    panel.exit()
    node.SetParameter("subjects", "many")
    panel.enter()
    assert (panel.settings.subjects, panel.settings.textures) == (0, "all")


def test_the_look_follows_the_settings(panel, study_folder):
    from PlaneSSLLib import scene

    draw(panel, study_folder)
    pick(panel.ui.others, "hide")
    assert scene.drawings()[0].look.others == "hide"


def test_a_pair_is_shown_alone_and_all_again(panel, study_folder):
    from PlaneSSLLib import scene

    draw(panel, study_folder)
    select(panel.ui.pairsTable, 3)
    assert len(scene.drawings()[0].look.pair) == 2
    panel.ui.allPairsButton.click()
    assert scene.drawings()[0].look.pair == ()


def test_a_plane_is_moved_and_let_go(panel, study_folder):
    study = draw(panel, study_folder)
    before = panel.logic.pairs(study)
    panel.ui.takeButton.click()
    assert not panel.ui.takeButton.enabled and panel.ui.releaseButton.enabled
    centre = [0.0] * 3
    panel.logic.planeInHand().GetCenter(centre)
    panel.logic.planeInHand().SetCenter(centre[0] + 3, centre[1] + 2, centre[2])
    panel.ui.releaseButton.click()
    assert panel.logic.planeInHand() is None
    assert panel.logic.pairs(study) != before
    assert panel.ui.takeButton.enabled


def test_targets_are_laid_over_and_taken_away(panel, host, study_folder):
    draw(panel, study_folder)
    panel.ui.targetsButton.click()
    composites = host.util.getNodesByClass("vtkMRMLSliceCompositeNode")
    assert any(node.GetForegroundVolumeID() for node in composites)
    panel.ui.targetsButton.click()
    assert not any(node.GetForegroundVolumeID() for node in composites)


def test_what_a_run_answered_is_laid_over_in_place_of_the_targets(panel, host, study_folder, tmp_path):
    from PlaneSSLLib.prediction.heatmaps import save
    from PlaneSSLLib.scene import targets_of

    draw(panel, study_folder)
    (study,) = panel.logic.studies()
    assert not panel.ui.predictedButton.enabled
    stack = panel.logic.drawnStacks(study)[0]["id"]
    save({(stack, 0): targets_of(panel.logic.drawing(study), stack, 0)}, tmp_path / "maps.npz")
    panel.logic.showPredictions(study, [], tmp_path / "maps.npz")
    panel.refresh()
    panel.ui.targetsButton.click()
    panel.ui.predictedButton.click()
    assert not panel.ui.targetsButton.checked
    (node,) = panel.logic.predictedTargets(study, stack)
    composites = host.util.getNodesByClass("vtkMRMLSliceCompositeNode")
    assert {composite.GetForegroundVolumeID() for composite in composites} == {node.GetID()}
    panel.ui.predictedButton.click()
    assert not any(composite.GetForegroundVolumeID() for composite in composites)


def test_another_anatomy_is_read_anew(panel, study_folder):
    draw(panel, study_folder)
    panel.settings.anatomy = "generic"
    panel.ui.drawButton.click()
    panel.running.finish()
    assert panel.logic.anatomy(panel.logic.studies()[-1]) == "generic"


def test_closing_the_scene_while_a_study_is_read_to_be_drawn_leaves_it_empty(panel, host, study_folder):
    draw(panel, study_folder)
    assert panel.ui.stackTable.rowCount > 0
    panel.settings.anatomy = "generic"
    panel.ui.drawButton.click()
    assert panel.running.busy
    host.mrmlScene.Clear(0)
    panel.running.finish()
    assert panel.logic.studies() == []
    assert panel.ui.stackTable.rowCount == 0


def test_a_correction_is_of_the_study_that_the_table_shows(panel, study_folder, tmp_path, capfd):
    draw(panel, study_folder)
    shown, box = panel.sections["PlaneSSLStudy"].study, panel.ui.stackTable.cellWidget(0, 1)
    choose(panel, write_study(tmp_path / "other", seed=2, slices=3))
    box.currentText = next(box.itemText(i) for i in range(box.count) if box.itemText(i) != box.currentText)
    assert "read it first" in capfd.readouterr().err
    assert panel.sections["PlaneSSLStudy"].study is shown and not panel.running.busy


def test_corrected_views_come_back_with_the_scene(panel, study_folder):
    draw(panel, study_folder)
    corrected = {stack["id"]: "3CH" for stack in panel.logic.drawnStacks(panel.logic.studies()[-1])[:1]}
    choose(panel, study_folder)
    panel.sections["PlaneSSLStudy"].read(corrected)
    panel.running.finish()
    panel.ui.drawButton.click()
    panel.running.finish()
    panel.sections["PlaneSSLStudy"].study = None  # as when the scene is opened another day
    panel.ui.drawButton.click()
    panel.running.finish()
    assert panel.logic.drawing(panel.logic.studies()[-1]).now.acquired.corrected == corrected


def test_a_run_can_be_deleted_after_asking(panel, host, monkeypatch):
    from Testing.made_up_run import write_run

    run = write_run(panel.logic.workspace.run("old"))
    panel.ui.setUpSection.collapsed = False
    select(panel.ui.keptTable, 0)
    assert panel.ui.deleteButton.enabled
    answers = iter((False, True))
    monkeypatch.setattr(host.util, "confirmOkCancelDisplay", lambda text: next(answers))
    panel.ui.deleteButton.click()
    assert run.exists()
    select(panel.ui.keptTable, 0)
    panel.ui.deleteButton.click()
    assert not run.exists()
    assert panel.ui.keptTable.rowCount == 0


def test_a_study_without_rights_is_told(panel, tmp_path):
    folder = write_study(tmp_path / "closed", seed=2)
    folder.chmod(0)
    try:
        if list_is_allowed(folder):
            pytest.skip("this user may read everything")
        choose(panel, folder)
        panel.ui.readButton.click()
        panel.running.finish()
        assert "closed" in panel.ui.jobText.toPlainText()
    finally:
        folder.chmod(0o755)


def list_is_allowed(folder: Path) -> bool:
    try:
        return bool(list(folder.iterdir()))
    except PermissionError:
        return False


def test_set_up_tells_what_is_there(panel):
    panel.ui.setUpSection.collapsed = False
    table = panel.ui.packagesTable
    shown = {table.item(row, 0).text(): table.item(row, 2).text() for row in range(table.rowCount)}
    assert {"torch", "monai", "pydicom"} <= shown.keys()
    assert "missing" not in shown.values()
    assert not panel.ui.torchButton.enabled and "is installed" in panel.ui.torchButton.toolTip


def test_without_torch_nothing_trains_and_the_panel_says_why(panel, study_folder, monkeypatch):
    from PlaneSSLPanel import installing

    monkeypatch.setattr(installing, "packages", lambda: [installing.Package("torch", ">=2.4", "")])
    panel.ui.pretrainingFolder.currentPath = str(study_folder)
    assert not panel.ui.pretrainButton.enabled and "Set-up" in panel.ui.pretrainButton.toolTip
    with pytest.raises(PlaneSSLError, match="PyTorch extension"):
        installing.installTorch()
    assert draw(panel, study_folder)


def test_an_old_slicer_shows_the_panel_all_the_same(panel, monkeypatch):
    from PlaneSSLPanel import installing

    monkeypatch.setitem(sys.modules, "slicer.packaging", None)
    monkeypatch.delattr("slicer.packaging", raising=False)
    installing.lookAgain()
    panel.refresh()
    with pytest.raises(PlaneSSLError, match=r"5\.12"):
        installing.installPackages()
