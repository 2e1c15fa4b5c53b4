"""Studies that are in Slicer already: its DICOM database, volumes in the scene."""
from __future__ import annotations

import sys

import numpy as np
import pytest
import SimpleITK as sitk
from Testing.made_up_study import write_study
from Testing.module.using import draw
from vtkmodules.vtkCommonCore import vtkCommand

from PlaneSSLLib import PlaneSSLError
from PlaneSSLLib.study import read_study


class Database:
    """The part of ctkDICOMDatabase that is asked, over the folders of one study, a series each."""

    isOpen = True

    def __init__(self, study) -> None:
        self.series = sorted({frame.source.file.parent for stack in study.stacks
                              for frames in stack.frames for frame in frames})

    def patients(self) -> tuple[str, ...]:
        return ("1",)

    def nameForPatient(self, patient: str) -> str:
        return "Made-up"

    def studiesForPatient(self, patient: str) -> tuple[str, ...]:
        return ("1.2.3",)

    def descriptionForStudy(self, study: str) -> str:
        return "heart"

    def seriesForStudy(self, study: str) -> tuple[str, ...]:
        return tuple(map(str, range(len(self.series))))

    def filesForSeries(self, series: str) -> tuple[str, ...]:
        return tuple(str(file) for file in sorted(self.series[int(series)].iterdir()))


@pytest.fixture
def sources(host):
    from PlaneSSLPanel import sources

    host.mrmlScene.Clear(0)
    yield sources
    host.mrmlScene.Clear(0)


def test_a_study_of_the_database_is_read_from_links(sources, host, data, monkeypatch):
    original = read_study(data("heart-multiview"))
    monkeypatch.setattr(host, "dicomDatabase", Database(original))
    assert sources.dicomStudies() == [("Made-up: heart", "1.2.3")]
    gathered = sources.gatherDicom("1.2.3")
    assert sources.gatherDicom("1.2.3") == gathered
    found = read_study(gathered)
    assert sorted(stack.view for stack in found.stacks) == sorted(stack.view for stack in original.stacks)


def test_images_that_are_on_a_server_alone_are_not_passed_over(sources, host, data, monkeypatch):
    """Slicer knows them, and has no file of them, until they are retrieved: half a study is not read as a whole one."""
    database = Database(read_study(data("heart-multiview")))
    files = database.filesForSeries
    monkeypatch.setattr(host, "dicomDatabase", database)
    database.filesForSeries = lambda series: (*files(series), "") if series == "1" else files(series)
    with pytest.raises(PlaneSSLError, match="1 images of this study are on a server alone: retrieve them"):
        sources.gatherDicom("1.2.3")


@pytest.mark.parametrize("links", [True, False])
def test_a_file_that_is_gone_from_the_database_is_one_image_that_is_told(sources, host, data, monkeypatch, links):
    """Whether links can be made or not, as on Windows."""
    database = Database(read_study(data("heart-multiview")))
    files = database.filesForSeries
    monkeypatch.setattr(host, "dicomDatabase", database)
    database.filesForSeries = lambda series: (*files(series), "/nowhere/gone.dcm") if series == "1" else files(series)
    if not links:
        for name in ("symlink", "link"):
            monkeypatch.setattr(f"os.{name}", lambda *_names: exec("raise OSError"))
    found = read_study(sources.gatherDicom("1.2.3"))
    assert len(found.stacks) > 1 and len(found.problems) == 1


def test_without_a_database_there_is_nothing_to_choose(sources, host, monkeypatch):
    assert sources.dicomStudies() == []
    monkeypatch.delattr(host, "dicomDatabase")
    assert sources.dicomStudies() == []


def test_volumes_in_one_folder_of_the_scene_are_one_study(sources, host, study_folder, monkeypatch):
    monkeypatch.setattr(host.util, "exportNode", export_volume)
    hierarchy = host.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(host.mrmlScene)
    folder = hierarchy.CreateFolderItem(hierarchy.GetSceneItemID(), "a study")
    for name in ("sax_0", "2ch_0", "4ch_0"):
        node = add_volume(host, study_folder / f"{name}.nii.gz", name)
        hierarchy.CreateItem(folder, node)
    for name, class_name in (("labels", "vtkMRMLLabelMapVolumeNode"), ("colours", "vtkMRMLVectorVolumeNode")):
        hierarchy.CreateItem(folder, add_volume(host, study_folder / "sax_0.nii.gz", name, class_name))
    alone = add_volume(host, study_folder / "sax_0.nii.gz", "alone")
    hierarchy.CreateItem(hierarchy.GetSceneItemID(), alone)
    together = read_study(sources.gatherVolumes(node))
    assert len(together.stacks) == 3
    assert node.GetStorageNode() is None  # the user's volumes do not count as saved there
    original = {stack.view: stack for stack in read_study(study_folder).stacks}
    for stack in together.stacks:
        assert any(np.allclose(stack.planes[0].centre, plane.centre, atol=1e-3)
                   for one in original.values() for plane in one.planes)
    assert len(read_study(sources.gatherVolumes(alone)).stacks) == 1


