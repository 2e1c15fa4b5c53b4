"""Studies into a cohort: exact, restartable, nameless, and no study stops another."""
from __future__ import annotations

import json
import os
import shutil

import numpy as np
import pytest
import SimpleITK as sitk
from Testing.made_up_study import write_study
from Testing.prediction.geometries import volume

from PlaneSSLLib import PlaneSSLError
from PlaneSSLLib.cohort import Cohort, prepare
from PlaneSSLLib.cohort.plan import intensity_range, scale
from PlaneSSLLib.cohort.samples import frames
from PlaneSSLLib.cohort.store import PreparedStudy
from PlaneSSLLib.study import read_study


def test_pixels_and_labels_are_those_of_the_files(studies, cohort):
    study = cohort.studies[cohort.studies_of("subject-002")[0]]
    stack = next(s for s in study.stacks if s.view == "SAX")
    files, labels = ([sitk.GetArrayFromImage(sitk.ReadImage(str(folder / f"sax_{k}.nii.gz"))) for k in (0, 1)]
                     for folder in (studies / "s2", studies / "s2" / "labels"))
    scales = [np.percentile(file, [0.5, 99.5]) for file in files]  # of a phase
    assert stack.labelled == [(i, k) for i in range(5) for k in (0, 1)]
    for i, k in stack.labelled:
        expected = (files[k][i] - scales[k][0]) / np.ptp(scales[k])
        np.testing.assert_allclose(study.image(stack, i, k), expected, atol=2e-3)  # float16 near 1
        np.testing.assert_array_equal(study.labels(stack, i, k), labels[k][i])


def test_phases_from_files_with_other_scales_look_alike(tmp_path):
    """In ACDC the end-systolic file of some patients is a hundred times brighter than the end-diastolic one."""
    same, other = (write_study(tmp_path / name / "s", 1, phases=2) for name in ("same", "other"))
    bright = sitk.ReadImage(str(other / "sax_1.nii.gz"))
    sitk.WriteImage(bright * 100, str(other / "sax_1.nii.gz"))
    seen = []
    for folder in (same, other):
        prepare([folder], "heart", tmp_path / f"{folder.parent.name}-cohort")
        (study,) = Cohort(tmp_path / f"{folder.parent.name}-cohort").studies.values()
        stack = next(s for s in study.stacks if s.view == "SAX")
        seen.append(np.stack([[study.image(stack, i, k) for i in range(5)] for k in (0, 1)]))
    np.testing.assert_allclose(*seen, atol=2e-3)


def test_a_label_map_that_no_name_betrays_is_no_image_to_train_on(tmp_path):
    study = write_study(tmp_path / "s", 0, phases=1)
    (study / "study.json").unlink()
    shutil.copy(study / "labels" / "sax_0.nii.gz", study / "reader1.nii.gz")
    shutil.rmtree(study / "labels")
    told = prepare([study], "heart", tmp_path / "c")
    (prepared,) = Cohort(tmp_path / "c").studies.values()
    assert len(prepared.stacks) == len(read_study(study).stacks) - 1
    assert any("reader1 holds but a few different values" in note for note in told["notes"])


def test_studies_that_show_no_view_of_the_anatomy_are_told(studies, tmp_path):
    """A plain axial stack may be of anything: of a brain, or of a heart whose file has lost its directions."""
    made = sitk.GetImageFromArray(np.random.default_rng(0).integers(0, 900, (4, 32, 32)).astype(np.int16))
    (tmp_path / "a").mkdir()
    sitk.WriteImage(made, str(tmp_path / "a" / "t2.nii.gz"))
    told = prepare([tmp_path / "a", studies / "s1"], "heart", tmp_path / "c")
    assert told["prepared"] == 2
    assert [note for note in told["notes"] if "1 of 2 studies have no view of the anatomy 'heart' (SAX" in note]


def test_a_second_call_leaves_what_is_done_alone_and_adds_what_is_new(studies, tmp_path):
    folder = tmp_path / "studies"
    shutil.copytree(studies / "s0", folder / "s0")
    prepare([folder], "heart", tmp_path / "c")
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "c" / "studies").rglob("*.npy")}
    shutil.copytree(studies / "s1", folder / "s1")
    prepare([folder], "heart", tmp_path / "c")
    assert len(Cohort(tmp_path / "c").pseudonyms) == 2
    assert all(path.stat().st_mtime_ns == time for path, time in before.items())


