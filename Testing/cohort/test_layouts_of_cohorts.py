"""Folders of studies as data sets have them: whose is what, and what is told of the rest."""
from __future__ import annotations

import json
import os
import shutil

import numpy as np
import pytest
import SimpleITK as sitk
from Testing.made_up_study import write_study

from PlaneSSLLib import PlaneSSLError
from PlaneSSLLib.cohort import Cohort, prepare, preparing


def test_a_study_that_fails_as_nobody_has_foreseen_stops_no_other_and_names_nobody(studies, tmp_path, monkeypatch):
    read = preparing.study.read_patient

    def fails(path, **more):
        if path.name == "s1":
            raise ValueError("Jane Doe")
        return read(path, **more)

    monkeypatch.setattr(preparing.study, "read_patient", fails)
    told = prepare([studies], "heart", tmp_path / "c", jobs=1)
    (left,) = told["left_out"]
    assert told["prepared"] > 1 and "Doe" not in left["reason"]
    assert "ValueError in test_layouts_of_cohorts.py" in left["reason"]


def unnamed_study(folder, seed):
    """A folder of volumes that says nothing of itself."""
    write_study(folder, seed, labelled=False)
    (folder / "study.json").unlink()
    return folder


@pytest.mark.parametrize(("folders", "patients"), [
    (["P001/20100115", "P001/20200321", "P002/20110203"], [1, 2]),
    (["P001/baseline", "P001/followup", "P002/baseline", "P002/followup"], [2, 2]),
    (["P001/P001_MR1", "P001/P001_MR2", "P002/P002_MR1"], [1, 2]),
    (["sub-01_ses-00", "sub-01_ses-01", "sub-02_ses-00"], [1, 2]),
    (["9001104_V00", "9001104_V01", "9001105_V00"], [1, 2]),
    (["P001", "P002", "P003"], [1, 1, 1])])
def test_visits_that_folders_tell_stay_together(tmp_path, folders, patients):
    """Else one would train and another of the same patient validate."""
    for seed, folder in enumerate(folders):
        unnamed_study(tmp_path / "data" / folder, seed)
    told = prepare([tmp_path / "data"], "heart", tmp_path / "c")
    assert (told["prepared"], told["left_out"]) == (len(folders), [])
    cohort = Cohort(tmp_path / "c")
    assert sorted(len(names) for names in cohort.by_patient(cohort.pseudonyms)) == patients


def test_whose_a_study_json_says_that_it_is_no_folder_says_otherwise(tmp_path):
    for seed, folder in enumerate(("a/baseline", "b/baseline")):
        study = unnamed_study(tmp_path / "data" / folder, seed)
        (study / "study.json").write_text(json.dumps({"patient": "one"}))
    prepare([tmp_path / "data"], "heart", tmp_path / "c")
    cohort = Cohort(tmp_path / "c")
    assert [len(names) for names in cohort.by_patient(cohort.pseudonyms)] == [2]


@pytest.mark.parametrize("name", ["1", "P001"])
def test_numbers_that_come_again_may_be_patients_of_several_centres(tmp_path, name):
    for seed, folder in enumerate((f"centreA/{name}", f"centreB/{name}")):
        unnamed_study(tmp_path / "data" / folder, seed)
    told = prepare([tmp_path / "data"], "heart", tmp_path / "c")
    assert told["prepared"] == 1 and "another study of the same subject" in told["left_out"][0]["reason"]


def lone_visits(folder, ending):
    """Visits in files of one size, of different images."""
    folder.mkdir()
    for n, visit in enumerate(("sub-01_ses-01", "sub-01_ses-02", "sub-02_ses-01")):
        pixels = np.random.default_rng(n).integers(0, 900, (6, 40, 40)).astype(np.int16)
        sitk.WriteImage(sitk.GetImageFromArray(pixels), str(folder / f"{visit}{ending}"))
    return folder


