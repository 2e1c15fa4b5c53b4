"""Labels in DICOM Segmentation objects that lie beside a study's images, as highdicom writes them."""
from __future__ import annotations

import json
import shutil
from pathlib import Path

import highdicom
import numpy as np
import pydicom
import pytest
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code

from PlaneSSLLib import PlaneSSLError, anatomy
from PlaneSSLLib.cli import main
from PlaneSSLLib.cohort import Cohort, prepare
from PlaneSSLLib.phantom import write_phantoms
from PlaneSSLLib.study import (
    LabelFile, dicom_segmentations, find_studies, read_all_labels, read_labels, read_study,
)
from PlaneSSLLib.study.dicom_segmentations import outlines

HEART = anatomy.load("heart")
NAMES = {"RV": 1, "MYO": 2, "LV": 3}


@pytest.fixture(scope="module")
def phantom(tmp_path_factory) -> Path:
    return write_phantoms("heart", 1, 11, tmp_path_factory.mktemp("phantom"), phases=2)[0]


@pytest.fixture
def folder(phantom, tmp_path) -> Path:
    """Its DICOM images alone."""
    return shutil.copytree(phantom, tmp_path / "study", ignore=shutil.ignore_patterns("labels", "*.json"))


@pytest.fixture(scope="module")
def drawn(phantom):
    """The short-axis stack as read, and by its phases what is outlined in it."""
    study = read_study(phantom)
    stack = next(stack for stack in study.stacks if stack.view == "SAX" and stack.is_cine)
    return stack, read_all_labels([label for label in study.labels if label.stack == stack.id], stack, HEART)


def write_seg(file: Path, stack, labels: np.ndarray, phase: int, names=tuple(NAMES), kind: str = "MANUAL",
              **choices) -> pydicom.Dataset:
    """Segments of these names, of label values (slices, rows, columns), on the images of a phase."""
    images = [pydicom.dcmread(stack.frames[i][phase].source.file) for i in range(len(stack.planes))]
    by = {} if kind == "MANUAL" else {"algorithm_identification": highdicom.AlgorithmIdentificationSequence(
        name="somebody's", family=codes.DCM.ArtificialIntelligence, version="1")}
    segments = [highdicom.seg.SegmentDescription(
        segment_number=n, segment_label=name, segmented_property_category=codes.SCT.AnatomicalStructure,
        segmented_property_type=Code("1234", "99LOCAL", name), algorithm_type=kind, **by)
        for n, name in enumerate(names, start=1)]
    masks = np.stack([labels == NAMES.get(name, 3) for name in names], axis=-1)
    made = highdicom.seg.Segmentation(
        source_images=images, pixel_array=masks, segmentation_type="BINARY", segment_descriptions=segments,
        series_instance_uid=highdicom.UID(), series_number=900, sop_instance_uid=highdicom.UID(), instance_number=1,
        manufacturer="nobody", manufacturer_model_name="none", software_versions="0", device_serial_number="0",
        **choices)
    file.parent.mkdir(parents=True, exist_ok=True)
    made.save_as(file)
    return made


def told(study, file: Path) -> str:
    [reason] = [problem.reason for problem in study.problems if problem.file == file]
    return reason


@pytest.mark.parametrize("omit", [True, False])
def test_outlines_are_found_by_the_images_they_name(folder, drawn, omit, capsys):
    """As most tools write them, without the slices in which nothing is outlined, or with them."""
    stack, maps = drawn
    for phase in (1, 0):
        write_seg(folder / "seg" / f"{phase}.dcm", stack, maps[phase], phase, omit_empty_frames=omit)
    study = read_study(folder)
    assert {(label.stack, label.phase) for label in study.labels} == {(stack.id, 0), (stack.id, 1)}
    assert not any("seg" in problem.file.parts for problem in study.problems)
    assert main(["study", str(folder)]) == 0
    assert f"labels: {stack.id} (phases 0, 1)\n" in capsys.readouterr().out
    for label in study.labels:
        np.testing.assert_array_equal(read_labels(label, study.stack(stack.id), HEART), maps[label.phase])
    assert (maps[0] != maps[1]).any()


