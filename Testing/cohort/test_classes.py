"""A table of classes: read as it stands, or refused by line and column."""
from __future__ import annotations

import json

import pytest
from Testing.made_up_study import write_study

from PlaneSSLLib import PlaneSSLError
from PlaneSSLLib.cohort import Cohort, prepare
from PlaneSSLLib.cohort.classes import read_classes
from PlaneSSLLib.study import read_study

KNOWN = ("normal", "dilated")


def test_answers_and_unknown_ones(tmp_path):
    (tmp_path / "c.csv").write_text("\ufeffsubject,dilated,normal\na,1,0\nb,,1\n", encoding="utf-8")
    assert read_classes(tmp_path / "c.csv", KNOWN) == {
        "a": {"dilated": 1, "normal": 0}, "b": {"dilated": None, "normal": 1}}


@pytest.mark.parametrize("text, words", [
    ("name,dilated\na,1\n", "column 'subject'"),
    ("subject,delated\na,1\n", "delated"),
    ("subject,dilated\na,1\nb,2\n", "line 3: dilated is '2'"),
    ("subject,dilated\na,1\na,0\n", "line 3: .* stands twice"),
    ("", "it has none"),
    ("subject,dilated\na,1,0\n", "line 2: it has more cells"),
    ("subject,dilated\n\n\nb,2\n", "line 4: dilated is '2'"),
    ("subject,dilated\n,1\n", "line 2: the subject '' is empty"),
    ("subject,dilated,dilated\na,1,0\n", "needs a column"),
])
def test_what_is_wrong_is_named(tmp_path, text, words):
    (tmp_path / "c.csv").write_text(text)
    with pytest.raises(PlaneSSLError, match=words):
        read_classes(tmp_path / "c.csv", KNOWN)


def test_tables_as_spreadsheets_write_them(tmp_path):
    (tmp_path / "c.csv").write_text("subject;dilated\n a ;1\n;\nb; \n;\n")
    assert read_classes(tmp_path / "c.csv", KNOWN) == {"a": {"dilated": 1}, "b": {"dilated": None}}


def test_classes_reach_the_cohort(studies, tmp_path):
    prepare([studies], "heart", tmp_path / "c", classes={"subject-001": {"dilated": 1}})
    cohort = Cohort(tmp_path / "c")
    assert cohort.studies[cohort.pseudonym_of("subject-001")].classes == {"dilated": 1}
    assert cohort.studies[cohort.pseudonym_of("subject-002")].classes == {}


def test_classes_reach_a_cohort_that_is_there_and_nobodys_are_told(studies, tmp_path):
    prepare([studies], "heart", tmp_path / "c")
    table = {"subject-001": {"dilated": 1}, "someone else": {"dilated": 0}}
    told = prepare([studies], "heart", tmp_path / "c", classes=table)
    cohort = Cohort(tmp_path / "c")
    assert cohort.studies[cohort.pseudonym_of("subject-001")].classes == {"dilated": 1}
    assert (told["prepared"], told["classified"]) == (4, 1)
    assert "1 of 2 subjects in the table of classes" in told["notes"][0] and "someone else" in told["notes"][0]
    assert prepare([studies], "heart", tmp_path / "c")["classified"] == 1  # without the table: nothing is lost
    other = {"subject-002": {"dilated": 0}}
    assert prepare([studies], "heart", tmp_path / "c", classes=other)["classified"] == 2
    withdrawn = {"subject-001": {"dilated": None}}
    assert prepare([studies], "heart", tmp_path / "c", classes=withdrawn)["classified"] == 1


def test_what_is_odd_about_a_study_json_is_told(tmp_path):
    folder = write_study(tmp_path / "s", 0)
    document = json.loads((folder / "study.json").read_text())
    document |= {"classes": {"dilated": "1", "normal": 1, "amyloid": 1}, "clases": {}, "note": "mine"}
    (folder / "study.json").write_text(json.dumps(document))
    (folder / "labels" / "sax_0_gt.nii.gz").write_bytes((folder / "labels" / "sax_0.nii.gz").read_bytes())
    study = read_study(folder)
    told = sorted(problem.reason for problem in study.problems)
    assert [text.partition(",")[0] for text in told] == [
        "answers '1' to the class dilated", "belongs to no image here: it has the name of none", "has 'clases'",
        "names the class amyloid"]
    assert study.classes["normal"] == 1
