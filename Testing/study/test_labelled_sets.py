"""Outlined volume files as others keep them: whose they are, of which phase, and what their values stand for."""
from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from made_images import SHAPE, volume
from Testing.made_up_study import write_study

from PlaneSSLLib import PlaneSSLError, anatomy
from PlaneSSLLib.cohort import Cohort, prepare
from PlaneSSLLib.phantom import write_phantoms
from PlaneSSLLib.study import LabelFile, find_studies, read_labels, read_patient, read_study

HEART = anatomy.load("heart")
VALUES = np.arange(60, dtype=np.uint8).reshape(SHAPE) % 4


@pytest.fixture
def case(tmp_path) -> Path:
    """A case of a data set in nnU-Net's layout, its values 0 to 3."""
    volume(tmp_path / "imagesTr" / "p1_0000.nii.gz")
    labels = sitk.GetImageFromArray(VALUES)
    labels.CopyInformation(sitk.ReadImage(str(tmp_path / "imagesTr" / "p1_0000.nii.gz")))
    (tmp_path / "labelsTr").mkdir()
    sitk.WriteImage(labels, str(tmp_path / "labelsTr" / "p1.nii.gz"))
    return tmp_path / "imagesTr" / "p1_0000.nii.gz"


def labels_of(case: Path, said: object) -> np.ndarray:
    (case.parents[1] / "dataset.json").write_text(json.dumps({"labels": said}))
    study = read_study(case, anatomy=HEART)
    return read_labels(study.labels[0], study.stacks[0], HEART)


@pytest.mark.parametrize("said", [
    {"background": 0, "LV": 1, "MYO": 2, "RV": 3}, {"0": "background", "1": "left ventricle", "2": "myo", "3": "RV"},
    {"background": "0", "LV": "1", "MYO": "2", "RV": "3", "all of it": [1, 2, 3]},
    {"background": 0, "LVC": 1, "MLV": 2, "RV cavity": 3}])
def test_values_mean_what_the_data_set_says(case, said):
    """M&Ms numbers them the other way round than ACDC."""
    np.testing.assert_array_equal(labels_of(case, said), np.array([0, 3, 2, 1])[VALUES])


def test_names_that_do_not_contradict_leave_the_values_and_are_told(case):
    np.testing.assert_array_equal(labels_of(case, {"background": 0, "RV": 1, "wall": 2, "pool": 3}), VALUES)
    (told,) = read_study(case, anatomy=HEART).problems
    assert told.file.name == "dataset.json" and "1 RV, 2 MYO, 3 LV" in told.reason
    assert read_study(case, anatomy="generic").problems == ()


@pytest.mark.parametrize("said", [None, [], {}, {"whole": [1, 2, 3]}, {"background": 0}])
def test_without_names_the_values_are_the_anatomys(case, said):
    np.testing.assert_array_equal(labels_of(case, said), VALUES)
    assert read_study(case, anatomy=HEART).problems == ()


@pytest.mark.parametrize(("said", "words"), [
    ({"pool": 1, "MYO": 2, "RV": 3}, "1 pool, 2 MYO, 3 RV.*neither.*1 RV, 2 MYO, 3 LV"),
    ({"one": 1, "two": 2, "three": 3}, "neither.*--labels '1=RV,2=MYO,3=LV'"),
    ({"RV": 1, "MYO": 2}, "does not name")])
def test_names_that_leave_values_in_doubt_are_refused(case, said, words):
    with pytest.raises(PlaneSSLError, match=words):
        labels_of(case, said)
    told = [problem.reason for problem in read_study(case, anatomy=HEART).problems]
    assert told == [] if words == "does not name" else "cannot be used as they are" in told[0]


@pytest.mark.parametrize("place", ["{}.nii.gz", "images/{}.nii.gz", "{}_sa.nii.gz"])
def test_patients_who_are_not_numbered_are_several_where_they_lie_apart(tmp_path, place):
    for n, name in enumerate(("A0S9V9", "B1T2C3", "Meier")):
        file = tmp_path / place.format(name)
        volume(file, origin=(90 * n, 0, 0))
        if "images" in place:
            volume(tmp_path / "labels" / file.name, origin=(90 * n, 0, 0), dtype=np.uint8)
        else:
            volume(tmp_path / file.name.replace(".nii", "_gt.nii"), origin=(90 * n, 0, 0), dtype=np.uint8)
    with pytest.raises(PlaneSSLError, match="several patients"):
        read_patient(tmp_path)
    studies = [read_patient(path) for path in find_studies(tmp_path)]
    assert [(len(study.stacks), len(study.labels)) for study in studies] == [(1, 1)] * 3


