"""Planes fitted to lines: the lines of a plane give it back, and a few wrong ones do not pull it."""
from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from PlaneSSLLib.geometry import Plane, angle_between, fit_plane, intersect

SLICES = [Plane((-120, -120, z), (1, 0, 0), (0, 1, 0), (1, 1), (241, 241)) for z in np.arange(-40, 41, 8.0)]


def upright(turn_deg: float, lean_deg: float = 0.0, shift_mm: float = 0.0) -> Plane:
    """A plane along z through the middle of the slices, turned about z, leant over and shifted along its normal."""
    turn = Rotation.from_euler("zx", [turn_deg, lean_deg], degrees=True).as_matrix()
    row, column = turn @ [1, 0, 0], turn @ [0, 0, 1]
    return Plane(-150 * row - 150 * column + shift_mm * np.cross(row, column), row, column, (1, 1), (301, 301))


def segments(plane: Plane) -> np.ndarray:
    return np.array([intersect(image, plane).segment for image in SLICES])


@given(st.floats(-180, 180), st.floats(-60, 60), st.floats(-30, 30))
@settings(max_examples=60, deadline=None)
def test_the_lines_of_a_plane_give_it_back(turn, lean, shift):
    plane = upright(turn, lean, shift)
    cut = [intersect(image, plane).segment for image in SLICES]
    assume(all(segment is not None for segment in cut))
    fitted = fit_plane(np.array(cut))
    assert angle_between(fitted.normal, plane.normal) < 1e-6
    np.testing.assert_allclose(fitted.distance(np.array(cut)), 0, atol=1e-6)


def test_the_order_of_lines_and_of_their_ends_means_nothing():
    rng = np.random.default_rng(0)
    wrong = segments(upright(30)) + rng.normal(0, 4, (len(SLICES), 2, 3)) * [1, 1, 0]
    one, other = fit_plane(wrong), fit_plane(wrong[::-1, ::-1])
    assert angle_between(one.normal, other.normal) < 1e-6
    assert abs(one.distance(other.position)) < 1e-6


def test_lines_wrong_each_by_chance_agree_on_a_better_one():
    """Turned by 8 degrees and shifted by 4 mm at random (standard deviations): single lines are as far off as that."""
    rng = np.random.default_rng(1)
    angles, offsets = [], []
    for _ in range(40):
        seen = np.array([intersect(image, upright(20 + rng.normal(0, 8), 0, rng.normal(0, 4))).segment
                         for image in SLICES])
        fitted = fit_plane(seen)
        angles.append(angle_between(fitted.normal, upright(20).normal))
        offsets.append(abs(fitted.distance([0, 0, 0])))
    assert np.median(angles) < 4  # the median single line is 5.4 degrees and 2.7 mm off
    assert np.median(offsets) < 1.4


@pytest.mark.parametrize("turn_deg, shift_mm", [(80, 0), (0, 40), (50, -30)])
def test_three_lines_of_eleven_that_are_elsewhere_do_not_pull(turn_deg, shift_mm):
    seen = segments(upright(20))
    seen[[1, 5, 6]] = segments(upright(20 + turn_deg, 0, shift_mm))[[1, 5, 6]]
    fitted = fit_plane(seen)
    assert angle_between(fitted.normal, upright(20).normal) < 3
    assert abs(fitted.distance([0, 0, 0])) < 2


def test_too_few_lines_and_lines_about_one_line_are_no_plane():
    assert fit_plane(np.empty((0, 2, 3))) is None
    assert fit_plane(segments(upright(10))[:2]) is None
    assert fit_plane(np.repeat(segments(upright(10))[:1], 9, axis=0)) is None  # one image, nine phases
    same = np.array([[[-50.0, 0, 0], [50, 0, 0]], [[-50, 1, 0], [50, -1, 0]], [[-50, -1, 1], [50, 1, 0]]])
    assert fit_plane(same) is None
