"""What is on disk agrees with the phantom, with itself, and with other readers of DICOM."""
from __future__ import annotations

import json
from itertools import combinations

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk

from PlaneSSLLib import anatomy
from PlaneSSLLib.phantom import make_study
from PlaneSSLLib.phantom.heart import contraction_at
from PlaneSSLLib.study import read_study


def headers(folder) -> dict[int, list[pydicom.Dataset]]:
    """Series number -> headers in the order of the slice's place along the normal, then of the phase."""
    series: dict[int, list] = {}
    for file in sorted(folder.rglob("*.dcm")):
        header = pydicom.dcmread(file)
        series.setdefault(int(header.SeriesNumber), []).append(header)
    for images in series.values():
        normal = axes(images[0])[2]
        if all(np.allclose(axes(image)[2], normal) for image in images):
            images.sort(key=lambda image: (
                round(float(np.array(image.ImagePositionPatient, float) @ normal), 3), image.get("TriggerTime", 0)))
    return series


def axes(image) -> np.ndarray:
    row, column = np.array(image.ImageOrientationPatient, float).reshape(2, 3)
    return np.stack([row, column, np.cross(row, column)])


def truth(folder) -> dict:
    return json.loads((folder / "truth.json").read_text())


def label_files(folder) -> list[dict]:
    return json.loads((folder / "study.json").read_text())["labels"]


def test_headers_are_those_of_one_study(folder):
    images = [image for series in headers(folder).values() for image in series]
    assert len({image.SOPInstanceUID for image in images}) == len(images)
    assert len({image.FrameOfReferenceUID for image in images}) == 1
    assert len({image.StudyInstanceUID for image in images}) == 1
    assert len({image.SeriesInstanceUID for image in images}) == len(truth(folder)["series"])
    for image in images:
        assert image.file_meta.MediaStorageSOPInstanceUID == image.SOPInstanceUID
        assert all(uid.is_valid for uid in (image.SOPInstanceUID, image.SeriesInstanceUID, image.StudyInstanceUID))
        assert image.pixel_array.shape == (image.Rows, image.Columns)
        assert image.pixel_array.max() < 2**image.BitsStored
        assert image.PatientName.family_name == "Phantom"
        pydicom.dataset.Dataset.from_json(image.to_json())  # every value is legal in its representation


def test_headers_tell_the_organ_and_the_side(heart_folder, knee_folder):
    heart, knee = (headers(folder) for folder in (heart_folder, knee_folder))
    assert {image.BodyPartExamined for images in heart.values() for image in images} == {"HEART"}
    side = truth(knee_folder)["parameters"]["side"]
    assert {image.Laterality for images in knee.values() for image in images} == {side}
    cine = heart[8]
    assert {int(image.CardiacNumberOfImages) for image in cine} == {4}
    assert sorted({float(image.TriggerTime) for image in cine}) == [0.0, 225.0, 450.0, 675.0]


def test_simpleitk_reads_the_stacks_on_the_grid_of_their_labels(folder):
    for entry in label_files(folder):
        if entry["phase"] != 0:
            continue
        label = sitk.ReadImage(str(folder / entry["file"]))
        files = [image for image in folder.rglob("*.dcm")
                 if (header := pydicom.dcmread(image, stop_before_pixels=True)).SeriesInstanceUID == entry["series"]
                 and header.get("TriggerTime", 0) == 0]
        by_place = sorted(files, key=lambda file: (
            np.array((h := pydicom.dcmread(file, stop_before_pixels=True)).ImagePositionPatient, float) @ axes(h)[2]))
        read = sitk.ReadImage([str(file) for file in by_place])
        assert read.GetSize() == label.GetSize()
        assert np.allclose(read.GetOrigin(), label.GetOrigin(), atol=1e-3)
        assert np.allclose(read.GetDirection(), label.GetDirection(), atol=1e-5)
        compared = 3 if len(files) > 1 else 2  # one slice has no step
        assert np.allclose(read.GetSpacing()[:compared], label.GetSpacing()[:compared], atol=1e-4)


def test_a_pixel_is_labelled_as_the_tissue_at_its_centre(heart_folder):
    study = make_study("heart", 11, 0)
    rng = np.random.default_rng(0)
    for entry in label_files(heart_folder)[::3]:
        label = sitk.ReadImage(str(heart_folder / entry["file"]))
        values = sitk.GetArrayFromImage(label)
        picked = rng.permutation(np.argwhere(values > 0))[:40]
        picked = np.concatenate([picked, rng.permutation(np.argwhere(values == 0))[:40]])
        points = [label.TransformIndexToPhysicalPoint(index[::-1].tolist()) for index in picked]
        expected = study.organ.labels[study.organ.tissue(points, contraction_at(entry["phase"], 4))]
        found = values[tuple(picked.T)]
        assert (found == expected).mean() > 0.97, "only points within float precision of a surface may differ"


