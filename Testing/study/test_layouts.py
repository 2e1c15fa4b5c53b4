"""Volume files: alone, in a folder, with a study.json, in the nnU-Net layout."""
from __future__ import annotations

import gzip
import json
import os
import sys

import numpy as np
import pytest
import SimpleITK as sitk
from made_images import SHAPE, volume

from PlaneSSLLib import PlaneSSLError, anatomy
from PlaneSSLLib.study import LabelFile, describe, find_studies, read_labels, read_patient, read_study


@pytest.mark.parametrize("ending", [".nii", ".nii.gz", ".nrrd", ".mha", ".nhdr", ".mhd"])
def test_a_lone_volume(tmp_path, ending):
    array = volume(tmp_path / f"brain{ending}", value=-30)
    study = read_study(tmp_path / f"brain{ending}")
    stack, = study.stacks
    assert (study.subject, study.problems) == ("brain", ())
    assert (stack.id, stack.view, len(stack.planes), stack.phases, stack.step_mm) == ("brain", "axial", 3, 1, 8)
    plane = stack.planes[1]
    assert (plane.shape, plane.spacing) == ((4, 5), (1.5, 1.25))
    np.testing.assert_allclose(plane.position, [10, -20, 38])
    np.testing.assert_allclose(plane.to_lps([4, 3]), [10 + 4 * 1.25, -20 + 3 * 1.5, 38])
    assert stack.pixels(1).dtype == np.float32
    np.testing.assert_array_equal(stack.pixels(1), array[1])
    assert read_study(tmp_path).stacks[0].id == "brain"


def test_points_agree_with_simpleitk_in_any_direction(tmp_path):
    rng = np.random.default_rng(8)
    direction = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    volume(tmp_path / "x.nrrd", direction=direction.ravel().tolist(), spacing=(0.7, 1.9, 6.5))
    stack, = read_study(tmp_path).stacks
    made = sitk.ReadImage(str(tmp_path / "x.nrrd"))
    values = sitk.GetArrayFromImage(made)
    for k, plane in enumerate(stack.planes):
        index = made.TransformPhysicalPointToIndex(plane.position.tolist())
        assert index[:2] == (0, 0)
        theirs = made.TransformIndexToPhysicalPoint((4, 2, index[2]))
        np.testing.assert_allclose(plane.to_lps([4, 2]), theirs, atol=1e-9)
        np.testing.assert_array_equal(stack.pixels(k), values[index[2]])


def test_slices_are_found_on_the_thick_axis(tmp_path):
    """A sagittal stack that a program has turned to axes right-left, front-back, foot-head."""
    array = volume(tmp_path / "x.nii.gz", spacing=(4, 0.5, 0.6), shape=(6, 7, 3))  # axes k, j, i
    stack, = read_study(tmp_path).stacks
    assert (stack.view, len(stack.planes), stack.step_mm, stack.thickness_mm) == ("sagittal", 3, 4, 4)
    plane = stack.planes[1]
    assert (plane.shape, plane.spacing) == ((6, 7), pytest.approx((0.6, 0.5)))
    np.testing.assert_allclose(plane.to_lps([5, 2]), [10 + 4, -20 + 5 * 0.5, 30 + 2 * 0.6], atol=1e-5)
    assert stack.pixels(1)[2, 5] == array[2, 5, 1]
    labels = read_labels(LabelFile(tmp_path / "x.nii.gz", stack.id, 0), stack)
    np.testing.assert_array_equal(labels, array.transpose(2, 0, 1))


def test_slope_and_intercept_of_a_nifti_file(tmp_path):
    volume(tmp_path / "x.nii")
    header = bytearray((tmp_path / "x.nii").read_bytes())
    header[112:120] = np.array([2.5, -7], "<f4").tobytes()  # scl_slope, scl_inter of NIfTI-1
    (tmp_path / "x.nii").write_bytes(header)
    stack, = read_study(tmp_path).stacks
    np.testing.assert_allclose(stack.pixels(0)[0, :3], [-7, -4.5, -2])


