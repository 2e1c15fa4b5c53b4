from __future__ import annotations

import json
import warnings

import highdicom.spatial
import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog
from scipy.spatial.transform import Rotation

from PlaneSSLLib.geometry import Plane, Relation, angle_between, crossings, intersect, relative_locations

RIGHT, BACK, UP = np.eye(3)  # LPS: to the left, to the back, to the head


@pytest.fixture(autouse=True)
def _warnings_are_faults():
    with np.errstate(all="raise", under="ignore"), warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def turned(euler, position, spacing, shape) -> Plane:
    row, column, _ = Rotation.from_euler("zyx", euler, degrees=True).as_matrix().T
    return Plane(position, row, column, spacing, shape)


def about(centre, row, column, spacing=(1.0, 1.0), shape=(100, 100)) -> Plane:
    """The plane whose image has its middle at centre."""
    row, column = np.asarray(row, float), np.asarray(column, float)
    corner = centre - row * spacing[1] * (shape[1] - 1) / 2 - column * spacing[0] * (shape[0] - 1) / 2
    return Plane(corner, row, column, spacing, shape)


angles = st.tuples(*[st.floats(-180, 180)] * 3)
positions = st.tuples(*[st.floats(-120, 120)] * 3).map(np.array)
spacings = st.tuples(st.floats(0.3, 3), st.floats(0.3, 3)) | st.just((1.2, 1.8))
shapes = st.tuples(st.integers(1, 300), st.integers(1, 300))
planes = st.builds(turned, angles, positions, spacings, shapes)


@st.composite
def crossing_pairs(draw):
    """Two planes through one region, at more than 5 degrees."""
    shared = draw(positions)
    pair = []
    for _ in range(2):
        plane = turned(draw(angles), np.zeros(3), draw(spacings), draw(st.tuples(*[st.integers(40, 300)] * 2)))
        shift = shared - plane.centre + np.array(draw(st.tuples(*[st.floats(-15, 15)] * 3)))
        pair.append(Plane(shift, plane.row, plane.column, plane.spacing, plane.shape))
    assume(angle_between(pair[0].normal, pair[1].normal) > 5.001)
    return pair


# Pixels and patient coordinates

@given(planes, st.tuples(st.floats(-500, 500), st.floats(-500, 500)))
def test_pixel_to_patient_and_back_is_the_identity(plane, pixel):
    np.testing.assert_allclose(plane.to_pixels(plane.to_lps(pixel)), pixel, atol=1e-8)
    assert abs(plane.distance(plane.to_lps(pixel))) < 1e-9


@given(planes)
def test_a_plane_survives_json(plane):
    again = Plane(**json.loads(json.dumps(plane.as_json())))
    assert (again.spacing, again.shape) == (plane.spacing, plane.shape)
    for name in ("position", "row", "column", "normal"):
        np.testing.assert_allclose(getattr(again, name), getattr(plane, name), rtol=0, atol=1e-12)


def test_pixel_to_patient_is_the_identity_for_a_header_that_rounds_its_directions():
    plane = Plane((0, 0, 0), (0.999, 0.044, 0.001), (-0.044, 0.999, 0.02), (1.2, 1.8), (256, 256))
    assert abs(plane.row @ plane.column) < 1e-9
    np.testing.assert_allclose(plane.to_pixels(plane.to_lps((255, 255))), (255, 255), atol=1e-6)


@given(planes)
def test_two_decimals_of_a_direction_are_enough(plane):
    """Some archives leave no more."""
    rounded = Plane(plane.position, plane.row.round(2), plane.column.round(2), plane.spacing, plane.shape)
    assert angle_between(rounded.normal, plane.normal) < 0.8


@given(planes, st.tuples(st.floats(-10, 300), st.floats(-10, 300)))
@settings(max_examples=50)
def test_pixels_map_as_in_simpleitk(plane, pixel):
    image = sitk.Image(2, 2, 2, sitk.sitkUInt8)
    image.SetOrigin(plane.position.tolist())
    image.SetSpacing((plane.spacing[1], plane.spacing[0], 1.0))
    image.SetDirection(np.stack([plane.row, plane.column, plane.normal], axis=1).ravel().tolist())
    expected = image.TransformContinuousIndexToPhysicalPoint((*pixel, 0.0))
    np.testing.assert_allclose(plane.to_lps(pixel), expected, atol=1e-8)


