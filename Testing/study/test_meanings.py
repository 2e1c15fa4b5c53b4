"""What the values of label maps stand for, where they are not the anatomy's: said by a user, by names, by what lies in
what.
"""
from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from Testing.made_up_study import write_study

from PlaneSSLLib import PlaneSSLError, calls
from PlaneSSLLib.anatomy import load
from PlaneSSLLib.cli import main
from PlaneSSLLib.cohort import Cohort, prepare
from PlaneSSLLib.files import read_json, write_json
from PlaneSSLLib.study import read_patient
from PlaneSSLLib.study.meanings import label_values

HEART, FILE = load("heart"), Path("map.nii.gz")
MMS = {1: "LV", 2: "MYO", 3: "RV"}  # as M&Ms numbers them


def heart_map(lv: int = 3, myo: int = 2, rv: int = 1, gap: int = 0) -> np.ndarray:
    """(slices, rows, columns): a cavity in a wall, `gap` rows of it open, another cavity beside it."""
    labels = np.zeros((4, 40, 50), np.uint8)
    labels[:, 5:35, 20:48] = myo
    labels[:, 10:30, 26:42] = lv
    labels[:, 30 - gap: 35, 26:42] = lv if gap else myo
    labels[:, 8:32, 5:20] = rv
    return labels


def values_of(labels, names=None):
    return label_values(labels, FILE, HEART, names or {})


def test_values_that_are_said_are_believed():
    np.testing.assert_array_equal(values_of(heart_map(lv=1, rv=3), MMS), heart_map())
    scar = heart_map(lv=1, rv=0)
    scar[1:3, 32:35, 20:30] = 7  # a scar in the wall
    found = values_of(scar, {1: "LV cavity", 2: "myocardium", 7: "MYO", 9: " Background"})
    np.testing.assert_array_equal(found, heart_map(rv=0))
    with pytest.raises(PlaneSSLError, match=r"holds the values \[3\], and only what 1 LV, 2 MYO stand for was said"):
        values_of(heart_map(lv=1, rv=3), {1: "LV", 2: "MYO"})
    with pytest.raises(PlaneSSLError, match="value 1 of label maps is said to be 'left atrium', which is no structure"):
        values_of(heart_map(), {1: "left atrium", 2: "MYO", 3: "LV"})
    with pytest.raises(PlaneSSLError, match="value 0 of label maps is said"):
        values_of(heart_map(), {0: "RV", **MMS})


@pytest.mark.parametrize(("labels", "surrounds"), [
    (heart_map(), None), (heart_map(gap=1), None), (heart_map(lv=0), None), (heart_map(rv=0), None),
    (heart_map()[:, 20:], None), (np.zeros((2, 8, 8), np.uint8), None),
    (heart_map(lv=1, rv=3), "1 (RV)"), (heart_map(lv=1, rv=3, gap=1), "1 (RV)"), (heart_map(lv=1, rv=0), "1 (RV)")])
def test_what_lies_in_the_wall_is_the_left_ventricle(labels, surrounds):
    if surrounds is None:
        np.testing.assert_array_equal(values_of(labels), labels)
        return
    with pytest.raises(PlaneSSLError) as refused:
        values_of(labels)
    assert f"2 (MYO) surrounds {surrounds}, where 3 (LV) is expected" in str(refused.value)
    assert "--labels '1=LV,2=MYO,3=RV'" in str(refused.value)


def test_a_scar_is_not_taken_for_the_cavity():
    """EMIDEC: 1 cavity, 2 wall, 3 infarct, which begins beneath the cavity."""
    labels = heart_map(lv=1, rv=0)
    labels[:, 28:33, 26:40] = 3
    with pytest.raises(PlaneSSLError, match=r"surrounds 1 \(RV\).*If they are right.*--labels '1=RV,2=MYO,3=LV'"):
        values_of(labels)


def test_segments_are_what_they_are_named_whatever_is_said_of_values(tmp_path):
    """One map of many may have been corrected in Slicer, which numbers segments as they were drawn."""
    image = sitk.GetImageFromArray(heart_map(lv=2, myo=1, rv=3))
    for n, (name, value) in enumerate((("MYO", 1), ("LV", 2), ("RV", 3))):
        for key, text in (("ID", name), ("Name", name), ("LabelValue", str(value)), ("Layer", "0")):
            image.SetMetaData(f"Segment{n}_{key}", text)
    sitk.WriteImage(image, str(tmp_path / "x.seg.nrrd"))
    np.testing.assert_array_equal(
        label_values(sitk.GetArrayFromImage(image), tmp_path / "x.seg.nrrd", HEART, MMS), heart_map())


def test_what_segments_are_named_is_not_doubted():
    """By names there is nothing to mistake, be it of a heart that nobody has seen before."""
    odd = {1: "RV", 2: "MYO", 3: "LV"}
    np.testing.assert_array_equal(values_of(heart_map(lv=1, rv=3), odd), heart_map(lv=1, rv=3))


def test_values_no_anatomy_has_come_with_the_way_out():
    with pytest.raises(PlaneSSLError, match=r"values \[200, 500\].*it has 1 RV, 2 MYO, 3 LV\. Say what.*--labels"):
        values_of(np.array([[0, 200], [500, 500]], np.int16))
    assert values_of(np.array([[0, 200], [500, 500]], np.int16), {200: "MYO", 500: "LV"}).tolist() == [[0, 2], [3, 3]]


@pytest.mark.parametrize("name", ["left ventricle", "LVC", "lv_cavity", "LV blood-pool", "left ventricular cavity"])
def test_structures_go_by_several_names(name):
    assert HEART.structure(name).name == "LV"


