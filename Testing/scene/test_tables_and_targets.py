"""The table of pairs, the targets of the pretext tasks, and predicted lines."""
from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import slicer
from vtkmodules.util.numpy_support import vtk_to_numpy

from PlaneSSLLib import PlaneSSLError, anatomy, scene
from PlaneSSLLib.geometry import heatmaps, intersect, lines_in_image
from PlaneSSLLib.scene.meshes import points_of
from PlaneSSLLib.study import lines_of

from .made_up import STUDIES, knee, planes, stack, study
from .test_views import lines_in, red

__all__ = ["red"]


@pytest.mark.parametrize("name", STUDIES)
def test_a_row_of_the_table_is_what_two_planes_share(name):
    drawing = scene.draw_study(made := STUDIES[name]())
    node = scene.draw_pairs(drawing)
    rows = scene.pairs(drawing)
    assert node.GetNumberOfRows() == len(rows) == len(scene.lines_in_scene(drawing).places)
    table = node.GetTable()
    for n, row in enumerate(rows):
        first = made.stack(row["first stack"]).planes[row["first slice"]]
        second = made.stack(row["second stack"]).planes[row["second slice"]]
        crossing = intersect(first, second)
        assert row["angle"] == pytest.approx(crossing.angle_deg, abs=1e-9)
        assert row["length"] == pytest.approx(crossing.length_mm, abs=1e-9)
        # The distance within an image to the line: the distance to the other plane, by the sine of their angle.
        away = abs(second.distance(first.centre)) / np.sin(np.radians(crossing.angle_deg))
        assert row["offset in first"] == pytest.approx(away, abs=1e-9)
        for name_, value in row.items():
            assert table.GetValueByName(n, name_).ToString() == str(value) or pytest.approx(value) == \
                table.GetValueByName(n, name_).ToDouble()
    assert node.GetColumnUnitLabel("length") == "mm"