@given(planes, st.tuples(st.integers(0, 300), st.integers(0, 300)))
@settings(max_examples=50)
def test_pixels_map_as_in_highdicom(plane, pixel):
    to_patient = highdicom.spatial.PixelToReferenceTransformer(
        image_position=plane.position.tolist(), image_orientation=[*plane.row, *plane.column],
        pixel_spacing=plane.spacing)
    np.testing.assert_allclose(plane.to_lps(pixel), to_patient(np.array([pixel]))[0], atol=1e-8)


def test_pixels_by_hand():
    plane = Plane((10, 20, 30), BACK, -UP, (2.0, 0.5), (4, 6))
    np.testing.assert_allclose(plane.to_lps((0, 0)), (10, 20, 30))
    np.testing.assert_allclose(plane.to_lps((5, 0)), (10, 22.5, 30))
    np.testing.assert_allclose(plane.to_lps((0, 3)), (10, 20, 24))
    np.testing.assert_allclose(plane.normal, -RIGHT)
    np.testing.assert_allclose(plane.centre, (10, 21.25, 27))
    assert plane.size == (8.0, 3.0)
    np.testing.assert_allclose(plane.corners(), [(10, 19.75, 31), (10, 22.75, 31), (10, 22.75, 23), (10, 19.75, 23)])
    assert plane.contains([(10, 19.75, 31), (99, 21, 25)]).tolist() == [True, True]
    assert plane.contains([(10, 19.74, 31), (10, 21, 22.9)]).tolist() == [False, False]
    assert plane.distance((7, 0, 0)) == pytest.approx(3)
    np.testing.assert_allclose(plane.matrix @ (5, 3, 1), plane.to_lps((5, 3)))


@pytest.mark.parametrize(("change", "word"), [
    ({"position": (0, 0, np.nan)}, "position"), ({"position": (0, 0)}, "position"), ({"row": (0, 0, 0)}, "row"),
    ({"row": (2, 0, 0)}, "row"), ({"column": (1, 0, 0)}, "perpendicular"), ({"column": (0.03, 1, 0)}, "perpendicular"),
    ({"spacing": (0, 1)}, "spacing"), ({"spacing": (1, np.inf)}, "spacing"), ({"spacing": (1, 1, 1)}, "spacing"),
    ({"shape": (0, 5)}, "size"), ({"shape": (5,)}, "size"), ({"shape": (5.5, 5)}, "size"),
])
def test_a_plane_that_cannot_be_is_refused(change, word):
    with pytest.raises(ValueError, match=word):
        Plane(**{"position": (0, 0, 0), "row": RIGHT, "column": BACK, "spacing": (1, 1), "shape": (5, 5)} | change)


def test_a_plane_cannot_be_changed_from_outside():
    position = np.zeros(3)
    plane = Plane(position, RIGHT, BACK, (1, 1), (5, 5))
    position[0] = 7
    assert plane.position[0] == 0
    with pytest.raises(ValueError, match="read-only"):
        plane.position[0] = 7


# Crossings

@given(crossing_pairs())
def test_end_points_lie_on_both_planes_and_inside_both_rectangles(pair):
    crossing = intersect(*pair)
    assert crossing.relation in (Relation.CROSSING, Relation.OUTSIDE)
    assume(crossing.segment is not None)
    for plane in pair:
        assert np.abs(plane.distance(crossing.segment)).max() < 1e-8
        assert plane.contains(crossing.segment, margin_mm=1e-6).all()
    assert crossing.length_mm == pytest.approx(np.linalg.norm(np.subtract(*crossing.segment)))


@given(crossing_pairs())
def test_swapping_the_planes_gives_the_same_segment(pair):
    one, other = intersect(*pair), intersect(*pair[::-1])
    assert one.relation is other.relation
    assert one.angle_deg == pytest.approx(other.angle_deg)
    if one.segment is not None:
        np.testing.assert_allclose(one.segment, other.segment, atol=1e-9)


