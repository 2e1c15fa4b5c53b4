"""Which folders are studies, from identifiers that are whole, blank or astray."""
from __future__ import annotations

from pathlib import Path

import pytest
from made_images import SHAPE, image, volume, write
from scipy.spatial.transform import Rotation

from PlaneSSLLib import PlaneSSLError
from PlaneSSLLib.study import find_studies, patients, read_patient, read_study
from PlaneSSLLib.study.filenames import numberless


@pytest.fixture
def found(tmp_path):
    """found({folder: elements}) writes one image into each folder and returns the studies' folders."""

    def find(folders):
        for number, (folder, elements) in enumerate(folders.items(), start=1):
            series = {"SeriesInstanceUID": f"1.9.{number}", "SeriesNumber": number}
            write(image(number, **{**series, **elements}), tmp_path / folder / "1.dcm")
        return [str(path.relative_to(tmp_path)) for path in find_studies(tmp_path)]

    return find


def of(patient, study):
    return {"PatientID": patient, "StudyInstanceUID": study}


def test_series_folders_of_a_patient_and_a_study_belong_together(found):
    assert found({"p/a": of("P", "1.1"), "p/b": of("P", "1.1"), "q/a": of("Q", "1.2"), "q/b": of("Q", "1.2")}) == [
        "p", "q"]


@pytest.mark.parametrize(("one", "other", "alike"), [
    ("sax_1", "sax_2", True), ("la_2ch", "la_4ch", False), ("T1w", "T2w", False), ("001_sa", "002_sa", True),
    ("001sa", "012sa", True), ("p1_2ch", "p2_2ch", True), ("p1_2ch", "p1_4ch", False)])
def test_a_digit_that_begins_a_word_is_no_number(one, other, alike):
    assert (numberless(Path(f"{one}.nii.gz")) == numberless(Path(f"{other}.nii.gz"))) == alike


@pytest.mark.parametrize("study", ["", "1.1"])
def test_patients_whom_an_anonymiser_has_made_one_are_kept_apart(found, study):
    """Blank, or with the same identifiers: whose series are numbered alike is another patient."""
    assert found({f"{who}/{n}": {**of("", study), "SeriesNumber": n, "SeriesDescription": f"{who} {n}"}
                  for who in ("ann", "ben") for n in (1, 2, 3)}) == ["ann", "ben"]