@pytest.fixture
def swapped(tmp_path):
    """Two studies with labels numbered as M&Ms does it."""
    for seed in range(2):
        folder = write_study(tmp_path / "data" / f"s{seed}", seed, phases=2)
        for file in (folder / "labels").iterdir():
            image = sitk.ReadImage(str(file))
            sitk.WriteImage(sitk.ChangeLabel(image, {1: 3, 3: 1}), str(file))
    return tmp_path / "data"


def test_a_cohort_remembers_what_was_said(swapped, tmp_path):
    first = prepare([swapped], "heart", tmp_path / "c")
    assert first["prepared"] == 0
    assert all("numbered otherwise" in left["reason"] for left in first["left_out"])
    assert main(["prepare", str(swapped), "--anatomy", "heart", "--out", str(tmp_path / "c"),
                 "--labels", "1=LV, 2=MYO,3=RV"]) == 0
    before = [study.outlines() for study in Cohort(tmp_path / "c").studies.values()]
    again = prepare([swapped], "heart", tmp_path / "c")
    assert (again["prepared"], again["notes"]) == (2, [])
    right = write_study(tmp_path / "right", 0, phases=2)
    (note,) = prepare([right], "heart", tmp_path / "wrong", label_values=MMS)["notes"]
    assert "2 (MYO) surrounds 1 (RV), where 3 (LV) is expected: look whether what was said" in note
    assert [study.outlines() for study in Cohort(tmp_path / "c").studies.values()] == before
    prepare([right], "heart", tmp_path / "d")
    (expected,) = Cohort(tmp_path / "d").studies.values()
    assert expected.outlines() in before


def test_a_study_json_says_it_for_itself(swapped, tmp_path):
    write_json(swapped / "s0" / "study.json",
               {**read_json(swapped / "s0" / "study.json"), "label_values": {"1": "LV", "2": "MYO", "3": "RV"}})
    assert [label.names for label in read_patient(swapped / "s0").labels] == [MMS, MMS]
    by_name = calls.measure(swapped / "s0")
    assert calls.measure(swapped / "s1", label_values=MMS)["stacks"][0]["cavities"].keys() == {"RV", "LV"}
    with pytest.raises(PlaneSSLError, match="numbered otherwise"):
        calls.measure(swapped / "s1")
    assert by_name == calls.measure(write_study(tmp_path / "right", 0, phases=2))
    for wrong in ([1, 2], {"one": "LV"}, {"1": 3}, {"²": "LV"}):
        write_json(swapped / "s1" / "study.json",
                   {**read_json(swapped / "s1" / "study.json"), "label_values": wrong})
        assert any("label_values" in problem.reason for problem in read_patient(swapped / "s1").problems)


def test_a_case_of_a_data_set_is_measured_by_its_names(tmp_path):
    """Its image leads to its labels, and these to the names that the data set has for them."""
    names = {"background": 0, "LV cavity": 1, "LV myocardium": 2, "RV cavity": 3}
    (tmp_path / "dataset.json").write_text(json.dumps({"labels": names}))
    for name, pixels in (("imagesTr/A_0000", 50 * heart_map().astype(np.int16)),
                         ("labelsTr/A", heart_map(lv=1, rv=3)), ("elsewhere/A", heart_map())):
        (tmp_path / name).parent.mkdir()
        sitk.WriteImage(sitk.GetImageFromArray(pixels), str(tmp_path / f"{name}.nii.gz"))

    def volumes(document: dict) -> dict:
        return document["stacks"][0]["volumes_ml"]

    expected = volumes(calls.measure(tmp_path / "elsewhere" / "A.nii.gz", anatomy="heart"))
    for source in (tmp_path / "labelsTr" / "A.nii.gz", tmp_path / "imagesTr" / "A_0000.nii.gz"):
        assert volumes(calls.measure(source, anatomy="heart")) == expected
    assert volumes(calls.measure(tmp_path / "labelsTr" / "A.nii.gz")) == expected
    (tmp_path / "dataset.json").write_text(json.dumps({"labels": {"background": 0, "left atrium": 1}}))
    with pytest.raises(PlaneSSLError, match="1 left atrium, which are neither all the names nor the values"):
        calls.measure(tmp_path / "labelsTr" / "A.nii.gz", anatomy="heart")


@pytest.mark.parametrize("wrong", ["LV", "1=", "=LV", "a=LV", "1=LV,,2=MYO", "1=LV,1=RV", "²=LV"])
def test_an_option_that_says_nothing_is_wrong_use(wrong, capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["measure", "x.nii.gz", "--labels", wrong])
    assert stopped.value.code == 2
    assert "VALUE=NAME" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["WALL", "LV"])
def test_what_surrounds_a_structure_is_another_one(tmp_path, name):
    page = HEART.file.read_text(encoding="utf-8").replace('surrounded_by = "MYO"', f'surrounded_by = "{name}"')
    (tmp_path / "heart.toml").write_text(page, encoding="utf-8")
    line = page.split("\n").index(next(one for one in page.split("\n") if one.startswith("surrounded_by"))) + 1
    with pytest.raises(PlaneSSLError, match=rf"line {line}: \[label 3\] surrounded_by: .* no other label '{name}'"):
        load(tmp_path / "heart.toml")


def test_an_anatomy_without_structures_learns_from_planes_whatever_is_outlined(tmp_path):
    write_study(tmp_path / "s", 1)
    document = read_json(tmp_path / "s" / "study.json")
    write_json(tmp_path / "s" / "study.json", {**document, "anatomy": "generic"})
    done = prepare([tmp_path / "s"], "generic", tmp_path / "c")
    assert (done["prepared"], done["labelled"]) == (1, 0)