@given(crossing_pairs())
@settings(max_examples=60, deadline=None)
def test_segments_are_those_of_linear_programming(pair):
    """The farthest points, along the common direction, that both images hold: no formula of ours is used."""
    first, second = pair
    bounds = [(-0.5, count - 0.5) for plane in pair for count in plane.shape[::-1]]
    same_point = np.concatenate([first.matrix[:, :2], -second.matrix[:, :2]], axis=1)
    along = np.cross(first.normal, second.normal) @ first.matrix[:, :2]
    ends = [linprog([*(sign * along), 0, 0], A_eq=same_point, b_eq=second.position - first.position, bounds=bounds)
            for sign in (1, -1)]
    expected = first.to_lps([end.x[:2] if end.success else (0, 0) for end in ends])
    length = np.linalg.norm(expected[1] - expected[0])
    crossing = intersect(first, second)
    assert crossing.length_mm == pytest.approx(length, abs=1e-4)  # the solver's own tolerance
    if length > 1e-4:
        reversed_too = (crossing.segment, crossing.segment[::-1])
        assert min(np.abs(segment - expected).max() for segment in reversed_too) < 1e-4


def test_a_crossing_by_hand():
    """An axial image of 100 x 100 mm and a sagittal one, shifted 10 mm up and to the back."""
    axial = about((0, 0, 0), RIGHT, BACK)
    sagittal = about((20, 10, 10), BACK, -UP)
    crossing = intersect(axial, sagittal)
    assert crossing.relation is Relation.CROSSING
    assert crossing.angle_deg == pytest.approx(90)
    np.testing.assert_allclose(crossing.segment, [(20, -40, 0), (20, 50, 0)], atol=1e-9)
    np.testing.assert_allclose(axial.to_pixels(crossing.segment), [(69.5, 9.5), (69.5, 99.5)], atol=1e-9)
    np.testing.assert_allclose(sagittal.to_pixels(crossing.segment), [(-0.5, 59.5), (89.5, 59.5)], atol=1e-9)
    assert crossing.length_mm == pytest.approx(90)


def test_an_oblique_crossing_by_hand():
    axial = about((0, 0, 0), RIGHT, BACK, shape=(60, 60))
    tilted = about((0, 0, 0), RIGHT, (0, np.cos(np.pi / 6), np.sin(np.pi / 6)), shape=(60, 40))
    crossing = intersect(axial, tilted)
    assert crossing.angle_deg == pytest.approx(30)
    np.testing.assert_allclose(crossing.segment, [(-20, 0, 0), (20, 0, 0)], atol=1e-9)


def test_swapped_pixel_spacing_does_not_bend_lines():
    """Fault 1 of the published code: PixelSpacing is (row, column), so 1.2 x 1.8 mm must not become 1.8 x 1.2."""
    image = Plane((0, 0, 0), RIGHT, BACK, (1.2, 1.8), (100, 100))
    diagonal = about((90, 60, 0), UP, np.array([1, 1, 0]) / np.sqrt(2), shape=(400, 400))
    column, row = (image.to_pixels(intersect(image, diagonal).segment)).T
    angle = np.degrees(np.arctan2(np.ptp(row) * 1.2, np.ptp(column) * 1.8))
    assert angle == pytest.approx(45, abs=1e-9)
    assert row[0] * 1.2 - 60 == pytest.approx(column[0] * 1.8 - 90)


@pytest.mark.parametrize("spacing", [(1.0, 1.0), (0.4, 0.4), (1.2, 1.8)])
@pytest.mark.parametrize("far", [0.0, 1e4])
def test_lines_of_constant_z_are_exact_in_knees(spacing, far):
    """Fault 2: three stacks at right angles, whose lines have constant z (or x, or y), exact to 1e-6 mm."""
    middle = np.array([far, -far, far / 3])
    sagittal = [about(middle + (x, 0, 0), BACK, -UP, spacing, (160, 128)) for x in np.linspace(-40, 40, 11)]
    coronal = [about(middle + (0, y, 0), RIGHT, -UP, spacing, (160, 128)) for y in np.linspace(-30, 30, 7)]
    axial = [about(middle + (0, 0, z), RIGHT, BACK, spacing, (128, 128)) for z in np.linspace(-20, 20, 5)]
    high, wide = 160 * spacing[0] / 2, 128 * spacing[1] / 2
    deep = min(128 * spacing[0] / 2, wide)  # what the axial rows and the sagittal columns both cover, front to back
    stacks = ((sagittal, coronal, 0, 1, 2, high), (sagittal, axial, 0, 2, 1, deep), (coronal, axial, 1, 2, 0, wide))
    for images, others, first, second, along, half in stacks:
        found = crossings(images, others)
        for i, image in enumerate(images):
            for j, other in enumerate(others):
                here = np.array([image.centre[first] - middle[first], other.centre[second] - middle[second]])
                inside = [np.abs(here[1]) <= image.size[0 if second == 2 else 1] / 2,
                          np.abs(here[0]) <= other.size[0 if (first, second) == (1, 2) else 1] / 2]
                if not all(inside):
                    assert found[i, j].relation is Relation.OUTSIDE
                    continue
                expected = np.tile(middle, (2, 1))
                expected[:, first], expected[:, second] = image.centre[first], other.centre[second]
                expected[:, along] += (-half, half)
                np.testing.assert_allclose(found.segments[i, j], expected, atol=1e-6, rtol=0)