@pytest.mark.parametrize("jobs", [1, 2])
@pytest.mark.parametrize("ending", [".nii", ".nii.gz"])
def test_of_a_patients_visits_in_files_the_first_is_taken_however_often(tmp_path, ending, jobs):
    lone_visits(tmp_path / "data", ending)
    for _ in range(2):
        told = prepare([tmp_path / "data"], "heart", tmp_path / "c", jobs=jobs)
        (left,) = told["left_out"]
        assert left["study"].endswith(f"ses-02{ending}") and not any("again" in note for note in told["notes"])
    taken = [json.loads(file.read_text()) for file in (tmp_path / "c" / "private").glob("*-folder.json")]
    assert len(taken) == 2 and all(name.endswith(f"ses-01{ending}") for name in taken)


def test_volumes_of_one_size_are_not_called_the_same_files(tmp_path):
    made = lone_visits(tmp_path / "made", ".nii")
    for n in (1, 2):
        (tmp_path / "data" / f"P{n}").mkdir(parents=True)
        shutil.copyfile(made / f"sub-01_ses-0{n}.nii", tmp_path / "data" / f"P{n}" / "cine_sax.nii")
        os.utime(tmp_path / "data" / f"P{n}" / "cine_sax.nii", (0, 0))  # as unpacking may leave them
    told = prepare([tmp_path / "data"], "heart", tmp_path / "c")
    assert told["prepared"] == 2 and not any("of the same files" in note for note in told["notes"])


def test_a_view_that_a_name_tells_is_not_called_otherwise(tmp_path):
    """Headers are made up; some names say what they show."""
    for name in ("la_2ch", "la_4ch", "la_2ch_4ch", "image"):
        pixels = np.random.default_rng(0).integers(0, 900, (1, 40, 40)).astype(np.int16)
        (tmp_path / "data" / "a").mkdir(parents=True, exist_ok=True)
        sitk.WriteImage(sitk.GetImageFromArray(pixels), str(tmp_path / "data" / "a" / f"{name}.nii.gz"))
    views = dict(preparing._unnamed(preparing.study.read_study(tmp_path / "data" / "a", "heart").stacks,
                                    preparing.anatomy.load("heart"), "SAX"))
    assert sorted(views.values()) == ["2CH", "4CH", "SAX"]


def test_what_is_packed_or_of_another_format_is_told(tmp_path):
    unnamed_study(tmp_path / "data" / "a", 0)
    for name in ("b/case2.zip", "c/knee.npy", "c/knee2.npy"):
        (tmp_path / "data" / name).parent.mkdir(exist_ok=True)
        (tmp_path / "data" / name).write_bytes(b"x")
    prepare([tmp_path / "data" / "a"], "heart", tmp_path / "data" / "cohort")  # whose own files are none of these
    notes = prepare([tmp_path / "data"], "heart", tmp_path / "c")["notes"]
    assert any("1 packed files were not looked into: unpack them (b/case2.zip first)" in note for note in notes)
    assert any("2 files are of formats that are not read" in note and "c/knee.npy first" in note for note in notes)
    with pytest.raises(PlaneSSLError, match=r"No study was found below .*; 1 packed files"):
        prepare([tmp_path / "data" / "b"], "heart", tmp_path / "d")


def test_label_maps_that_are_named_as_their_images_are_found(tmp_path):
    """X_image and X_label, as in MMWHS."""
    (tmp_path / "data").mkdir()
    for n in (1001, 1002, 1003):
        study = write_study(tmp_path / f"made{n}", n)
        shutil.copyfile(study / "sax_0.nii.gz", tmp_path / "data" / f"mr_train_{n}_image.nii.gz")
        shutil.copyfile(study / "labels" / "sax_0.nii.gz", tmp_path / "data" / f"mr_train_{n}_label.nii.gz")
    told = prepare([tmp_path / "data"], "heart", tmp_path / "c", unnamed="SAX")
    assert told["labelled"] == told["prepared"] == 3