def test_a_cohort_takes_them(folder, drawn, tmp_path):
    stack, maps = drawn
    write_seg(folder / "ed.dcm", stack, maps[0], 0)
    assert prepare([folder], "heart", tmp_path / "c")["labelled"] == 1
    [study] = Cohort(tmp_path / "c").studies.values()
    assert [(one.view, {phase for _, phase in one.labelled}) for one in study.stacks if one.labelled] == [("SAX", {0})]


def test_objects_of_one_structure_each_outline_one_phase_together(folder, drawn):
    stack, maps = drawn
    for name in NAMES:
        write_seg(folder / f"{name}.dcm", stack, maps[0], 0, names=(name,))
    study = read_study(folder)
    np.testing.assert_array_equal(read_all_labels(study.labels, study.stack(stack.id), HEART)[0], maps[0])


@pytest.mark.parametrize(("choices", "expected"), [
    ({"kind": "AUTOMATIC"}, "nobody has seen"),
    ({"names": ("RV", "pericardial fat")}, "outlines pericardial fat, which the anatomy 'heart' does not know")])
def test_what_is_no_label_to_learn_from_is_told(folder, drawn, choices, expected):
    stack, maps = drawn
    write_seg(folder / "seg.dcm", stack, maps[0], 0, **choices)
    study = read_study(folder)
    assert not study.labels and expected in told(study, folder / "seg.dcm")


def test_of_two_who_outlined_the_same_none_is_taken(folder, drawn):
    stack, maps = drawn
    for name in "ab":
        write_seg(folder / f"{name}.dcm", stack, maps[0], 0)
    study = read_study(folder)
    assert not study.labels
    assert "what b.dcm outlines, too" in told(study, folder / "a.dcm")
    assert "what a.dcm outlines, too" in told(study, folder / "b.dcm")


def test_a_label_map_that_study_json_names_is_taken_first(folder, drawn, phantom):
    stack, maps = drawn
    shutil.copytree(phantom / "labels", folder / "labels")
    entries = json.loads((phantom / "study.json").read_text())["labels"]
    (folder / "study.json").write_text(json.dumps({"labels": entries}))
    write_seg(folder / "seg.dcm", stack, maps[0], 0)
    study = read_study(folder)
    assert all(label.file.suffix == ".gz" for label in study.labels)
    assert "has a label map" in told(study, folder / "seg.dcm")


def test_outlines_of_other_images_are_told(folder, drawn, tmp_path):
    stack, maps = drawn
    made = write_seg(folder / "seg.dcm", stack, maps[0], 0)
    for groups in made.PerFrameFunctionalGroupsSequence:
        del groups["DerivationImageSequence"]
    del made["ReferencedSeriesSequence"]
    made.FrameOfReferenceUID = "1.2.3"
    made.save_as(folder / "seg.dcm")
    study = read_study(folder)
    assert not study.labels and "images that are not here" in told(study, folder / "seg.dcm")


def nameless(made: pydicom.Dataset, file: Path) -> None:
    """An object that names the series it was drawn on, and no image of it."""
    for groups in made.PerFrameFunctionalGroupsSequence:
        del groups["DerivationImageSequence"]
    del made["ReferencedSeriesSequence"]
    made.save_as(file)


def test_outlines_that_name_no_image_lie_where_their_planes_do(folder, drawn):
    """Of the one phase of a stack; of several, study.json must say which."""
    stack, maps = drawn
    nameless(write_seg(folder / "seg.dcm", stack, maps[1], 1), folder / "seg.dcm")
    study = read_study(folder)
    assert not study.labels and "which of 2 images of one place" in told(study, folder / "seg.dcm")
    say(folder, stack, 1)
    study = read_study(folder)
    assert [(label.stack, label.phase) for label in study.labels] == [(stack.id, 1)]
    assert not any(problem.file.name == "seg.dcm" for problem in study.problems)
    np.testing.assert_array_equal(read_labels(study.labels[0], study.stack(stack.id), HEART), maps[1])