def test_sequences_of_one_patient_lie_over_one_place(tmp_path):
    """As in MyoPS: cine, late enhancement and T2 of one heart, each outlined, on grids of their own."""
    for n, name in enumerate(("C0", "DE", "T2")):
        volume(tmp_path / f"{name}.nii.gz", origin=(6 * n, 0, 0))
        volume(tmp_path / f"{name}_gt.nii.gz", origin=(6 * n, 0, 0), dtype=np.uint8)
    assert find_studies(tmp_path) == [tmp_path]
    study = read_patient(tmp_path)
    assert len(study.stacks) == len(study.labels) == 3


@pytest.mark.parametrize("apart", [90, 6])  # or in one place, by headers that are made up
def test_phases_of_several_patients_in_one_folder_are_refused(tmp_path, apart):
    for n, name in enumerate(("X", "Y")):
        for phase in ("ed", "es"):
            volume(tmp_path / f"{name}_{phase}.nii.gz", origin=(apart * n, 0, 0))
            volume(tmp_path / f"{name}_{phase}_gt.nii.gz", origin=(apart * n, 0, 0), dtype=np.uint8)
    with pytest.raises(PlaneSSLError, match="several patients"):
        read_patient(*find_studies(tmp_path))


def test_phases_of_several_patients_on_one_grid_are_refused(tmp_path):
    """Preprocessed to one grid, with headers that are made up: a heart has one end-diastole."""
    for name in ("P01_ED", "P01_ES", "P02_ED", "P02_ES"):
        volume(tmp_path / f"{name}.nii.gz")
        volume(tmp_path / f"{name}_gt.nii.gz", dtype=np.uint8)
    with pytest.raises(PlaneSSLError, match="several patients, as it seems"):
        read_patient(*find_studies(tmp_path))


@pytest.mark.parametrize("others", ["patient{}_la", "patient{}_ses-02"])
def test_views_and_visits_of_a_patient_are_of_one_subject(tmp_path, others):
    """In files of their own they would train and validate; a cohort takes one of them, and says so."""
    for n in (1, 2, 3):
        for name in (f"patient{n}_sa", others.format(n)):
            volume(tmp_path / f"{name}.nii.gz", origin=(90 * n, 0, 0))
            volume(tmp_path / f"{name}_gt.nii.gz", origin=(90 * n, 0, 0), dtype=np.uint8)
    studies = [read_study(path) for path in find_studies(tmp_path)]
    assert [study.subject for study in studies] == ["patient1"] * 2 + ["patient2"] * 2 + ["patient3"] * 2


def test_a_folder_of_studies_with_another_s_images_beside_them_is_no_patient_s(tmp_path):
    write_study(tmp_path / "outlined-001", 0)
    volume(tmp_path / "sa.nii.gz")
    with pytest.raises(PlaneSSLError, match=r"2 studies, some with a study\.json of its own"):
        read_patient(tmp_path)


@pytest.mark.parametrize("names", [("ED", "ES"), ("sa_ED", "sa_ES"), ("001_SA_ED", "001_SA_ES"), ("sa-ed", "sa-es")])
def test_end_diastole_and_end_systole_are_phases_of_one_stack(tmp_path, names):
    """As the UK Biobank's outlines and M&Ms-2 come."""
    for n, name in enumerate(names):
        volume(tmp_path / f"{name}.nii.gz", value=100 * n)
        volume(tmp_path / f"{name}_gt.nii.gz", dtype=np.uint8)
    volume(tmp_path / "other.nii.gz", origin=(0, 0, 0))
    study = read_patient(tmp_path)
    stack = max(study.stacks, key=lambda stack: stack.phases)
    assert stack.phases == 2 and [stack.pixels(0, k)[0, 0] for k in (0, 1)] == [0, 100]
    assert [(label.file.name, label.phase) for label in study.labels] == [
        (f"{name}_gt.nii.gz", k) for k, name in enumerate(names)]


def test_phases_on_two_grids_are_still_one_patients(tmp_path):
    for n, phase in enumerate(("ED", "ES")):
        volume(tmp_path / f"sa_{phase}.nii.gz", shape=(3 + n, 4, 5))
        volume(tmp_path / f"sa_{phase}_gt.nii.gz", shape=(3 + n, 4, 5), dtype=np.uint8)
    assert [stack.phases for stack in read_patient(tmp_path).stacks] == [1, 1]


def test_a_map_of_one_phase_beside_a_cine_is_told_and_its_phase_can_be_said(tmp_path):
    volume(tmp_path / "cine.nii.gz", shape=(5, *SHAPE))
    volume(tmp_path / "cine_seg.nii.gz", dtype=np.uint8)
    study = read_patient(tmp_path, anatomy="heart")
    assert [label.phase for label in study.labels] == [0]
    (told,) = study.problems
    assert "one phase of 5, and is taken for the first" in told.reason
    said = {"labels": [{"file": "cine_seg.nii.gz", "series": study.stacks[0].id, "phase": 3}]}
    (tmp_path / "study.json").write_text(json.dumps(said))
    assert [label.phase for label in read_patient(tmp_path, anatomy="heart").labels] == [3]


