"""Several studies of one patient: all are taken where anything tells them apart, and none leaves the others."""
from __future__ import annotations

import json
import shutil

import numpy as np
import pydicom
import pytest
from Testing.made_up_study import write_study
from Testing.prediction.geometries import volume

from PlaneSSLLib import PlaneSSLError
from PlaneSSLLib.cohort import Cohort, Split, draw_split, prepare, read_split
from PlaneSSLLib.files import write_json


@pytest.fixture
def visits(tmp_path):
    """Three DICOM studies: two of one patient, one of another."""
    rng = np.random.default_rng(0)
    for name, patient in (("a1", "a"), ("a2", "a"), ("b", "b")):
        volume(0).write_dicom(tmp_path / "data" / name, PatientID=patient)
        for file in (tmp_path / "data" / name).iterdir():
            one = pydicom.dcmread(file)
            one.PixelData = rng.integers(0, 900, (one.Rows, one.Columns)).astype("<u2").tobytes()
            one.save_as(file)
    return tmp_path / "data"


def test_visits_that_dicom_tells_apart_are_taken_and_stay_together(visits, tmp_path):
    told = prepare([visits], "heart", tmp_path / "c")
    assert (told["prepared"], told["left_out"]) == (3, [])
    assert any("1 patients have several studies, up to 2, which stay together" in note for note in told["notes"])
    cohort = Cohort(tmp_path / "c")
    both, (other,) = cohort.by_patient(cohort.pseudonyms)
    assert cohort.studies_of("a") == both and cohort.studies_of("b") == (other,)
    assert cohort.of_same_patients(both[:1]) == set(both)
    write_json(tmp_path / "s.json", {"train": ["a"], "validation": ["b"]})
    assert read_split(tmp_path / "s.json", cohort) == Split(both, (other,))
    with pytest.raises(PlaneSSLError, match="all studies of a patient belong into one"):
        Split(both[:1], both[1:]).require_in(cohort)
    with pytest.raises(PlaneSSLError, match="all studies of a patient belong into one"):
        Split(both[:1], (other,), both[1:]).require_in(cohort)
    again = prepare([visits], "heart", tmp_path / "c")
    assert again["prepared"] == 3 and Cohort(tmp_path / "c").pseudonyms == cohort.pseudonyms


def test_a_copy_of_a_study_is_taken_once(visits, tmp_path):
    shutil.copytree(visits / "b", tmp_path / "more" / "copy")
    told = prepare([visits, tmp_path / "more"], "heart", tmp_path / "c")
    assert told["prepared"] == 3
    (left,) = told["left_out"]
    assert "It is the same study as" in left["reason"]


def test_of_volumes_study_json_says_whose_they_are(tmp_path):
    """Both knees of somebody; said later, it is taken over without preparing anything anew."""
    folders = [write_study(tmp_path / f"s{seed}", seed) for seed in range(3)]
    prepare(folders, "heart", tmp_path / "c")
    cohort = Cohort(tmp_path / "c")
    assert len(cohort.by_patient(cohort.pseudonyms)) == 3
    written = {path: path.stat().st_mtime_ns for path in (tmp_path / "c").rglob("*.npy")}
    for folder in folders[:2]:
        document = json.loads((folder / "study.json").read_text())
        (folder / "study.json").write_text(json.dumps({**document, "patient": "somebody"}))
    prepare(folders, "heart", tmp_path / "c")
    cohort = Cohort(tmp_path / "c")
    assert sorted(map(len, cohort.by_patient(cohort.pseudonyms))) == [1, 2]
    assert written == {path: path.stat().st_mtime_ns for path in (tmp_path / "c").rglob("*.npy")}
    assert "somebody" not in "".join(path.read_text() for path in (tmp_path / "c" / "studies").rglob("study.json"))
    for seed in range(5):
        split = draw_split(cohort.by_patient(cohort.pseudonyms), seed)
        split.require_in(cohort)
        assert len(split.validation) in (1, 2)


def test_a_row_for_a_subject_with_several_studies_is_told(visits, tmp_path):
    told = prepare([visits], "heart", tmp_path / "c", classes={"a": {"dilated": 1}, "b": {"dilated": 0}})
    assert told["classified"] == 3
    assert any("1 rows of the table of classes are of subjects with several studies" in note for note in told["notes"])


def test_a_study_that_gets_more_images_with_another_identifier_is_the_same(visits, tmp_path):
    """A workstation's reformats carry a study of their own."""
    prepare([visits / "a1"], "heart", tmp_path / "c")
    before = Cohort(tmp_path / "c").pseudonyms
    for n, file in enumerate(sorted((visits / "a1").iterdir())):
        for k in range(2):
            one = pydicom.dcmread(file)
            one.StudyInstanceUID, one.SeriesInstanceUID, one.SeriesNumber = "1.2.9", "1.2.9.1", 99
            one.SOPInstanceUID = one.file_meta.MediaStorageSOPInstanceUID = f"1.2.9.1.{n}.{k}"
            one.InstanceNumber, one.TriggerTime = 2 * n + k, str(300 * k)
            one.save_as(file.with_name(f"more-{n}-{k}.dcm"))
    prepare([visits / "a1"], "heart", tmp_path / "c")
    assert Cohort(tmp_path / "c").pseudonyms == before


def test_folders_of_one_name_are_no_patient(visits, tmp_path):
    for name in ("a1", "b"):
        for file in (visits / name).iterdir():
            one = pydicom.dcmread(file)
            one.PatientID = ""
            one.save_as(file)
        (tmp_path / "anonymous" / name).mkdir(parents=True)
        (visits / name).rename(tmp_path / "anonymous" / name / "MRI")
    told = prepare([tmp_path / "anonymous"], "heart", tmp_path / "c")
    assert (told["prepared"], told["left_out"]) == (2, [])
    cohort = Cohort(tmp_path / "c")
    assert [len(names) for names in cohort.by_patient(cohort.pseudonyms)] == [1, 1]


def test_visits_that_study_json_names_apart_are_told_where_headers_know_one_patient(visits, tmp_path):
    for name, more in (("a1", {}), ("a2", {}), ("b", {})):
        write_json(visits / name / "study.json", {"subject": name, **more})
    (told,) = prepare([visits], "heart", tmp_path / "c")["notes"]
    assert "2 patients, as study.json names them, share 1 identifiers in DICOM headers" in told
    for name in ("a1", "a2"):
        write_json(visits / name / "study.json", {"subject": name, "patient": "a"})
    (told,) = prepare([visits], "heart", tmp_path / "c")["notes"]
    assert "1 patients have several studies" in told


def test_a_cohort_of_other_pseudonyms_is_not_added_to(tmp_path):
    """Those of an earlier version were shorter: each patient would have been there twice, to train and to validate."""
    write_study(tmp_path / "s", 1)
    prepare([tmp_path / "s"], "heart", tmp_path / "c")
    (study,) = (tmp_path / "c" / "studies").iterdir()
    study.rename(study.with_name(study.name[4:]))
    for out, names_of in ((tmp_path / "c", None), (tmp_path / "d", tmp_path / "c")):
        with pytest.raises(PlaneSSLError, match="made by an earlier version"):
            prepare([tmp_path / "s"], "heart", out, names_of=names_of)
    assert not (tmp_path / "d").exists()