def test_what_an_anatomy_has_learnt_to_say_since_the_cohort_was_begun_comes_with_the_next_call(studies, tmp_path):
    """A cohort of before `pose` was a key must not keep its trainings from laying images alike."""
    prepare([studies / "s0"], "heart", tmp_path / "c")
    page = tmp_path / "c" / "anatomy.toml"
    today = page.read_text(encoding="utf-8")
    page.write_text("".join(line for line in today.splitlines(True) if not line.startswith("pose")), encoding="utf-8")
    assert Cohort(tmp_path / "c").anatomy.pose_of("SAX") == ()
    prepare([studies / "s1"], "heart", tmp_path / "c")
    assert page.read_text(encoding="utf-8") == today
    assert len(Cohort(tmp_path / "c").studies) == 2


def test_labels_that_come_or_change_are_taken_over(tmp_path):
    study = write_study(tmp_path / "s", 0, phases=2)
    shutil.move(study / "labels", tmp_path / "labels")
    cohort = tmp_path / "c"
    assert prepare([study], "heart", cohort)["labelled"] == 0
    shutil.move(tmp_path / "labels", study / "labels")
    assert prepare([study], "heart", cohort)["labelled"] == 1
    one = sitk.ReadImage(str(study / "labels" / "sax_1.nii.gz"))
    sitk.WriteImage(one * 0 + 2, str(study / "labels" / "sax_1.nii.gz"))
    told = prepare([study], "heart", cohort)
    assert "its files have changed" in " ".join(told["notes"])
    (prepared,) = Cohort(cohort).studies.values()
    stack = next(stack for stack in prepared.stacks if stack.view == "SAX")
    assert (prepared.labels(stack, 0, 1) == 2).all() and not (prepared.labels(stack, 0, 0) == 2).all()
    assert "changed" not in " ".join(prepare([study], "heart", cohort)["notes"])


def test_views_that_are_corrected_are_taken_over_and_moved_data_are_known_again(tmp_path):
    study = write_study(tmp_path / "a" / "s", 0)
    document = json.loads((study / "study.json").read_text())
    views = document["views"]
    exchanged = {**views, "2CH": views["4CH"], "4CH": views["2CH"]}
    (study / "study.json").write_text(json.dumps({**document, "views": exchanged}))
    prepare([study], "heart", tmp_path / "c")
    before = {stack.view: stack.planes for stack in next(iter(Cohort(tmp_path / "c").studies.values())).stacks}
    (study / "study.json").write_text(json.dumps(document))
    (tmp_path / "a").rename(tmp_path / "b")
    told = prepare([tmp_path / "b"], "heart", tmp_path / "c")
    assert "its files have changed" in " ".join(told["notes"])
    after = {stack.view: stack.planes for stack in next(iter(Cohort(tmp_path / "c").studies.values())).stacks}
    np.testing.assert_allclose(after["2CH"][0].position, before["4CH"][0].position)


def test_a_study_that_has_grown_is_prepared_again(tmp_path):
    """Outlines of one more of its stacks were kept, say: it is no other study of the same subject."""
    study = write_study(tmp_path / "s", 0)
    whole = json.loads((study / "study.json").read_text())
    (study / "study.json").write_text(json.dumps({**whole, "views": {"SAX": whole["views"]["SAX"]}}))
    prepare([study], "heart", tmp_path / "c")
    (study / "study.json").write_text(json.dumps(whole))
    told = prepare([study], "heart", tmp_path / "c")
    assert told["prepared"] == 1 and not told["left_out"]
    (grown,) = Cohort(tmp_path / "c").studies.values()
    assert {stack.view for stack in grown.stacks} == set(whole["views"])


@pytest.mark.parametrize("moved", [False, True])
def test_another_study_of_a_name_never_takes_the_place_of_the_first(tmp_path, moved):
    """Patients of one identifier, exported in turn into one folder, or from media of which one is mounted."""
    first = write_study(tmp_path / "staging", 1)
    prepare([first], "heart", tmp_path / "c")
    kept = {path: path.read_bytes() for path in (tmp_path / "c" / "studies").rglob("*.npy")}
    shutil.rmtree(first)
    second = write_study(tmp_path / ("other" if moved else "staging"), 2, slices=7)
    document = json.loads((second / "study.json").read_text())
    (second / "study.json").write_text(json.dumps({**document, "subject": "subject-001"}))
    told = prepare([second], "heart", tmp_path / "c")
    assert told["prepared"] == 0 and "another study of the same subject" in told["left_out"][0]["reason"]
    assert {path: path.read_bytes() for path in (tmp_path / "c" / "studies").rglob("*.npy")} == kept