def test_horizontal_lines_are_lines():
    """Fault 3: a line that runs along the rows, or down the columns, has two ends as any other."""
    image = about((0, 0, 0), RIGHT, BACK)
    for other, pixels in (
        (about((0, 7, 0), RIGHT, UP), [(-0.5, 56.5), (99.5, 56.5)]),
        (about((7, 0, 0), BACK, UP), [(56.5, -0.5), (56.5, 99.5)]),
    ):
        np.testing.assert_allclose(image.to_pixels(intersect(image, other).segment), pixels, atol=1e-9)


def test_no_diagonal_shift_of_a_pixel():
    """Fault 5: the line through the centre of the first pixel passes through pixel (0, 0), not (1, 1)."""
    image = Plane((0, 0, 0), RIGHT, BACK, (1, 1), (10, 10))
    through_first = about((0, 0, 0), UP, np.array([1, -1, 0]) / np.sqrt(2))
    ends = image.to_pixels(intersect(image, through_first).segment)
    np.testing.assert_allclose(ends.sum(axis=1), 0, atol=1e-9)


def test_parallel_coincident_outside_and_crossing_are_told_apart():
    image = about((0, 0, 0), RIGHT, BACK)

    def at(degrees, shift=(0, 0, 0)):
        tilt = np.radians(degrees)
        return about(shift, RIGHT, (0, np.cos(tilt), np.sin(tilt)))

    assert intersect(image, image).relation is Relation.COINCIDENT
    assert intersect(image, about((500, 0, 0.05), -RIGHT, BACK)).relation is Relation.COINCIDENT
    assert intersect(image, at(0, (0, 0, 0.2))).relation is Relation.PARALLEL
    assert intersect(image, at(0.2)).relation is Relation.PARALLEL
    assert intersect(image, at(4.999)).relation is Relation.PARALLEL
    assert intersect(image, at(5.001)).relation is Relation.CROSSING
    assert intersect(image, at(-5.001)).relation is Relation.CROSSING
    assert intersect(image, at(90, (0, 0, 51))).relation is Relation.OUTSIDE
    assert intersect(image, at(90, (0, 0, 49))).relation is Relation.CROSSING
    small = about((0, 0, 0), RIGHT, (0, np.cos(0.001), np.sin(0.001)), shape=(4, 4))
    large = about((0, 0, 0), RIGHT, BACK, shape=(500, 500))  # its corners lie 0.25 mm off the small one's plane
    assert intersect(small, large).relation is intersect(large, small).relation is Relation.PARALLEL
    for relation in Relation:
        assert relation.value == relation.name.lower()
    none = intersect(image, at(0, (0, 0, 9)))
    assert none.segment is None and none.length_mm == 0 and none.angle_deg == pytest.approx(0, abs=1e-12)


def test_rectangles_that_touch_in_a_corner_do_not_cross():
    axial = about((0, 0, 0), RIGHT, BACK, shape=(10, 10))
    sideways = np.array([1, -1, 0]) / np.sqrt(2)
    for gap, relation in ((-1e-6, Relation.CROSSING), (1e-12, Relation.OUTSIDE), (1e-6, Relation.OUTSIDE)):
        centre = np.array([5, 5, 0]) + gap * np.array([1, 1, 0])
        assert intersect(axial, about(centre, sideways, UP)).relation is relation


