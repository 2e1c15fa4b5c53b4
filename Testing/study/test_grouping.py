"""How images of made-up series become stacks, and what is said of them."""
from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
import SimpleITK as sitk
from made_images import image, write
from pydicom.uid import DeflatedExplicitVRLittleEndian

from PlaneSSLLib import PlaneSSLError
from PlaneSSLLib.study import lines_of, read_labels, read_patient, read_study

AXIAL = [1, 0, 0, 0, 1, 0]


def shape(study) -> list[tuple]:
    return [(stack.series, len(stack.planes), stack.phases, stack.dimension) for stack in study.stacks]


def test_series_are_told_apart_by_number_where_their_uid_is_repeated(study_of):
    study = study_of([image(n, SeriesNumber=s, ImagePositionPatient=[3.0 * n, 0, 0]) for n in (1, 2) for s in (3, 4)])
    assert shape(study) == [("3", 2, 1, "phase"), ("4", 2, 1, "phase")]
    assert len({stack.id for stack in study.stacks}) == 2


def test_series_without_uid_are_told_apart_by_number_description_and_folder(tmp_path):
    blank = {"SeriesInstanceUID": "", "StudyInstanceUID": "", "SOPInstanceUID": ""}
    for folder, number, description in (("a", 3, "x"), ("b", 3, "x"), ("a", 4, "x"), ("a", 3, "y")):
        for n in (1, 2):
            write(image(n, SeriesNumber=number, SeriesDescription=description, **blank),
                  tmp_path / folder / f"{number}{description}{n}.dcm")
    assert [row[1:] for row in shape(read_study(tmp_path))] == [(2, 1, "phase")] * 4


def test_one_series_spread_over_folders_is_one(tmp_path):
    for n in (1, 2, 3):
        write(image(n), tmp_path / str(n) / "image")
    assert shape(read_study(tmp_path)) == [("3", 3, 1, "phase")]


def test_directions_mixed_in_one_series_become_stacks(study_of):
    images = [image(n) for n in (1, 2, 3)] + [
        image(10 + n, ImageOrientationPatient=AXIAL, ImagePositionPatient=[0, 0, 5.0 * n]) for n in (1, 2)]
    study = study_of(images)
    assert [(stack.view, len(stack.planes), stack.step_mm) for stack in study.stacks] == [
        ("sagittal", 3, 3.0), ("axial", 2, 5.0)]


def test_slices_come_in_canonical_order_whatever_the_file_says(study_of):
    numbers = {1: 3, 2: 1, 3: 2}
    study = study_of([image(numbers[n], ImagePositionPatient=[3.0 * n, 0, 0]) for n in (1, 2, 3)])
    assert [plane.position[0] for plane in study.stacks[0].planes] == [3, 6, 9]
    backwards = study_of([image(n, ImageOrientationPatient=[0, -1, 0, 0, 0, -1]) for n in (1, 2, 3)], "backwards")
    assert [plane.position[0] for plane in backwards.stacks[0].planes] == [3, 6, 9]


@pytest.mark.parametrize(("element", "values", "dimension"), [
    ("TriggerTime", [0.5, 40, 700], "phase"),
    ("TemporalPositionIdentifier", [1, 2, 10], "phase"),
    ("EchoTime", [1.2, 12.6, 101], "echo"),
    ("DiffusionBValue", [0.0, 50.0, 800.0], "b-value"),
    ("InversionTime", [80, 160, 2400], "inversion"),
    ("AcquisitionNumber", [1, 2, 10], "phase"),
])
def test_what_tells_images_at_one_place_apart(study_of, element, values, dimension):
    images = [image(10 * n - k, ImagePositionPatient=[3.0 * n, 0, 0], **{element: value})
              for n in (1, 2) for k, value in enumerate(values)]
    study = study_of(images)
    assert shape(study) == [("3", 2, 3, dimension)]
    first_pixels = [[stack.pixels(i, k)[0, 0] for k in range(3)] for stack in study.stacks for i in range(2)]
    assert first_pixels == [[10, 9, 8], [20, 19, 18]], "in the order of the values, not of the instances"


