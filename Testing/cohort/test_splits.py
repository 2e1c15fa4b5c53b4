"""Splits by subject: repeatable, without leaks."""
from __future__ import annotations

import json

import pytest

from PlaneSSLLib import PlaneSSLError
from PlaneSSLLib.cohort import Split, draw_split, fold_split, read_split

POOL = [(f"p{i:02d}",) for i in range(20)]
EVERYBODY = sorted(name for name, in POOL)


def test_fewer_subjects_are_the_first_of_more():
    draws = [draw_split(POOL, 7, n).train for n in (1, 3, 10, 20)]
    assert all(draws[-1][: len(d)] == d for d in draws)
    assert draw_split(POOL, 8, 20).train != draws[-1]


def test_a_drawn_split_takes_everybody_once():
    split = draw_split(POOL, 0)
    assert sorted(split.train + split.validation) == EVERYBODY
    assert len(split.validation) == 3


def test_one_subject_trains():
    assert draw_split([("only",)], 0) == Split(("only",))


def test_folds_validate_everybody_once():
    folds = [fold_split(POOL, 3, fold, 4) for fold in range(4)]
    assert sorted(s for f in folds for s in f.validation) == EVERYBODY
    assert all(set(f.train) == set(EVERYBODY) - set(f.validation) for f in folds)


TWICE = [(f"p{i}-left", f"p{i}-right") if i % 2 else (f"p{i}",) for i in range(8)]


@pytest.mark.parametrize("split", [draw_split(TWICE, seed, train) for seed in range(4) for train in (None, 3)]
                         + [fold_split(TWICE, 1, fold, 4) for fold in range(4)])
def test_studies_of_a_patient_stay_together(split):
    assert all(set(patient) <= set(part) or set(patient).isdisjoint(part) for patient in TWICE
               for part in (split.train, split.validation))


def test_patients_are_drawn_whatever_the_number_of_their_studies():
    assert len({name.partition("-")[0] for name in draw_split(TWICE, 0, 5).train}) == 5
    assert len({name.partition("-")[0] for name in draw_split(TWICE, 0, validation=0.25).validation}) == 2
    with pytest.raises(PlaneSSLError, match="9 labelled subjects were asked for, and the cohort has 8"):
        draw_split(TWICE, 0, 9)


def test_a_subject_in_two_parts_is_refused():
    with pytest.raises(PlaneSSLError, match="two parts"):
        Split(("a", "b"), ("b",))


@pytest.mark.parametrize("document", [[], {"train": []}, {"train": ["subject-000"], "tset": []}])
def test_a_file_that_is_no_split(cohort, tmp_path, document):
    (tmp_path / "s.json").write_text(json.dumps(document))
    with pytest.raises(PlaneSSLError, match=r"s\.json"):
        read_split(tmp_path / "s.json", cohort)


def test_a_split_by_name_becomes_one_by_pseudonym(cohort, tmp_path):
    (tmp_path / "s.json").write_text(json.dumps({"train": ["subject-001"], "test": ["subject-003"]}))
    split = read_split(tmp_path / "s.json", cohort)
    assert split == Split((cohort.studies_of("subject-001")[0],), (), (cohort.studies_of("subject-003")[0],))
    (tmp_path / "s.json").write_text(json.dumps({"train": [17]}))  # some name their subjects by numbers
    with pytest.raises(PlaneSSLError, match="'17' is not in the cohort"):
        read_split(tmp_path / "s.json", cohort)
    (tmp_path / "s.json").write_text(json.dumps({"train": ["nobody"]}))
    with pytest.raises(PlaneSSLError, match="nobody"):
        read_split(tmp_path / "s.json", cohort)


def test_too_many_subjects_and_impossible_folds_are_refused():
    with pytest.raises(PlaneSSLError, match=r"21 .* 20"):
        draw_split(POOL, 0, 21)
    with pytest.raises(PlaneSSLError, match="Fold 4 of 4"):
        fold_split(POOL, 0, 4, 4)