def test_a_phase_whose_file_has_its_slices_backwards_is_paired_by_place(tmp_path):
    array = volume(tmp_path / "sax_1.nii.gz")
    backwards = sitk.Flip(sitk.GetImageFromArray(array + 1000), [False, False, True])
    backwards.CopyInformation(sitk.Flip(sitk.ReadImage(str(tmp_path / "sax_1.nii.gz")), [False, False, True]))
    sitk.WriteImage(backwards, str(tmp_path / "sax_2.nii.gz"))
    stack, = read_study(tmp_path).stacks
    assert stack.phases == 2
    for k in range(3):
        np.testing.assert_array_equal(stack.pixels(k, 1), stack.pixels(k, 0) + 1000)


def test_a_label_map_of_a_whole_cine_outlines_the_phases_in_which_it_holds_anything(tmp_path):
    """As in M&Ms: patient_sa.nii.gz and patient_sa_gt.nii.gz, outlined at end-diastole and end-systole alone."""
    volume(tmp_path / "patient_sa.nii.gz", shape=(5, *SHAPE))
    labels = np.zeros((5, *SHAPE), np.uint8)
    labels[1, 0, 2, 3], labels[4] = 2, 1
    made = sitk.GetImageFromArray(labels, isVector=False)
    made.CopyInformation(sitk.ReadImage(str(tmp_path / "patient_sa.nii.gz")))
    sitk.WriteImage(made, str(tmp_path / "patient_sa_gt.nii.gz"))
    study = read_study(tmp_path)
    stack, = study.stacks
    assert [(label.stack, label.phase) for label in study.labels] == [(stack.id, 1), (stack.id, 4)]
    for label in study.labels:
        np.testing.assert_array_equal(read_labels(label, stack), labels[label.phase])


@pytest.mark.parametrize(("phases", "reason"), [(3, "of 3 phases, and its image has 5"), (5, "nothing is labelled")])
def test_a_label_map_of_a_cine_that_fits_none_or_is_empty_is_a_problem(tmp_path, phases, reason):
    volume(tmp_path / "sa.nii.gz", shape=(5, *SHAPE))
    sitk.WriteImage(sitk.GetImageFromArray(np.zeros((phases, *SHAPE), np.uint8), isVector=False),
                    str(tmp_path / "sa_gt.nii.gz"))
    study = read_study(tmp_path)
    assert study.labels == ()
    assert [(problem.file.name, reason in problem.reason) for problem in study.problems] == [("sa_gt.nii.gz", True)]


def test_four_dimensions_are_phases(tmp_path):
    array = volume(tmp_path / "cine.nii.gz", shape=(6, *SHAPE))
    stack, = read_study(tmp_path).stacks
    assert (len(stack.planes), stack.phases, stack.dimension) == (3, 6, "phase")
    np.testing.assert_array_equal(stack.pixels(2, 5), array[5, 2])


def test_files_that_differ_in_their_number_are_phases_and_label_maps_are_recognised(tmp_path):
    for n in (1, 2, 12):
        volume(tmp_path / f"patient_frame{n}.nii.gz", value=100 * n)
    volume(tmp_path / "patient_frame2_gt.nii.gz", dtype=np.uint8)
    volume(tmp_path / "other.nii.gz", origin=(0, 0, 0))
    study = read_study(tmp_path)
    assert [(stack.id, stack.phases) for stack in study.stacks] == [("other", 1), ("patient_frame1", 3)]
    assert [study.stack("patient_frame1").pixels(0, k)[0, 0] for k in range(3)] == [100, 200, 1200]
    assert study.labels == (LabelFile(tmp_path / "patient_frame2_gt.nii.gz", "patient_frame1", 1),)


@pytest.mark.parametrize(("image", "label"), [
    ("sa.nii.gz", "sa_gt.nii.gz"), ("sa.nii.gz", "seg_sa.nrrd"), ("sa.nii.gz", "labels/sa.nii.gz"),
    ("sa.nii.gz", "Labels/sa.nii.gz"), ("images/sa.nii.gz", "masks/sa_mask.nii.gz")])
def test_label_maps_are_known_by_their_names_and_folders(tmp_path, image, label):
    volume(tmp_path / "p1" / image)
    volume(tmp_path / "p1" / label, dtype=np.uint8)
    path, = find_studies(tmp_path)
    study = read_study(path)
    assert study.subject == "p1"
    stack, = study.stacks
    assert (stack.phases, study.labels) == (1, (LabelFile(tmp_path / "p1" / label, stack.id, 0),))
    assert study.problems == ()


