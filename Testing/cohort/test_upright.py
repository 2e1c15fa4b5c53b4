"""Turned and mirrored files of one acquisition are one image to a network."""
from __future__ import annotations

import json
from itertools import product

import numpy as np
import pytest
import SimpleITK as sitk
from scipy.spatial.transform import Rotation
from Testing.made_up_study import smooth, write_knee, write_volume

from PlaneSSLLib import PlaneSSLError
from PlaneSSLLib.anatomy import load
from PlaneSSLLib.cohort import Cohort, Plan, prepare
from PlaneSSLLib.cohort.upright import upright, upright_slices
from PlaneSSLLib.geometry import Plane, scanner_axes
from PlaneSSLLib.study import read_study
from PlaneSSLLib.study.targets import stack_targets

HEART, KNEE = load("heart"), load("knee")
SAX = HEART.view("SAX")
TURNS = list(product((False, True), (False, True), (False, True)))  # transposed, rows reversed, columns reversed


def short_axis(turn_deg: float = 20.0, tilt_deg: float = 10.0) -> Plane:
    """A plane that a scanner might have laid, somewhat off the typical one."""
    row, column = scanner_axes(SAX.normal)
    turn = Rotation.from_rotvec(np.radians(turn_deg) * np.cross(row, column))
    tilt = Rotation.from_rotvec(np.radians(tilt_deg) * np.array([0.6, 0.8, 0.0]))
    return Plane((5, -20, 40), *tilt.apply(turn.apply([row, column])), (1.2, 1.5), (9, 7))


def turned(plane: Plane, image: np.ndarray, transposed: bool, rows: bool, columns: bool) -> tuple[Plane, np.ndarray]:
    """The same image as another program might store it."""
    if transposed:
        image = image.T
        plane = Plane(plane.position, plane.column, plane.row, plane.spacing[::-1], image.shape)
    last_row, last_column = image.shape[0] - 1, image.shape[1] - 1
    corner = plane.to_lps([last_column if columns else 0, last_row if rows else 0])
    row, column = -plane.row if columns else plane.row, -plane.column if rows else plane.column
    return Plane(corner, row, column, plane.spacing, image.shape), image[::-1 if rows else 1, ::-1 if columns else 1]


@pytest.mark.parametrize("turn", TURNS)
def test_however_it_is_stored_it_stands_as_the_scanner_laid_it(turn):
    plane = short_axis()
    image = np.random.default_rng(0).normal(size=plane.shape)
    stored, values = turned(plane, image, *turn)
    found = upright(stored, SAX)
    np.testing.assert_array_equal(found.turn(values), image)
    np.testing.assert_array_equal(found.back(found.turn(values)), values)
    for one, other in zip((found.plane.position, found.plane.row, found.plane.column),
                          (plane.position, plane.row, plane.column), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-9)
    assert (found.plane.spacing, found.plane.shape) == (plane.spacing, plane.shape)
    pixels = np.array([[0, 0], [6, 8], [2.5, 1]])
    np.testing.assert_allclose(stored.to_lps(pixels @ found.matrix[:2, :2].T + found.matrix[:2, 2]),
                               plane.to_lps(pixels), atol=1e-9)


@pytest.mark.parametrize("view", [*(view for view in HEART.views if view.normal), *load("knee").views],
                         ids=lambda view: view.name)
@pytest.mark.parametrize("turn_deg", [-35, 0, 35])
def test_what_a_scanner_has_laid_is_left_alone(view, turn_deg):
    for sign in (1, -1):  # a normal may point either way
        row, column = scanner_axes(sign * np.array(view.normal))
        turn = Rotation.from_rotvec(np.radians(turn_deg) * np.cross(row, column))
        plane = Plane((0, 0, 0), *turn.apply([row, column]), (1, 1), (4, 5))
        np.testing.assert_array_equal(upright(plane, view).matrix, np.eye(3))


