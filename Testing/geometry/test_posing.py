"""How an organ lies in an image: where two planes cut it, and along which line."""
from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from PlaneSSLLib.geometry import Plane, distance_to_lines, lines_in_image, pose


def planes_through(point, degrees, spacing=(1.2, 1.8), shape=(100, 140)):
    """An image, and two planes upright on it whose lines cross at this (column, row) pixel at these angles to x."""
    turn = Rotation.from_euler("xyz", [20, -35, 50], degrees=True).as_matrix()
    image = Plane((5, -7, 30), turn[:, 0], turn[:, 1], spacing, shape)
    middle = image.to_lps(np.array(point, dtype=float))
    cut = []
    for angle in np.radians(degrees):
        along = turn[:, 0] * np.cos(angle) + turn[:, 1] * np.sin(angle)
        cut.append(Plane(middle + 13 * image.normal, along, image.normal, (1, 1), (50, 50)))
    return image, *cut


@pytest.mark.parametrize("degrees", [(10, 80), (-60, 30), (170, 75), (89, 20)])
def test_the_middle_is_where_they_cross_and_x_runs_along_the_first_to_the_right(degrees):
    image, along, across = planes_through((90, 30), degrees)
    found = pose(image, along, across)
    np.testing.assert_allclose(found[:2, 2], [(90 - 69.5) * 1.8, (30 - 49.5) * 1.2], atol=1e-9)
    np.testing.assert_allclose(found[:2, :2] @ found[:2, :2].T, np.eye(2), atol=1e-12)
    assert np.linalg.det(found) == pytest.approx(1) and found[0, 0] >= 0
    on_line = found @ [40, 0, 1]  # mm about the image's centre
    pixel = on_line[:2] / (1.8, 1.2) + (69.5, 49.5)
    assert distance_to_lines(lines_in_image(image, [along])[0], pixel, image.spacing) == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("degrees", [(10, 25), (10, 10), (0, 165)])
def test_lines_that_cross_flatly_have_no_middle(degrees):
    assert pose(*planes_through((90, 30), degrees)) is None


def test_a_plane_that_is_parallel_to_the_image_cuts_it_nowhere():
    image, along, _ = planes_through((90, 30), (10, 80))
    beside = Plane(image.position + 4 * image.normal, image.row, image.column, image.spacing, image.shape)
    assert pose(image, along, beside) is None and pose(image, beside, along) is None
