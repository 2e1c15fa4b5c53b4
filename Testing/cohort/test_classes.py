"""A table of classes: read as it stands, or refused by line and column."""
from __future__ import annotations

import pytest

from PlaneSSLLib import PlaneSSLError
from PlaneSSLLib.cohort import Cohort, prepare
from PlaneSSLLib.cohort.classes import read_classes

KNOWN = ("normal", "dilated")


def test_answers_and_unknown_ones(tmp_path):
    (tmp_path / "c.csv").write_text("\ufeffsubject,dilated,normal\na,1,0\nb,,1\n", encoding="utf-8")
    assert read_classes(tmp_path / "c.csv", KNOWN) == {"a": {"dilated": 1, "normal": 0}, "b": {"normal": 1}}


@pytest.mark.parametrize("text, words", [
    ("name,dilated\na,1\n", "column 'subject'"),
    ("subject,delated\na,1\n", "delated"),
    ("subject,dilated\na,1\nb,2\n", "line 3: dilated is '2'"),
    ("subject,dilated\na,1\na,0\n", "line 3: .* stands twice"),
    ("", "it has none"),
])
def test_what_is_wrong_is_named(tmp_path, text, words):
    (tmp_path / "c.csv").write_text(text)
    with pytest.raises(PlaneSSLError, match=words):
        read_classes(tmp_path / "c.csv", KNOWN)


def test_classes_reach_the_cohort(studies, tmp_path):
    prepare([studies], "heart", tmp_path / "c", classes={"subject-001": {"dilated": 1}})
    cohort = Cohort(tmp_path / "c")
    assert cohort.studies[cohort.pseudonym_of("subject-001")].classes == {"dilated": 1}
    assert cohort.studies[cohort.pseudonym_of("subject-002")].classes == {}