def test_a_label_map_of_no_image_is_told_and_a_segmented_acquisition_is_none(tmp_path):
    volume(tmp_path / "seg_epi.nii.gz")
    volume(tmp_path / "sa_gt.nii.gz", dtype=np.uint8)
    study = read_study(tmp_path)
    assert [stack.id for stack in study.stacks] == ["seg_epi"]
    assert [(problem.file.name, "no image here" in problem.reason) for problem in study.problems] == [
        ("sa_gt.nii.gz", True)]


def test_files_of_different_grids_are_stacks_of_their_own(tmp_path):
    volume(tmp_path / "2ch.nii.gz", direction=[1, 0, 0, 0, 0, 1, 0, -1, 0])
    volume(tmp_path / "4ch.nii.gz")
    assert [(stack.id, stack.phases) for stack in read_study(tmp_path).stacks] == [("2ch", 1), ("4ch", 1)]


def test_the_layout_of_nnunet(tmp_path):
    for case in ("heart_001", "heart_002"):
        for channel in (0, 1):
            volume(tmp_path / "imagesTr" / f"{case}_000{channel}.nii.gz", value=50 * channel)
        volume(tmp_path / "labelsTr" / f"{case}.nii.gz", dtype=np.uint8)
    volume(tmp_path / "imagesTs" / "heart_003_0000.nii.gz")
    (tmp_path / "dataset.json").write_text("{}")
    cases = find_studies(tmp_path)
    assert [path.name for path in cases] == [f"heart_00{n}_0000.nii.gz" for n in (1, 2, 3)]
    study = read_study(cases[1])
    stack, = study.stacks
    assert (stack.id, stack.phases, stack.dimension) == ("heart_002", 2, "channel")
    assert stack.pixels(0, 1)[0, 0] == 50
    label, = study.labels
    assert (label.file.name, label.phase) == ("heart_002.nii.gz", 0)
    np.testing.assert_array_equal(read_labels(label, stack), np.arange(60).reshape(SHAPE))
    assert study.subject == "heart_002"


@pytest.mark.parametrize(("first", "second"), [("frame01", "frame12"), ("ED", "ES")])
def test_cases_that_are_phases_of_one_patient_are_one(tmp_path, first, second):
    """ACDC in nnU-Net's layout is patient001_frame01, patient001_frame12: split apart, one would validate the other."""
    for value, name in enumerate((f"p001_{first}", f"p001_{second}", f"p002_{first}", "p003_T1", "p003_T2")):
        volume(tmp_path / "imagesTr" / f"{name}_0000.nii.gz", value=100 * value)
        volume(tmp_path / "labelsTr" / f"{name}.nii.gz", dtype=np.uint8)
    paths = find_studies(tmp_path)
    assert [read_study(path).subject for path in paths] == ["p001", "p002", "p003_T1", "p003_T2"]
    for path in (paths[0], tmp_path / "imagesTr" / f"p001_{second}_0000.nii.gz"):
        study = read_patient(path)
        stack, = study.stacks
        assert (study.subject, stack.id, stack.phases, stack.dimension) == ("p001", "p001", 2, "phase")
        assert [stack.pixels(0, k)[0, 0] for k in (0, 1)] == [0, 100]
        assert [(label.file.name, label.phase) for label in study.labels] == [
            (f"p001_{first}.nii.gz", 0), (f"p001_{second}.nii.gz", 1)]
    volume(tmp_path / "imagesTr" / f"p001_{first}_0001.nii.gz")
    volume(tmp_path / "imagesTr" / f"p001_{second}_0000.nii.gz", origin=(0, 0, 90), value=7)
    study = read_study(paths[0])
    assert [(stack.id, stack.phases) for stack in study.stacks] == [("p001", 1), ("p001-2", 1)]  # on two grids
    assert [problem.file.name for problem in study.problems] == [f"p001_{first}_0001.nii.gz"]


