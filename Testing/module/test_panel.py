"""The panel on slicer-core with stand-ins; see standins for what that proves."""
from __future__ import annotations


def nodes_of_others(host) -> int:
    """Nodes in the scene, but for the subject hierarchy, which comes with the first item."""
    scene = host.mrmlScene
    return scene.GetNumberOfNodes() - scene.GetNumberOfNodesByClass("vtkMRMLSubjectHierarchyNode")


def choose(panel, folder) -> None:
    panel.ui.studyFolder.currentPath = str(folder)


def test_the_module_loads_to_its_last_control(panel):
    assert panel.ui.anyFrame.toolTip
    assert panel.settings.anatomy == "guess"


def test_buttons_say_what_is_missing(panel, study_folder):
    assert not panel.ui.readButton.enabled
    assert "folder" in panel.ui.readButton.toolTip
    choose(panel, study_folder)
    assert panel.ui.readButton.enabled
    assert not panel.ui.clearButton.enabled


def test_a_folder_is_read_into_the_table_and_drawn_and_cleared(panel, host, study_folder):
    before = nodes_of_others(host)
    choose(panel, study_folder)
    panel.ui.readButton.click()
    table = panel.ui.stackTable
    assert table.rowCount == 3
    views = {table.item(row, 0).text(): table.cellWidget(row, 1).currentText for row in range(3)}
    assert sorted(views.values()) == ["2CH", "4CH", "SAX"]
    panel.ui.drawButton.click()
    (study,) = panel.logic.studies()
    # 5 SAX slices cut the 2CH and the 4CH image, which cut each other.
    assert len(panel.logic.pairs(study)) == 11
    panel.ui.clearButton.click()
    assert panel.logic.studies() == []
    assert nodes_of_others(host) == before


def test_the_logic_does_it_in_one_call(panel, study_folder):
    study = panel.logic.drawStudy(study_folder, others="show")
    assert len(panel.logic.pairs(study)) == 11
    panel.logic.clear(study)
    assert panel.logic.studies() == []


def test_a_corrected_view_is_read_again(panel, study_folder):
    choose(panel, study_folder)
    panel.ui.readButton.click()
    table = panel.ui.stackTable
    row = next(row for row in range(3) if table.cellWidget(row, 1).currentText == "4CH")
    table.cellWidget(row, 1).currentText = "3CH"
    assert "3CH" in [table.cellWidget(row, 1).currentText for row in range(3)]
