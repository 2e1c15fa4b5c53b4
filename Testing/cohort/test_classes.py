"""A table of classes: read as it stands, or refused by line and column."""
from __future__ import annotations

import json

import pytest
from Testing.made_up_study import write_study

from PlaneSSLLib import PlaneSSLError
from PlaneSSLLib.cohort import Cohort, prepare
from PlaneSSLLib.cohort.classes import read_classes, table_notes
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
    ('subject,dilated\na,"1\n', "line 2: unexpected end of data"),
    ('subject,dilated\na,"1"0\n', "line 2: ',' expected"),
    ("subject\tdilated\na\t1\n".encode("utf-16"), "no plain text in UTF-8: .*'CSV UTF-8'"),
    (b"PK\x03\x04\xff\xfe", "no plain text"),
])
def test_what_is_wrong_is_named(tmp_path, text, words):
    (tmp_path / "c.csv").write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(PlaneSSLError, match=words):
        read_classes(tmp_path / "c.csv", KNOWN)


def test_tables_as_spreadsheets_write_them(tmp_path):
    (tmp_path / "c.csv").write_text("subject;dilated\n a ;1\n;\nb; \n;\n")
    assert read_classes(tmp_path / "c.csv", KNOWN) == {"a": {"dilated": 1}, "b": {"dilated": None}}
    (tmp_path / "t.csv").write_bytes('subject\tdilated\r\n"a\u2028\nb"\t1\r\n'.encode())
    assert read_classes(tmp_path / "t.csv", KNOWN) == {"a\u2028\nb": {"dilated": 1}}


def test_classes_reach_the_cohort(studies, tmp_path):
    prepare([studies], "heart", tmp_path / "c", classes={"subject-001": {"dilated": 1}})
    cohort = Cohort(tmp_path / "c")
    assert cohort.studies[cohort.studies_of("subject-001")[0]].classes == {"dilated": 1}
    assert cohort.studies[cohort.studies_of("subject-002")[0]].classes == {}


def test_classes_reach_a_cohort_that_is_there_and_nobodys_are_told(studies, tmp_path):
    prepare([studies], "heart", tmp_path / "c")
    table = {"subject-001": {"dilated": 1}, "someone else": {"dilated": 0}}
    told = prepare([studies], "heart", tmp_path / "c", classes=table)
    cohort = Cohort(tmp_path / "c")
    assert cohort.studies[cohort.studies_of("subject-001")[0]].classes == {"dilated": 1}
    assert (told["prepared"], told["classified"]) == (4, 1)
    assert "1 of 2 subjects in the table of classes" in told["notes"][0] and "someone else" in told["notes"][0]
    assert prepare([studies], "heart", tmp_path / "c")["classified"] == 1  # without the table: nothing is lost
    other = {"subject-002": {"dilated": 0}}
    assert prepare([studies], "heart", tmp_path / "c", classes=other)["classified"] == 2
    withdrawn = {"subject-001": {"dilated": None}}
    assert prepare([studies], "heart", tmp_path / "c", classes=withdrawn)["classified"] == 1


def test_a_table_corrects_what_studies_say_and_stays_when_it_is_not_given_again(tmp_path):
    folder, cohort = write_study(tmp_path / "s", 1), tmp_path / "c"

    def say(**classes):
        document = json.loads((folder / "study.json").read_text())
        (folder / "study.json").write_text(json.dumps({**document, "classes": classes}))

    def prepared(table=None):
        told = prepare([folder], "heart", cohort, classes=table)
        (study,) = Cohort(cohort).studies.values()
        return study.classes, [note for note in told["notes"] if "a table says" in note]

    say(dilated=0, normal=1)
    assert prepared() == ({"dilated": 0, "normal": 1}, [])
    classes, (note,) = prepared({"subject-001": {"dilated": 1}})
    assert classes == {"dilated": 1, "normal": 1}
    assert note.endswith("a table says dilated 1, and its study.json 0: the table is believed")
    classes, notes = prepared()
    assert classes == {"dilated": 1, "normal": 1} and len(notes) == 1
    say(normal=1)
    assert prepared() == ({"dilated": 1, "normal": 1}, [])
    say(dilated=1)  # what a study says no more, it does not say
    assert prepared() == ({"dilated": 1}, [])
    assert prepared({"subject-001": {"dilated": None}}) == ({"dilated": 1}, [])
    say()
    assert prepared() == ({}, [])


def test_studies_without_a_row_are_told_and_whom_a_row_may_be_meant_for():
    assert table_notes(["7", "P2"], ["007", "p2", "p3"], ["007", "p2", "p3"]) == [
        "2 of 2 subjects in the table of classes are those of no study here, 7 among them",
        "3 of 3 studies have no row in the table of classes, and none of their classes is known: 007 among them",
        "'7' in the table may be meant for '007': spreadsheets drop zeros, and names must be the same to the letter"]
    assert table_notes(["a"], ["a", "b"], []) == []


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
