"""The free labels of a slice, against what is known of made-up planes."""
from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from Testing.made_up_study import planes

from PlaneSSLLib.anatomy import LineTarget, load
from PlaneSSLLib.geometry import Plane
from PlaneSSLLib.study.targets import stack_targets

HEART, KNEE = load("heart"), load("knee")
CHANNEL = {name: i for i, name in enumerate(HEART.targets)}


@dataclass
class Stack:
    view: str
    planes: list
    side: str = ""
    localizer: bool = False
    sequence: str = ""
    frame_of_reference: int = 0


def stacks(**changes):
    return [Stack("SAX", planes("SAX", (0, 0, 0), 5)), Stack("2CH", planes("2CH", (0, 0, 0))),
            Stack("4CH", planes("4CH", (6, 0, 0)))]


def test_lines_are_where_the_planes_cut():
    """The 4CH plane through (6, 0, 0) along (0.8, -0.6, 0): 0.6 (x - 6) + 0.8 y = 0 on every short-axis slice."""
    found = stack_targets(HEART, stacks(), 0)
    for target, plane in zip(found, stacks()[0].planes, strict=True):
        line = target.lines[CHANNEL["4CH:central"], 0]
        for x, y in ((6, 0), (6 + 8, -6), (6 - 16, 12)):
            pixel = plane.to_pixels([x, y, plane.position[2]])
            assert abs(line @ [*pixel, 1]) < 1e-9


def test_middles_lie_where_the_cutting_image_has_its_middle():
    """On the crossing line, at the point nearest to the middle of the 4CH image."""
    there = stacks()
    found = stack_targets(HEART, there, 0)
    four, t = there[2].planes[0], CHANNEL["4CH:central"]
    along = np.cross(four.normal, there[0].planes[0].normal)
    for target, plane in zip(found, there[0].planes, strict=True):
        assert abs(target.lines[t, 0] @ [*target.middles[t, 0], 1]) < 1e-9
        assert abs((plane.to_lps(target.middles[t, 0]) - four.centre) @ along) < 1e-9
    assert np.isnan(found[0].middles[CHANNEL["3CH:central"]]).all()


def test_locations_run_from_the_first_slice_to_the_last():
    assert [t.location for t in stack_targets(HEART, stacks(), 0)] == [0, 0.25, 0.5, 0.75, 1]


def test_a_few_slices_are_not_the_whole_organ():
    """Of a map's two slices, one lies a quarter down the cine, one beyond its apex; a lone one has a place as well."""
    steps = planes("SAX", (0, 0, 0), 5)
    beyond = replace(steps[4], position=2 * steps[4].position - steps[3].position)
    there = [Stack("SAX", steps[:2], sequence="map"), Stack("SAX", steps, sequence="cine"), Stack("SAX", steps[3:4]),
             Stack("SAX", [steps[4], beyond], sequence="map")]
    assert [target.location for target in stack_targets(HEART, there, 0)] == [0, 0.25]
    assert [target.location for target in stack_targets(HEART, there, 1)] == [0, 0.25, 0.5, 0.75, 1]
    assert [target.location for target in stack_targets(HEART, there, 2)] == [0.75]
    last, outside = stack_targets(HEART, there, 3)
    assert (last.location, last.slices) == (1, 5) and np.isnan(outside.location)
    elsewhere = [replace(there[0], frame_of_reference=1), *there[1:]]  # nobody knows where it lies in the cine
    assert [target.location for target in stack_targets(HEART, elsewhere, 0)] == [0, 1]


def test_a_cine_s_places_are_its_own_whatever_lies_beside_it():
    """A three-dimensional late enhancement reaches past the heart, or shows a slab of it in more slices."""
    cine = planes("SAX", (0, 0, 0), 5)
    step = cine[1].position - cine[0].position
    past = [replace(cine[0], position=cine[0].position + k * step / 4) for k in range(-20, 37)]
    slab = [replace(cine[0], position=cine[0].position + k * step / 8) for k in range(9, 20)]
    for other in (past, slab):
        there = [Stack("SAX", cine, sequence="cine"), Stack("SAX", other, sequence="LGE")]
        assert [target.location for target in stack_targets(HEART, there, 0)] == [0, 0.25, 0.5, 0.75, 1]
    assert stack_targets(HEART, there, 1)[0].location == 9 / 32