def test_images_that_only_their_instance_number_tells_apart(study_of):
    study = study_of([image(n, ImagePositionPatient=[0, 0, 0]) for n in (10, 9, 1)])
    assert shape(study) == [("3", 1, 3, "phase")]
    assert [frame.source.read()[0, 0] for frame in study.stacks[0].frames[0]] == [1, 9, 10]
    assert any("instance number alone" in note for note in study.stacks[0].notes)


def test_a_perfusion_is_in_the_order_of_its_heartbeats(study_of):
    """Each image is taken at the same time of another heartbeat, and the trigger times scatter by a little."""
    times = [402.5, 401.0, 400.0, 403.5, 401.5, 402.0]
    images = [image(1 + 2 * k + n, ImagePositionPatient=[3.0 * n, 0, 0], TriggerTime=time + 60 * n)
              for k, time in enumerate(times) for n in (0, 1)]
    study = study_of(images)
    assert shape(study) == [("3", 2, 6, "time")]
    assert [study.stacks[0].pixels(0, k)[0, 0] for k in range(6)] == [1, 3, 5, 7, 9, 11]
    assert any("as many heartbeats" in note for note in study.stacks[0].notes)


def test_where_every_image_has_a_series_of_its_own_uids_tell_nothing(study_of):
    """As some anonymisers leave them, in any order; numbers and descriptions are still those of two series."""
    uids = np.random.default_rng(0).permutation(16)
    images = [image(1 + 4 * n + k, SeriesInstanceUID=f"1.9.{uids[8 * s + 4 * n + k]}", SeriesNumber=3 + s,
                    ImagePositionPatient=[3.0 * n, 0, 0], TriggerTime=40 * k) for s in (0, 1) for n in (0, 1)
              for k in range(4)]
    assert shape(study_of(images)) == [("3", 2, 4, "phase"), ("4", 2, 4, "phase")]


def test_images_that_nothing_tells_apart_are_kept_and_said(study_of):
    study = study_of([image(1, ImagePositionPatient=[0, 0, 0]) for _ in range(3)])
    assert shape(study) == [("3", 1, 3, "phase")]
    assert any("nothing tells" in note for note in study.stacks[0].notes)


def test_a_cine_of_magnitudes_and_phase_maps_becomes_two_cines(study_of):
    images = [image(k, ImagePositionPatient=[0, 0, 0], TriggerTime=40 * t, ImageType=["ORIGINAL", "PRIMARY", kind])
              for k, (t, kind) in enumerate(((t, kind) for t in range(4) for kind in "MP"), start=1)]
    assert shape(study_of(images)) == [("3", 1, 4, "phase")] * 2


def test_dixons_images_are_no_phases_of_a_cycle(study_of):
    """Told apart by their instance numbers alone, four kinds of image would have an ejection fraction."""
    kinds = [["ORIGINAL", "PRIMARY", kind, kind, "DERIVED"] for kind in ("W", "F", "IP", "OP")]
    stack, = study_of([image(1 + 4 * n + k, ImagePositionPatient=[3.0 * n, 0, 0], ImageType=kind)
                       for n in range(3) for k, kind in enumerate(kinds)]).stacks
    assert (stack.phases, stack.dimension) == (4, "component")


def test_a_mosaic_is_no_slice(study_of):
    study = study_of([image(1), image(2), image(3, ImageType=["ORIGINAL", "PRIMARY", "M", "ND", "MOSAIC"])])
    assert [len(stack.planes) for stack in study.stacks] == [2]
    assert "mosaic" in study.problems[0].reason


def test_diffusion_directions_stay_with_their_b_value(study_of):
    values = [0.0, 500.0, 500.0, 500.0]
    study = study_of([image(4 * n + k, ImagePositionPatient=[3.0 * n, 0, 0], DiffusionBValue=b)
                      for n in (1, 2) for k, b in enumerate(values)])
    assert shape(study) == [("3", 2, 4, "b-value")]
    assert any("same b-value" in note for note in study.stacks[0].notes)


