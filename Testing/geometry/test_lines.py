from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import ndimage
from scipy.spatial.transform import Rotation

from PlaneSSLLib.geometry import (
    Plane, clip_line, distance_to_lines, fit_lines, heatmaps, in_millimetres, intersect, line_errors, lines_hit,
    lines_in_image, move_lines, nearest_on_lines,
)

SIGMA = 7.56


@pytest.fixture(autouse=True)
def _warnings_are_faults():
    with np.errstate(all="raise", under="ignore"), warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def line_at(degrees, offset_mm, shape, spacing) -> np.ndarray:
    """The line whose normal is turned by this angle from the rows, offset_mm from the middle of the image."""
    normal = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    a, b = normal[0] * spacing[1], normal[1] * spacing[0]
    return np.array([a, b, -a * (shape[1] - 1) / 2 - b * (shape[0] - 1) / 2 - offset_mm])


def length_inside(line, shape, spacing) -> float:
    segment = clip_line(line, shape)
    return 0.0 if segment is None else float(np.linalg.norm((segment[1] - segment[0]) * (spacing[1], spacing[0])))


degrees = st.floats(0, 180) | st.sampled_from([0.0, 45.0, 90.0, 135.0])
offsets = st.floats(-150, 150)
shapes = st.sampled_from([(96, 96), (144, 100), (64, 160)])
spacings = st.sampled_from([(1.26, 1.26), (1.2, 1.8), (1.8, 1.2), (0.5, 0.7)])


@st.composite
def drawn_lines(draw):
    """A line that passes through an image, with the image."""
    shape, spacing = draw(shapes), draw(spacings)
    line = line_at(draw(degrees), draw(offsets), shape, spacing)
    assume(length_inside(line, shape, spacing) > 0.1)
    return line, shape, spacing


# Lines of planes

@st.composite
def plane_pairs(draw):
    pair = []
    for _ in range(2):
        euler = draw(st.tuples(*[st.floats(-180, 180)] * 3))
        row, column, _ = Rotation.from_euler("zyx", euler, degrees=True).as_matrix().T
        plane = Plane((0, 0, 0), row, column, draw(spacings), draw(shapes))
        near = np.array(draw(st.tuples(*[st.floats(-20, 20)] * 3)))
        pair.append(Plane(near - plane.centre, row, column, plane.spacing, plane.shape))
    return pair


@given(plane_pairs())
def test_the_line_in_the_image_is_the_segment_in_the_patient(pair):
    image, plane = pair
    (line,) = lines_in_image(image, [plane])
    crossing = intersect(image, plane)
    assert np.isnan(line).any() == (crossing.angle_deg < 5)
    assume(crossing.segment is not None)
    pixels = image.to_pixels(crossing.segment)
    np.testing.assert_allclose(pixels @ line[:2] + line[2], 0, atol=1e-8)
    reach = clip_line(line, image.shape)
    whole = np.linalg.norm((reach[1] - reach[0]) * (image.spacing[1], image.spacing[0]))
    assert whole >= crossing.length_mm - 1e-6  # the plane is unbounded here, its image is not there


@given(plane_pairs(), st.tuples(st.floats(-20, 120), st.floats(-20, 120)))
def test_the_line_measures_millimetres_within_the_image(pair, pixel):
    """The distance to the line is the distance to the plane, divided by the sine of the angle between the two."""
    image, plane = pair
    (line,) = lines_in_image(image, [plane])
    assume(np.isfinite(line).all())
    sine = np.sin(np.radians(intersect(image, plane).angle_deg))
    assert line @ (*pixel, 1) == pytest.approx(plane.distance(image.to_lps(pixel)) / sine, abs=1e-8)
    np.testing.assert_allclose(in_millimetres(line, image.spacing), line, atol=1e-9)


def test_no_planes_no_lines():
    image = Plane((0, 0, 0), (1, 0, 0), (0, 1, 0), (1, 1), (5, 5))
    assert lines_in_image(image, []).shape == (0, 3)
    assert heatmaps(np.empty((0, 3)), (4, 5), (1, 1), SIGMA).shape == (0, 4, 5)
    assert heatmaps([], (4, 5), (1, 1), SIGMA).shape == (0, 4, 5)
    assert fit_lines(np.empty((0, 4, 5)), (1, 1), SIGMA).shape == (0, 3)
    assert lines_hit(np.empty((0, 3)), (4, 5)).shape == (0,)


