"""Naming views: from directions first, with words as evidence."""
from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation
from Testing.prediction.geometries import volume

from PlaneSSLLib import PlaneSSLError
from PlaneSSLLib import anatomy as anatomies
from PlaneSSLLib.anatomy.wording import mentions, says
from PlaneSSLLib.geometry import Plane
from PlaneSSLLib.study import Naming, Stack, read_study, reading
from PlaneSSLLib.study.localizers import are_localizers
from PlaneSSLLib.study.recognition import recognise
from PlaneSSLLib.study.views import counting_direction, name_views

HEART = anatomies.load("heart")


def stack(normal, slices: int = 1, description: str = "", phases: int = 1, series: str = "1", **changes) -> Stack:
    normal = np.array(normal, dtype=float) / np.linalg.norm(normal)
    row = np.cross(normal, np.eye(3)[np.abs(normal).argmin()])
    row /= np.linalg.norm(row)
    planes = tuple(Plane(5.0 * k * normal, row, np.cross(normal, row), (1, 1), (9, 9)) for k in range(slices))
    return Stack("", planes, tuple((None,) * phases for _ in planes), Naming("", 0), description=description,
                 series=series, **changes)


def views(stacks, anatomy=HEART, **named) -> list[str]:
    return [naming.view for naming in name_views(stacks, anatomy, **named).namings]


def heart_stacks(turn=None, scatter_deg=0.0, rng=None) -> tuple[list[Stack], list[str]]:
    names = ["SAX", "2CH", "3CH", "4CH", "SAX"]
    made = []
    for name, slices in zip(names, (10, 1, 1, 1, 1), strict=True):
        normal = np.array(HEART.view(name).normal)
        if turn is not None:
            normal = turn.apply(normal)
        if scatter_deg:
            normal = Rotation.from_rotvec(np.radians(rng.normal(0, scatter_deg / np.sqrt(2), 3))).apply(normal)
        made.append(stack(normal * (1 if rng is None else rng.choice([-1, 1])), slices))
    return made, names


def test_turned_and_scattered_hearts_are_named_without_a_word():
    """Hearts turned about any axis by up to 30 degrees, each plane 5 degrees off, written in either direction."""
    rng = np.random.default_rng(5)
    right = total = 0
    for _ in range(60):
        axis = rng.normal(size=3)
        turn = Rotation.from_rotvec(np.radians(rng.uniform(0, 30)) * axis / np.linalg.norm(axis))
        stacks, names = heart_stacks(turn, 5.0, rng)
        right += sum(found == name for found, name in zip(views(stacks), names, strict=True))
        total += len(names)
    assert right / total > 0.97


@pytest.mark.parametrize("names", ["as they are", "blank", "wrong"])
def test_the_real_heart_is_named_alike_with_any_descriptions(data, monkeypatch, names):
    wrong = {"3": "4ch", "4": "sax", "5": "localizer 2ch", "6": "LVOT", "7": "kurzachse", "8": "2-Kammer", "10": "cine"}
    group = reading.group
    change = {"as they are": lambda s: s.description, "blank": lambda s: "", "wrong": lambda s: wrong[s.series]}[names]
    monkeypatch.setattr(reading, "group", lambda images: [replace(s, description=change(s)) for s in group(images)])
    study = read_study(data("heart-multiview"))
    assert [(s.view, s.localizer) for s in study.stacks] == [
        ("2CH", True), ("4CH", True), ("SAX", True), ("4CH", False), ("2CH", False), ("3CH", False), ("SAX", False)]
    assert study.anatomy == "heart"
    if names == "wrong":
        assert "outweighed" in " ".join(study.stack("s07-2CH").naming.reasons)


def test_thick_parallel_stacks_are_not_long_axis_views():
    fourteen = stack(HEART.view("4CH").normal, slices=14, description="long axis")
    one = stack(HEART.view("4CH").normal)
    sax = stack(HEART.view("SAX").normal, slices=10)
    assert views([sax, fourteen]) == ["SAX", "LAX"]
    assert views([sax, one]) == ["SAX", "4CH"]