@pytest.mark.parametrize(("positions", "note"), [
    ([0, 3, 6, 12, 15], "1 missing after slice 2 (from 0): 6.00 mm instead of 3.00 mm"),
    ([0, 3, 6, 9, 13.4, 16.4], "uneven steps: 3.00 to 4.40 mm"),
])
def test_missing_and_uneven_positions_are_measured(study_of, positions, note):
    stack, = study_of([image(n, ImagePositionPatient=[x, 0, 0]) for n, x in enumerate(positions, start=1)]).stacks
    assert [plane.position[0] for plane in stack.planes] == positions
    assert stack.notes == (note,)
    assert not stack.is_volume()


def test_slices_shifted_within_one_plane_are_kept(study_of):
    stack, = study_of([image(1, ImagePositionPatient=[3, 0, 0]), image(2, ImagePositionPatient=[3, 30, 0]),
                       image(3, ImagePositionPatient=[6, 0, 0])]).stacks
    assert len(stack.planes) == 3
    assert any("lie in one plane" in note for note in stack.notes)


def test_a_sheared_stack_keeps_its_planes(study_of):
    stack, = study_of([image(n, ImagePositionPatient=[3.0 * n, 1.5 * n, 0]) for n in (1, 2, 3)]).stacks
    np.testing.assert_allclose([plane.position[1] for plane in stack.planes], [1.5, 3, 4.5])
    assert any("26.6 degrees" in note for note in stack.notes)  # arctan(1.5 / 3)
    assert not stack.is_volume()


def test_of_a_slice_whose_cycle_was_acquired_again_the_last_cycle_is_taken(study_of):
    images, number = [], 0
    for acquisition, place in enumerate((1, 2, 2, 3), start=1):
        for phase in range(4):
            number += 1
            images.append(image(place, InstanceNumber=number, AcquisitionNumber=acquisition, TriggerTime=40 * phase))
    stack, = study_of(images).stacks
    assert [len(frames) for frames in stack.frames] == [4, 4, 4]
    uids = {str(one.SOPInstanceUID) for one in images[8:12]}
    assert {frame.sop_instance_uid for frame in stack.frames[1]} == uids
    assert "1 of its slices were acquired again" in stack.notes[0]


def test_a_stack_is_not_torn_by_how_a_number_is_written(study_of):
    written = (("8", "0.78125"), ("7.9999998", "0.78125001"), ("8.0", "0.7812"))
    images = [image(n, SliceThickness=thickness, PixelSpacing=[spacing, spacing])
              for n, (thickness, spacing) in enumerate(written)]
    stack, = study_of(images).stacks
    assert len(stack.planes) == 3


def test_series_of_one_slice_each_are_joined(study_of):
    images = [image(k, SeriesNumber=10 + n, SeriesInstanceUID=f"1.9.{n}", SeriesDescription=f"cine slice {n}",
                    ImagePositionPatient=[6.0 * n, 0, 0], TriggerTime=40 * k) for n in range(5) for k in range(3)]
    study = study_of(images)
    assert shape(study) == [("10", 5, 3, "phase")]
    assert any("joined from 5 series" in note and "10 to 14" in note for note in study.stacks[0].notes)


def test_repeats_of_one_slice_are_not_joined(study_of):
    study = study_of([image(k, SeriesNumber=n, SeriesInstanceUID=f"1.9.{n}", ImagePositionPatient=[0, 0, 0],
                            TriggerTime=40 * k) for n in (1, 2) for k in range(3)])
    assert shape(study) == [("1", 1, 3, "phase"), ("2", 1, 3, "phase")]


def crossing(frames: tuple[str, str]) -> list:
    return [image(1, ImagePositionPatient=[2, -4, 4], FrameOfReferenceUID=frames[0]),
            image(2, SeriesNumber=4, SeriesInstanceUID="1.9.4", ImageOrientationPatient=AXIAL,
                  ImagePositionPatient=[0, -4, 0], FrameOfReferenceUID=frames[1])]


def test_frames_of_reference(study_of):
    same = study_of(crossing(("1.2.3", "1.2.3")), "same")
    other = study_of(crossing(("1.2.3", "1.2.4")), "other")
    blank = study_of(crossing(("1.2.3", "")), "blank")
    assert [len(lines_of(study)) for study in (same, other, blank)] == [2, 0, 2]
    assert len(lines_of(other, any_frame=True)) == 2
    assert (same.notes, len(other.notes), len(blank.notes)) == ((), 1, 1)
    assert "not crossed by default" in other.notes[0]