def test_where_nothing_tells_how_it_should_lie_it_is_left_alone():
    made_up = Plane((0, 0, 0), (0.6, -0.8, 0), (0.8, 0.6, 0), (1, 1), (4, 5))  # 70 degrees off any short axis
    for view in (SAX, HEART.view("LAX"), None):
        np.testing.assert_array_equal(upright(made_up, view).matrix, np.eye(3))


@pytest.mark.parametrize("normal", np.eye(3), ids=["sagittal", "coronal", "transverse"])
@pytest.mark.parametrize("turn", TURNS)
def test_where_a_header_is_made_up_other_axes_change_nothing(normal, turn):
    """ACDC's short axes claim to be transverse; brought to RAS, they are the same images."""
    plane = Plane((5, -20, 40), *scanner_axes(normal), (1.2, 1.5), (9, 7))
    image = np.random.default_rng(0).normal(size=plane.shape)
    stored, values = turned(plane, image, *turn)
    for view in (SAX, None) if abs(normal[2]) else (None,):
        found = upright(stored, view)
        np.testing.assert_array_equal(found.turn(values), image)
        np.testing.assert_array_equal(found.back(image), values)


def in_a_mirror(plane: Plane) -> Plane:
    """With the patient's left and right exchanged, as a scanner would lay it."""
    exchange = np.array([-1, 1, 1])
    row, column = exchange * plane.row, exchange * plane.column
    return Plane(exchange * plane.position, row, column, plane.spacing, plane.shape)


@pytest.mark.parametrize("turn", TURNS)
@pytest.mark.parametrize("view", KNEE.views, ids=lambda view: view.name)
def test_a_right_knee_is_laid_as_a_left_one_in_the_mirror(view, turn):
    """Each pixel of the one shows what the same pixel of the other shows, however either is stored."""
    lean = Rotation.from_rotvec(np.radians([12, -8, 10]))
    left = Plane((40, -20, 30), *lean.apply(scanner_axes(view.normal)), (1.2, 1.5), (9, 7))
    image = np.random.default_rng(0).normal(size=left.shape)
    right, values = turned(in_a_mirror(left), image, *turn)
    one, other = upright(left, view), upright(right, view, mirrored=True)
    np.testing.assert_array_equal(other.turn(values), one.turn(image))
    np.testing.assert_array_equal(other.back(other.turn(values)), values)
    pixels = np.array([[0, 0], [6, 8], [2.5, 1]])
    np.testing.assert_allclose(other.plane.to_lps(pixels), one.plane.to_lps(pixels) * [-1, 1, 1], atol=1e-9)
    np.testing.assert_allclose(  # where its pixels say that they lie, there they were acquired
        right.to_lps(pixels @ other.matrix[:2, :2].T + other.matrix[:2, 2]), other.plane.to_lps(pixels), atol=1e-9)


def test_what_was_laid_otherwise_does_not_go_with_what_is_mirrored(tmp_path):
    """The anatomy's file did not say then that there are left ones and right ones."""
    prepare([write_knee(tmp_path / "right", "right")], "knee", tmp_path / "c")
    plan = Plan.read(tmp_path / "c" / "plan.json")
    assert plan == Plan.of(KNEE) and plan.mirrored and not Plan.of(HEART).mirrored
    (tmp_path / "c" / "plan.json").write_text(json.dumps({**plan.as_json(), "mirrored": False}))
    with pytest.raises(PlaneSSLError, match=r"mirrored: False and True\): make one of them anew"):
        prepare([tmp_path / "right"], "knee", tmp_path / "c")
    coronal = next(stack for stack in read_study(tmp_path / "right").stacks if stack.view == "coronal")
    now, then = (upright_slices(coronal, KNEE, one)[0] for one in (plan, Plan.read(tmp_path / "c" / "plan.json")))
    np.testing.assert_array_equal(then.matrix, np.eye(3))
    assert now.matrix[0, 0] == -1