def test_scouts_along_the_patient_axes_are_no_heart_views():
    stacks, names = heart_stacks()
    scouts = [stack(axis) for axis in np.eye(3)]
    assert views([*stacks, *scouts]) == [*names, "sagittal", "coronal", "axial"]


def test_oblique_stacks_are_oblique_and_say_what_is_nearest():
    generic = anatomies.load("generic")
    naming, = name_views([stack([1, 1, 1])], generic).namings
    assert naming.view == "oblique"
    assert any("nearest patient plane is" in reason and "55 degrees" in reason for reason in naming.reasons)
    assert views([stack([0.98, 0.1, 0.17]), stack([0.1, 0.95, -0.3])], generic) == ["sagittal", "coronal"]


def test_a_single_direction_is_less_sure():
    alone, = name_views([stack(HEART.view("SAX").normal, 10)], HEART).namings
    stacks, _ = heart_stacks()
    together = name_views(stacks, HEART).namings[0]
    assert alone.view == together.view == "SAX"
    assert alone.confidence <= 0.7 < together.confidence


@pytest.mark.parametrize(("normals", "words"), [
    ([[0, 0, 1], [-0.74, 0.67, 0], [0.57, 0.82, 0]], ["sax", "2ch", "4ch"]),  # of a heart that stands upright
    ([[0, 0, 1]] * 3, ["sa_cine", "la 2ch", "la 4ch"])])  # one header for all
@pytest.mark.parametrize("series", ["", "7"])
def test_where_directions_contradict_all_words_of_volume_files_words_name_views(normals, words, series):
    """DICOM's directions are the scanner's, and its words people's."""
    stacks = [stack(normal, 10 if word.startswith("sa") else 1, word, series=series)
              for normal, word in zip(normals, words, strict=True)]
    namings = name_views(stacks, HEART).namings
    if series:
        assert [naming.view for naming in namings] != ["SAX", "2CH", "4CH"]
    else:
        assert [(naming.view, naming.confidence) for naming in namings] == [("SAX", 0.7), ("2CH", 0.7), ("4CH", 0.7)]
        assert all("made up" in naming.reasons[0] for naming in namings)


def test_one_wrong_word_makes_up_no_directions():
    stacks, names = heart_stacks()
    called = {"2CH": "4ch", "3CH": "3ch", "SAX": "sax"}
    stacks = [replace(one, series="", description=called.get(name, ""))
              for one, name in zip(stacks, names, strict=True)]
    assert views(stacks) == names


def test_words_tip_a_balance():
    between = np.array(HEART.view("3CH").normal) + np.array(HEART.view("4CH").normal)
    sax = stack(HEART.view("SAX").normal, 10)
    assert views([sax, stack(between, description="lvot")])[1] == "3CH"
    assert views([sax, stack(between, description="Vierkammerblick 4-kammer")])[1] == "4CH"


def test_slices_count_along_the_organ_in_every_turn():
    rng = np.random.default_rng(3)
    normal = np.array(HEART.view("SAX").normal)
    for _ in range(20):
        turn = Rotation.from_rotvec(np.radians(rng.uniform(-20, 20, 3)))
        stacks, _ = heart_stacks(turn, 0, rng)
        fit = name_views(stacks, HEART)
        direction = counting_direction("SAX", stacks[0].planes[0].normal, HEART, fit.turn)
        assert direction @ turn.apply(normal) > 0.99
    assert counting_direction("LAX", np.array([0.1, -0.9, 0.4]), HEART, np.eye(3))[1] > 0, "to the back"


def test_right_knees_count_the_other_way():
    knee = anatomies.load("knee")
    sagittal = np.array([1.0, 0, 0])
    assert counting_direction("sagittal", sagittal, knee, np.eye(3))[0] == 1
    assert counting_direction("sagittal", sagittal, knee, np.eye(3), mirrored=True)[0] == -1
    assert counting_direction("axial", np.array([0, 0, -1.0]), knee, np.eye(3), mirrored=True)[2] == 1