def test_lines_are_where_planes_cut(study_of):
    """The sagittal image at x = 2 cuts the axial one at z = 0 in the line x = 2, z = 0."""
    study = study_of(crossing(("1.2.3", "1.2.3")))
    document = lines_of(study)
    sagittal, axial = (stack.id for stack in study.stacks)
    assert [(line["image"]["stack"], line["plane"]["stack"]) for line in document] == [
        (sagittal, axial), (axial, sagittal)]
    for line in document:
        np.testing.assert_allclose(np.array(line["lps"])[:, [0, 2]], [[2, 0], [2, 0]], atol=1e-9)
        assert line["angle_deg"] == pytest.approx(90)
    np.testing.assert_allclose(np.array(document[1]["pixels"])[:, 0], [2, 2], atol=1e-9)  # column 2 of the axial image
    np.testing.assert_allclose(np.array(document[0]["pixels"])[:, 1], [4 / 1.5, 4 / 1.5], atol=1e-9)


def test_signed_and_large_values_and_rescale(study_of):
    values = np.array([[-32768, -1, 0], [1, 1000, 32767]], "<i2")
    signed = image(1, Rows=2, Columns=3, PixelRepresentation=1, PixelData=values.tobytes(), RescaleSlope=2,
                   RescaleIntercept=-5)
    unsigned = image(2, Rows=2, Columns=3, PixelData=values.astype("<u2").tobytes())
    stack, = study_of([signed, unsigned]).stacks
    np.testing.assert_array_equal(stack.pixels(0), values.astype(np.float32) * 2 - 5)
    np.testing.assert_array_equal(stack.pixels(1), values.astype("<u2").astype(np.float32))


@pytest.mark.parametrize("characters", ["ISO_IR 100", "ISO_IR 192", ["", "ISO 2022 IR 100"]])
def test_descriptions_in_other_alphabets(study_of, characters):
    named = {"SpecificCharacterSet": characters, "SeriesDescription": "Übersicht próstata"}
    study = study_of([image(n, **named) for n in (1, 2)])
    assert study.stacks[0].description == "Übersicht próstata"
    assert (study.stacks[0].localizer, study.anatomy) == (True, "prostate")


def test_deflated_files(study_of):
    images = [image(n) for n in (1, 2)]
    for made in images:
        made.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    stack, = study_of(images).stacks
    assert [stack.pixels(i)[0, 0] for i in range(2)] == [1, 2]


def test_label_maps_that_study_json_names(tmp_path):
    folder = tmp_path / "study"
    for n in (1, 2, 3):
        write(image(n, SeriesInstanceUID="1.9.1"), folder / f"{n}.dcm")
    # The label map is stored from the last slice to the first: its own geometry tells where each slice belongs.
    values = np.stack([np.full((8, 6), n, np.uint8) for n in (3, 2, 1)])
    values[:, 1, 2] = 9
    volume = sitk.GetImageFromArray(values)
    volume.SetOrigin([9, 0, 0])
    volume.SetSpacing([1, 1.5, 3])
    volume.SetDirection([0, 0, -1, 1, 0, 0, 0, -1, 0])
    (folder / "labels").mkdir()
    sitk.WriteImage(volume, str(folder / "labels" / "x.nii.gz"))
    (folder / "study.json").write_text(json.dumps({"subject": "someone", "anatomy": "knee", "labels": [
        {"file": "labels/x.nii.gz", "series": "1.9.1", "phase": 0},
        {"file": "labels/gone.nii.gz", "series": "1.9.1", "phase": 0},
        {"file": "labels/x.nii.gz", "series": "1.9.2", "phase": 0}, "labels/x.nii.gz"]}))
    shutil.copy(folder / "labels" / "x.nii.gz", folder / "labels" / "sax.nii.gz")
    study = read_study(folder)
    assert (study.subject, study.anatomy) == ("someone", "knee")
    label, = study.labels
    maps = read_labels(label, study.stack(label.stack))
    assert [plane.position[0] for plane in study.stacks[0].planes] == [3, 6, 9]
    assert [m[0, 0] for m in maps] == [1, 2, 3]
    assert (maps[:, 1, 2] == 9).all()
    assert {(problem.file.name, problem.reason[:24]) for problem in study.problems} == {
        ("study.json", "\"labels\" has 'labels/x.n"), ("gone.nii.gz", "is not there, though stu"),
        ("x.nii.gz", "is a label map of '1.9.2"), ("sax.nii.gz", "belongs to no image here")}