def test_the_same_point_has_the_same_label_in_crossing_images(folder):
    first = [entry for entry in label_files(folder) if entry["phase"] == 0]
    number = {series["uid"]: series["number"] for series in truth(folder)["series"]}
    maps = {number[entry["series"]]: sitk.ReadImage(str(folder / entry["file"])) for entry in first}
    same = []
    for line in truth(folder)["lines"]:
        ends = [line[side] for side in ("first", "second")]
        if not all(end["series"] in maps for end in ends):
            continue
        for point in np.linspace(*line["lps"], 60)[1:-1]:
            seen = []
            for end in ends:
                image = maps[end["series"]]
                index = image.TransformPhysicalPointToIndex(point.tolist())
                assert index[2] == end["slice"] or image.GetSize()[2] == 1
                seen.append(image[index])
            if any(seen):
                same.append(seen[0] == seen[1])
    assert len(same) > 300
    assert np.mean(same) > 0.85, "half a pixel either way, at the borders only"


def test_true_lines_lie_on_both_planes_and_inside_both_images(folder):
    series = headers(folder)
    phases = {one["number"]: one["phases"] for one in truth(folder)["series"]}
    lines = truth(folder)["lines"]
    crossing = {tuple(sorted((line["first"]["series"], line["second"]["series"]))) for line in lines}
    views = {one["number"]: one["view"] for one in truth(folder)["series"]}
    named = [number for number, view in views.items() if view]
    assert crossing >= {pair for pair in combinations(sorted(named), 2) if views[pair[0]] != views[pair[1]]}
    for line in lines:
        on_a_border = []
        for end in (line["first"], line["second"]):
            image = series[end["series"]][end["slice"] * phases[end["series"]]]
            offset = np.array(line["lps"]) - np.array(image.ImagePositionPatient, float)
            column, row, off = axes(image) @ offset.T
            assert np.abs(off).max() < 1e-6
            places = np.stack([row / float(image.PixelSpacing[0]), column / float(image.PixelSpacing[1])], axis=1)
            last = np.array([image.Rows, image.Columns]) - 0.5
            assert (places > -0.5 - 1e-6).all() and (places < last + 1e-6).all()
            on_a_border.append((np.abs(np.stack([places + 0.5, places - last])) < 1e-6).any((0, 2)))
        assert np.logical_or(*on_a_border).all(), "a line ends only where an image ends"


def test_the_reader_finds_the_true_views_phases_and_labels(folder):
    study, true = read_study(folder), truth(folder)
    assert study.anatomy == true["anatomy"] and not study.problems
    assert len(study.labels) == len(label_files(folder))
    series = {str(one["number"]): one for one in true["series"]}
    for stack in study.stacks:
        expected = series[stack.series]
        assert stack.phases == expected["phases"] and stack.localizer == expected["localizer"]
        assert expected["view"] in (None, stack.view)


def test_label_values_and_classes_are_those_of_the_anatomy(folder):
    model = anatomy.load(truth(folder)["anatomy"])
    found = set()
    for entry in label_files(folder):
        found |= set(np.unique(sitk.GetArrayFromImage(sitk.ReadImage(str(folder / entry["file"])))).tolist())
    assert found == {0, *(label.value for label in model.labels)}
    assert set(json.loads((folder / "study.json").read_text())["classes"]) == set(model.classes)


def test_labelled_hearts_beat(heart_folder):
    volumes = []
    entries = [entry for entry in label_files(heart_folder) if entry["file"].startswith("labels/8_")]
    for entry in sorted(entries, key=lambda entry: entry["phase"]):
        label = sitk.ReadImage(str(heart_folder / entry["file"]))
        volumes.append((sitk.GetArrayFromImage(label) == 3).sum() * np.prod(label.GetSpacing()) / 1000)
    counted = [phase["LV"] for phase in truth(heart_folder)["volumes_ml"]]
    assert volumes == pytest.approx(counted, rel=0.10), "the short-axis stack covers the ventricle"
    assert volumes[1] < 0.9 * volumes[0] and volumes[3] > volumes[1]
