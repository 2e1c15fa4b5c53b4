"""What the real studies hold, written out by hand from their headers."""
from __future__ import annotations

import re

import numpy as np
import pytest

from PlaneSSLLib.study import describe, find_studies, read_labels, read_study

# folder -> anatomy, and per stack: id, view, localizer, slices, phases, (rows, columns), step in mm, dimension
EXPECTED = {
    "heart-multiview": ("heart", [
        ("s03-2CH", "2CH", True, 1, 1, (192, 176), None, "phase"),
        ("s04-4CH", "4CH", True, 1, 1, (160, 192), None, "phase"),
        ("s05-SAX", "SAX", True, 8, 1, (192, 176), 12.0, "phase"),
        ("s06-4CH", "4CH", False, 1, 25, (162, 192), None, "phase"),
        ("s07-2CH", "2CH", False, 1, 25, (192, 144), None, "phase"),
        ("s08-3CH", "3CH", False, 1, 25, (156, 192), None, "phase"),
        ("s10-SAX", "SAX", False, 1, 25, (192, 162), None, "phase")]),
    "heart-pig": ("heart", [
        ("s05-SAX", "SAX", False, 20, 10, (256, 256), 5.0, "phase"),
        ("s06-LAX", "LAX", False, 14, 10, (256, 256), 5.0, "phase")]),
    "heart-sunnybrook/SCD0000101": ("heart", [("s300-SAX", "SAX", False, 12, 20, (256, 256), 10.0, "phase")]),
    "heart-sunnybrook/SCD0000201": ("heart", [("s300-SAX", "SAX", False, 13, 7, (256, 256), 10.0, "phase")]),
    "prostate": ("prostate", [
        ("s03-sagittal", "sagittal", False, 19, 1, (320, 320), 3.6, "phase"),
        ("s04-axial", "axial", False, 19, 1, (384, 384), 3.0, "phase"),
        ("s05-coronal", "coronal", False, 15, 1, (320, 320), 3.0, "phase"),
        ("s07-axial", "axial", False, 19, 1, (128, 84), 3.0, "phase"),
        ("s08-axial", "axial", False, 19, 1, (128, 84), 3.0, "phase"),
        ("s09-axial", "axial", False, 16, 1, (128, 128), 3.0, "phase")]),
    "knee-sagittal": ("generic", [("s08-sagittal", "sagittal", False, 24, 2, (256, 256), 4.0, "echo")]),
    "odd-dicom/gantrytilting": ("generic", [("s04-axial", "axial", False, 4, 1, (512, 512), 4.851, "phase")]),
    "odd-dicom/sliceorientation": ("generic", [
        ("s202-sagittal", "sagittal", False, 2, 1, (288, 288), 3.3, "phase"),
        ("s501-axial", "axial", False, 2, 1, (288, 288), 4.4, "phase")]),
    "odd-dicom/philips-repeated-positions": ("generic", [
        ("s1301-axial", "axial", False, 15, 2, (96, 96), 8.0, "component")]),
    "odd-dicom/siemens-enhanced": ("generic", [("s05-sagittal", "sagittal", False, 63, 2, (86, 86), 2.2, "phase")]),
    "odd-dicom/loose": ("generic", [("s01-axial", "axial", False, 1, 1, (64, 64), None, "phase")]),
}
PROBLEMS = {
    "prostate": {"ProstateX-0000-zones.nii.gz": "beside DICOM"},
    "knee-sagittal": {"SAG_3D_DESS_RIGHT_bones_cart_men_fib-label.nrrd": "beside DICOM"},
    "odd-dicom/loose": {
        "MR_small_bigendian.dcm": "same image as MR_small_RLE.dcm",
        "MR_small_jp2klossless.dcm": "same image as MR_small_RLE.dcm",
        "MR_small_padded.dcm": "same image as MR_small_RLE.dcm", "MR_truncated.dcm": "cut off",
        "badVR.dcm": "RTDOSE", "no_meta.dcm": "no readable header", "reportsi.dcm": "SR", "rtstruct.dcm": "RTSTRUCT"},
}


@pytest.fixture(scope="module")
def study(data):
    read = {}

    def of(name: str):
        if name not in read:
            read[name] = read_study(data(name))
        return read[name]

    return of