# Clipping

@pytest.mark.parametrize(("line", "segment"), [
    ((1, 0, -3), [(3, -0.5), (3, 9.5)]),
    ((0, 2, -8), [(-0.5, 4), (19.5, 4)]),
    ((1, -1, 0), [(-0.5, -0.5), (9.5, 9.5)]),
    ((-3, -3, 12), [(4.5, -0.5), (-0.5, 4.5)]),
    ((1e-200, 0, -3e-200), [(3, -0.5), (3, 9.5)]),
    ((1e150, 0, -3e150), [(3, -0.5), (3, 9.5)]),
])
def test_clipping_by_hand(line, segment):
    found = clip_line(np.array(line), (10, 20))
    expected = np.array(segment)
    assert min(np.abs(found - expected).max(), np.abs(found[::-1] - expected).max()) < 1e-9


@pytest.mark.parametrize("line", [
    (1, 0, 1), (1, 0, -20), (0, 1, -10), (1, 1, 1.001), (1, 1, 1), (0, 0, 1), (0, 0, 0), (np.nan, 1, 0),
    (1, 0, np.inf),
])
def test_lines_that_miss_the_image_or_touch_its_corner_are_not_there(line):
    assert clip_line(np.array(line), (10, 20)) is None
    assert not lines_hit(np.array(line, dtype=float), (10, 20))


@given(degrees, offsets, shapes, spacings)
def test_a_line_hits_what_it_can_be_clipped_to(angle, offset, shape, spacing):
    line = line_at(angle, offset, shape, spacing)
    segment = clip_line(line, shape)
    assume(segment is None or length_inside(line, shape, spacing) > 1e-6)
    assume(length_inside(line + (0, 0, 1e-6), shape, spacing) > 0 or segment is None)
    assert lines_hit(line, shape) == (segment is not None)
    if segment is not None:
        np.testing.assert_allclose(segment @ line[:2] + line[2], 0, atol=1e-9)
        high, wide = shape
        on_border = np.isclose(segment, -0.5) | np.isclose(segment, (wide - 0.5, high - 0.5))
        assert on_border.any(axis=1).all()


def test_many_lines_hit_at_once():
    lines = np.array([[(1, 0, -3), (1, 0, 3)], [(0, 1, -3), (np.nan, np.nan, np.nan)]])
    assert lines_hit(lines, (10, 20)).tolist() == [[True, False], [True, False]]


# Heatmaps

@given(drawn_lines(), st.floats(2, 12))
@settings(max_examples=40)
def test_heatmaps_are_the_formula(drawn, sigma):
    """H = exp(-d^2 / 2 sigma^2), with d measured from each pixel to the line's foot in patient millimetres."""
    line, shape, spacing = drawn
    start, end = clip_line(line, shape) * (spacing[1], spacing[0])
    along = (end - start) / np.linalg.norm(end - start)
    row, column = np.mgrid[:shape[0], :shape[1]]
    offset = np.stack([column * spacing[1], row * spacing[0]], axis=-1) - start
    distance = offset[..., 0] * along[1] - offset[..., 1] * along[0]
    (found,) = heatmaps(line[None], shape, spacing, sigma)
    assert found.dtype == np.float32
    # Single precision: the terms of a line far from the first pixel are a hundred times their sum.
    tolerance = 5e-5 if length_inside(line, shape, spacing) > 1 else 1e-3
    np.testing.assert_allclose(found, np.exp(-distance**2 / (2 * sigma**2)), atol=tolerance)


def test_heatmaps_by_hand():
    vertical, horizontal, absent = heatmaps([(1, 0, -2), (0, 3, -6), (np.nan,) * 3], (5, 6), (2.0, 4.0), 4.0)
    row = np.exp([-2.0, -0.5, 0, -0.5, -2.0, -4.5])
    np.testing.assert_allclose(vertical, np.tile(row, (5, 1)), rtol=1e-6)
    column = np.exp([-0.5, -0.125, 0, -0.125, -0.5])
    np.testing.assert_allclose(horizontal, np.tile(column[:, None], (1, 6)), rtol=1e-6)
    assert not absent.any()