def test_what_a_killed_preparation_left_behind_is_no_study(studies, tmp_path):
    prepare([studies / "s0"], "heart", tmp_path / "c")
    (whole,) = (tmp_path / "c" / "studies").iterdir()
    shutil.copytree(whole, whole.with_name(".0123456789abcdef"))
    assert Cohort(tmp_path / "c").pseudonyms == (whole.name,)


def test_no_name_of_a_file_stands_in_what_may_be_passed_on(tmp_path):
    study = write_study(tmp_path / "s", 0)
    for file in ("sax_0", "labels/sax_0"):
        (study / f"{file}.nii.gz").rename(study / f"{file.replace('sax_0', 'Doe_Jane_sax')}.nii.gz")
    (study / "study.json").unlink()
    prepare([study], "heart", tmp_path / "c")
    assert len(Cohort(tmp_path / "c").pseudonyms) == 1
    for path in (tmp_path / "c").rglob("*"):
        if path.is_file() and path.parent.name != "private":
            assert "Doe" not in str(path) and b"Doe" not in path.read_bytes(), path


def test_a_cohort_whose_names_nobody_may_read_is_used_without_them(studies, tmp_path, monkeypatch):
    prepare([studies], "heart", tmp_path / "c")
    names = Cohort(tmp_path / "c").pseudonyms
    monkeypatch.setattr(os, "access", lambda path, mode: "private" not in str(path))
    assert Cohort(tmp_path / "c").pseudonyms == names


def test_shards_fill_one_cohort(studies, tmp_path):
    for i in range(3):
        prepare([studies], "heart", tmp_path / "c", shard=(i, 3))
    assert len(Cohort(tmp_path / "c").pseudonyms) == 4


def test_several_processes_make_the_same_cohort(studies, tmp_path):
    prepare([studies], "heart", tmp_path / "c", jobs=2)
    several = Cohort(tmp_path / "c")
    prepare([studies], "heart", tmp_path / "d")
    one = Cohort(tmp_path / "d")
    for subject in ("subject-000", "subject-003"):
        first, second = (c.studies[c.studies_of(subject)[0]] for c in (several, one))
        np.testing.assert_array_equal(first.image(first.stacks[0], 0, 0), second.image(second.stacks[0], 0, 0))


def test_a_phase_that_a_slice_lacks_is_a_gap_in_the_cohort_too(tmp_path):
    """It is no image to learn from, and takes no label; what follows keeps the label of its own moment."""
    made = volume(0)
    grey = np.random.default_rng(0).integers(0, 1000, made.planes[0].shape, "<u2")
    made.write_dicom(tmp_path / "study", phases=3, PixelData=grey.tobytes())
    (tmp_path / "study" / "01-01.dcm").unlink()
    stack_id = read_study(tmp_path / "study").stacks[0].id
    (tmp_path / "study" / "labels").mkdir()
    made.write(tmp_path / "study" / "labels" / "all.nii.gz",
               np.stack([(made.labels > 0) * np.uint8(value) for value in (1, 2, 3)]))
    (tmp_path / "study" / "study.json").write_text(json.dumps(
        {"anatomy": "heart", "labels": [{"file": "labels/all.nii.gz", "series": stack_id}]}))
    prepare([tmp_path / "study"], "heart", tmp_path / "c")
    study = next(iter(Cohort(tmp_path / "c").studies.values()))
    (stack,) = study.stacks
    lacking = next(i for i, starts in enumerate(stack.pixels_at) if -1 in starts)
    there = [(i, k) for i in range(len(stack.planes)) for k in range(3) if (i, k) != (lacking, 1)]
    assert [(place.slice, place.phase) for place in frames(study)] == there == stack.labelled
    assert all(study.labels(stack, i, k).max() == k + 1 for i, k in there)


def test_a_broken_study_is_left_out_and_named(studies, tmp_path):
    folder = tmp_path / "studies"
    shutil.copytree(studies / "s0", folder / "s0")
    shutil.copytree(studies / "s1", folder / "broken")
    sitk.WriteImage(sitk.Image(7, 7, 2, sitk.sitkUInt8), str(folder / "broken" / "labels" / "sax_0.nii.gz"))
    told = prepare([folder], "heart", tmp_path / "c")
    assert told["prepared"] == 1
    [left] = told["left_out"]
    assert left["study"].endswith("broken")
    assert "sax_0.nii.gz" in left["reason"]