@pytest.mark.parametrize("name", EXPECTED)
def test_stacks_and_problems(name, study):
    anatomy, stacks = EXPECTED[name]
    found = study(name)
    assert found.anatomy == anatomy
    assert [(s.id, s.view, s.localizer, len(s.planes), s.phases, s.planes[0].shape, s.step_mm and round(s.step_mm, 3),
             s.dimension) for s in found.stacks] == [(*row[:6], row[6] and pytest.approx(row[6], abs=2e-3), row[7])
                                                     for row in stacks]
    problems = {problem.file.name: problem.reason for problem in found.problems}
    assert problems.keys() == PROBLEMS.get(name, {}).keys()
    for file, reason in PROBLEMS.get(name, {}).items():
        assert reason in problems[file]


def test_every_frame_of_every_stack_is_decoded(study):
    for name in EXPECTED:
        for stack in study(name).stacks:
            pixels = stack.pixels(stack.central, stack.phases - 1)
            assert (pixels.shape, pixels.dtype) == (stack.planes[0].shape, np.float32)
            assert np.ptp(pixels) > 0


def test_phases_follow_the_trigger_time_where_file_names_do_not(study):
    cine = study("heart-multiview").stack("s07-2CH")
    times = [frame.time_ms for frame in cine.frames[0]]
    names = [frame.source.file.name for frame in cine.frames[0]]
    assert times == sorted(times)
    assert times[0] == 0.001
    assert times[-1] == pytest.approx(1066.56, abs=0.01)
    assert names != sorted(names)


def test_unequal_numbers_of_phases_are_kept_and_said(study):
    stack, = study("heart-sunnybrook/SCD0000201").stacks
    counts = [len(stack.acquired(i)) for i in range(len(stack.planes))]
    assert (sum(counts), min(counts), max(counts)) == (83, 5, 7)
    times = [[stack.acquired(i)[k].time_ms for i in range(len(stack.planes)) if stack.has(i, k)] for k in range(7)]
    assert max(map(np.ptp, times)) < 20, "phases of one number show one moment, though four slices lack the third"
    assert any("5 to 7" in note for note in stack.notes)


def test_frames_of_reference_do_not_split_series(study):
    for name, files in (("heart-sunnybrook/SCD0000101", 240), ("heart-sunnybrook/SCD0000201", 83)):
        stack, = study(name).stacks
        assert any(f"{files} different frames of reference" in note for note in stack.notes)
    assert any("frame of reference" in note for note in study("heart-multiview").notes)


def test_confidence_tells_the_sure_from_the_doubtful(study):
    confidence = {name: [stack.naming.confidence for stack in study(name).stacks] for name in EXPECTED}
    assert min(confidence["heart-multiview"]) > 0.8
    assert max(confidence["heart-pig"]) < 0.6, "a pig's axes are not a man's"
    assert confidence["heart-sunnybrook/SCD0000101"] == [0.7], "nothing of another direction to compare with"
    reasons = " ".join(study("heart-sunnybrook/SCD0000101").stacks[0].naming.reasons)
    assert "another direction" in reasons


def test_a_tilted_gantry_keeps_its_planes(study):
    stack, = study("odd-dicom/gantrytilting").stacks
    assert not stack.is_volume()
    assert any("14.0 degrees" in note for note in stack.notes)
    z = sorted(plane.position[2] for plane in stack.planes)
    np.testing.assert_allclose(z, [-61.951915, -56.951915, -51.951915, -46.951915], atol=1e-5)


def endocardial_areas(stack, folder, name) -> list[float]:
    """Largest area within the outlines that belong to each slice's files."""
    areas = []
    for i in range(len(stack.planes)):
        found = [0.0]
        for frame in stack.acquired(i).values():
            number = int(re.sub(r"\D", "", frame.source.file.stem))
            path = folder / name.format(number)
            if path.is_file():
                x, y = np.loadtxt(path).T
                found.append(abs(x @ np.roll(y, 1) - y @ np.roll(x, 1)) / 2)
        areas.append(max(found))
    return areas