def test_volumes_whose_names_differ_in_numbers_are_no_cine_and_no_several_patients(
        sources, host, study_folder, monkeypatch):
    monkeypatch.setattr(host.util, "exportNode", export_volume)
    hierarchy = host.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(host.mrmlScene)
    folder = hierarchy.CreateFolderItem(hierarchy.GetSceneItemID(), "a study")
    for number in (301, 401, 501):
        node = add_volume(host, study_folder / "sax_0.nii.gz", f"{number} knee")
        hierarchy.CreateItem(folder, node)
    study = read_study(sources.gatherVolumes(node))
    assert [stack.phases for stack in study.stacks] == [1, 1, 1] and not study.mixed


def test_volumes_of_one_id_after_another_are_not_taken_for_each_other(sources, host, study_folder, monkeypatch):
    monkeypatch.setattr(host.util, "exportNode", export_volume)
    first = add_volume(host, study_folder / "sax_0.nii.gz", "one")
    folder = sources.gatherVolumes(first)
    assert sources.gatherVolumes(first) == folder
    host.mrmlScene.Clear(0)
    assert sources.gatherVolumes(add_volume(host, study_folder / "sax_0.nii.gz", "another")) != folder


def test_a_volume_under_a_transform_is_refused(sources, host, study_folder):
    volume = add_volume(host, study_folder / "sax_0.nii.gz", "moved")
    transform = host.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    volume.SetAndObserveTransformNodeID(transform.GetID())
    with pytest.raises(PlaneSSLError, match="harden"):
        sources.gatherVolumes(volume)


def add_volume(host, file, name: str, class_name: str = "vtkMRMLScalarVolumeNode"):
    image = sitk.ReadImage(str(file))
    node = host.mrmlScene.AddNewNodeByClass(class_name, name)
    matrix = np.eye(4)
    matrix[:3, :3] = np.array(image.GetDirection()).reshape(3, 3) * image.GetSpacing()
    matrix[:3, 3] = image.GetOrigin()
    node.SetIJKToRASMatrix(host.util.vtkMatrixFromArray(np.diag([-1, -1, 1, 1]) @ matrix))
    host.util.updateVolumeFromArray(node, sitk.GetArrayFromImage(image))
    return node


def export_volume(node, path: str, properties: dict) -> bool:
    """slicer-core has no coreIOManager; its storage node writes as Slicer's does."""
    storage = node.GetScene().AddNewNodeByClass("vtkMRMLVolumeArchetypeStorageNode")
    storage.SetFileName(path)
    written = storage.WriteData(node)
    node.GetScene().RemoveNode(storage)
    return bool(written)


def test_a_path_that_is_remembered_is_not_forgotten_meanwhile(panel, study_folder):
    """CTK takes it out of the history and in again; no setting follows that."""
    from PlaneSSLPanel.section import remember

    panel.settings.studyFolder = str(study_folder)
    told = []
    edit = panel.ui.studyFolder
    edit.comboBox().editTextChanged.connect(told.append)
    tag = panel.settings.AddObserver(vtkCommand.ModifiedEvent, lambda *_: told.append(panel.settings.studyFolder))
    remember(edit)
    panel.settings.RemoveObserver(tag)
    assert told == ["", str(study_folder)], "what the edit's box tells, and nothing of the setting"
    edit.currentPath = "elsewhere"
    assert panel.settings.studyFolder == "elsewhere"


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere names of files are always text")
def test_names_of_files_that_are_no_text_are_shown_all_the_same(panel, tmp_path, monkeypatch):
    """PythonQt, unlike PySide, raises where a text cannot be written as UTF-8."""
    import qt

    write_study(tmp_path / "s", 0)
    (tmp_path / "s" / "M\udcfcller.dcm").write_bytes(b"nothing")
    (tmp_path / "s" / "study.json").unlink()
    for kind, name in ((qt.QPlainTextEdit, "setPlainText"), (qt.QPlainTextEdit, "appendPlainText")):
        there = getattr(kind, name)
        monkeypatch.setattr(kind, name, lambda self, text, there=there: there(self, text.encode().decode()))
    draw(panel, tmp_path / "s")
    assert "M?ller.dcm" in panel.ui.problemsText.toPlainText() and panel.logic.studies()
