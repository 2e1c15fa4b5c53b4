"""A run answers alike for a study and for a copy whose files were turned and mirrored, each answer in its own place."""
from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk
from Testing.made_up_run import write_untrained_run
from Testing.made_up_study import write_knee, write_volume

from PlaneSSLLib import calls
from PlaneSSLLib.anatomy import load
from PlaneSSLLib.geometry import Plane, scanner_axes
from PlaneSSLLib.prediction.lines import LinePredictor
from PlaneSSLLib.study import read_study
from PlaneSSLLib.training.run import Run

STEP = 8.0
CONVERSIONS = [((0, 1, 2), (False, True, False)), ((1, 0, 2), (False, False, False)), ((1, 0, 2), (True, False, False))]


@pytest.fixture(params=CONVERSIONS, ids=["mirrored", "transposed", "a quarter turned"])
def studies(request, tmp_path):
    """A short-axis stack as a scanner lays it, and the same stack as a converter has written it."""
    row, column = scanner_axes(load("heart").view("SAX").normal)
    normal = np.cross(row, column)
    planes = [Plane(k * STEP * normal, row, column, (2.0, 2.5), (70, 60)) for k in range(4)]
    noise = sitk.GetImageFromArray(np.random.default_rng(0).normal(size=(4, 70, 60)).astype(np.float32))
    write_volume(tmp_path / "as-laid" / "sax.nii.gz", planes,
                 1000 * sitk.GetArrayFromImage(sitk.SmoothingRecursiveGaussian(noise, 4.0)), STEP)
    axes, flips = request.param
    (tmp_path / "converted").mkdir()
    laid = sitk.ReadImage(tmp_path / "as-laid" / "sax.nii.gz")
    sitk.WriteImage(sitk.Flip(sitk.PermuteAxes(laid, axes), flips, False), tmp_path / "converted" / "sax.nii.gz")
    for name in ("as-laid", "converted"):
        (tmp_path / name / "study.json").write_text('{"anatomy": "heart", "views": {"SAX": "sax.nii.gz"}}')
    return tmp_path / "as-laid", tmp_path / "converted"


def test_outlines_lie_at_the_same_place(studies, tmp_path):
    run = write_untrained_run(tmp_path / "run", "segmentation")
    for folder in studies:
        calls.segment(run, folder, folder / "labels.nii.gz")
    laid, converted = (sitk.ReadImage(folder / "labels.nii.gz") for folder in studies)
    brought_back = sitk.GetArrayFromImage(sitk.Resample(converted, laid, sitk.Transform(), sitk.sitkNearestNeighbor))
    assert len(np.unique(brought_back)) > 1  # untrained, but not the same everywhere
    assert (brought_back == sitk.GetArrayFromImage(laid)).mean() > 0.9999


def test_what_is_found_in_a_right_knee_is_found_in_a_left_one_in_the_mirror(tmp_path):
    """Where the left knee shows medial, so does the right one, and outlines come back to where that is."""
    run = write_untrained_run(tmp_path / "run", "segmentation", "knee")
    found = {side: calls.segment(run, write_knee(tmp_path / side, side)) for side in ("left", "right")}
    for left, right in zip(found["left"].stacks, found["right"].stacks, strict=True):
        assert left.stack.view == right.stack.view
        for one, other, plane in zip(left.filled(0), right.filled(0), left.stack.planes, strict=True):
            assert len(np.unique(one)) > 1  # untrained, but not the same everywhere
            np.testing.assert_array_equal(other[:, ::-1] if abs(plane.row[0]) > 0.5 else other, one)


def test_classes_are_the_same(studies, tmp_path):
    run = write_untrained_run(tmp_path / "run", "classification")
    one, other = (calls.classify(run, folder) for folder in studies)
    for name, probability in one["classes"].items():
        assert other["classes"][name] == pytest.approx(probability, abs=1e-5)
    assert [place["slice"] for place in one["slices"]] == [place["slice"] for place in other["slices"]]


def test_heatmaps_are_the_same_and_lie_at_the_same_place(studies, tmp_path):
    predictor = LinePredictor(Run.open(write_untrained_run(tmp_path / "run", "lines")), "cpu")
    stacks = [read_study(folder).stacks[0] for folder in studies]
    one, other = (predictor.answers(stack) for stack in stacks)
    np.testing.assert_allclose(other.maps, one.maps, atol=1e-4)
    corners = np.array([[0, 0, 1], [143, 0, 1], [20, 143, 1.0]])
    for i in range(4):
        np.testing.assert_allclose(stacks[1].planes[i].to_lps((corners @ other.matrices[i].T)[:, :2]),
                                   stacks[0].planes[i].to_lps((corners @ one.matrices[i].T)[:, :2]), atol=1e-3)