def test_a_data_set_without_numbers_of_channels(tmp_path):
    """The Medical Segmentation Decathlon: imagesTr/la_003.nii.gz and labelsTr/la_003.nii.gz, a Mac's files beside."""
    for case in ("la_003", "la_014", "la_0015", "la_0016"):
        volume(tmp_path / "imagesTr" / f"{case}.nii.gz")
        volume(tmp_path / "labelsTr" / f"{case}.nii.gz", dtype=np.uint8)
        (tmp_path / "imagesTr" / f"._{case}.nii.gz").write_bytes(b"resource fork")
    cases = find_studies(tmp_path)
    assert [path.name for path in cases if path.parent.name == "imagesTr"] == [
        "la_0015.nii.gz", "la_0016.nii.gz", "la_003.nii.gz", "la_014.nii.gz"]
    assert read_study(tmp_path / "imagesTr" / "la_0015.nii.gz").subject == "la_0015"
    study = read_study(tmp_path / "imagesTr" / "la_014.nii.gz")
    assert (study.subject, len(study.stacks)) == ("la_014", 1)
    label, = study.labels
    assert label.file == tmp_path / "labelsTr" / "la_014.nii.gz"
    with pytest.raises(PlaneSSLError, match="4 cases"):
        read_patient(tmp_path / "imagesTr")


def test_a_study_json(tmp_path):
    for name in ("ed", "es"):
        volume(tmp_path / f"{name}.nii.gz")
        volume(tmp_path / "labels" / f"{name}.nii.gz", dtype=np.uint8)
    volume(tmp_path / "long.nii.gz", direction=[1, 0, 0, 0, 0, 1, 0, -1, 0], shape=(1, 4, 5))
    volume(tmp_path / "odd.nii.gz", origin=(0, 0, 0))
    (tmp_path / "study.json").write_text(json.dumps({
        "subject": "s", "anatomy": "heart",
        "views": {"SAX": ["ed.nii.gz", "es.nii.gz", "odd.nii.gz", "gone.nii.gz"], "4CH": "long.nii.gz"}}))
    study = read_study(tmp_path)
    assert [(stack.id, stack.view, stack.naming.confidence, stack.phases) for stack in study.stacks] == [
        ("SAX", "SAX", 1, 2), ("4CH", "4CH", 1, 1)]
    reasons = {problem.file.name: problem.reason for problem in study.problems}
    assert set(reasons) == {"odd.nii.gz", "gone.nii.gz"}
    assert "another grid than ed.nii.gz" in reasons["odd.nii.gz"] and "a list of its own" in reasons["odd.nii.gz"]
    assert reasons["gone.nii.gz"] == "is missing, though study.json names it"
    assert [(label.file.name, label.stack, label.phase) for label in study.labels] == [
        ("ed.nii.gz", "SAX", 0), ("es.nii.gz", "SAX", 1)]


def test_a_view_that_the_anatomy_does_not_have_is_a_problem_and_not_sure(tmp_path):
    volume(tmp_path / "a.nii")
    (tmp_path / "study.json").write_text(json.dumps({"anatomy": "heart", "views": {"SHORT": "a.nii"}}))
    study = read_study(tmp_path)
    assert (study.stacks[0].view, study.stacks[0].naming.confidence) == ("SHORT", 0)
    problem, = study.problems
    assert problem.file.name == "study.json"
    assert "SHORT" in problem.reason and "'heart'" in problem.reason and "SAX, " in problem.reason
    corrected = read_study(tmp_path, views={"SHORT": "SAX"})
    assert corrected.corrected == {"SHORT": "SAX"} and study.corrected == {}


def test_several_studies_in_a_folder_are_no_patient_s(tmp_path):
    for name in ("p1", "p2"):
        volume(tmp_path / "all" / name / "a.nii")
        (tmp_path / "all" / name / "study.json").write_text(json.dumps({"anatomy": "heart", "views": {"SAX": "a.nii"}}))
    mixed = read_study(tmp_path / "all")
    assert "2 studies, each with a study.json of its own, read as one" in describe(mixed)["notes"][0]
    with pytest.raises(PlaneSSLError, match=r"all holds images of 2 studies.*name the folder"):
        read_patient(tmp_path / "all")
    assert read_patient(tmp_path / "all" / "p1").mixed == ""
    for case in ("a", "b"):
        volume(tmp_path / "set" / "imagesTr" / f"{case}_0000.nii.gz")
    with pytest.raises(PlaneSSLError, match="2 cases"):
        read_patient(tmp_path / "set" / "imagesTr")
    assert read_patient(tmp_path / "set" / "imagesTr" / "a_0000.nii.gz").subject == "a"


@pytest.mark.parametrize(("direction", "order"), [
    ([1, 0, 0, 0, 1, 0, 0, 0, 1], [30, 38, 46]), ([1, 0, 0, 0, -1, 0, 0, 0, -1], [30, 22, 14])])
