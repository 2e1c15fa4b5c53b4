"""The heart as designed: closed-form volumes, a cycle that beats, classes that follow the parameters."""
from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from PlaneSSLLib.phantom.heart import Heart, contraction_at
from PlaneSSLLib.phantom.heart_parameters import (
    DILATED_RADIUS_MM,
    EJECTION_RANGE,
    HYPERTROPHIED_WALL_MM,
    HeartParameters,
)
from PlaneSSLLib.phantom.left_ventricle import INNER_NARROWING, WAIST
from PlaneSSLLib.phantom.shapes import Bend
from PlaneSSLLib.phantom.tissue import HEART_LABELS, Tissue

STRAIGHT = Bend(np.zeros((1, 3), np.float32), np.zeros(1, np.float32), np.zeros((3, 1), np.float32))


def plain_heart(seed: int = 0, **changes) -> Heart:
    """A heart without the bend and the ellipticity, so that its surfaces are known in closed form."""
    rng = np.random.default_rng(seed)
    parameters = replace(HeartParameters.draw(rng), ellipticity=0.0, septum_ratio=1.0, **changes)
    heart = Heart(parameters, rng)
    heart.bend = STRAIGHT
    return heart


def labels_along(heart: Heart, points, contraction: float = 0.0) -> np.ndarray:
    """Labels at points given along the heart's axes."""
    return heart.labels[heart.tissue(heart.frame.to_lps(points), contraction)]


def test_volume_of_an_elliptic_cavity_is_the_one_worked_out_by_hand():
    heart = plain_heart(bluntness=2.0, radius=25.0, length=90.0)
    # Beyond the waist half an ellipsoid, 2/3 pi R^2 a; before it a radius that falls as R (1 - n y^2), 0 <= y <= 1.
    ahead = 2 / 3 * np.pi * 25**2 * (1 - WAIST) * 90
    behind = np.pi * 25**2 * WAIST * 90 * (1 - 2 / 3 * INNER_NARROWING + INNER_NARROWING**2 / 5)
    assert heart.left.volume_ml(0.0) == pytest.approx((ahead + behind) / 1000, rel=1e-4)


@pytest.mark.parametrize("contraction", [0.0, 1.0])
def test_counted_volume_is_the_designed_one(contraction):
    heart = plain_heart(1)
    assert heart.volumes_ml(contraction, step=2.0)["LV"] == pytest.approx(heart.left.volume_ml(contraction), rel=0.01)


def test_labels_change_at_the_analytic_surfaces():
    heart = plain_heart(2)
    size, w = heart.left.at(0.0), np.float64(0.5 * heart.parameters.length)
    theta = np.radians(180.0)  # the lateral wall, where nothing else touches it
    inner, outer = (f(w, theta, size) for f in (heart.left.inner_radius, heart.left.outer_radius))
    rho = np.array([0.5 * inner, inner - 0.05, inner + 0.05, (inner + outer) / 2, outer - 0.05, outer + 0.05])
    points = np.stack([rho * np.cos(theta), rho * np.sin(theta), np.full(6, w)], axis=1)
    assert labels_along(heart, points).tolist() == [3, 3, 2, 2, 2, 0]


def test_chambers_lie_where_anatomy_has_them():
    heart = Heart.draw(np.random.default_rng(3))
    p = heart.parameters
    septum = p.radius + p.wall / 2
    right = p.radius + p.wall + p.right_width / 2
    places = [(0, 0, 0.4 * p.length), (septum, 0, 0.4 * p.length), (right, 0, 0.3 * p.length), (0, -9, -p.left_atrium)]
    tissue = heart.tissue(heart.frame.to_lps(places))
    assert tissue[3] == Tissue.ATRIUM
    assert HEART_LABELS[tissue].tolist() == [3, 2, 1, 0]
    lps = heart.frame.to_lps(places)
    assert lps[2, 0] < lps[0, 0], "the right ventricle lies to the right of the left one"
    assert lps[2, 1] < lps[3, 1], "and in front of the left atrium"


@pytest.mark.parametrize("phases", [2, 3, 4, 10, 25])
def test_the_cycle_contracts_once_and_comes_back(phases):
    course = [contraction_at(k, phases) for k in range(phases)]
    end = int(np.argmax(course))
    assert course[0] == 0 and course[end] == 1
    assert (np.diff(course[:end + 1]) > 0).all() and (np.diff(course[end:]) <= 0).all()
    assert contraction_at(phases - 1, phases) < 1 or phases == 2
    assert contraction_at(0, 1) == 0, "a single phase shows end-diastole"


@pytest.mark.parametrize("seed", range(3))
def test_blood_is_ejected_and_muscle_keeps_its_volume(seed):
    heart = Heart.draw(np.random.default_rng(seed))
    course = [heart.volumes_ml(contraction_at(k, 4)) for k in range(4)]
    left = [volumes["LV"] for volumes in course]
    assert left[0] > left[2] > left[1] and left[0] >= left[3] > left[1]
    measured = 1 - left[1] / left[0]
    assert EJECTION_RANGE[0] - 0.03 < measured < EJECTION_RANGE[1] + 0.03
    assert measured == pytest.approx(heart.parameters.ejection_fraction, abs=0.03)
    assert course[1]["RV"] < 0.9 * course[0]["RV"]
    assert course[1]["MYO"] == pytest.approx(course[0]["MYO"], rel=0.06)


def test_classes_follow_the_parameters_and_overlap_in_them():
    drawn = [HeartParameters.draw(np.random.default_rng([9, i])) for i in range(400)]
    for p in drawn:
        dilated, thick = p.radius > DILATED_RADIUS_MM, p.wall > HYPERTROPHIED_WALL_MM
        assert p.classes == {"normal": not (dilated or thick), "dilated": dilated, "hypertrophied": thick}
    shares = np.mean([list(p.classes.values()) for p in drawn], axis=0)
    assert (shares > 0.15).all(), "every class is common enough to learn"
    near = np.mean([abs(p.radius - DILATED_RADIUS_MM) < 1.5 for p in drawn])
    assert near > 0.05, "some hearts lie close to the limit on either side"
    normal = [p.ejection_fraction for p in drawn if p.classes["normal"]]
    dilated = [p.ejection_fraction for p in drawn if p.classes["dilated"]]
    assert np.mean(dilated) < np.mean(normal) - 0.15 and max(dilated) > min(normal)
    assert all(EJECTION_RANGE[0] <= p.ejection_fraction <= EJECTION_RANGE[1] for p in drawn)
