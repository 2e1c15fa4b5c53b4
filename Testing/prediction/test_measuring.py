"""Measures against values worked out by hand, and against the areas of the polygons that people drew."""
from __future__ import annotations

import csv
import json
from collections import defaultdict
from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from matplotlib.path import Path as Outline

from PlaneSSLLib import PlaneSSLError, anatomy, calls
from PlaneSSLLib.geometry import Plane
from PlaneSSLLib.phantom import write_phantoms
from PlaneSSLLib.prediction.measuring import measure, measure_stack, rows, slice_widths, write
from PlaneSSLLib.prediction.results import Results, SegmentedStack
from PlaneSSLLib.study import Frame, Naming, Stack, Study, read_study

HEART = anatomy.load("heart")
RV, MYO, LV = (label.value for label in HEART.labels)


def stack(places=(0, 10, 20), phases=(3, 3, 3), thickness=6.0, spacing=(2.0, 1.5)) -> Stack:
    """Slices at these mm along their normal."""
    return Stack("sax", tuple(Plane((0, 0, z), (1, 0, 0), (0, 1, 0), spacing, (20, 20)) for z in places),
                 tuple(tuple(Frame(None, 25.0 * k) for k in range(count)) for count in phases), Naming("SAX", 1.0),
                 thickness_mm=thickness)


def labels(*counts: dict[int, int] | None) -> tuple:
    """One label image a slice, with so many pixels of each value."""
    images = []
    for of_slice in counts:
        image = np.zeros(400, np.uint8)
        image[: sum((of_slice or {}).values())] = np.repeat(list(of_slice or {}), list((of_slice or {}).values()))
        images.append(None if of_slice is None else image.reshape(20, 20))
    return tuple(images)


def test_volumes_ejection_and_mass_by_hand():
    # A pixel of 2.0 x 1.5 mm in a slice 10 mm wide is 0.03 ml.
    phases = (labels({LV: 100, MYO: 50, RV: 20}, {LV: 100, MYO: 50, RV: 60}, {LV: 50, MYO: 20}),
              labels({LV: 40, MYO: 60, RV: 70}, {LV: 40, MYO: 60}, {LV: 20}),
              labels({LV: 80, RV: 20}, {LV: 80, RV: 20}, {LV: 40}))
    found = measure_stack(SegmentedStack(stack(), (0, 1, 2), phases), HEART.labels)
    assert found["volumes_ml"] == {"RV": pytest.approx([2.4, 2.1, 1.2]), "MYO": pytest.approx([3.6, 3.6, 0]),
                                   "LV": pytest.approx([7.5, 3.0, 6.0])}
    assert found["cavities"]["LV"] == pytest.approx({
        "ed_phase": 0, "es_phase": 1, "edv_ml": 7.5, "esv_ml": 3.0, "sv_ml": 4.5, "ef_percent": 60.0})
    assert (found["cavities"]["RV"]["ed_phase"], found["cavities"]["RV"]["es_phase"]) == (0, 2)
    assert found["cavities"]["RV"]["ef_percent"] == pytest.approx(50.0)
    assert found["masses_g"] == {"MYO": pytest.approx(3.6 * 1.05)} and found["mass_phase"] == 0
    assert found["times_ms"] == [0, 25, 50] and found["notes"] == []


@pytest.mark.parametrize(("step", "told"), [(6, 0), (10, 0), (24, 1)])
def test_what_lies_between_slices_far_apart_is_said_to_be_guessed(step, told):
    few = stack((0, step, 2 * step), (1, 1, 1))
    found = measure_stack(SegmentedStack(few, (0,), (labels({LV: 9}, {LV: 9}, {LV: 9}),)), HEART.labels)
    assert sum("apart: what lies between them is guessed" in note for note in found["notes"]) == told


@pytest.mark.parametrize(("places", "widths"), [
    ((0, 10, 20), (10, 10, 10)), ((20, 10, 0), (10, 10, 10)), ((0, 4, 10, 20), (4, 5, 8, 10)), ((0, 7), (7, 7)),
    ((3,), (6,))])
def test_a_slice_is_as_wide_as_half_the_way_to_its_neighbours(places, widths):
    np.testing.assert_allclose(slice_widths(stack(places, [1] * len(places))), widths)