def test_study_json_must_say_the_phase(folder, drawn):
    stack, maps = drawn
    write_seg(folder / "seg.dcm", stack, maps[1], 1)
    (folder / "study.json").write_text(json.dumps({"labels": [{"file": "seg.dcm", "series": stack.id}]}))
    assert "does not say of which" in told(read_study(folder), folder / "seg.dcm")


def test_outlines_on_another_grid_are_told_and_refused_where_study_json_names_them(folder, drawn):
    stack, maps = drawn
    made = write_seg(folder / "seg.dcm", stack, maps[0], 0)
    for groups in made.PerFrameFunctionalGroupsSequence:
        place = groups.PlanePositionSequence[0]
        place.ImagePositionPatient = [float(x) + 2 for x in place.ImagePositionPatient]
    made.save_as(folder / "seg.dcm")
    study = read_study(folder)
    assert not study.labels and "is not on the pixels of the images" in told(study, folder / "seg.dcm")
    say(folder, stack, 0)
    study = read_study(folder)
    with pytest.raises(PlaneSSLError, match=rf"seg\.dcm is not on the grid of stack {stack.id}.*without resampling"):
        read_labels(study.labels[0], study.stack(stack.id), HEART)


def say(folder: Path, stack, phase: int) -> None:
    (folder / "study.json").write_text(json.dumps({"labels": [
        {"file": "seg.dcm", "series": stack.id, "phase": phase}]}))


def test_a_phase_that_the_object_contradicts_is_refused(folder, drawn):
    stack, maps = drawn
    write_seg(folder / "seg.dcm", stack, maps[0], 0)
    say(folder, stack, 1)
    study = read_study(folder)
    with pytest.raises(PlaneSSLError, match=r"names images of phase 0 of s08-SAX, and is said to be of phase 1"):
        read_labels(study.labels[0], study.stack(stack.id), HEART)


def test_outlines_of_a_series_that_is_not_here_do_not_go_to_another(folder, drawn):
    """Be it at the very same places."""
    stack, maps = drawn
    made = write_seg(folder / "seg.dcm", stack, maps[0], 0)
    for groups in made.PerFrameFunctionalGroupsSequence:
        groups.DerivationImageSequence[0].SourceImageSequence[0].ReferencedSOPInstanceUID = "1.2.3"
    made.save_as(folder / "seg.dcm")
    study = read_study(folder)
    assert not study.labels and "images that are not here" in told(study, folder / "seg.dcm")
    say(folder, stack, 0)  # somebody who knows better
    study = read_study(folder)
    np.testing.assert_array_equal(read_labels(study.labels[0], study.stack(stack.id), HEART), maps[0])


def test_frames_that_name_no_image_lie_beside_those_that_do(folder, drawn):
    stack, maps = drawn
    made = write_seg(folder / "seg.dcm", stack, maps[0], 0)
    for groups in made.PerFrameFunctionalGroupsSequence[::2]:
        del groups["DerivationImageSequence"]
    made.save_as(folder / "seg.dcm")
    study = read_study(folder)
    np.testing.assert_array_equal(read_labels(study.labels[0], study.stack(stack.id), HEART), maps[0])


def test_an_object_for_each_slice_and_one_that_was_exported_twice(folder, drawn):
    stack, maps = drawn
    for i in range(len(stack.planes)):
        alone = np.zeros_like(maps[0])
        alone[i] = maps[0][i]
        if alone.any():
            write_seg(folder / f"{i}" / "1.dcm", stack, alone, 0)
    first = next(folder.glob("*/1.dcm"))
    shutil.copy(first, folder / "zagain.dcm")
    study = read_study(folder)
    np.testing.assert_array_equal(read_all_labels(study.labels, study.stack(stack.id), HEART)[0], maps[0])
    assert "is the same object as 1.dcm, kept once" in told(study, folder / "zagain.dcm")


