"""A plane in hand: its lines and those of its partners follow, and it can be put back."""
from __future__ import annotations

import numpy as np
import pytest
import slicer

from PlaneSSLLib import scene
from PlaneSSLLib.geometry import Plane, crossings
from PlaneSSLLib.scene.coordinates import to_ras
from PlaneSSLLib.scene.meshes import points_of

from .made_up import STUDIES, turn


def moved(plane: Plane) -> Plane:
    """Turned by 20 degrees about its own middle, and shifted."""
    basis = turn(20, (1, 2, -1))
    row, column = basis @ plane.row, basis @ plane.column
    centre = plane.centre + [3, -4, 2]
    position = (centre - row * plane.spacing[1] * (plane.shape[1] - 1) / 2
                - column * plane.spacing[0] * (plane.shape[0] - 1) / 2)
    return Plane(position, row, column, plane.spacing, plane.shape)


def drag(hand: scene.PlaneInHand, plane: Plane) -> None:
    hand.handle.SetAxes(*(to_ras(axis) for axis in (plane.row, plane.column, plane.normal)))
    hand.handle.SetCenter(*to_ras(plane.centre))


def all_segments(drawing) -> np.ndarray:
    """Every line that is drawn, of the plane in hand and of the others, in one order."""
    meshes = [node.GetPolyData() for node in drawing.nodes("lines") + drawing.nodes("lines in hand")]
    ends = np.concatenate([points_of(mesh)[:2 * mesh.GetNumberOfLines()] for mesh in meshes]).reshape(-1, 6)
    return ends[np.lexsort(np.round(ends, 4).T)]


def expected(study) -> np.ndarray:
    found = []
    for a, first in enumerate(study.stacks):
        for second in study.stacks[a + 1:]:
            segments = crossings(first.planes, second.planes).segments.reshape(-1, 6)
            found.append(segments[np.isfinite(segments).all(-1)])
    ends = np.concatenate(found)
    return ends[np.lexsort(np.round(ends, 4).T)]


@pytest.mark.parametrize(("name", "stack", "index"), [("heart", "two", 0), ("heart", "sax", 2), ("knee", "cor", 1),
                                                      ("tilted", "uneven", 2)])
def test_the_lines_follow_a_plane_and_come_back_with_it(name, stack, index):
    made = STUDIES[name]()
    drawing = scene.draw_study(made)
    before = all_segments(drawing)
    np.testing.assert_allclose(before, expected(made), atol=1e-9)
    hand = scene.PlaneInHand(drawing, stack, index)
    np.testing.assert_allclose(all_segments(drawing), before, atol=1e-9)

    new = moved(made.stack(stack).planes[index])
    drag(hand, new)
    np.testing.assert_allclose(hand.plane.to_lps([(0, 0), (30, 20)]), new.to_lps([(0, 0), (30, 20)]), atol=1e-6)
    now = drawing.study
    np.testing.assert_allclose(now.stack(stack).planes[index].corners(), new.corners(), atol=1e-6)
    np.testing.assert_allclose(all_segments(drawing), expected(now), atol=1e-9)
    assert all_segments(drawing).tolist() != before.tolist()
    corners = points_of(drawing.node("planes", stack).GetPolyData())[4 * index:4 * index + 4]
    np.testing.assert_allclose(corners, new.corners(), atol=1e-6)

    hand.reset()
    np.testing.assert_allclose(all_segments(drawing), before, atol=1e-9)
    drag(hand, new)
    hand.release()
    assert drawing.nodes("handle") == drawing.nodes("lines in hand") == []
    np.testing.assert_allclose(all_segments(drawing), expected(drawing.study), atol=1e-9)


def test_a_plane_may_be_turned_into_another_direction():
    """An axial plane that is turned into a coronal one cuts the sagittal ones, and the coronal ones no more."""
    made = STUDIES["knee"]()
    drawing = scene.draw_study(made)
    hand = scene.PlaneInHand(drawing, "tra", 1)
    plane = made.stack("tra").planes[1]
    drag(hand, Plane(plane.position, plane.row, np.array([0, 0, 1.0]), plane.spacing, plane.shape))  # now coronal
    stacks = [stack.id for stack in drawing.study.stacks]
    hand.release()
    pairs = {(stacks[a], stacks[b]) for a, i, b, j in scene.lines_in_scene(drawing).places.tolist()
             if (stacks[b], j) == ("tra", 1)}
    assert pairs == {("sag", "tra")}


def test_a_moved_plane_stays_moved_in_a_saved_scene(tmp_path):
    made = STUDIES["heart"]()
    drawing = scene.draw_study(made)
    hand = scene.PlaneInHand(drawing, "four", 0)
    drag(hand, moved(made.stack("four").planes[0]))
    hand.release()
    scene.save_scene(tmp_path / "scene.mrb")
    (back,) = scene.load_scene(tmp_path / "scene.mrb")
    np.testing.assert_allclose(back.study.stack("four").planes[0].corners(),
                               moved(made.stack("four").planes[0]).corners(), atol=1e-6)
    np.testing.assert_allclose(back.now.acquired.stack("four").planes[0].corners(),
                               made.stack("four").planes[0].corners(), atol=1e-9)


def test_a_plane_in_hand_keeps_its_lines_to_itself_whatever_else_is_shown():
    """A new look must not draw its lines a second time, where they would stay when it is moved on."""
    drawing = scene.draw_study(STUDIES["heart"]())
    hand = scene.PlaneInHand(drawing, "sax", 1)
    scene.restyle(drawing, textures="central")
    drag(hand, moved(drawing.study.stack("sax").planes[1]))
    np.testing.assert_allclose(all_segments(drawing), expected(drawing.study), atol=1e-9)
    scene.show_pair(drawing, ("two", 0), ("four", 0))
    assert drawing.node("lines in hand").GetPolyData().GetNumberOfLines() == 0
    scene.show_all(drawing)
    np.testing.assert_allclose(all_segments(drawing), expected(drawing.study), atol=1e-9)


def test_deleting_the_handle_releases_the_plane():
    drawing = scene.draw_study(STUDIES["heart"]())
    before = all_segments(drawing)
    hand = scene.PlaneInHand(drawing, "sax", 0)
    slicer.mrmlScene.RemoveNode(hand.handle)
    assert drawing.nodes("lines in hand") == []
    np.testing.assert_allclose(all_segments(drawing), before, atol=1e-9)
    hand.release()  # a second time does nothing


def test_there_is_no_such_plane():
    drawing = scene.draw_study(STUDIES["heart"]())
    with pytest.raises(KeyError):
        scene.PlaneInHand(drawing, "nowhere", 0)
    with pytest.raises(IndexError):
        scene.PlaneInHand(drawing, "two", 5)
    assert drawing.nodes("handle") == []