@pytest.mark.parametrize(("volumes", "es_phase", "ef_percent"), [
    ([100, 0, 60], 2, 40.0), ([100, 0, 0], 0, None), ([0, 0, 0], 0, None), ([100, 60, 0], 1, 40.0)])
def test_a_phase_in_which_a_cavity_was_not_found_is_no_end_systole(volumes, es_phase, ef_percent):
    """It would have ejected all its blood, the very figure that one looks at."""
    phases = tuple(labels({LV: count}, {}, {}) for count in volumes)
    found = measure_stack(SegmentedStack(stack(), (0, 1, 2), phases), HEART.labels)
    assert (found["cavities"]["LV"]["es_phase"], found["cavities"]["LV"]["ef_percent"]) == (
        es_phase, ef_percent and pytest.approx(ef_percent))
    assert any("outlined nowhere" in note for note in found["notes"]) == (max(volumes) > 0)


def test_a_single_slice_has_no_ejection_and_says_so():
    one = SegmentedStack(stack((0,), (2,)), (0, 1), (labels({LV: 100}), labels({LV: 50})))
    found = measure_stack(one, HEART.labels)
    assert found["volumes_ml"]["LV"] == pytest.approx([1.8, 0.9])
    assert found["cavities"] == {} and found["masses_g"] == {} and found["mass_phase"] is None
    assert any("one slice" in note for note in found["notes"])


def test_a_phase_that_a_slice_lacks_is_not_measured():
    phases = (labels({LV: 90}, {LV: 90}, {LV: 90}), labels({LV: 50}, {LV: 50}, {LV: 50}), labels({LV: 9}, None, {}))
    found = measure_stack(SegmentedStack(stack(phases=(3, 2, 3)), (0, 1, 2), phases), HEART.labels)
    assert found["volumes_ml"]["LV"][2] is None
    assert found["cavities"]["LV"]["es_phase"] == 1
    assert any("1 of 3 phases" in note for note in found["notes"])


def test_an_empty_result_has_no_fraction():
    found = measure_stack(SegmentedStack(stack(), (0, 1), (labels({}, {}, {}),) * 2), HEART.labels)
    assert found["cavities"]["LV"]["ef_percent"] is None and found["masses_g"]["MYO"] == 0


def test_phases_keep_their_numbers():
    found = measure_stack(SegmentedStack(stack(), (2, 0), (labels({LV: 9}, {}, {}), labels({LV: 99}, {}, {}))),
                          HEART.labels)
    assert (found["cavities"]["LV"]["ed_phase"], found["cavities"]["LV"]["es_phase"]) == (0, 2)
    assert found["times_ms"] == [50, 0]


@pytest.mark.parametrize(("name", "code", "found"), [
    ("LV", "", 3), ("left ventricle", "", 3), ("whatever", "~SCT^87878005^Left ventricle~", 3), ("Aorta", "", None)])
def test_segments_are_known_by_code_name_or_title_and_others_are_refused(tmp_path, name, code, found):
    labels = np.zeros((3, 8, 8), np.uint8)
    labels[1, 2:5, 2:5] = 7
    image = sitk.GetImageFromArray(labels)
    for key, value in {"ID": "Segment_1", "Name": name, "LabelValue": "7", "Tags": f"TerminologyEntry:{code}|"}.items():
        image.SetMetaData(f"Segment0_{key}", value)
    sitk.WriteImage(image, str(tmp_path / "x.seg.nrrd"))
    if found is None:
        with pytest.raises(PlaneSSLError, match=r"'Aorta' of .* is no structure of the anatomy 'heart'"):
            calls.measure(tmp_path / "x.seg.nrrd", anatomy="heart")
        return
    measured = calls.measure(tmp_path / "x.seg.nrrd", anatomy="heart")["stacks"][0]["volumes_ml"]
    assert measured == {"RV": [0], "MYO": [0], "LV": [pytest.approx(0.009)]}