def test_the_table_is_written_as_csv_and_not_over_another_file(tmp_path):
    drawing = scene.draw_study(knee())
    path = scene.write_pairs(drawing, tmp_path / "pairs.csv")
    with open(path, newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(scene.pairs(drawing)) and float(rows[0]["angle (deg)"]) == pytest.approx(90)
    with pytest.raises(PlaneSSLError, match="exists already"):
        scene.write_pairs(drawing, path)


def test_targets_are_the_heatmaps_of_the_central_planes_and_the_place_in_the_stack():
    drawing = scene.draw_study(made := knee())
    model = anatomy.load("knee")
    for index, plane in enumerate(made.stack("sag").planes):
        target = scene.targets_of(drawing, "sag", index)
        assert target.names == ("coronal:central", "axial:central")
        partners = [made.stack(name).planes[made.stack(name).central] for name in ("cor", "tra")]
        lines = lines_in_image(plane, partners)
        np.testing.assert_array_equal(target.maps, heatmaps(lines, plane.shape, plane.spacing, model.sigma_mm))
        assert target.location == pytest.approx(index / 3)


def test_targets_lie_on_the_voxels_of_their_volume_in_the_colours_of_the_views(red):
    drawing = scene.draw_study(made := knee())
    (node,) = scene.draw_targets(drawing, "sag")
    volume = drawing.node("volume", "sag")
    for matrix in (node, volume):
        assert matrix.GetSpacing() == volume.GetSpacing() and matrix.GetOrigin() == volume.GetOrigin()
    assert node.GetImageData().GetDimensions() == volume.GetImageData().GetDimensions()
    glow = slicer.util.arrayFromVolume(node)
    target = scene.targets_of(drawing, "sag", 1)
    color = {name: np.array(anatomy.load("knee").view(name).color) for name in ("coronal", "axial")}
    expected = target.maps[0][..., None] * color["coronal"] + target.maps[1][..., None] * color["axial"]
    np.testing.assert_allclose(glow[1], np.clip(255 * expected, 0, 255), atol=1)
    scene.show_image(red, drawing, "sag", 1)
    composite = slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLSliceCompositeNode")
    scene.overlay(red, [node])
    assert composite.GetForegroundVolumeID() == node.GetID() and composite.GetForegroundOpacity() > 0
    scene.overlay(red, [])
    assert composite.GetForegroundVolumeID() is None
    assert made.stack("sag").planes[0].shape == glow.shape[1:3]


def test_a_view_gets_the_targets_of_the_slice_that_it_shows(red):
    sagittal, _, axial = knee().stacks
    sheared = stack("cor", "coronal", planes((1, 0, 0), (0, 0, -1), slices=4, shear=3), number=2)
    drawing = scene.draw_study(study([sagittal, sheared, axial], "knee"))
    made = scene.draw_targets(drawing, "cor")
    assert len(made) == 4, "a volume a slice: MRML volumes have no shear"
    scene.show_image(red, drawing, "cor", 2)
    scene.overlay(red, made)
    laid = slicer.mrmlScene.GetNodeByID(
        slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLSliceCompositeNode").GetForegroundVolumeID())
    assert laid.GetOrigin() == drawing.volume_of("cor", 2).GetOrigin()
    assert slicer.util.arrayFromVolume(laid).any()


def test_targets_lie_over_their_own_study_alone_and_go_with_it_alone(red):
    both = [scene.draw_study(replace(knee(), folder=Path("/studies", name))) for name in ("one", "other")]
    for name in ("vtkMRMLSliceCompositeNode", "vtkMRMLSliceNode"):
        green = slicer.mrmlScene.AddNewNodeByClass(name)
        green.SetLayoutName("Green")
    composites = [slicer.mrmlScene.GetNthNodeByClass(i, "vtkMRMLSliceCompositeNode") for i in (0, 1)]
    for view, drawing in zip((red, green), both, strict=True):
        scene.show_image(view, drawing, "sag", 1)
    (one,), (other,) = (scene.draw_targets(drawing, "sag") for drawing in both)
    scene.overlay_all([one], both[0])
    assert [composite.GetForegroundVolumeID() for composite in composites] == [one.GetID(), None]
    scene.overlay_all([other], both[1])
    scene.overlay_all([], both[0])
    assert [composite.GetForegroundVolumeID() for composite in composites] == [None, other.GetID()]
    scene.overlay_all([])
    assert [composite.GetForegroundVolumeID() for composite in composites] == [None, None]
    fused = both[1].volume_of("cor", 1)  # by the user, of two images that were drawn
    composites[0].SetForegroundVolumeID(fused.GetID())
    scene.overlay_all([])
    assert composites[0].GetForegroundVolumeID() == fused.GetID()


def test_predicted_heatmaps_lie_beside_the_targets_where_there_are_any():
    drawing = scene.draw_study(made := knee())
    asked = scene.draw_targets(drawing, "sag")
    rng = np.random.default_rng(5)
    shape = made.stack("sag").planes[2].shape
    answer = scene.Target(("coronal:central", "nowhere:central"), rng.random((2, *shape), np.float32) / 2, 0.25)
    (node,) = scene.draw_predicted_targets(drawing, {("sag", 2): answer})
    assert drawing.nodes("targets") == asked and drawing.nodes("predicted targets") == [node]
    glow = slicer.util.arrayFromVolume(node)
    coronal = np.array(anatomy.load("knee").view("coronal").color)
    expected = answer.maps[0][..., None] * coronal + answer.maps[1][..., None]  # white: the study has no such view
    np.testing.assert_allclose(glow[2], np.clip(255 * expected, 0, 255), atol=1)
    assert not glow[[0, 1, 3]].any()
    assert node.GetDescription() == "relative location: nan, nan, 0.250, nan"
    assert scene.draw_predicted_targets(drawing, {}) == [] == drawing.nodes("predicted targets")


def test_a_line_that_was_not_found_is_not_drawn():
    drawing = scene.draw_study(made := knee())
    nothing = {"pixels": None, "angle_error_deg": None, "distance_error_mm": None}
    node = scene.draw_predictions(drawing, [{**line, "predicted": nothing} for line in lines_of(made)])
    assert node.GetPolyData().GetNumberOfCells() == 0


def test_predicted_lines_are_dashed_where_they_were_predicted(red):
    drawing = scene.draw_study(made := knee())
    document = [line for line in lines_of(made) if line["image"] == {"stack": "sag", "slice": 1}]
    shifted = [{**line, "predicted": {"pixels": (np.array(line["pixels"]) + 2).tolist(), "angle_error_deg": 1.5,
                                      "distance_error_mm": 3.0}} for line in document[:2]]
    node = scene.draw_predictions(drawing, [*shifted, *document[2:]])
    dashes = points_of(node.GetPolyData()).reshape(2, -1, 3)
    plane = made.stack("sag").planes[1]
    for line, points in zip(shifted, dashes, strict=True):
        pixels = plane.to_pixels(points)
        np.testing.assert_allclose(pixels[[0, -1]], line["predicted"]["pixels"], atol=1e-6)
        np.testing.assert_allclose(plane.distance(points), 0, atol=1e-9)
    errors = vtk_to_numpy(node.GetPolyData().GetCellData().GetArray("PlaneSSL.errors"))
    assert errors.tolist() == [[1.5, 3.0]] * len(errors)
    scene.show_image(red, drawing, "sag", 1)
    lines = len(document)
    assert lines_in(scene.draw_view_lines(red)) == lines + len(errors)
    scene.show_image(red, drawing, "sag", 2)
    assert lines_in(scene.draw_view_lines(red)) == lines


def test_nothing_predicted_is_nothing_drawn():
    made = knee()
    drawing = scene.draw_study(replace(made, stacks=made.stacks[:1]))
    assert scene.draw_predictions(drawing, []).GetPolyData().GetNumberOfCells() == 0
    assert scene.draw_pairs(drawing).GetNumberOfRows() == 0