def test_rectangles_one_pixel_large():
    one = Plane((0, 0, 0), RIGHT, BACK, (2, 3), (1, 1))
    crossing = intersect(one, about((0.5, 0, 0), BACK, UP))
    np.testing.assert_allclose(crossing.segment, [(0.5, -1, 0), (0.5, 1, 0)], atol=1e-12)
    assert intersect(one, Plane((0, 0, 5), RIGHT, UP, (1, 1), (1, 1))).relation is Relation.OUTSIDE


@given(crossing_pairs(), st.sampled_from([1e3, 1e5]))
def test_far_away_origins_cost_no_digits(pair, far):
    shift = far * np.array([1.0, -0.7, 0.3])
    moved = [Plane(p.position + shift, p.row, p.column, p.spacing, p.shape) for p in pair]
    here, there = intersect(*pair), intersect(*moved)
    assume(here.length_mm > 1e-3)
    np.testing.assert_allclose(there.segment - shift, here.segment, atol=far * 1e-12)


@given(st.lists(planes, max_size=4), st.lists(planes, max_size=4))
@settings(max_examples=40)
def test_many_at_once_is_one_at_a_time(first, second):
    many = crossings(first, second)
    assert many.relation.shape == many.angle_deg.shape == (len(first), len(second))
    assert many.segments.shape == (len(first), len(second), 2, 3)
    for i, image in enumerate(first):
        for j, plane in enumerate(second):
            one = intersect(image, plane)
            assert many[i, j].relation is one.relation
            if one.segment is None:
                assert np.isnan(many.segments[i, j]).all()
            else:
                np.testing.assert_allclose(many.segments[i, j], one.segment, atol=1e-9)


def test_the_limit_of_parallel_can_be_lowered_to_nothing():
    image = about((0, 0, 0), RIGHT, BACK)
    tilt = np.radians(1)
    slightly = about((0, 0, 0), RIGHT, (0, np.cos(tilt), np.sin(tilt)))
    found = crossings([image], [slightly, image], parallel_deg=0)
    assert found[0, 0].relation is Relation.CROSSING
    assert found[0, 1].relation is Relation.COINCIDENT


@pytest.mark.parametrize("degrees", [0, 1e-7, 0.01, 5, 45, 89.99, 90])
def test_angles_are_exact_small_ones_too(degrees):
    second = (np.cos(np.radians(degrees)), np.sin(np.radians(degrees)), 0)
    assert angle_between(RIGHT, second) == pytest.approx(degrees, rel=1e-9)
    assert angle_between(RIGHT, np.negative(second)) == pytest.approx(degrees, rel=1e-9)


# Slice location

def stack(*heights, normal=UP):
    row, column = (RIGHT, BACK) if normal is UP else (BACK, UP)
    return [about(h * normal, row, column) for h in heights]


def test_locations_by_hand():
    np.testing.assert_allclose(relative_locations(stack(0, 10, 20, 40)), [0, 0.25, 0.5, 1])
    np.testing.assert_allclose(relative_locations(stack(40, 20, 10, 0)), [0, 0.5, 0.75, 1])
    np.testing.assert_allclose(relative_locations(stack(-5, 0, 5, normal=RIGHT)), [0, 0.5, 1])


def test_one_slice_and_repeated_positions_do_not_divide_by_zero():
    """Fault 6: one slice has no place in a stack (NaN); repeated and uneven positions keep theirs."""
    assert np.isnan(relative_locations(stack(3))).all()
    assert np.isnan(relative_locations(stack(3, 3))).all()
    assert relative_locations([]).shape == (0,)
    np.testing.assert_allclose(relative_locations(stack(0, 0, 3, 4, 4)), [0, 0, 0.75, 1, 1])


@given(st.lists(st.floats(-200, 200), min_size=2, max_size=30), angles, positions)
def test_locations_do_not_depend_on_where_the_patient_lies(heights, euler, shift):
    heights = np.sort(heights)
    assume(np.ptp(heights) > 1)
    turn = Rotation.from_euler("zyx", euler, degrees=True)
    planes_there = [about(turn.apply(h * UP) + shift, turn.apply(RIGHT), turn.apply(BACK)) for h in heights]
    expected = (heights - heights[0]) / np.ptp(heights)
    np.testing.assert_allclose(relative_locations(planes_there), expected, atol=1e-9)
    np.testing.assert_allclose(relative_locations(planes_there[::-1]), 1 - expected[::-1], atol=1e-9)