def test_phases_of_a_lone_label_map_that_nobody_outlined_are_no_empty_hearts(tmp_path):
    labels = np.zeros((5, 3, 8, 8), np.uint8)
    labels[1, :, 2:6, 2:6], labels[3, :, 3:5, 2:6] = 3, 3
    sitk.WriteImage(sitk.GetImageFromArray(labels, isVector=False), str(tmp_path / "cine_gt.nii.gz"))
    found = calls.measure(tmp_path / "cine_gt.nii.gz", anatomy="heart")["stacks"][0]["cavities"]["LV"]
    assert (found["ed_phase"], found["es_phase"], found["ef_percent"]) == (1, 3, 50)


def test_values_that_the_anatomy_does_not_know_are_refused(tmp_path):
    image = sitk.GetImageFromArray(np.full((3, 8, 8), 9, np.uint8))
    sitk.WriteImage(image, str(tmp_path / "x.nii.gz"))
    with pytest.raises(PlaneSSLError, match=r"holds the values \[9\]"):
        calls.measure(tmp_path / "x.nii.gz", anatomy="heart")


def test_files_hold_what_was_measured(tmp_path):
    one = SegmentedStack(stack(), (0, 1), (labels({LV: 90}, {LV: 90}, {LV: 90}), labels({LV: 50}, {}, {})))
    document = measure(Results(Study(Path("s"), "nobody", "heart", (one.stack,)), HEART, (one,)))
    write(document, tmp_path / "m.json")
    assert json.loads((tmp_path / "m.json").read_text()) == document
    write(document, tmp_path / "m.csv")
    with open(tmp_path / "m.csv", newline="") as file:
        read = list(csv.DictReader(file))
    assert len(read) == len(list(rows(document)))
    (fraction,) = [row for row in read if row["measure"] == "ejection fraction" and row["structure"] == "LV"]
    assert float(fraction["value"]) == pytest.approx(100 * (270 - 50) / 270) and fraction["unit"] == "%"
    with pytest.raises(PlaneSSLError, match=r"\.json or \.csv"):
        write(document, tmp_path / "m.xlsx")


def polygons(folder: Path, kind: str) -> dict[str, np.ndarray]:
    """Image number -> (n, 2) outline in pixels (column, row)."""
    return {file.name[8:12]: np.loadtxt(file) for file in folder.rglob(f"IM-0001-*-{kind}contour-*.txt")}


def shoelace(outline: np.ndarray) -> float:
    x, y = outline.T
    return abs(np.sum(x * np.roll(y, -1) - y * np.roll(x, -1))) / 2