def test_they_may_lie_beside_label_maps_or_in_a_folder_beside_the_images(phantom, drawn, tmp_path):
    """As archives lay them: a patient's one series, and its segmentation."""
    stack, maps = drawn
    series = stack.frames[0][0].source.file.parent
    shutil.copytree(series, tmp_path / "root" / "patient" / "sax")
    write_seg(tmp_path / "root" / "patient" / "SEG" / "1.dcm", stack, maps[0], 0)
    write_seg(tmp_path / "root" / "patient" / "labels" / "es.dcm", stack, maps[1], 1)
    assert find_studies(tmp_path / "root", damaged=True) == [tmp_path / "root" / "patient"]
    study = read_study(tmp_path / "root" / "patient", anatomy="heart")
    assert {label.phase for label in study.labels} == {0, 1}
    shutil.copytree(tmp_path / "root" / "patient" / "SEG", tmp_path / "alone")
    assert find_studies(tmp_path / "alone") == [] and find_studies(tmp_path / "alone", True) == [tmp_path / "alone"]
    with pytest.raises(PlaneSSLError, match="holds DICOM SEG and no image: put it below the folder of the images"):
        read_study(tmp_path / "alone")


def test_one_object_of_all_phases_is_read_at_once(folder, drawn, monkeypatch):
    stack, maps = drawn
    made = [write_seg(folder / "x" / f"{phase}.dcm", stack, maps[phase], phase, omit_empty_frames=False)
            for phase in (0, 1)]
    both = made[0]
    both.PerFrameFunctionalGroupsSequence = [
        *both.PerFrameFunctionalGroupsSequence, *made[1].PerFrameFunctionalGroupsSequence]
    pixels = np.concatenate([one.pixel_array for one in made])
    both.NumberOfFrames = len(pixels)
    bits = np.packbits(pixels.ravel(), bitorder="little")
    both.PixelData = bits.tobytes() + bytes(len(bits) % 2)
    shutil.rmtree(folder / "x")
    both.save_as(folder / "both.dcm")
    study = read_study(folder)
    decoded = []
    monkeypatch.setattr(dicom_segmentations, "outlines", lambda *of: decoded.append(of) or outlines(*of))
    found = read_all_labels(study.labels, study.stack(stack.id), HEART)
    assert len(decoded) == 1
    for phase in (0, 1):
        np.testing.assert_array_equal(found[phase], maps[phase])


def test_overlapping_segments_cost_a_cohort_the_labels_of_their_stack_alone(folder, drawn, tmp_path):
    stack, maps = drawn
    write_seg(folder / "a.dcm", stack, np.where(maps[0] > 0, 2, 0), 0, names=("MYO",))
    write_seg(folder / "b.dcm", stack, maps[0], 0, names=("LV",))
    told = prepare([folder], "heart", tmp_path / "c")
    assert told["prepared"] == 1 and told["labelled"] == 0
    assert any("overlap" in note and f"{stack.id} is prepared without labels" in note for note in told["notes"])


def test_a_type_that_is_not_read_is_told(folder, drawn):
    stack, maps = drawn
    made = write_seg(folder / "seg.dcm", stack, maps[0], 0)
    made.SegmentationType = "LABELMAP"
    made.save_as(folder / "seg.dcm")
    assert "of the type LABELMAP, which is not read: save it as BINARY" in told(
        read_study(folder), folder / "seg.dcm")


@pytest.mark.parametrize("damage", ["cut", "no pixels", "no segments"])
def test_a_damaged_object_costs_nothing_else(folder, phantom, drawn, damage):
    stack, maps = drawn
    file = folder / "seg.dcm"
    made = write_seg(file, stack, maps[0], 0)
    if damage == "cut":
        file.write_bytes(file.read_bytes()[:3000])
    else:
        del made["PixelData" if damage == "no pixels" else "SegmentSequence"]
        made.save_as(file)
    study = read_study(folder)
    assert [one.id for one in study.stacks] == [one.id for one in read_study(phantom).stacks]
    if damage == "no pixels":
        with pytest.raises(PlaneSSLError, match=r"seg\.dcm cannot be read as DICOM SEG"):
            read_labels(study.labels[0], study.stack(stack.id), HEART)
    else:
        assert not study.labels and told(study, file)


def test_without_an_anatomy_segments_mean_nothing(drawn, folder):
    stack, maps = drawn
    write_seg(folder / "seg.dcm", stack, maps[0], 0)
    with pytest.raises(PlaneSSLError, match=r"seg\.dcm.*name one"):
        read_labels(LabelFile(folder / "seg.dcm", stack.id, 0), stack)
