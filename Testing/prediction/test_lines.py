"""Predicted lines beside the true ones: a perfect network has no error, in pixels of the acquired images."""
from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from Testing.made_up_study import write_study

from PlaneSSLLib import PlaneSSLError
from PlaneSSLLib.anatomy import load
from PlaneSSLLib.cohort.placing import placement, resample
from PlaneSSLLib.cohort.plan import Plan
from PlaneSSLLib.geometry import heatmaps, lines_hit, move_lines
from PlaneSSLLib.prediction.heatmaps import load as load_heatmaps
from PlaneSSLLib.prediction.heatmaps import save
from PlaneSSLLib.prediction.lines import LinePredictor, ask, predict_lines, predicted_targets
from PlaneSSLLib.study import lines_of, read_study
from PlaneSSLLib.study.targets import stack_targets


class Perfect(LinePredictor):
    """Knows the study: answers with the ideal heatmaps, or with those of lines moved by some mm."""

    def __init__(self, study, moved_mm: float = 0.0) -> None:
        self.anatomy = load("heart")
        self.plan, self.views, self.sequences = Plan.of(self.anatomy), [], []
        self.study, self.moved_mm = study, moved_mm

    def answers(self, stack, phase=0):
        index = self.study.stacks.index(stack)
        self.prepared = []
        for target, plane in zip(stack_targets(self.anatomy, self.study.stacks, index), stack.planes, strict=True):
            lines = move_lines(target.lines[:, 0], placement(plane, self.plan))
            lines = lines + [0, 0, self.moved_mm]  # on a grid of 1.5 mm the equation of a native line is in mm
            self.prepared.append(heatmaps(lines, self.plan.size, self.plan.spacing, self.plan.sigma_mm))
        return super().answers(stack, phase)

    def outputs(self, images):
        return {"lines": torch.from_numpy(np.stack(self.prepared)),
                "location": torch.linspace(0.2, 0.4, len(images), dtype=torch.float64)[:, None]}


@pytest.fixture
def study(tmp_path):
    return read_study(write_study(tmp_path / "s", 3))


def test_a_run_is_asked_about_what_it_has_seen(study):
    predictor = Perfect(study)
    assert {one.stack.view for one in ask(predictor, study)} == {"SAX", "2CH", "4CH"}
    predictor.views = ["SAX"]
    assert {one.stack.view for one in ask(predictor, study)} == {"SAX"}
    late = replace(study, stacks=tuple(
        replace(stack, sequence="LGE" if stack.view == "2CH" else "cine") for stack in study.stacks))
    predictor = Perfect(late)
    predictor.sequences = ["LGE"]
    assert {one.stack.view for one in ask(predictor, late)} == {"2CH"}


def test_a_perfect_prediction_lies_on_the_true_line(study):
    lines = predict_lines(ask(Perfect(study), study), study, lines_of(study))
    predicted = [line for line in lines if "predicted" in line]
    central = [line for line in lines if line["plane"]["slice"] == study.stack(line["plane"]["stack"]).central]
    assert predicted == central  # only the central plane of a stack is regressed
    for line in predicted:
        assert line["predicted"]["angle_error_deg"] < 0.05
        assert line["predicted"]["distance_error_mm"] < 0.05
        true = sorted(map(tuple, line["pixels"]))
        # The predicted line is clipped to its image alone, the true one to both planes.
        ends = np.array(sorted(map(tuple, line["predicted"]["pixels"])))
        along = (ends[1] - ends[0]) / np.linalg.norm(ends[1] - ends[0])
        for point in true:
            offset = np.subtract(point, ends[0])
            assert abs(offset[0] * along[1] - offset[1] * along[0]) < 0.1


def test_an_error_is_reported_in_mm(study):
    lines = predict_lines(ask(Perfect(study, moved_mm=4.0), study), study, lines_of(study))
    errors = [line["predicted"]["distance_error_mm"] for line in lines if "predicted" in line]
    assert errors
    np.testing.assert_allclose(errors, 4.0, atol=0.1)


def test_no_ridge_is_no_line(study, monkeypatch):
    monkeypatch.setattr(Perfect, "outputs", lambda self, images: {"lines": torch.zeros(len(images), 4, 144, 144)})
    for line in predict_lines(ask(Perfect(study), study), study, lines_of(study)):
        if "predicted" in line:
            assert line["predicted"] == {"pixels": None, "angle_error_deg": None, "distance_error_mm": None}


def test_heatmaps_come_back_to_the_pixels_that_were_asked(study, tmp_path):
    """On the part of an image that the working grid covers, they are the targets of the image itself."""
    anatomy = load("heart")
    asked = ask(Perfect(study), study)
    save(predicted_targets(asked, anatomy.targets), tmp_path / "maps.npz")
    found = load_heatmaps(tmp_path / "maps.npz", study)
    assert {stack for stack, _ in found} == {one.stack.id for one in asked}
    for one in asked:
        locations = [found[one.stack.id, i].location for i in range(len(one.stack.planes))]
        np.testing.assert_allclose(locations, np.linspace(0.2, 0.4, len(locations)), atol=1e-12)
        for i, plane in enumerate(one.stack.planes):
            target, true = found[one.stack.id, i], one.targets[i].lines[:, 0]
            hit = lines_hit(true, plane.shape)
            assert target.names == tuple(np.array(anatomy.targets)[hit])
            expected = heatmaps(true[hit], plane.shape, plane.spacing, anatomy.sigma_mm)
            covered = resample(np.ones((144, 144)), np.linalg.inv(placement(plane, Plan.of(anatomy))), plane.shape) == 1
            assert covered.any() and len(target.maps) == hit.sum() > 0
            np.testing.assert_allclose(target.maps[:, covered], expected[:, covered], atol=0.02)


@pytest.mark.parametrize("damage", ["cut off", "another study", "not there", "not heatmaps"])
def test_a_file_that_is_not_this_study_s_heatmaps_is_refused(study, tmp_path, damage):
    path = tmp_path / "maps.npz"
    asked = ask(Perfect(study), study)
    save(predicted_targets(asked, load("heart").targets), path)
    if damage == "cut off":
        path.write_bytes(path.read_bytes()[:-500])
    elif damage == "another study":
        study = read_study(write_study(tmp_path / "other", 2, slices=3))
    elif damage == "not there":
        path = tmp_path / "nowhere.npz"
    else:
        np.savez(path, something=np.zeros(3))
    with pytest.raises(PlaneSSLError, match=path.name):
        load_heatmaps(path, study)


def test_heatmaps_of_a_damaged_file_or_of_another_study_are_refused(study, tmp_path):
    path = tmp_path / "maps.npz"
    save(predicted_targets(ask(Perfect(study), study), load("heart").targets), path)
    whole = path.read_bytes()
    for damaged in (b"", whole[:len(whole) // 2], whole[:300] + bytes(50) + whole[350:]):
        path.write_bytes(damaged)
        with pytest.raises(PlaneSSLError, match="is damaged"):
            load_heatmaps(path, study)
    for strange in ("s99/0/SAX:central", "SAX", "SAX/x/location"):
        np.savez(path, **{strange: np.zeros((2, 2), np.uint8)})
        with pytest.raises(PlaneSSLError, match="something else than heatmaps"):
            load_heatmaps(path, study)