def filled(outline: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """(rows, columns) bool: the pixels whose centres lie within."""
    inside = np.zeros(shape, bool)
    outline = outline + 1e-6  # a centre on the line belongs to one side of it
    low, high = np.floor(outline.min(0)).astype(int), np.ceil(outline.max(0)).astype(int) + 1
    rows_, columns = np.mgrid[low[1]:high[1], low[0]:high[0]]
    inside[rows_, columns] = Outline(outline).contains_points(
        np.stack([columns, rows_], axis=-1).reshape(-1, 2)).reshape(rows_.shape)
    return inside


def image_file(folder: Path, number: str) -> Path:
    return next(path for path in (folder / f"I{number}.dcm", folder / f"{int(number)}.dcm") if path.is_file())


def slice_volume_ml(files: list[Path]) -> float:
    """ml that one square pixel of an evenly spaced stack stands for, from the headers alone."""
    headers = [pydicom.dcmread(file, stop_before_pixels=True) for file in files]
    normal = np.cross(headers[0].ImageOrientationPatient[:3], headers[0].ImageOrientationPatient[3:])
    places = sorted({round(float(np.dot(header.ImagePositionPatient, normal)), 2) for header in headers})
    assert np.ptp(np.diff(places)) < 0.05
    step = (places[-1] - places[0]) / (len(places) - 1)
    return float(np.prod(headers[0].PixelSpacing) * step / 1000)


def measured(folder: Path, outlines: dict[str, list[tuple[int, np.ndarray]]]) -> tuple[dict, dict[str, int]]:
    """`measure_stack` of a series in which outlines are filled, later ones over earlier; image number -> phase."""
    (found,) = read_study(folder).stacks
    place = {frame.source.file: (i, k) for i in range(len(found.planes)) for k, frame in found.acquired(i).items()}
    places = {number: place[image_file(folder, number)] for number in outlines}
    phases = sorted({k for _, k in places.values()})
    maps = [[np.zeros(plane.shape, np.uint8) for plane in found.planes] for _ in phases]
    for number, (i, k) in places.items():
        for value, outline in outlines[number]:
            maps[phases.index(k)][i][filled(outline, found.planes[i].shape)] = value
    segmented = SegmentedStack(found, tuple(phases), tuple(map(tuple, maps)))
    return measure_stack(segmented, HEART.labels), {number: k for number, (_, k) in places.items()}


def require_volumes(document: dict, structure: str, areas: dict[str, float], phase_of: dict[str, int], ml: float,
                    ) -> dict[int, float]:
    """Within 1 % the areas times the volume of a pixel, in every phase; returns that, phase -> ml."""
    expected: dict[int, float] = defaultdict(float)
    for number, area in areas.items():
        expected[phase_of[number]] += area * ml
    for phase, volume in expected.items():
        assert document["volumes_ml"][structure][document["phases"].index(phase)] == pytest.approx(volume, rel=0.01)
    return expected


@pytest.mark.parametrize(("subject", "contours"), [("SCD0000101", "SC-HF-I-1"), ("SCD0000201", "SC-HF-I-2")])
def test_manual_contours_of_people_measure_as_their_polygons_do(data, subject, contours):
    folder = data("heart-sunnybrook") / subject
    inner, outer = (polygons(folder.parent / "contours" / contours, kind) for kind in "io")
    document, phase_of = measured(folder, {
        number: [*((MYO, outer[n]) for n in (number,) if n in outer), (LV, inner[number])] for number in inner})
    ml = slice_volume_ml(list(folder.iterdir()))
    volumes = require_volumes(document, "LV", {n: shoelace(o) for n, o in inner.items()}, phase_of, ml)
    walls = require_volumes(document, "MYO", {n: shoelace(outer[n]) - shoelace(inner[n]) for n in outer}, phase_of, ml)
    full, empty = max(volumes, key=volumes.get), min(volumes, key=volumes.get)
    cavity = document["cavities"]["LV"]
    assert len(volumes) == 2 and (cavity["ed_phase"], cavity["es_phase"]) == (full, empty)
    assert cavity["ef_percent"] == pytest.approx(100 * (1 - volumes[empty] / volumes[full]), rel=0.01)
    assert document["masses_g"]["MYO"] == pytest.approx(1.05 * walls[full], rel=0.01)


@pytest.mark.parametrize("kind", "io")  # one at a time: drawn by a program, the inner outlines leave the outer ones
def test_contours_of_every_phase_of_a_pig_measure_as_their_polygons_do(data, kind):
    folder = data("heart-pig")
    outlines = polygons(folder / "contours", kind)
    document, phase_of = measured(folder / "sax", {number: [(LV, outline)] for number, outline in outlines.items()})
    ml = slice_volume_ml(list((folder / "sax").iterdir()))
    volumes = require_volumes(document, "LV", {n: shoelace(o) for n, o in outlines.items()}, phase_of, ml)
    cavity = document["cavities"]["LV"]
    assert len(volumes) == 10
    assert cavity["edv_ml"] == pytest.approx(max(volumes.values()), rel=0.01)
    assert cavity["esv_ml"] == pytest.approx(min(volumes.values()), rel=0.01)


def test_the_labels_of_a_made_up_heart_measure_as_the_heart_itself(tmp_path):
    (folder,) = write_phantoms("heart", 1, 3, tmp_path / "phantoms", phases=2)
    truth = json.loads((folder / "truth.json").read_text())["volumes_ml"]
    (found,) = [one for one in calls.measure(folder)["stacks"] if one["view"] == "SAX"]
    for name, volumes in found["volumes_ml"].items():  # slices of 10 mm see the ends of a ventricle as steps
        assert volumes == pytest.approx([phase[name] for phase in truth], rel=0.06)
    fraction = 100 * (1 - truth[1]["LV"] / truth[0]["LV"])
    assert found["cavities"]["LV"]["ef_percent"] == pytest.approx(fraction, abs=2)
    assert found["masses_g"]["MYO"] == pytest.approx(1.05 * truth[0]["MYO"], rel=0.03)