def test_the_order_of_a_study_json_is_trusted_for_organ_views_only(tmp_path, direction, order):
    """Base to apex is what the file says; for a plain axial stack the axis tells foot from head."""
    volume(tmp_path / "x.nii.gz", direction=direction)
    for view, expected in (("SAX", order), ("axial", sorted(order))):
        (tmp_path / "study.json").write_text(json.dumps({"anatomy": "heart", "views": {view: ["x.nii.gz"]}}))
        stack, = read_study(tmp_path).stacks
        assert [plane.position[2] for plane in stack.planes] == expected
        assert not stack.notes  # the header lies as no short axis does, and is not believed


def test_a_header_that_counts_the_other_way_than_study_json_gives_a_note(tmp_path):
    """A stack that lies as a short axis does, from base to apex in one file, from apex to base in the other."""
    across = np.array(anatomy.load("heart").view("SAX").normal)
    row = np.cross(across, [0, 0, 1])
    row /= np.linalg.norm(row)
    column = np.cross(across, row)
    for name, sign in (("there", 1), ("back", -1)):
        folder = tmp_path / name
        volume(folder / "x.nii.gz", direction=np.stack([row, column, sign * across], 1).ravel().tolist())
        (folder / "study.json").write_text(json.dumps({"anatomy": "heart", "views": {"SAX": ["x.nii.gz"]}}))
        stack, = read_study(folder).stacks
        assert (stack.planes[-1].position - stack.planes[0].position) @ across * sign > 0
        assert [("the other way round" in note) for note in stack.notes] == [True] * (sign < 0)


def test_label_maps_of_another_axis_order_and_of_another_grid(tmp_path):
    array = volume(tmp_path / "x.nii.gz", dtype=np.uint8)
    stack, = read_study(tmp_path / "x.nii.gz").stacks
    turned = sitk.PermuteAxes(sitk.ReadImage(str(tmp_path / "x.nii.gz")), [2, 0, 1])
    sitk.WriteImage(sitk.Flip(turned, [True, False, True]), str(tmp_path / "turned.nii.gz"))
    labels = read_labels(LabelFile(tmp_path / "turned.nii.gz", stack.id, 0), stack)
    np.testing.assert_array_equal(labels, array)
    volume(tmp_path / "shifted.nii.gz", origin=(10, -20, 33), dtype=np.uint8)
    with pytest.raises(PlaneSSLError, match=r"shifted\.nii\.gz is not on the grid of stack x"):
        read_labels(LabelFile(tmp_path / "shifted.nii.gz", stack.id, 0), stack)


@pytest.mark.parametrize("seed", range(8))
def test_labels_are_those_of_the_voxels_at_the_centres_of_the_pixels(tmp_path, seed):
    """Pixel by pixel, by SimpleITK: a map with its axes in another order and direction, finer, larger, a bit off."""
    drawn = np.random.default_rng(seed)
    volume(tmp_path / "x.nii.gz", direction=[0.6, 0, 0.8, 0, -1, 0, 0.8, 0, -0.6])
    stack, = read_study(tmp_path / "x.nii.gz").stacks
    image = sitk.ReadImage(str(tmp_path / "x.nii.gz"))
    finer = drawn.integers(1, 4, 3)  # so many voxels in place of one, along each axis
    size = np.array(image.GetSize()) * finer + 6
    made = sitk.GetImageFromArray(drawn.integers(0, 4, size[::-1]).astype(np.uint8))
    made.SetDirection(image.GetDirection())
    made.SetSpacing((np.array(image.GetSpacing()) / finer).tolist())
    off = 0.2 * drawn.uniform(-1, 1, 3)
    made.SetOrigin(image.TransformContinuousIndexToPhysicalPoint(((off - 3) / finer).tolist()))
    made = sitk.Flip(sitk.PermuteAxes(made, drawn.permutation(3).tolist()), (drawn.random(3) < 0.5).tolist())
    sitk.WriteImage(made, str(tmp_path / "label.nii.gz"))
    labels = read_labels(LabelFile(tmp_path / "label.nii.gz", stack.id, 0), stack)
    for plane, of_slice in zip(stack.planes, labels, strict=True):
        for (row, column), value in np.ndenumerate(of_slice):
            assert made[made.TransformPhysicalPointToIndex(plane.to_lps([column, row]).tolist())] == value