def test_lines_that_are_none_give_zeros_and_not_a_band():
    for none in ((0, 0, 1), (0, 0, 0), (np.inf, 1, 0), (1, 0, np.nan)):
        assert not heatmaps([none], (5, 6), (1, 1), SIGMA).any()
    assert np.isnan(in_millimetres((0, 0, 1), (1, 1))).all()


def test_heatmaps_of_the_published_set_up():
    """Sigma of 6 px at 1.26 mm; 6 px beside the line the map is exp(-1/2)."""
    (map_,) = heatmaps([(1, 0, -100)], (224, 224), (1.26, 1.26), 7.56)
    assert map_.max() == 1
    assert map_[50, 94] == map_[170, 106] == pytest.approx(np.exp(-0.5))
    assert heatmaps([(1, 0, -112)], (224, 224), (1.26, 1.26), 7.56).mean() == pytest.approx(
        6 * np.sqrt(2 * np.pi) / 224, rel=1e-3)


@given(drawn_lines(), st.integers(-5, 5).filter(bool))
@settings(max_examples=20)
def test_heatmaps_do_not_depend_on_how_a_line_is_scaled(drawn, scale):
    line, shape, spacing = drawn
    np.testing.assert_allclose(
        heatmaps([scale * line], shape, spacing, SIGMA), heatmaps([line], shape, spacing, SIGMA), atol=1e-5)


def test_swapped_spacing_does_not_bend_heatmaps():
    """Fault 1 of the published code: at 1.2 x 1.8 mm the ridge of a line at 45 degrees stays at 45 degrees."""
    shape, spacing = (150, 100), (1.2, 1.8)
    (map_,) = heatmaps([line_at(45, 0, shape, spacing)], shape, spacing, SIGMA)
    row, column = np.nonzero(map_ > 0.97)
    slope = np.polyfit(column * 1.8, row * 1.2, 1)[0]
    assert np.degrees(np.arctan(slope)) == pytest.approx(-45, abs=0.5)


# Moving an image moves its lines

moves = st.tuples(st.floats(-180, 180), st.floats(0.7, 1.4), st.floats(0.7, 1.4), st.booleans(),
                  st.floats(-20, 20), st.floats(-20, 20))


def matrix_of(move) -> np.ndarray:
    """(3, 3), new pixels to old ones: a rotation about the middle of 96 x 96, a zoom, a flip and a shift."""
    angle, zoom_x, zoom_y, flip, dx, dy = move
    cosine, sine = np.cos(np.radians(angle)), np.sin(np.radians(angle))
    middle = np.array([[1, 0, 47.5], [0, 1, 47.5], [0, 0, 1.0]])
    turn = np.array([[cosine, -sine, dx], [sine, cosine, dy], [0, 0, 1]])
    return middle @ turn @ np.diag([-zoom_x if flip else zoom_x, zoom_y, 1]) @ np.linalg.inv(middle)


@given(degrees, st.floats(-40, 40), moves)
def test_a_moved_line_passes_through_the_moved_points(angle, offset, move):
    matrix = matrix_of(move)
    line = line_at(angle, offset, (96, 96), (1.2, 1.8))
    moved = in_millimetres(move_lines(line, matrix), (1, 1))  # now in pixels
    old = np.concatenate([clip_line(line, (96, 96)), np.ones((2, 1))], axis=1)
    new = old @ np.linalg.inv(matrix).T
    np.testing.assert_allclose(new @ moved, 0, atol=1e-4)


@pytest.mark.parametrize("move", [
    (30, 1, 1, False, 0, 0), (-90, 1, 1, False, 0, 0), (0, 0.8, 1.3, False, 0, 0), (0, 1, 1, True, 0, 0),
    (-72, 0.8, 0.9, True, 6, -9), (15, 1, 1, False, 3.3, 8.8),
])
def test_moving_a_line_is_resampling_its_heatmap(move):
    """No line is rasterised and estimated again (fault 4), yet the picture agrees with scipy's resampling."""
    matrix, shape = matrix_of(move), (96, 96)
    lines = np.array([line_at(20, 5, shape, (1, 1)), line_at(90, -8, shape, (1, 1)), line_at(135, 12, shape, (1, 1))])
    maps = heatmaps(lines, shape, (1, 1), 6.0)
    swap = matrix[[1, 0, 2]][:, [1, 0, 2]]  # scipy indexes (row, column)
    inside = ndimage.affine_transform(np.ones(shape), swap, order=0) > 0
    a, b = move_lines(lines, matrix)[:, :2].T
    stretch = np.hypot(a, b)  # a zoom across a line changes the width of its ridge
    for line, map_, sigma in zip(move_lines(lines, matrix), maps, 6.0 / stretch, strict=True):
        resampled = ndimage.affine_transform(map_.astype(float), swap, order=3, mode="nearest")
        (exact,) = heatmaps([line], shape, (1, 1), sigma)
        inner = ndimage.binary_erosion(inside, iterations=3)
        assert inner.sum() > 2000
        assert np.abs(resampled - exact)[inner].max() < 2e-3