@pytest.mark.parametrize(("text", "body_part", "anatomy"), [
    ("", "HEART", "heart"), ("cine sax", "", "heart"), ("ORIGINAL PRIMARY CARDIAC", "", "heart"),
    ("Genou gauche T2", "", "knee"), ("mr prostata", "", "prostate"), ("t2 sag", "BRAIN", "generic"),
    ("", "", "generic"), ("cardiac gated", "KNEE", "knee"),
])
def test_anatomies_are_recognised_by_words(text, body_part, anatomy):
    patient = [stack(axis, 10) for axis in ([1, 0, 0.1], [0.1, 1, 0], [0, 0.2, 1])]
    assert recognise(patient, text, body_part, "").anatomy.name == anatomy


@pytest.mark.parametrize(("text", "name"), [("knee t2", "my-knee"), ("cine heart", "heart"), ("", "generic")])
def test_of_two_files_about_an_organ_a_run_s_own_is_meant(text, name):
    """A laboratory that has copied the knee's file to change its labels must not be told that its knees are others."""
    mine = replace(anatomies.load("knee"), name="my-knee")
    patient = [stack(axis, 10) for axis in ([1, 0, 0.1], [0.1, 1, 0], [0, 0.2, 1])]
    assert recognise(patient, text, "", "", likely=mine).anatomy.name == name


def test_a_heart_is_recognised_by_its_directions_alone():
    assert recognise(heart_stacks()[0], "", "", "").anatomy.name == "heart"


def test_a_caller_can_override(data):
    folder = data("heart-pig")
    study = read_study(folder, views={"s06-LAX": "4CH"})
    changed = study.stack("s06-LAX")
    assert (changed.view, changed.naming.confidence, changed.naming.reasons) == ("4CH", 1.0, ("given by the caller",))
    assert study.stack("s05-SAX").view == "SAX"
    with pytest.raises(PlaneSSLError, match=r"no stack 's99'.*s05-SAX, s06-LAX"):
        read_study(folder, views={"s99": "4CH"})
    with pytest.raises(PlaneSSLError, match="no view '5CH'"):
        read_study(folder, views={"s06-LAX": "5CH"})


def test_study_json_corrects_the_views_of_dicom_and_a_mistake_in_it_is_told(tmp_path):
    folder = tmp_path / "study"
    volume(seed=0).write_dicom(folder)
    (found,) = read_study(folder, anatomy="heart").stacks
    (folder / "study.json").write_text(json.dumps({"anatomy": "heart", "corrected": {
        found.id: "3CH", "s99": "SAX", found.series_uid: "5CH"}}))
    study = read_study(folder)
    (corrected,) = study.stacks
    assert (corrected.id, corrected.view, corrected.naming.given) == (found.id, "3CH", True)
    assert study.corrected == {found.id: "3CH"}
    told = " ".join(problem.reason for problem in study.problems)
    assert "'s99'" in told and "5CH" in told and f"the stacks {found.id}" in told
    assert read_study(folder, views={found.id: "2CH"}).stacks[0].view == "2CH"


def test_localizers_by_image_type_word_or_order():
    still, cine = stack([1, 0, 0]), stack([0, 1, 0], phases=20)
    assert are_localizers([still, cine, still], HEART) == [True, False, False]
    two = [replace(still, description="Survey_SSh"), replace(still, localizer=True), still]
    assert are_localizers(two, HEART) == [True, True, False]
    knee = anatomies.load("knee")
    assert are_localizers([still, cine], knee) == [False, False], "a contrast agent's phases are no cine"
    echoes = replace(cine, dimension="echo")
    assert are_localizers([still, echoes], HEART) == [False, False]
    files = [replace(one, series="") for one in (still, cine)]
    assert are_localizers(files, HEART) == [False, False], "volume files have no order of acquisition"


@pytest.mark.parametrize(("word", "text", "said"), [
    ("sax", "TF_cine_SAX_10", True), ("sax", "saxony", False), ("4ch", "cine 4CH", True), ("4ch", "14ch", False),
    ("short axis", "trufi_short-axis", True), ("ka", "Karotis", False), ("sag", "t2sag", True),
    ("2-kammer", "SSFP 2 Kammer", True), ("sag", "t2_sag_384", True),
])
def test_words_are_whole_words(word, text, said):
    assert says([word], text) is said


def test_long_words_may_begin_longer_ones():
    assert mentions(["prostat"], "MR Prostatakarzinom")
    assert not mentions(["acl"], "aclaration")