def test_a_study_of_another_anatomy_is_left_out_with_both_names(studies, tmp_path):
    shutil.copytree(studies, tmp_path / "studies")
    document = json.loads((tmp_path / "studies" / "s1" / "study.json").read_text())
    (tmp_path / "studies" / "s1" / "study.json").write_text(json.dumps({**document, "anatomy": "knee"}))
    told = prepare([tmp_path / "studies"], "heart", tmp_path / "c")
    [left] = told["left_out"]
    assert told["prepared"] == 3 and left["study"].endswith("s1")
    assert "'knee'" in left["reason"] and "'heart'" in left["reason"]
    unlabelled = write_study(tmp_path / "unlabelled", 1, labelled=False)
    assert prepare([unlabelled], "generic", tmp_path / "any")["prepared"] == 1  # that takes all


def test_what_is_missing_damaged_or_no_image_is_told_at_the_end(studies, tmp_path):
    shutil.copytree(studies / "s0", tmp_path / "missing")
    (tmp_path / "missing" / "4ch_0.nii.gz").unlink()
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "notes.txt").write_text("no image")
    (tmp_path / "damaged").mkdir()
    for name in ("a.dcm", "b.dcm"):
        (tmp_path / "damaged" / name).write_bytes(bytes(128) + b"DICM" + b"cut off")
    told = prepare([tmp_path / name for name in ("missing", "empty", "damaged")], "heart", tmp_path / "c")
    assert (told["studies"], told["prepared"]) == (2, 1)
    [left] = told["left_out"]
    assert left["study"].endswith("damaged") and "a.dcm" in left["reason"] and "1 more" in left["reason"]
    assert any("empty: holds no image" in note for note in told["notes"])
    assert any("4ch_0.nii.gz: is missing" in note for note in told["notes"])
    again = prepare([tmp_path / "missing"], "heart", tmp_path / "c")
    assert any("4ch_0.nii.gz" in note for note in again["notes"])


def test_an_unknown_label_value_is_refused_with_the_known_ones(tmp_path):
    study = write_study(tmp_path / "s" / "a", 1)
    path = study / "labels" / "sax_0.nii.gz"
    image = sitk.ReadImage(str(path))
    image[3, 3, 1] = 9
    sitk.WriteImage(image, str(path))
    [left] = prepare([tmp_path / "s"], "heart", tmp_path / "c")["left_out"]
    assert "[9]" in left["reason"]
    assert "1 RV, 2 MYO, 3 LV" in left["reason"]


def test_names_stay_in_the_private_folder(studies, cohort):
    for path in cohort.folder.rglob("*"):
        if path.is_file() and path.parent.name != "private":
            assert b"subject-0" not in path.read_bytes(), path
    assert (cohort.folder / "private").stat().st_mode & 0o077 == 0


def test_a_cohort_can_be_used_without_the_names(studies, tmp_path):
    prepare([studies], "heart", tmp_path / "c")
    names = Cohort(tmp_path / "c").pseudonyms
    shutil.rmtree(tmp_path / "c" / "private")
    passed_on = Cohort(tmp_path / "c")
    assert sorted(passed_on.pseudonyms) == sorted(names)
    assert passed_on.pseudonyms == names  # in the order of the names, so that a seed draws the same ones
    assert passed_on.studies_of(names[0])[0] == names[0]
    with pytest.raises(PlaneSSLError, match="subject-000"):
        passed_on.studies_of("subject-000")[0]


def test_a_second_study_of_a_subject_is_named(studies, tmp_path):
    for name in ("first", "second"):
        shutil.copytree(studies / "s0", tmp_path / "studies" / name)
    document = prepare([tmp_path / "studies"], "heart", tmp_path / "c")
    assert document["prepared"] == 1
    [left] = document["left_out"]
    assert left["study"].endswith("second") and "first" in left["reason"]


def test_of_two_studies_of_a_subject_the_one_in_the_cohort_is_not_called_left_out(studies, tmp_path):
    for name in ("a", "b"):
        shutil.copytree(studies / "s0", tmp_path / name)
    prepare([tmp_path / "b"], "heart", tmp_path / "c")
    [left] = prepare([tmp_path / "a", tmp_path / "b"], "heart", tmp_path / "c")["left_out"]
    assert left["study"] == str(tmp_path / "a")


