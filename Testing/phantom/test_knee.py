"""The knee as designed: sides mirrored, flexion, injuries that are small and in their places."""
from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from PlaneSSLLib.phantom.knee import Knee
from PlaneSSLLib.phantom.knee_parameters import EFFUSION_LIMIT, KneeParameters
from PlaneSSLLib.phantom.tissue import Tissue

SOUND = {"acl_tear": 0.0, "meniscus_tear": "", "bruise": 0.0, "effusion": 0.1}


def knee(seed: int = 0, **changes) -> Knee:
    parameters = KneeParameters.draw(np.random.default_rng(seed))
    return Knee(replace(parameters, **{**SOUND, **changes}), np.random.default_rng([seed, 1]))


def grid(step: float = 1.0) -> np.ndarray:
    """Points of a box around the joint, along the knee's axes."""
    sides = [np.arange(-48, 48, step), np.arange(-62, 48, step), np.arange(-40, 80, step)]
    return np.stack(np.meshgrid(*sides, indexing="ij"), axis=-1)


def tissue_on(knee: Knee, points: np.ndarray) -> np.ndarray:
    return knee.tissue(knee.frame.to_lps(points))


def test_a_right_knee_is_a_left_one_in_the_mirror():
    straight = {"turn": (0.0, 0.0, 0.0), "place": (0.0, 0.0, 0.0)}
    left, right = (knee(1, side=side, **straight) for side in "LR")
    points = grid(4.0)
    assert np.array_equal(left.tissue(points), right.tissue(points * (-1, 1, 1)))
    calf_bone = (36, 17, -60)
    assert left.tissue(np.array(calf_bone)) == Tissue.MARROW, "the calf bone is lateral: on the left of a left knee"


def test_all_labels_are_there_in_plausible_amounts():
    one = knee(2)
    millilitres = np.bincount(one.labels[tissue_on(one, grid())].ravel(), minlength=10) / 1000
    assert (millilitres[1:4] > (80, 40, 8)).all(), "bones"
    assert ((0.5 < millilitres[4:10]) & (millilitres[4:10] < 25)).all(), "cartilages, menisci, cruciate ligaments"


def test_flexion_turns_the_thigh_bone_backwards():
    shaft = np.array([[0.0, p, 90.0] for p in np.arange(-40, 60, 0.5)])
    middles = []
    for flexion in (0.0, 20.0):
        one = knee(3, flexion=flexion)
        middles.append(shaft[one.labels[tissue_on(one, shaft)] == 1, 1].mean())
    assert middles[1] - middles[0] == pytest.approx(67 * np.tan(np.radians(20)), abs=3)  # 67 mm above the pivot


@pytest.mark.parametrize(("injury", "torn", "label"), [
    ({"acl_tear": 0.3}, Tissue.ACL_TEAR, 8),
    ({"meniscus_tear": "medial"}, Tissue.MENISCUS_TEAR, 7),
    ({"meniscus_tear": "lateral"}, Tissue.MENISCUS_TEAR, 7),
])
def test_a_tear_is_small_and_in_its_structure(injury, torn, label):
    points = grid(1.0)
    sound, hurt = (tissue_on(knee(4, **changes), points) for changes in ({}, injury))
    assert not (sound == torn).any()
    volume = (hurt == torn).sum()
    assert 20 < volume < 1500, "cubic millimetres"
    assert Knee.labels[torn] == label
    changed = points[sound != hurt]
    assert np.ptp(changed, axis=0).max() < 45, "nothing far from the tear has changed"
    if label == 7:
        assert (np.sign(changed[:, 0]) == (1 if injury["meniscus_tear"] == "lateral" else -1)).all()


def test_classes_follow_the_injuries():
    drawn = [KneeParameters.draw(np.random.default_rng([5, i])) for i in range(300)]
    for p in drawn:
        acl, meniscus = p.acl_tear > 0, p.meniscus_tear != ""
        other = p.bruise > 0 or p.effusion > EFFUSION_LIMIT
        assert p.classes == {"abnormal": acl or meniscus or other, "acl_tear": acl, "meniscus_tear": meniscus}
    shares = np.mean([list(p.classes.values()) for p in drawn], axis=0)
    assert ((shares > 0.2) & (shares < 0.8)).all()
    assert {p.side for p in drawn} == {"L", "R"}
    alone = [p for p in drawn if p.classes["abnormal"] and not p.classes["acl_tear"] and not p.classes["meniscus_tear"]]
    assert alone, "some knees are abnormal without a tear"