def test_lines_are_those_of_the_own_sequence_else_of_the_fullest_stack():
    far, near = planes("2CH", (30, 0, 0)), planes("2CH", (0, 0, 0))
    sax = planes("SAX", (0, 0, 0), 5)
    there = [Stack("SAX", sax, sequence="cine"), Stack("2CH", far, sequence="LGE"), Stack("2CH", near, sequence="cine"),
             Stack("SAX", sax[1:2], sequence="map")]
    t = CHANNEL["2CH:central"]
    assert stack_targets(HEART, there, 0)[0].planes[t] is near[0]
    assert stack_targets(HEART, there[:2] + there[3:], 0)[0].planes[t] is far[0]
    reordered = [there[3], *there[:3]]
    assert stack_targets(HEART, reordered, 2)[0].planes[CHANNEL["SAX:central"]] is sax[2]


def test_a_single_slice_has_no_location_and_views_not_acquired_have_no_line():
    [target] = stack_targets(HEART, stacks(), 1)
    assert np.isnan(target.location)
    assert np.isfinite(target.lines[CHANNEL["SAX:central"]]).all()
    assert np.isnan(target.lines[CHANNEL["3CH:central"]]).all()
    assert np.isnan(target.lines[CHANNEL["2CH:central"]]).all()  # a view does not regress itself


def test_another_frame_of_reference_gives_no_line():
    there = stacks()
    there[1] = replace(there[1], frame_of_reference=1)
    assert np.isnan(stack_targets(HEART, there, 0)[2].lines[CHANNEL["2CH:central"]]).all()


def test_localizers_are_asked_last():
    there = [*stacks(), Stack("2CH", planes("2CH", (0, 30, 0)))]
    there[1] = replace(there[1], localizer=True)
    plane = there[0].planes[0]
    line = stack_targets(HEART, there, 0)[0].lines[CHANNEL["2CH:central"], 0]
    assert abs(line @ [*plane.to_pixels([0, 30, plane.position[2]]), 1]) < 1e-9


def knee(side: str, left: float) -> list[Stack]:
    """Sagittal and coronal stacks of a knee whose middle is so far to the left."""
    sagittal = [Plane((left + x, 0, 0), (0, 1, 0), (0, 0, -1), (1, 1), (8, 8)) for x in (-4, 0, 4)]
    coronal = Plane((left, 4, 0), (1, 0, 0), (0, 0, -1), (1, 1), (8, 8))
    return [Stack("sagittal", sagittal, side), Stack("coronal", [coronal], side)]


def test_of_two_knees_none_is_asked_for_planes_of_the_other():
    both = [*knee("right", -80), *knee("left", 80)]
    asked = KNEE.targets.index("sagittal:central")
    for index, left in ((1, -80), (3, 80)):
        [target] = stack_targets(KNEE, both, index)
        assert target.planes[asked].position[0] == left


def test_between_medial_and_lateral_there_is_no_location_where_the_side_is_unknown():
    for side, known in (("left", True), ("right", True), ("", False)):
        sagittal, coronal = knee(side, 0)
        coronal.planes.append(replace(coronal.planes[0], position=(0, 8, 0)))
        assert np.isfinite([t.location for t in stack_targets(KNEE, [sagittal, coronal], 0)]).all() == known
        assert [t.location for t in stack_targets(KNEE, [sagittal, coronal], 1)] == [0, 1]


def test_nearest_and_all_planes():
    views = [replace(v, lines=(LineTarget("SAX", "nearest"), LineTarget("SAX", "all"))) if v.name == "2CH" else
             replace(v, lines=()) for v in HEART.views]
    odd = replace(HEART, views=tuple(views))
    there = stacks()
    there[1] = replace(there[1], planes=planes("2CH", (0, 0, 19)))
    [target] = stack_targets(odd, there, 1)
    assert odd.targets == ("SAX:nearest", "SAX:all")
    assert target.lines.shape == (2, 5, 3)
    plane = there[1].planes[0]
    assert abs(target.lines[0, 0] @ [*plane.to_pixels([0, 0, 20]), 1]) < 1e-9
    heights = [abs(line @ [*plane.to_pixels([0, 0, z]), 1]) for line, z in
               zip(target.lines[1], (-20, -10, 0, 10, 20), strict=True)]
    np.testing.assert_allclose(heights, 0, atol=1e-9)
