"""Agreement with a reference: by hand, by brute force over surfaces, and without flattery."""
from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from PlaneSSLLib.prediction.metrics import agreement, bootstrap_interval

SPACING = (10.0, 1.5, 1.2)  # between slices, rows, columns


def box(shape, *sides) -> np.ndarray:
    mask = np.zeros(shape, bool)
    mask[tuple(slice(a, b) for a, b in sides)] = True
    return mask


def test_a_box_beside_itself():
    """4 x 6 x 6 voxels, moved by two columns of 1.2 mm: two thirds overlap, and the ends are 2.4 mm apart."""
    one = box((8, 20, 20), (2, 6), (5, 11), (5, 11))
    other = np.roll(one, 2, axis=2)
    found = agreement(other, one, SPACING)
    assert found["dice"] == pytest.approx(2 / 3)
    assert found["hd95_mm"] == pytest.approx(2.4)
    assert 0 < found["assd_mm"] < 2.4


@pytest.mark.parametrize("axis, mm", [(0, 10.0), (1, 1.5), (2, 1.2)])
def test_each_axis_has_its_own_spacing(axis, mm):
    """Fault 16 of the published code: spacing ignored. Two parallel sheets are exactly one spacing apart."""
    shape = (12, 14, 16)
    one = np.zeros(shape, bool)
    one[tuple(4 if k == axis else slice(2, -2) for k in range(3))] = True
    found = agreement(np.roll(one, 1, axis), one, SPACING)
    assert found["hd95_mm"] == pytest.approx(mm)
    assert found["assd_mm"] == pytest.approx(mm)


@pytest.mark.parametrize("seed", range(4))
def test_surface_distances_by_brute_force(seed):
    """Surface voxels are those with a face on the outside; distances to all of them, one by one."""
    rng = np.random.default_rng(seed)
    masks = [ndimage.gaussian_filter(rng.normal(size=(9, 24, 24)), 2) > 0.06 for _ in range(2)]
    surfaces = [np.argwhere(m & ~ndimage.binary_erosion(m)) * SPACING for m in masks]
    apart = np.linalg.norm(surfaces[0][:, None] - surfaces[1][None], axis=-1)
    there, back = apart.min(1), apart.min(0)
    found = agreement(*masks, SPACING)
    assert found["hd95_mm"] == pytest.approx(max(np.percentile(there, 95), np.percentile(back, 95)), rel=1e-4)
    assert found["assd_mm"] == pytest.approx((there.sum() + back.sum()) / (len(there) + len(back)), rel=1e-4)


def test_a_missing_structure_gets_the_worst_value():
    """Fault 16 of the published code: a missing structure scored a distance of 1.0, which flatters."""
    one, nothing = box((4, 10, 10), (1, 2), (3, 5), (3, 5)), np.zeros((4, 10, 10), bool)
    for found in (agreement(nothing, one, SPACING), agreement(one, nothing, SPACING)):
        assert found["dice"] == 0
        assert found["hd95_mm"] == found["assd_mm"] == pytest.approx(np.linalg.norm([40, 15, 12]))


@pytest.mark.parametrize("shift, radius", [(0, 20), (12, 26)])
def test_the_surface_of_a_single_slice_is_its_outline(shift, radius):
    """Discs one within the other are 6 pixels apart all around; a disc beside itself nowhere near nothing."""
    rows, columns = np.indices((100, 120)) - np.array([50, 60]).reshape(2, 1, 1)
    one = np.hypot(rows, columns) < 26
    other = np.hypot(rows, columns - shift) < radius
    found = agreement(other[None], one[None], (8.0, 1.0, 1.0))
    outlines = [np.argwhere(mask & ~ndimage.binary_erosion(mask)) for mask in (one, other)]
    apart = np.linalg.norm(outlines[0][:, None] - outlines[1][None], axis=-1)
    there, back = apart.min(1), apart.min(0)
    assert found["assd_mm"] == pytest.approx((there.sum() + back.sum()) / (len(there) + len(back)), rel=1e-4)
    assert found["hd95_mm"] == pytest.approx(max(np.percentile(there, 95), np.percentile(back, 95)), rel=1e-4)
    assert shift or found["assd_mm"] == pytest.approx(6, abs=0.4)


def test_missing_is_what_was_outlined_and_not_found_at_all():
    here, elsewhere = box((4, 10, 10), (1, 2), (3, 5), (3, 5)), box((4, 10, 10), (1, 2), (7, 9), (7, 9))
    nothing = np.zeros_like(here)
    assert agreement(nothing, here, SPACING)["missing"] == 1
    assert agreement(here, nothing, SPACING)["missing"] == 0
    assert agreement(elsewhere, here, SPACING) | {"dice": 0.0, "missing": 0.0} == agreement(elsewhere, here, SPACING)


def test_nothing_to_find_and_nothing_found_is_not_measured():
    nothing = np.zeros((4, 10, 10), bool)
    assert all(np.isnan(value) for value in agreement(nothing, nothing, SPACING).values())


def test_the_interval_holds_the_mean_and_shrinks_with_patients():
    rng = np.random.default_rng(0)
    few, many = rng.normal(0.8, 0.05, 8), rng.normal(0.8, 0.05, 200)
    for values in (few, many):
        low, high = bootstrap_interval(values)
        assert low < values.mean() < high
    widths = [np.ptp(bootstrap_interval(values)) for values in (few, many)]
    assert widths[1] < widths[0] / 2
    assert bootstrap_interval(np.array([0.7])) == (0.7, 0.7)