def test_short_axis_slices_count_from_base_to_apex(study, data):
    """The ventricle ends at the apex: its outlines shrink towards the last slices, whatever the order of the files."""
    for areas in (
            endocardial_areas(study("heart-pig").stack("s05-SAX"), data("heart-pig") / "contours",
                              "IM-0001-{:04d}-icontour-auto.txt"),
            *(endocardial_areas(study(f"heart-sunnybrook/{ours}").stacks[0], data("heart-sunnybrook") / "contours",
                                f"{theirs}/i-contours/IM-0001-{{:04d}}-icontour-manual.txt")
              for ours, theirs in (("SCD0000101", "SC-HF-I-1"), ("SCD0000201", "SC-HF-I-2")))):
        outlined = [area for area in areas if area > 0]
        assert outlined[-1] < 0.4 * max(outlined)
        assert np.mean(outlined[-2:]) < np.mean(outlined[:2])


def test_acdc_is_read_as_its_study_json_says(data):
    study = read_study(data("heart-acdc") / "patient001")
    assert (study.subject, study.anatomy, study.problems) == ("patient001", "heart", ())
    assert [(s.id, s.view, len(s.planes), s.phases) for s in study.stacks] == [
        ("SAX", "SAX", 10, 2), ("2CH", "2CH", 1, 1), ("4CH", "4CH", 1, 1)]
    sax = study.stack("SAX")
    assert [f.source.file.name for f in sax.frames[0]] == ["sax_frame01.nii.gz", "sax_frame12.nii.gz"]
    heights = [plane.position[2] for plane in sax.planes]
    assert heights == sorted(heights), "base to apex is +z in these files: the order is trusted, not the axis"
    assert [(label.file.name, label.stack, label.phase) for label in study.labels] == [
        ("sax_frame01.nii.gz", "SAX", 0), ("sax_frame12.nii.gz", "SAX", 1)]
    areas = [(read_labels(label, sax) == 3).sum() for label in study.labels]
    assert areas[0] > areas[1] > 0, "the first phase is the end of diastole"


def test_every_acdc_study_reads_the_same_way(data):
    folders = find_studies(data("heart-acdc"))
    assert len(folders) == 80
    for folder in folders:
        study = read_study(folder)
        assert [stack.view for stack in study.stacks] == ["SAX", "2CH", "4CH"]
        assert not study.problems
        assert len(study.labels) == study.stack("SAX").phases == 2


def test_studies_are_found_in_the_whole_data_folder(data):
    root = data("heart-pig").parent
    found = {str(path.relative_to(root)) for path in find_studies(root) if "heart-acdc" not in path.parts}
    assert found == {
        "heart-multiview", "heart-pig", "heart-sunnybrook/SCD0000101", "heart-sunnybrook/SCD0000201", "knee-sagittal",
        "prostate", "odd-dicom/gantrytilting/001", "odd-dicom/loose", "odd-dicom/philips-repeated-positions",
        "odd-dicom/siemens-enhanced", "odd-dicom/sliceorientation/001"}


def test_the_knee_is_a_right_one_by_its_place(data):
    study = read_study(data("knee-sagittal"), anatomy="knee")
    stack, = study.stacks
    assert any(note.startswith("the right knee, from the images' place") for note in study.notes)
    x = [plane.centre[0] for plane in stack.planes]
    assert x == sorted(x, reverse=True), "medial to lateral is towards the right in a right knee"


def test_the_document_of_the_command(study):
    document = describe(study("heart-multiview"))
    assert list(document) == ["subject", "anatomy", "stacks", "problems", "notes", "labels"]
    stack = document["stacks"][2]
    assert list(stack) == [
        "id", "series", "description", "view", "sequence", "side", "localizer", "confidence", "reasons", "slices",
        "phases", "dimension", "rows", "columns", "spacing", "step", "planes", "notes"]
    assert (stack["series"], stack["description"]) == ("5", "trufi_short-axis")
    assert (stack["rows"], stack["columns"]) == (192, 176)
    assert stack["spacing"] == [1.875, 1.875]
    assert stack["step"] == pytest.approx(12)
    np.testing.assert_allclose(stack["planes"][0]["row"], [0.684547, 0.728969, 0], atol=1e-6)
    assert len(stack["planes"]) == 8
    assert document["stacks"][0]["step"] is None