@pytest.mark.parametrize("change", [
    {"origin": (10.4, -20, 30)}, {"origin": (10, -20, 32.5)},
    {"direction": [0.995, 0.0998, 0, -0.0998, 0.995, 0, 0, 0, 1]},
    {"shape": (3, 4, 4)}, {"shape": (2, 4, 5)}])
def test_labels_of_another_grid_are_refused(tmp_path, change):
    volume(tmp_path / "x.nii.gz")
    stack, = read_study(tmp_path / "x.nii.gz").stacks
    volume(tmp_path / "label.nii.gz", dtype=np.uint8, **change)
    with pytest.raises(PlaneSSLError, match="not on the grid"):
        read_labels(LabelFile(tmp_path / "label.nii.gz", stack.id, 0), stack)


@pytest.mark.parametrize(("content", "reason"), [(b"", "cannot be read"), (b"text" * 200, "cannot be read")])
def test_volumes_that_cannot_be_read(tmp_path, content, reason):
    (tmp_path / "bad.nii.gz").write_bytes(content)
    with pytest.raises(PlaneSSLError, match=reason) as error:
        read_study(tmp_path)
    assert "bad.nii.gz" in str(error.value)
    volume(tmp_path / "good.nii.gz")
    study = read_study(tmp_path)
    assert [stack.id for stack in study.stacks] == ["good"]
    assert [problem.file.name for problem in study.problems] == ["bad.nii.gz"]


def test_a_volume_that_claims_more_than_it_holds(tmp_path):
    volume(tmp_path / "x.nii.gz")
    volume(tmp_path / "huge.nii")
    header = bytearray((tmp_path / "huge.nii").read_bytes())
    header[42:48] = np.array([20000, 20000, 20000], "<i2").tobytes()  # dim of NIfTI-1
    (tmp_path / "huge.nii").write_bytes(header)
    problem, = read_study(tmp_path).problems
    assert "cannot hold" in problem.reason


def test_damage_that_leaves_the_length_is_found_by_the_checksum(tmp_path):
    volume(tmp_path / "x.nii.gz", shape=(30, 300, 400))
    content = bytearray((tmp_path / "x.nii.gz").read_bytes())
    content[-8] ^= 1  # of the checksum, as if a voxel had changed
    (tmp_path / "x.nii.gz").write_bytes(content)
    with pytest.raises(PlaneSSLError, match=r"x\.nii\.gz cannot be read: it is damaged"):
        read_study(tmp_path).stacks[0].pixels(0)


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no such names")
def test_a_name_that_is_no_utf8_is_a_problem(tmp_path):
    volume(tmp_path / "good" / "a.nii.gz")
    volume(tmp_path / "x.nii.gz")
    os.rename(os.fsencode(tmp_path / "x.nii.gz"), os.fsencode(tmp_path / "good") + b"/M\xfcller.nii.gz")
    study = read_study(tmp_path / "good")
    assert len(study.stacks) == 1
    problem, = study.problems
    assert "no UTF-8" in problem.reason


@pytest.mark.parametrize("ending", [".nii", ".nii.gz"])
def test_a_volume_that_lacks_a_few_bytes_at_its_end(tmp_path, ending):
    """Fewer than its header is long."""
    path = tmp_path / f"x{ending}"
    volume(tmp_path / "whole.nii", shape=(3, 40, 50))
    short = (tmp_path / "whole.nii").read_bytes()[:-100]
    path.write_bytes(gzip.compress(short) if ending == ".nii.gz" else short)
    with pytest.raises(PlaneSSLError, match="cut off"):
        read_study(path)


@pytest.mark.parametrize("ending", [".nii", ".nii.gz", ".nrrd", ".mha"])
def test_a_truncated_volume_names_its_file(tmp_path, ending):
    """Where the header cannot tell, it is when the pixels are asked for."""
    path = tmp_path / f"x{ending}"
    volume(path, shape=(3, 40, 50))
    path.write_bytes(path.read_bytes()[:-600])
    with pytest.raises(PlaneSSLError, match="x" + ending.replace(".", r"\.")):
        read_study(path).stacks[0].pixels(2)


def test_colour_volumes_are_refused(tmp_path):
    sitk.WriteImage(sitk.Image([4, 4, 4], sitk.sitkVectorUInt8, 3), str(tmp_path / "rgb.nrrd"))
    with pytest.raises(PlaneSSLError, match="no grey image"):
        read_study(tmp_path)
