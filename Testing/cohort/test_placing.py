"""One resampling from native pixels to the working grid, and lines that go exactly with it."""
from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk
from scipy import ndimage

from PlaneSSLLib.anatomy import load
from PlaneSSLLib.cohort.placing import Augmentation, placement, resample
from PlaneSSLLib.cohort.plan import Plan
from PlaneSSLLib.geometry import Plane, heatmaps, move_lines

PLAN = Plan.of(load("heart"))
PLANE = Plane((10, 20, 30), (1, 0, 0), (0, 1, 0), (1.2, 1.8), (180, 150))
STRONG = Augmentation(rotation_deg=90, zoom=0.5, shift_mm=20, flip=True)


@pytest.mark.parametrize("seed", range(8))
def test_an_image_that_is_a_lines_equation_keeps_that_equation(seed):
    """A linear image is kept exactly by linear sampling, so what it shows is where the line truly went."""
    rng = np.random.default_rng(seed)
    line = np.array([*rng.normal(size=2), rng.normal() * 40])
    column, row = np.meshgrid(np.arange(150), np.arange(180))
    image = line[0] * column + line[1] * row + line[2]
    matrix = placement(PLANE, PLAN, STRONG.motion(rng))
    seen = resample(image, matrix, PLAN.size, outside=np.nan)
    moved = move_lines(line, matrix)
    column, row = np.meshgrid(np.arange(144), np.arange(144))
    expected = moved[0] * column + moved[1] * row + moved[2]
    inside = np.isfinite(seen)
    assert inside.mean() > 0.2
    pixels = np.hypot(*moved[:2])  # values per pixel: their ratio turns a difference of values into pixels
    assert np.abs(seen - expected)[inside].max() / pixels < 1e-4


def test_a_moved_heatmap_is_the_heatmap_of_the_moved_line():
    rng = np.random.default_rng(3)
    line = np.array([0.8, -0.5, -12.0])
    # Without zoom a mm stays a mm, so that both are the same function.
    matrix = placement(PLANE, PLAN, Augmentation(rotation_deg=60, shift_mm=10).motion(rng))
    moved = heatmaps(move_lines(line, matrix)[None], PLAN.size, PLAN.spacing, 9.0)[0]
    seen = resample(heatmaps(line[None], PLANE.shape, PLANE.spacing, 9.0)[0], matrix, PLAN.size, outside=np.nan)
    inside = np.isfinite(seen)
    assert np.abs(seen - moved)[inside].max() < 0.02


def test_the_grids_centre_is_the_images_centre():
    centre = placement(PLANE, PLAN) @ [71.5, 71.5, 1]
    np.testing.assert_allclose(PLANE.to_lps(centre[:2]), PLANE.centre)


def test_resampling_is_simpleitks():
    rng = np.random.default_rng(1)
    image = rng.random((180, 150)).astype(np.float32)
    matrix = placement(Plane((0, 0, 0), (1, 0, 0), (0, 1, 0), (1.4, 1.6), (180, 150)), PLAN,
                       Augmentation(rotation_deg=30, shift_mm=5).motion(rng))
    transform = sitk.AffineTransform(2)
    transform.SetMatrix(matrix[:2, :2].ravel().tolist())
    transform.SetTranslation(matrix[:2, 2].tolist())
    grid = sitk.Image(144, 144, sitk.sitkFloat32)
    theirs = sitk.GetArrayFromImage(sitk.Resample(
        sitk.GetImageFromArray(image), grid, transform, sitk.sitkLinear, float("nan")))
    ours = resample(image, matrix, PLAN.size, outside=np.nan)
    both = np.isfinite(theirs) & np.isfinite(ours)
    assert both.mean() > 0.5
    np.testing.assert_allclose(ours[both], theirs[both], atol=1e-5)


def test_fine_images_are_averaged_not_aliased():
    stripes = np.tile([0.0, 1.0], (600, 300)).astype(np.float32)  # 0.5 mm pixels, alternately dark and bright
    plane = Plane((0, 0, 0), (1, 0, 0), (0, 1, 0), (0.5, 0.5), (600, 600))
    seen = resample(stripes, placement(plane, PLAN), PLAN.size)[20:-20, 20:-20]
    assert np.abs(seen - 0.5).max() < 0.2  # 0.5 where every third pixel is taken alone


def test_labels_are_never_mixed():
    """Fault 10 of the published code: label maps resampled with a smooth kernel."""
    labels = np.random.default_rng(0).choice([0, 3], (180, 150)).astype(np.uint8)
    seen = resample(labels, placement(PLANE, PLAN, STRONG.motion(np.random.default_rng(2))), PLAN.size, order=0)
    assert seen.dtype == np.uint8
    assert set(np.unique(seen)) == {0, 3}


def test_no_augmentation_moves_nothing():
    rng = np.random.default_rng(0)
    np.testing.assert_array_equal(Augmentation().motion(rng), np.eye(3))
    image = rng.random((20, 20)).astype(np.float32)
    np.testing.assert_array_equal(Augmentation().intensities(image, rng), image)


def test_images_of_small_organs_are_shifted_less():
    def furthest(most_mm: float) -> float:
        moves = Augmentation(shift_mm=20)
        return max(np.abs(moves.motion(np.random.default_rng(n), most_mm)[:2, 2]).max() for n in range(200))

    assert 3.8 < furthest(4.0) <= 4 and 19 < furthest(54.0) <= 20


def test_a_curve_changes_greys_and_never_their_order():
    image = np.linspace(-1, 4, 501, dtype=np.float32)[None]
    curved = [Augmentation(curve=0.8).intensities(image, np.random.default_rng(seed)) for seed in range(20)]
    for one in curved:
        assert one.dtype == np.float32
        assert (np.diff(one) > 0).all()
        beyond = (image < -0.2) | (image > 1.4)
        np.testing.assert_allclose(one[beyond], image[beyond], atol=1e-6)
    middle = np.array(curved)[:, 0, 160]  # of 0.6: somewhere else each time, on both sides
    assert middle.std() > 0.1 and middle.min() < 0.5 and middle.max() > 0.7


@pytest.mark.parametrize("size", [(144, 144), (64, 50)])
def test_shading_is_a_smooth_field_through_a_few_random_values(size):
    """As scipy zooms them."""
    image = np.ones(size, np.float32)
    shaded = Augmentation(shading=0.5, shaded=1.0).intensities(image, np.random.default_rng(3))
    rng = np.random.default_rng(3)
    rng.random()
    coarse = rng.normal(0, 0.5, (4, 4))
    smooth = ndimage.zoom(coarse, [n / 4 for n in size], order=1, grid_mode=True, mode="nearest")
    np.testing.assert_allclose(shaded, np.exp(smooth), rtol=1e-5)
    assert shaded.dtype == np.float32
