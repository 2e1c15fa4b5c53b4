"""Results in the scene: on the voxels they were computed for, played with their cine, saved and opened again."""
from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from Testing.prediction.geometries import SEEDS, volume

slicer = pytest.importorskip("slicer")

from vtkmodules.util.numpy_support import vtk_to_numpy  # noqa: E402
from vtkmodules.vtkCommonMath import vtkMatrix4x4  # noqa: E402

from PlaneSSLLib import PlaneSSLError, anatomy, calls, scene  # noqa: E402
from PlaneSSLLib.prediction import measuring  # noqa: E402
from PlaneSSLLib.prediction.results import Results, SegmentedStack  # noqa: E402
from PlaneSSLLib.scene import nodes  # noqa: E402
from PlaneSSLLib.study import read_study  # noqa: E402

HEART = anatomy.load("heart")


@pytest.fixture(autouse=True)
def _empty_scene():
    scene.start()
    slicer.mrmlScene.Clear(0)
    yield
    slicer.mrmlScene.Clear(0)


def labelled_cine(folder, seed: int, phases: int) -> Results:
    """A cine read from DICOM, with labels that differ from phase to phase."""
    made = volume(seed)
    made.write_dicom(folder, phases)
    study = read_study(folder, anatomy="heart")
    (stack,) = study.stacks
    truth = {tuple(plane.position.round(3)): labels for plane, labels in zip(made.planes, made.labels, strict=True)}
    labels = [[np.where(truth[tuple(plane.position.round(3))] > k, truth[tuple(plane.position.round(3))], 0)
               for plane in stack.planes] for k in range(phases)]
    return Results(study, HEART, (SegmentedStack(stack, tuple(range(phases)), tuple(map(tuple, labels))),))


def values_at(node, plane) -> np.ndarray:
    """(rows, columns) label values of a segmentation node at the pixels of a plane; 0 outside its extent."""
    found = np.zeros(plane.shape, np.uint8)
    rows, columns = np.indices(plane.shape)
    points = plane.to_lps(np.stack([columns, rows], axis=-1)) * (-1, -1, 1)
    segmentation = node.GetSegmentation()
    for i in range(segmentation.GetNumberOfSegments()):
        segment = segmentation.GetNthSegment(i)
        image = segment.GetRepresentation(slicer.vtkSegmentationConverter.GetBinaryLabelmapRepresentationName())
        matrix = vtkMatrix4x4()
        image.GetWorldToImageMatrix(matrix)
        matrix = np.array([[matrix.GetElement(a, b) for b in range(4)] for a in range(4)])
        index = points @ matrix[:3, :3].T + matrix[:3, 3]
        nearest = np.rint(index).astype(int)
        low, high = np.reshape(image.GetExtent(), (3, 2)).T
        inside = ((nearest >= low) & (nearest <= high)).all(-1)
        if not inside.any():
            continue
        assert np.abs(index - nearest)[inside].max() < 0.01
        values = vtk_to_numpy(image.GetPointData().GetScalars()).reshape((high - low + 1)[::-1])
        here = values[tuple((nearest[inside] - low)[:, ::-1].T)] == segment.GetLabelValue()
        found[inside] = np.where(here, segment.GetLabelValue(), found[inside])
    return found


def require_same(drawing, segmented: SegmentedStack, phase: int) -> None:
    """The segmentation nodes in the scene show just these labels."""
    browser = drawing.node("browser")
    if browser is not None:
        browser.SetSelectedItemNumber(phase)
    nodes = drawing.nodes("segmentation")
    for i, plane in enumerate(segmented.stack.planes):
        mine = [node for node in nodes if node.GetAttribute("PlaneSSL.slice") in (None, str(i))]
        assert len(mine) == 1
        np.testing.assert_array_equal(values_at(mine[0], plane), segmented.labels[phase][i])


@pytest.mark.parametrize("seed", SEEDS)
def test_segments_lie_on_the_voxels_of_their_images(tmp_path, seed):
    results = labelled_cine(tmp_path / "study", seed, phases=1)
    drawing = calls.show(results, surface=False)
    require_same(drawing, results.stacks[0], 0)


@pytest.mark.parametrize("seed", range(6))
def test_a_saved_scene_has_every_phase_and_the_measures(tmp_path, seed):
    results = labelled_cine(tmp_path / "study", seed, phases=2)
    calls.show(results, surface=True)
    scene.save_scene(tmp_path / "s.mrb")
    (drawing,) = scene.load_scene(tmp_path / "s.mrb")
    for phase in (0, 1, 0):
        require_same(drawing, results.stacks[0], phase)
    table = drawing.node("measures").GetTable()
    shown = {(table.GetValueByName(i, "structure").ToString(), table.GetValueByName(i, "measure").ToString()):
             table.GetValueByName(i, "value").ToString() for i in range(table.GetNumberOfRows())}
    titles = {label.name: label.title for label in HEART.labels}
    expected = {(titles[row["structure"]], row["measure"]): row["value"]
                for row in measuring.rows(measuring.measure(results)) if row["measure"] != "volume"}
    assert {place for place, text in shown.items() if not text} == {
        place for place, value in expected.items() if value is None}  # what is not known is an empty cell
    assert {place: float(text) for place, text in shown.items() if text} == pytest.approx(
        {place: value for place, value in expected.items() if value is not None}, rel=1e-5)