def test_a_cohort_that_got_no_study_leaves_nothing(studies, tmp_path):
    prepare([studies / "s0"], "knee", tmp_path / "c")
    assert not (tmp_path / "c").exists()


def test_another_anatomy_does_not_go_into_the_cohort(studies, cohort):
    with pytest.raises(PlaneSSLError, match=r"heart.*generic|generic.*heart"):
        prepare([studies], "generic", cohort.folder)


def test_a_folder_that_is_no_cohort_is_not_filled(studies, tmp_path):
    (tmp_path / "thesis.txt").write_text("precious")
    with pytest.raises(PlaneSSLError, match="not empty"):
        prepare([studies], "heart", tmp_path)


def test_intensities_of_one_value_and_of_nothing_do_not_divide_by_zero():
    flat = np.full((8, 8), 7.0)
    assert (scale(flat, intensity_range([flat], (0.5, 99.5))) == 0).all()
    assert np.isfinite(scale(np.full((4, 4), np.nan), intensity_range([np.full((4, 4), np.nan)], (0.5, 99.5)))).all()


@pytest.mark.parametrize("kind", ["whole", "with fractions", "negative", "large", "one", "with gaps"])
def test_the_intensities_of_a_stack_are_its_percentiles(kind):
    drawn = np.random.default_rng(5)
    images = [drawn.gamma(2, 150, (37, 41)) for _ in range(5)]
    change = {"whole": np.rint, "with fractions": lambda image: image, "negative": lambda image: np.rint(image) - 200,
              "large": lambda image: np.rint(image) + 2.0**17, "one": lambda image: np.rint(image[:1, :1]),
              "with gaps": lambda image: np.where(image < 500, np.rint(image / 250) * 250, np.nan)}[kind]
    images = [change(image) for image in images]
    expected = np.nanpercentile(np.concatenate([image.ravel() for image in images]), (0.5, 99.5))
    np.testing.assert_allclose(intensity_range(images, (0.5, 99.5)), expected, rtol=1e-12)
    single = [image.astype(np.float32) for image in images]
    np.testing.assert_allclose(intensity_range(single, (0.5, 99.5)), expected, rtol=1e-5)


def test_large_and_negative_intensities_keep_their_order():
    """Fault 7 of the published code: a cast to 8 bits wraps."""
    ramp = np.linspace(-3000, 60000, 4096, dtype=np.float32).reshape(64, 64)
    scaled = scale(ramp, intensity_range([ramp], (0.5, 99.5)))
    assert (np.diff(scaled.ravel()) > 0).all()


def test_plan_json_is_strict_json(cohort):
    json.loads((cohort.folder / "plan.json").read_text(), parse_constant=pytest.fail)


def test_of_a_thousand_studies_no_file_stays_open(cohort, few_files):
    many = [PreparedStudy(cohort.studies[cohort.pseudonyms[0]].folder) for _ in range(50)]
    (stack,) = (stack for stack in many[0].stacks if stack.view == "SAX")
    held = [(study.image(stack, 0, 0), study.labels(stack, 0, 0)) for study in many]
    for image, labels in held:
        assert np.array_equal(image, held[0][0]) and np.array_equal(labels, held[0][1])


def test_a_subject_under_another_name_is_told(tmp_path):
    for name in ("a", "b"):
        study = write_study(tmp_path / "in" / name, len(name))
        (study / "study.json").unlink()
    assert not prepare([tmp_path / "in"], "heart", tmp_path / "c")["notes"]
    (tmp_path / "in" / "a").rename(tmp_path / "in" / "renamed")
    (told,) = prepare([tmp_path / "in"], "heart", tmp_path / "c")["notes"]
    assert "are of the same files" in told and len(Cohort(tmp_path / "c").pseudonyms) == 3


def test_a_study_whose_own_words_cannot_be_read_is_left_out(tmp_path):
    for n in (0, 1):
        write_study(tmp_path / "in" / f"s{n}", n)
    document = tmp_path / "in" / "s0" / "study.json"
    document.write_text(document.read_text()[:-1] + ",}")
    told = prepare([tmp_path / "in"], "heart", tmp_path / "c")
    assert told["prepared"] == 1 and "cannot be read as JSON" in told["left_out"][0]["reason"]