@pytest.mark.parametrize(("image", "label"), [("image", "label"), ("volume", "segmentation"), ("sa", "mask")])
def test_the_only_map_is_that_of_the_only_image(tmp_path, image, label):
    volume(tmp_path / f"{image}.nii.gz")
    volume(tmp_path / f"{label}.nii.gz", dtype=np.uint8)
    study = read_patient(tmp_path)
    assert study.labels == (LabelFile(tmp_path / f"{label}.nii.gz", study.stacks[0].id, 0),)
    assert study.problems == ()


@pytest.mark.parametrize("label", ["sax_0_gt.nii.gz", "labels/sax_0.nrrd", "masks/sax_0.nii.gz"])
def test_maps_of_named_views_lie_where_those_of_other_studies_may(tmp_path, label):
    folder = write_study(tmp_path / "s", 0)
    shutil.move(folder / "labels" / "sax_0.nii.gz", tmp_path / "map.nii.gz")
    (folder / label).parent.mkdir(exist_ok=True)
    sitk.WriteImage(sitk.ReadImage(str(tmp_path / "map.nii.gz")), str(folder / label))
    study = read_study(folder)
    assert [one.file for one in study.labels] == [folder / label] and study.problems == ()


def test_a_view_for_those_whose_headers_are_made_up(case, tmp_path):
    prepare([case.parent], "heart", tmp_path / "c")
    for view in (None, "SAX"):
        told = prepare([case.parent], "heart", tmp_path / "c", unnamed=view)
        (study,) = Cohort(tmp_path / "c").studies.values()
        assert [stack.view for stack in study.stacks] == [view or "axial"]
        assert any("no view of the anatomy" in note for note in told["notes"]) == (view is None)
    assert not prepare([case.parent], "heart", tmp_path / "c")["notes"]  # what was said once is remembered
    with pytest.raises(PlaneSSLError, match="no view 'axial'; it has SAX"):
        prepare([case.parent], "heart", tmp_path / "d", unnamed="axial")
    assert not (tmp_path / "d").exists()


def test_names_are_known_in_any_case(tmp_path):
    folder = write_study(tmp_path / "s", 0)
    text = (folder / "study.json").read_text()
    (folder / "study.json").write_text(text.replace('"heart"', '"Heart"').replace('"SAX"', '"sax"'))
    study = read_study(folder)
    assert study.anatomy == "heart" and "SAX" in {stack.view for stack in study.stacks} and study.problems == ()


def test_a_damaged_map_beside_a_cine_and_a_damaged_list_of_labels_stop_nothing(case):
    volume(case.parents[1] / "p2" / "cine.nii.gz", shape=(5, *SHAPE))
    (case.parents[1] / "p2" / "cine_seg.nii.gz").write_bytes(b"no volume")
    assert len(read_study(case.parents[1] / "p2").stacks) == 1
    (case.parents[1] / "dataset.json").write_text("{no json")
    (told,) = read_study(case, anatomy=HEART).problems
    assert "cannot be read as JSON" in told.reason


def test_localizers_of_dicom_are_not_what_unnamed_volumes_show(tmp_path):
    write_phantoms("heart", 1, 3, tmp_path / "ph", phases=1)
    prepare([tmp_path / "ph"], "heart", tmp_path / "c", unnamed="SAX")
    (study,) = Cohort(tmp_path / "c").studies.values()
    assert {"coronal", "sagittal"} <= {stack.view for stack in study.stacks}


@pytest.mark.parametrize(("said", "first"), [({}, 0), ({"side": "left"}, 0), ({"side": "right"}, 3)])
def test_a_study_json_says_which_knee_it_is(tmp_path, said, first):
    """In the middle of the magnet neither a header nor the place tells; slices count from the inside."""
    image = sitk.GetImageFromArray(np.arange(4 * 6 * 5, dtype=np.float32).reshape(4, 6, 5))
    image.SetDirection([0.0, 0, 1, 1, 0, 0, 0, -1, 0])
    image.SetSpacing([1.0, 1, 4])
    sitk.WriteImage(image, str(tmp_path / "sag.nii.gz"))
    (tmp_path / "study.json").write_text(json.dumps({"anatomy": "knee", "views": {"sagittal": "sag.nii.gz"}, **said}))
    study = read_study(tmp_path)
    assert study.stacks[0].pixels(0).min() == 30 * first
    assert study.side == said.get("side", "")
    assert ('study.json can say it ("side": "right")' in "; ".join(study.notes)) == (not said)