def test_volumes_over_time_are_plotted_in_the_colours_of_their_structures(tmp_path):
    results = labelled_cine(tmp_path / "study", 0, phases=3)
    drawing = calls.show(results)
    calls.show(results)  # once more: replaced, not doubled
    (chart,), series = drawing.nodes("plot"), drawing.nodes("plot series")
    assert chart.GetNumberOfPlotSeriesNodes() == len(series) == 3
    assert len(drawing.nodes("volumes over time")) == 1
    document = measuring.measure(results)["stacks"][0]
    for node, label in zip(series, HEART.labels, strict=True):
        table = node.GetTableNode().GetTable()
        values = vtk_to_numpy(table.GetColumnByName(node.GetYColumnName()))
        np.testing.assert_allclose(values, document["volumes_ml"][label.name])
        np.testing.assert_allclose(vtk_to_numpy(table.GetColumnByName(node.GetXColumnName())), [0, 40, 80])
        assert node.GetColor() == pytest.approx(label.color)


def test_what_is_shown_again_takes_nothing_else_away(tmp_path, monkeypatch):
    """Whether its folder was named from here or in full, the study is the one in the scene."""
    results = labelled_cine(tmp_path / "study", 0, phases=1)
    drawing = calls.show(results, surface=False)
    note = nodes.add_node("vtkMRMLTextNode", "beside it", "measures", drawing.key)
    monkeypatch.chdir(tmp_path)
    relative = replace(results, study=replace(results.study, folder=Path("study")))
    assert calls.show(relative, surface=False) == drawing and slicer.mrmlScene.IsNodePresent(note)


def test_a_study_that_was_drawn_as_something_else_is_drawn_anew(tmp_path):
    results = labelled_cine(tmp_path / "study", 0, phases=1)
    before = scene.draw_study(read_study(tmp_path / "study", anatomy="generic"))
    assert {stack.id for stack in before.study.stacks} != {results.stacks[0].stack.id}
    require_same(calls.show(results, surface=False), results.stacks[0], 0)
    assert len(scene.drawings()) == 1


def test_classes_and_the_slices_that_weighed_most_are_tables(tmp_path):
    volume(0).write_dicom(tmp_path / "study")
    study = read_study(tmp_path / "study", anatomy="heart")
    drawing = scene.draw_study(study)
    slices = [{"stack": study.stacks[0].id, "slice": 1, "phase": 0, "weight": 0.75},
              {"stack": study.stacks[0].id, "slice": 0, "phase": 0, "weight": 0.25}]
    for probability in (0.2, 0.9):  # the second replaces the first
        scene.add_classes(drawing, {"classes": {"normal": probability, "dilated": 1 - probability}, "slices": slices})
    (classes,), (weights,) = drawing.nodes("classes"), drawing.nodes("weights")
    np.testing.assert_allclose(vtk_to_numpy(classes.GetTable().GetColumnByName("probability")), [0.9, 0.1])
    row = {name: weights.GetTable().GetValueByName(0, name) for name in ("stack", "slice")}
    assert drawing.volume_of(row["stack"].ToString(), row["slice"].ToInt()) is not None


def test_a_scene_that_cannot_be_saved_is_left_as_it_was(tmp_path, monkeypatch, truthful_run):
    volume(0).write_dicom(tmp_path / "study")
    stack = read_study(tmp_path / "study").stacks[0].id
    mine = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLModelNode", "the user's own")
    before = slicer.mrmlScene.GetNumberOfNodes()

    def full(*arguments, **more):
        raise PlaneSSLError("No space left on device.")

    monkeypatch.setattr(scene, "save_scene", full)
    with pytest.raises(PlaneSSLError, match="No space"):
        calls.segment(truthful_run, tmp_path / "study", tmp_path / "s.mrb", stack=stack)
    assert scene.drawings() == [] and slicer.mrmlScene.IsNodePresent(mine)
    assert slicer.mrmlScene.GetNumberOfNodes() <= before + 4  # singletons: hierarchy, selections
    monkeypatch.undo()


def test_the_mrb_of_a_call_holds_the_segmentation_with_surfaces(tmp_path, truthful_run):
    volume(0).write_dicom(tmp_path / "study", phases=2)
    stack = read_study(tmp_path / "study").stacks[0].id
    found = calls.segment(truthful_run, tmp_path / "study", tmp_path / "s.mrb", stack=stack)
    (drawing,) = scene.load_scene(tmp_path / "s.mrb")
    require_same(drawing, found.stacks[0], 1)
    surface = slicer.vtkSegmentationConverter.GetClosedSurfaceRepresentationName()
    assert all(node.GetSegmentation().ContainsRepresentation(surface) for node in drawing.nodes("segmentation"))
