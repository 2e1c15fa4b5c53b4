"""Slice views follow what they show."""
from __future__ import annotations

import numpy as np
import pytest
import slicer

from PlaneSSLLib import PlaneSSLError, scene
from PlaneSSLLib.geometry import crossings
from PlaneSSLLib.scene.coordinates import array_of, to_lps
from PlaneSSLLib.scene.meshes import points_of
from PlaneSSLLib.scene.views import shown_image, view_named

from .made_up import STUDIES


@pytest.fixture
def red():
    """A slice node with its composite node, as Slicer has it, without a window."""
    for name in ("vtkMRMLSliceCompositeNode", "vtkMRMLSliceNode"):
        node = slicer.mrmlScene.AddNewNodeByClass(name)
        node.SetLayoutName("Red")
    node.SetDimensions(300, 200, 1)
    return node


def lines_in(node) -> int:
    return 0 if node is None else node.GetPolyData().GetNumberOfLines()


@pytest.mark.parametrize("name", STUDIES)
def test_an_image_is_shown_whole_rows_to_the_right_and_columns_down(name, red):
    drawing = scene.draw_study(STUDIES[name]())
    for stack in drawing.study.stacks:
        for index, plane in enumerate(stack.planes):
            scene.show_image(red, drawing, stack.id, index)
            shown = shown_image(red)
            assert (shown.stack.id, shown.index) == (stack.id, index)
            placed = array_of(red.GetSliceToRAS())
            np.testing.assert_allclose(to_lps(placed[:3, :2].T), [plane.row, -plane.column], atol=1e-9)
            wide, high, _ = red.GetFieldOfView()
            assert wide / high == pytest.approx(1.5)
            assert wide >= plane.size[1] - 1e-6 and high >= plane.size[0] - 1e-6
            assert min(wide - plane.size[1], high - plane.size[0]) < 1e-6


def test_the_lines_follow_slice_volume_and_plane_in_hand(red):
    drawing = scene.draw_study(STUDIES["heart"]())
    scene.show_image(red, drawing, "sax", 0)
    live = scene.ViewLines([red])
    node = drawing.node("view lines")

    def offsets() -> np.ndarray:
        points = points_of(node.GetPolyData())[:2 * lines_in(node)]
        return drawing.study.stack("sax").planes[0].distance(points)

    assert lines_in(node) == 3
    np.testing.assert_allclose(offsets(), 0, atol=1e-9)
    placed = red.GetSliceToRAS()
    step = drawing.study.stack("sax").planes[2].centre - drawing.study.stack("sax").planes[0].centre
    for k, shift in enumerate(step * [-1, -1, 1]):
        placed.SetElement(k, 3, placed.GetElement(k, 3) + shift)
    red.UpdateMatrices()
    np.testing.assert_allclose(np.abs(offsets()), 16, atol=1e-9)  # two steps of 8 mm
    hand = scene.PlaneInHand(drawing, "two", 0)
    before = points_of(node.GetPolyData())
    centre = [0.0] * 3
    hand.handle.GetCenterWorld(centre)
    hand.handle.SetCenter(centre[0] + 9, centre[1] + 9, centre[2])
    assert not np.array_equal(points_of(node.GetPolyData()), before)
    hand.release()
    scene.show_image(red, drawing, "two", 0)
    assert lines_in(node) == 7  # five of the stack, two of the other long axes
    live.stop()
    scene.show_image(red, drawing, "sax", 0)
    assert lines_in(node) == 7


def test_a_move_draws_the_views_that_it_changes_and_leaves_the_others():
    drawing = scene.draw_study(STUDIES["heart"]())
    sax, two = view_named("Red"), view_named("Green")
    scene.show_image(sax, drawing, "sax", 2)
    scene.show_image(two, drawing, "two", 0)
    live = scene.ViewLines([sax, two])

    def mesh_of(view):
        return next(node for node in drawing.nodes("view lines")
                    if node.GetDisplayNode().GetViewNodeIDs() == (view.GetID(),)).GetPolyData()

    hand = scene.PlaneInHand(drawing, "two", 0)
    before, own = points_of(mesh_of(sax)), mesh_of(two)
    centre = [0.0] * 3
    hand.handle.GetCenterWorld(centre)
    hand.handle.SetCenter(centre[0] + 9, centre[1] + 9, centre[2])
    assert mesh_of(two) is own  # its image stays where it was acquired
    image, cut = drawing.study.stack("sax").planes[2], [drawing.study.stack(name).planes[0]
                                                       for name in ("two", "four", "scout")]
    expected = crossings([image], cut).segments[0].reshape(-1, 3)
    np.testing.assert_allclose(points_of(mesh_of(sax))[:6], expected, atol=1e-9)
    assert not np.allclose(before[:2], expected[:2])

    scene.restyle(drawing, others="hide")
    assert mesh_of(two).GetNumberOfLines() == 3  # the foremost short-axis image, the other long axis, the localizer
    for node in drawing.nodes("view lines"):
        slicer.mrmlScene.RemoveNode(node)
    hand.reset()
    np.testing.assert_allclose(points_of(mesh_of(sax))[:2], before[:2], atol=1e-9)
    assert mesh_of(two).GetNumberOfLines() == 3
    hand.release()
    live.stop()


def test_lines_stay_while_phases_play(red):
    drawing = scene.draw_study(STUDIES["heart"]())
    scene.show_image(red, drawing, "two", 0)
    live = scene.ViewLines([red])
    before = points_of(drawing.node("view lines").GetPolyData())
    drawing.node("browser").SetSelectedItemNumber(2)
    np.testing.assert_array_equal(points_of(drawing.node("view lines").GetPolyData()), before)
    live.stop()


def test_a_cut_through_a_volume_shows_where_the_planes_cut_it(red):
    """Not an acquired image: the slice view itself is the image, and its own stack's partners cut it."""
    drawing = scene.draw_study(STUDIES["knee"]())
    scene.show_image(red, drawing, "sag", 2)
    matrix = red.GetSliceToRAS()
    matrix.DeepCopy([1, 0, 0, -3, 0, 0.6, -0.8, 5, 0, 0.8, 0.6, 8, 0, 0, 0, 1])
    red.UpdateMatrices()
    shown = shown_image(red)
    assert shown.index is None and shown.stack.id == "sag"
    node = scene.draw_view_lines(red)
    points = points_of(node.GetPolyData())[:2 * lines_in(node)]
    assert lines_in(node) == 6
    np.testing.assert_allclose(shown.image.distance(points), 0, atol=1e-9)


def test_a_volume_of_somebody_else_has_no_lines(red):
    drawing = scene.draw_study(STUDIES["heart"]())
    scene.show_image(red, drawing, "sax", 0)
    assert scene.draw_view_lines(red) is not None
    other = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode")
    slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLSliceCompositeNode").SetBackgroundVolumeID(other.GetID())
    assert scene.draw_view_lines(red) is None and drawing.nodes("view lines") == []


def test_an_image_that_is_not_in_the_scene_cannot_be_shown(red):
    drawing = scene.draw_study(STUDIES["heart"](), volumes=False)
    with pytest.raises(PlaneSSLError, match="draw the study again"):
        scene.show_image(red, drawing, "sax", 0)


def test_one_pair_is_shown_alone(red):
    drawing = scene.draw_study(STUDIES["heart"]())
    scene.show_image(red, drawing, "sax", 2)
    live = scene.ViewLines([red])
    scene.show_pair(drawing, ("sax", 2), ("four", 0))
    assert lines_in(drawing.node("view lines")) == 1
    scene.show_all(drawing)
    assert lines_in(drawing.node("view lines")) == 3
    live.stop()