def test_what_lies_in_a_cohort_or_a_run_is_no_study(found, tmp_path):
    for name in ("made/c/plan.json", "made/c/anatomy.toml", "made/c/studies/0a/study.json"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("{}", encoding="utf-8")
    assert found({"p/a": of("P", "1.1"), "q/a": of("Q", "1.2")}) == ["p/a", "q/a"]


def test_visits_are_studies_of_their_own(found):
    assert found({"p/v1/a": of("P", "1.1"), "p/v1/b": of("P", "1.1"), "p/v2/a": of("P", "1.2"),
                  "p/v2/b": of("P", "1.2")}) == ["p/v1", "p/v2"]


@pytest.mark.parametrize("stray", [of("P", "1.7"), of("", "1.1"), of("P", "")])
def test_a_stray_series_goes_with_the_study_around_it(found, tmp_path, stray):
    """A workstation's reformats have a study UID of their own; an anonymiser forgot or blanked an identifier."""
    assert found({"all/p/a": of("P", "1.1"), "all/p/b": of("P", "1.1"), "all/p/c": stray, "all/q/a": of("Q", "1.2"),
                  "all/q/b": of("Q", "1.2")}) == ["all/p", "all/q"]
    study = read_study(tmp_path / "all" / "p")
    assert (sum(len(stack.planes) for stack in study.stacks), study.mixed) == (3, "")


@pytest.mark.parametrize("stray", [of("", "1.7"), of("Q", "1.7"), of("Q", "1.1")])
def test_a_series_that_may_be_another_patient_s_is_kept_apart(found, stray):
    blank = of(stray["PatientID"] and "P", "1.1")
    assert found({"a": blank, "b": blank, "c": stray}) == ["a", "b", "c"]


def test_without_a_study_uid_series_that_occur_twice_are_of_several_patients(found):
    named = [{**of("", ""), "SeriesNumber": n} for n in (1, 2)]
    assert found({"all/p/a": named[0], "all/p/b": named[1], "all/q/a": named[0], "all/q/b": named[1]}) == [
        "all/p", "all/q"]


def test_many_patients_files_in_one_folder_are_no_patient_s(tmp_path):
    for n in range(4):
        volume(tmp_path / f"{n:02}.nii.gz", origin=(n, -20, 30 + 2 * n))
        volume(tmp_path / "named" / f"case{n:02}_frame1.nii.gz")
    with pytest.raises(PlaneSSLError, match=r"several patients, as it seems \(00.nii.gz.*on several grids"):
        read_patient(tmp_path)
    with pytest.raises(PlaneSSLError, match=r"the names of case00_frame1.nii.gz and case03_frame1.nii.gz number them"):
        read_patient(tmp_path / "named")
    found = find_studies(tmp_path)
    assert [str(path.relative_to(tmp_path)) for path in found] == [
        *(f"{n:02}.nii.gz" for n in range(4)), *(f"named/case{n:02}_frame1.nii.gz" for n in range(4))]
    assert [read_patient(path).subject for path in found[2:5]] == ["02", "03", "case00"]


@pytest.mark.parametrize(("pattern", "step_deg", "patients"), [
    ("{:03}_LA.nii.gz", 2.0, 12), ("{:03}.nii.gz", 2.0, 12),  # long-axis views, one of each patient
    ("slice_{:03}.nii.gz", 0.0, 1), ("slice_{:03}.nii.gz", 15.0, 1)])  # one patient's, parallel or around an axis
def test_single_slices_of_many_tilts_are_of_many_patients(tmp_path, pattern, step_deg, patients):
    for n in range(12):
        tilt = Rotation.from_euler("y", step_deg * n, degrees=True).as_matrix()
        volume(tmp_path / pattern.format(n), origin=(n, -20, 30 + 8 * n), direction=tilt.ravel().tolist(),
               shape=(1, *SHAPE[1:]))
    assert len(find_studies(tmp_path)) == patients
    if patients > 1:
        with pytest.raises(PlaneSSLError, match=r"several patients.*slices of other tilts.*a folder of their own"):
            read_patient(tmp_path)
    else:
        assert sum(len(stack.planes) for stack in read_patient(tmp_path).stacks) == 12


SAGITTAL = [0, 0, 1, 1, 0, 0, 0, -1, 0]


def three_sequences(folder, pattern, apart=0.0):
    """Of one direction, each on a grid of its own about the same place, as an operator lays them over a knee."""
    for n in (3, 4, 5):
        volume(folder / pattern.format(n), origin=(apart * n, -20 - n, 30 + n), direction=SAGITTAL, spacing=(1, 1, n))


@pytest.mark.parametrize("pattern", ["s{:02}.nii.gz", "{}.nii.gz"])
def test_names_that_come_again_in_other_folders_are_no_patients(tmp_path, pattern):
    for name in "ABCDE":
        three_sequences(tmp_path / name, pattern)
    assert find_studies(tmp_path) == [tmp_path / name for name in "ABCDE"]
    for name in "ABCDE":
        study = read_patient(tmp_path / name)
        assert (study.subject, len(study.stacks), study.mixed) == (name, 3, "")
        (problem,) = study.problems
        assert "one patient's, since folders beside theirs have files of the same names" in problem.reason


@pytest.mark.parametrize("folders", [("images", "labels"), ("raw", "corrected"), ("baseline", "one-year", "two-years")])
def test_a_few_folders_of_equal_names_may_each_hold_all_patients(tmp_path, folders):
    for folder in folders:
        three_sequences(tmp_path / folder, "{:03}.nii.gz")
    images = [folder for folder in folders if folder != "labels"]
    assert len(find_studies(tmp_path)) == 3 * len(images)
    assert [path.name for path in find_studies(tmp_path / images[0])] == ["003.nii.gz", "004.nii.gz", "005.nii.gz"]
    assert read_study(tmp_path / images[0] / "003.nii.gz").labels or len(folders) != 2 or "labels" not in folders


def test_what_lies_beside_and_may_not_be_read_is_in_nobodys_way(tmp_path, monkeypatch):
    """Other people's homes, on a cluster."""
    for name in ("alice", "bob"):
        three_sequences(tmp_path / name, "{}.nii.gz")
    looked = Path.is_file

    def refuses(path):
        if path.parent.name == "bob":
            raise PermissionError(13, "Permission denied", str(path))
        return looked(path)

    monkeypatch.setattr(Path, "is_file", refuses)
    assert len(find_studies(tmp_path / "alice")) == 3
    monkeypatch.setattr(Path, "iterdir", lambda path: refuses(path / "bob" / "x"))
    assert patients._are_named_alike_elsewhere([tmp_path / "alice" / "3.nii.gz"]) is False


@pytest.mark.parametrize(("pattern", "apart", "patients"), [
    ("series_{}.nii.gz", 0.0, 1), ("se{}.nii.gz", 0.0, 1), ("series_{}.nii.gz", 60.0, 3), ("k{}.nii.gz", 0.0, 3),
    ("scan{:03}.nii.gz", 0.0, 3)])
def test_where_names_number_series_places_tell_patients_apart(tmp_path, pattern, apart, patients):
    three_sequences(tmp_path, pattern, apart)
    assert len(find_studies(tmp_path)) == patients
    assert bool(read_study(tmp_path).mixed) == (patients > 1)


def test_hospitals_that_number_their_patients_alike_have_many_on_grids_of_their_own(tmp_path):
    for name in ("A", "B"):
        for n in range(10):
            volume(tmp_path / name / f"{n:03}.nii.gz", origin=(n, -20, 30 + n), direction=SAGITTAL)
    assert len(find_studies(tmp_path)) == 20


@pytest.mark.parametrize(("names", "stacks"), [
    (("cor_t1", "cor_t2"), [("cor_t1", 1, "phase"), ("cor_t2", 1, "phase")]),
    (("t1_sag_1", "t1_sag_2", "t2_sag_1"), [("t1_sag_1", 2, "phase"), ("t2_sag_1", 1, "phase")]),
    (("sax_t0", "sax_t1", "sax_t2"), [("sax_t0", 3, "phase")]),
    (("me_te10", "me_te30", "me_te60"), [("me_te10", 3, "echo")]),
    (("dwi_b0", "dwi_b500"), [("dwi_b0", 2, "b-value")]),
    (("cine_1", "cine_2"), [("cine_1", 2, "phase")]),
    (("cine_t1", "cine_t2"), [("cine_t1", 2, "phase")]),
])
def test_what_numbers_of_files_on_one_grid_count_is_told_by_the_word_before(tmp_path, names, stacks):
    for n, name in enumerate(names):
        volume(tmp_path / f"{name}.nii.gz", value=n)
    assert [(one.id, one.phases, one.dimension) for one in read_patient(tmp_path).stacks] == stacks


def test_one_patients_series_of_one_name_are_one_patient_s(tmp_path):
    """Localizers in three directions, slices of a map in a file each, files on two grids."""
    across, along, lengthwise = [1, 0, 0, 0, 1, 0, 0, 0, 1], [1, 0, 0, 0, 0, 1, 0, -1, 0], [0, 0, 1, 1, 0, 0, 0, 1, 0]
    for n, direction in enumerate((across, along, lengthwise)):
        volume(tmp_path / f"scout_{n}.nii.gz", direction=direction)
    for n in range(4):
        volume(tmp_path / f"map_{n}.nii.gz", origin=(10, -20, 10 * n), shape=(1, 4, 5))
    for n in range(2):
        volume(tmp_path / f"sax_{n}.nii.gz", origin=(n, -20, 30))
    assert len(read_patient(tmp_path).stacks) == 3 + 1 + 2


def test_a_disc_s_contents_and_what_cannot_be_read_are_no_parents_of_studies(found, tmp_path):
    contents = write(image(SOPClassUID="1.2.840.10008.1.3.10"), tmp_path / "DICOMDIR").read_bytes()
    (tmp_path / "q").mkdir()
    for broken in ("cut.dcm", "q/cut.dcm"):
        (tmp_path / broken).write_bytes(contents[:-40])
    of_two = {"PT0/ST0/SE0": of("P", "1.1"), "PT0/ST0/SE1": of("P", "1.1"), "PT0/ST1/SE0": of("P", "1.2")}
    assert found(of_two) == ["PT0/ST0", "PT0/ST1/SE0"]
    assert [str(path.relative_to(tmp_path)) for path in find_studies(tmp_path, damaged=True)] == [
        "PT0/ST0", "PT0/ST1/SE0", "q"]


def test_a_file_left_beside_folders_of_patients_does_not_join_them(tmp_path):
    for name in ("A0S9V9/A0S9V9_sa", "B1T2C3/B1T2C3_sa", "template", "template_seg"):
        volume(tmp_path / f"{name}.nii.gz")
    assert [str(path.relative_to(tmp_path)) for path in find_studies(tmp_path)] == [
        "A0S9V9", "B1T2C3", "template.nii.gz"]
    shared = tmp_path / "B1T2C3"
    for name in ("extra/old.nii.gz", "localizer.nii.gz"):
        volume(shared / name)
    assert [path.name for path in find_studies(tmp_path)] == ["A0S9V9", "B1T2C3", "template.nii.gz"]  # not one alone


def test_files_named_by_codes_are_patients_where_they_lie_apart(tmp_path):
    """As the part of M&Ms that nobody has outlined; sequences of one knee lie in one place."""
    for n, name in enumerate(("A0S9V9", "B1T2C3", "D4E5F6")):
        volume(tmp_path / "hearts" / f"{name}_sa.nii.gz", origin=(60 * n, 0, 0), shape=(5, 20, 20))
        volume(tmp_path / "knee" / f"T{n}x_sag.nii.gz", origin=(5 * n, 0, 0), shape=(5, 20, 20))
    assert [path.name for path in find_studies(tmp_path / "hearts")] == [
        f"{name}_sa.nii.gz" for name in ("A0S9V9", "B1T2C3", "D4E5F6")]
    with pytest.raises(PlaneSSLError, match="several patients"):
        read_patient(tmp_path / "hearts")
    assert find_studies(tmp_path / "knee") == [tmp_path / "knee"] and read_patient(tmp_path / "knee").mixed == ""


def test_names_that_begin_differently_and_lie_apart_are_several_patients(tmp_path):
    for n, name in enumerate(("A0S9V9", "Meier", "xy")):
        volume(tmp_path / f"{name}_sa.nii.gz", origin=(60 * n, 0, 0), shape=(5, 20, 20))
        volume(tmp_path / f"{name}_4ch.nii.gz", origin=(60 * n, 5, 0), shape=(1, 20, 20))
    with pytest.raises(PlaneSSLError, match=r"several patients.*A0S9V9_sa.*named alike, lie apart.*a folder of their"):
        read_patient(tmp_path)
    (tmp_path / "xy_4ch.nii.gz").rename(tmp_path / "xy-4ch.nii.gz")  # however words are joined
    with pytest.raises(PlaneSSLError, match="several patients"):
        read_patient(tmp_path)
    for n, name in enumerate(("pre", "post")):  # a patient who has moved
        volume(tmp_path / "moved" / f"{name}_sa.nii.gz", origin=(60 * n, 0, 0), shape=(5, 20, 20))
        volume(tmp_path / "moved" / f"{name}_4ch.nii.gz", origin=(60 * n, 5, 0), shape=(1, 20, 20))
    assert read_patient(tmp_path / "moved").mixed == ""
    for name in ("T1", "T2", "PD"):
        for view, direction in (("sag", None), ("cor", (1, 0, 0, 0, 0, 1, 0, -1, 0))):
            volume(tmp_path / "knee" / f"{name}_{view}.nii.gz", direction=direction, shape=(5, 20, 20))
    assert read_patient(tmp_path / "knee").mixed == ""


def test_more_grids_than_a_patient_has_sequences_are_told(tmp_path):
    """A whole exam of one patient may have as many."""
    for n, name in enumerate("abcdefghi"):
        volume(tmp_path / f"{name * 3}.nii.gz", spacing=(1 + n / 20, 1, 8), shape=(5, 20, 20))
        told = [problem.reason for problem in read_patient(tmp_path).problems]
        assert any("they are many" in reason for reason in told) == (n == 8)


def test_folders_of_a_patients_series_stay_together(tmp_path):
    for patient in ("p1", "p2"):
        for name in ("sa", "la_4ch", "LGE/lge_sa", "T1/t1_sa"):
            volume(tmp_path / patient / f"{name}.nii.gz")
    assert [path.name for path in find_studies(tmp_path)] == ["p1", "p2"]
