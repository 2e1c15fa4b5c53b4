"""Predicted lines beside the true ones: a perfect network has no error, in pixels of the acquired images."""
from __future__ import annotations

import numpy as np
import pytest
from Testing.made_up_study import write_study

from PlaneSSLLib.anatomy import load
from PlaneSSLLib.cohort.placing import placement
from PlaneSSLLib.cohort.plan import Plan
from PlaneSSLLib.geometry import heatmaps, move_lines
from PlaneSSLLib.prediction.lines import LinePredictor, predict_lines
from PlaneSSLLib.study import lines_of, read_study
from PlaneSSLLib.study.targets import stack_targets


class Perfect(LinePredictor):
    """Knows the study: answers with the ideal heatmaps, or with those of lines moved by some mm."""

    def __init__(self, study, moved_mm: float = 0.0) -> None:
        self.anatomy = load("heart")
        self.plan = Plan.of(self.anatomy)
        self.study, self.moved_mm = study, moved_mm

    def lines(self, stack, phase=0):
        index = self.study.stacks.index(stack)
        self.answers = []
        for target, plane in zip(stack_targets(self.anatomy, self.study.stacks, index), stack.planes, strict=True):
            lines = move_lines(target.lines[:, 0], placement(plane, self.plan))
            lines = lines + [0, 0, self.moved_mm]  # on a grid of 1.5 mm the equation of a native line is in mm
            self.answers.append(heatmaps(lines, self.plan.size, self.plan.spacing, self.plan.sigma_mm))
        return super().lines(stack, phase)

    def heatmaps(self, images):
        taken, self.answers = self.answers[: len(images)], self.answers[len(images):]
        return np.stack(taken)


@pytest.fixture
def study(tmp_path):
    return read_study(write_study(tmp_path / "s", 3))


def test_a_perfect_prediction_lies_on_the_true_line(study):
    lines = predict_lines(Perfect(study), study, lines_of(study))
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
    lines = predict_lines(Perfect(study, moved_mm=4.0), study, lines_of(study))
    errors = [line["predicted"]["distance_error_mm"] for line in lines if "predicted" in line]
    assert errors
    np.testing.assert_allclose(errors, 4.0, atol=0.1)


def test_no_ridge_is_no_line(study, monkeypatch):
    predictor = Perfect(study)
    monkeypatch.setattr(Perfect, "heatmaps", lambda self, images: np.zeros((len(images), 4, 144, 144)))
    for line in predict_lines(predictor, study, lines_of(study)):
        if "predicted" in line:
            assert line["predicted"] == {"pixels": None, "angle_error_deg": None, "distance_error_mm": None}
