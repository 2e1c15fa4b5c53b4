"""Left or right: what tells it, what comes before what, and studies of both."""
from __future__ import annotations

import pytest
from made_images import image, write

from PlaneSSLLib import anatomy as anatomies
from PlaneSSLLib.geometry import Plane
from PlaneSSLLib.study import Naming, Stack, describe, read_study
from PlaneSSLLib.study.sides import by_laterality, side_notes, sided

KNEE = anatomies.load("knee")


def stack(left: float = 0.0, laterality: str = "", description: str = "") -> Stack:
    plane = Plane((left, 0, 0), (0, 1, 0), (0, 0, -1), (1, 1), (9, 9))
    return Stack("s1", (plane,), ((None,),), Naming("", 0), side=by_laterality(laterality), description=description)


def sides(*stacks: Stack, **said) -> tuple[list[str], str]:
    found, source = sided(stacks, **said)
    return [one.side for one in found], source


@pytest.mark.parametrize(("one", "text", "side", "source"), [
    (stack(90, "R", "left knee"), "", "right", "laterality"),
    (stack(90, " r"), "", "right", "laterality"),
    (stack(0, "B", "genou gauche"), "", "left", "words"),
    (stack(90, "", "t2_sag"), "Knie rechts", "right", "words"),
    (stack(-80, "", "t2_sag"), "left and right knee", "right", "40 mm off the midline"),
    (stack(5, "", "leftover"), "copyright", "", ""),
])
def test_headers_come_before_words_and_words_before_the_place(one, text, side, source):
    found, how = sides(one, text=text)
    assert found == [side]
    assert source in how and bool(how) == bool(source)


def test_what_is_said_comes_before_all():
    assert sides(stack(90, "L", "left knee"), said="right") == (["right"], "as study.json says")


def test_where_one_side_is_told_all_stacks_are_of_it():
    assert sides(stack(5, "R"), stack(90), stack(-3))[0] == ["right"] * 3
    assert sides(stack(5), stack(0, description="sag left"))[0] == ["left"] * 2
    assert sides(stack(12), stack(-55))[0] == ["right"] * 2


def test_a_volume_with_its_corner_at_the_origin_lies_nowhere():
    """Whoever made its header up would else have decided for a side, by the direction of its axes."""
    def corner(left: float, uid: str = "") -> Stack:
        plane = Plane((left, 0, 0), (1, 0, 0), (0, 1, 0), (1, 1), (140, 140))
        return Stack("s1", (plane,), ((None,),), Naming("", 0), series_uid=uid)

    assert sides(corner(0))[0] == [""]
    assert sides(corner(0, "1.2.3"))[0] == sides(corner(0.3))[0] == ["left"]


def test_a_study_may_hold_both_knees():
    for there in ([stack(0, "R"), stack(0, "L"), stack(70)],
                  [stack(0, description="sag RIGHT"), stack(0, description="sag LEFT"), stack(70)],
                  [stack(-60, description="sag rechts"), stack(0, "L"), stack(70)],
                  [stack(-80), stack(80), stack(75)]):
        assert sides(*there)[0] == ["right", "left", "left"]
    found, source = sided([stack(0, "R"), stack(0, "L"), stack(3)])
    assert side_notes(found, KNEE, source) == [
        "the left and the right knee, from the laterality in the headers",
        'the side of s1 is unknown: slices count as in a left one; study.json can say it ("side": "right")']
    assert side_notes(found, anatomies.load("heart"), source) == []


def test_an_unknown_side_is_said(tmp_path):
    for number in (1, 2):
        write(image(number), tmp_path / f"{number}.dcm")
    study = read_study(tmp_path, anatomy="knee")
    assert study.side == "" and study.notes == (
        'the side is unknown: slices count as in a left one; study.json can say it ("side": "right")',)


def test_images_of_both_knees_in_one_series_are_two_stacks(tmp_path):
    for number in range(6):
        one = image(number + 1, ImageLaterality="L" if number < 3 else "R", SOPInstanceUID=f"1.2.{number}")
        one.ImageOrientationPatient, one.ImagePositionPatient = [0, 1, 0, 0, 0, -1], [100 - 30 * number, 0, 0]
        write(one, tmp_path / f"{number}.dcm")
    study = read_study(tmp_path, anatomy="knee")
    assert sorted((one.side, len(one.planes)) for one in study.stacks) == [("left", 3), ("right", 3)]


def test_each_series_of_a_study_is_of_the_knee_that_its_header_names(tmp_path):
    """Sagittal slices count from the inside: to the right in a right knee, to the left in a left one."""
    for series, side in ((1, "R"), (2, "L")):
        for number in range(3):
            one = image(number + 1)
            one.SeriesNumber, one.SeriesInstanceUID, one.Laterality = series, f"1.2.{series}", side
            one.SOPInstanceUID = f"1.2.{series}.{number}"
            one.ImageOrientationPatient, one.ImagePositionPatient = [0, 1, 0, 0, 0, -1], [4 * number, 0, 0]
            write(one, tmp_path / f"{series}-{number}.dcm")
    study = read_study(tmp_path, anatomy="knee")
    assert [one.side for one in study.stacks] == ["right", "left"] and study.side == ""
    assert [one.planes[0].position[0] for one in study.stacks] == [8, 0]
    assert "the left and the right knee, from the laterality in the headers" in study.notes
    assert [len(one.planes) for one in study.stacks] == [3, 3]
    assert [one["side"] for one in describe(study)["stacks"]] == ["right", "left"]
    heart = read_study(tmp_path, anatomy="heart")
    assert {one.side for one in heart.stacks} == {""}