@pytest.mark.parametrize("series", ["1.9.1", 7, "7", "s07-sagittal"])
def test_a_series_is_named_by_its_uid_its_number_or_its_stack(tmp_path, series):
    folder = tmp_path / "study"
    for n in (1, 2):
        for phase in (0, 1, 2):
            write(image(n, SeriesInstanceUID="1.9.1", SeriesNumber=7, TriggerTime=30 * phase,
                        InstanceNumber=3 * n + phase), folder / f"{n}-{phase}.dcm")
    values = np.zeros((3, 2, 8, 6), np.uint8)
    values[1], values[2, 0, 3, 3] = 1, 2
    volume = sitk.JoinSeries([sitk.GetImageFromArray(phase) for phase in values])
    volume.SetOrigin([3, 0, 0, 0])
    volume.SetSpacing([1, 1.5, 3, 1])
    volume.SetDirection([0, 0, 1, 0, 1, 0, 0, 0, 0, -1, 0, 0, 0, 0, 0, 1])
    (folder / "labels").mkdir()
    sitk.WriteImage(volume, str(folder / "labels" / "cine.nii.gz"))
    for phase, outlined in (({}, [1, 2]), ({"phase": 2}, [2]), ({"phase": 1}, [1])):  # all that it outlines, or one
        entry = {"file": "labels/cine.nii.gz", "series": series, **phase}
        (folder / "study.json").write_text(json.dumps({"labels": [entry]}))
        study = read_study(folder, "knee")
        assert [label.phase for label in study.labels] == outlined, study.problems
        for label in study.labels:
            np.testing.assert_array_equal(read_labels(label, study.stacks[0]), values[label.phase])


@pytest.mark.parametrize("phase", [True, -1, 3, "1", 1.0])
def test_a_phase_that_a_stack_has_not_is_said(tmp_path, phase):
    for k in (0, 1, 2):
        write(image(1, TriggerTime=30 * k, InstanceNumber=k + 1), tmp_path / f"{k}.dcm")
    (tmp_path / "labels").mkdir()
    sitk.WriteImage(sitk.Image(6, 8, 1, sitk.sitkUInt8), str(tmp_path / "labels" / "x.nii.gz"))
    (tmp_path / "study.json").write_text(json.dumps({"labels": [
        {"file": "labels/x.nii.gz", "series": "1.9.1", "phase": phase}]}))
    study = read_study(tmp_path, "knee")
    (stack,) = study.stacks
    (tmp_path / "study.json").write_text(json.dumps({"labels": [
        {"file": "labels/x.nii.gz", "series": stack.id, "phase": phase}]}))
    study = read_study(tmp_path, "knee")
    assert not study.labels and any(f"of phase {phase!r}, and its stack has 3" in p.reason for p in study.problems)


def test_several_studies_in_one_folder_are_said(study_of):
    study = study_of([image(1), image(2, StudyInstanceUID="1.3", PatientID="q", SeriesInstanceUID="1.9.9")])
    assert sorted(study.notes) == ["the folder holds images of 2 studies, read as one",
                                   "the folder holds images of 2 subjects, read as one"]
    with pytest.raises(PlaneSSLError, match="2 subjects, and this is done for one patient at a time"):
        read_patient(study.folder)
    (study.folder / "study.json").write_text(json.dumps({"subject": "one with two identifiers"}))
    assert read_patient(study.folder).subject == "one with two identifiers"


def test_two_studies_of_one_patient_are_read_as_one(study_of):
    study = study_of([image(1), image(2, StudyInstanceUID="1.3", SeriesInstanceUID="1.9.9")])
    assert read_patient(study.folder).subject == "p"