def test_no_rasterising_and_estimating_again():
    """Fault 4: turned there and back a hundred times, a line has not moved by 1e-9 of a pixel."""
    line = line_at(33, 7, (96, 96), (1.2, 1.8))
    turn = matrix_of((13, 1.1, 0.9, True, 4, -2))
    moved = line
    for _ in range(100):
        moved = move_lines(move_lines(moved, turn), np.linalg.inv(turn))
    np.testing.assert_allclose(moved, line, atol=1e-9)


def test_many_lines_move_at_once():
    lines, matrix = np.arange(12.0).reshape(2, 2, 3), matrix_of((30, 1, 1, True, 0, 0))
    moved = move_lines(lines, matrix)
    np.testing.assert_allclose(moved[1, 0], move_lines(lines[1, 0], matrix))


# Points and lines

def test_nearest_points_by_hand():
    """Pixels 1 mm wide and 2 mm high, the line row = column: along (1, 2) / sqrt(5) in mm."""
    line, spacing = np.array([[1.0, -1.0, 0.0]]), (2.0, 1.0)
    pixel = np.array([[5.0, 0.0]])  # (5, 0) mm: sqrt(5) mm along the line, which is (1, 2) mm
    np.testing.assert_allclose(nearest_on_lines(line, pixel, spacing), [[1, 1]], atol=1e-12)
    assert abs(distance_to_lines(line, pixel, spacing)[0]) == pytest.approx(np.hypot(4, 2))
    assert np.isnan(nearest_on_lines(np.full((1, 3), np.nan), pixel, spacing)).all()


# Errors between lines

def test_errors_by_hand():
    shape, spacing = (11, 21), (2.0, 1.0)  # rows -0.5 .. 10.5, columns -0.5 .. 20.5
    vertical = np.array([1.0, 0, -10])
    predicted = np.array([
        (1, 0, -13),    # 3 mm beside it
        (-2, 0, 26),    # the same line, written otherwise
        (1, 2, -20),    # at 45 degrees through the middle (10, 5): 11 mm to either side
        (1, 2, -31),    # at 45 degrees, through the lower end of it (10, 10.5)
        (np.nan, 0, 1),
    ])
    angle, distance = line_errors(predicted, np.tile(vertical, (5, 1)), shape, spacing)
    np.testing.assert_allclose(angle, [0, 0, 45, 45, np.nan], atol=1e-9)
    half = 11 / np.sqrt(2)
    np.testing.assert_allclose(distance, [3, 3, half / 2, 22 / np.sqrt(2) / 2, np.nan], atol=1e-9)


def test_errors_where_the_sign_changes_off_the_middle():
    """From -1 mm to 3 mm along the true line: (1 * 1/4 + 3 * 3/4) / 2 = 1.25 mm on average."""
    shape, spacing = (4, 40), (1.0, 1.0)
    true = np.array([[1.0, 0, -10]])
    slanted = np.array([[1.0, 1.0, -10.5]])  # through (10, 0.5), at 45 degrees
    _, distance = line_errors(slanted, true, shape, spacing)
    assert distance[0] == pytest.approx(1.25 / np.sqrt(2))


@given(drawn_lines(), degrees, st.floats(-30, 30))
@settings(max_examples=60)
def test_errors_are_those_of_dense_sampling(drawn, angle, offset):
    true, shape, spacing = drawn
    assume(length_inside(true, shape, spacing) > 1)
    predicted = line_at(angle, offset, shape, spacing)
    found_angle, distance = line_errors(predicted[None], true[None], shape, spacing)
    start, end = clip_line(true, shape)
    t = (np.arange(20000) + 0.5)[:, None] / 20000
    sampled = np.abs((start + t * (end - start)) @ predicted[:2] + predicted[2]).mean()
    assert distance[0] == pytest.approx(sampled, rel=1e-4, abs=1e-4)
    direction = (end - start) * (spacing[1], spacing[0]) / length_inside(true, shape, spacing)
    normal = np.array([np.cos(np.radians(angle)), np.sin(np.radians(angle))])
    assert np.sin(np.radians(found_angle[0])) == pytest.approx(abs(direction @ normal), abs=1e-6)


