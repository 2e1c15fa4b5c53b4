"""The lines that are drawn, and the sentences where there is none."""
from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from vtkmodules.util.numpy_support import vtk_to_numpy

from PlaneSSLLib import PlaneSSLError, scene
from PlaneSSLLib.geometry import Relation, intersect
from PlaneSSLLib.study import lines_of

from .made_up import STUDIES, heart, planes, stack, study, turn


@pytest.mark.parametrize("name", STUDIES)
def test_drawn_segments_are_those_of_geometry_after_a_trip_through_a_file(name, tmp_path):
    made = STUDIES[name]()
    scene.draw_study(made)
    scene.save_scene(tmp_path / "scene.mrb")
    (drawing,) = scene.load_scene(tmp_path / "scene.mrb")
    drawn = scene.lines_in_scene(drawing)
    expected = {}
    for a, first in enumerate(made.stacks):
        for b, second in enumerate(made.stacks[a + 1:], start=a + 1):
            for i, one in enumerate(first.planes):
                for j, other in enumerate(second.planes):
                    crossing = intersect(one, other)
                    if crossing.relation is Relation.CROSSING:
                        expected[a, i, b, j] = crossing
    assert {tuple(place) for place in drawn.places.tolist()} == set(expected)
    for place, segment, angle in zip(drawn.places.tolist(), drawn.segments, drawn.angle_deg, strict=True):
        np.testing.assert_allclose(segment, expected[tuple(place)].segment, atol=1e-6, rtol=0)
        assert angle == pytest.approx(expected[tuple(place)].angle_deg, abs=1e-9)


def test_the_scene_shows_as_many_lines_as_the_document_lists():
    drawing = scene.draw_study(made := heart())
    assert 2 * len(scene.lines_in_scene(drawing).places) == len(lines_of(made)) > 10


def test_a_scene_of_many_lines_needs_no_layer_for_each():
    """What shines through makes a frame slow: few faces, no translucent line, tubes around strong lines alone."""
    turned = [turn(60 * k, (1, 1, 1)) @ turn(25 * k, (0, 0, 1)) for k in range(3)]
    drawing = scene.draw_study(study([
        stack(f"stack{k}", view, planes(basis[:, 0], basis[:, 1], (80, 80), (2, 2), slices=30, step=2.0), number=k + 1)
        for k, (view, basis) in enumerate(zip(("SAX", "2CH", "4CH"), turned, strict=True))]))
    mesh = drawing.node("lines").GetPolyData()
    alpha = vtk_to_numpy(mesh.GetCellData().GetScalars())[:, 3]
    assert mesh.GetNumberOfLines() > 2000 and alpha.min() == 255
    assert mesh.GetNumberOfPolys() == 3 * 8  # eight sides of a tube
    assert [node.GetPolyData().GetNumberOfPolys() for node in drawing.nodes("planes")] == [1, 1, 1]
    scene.restyle(drawing, others="hide")
    assert len(scene.lines_in_scene(drawing).places) == drawing.node("lines").GetPolyData().GetNumberOfLines() == 3
    scene.restyle(drawing, others="show")
    assert [node.GetPolyData().GetNumberOfPolys() for node in drawing.nodes("planes")] == [30, 30, 30]


def test_few_weak_lines_shine_through():
    drawing = scene.draw_study(heart())
    mesh = drawing.node("lines").GetPolyData()
    alpha = vtk_to_numpy(mesh.GetCellData().GetScalars())[:mesh.GetNumberOfLines(), 3]
    assert set(alpha.tolist()) == {255, round(0.35 * 255), round(0.25 * 255)}


def only(*stacks):
    drawing = scene.draw_study(study(stacks))
    assert len(scene.lines_in_scene(drawing).places) == 0
    assert len(drawing.nodes("planes")) == len(stacks)
    return drawing.notes


def test_a_single_stack_is_drawn_and_a_sentence_says_why_it_has_no_line():
    (note,) = only(stack("alone", "SAX", planes((1, 0, 0), (0, 1, 0), slices=3)))
    assert "single stack" in note


def test_parallel_stacks_are_drawn_and_named_as_such():
    flat = ((1, 0, 0), (0, 1, 0))
    notes = only(stack("a", "SAX", planes(*flat)), stack("b", "SAX", planes(*flat, centre=(0, 0, 30)), number=2))
    assert len(notes) == 2 and all("parallel" in note for note in notes)


def test_planes_of_another_frame_of_reference_are_cut_only_when_asked():
    a = stack("a", "SAX", planes((1, 0, 0), (0, 1, 0)))
    b = stack("b", "2CH", planes((1, 0, 0), (0, 0, 1)), number=2, frame_of_reference="9.9")
    assert all("frame of reference" in note for note in only(a, b))
    drawing = scene.draw_study(study([a, b]), any_frame=True)
    assert len(scene.lines_in_scene(drawing).places) == 1 and drawing.notes == ()


def test_stacks_of_one_view_have_names_of_their_own():
    made = heart()
    made = replace(made, stacks=(*made.stacks, stack("more", "SAX", planes((1, 0, 0), (0, 1, 0)), number=9)))
    names = scene.draw_study(made).now.names
    assert names == {"sax": "SAX", "two": "2CH", "four": "4CH", "scout": "4CH loc", "more": "SAX s9"}


def test_what_the_look_hides_is_not_seen_and_what_it_dims_is_fainter():
    drawing = scene.draw_study(heart())

    def opacity() -> list[set[float]]:
        """Of the outlines, which come before the faces."""
        meshes = [node.GetPolyData() for node in drawing.nodes("planes")]
        return [{mesh.GetCellData().GetScalars().GetComponent(i, 3) for i in range(mesh.GetNumberOfLines())}
                for mesh in meshes]

    sax, _, _, scout = opacity()
    assert max(sax) == 255 and 0 < min(sax) < 128 and 0 < max(scout) < 128
    scene.restyle(drawing, localizers="hide", others="show")
    sax, _, _, scout = opacity()
    assert sax == {255.0} and scout == {0.0}
    with pytest.raises(PlaneSSLError, match="others is 'bright'"):
        scene.restyle(drawing, others="bright")


def test_the_foremost_stacks_are_one_a_view_and_no_localizers_beside_others():
    made = heart()
    few = stack("again", "SAX", planes((1, 0, 0), (0, 1, 0), slices=9), number=8)
    lone = stack("axial", "axial", planes((1, 0, 0), (0, 1, 0)), number=9, localizer=True)
    drawing = scene.draw_study(replace(made, stacks=(lone, few, *made.stacks)))
    assert [one.id for one in drawing.now.foremost()] == ["sax", "two", "four"]
    drawing = scene.draw_study(study([lone]))
    assert [one.id for one in drawing.now.foremost()] == ["axial"]