@pytest.mark.parametrize(("said", "reason"), [
    ({"side": "R"}, "\"side\" is 'R', not left or right"),
    ({"frames_of_reference": ["a"]}, "is ['a'], not an object of files and names of frames"),
    ({"frames_of_reference": {"sax.nii.gz": 3}}, "is {'sax.nii.gz': 3}, not an object of files"),
])
def test_sides_and_frames_that_make_no_sense_are_problems(tmp_path, said, reason):
    volume(tmp_path / "sax.nii.gz")
    (tmp_path / "study.json").write_text(json.dumps({"anatomy": "heart", "views": {"SAX": "sax.nii.gz"}, **said}))
    (problem,) = read_study(tmp_path).problems
    assert reason in problem.reason


@pytest.mark.parametrize("said", [{"side": "right"}, {"frames_of_reference": {"2ch_0.nii.gz": "b"}}])
def test_what_a_study_json_says_later_is_taken_over(tmp_path, said):
    study = write_study(tmp_path / "s", 0)
    document = {**json.loads((study / "study.json").read_text()), "anatomy": "knee"}
    files = list(document["views"].values())
    document["views"] = dict(zip(("sagittal", "coronal", "axial"), files, strict=True))
    (study / "study.json").write_text(json.dumps(document))
    assert prepare([study], "knee", tmp_path / "c")["prepared"] == 1
    (study / "study.json").write_text(json.dumps({**document, **said}))
    notes = " ".join(prepare([study], "knee", tmp_path / "c")["notes"])
    assert "prepared again" in notes
    assert ("the side of 1 of 1 studies is unknown" in notes) == ("side" not in said)
    assert "prepared again" not in " ".join(prepare([study], "knee", tmp_path / "c")["notes"])


def test_outlines_beyond_the_working_grid_are_told(tmp_path):
    """Both knees in one image, say: the grid lies on the middle, and a network sees nothing of what lies beyond."""
    labels = np.zeros((1, 100, 100), np.uint8)  # pixels of 4 mm: the grid of 216 mm ends at 23 and 77
    labels[0, 50:52, 50:53], labels[0, 10:12, 50:51], labels[0, 40:44, 80:81] = 3, 3, 3
    for name, values in (("sax", np.arange(10_000.0, dtype=np.float32).reshape(1, 100, 100)), ("sax_gt", labels)):
        image = sitk.GetImageFromArray(values)
        image.SetSpacing([4.0, 4, 8])
        sitk.WriteImage(image, str(tmp_path / f"{name}.nii.gz"))
    told = prepare([tmp_path], "heart", tmp_path / "c", unnamed="SAX")
    assert told["labelled"] == 1
    assert "50% of what is outlined lies beyond the working grid (216 x 216 mm" in " ".join(told["notes"])


def test_a_copied_exam_under_another_name_is_told(tmp_path):
    """Its files are new, and its series are not: it could train and validate."""
    write_phantoms("heart", 1, 3, tmp_path / "in", phases=1)
    (exam,) = find_studies(tmp_path / "in")
    shutil.copytree(exam, tmp_path / "in" / "again", copy_function=shutil.copyfile)
    for folder in (exam, tmp_path / "in" / "again"):
        (folder / "study.json").write_text(json.dumps({"subject": folder.name}))
    told = prepare([tmp_path / "in"], "heart", tmp_path / "c")
    assert told["prepared"] == 2
    assert sum("are of the same files" in note for note in told["notes"]) == 1


@pytest.mark.parametrize(("folder", "name", "labelled"), [
    ("segmentation", "{}.segmentation_masks.nii.gz", 2), ("labels", "{}_other.nii.gz", 0),
    ("segmentation_masks", "{}.nii.gz", 2), ("segmentations", "{}_other.nii.gz", 0)])
def test_label_maps_are_found_by_name_or_told(tmp_path, folder, name, labelled):
    """As of OAI-ZIB: two words for a label map. Those of nobody are not passed over in silence."""
    for patient in ("sub-9001104", "sub-9001117"):
        volume(tmp_path / "images" / f"{patient}.nii.gz", dtype=np.int16, shape=(5, 20, 20))
        labels = tmp_path / folder / name.format(patient)
        labels.parent.mkdir(exist_ok=True)
        volume(labels, dtype=np.uint8, shape=(5, 20, 20))
        image = sitk.ReadImage(str(labels))
        sitk.WriteImage(image > 100, str(labels))
    done = prepare([tmp_path], "knee", tmp_path / "c")
    assert done["labelled"] == labelled
    told = [note for note in done["notes"] if "belong to no study" in note]
    assert [folder in note for note in told] == ([] if labelled else [True])