def test_a_true_line_outside_the_image_has_no_error():
    angle, distance = line_errors(np.array([[1.0, 0, -3]]), np.array([[1.0, 0, 30]]), (10, 10), (1, 1))
    assert np.isnan(angle).all() and np.isnan(distance).all()


# Fitting lines to heatmaps

@given(drawn_lines())
@settings(max_examples=150, deadline=None)
def test_fits_recover_clean_lines_near_borders_and_corners_too(drawn):
    line, shape, spacing = drawn
    assume(length_inside(line, shape, spacing) > 2 * SIGMA)
    fitted = fit_lines(heatmaps([line], shape, spacing, SIGMA), spacing, SIGMA)
    angle, distance = line_errors(fitted, line[None], shape, spacing)
    assert angle[0] < 0.01
    assert distance[0] < 0.01
    np.testing.assert_allclose(in_millimetres(fitted, spacing), fitted, atol=1e-9)


@given(degrees, st.floats(-20, 20), spacings, st.integers(0, 2**31))
@settings(max_examples=40, deadline=None)
def test_fits_under_noise_stay_close(angle, offset, spacing, seed):
    """Noise of a third of the ridge's height, on 96 x 96 pixels, moves a line by less than a pixel and 2 degrees."""
    shape = (96, 96)
    sigma = 6 * min(spacing)
    line = line_at(angle, offset * min(spacing), shape, spacing)
    noise = np.random.default_rng(seed).normal(0, 1 / 3, (1, *shape))
    fitted = fit_lines(0.8 * heatmaps([line], shape, spacing, sigma) + noise, spacing, sigma)
    error, distance = line_errors(fitted, line[None], shape, spacing)
    assert error[0] < 2
    assert distance[0] < max(spacing)


@pytest.mark.parametrize("weaker", [0.0, 0.3, 0.6, 0.8])
def test_a_second_ridge_does_not_pull_the_stronger_one(weaker):
    shape, spacing = (144, 144), (1.5, 1.5)
    lines = np.array([line_at(11, 10, shape, spacing), line_at(86, -20, shape, spacing)])
    strong, weak = heatmaps(lines, shape, spacing, SIGMA)
    fitted = fit_lines(np.maximum(strong, weaker * weak)[None], spacing, SIGMA)
    angle, distance = line_errors(fitted, lines[:1], shape, spacing)
    assert angle[0] < 0.1
    assert distance[0] < 0.1


def test_maps_without_a_ridge_give_nan():
    rng = np.random.default_rng(0)
    shape = (60, 80)
    centred = np.exp(-((np.mgrid[:60, :80] - np.reshape((30, 40), (2, 1, 1))) ** 2).sum(0) / (2 * SIGMA**2))
    maps = {
        "zeros": np.zeros(shape), "constant": np.full(shape, 0.5), "negative": -np.ones(shape),
        "almost nothing": np.full(shape, 1e-9), "noise": rng.normal(size=shape), "uniform": rng.random(shape),
        "nan": np.where(rng.random(shape) < 0.1, np.nan, centred), "infinite": np.full(shape, np.inf),
    }
    for name, map_ in maps.items():
        assert np.isnan(fit_lines(map_[None], (1, 1), SIGMA)).all(), name
    assert np.isnan(fit_lines(np.ones((2, 1, 1)), (1, 1), SIGMA)).all()


def test_fits_take_maps_of_any_number_type_and_of_several_lines():
    shape, spacing = (80, 60), (1.0, 1.5)
    lines = np.array([line_at(30, 4, shape, spacing), line_at(120, -9, shape, spacing)])
    maps = heatmaps(lines, shape, spacing, SIGMA)
    for typed, limit in ((maps, 0.01), (maps.astype(np.float16), 0.05), ((100 * maps).astype(np.int16), 0.5)):
        angle, distance = line_errors(fit_lines(typed, spacing, SIGMA), lines, shape, spacing)
        assert angle.max() < limit
        assert distance.max() < limit