def test_both_knees_of_one_shape_are_prepared_alike(tmp_path):
    """Pixels, labels, lines and locations are the same, of whichever side: what is medial in one is in the other."""
    found = []
    for side in ("left", "right"):
        assert read_study(write_knee(tmp_path / side, side)).side == side
        prepare([tmp_path / side], "knee", tmp_path / "cohorts" / side)
        found += Cohort(tmp_path / "cohorts" / side).studies.values()
    for s, (one, other) in enumerate(zip(found[0].stacks, found[1].stacks, strict=True)):
        assert (one.side, other.side) == ("left", "right") and one.labelled == other.labelled
        targets = [stack_targets(KNEE, study.stacks, s) for study in found]
        for i in range(5):
            np.testing.assert_array_equal(found[1].image(other, i, 0), found[0].image(one, i, 0))
            np.testing.assert_array_equal(found[1].labels(other, i, 0), found[0].labels(one, i, 0))
            of_left, of_right = targets[0][i], targets[1][i]
            assert of_right.location == pytest.approx(of_left.location)
            there = np.isfinite(of_left.lines[:, 0, 0])
            assert there.sum() == 2
            lines = [target.lines[there, 0] for target in (of_left, of_right)]
            signs = np.sign((lines[0] * lines[1]).sum(-1, keepdims=True))
            np.testing.assert_allclose(lines[1] * signs, lines[0], atol=1e-4)


@pytest.mark.parametrize("axes, flips", [((0, 1, 2), (False, True, False)), ((1, 0, 2), (False, False, False)),
                                         ((1, 0, 2), (True, True, False))])
def test_a_converted_study_is_prepared_as_the_one_it_was_made_from(tmp_path, axes, flips):
    rng = np.random.default_rng(1)
    names = ("as-laid", "converted")
    for name in names:
        (tmp_path / name).mkdir()
    pixels = smooth(rng, (6, 40, 30))
    write_volume(tmp_path / "as-laid" / "sax.nii.gz", [short_axis()], pixels)
    labels = sitk.Cast(sitk.ReadImage(tmp_path / "as-laid" / "sax.nii.gz") > float(np.median(pixels)), sitk.sitkUInt8)
    for name in names:
        (tmp_path / name / "labels").mkdir()
    sitk.WriteImage(labels, tmp_path / "as-laid" / "labels" / "sax.nii.gz")
    for file in ("sax.nii.gz", "labels/sax.nii.gz"):
        stored = sitk.Flip(sitk.PermuteAxes(sitk.ReadImage(tmp_path / "as-laid" / file), axes), flips, False)
        sitk.WriteImage(stored, tmp_path / "converted" / file)
    for name in names:
        (tmp_path / name / "study.json").write_text(
            '{"anatomy": "heart", "views": {"SAX": "sax.nii.gz"}, "labels": {"SAX": "labels/sax.nii.gz"}}')
        prepare([tmp_path / name], "heart", tmp_path / "cohorts" / name)
    one, other = (next(iter(Cohort(tmp_path / "cohorts" / name).studies.values())) for name in names)
    (first,), (second,) = one.stacks, other.stacks
    assert first.labelled and first.labelled == second.labelled
    for i in range(6):
        np.testing.assert_allclose(second.planes[i].matrix, first.planes[i].matrix, atol=1e-4)
        np.testing.assert_array_equal(other.image(second, i, 0), one.image(first, i, 0))
        np.testing.assert_array_equal(other.labels(second, i, 0), one.labels(first, i, 0))


def test_a_real_study_that_is_stored_a_quarter_turned(data):
    """SCD0000101's rows run down and its columns to the right of the patient; SCD0000201 lies as it was laid."""
    typical = scanner_axes(SAX.normal)
    for name, as_it_is in (("SCD0000101", False), ("SCD0000201", True)):
        (stack,) = read_study(data(f"heart-sunnybrook/{name}")).stacks
        for one in upright_slices(stack, HEART, Plan.of(HEART)):
            assert (one.matrix == np.eye(3)).all() == as_it_is
            assert min(one.plane.row @ typical[0], one.plane.column @ typical[1]) > 0.9
