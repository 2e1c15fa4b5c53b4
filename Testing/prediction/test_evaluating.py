"""Whom a run is measured on: the figures of subjects that it was trained on are told apart."""
from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
from Testing.made_up_run import write_untrained_run
from Testing.made_up_study import write_study

from PlaneSSLLib import PlaneSSLError
from PlaneSSLLib.cohort import Cohort, PreparedStudy, prepare
from PlaneSSLLib.files import read_json, write_json
from PlaneSSLLib.prediction.evaluating import evaluate
from PlaneSSLLib.prediction.segmenting import Segmenter


@pytest.fixture(scope="module")
def cohorts(tmp_path_factory):
    """A cohort of three labelled studies, and the same three in another cohort."""
    root = tmp_path_factory.mktemp("cohorts")
    for seed in range(3):
        write_study(root / "studies" / f"s{seed}", seed, slices=2)
    for name in ("a", "b"):
        prepare([root / "studies"], "heart", root / name)
    return root / "a", root / "b"


@pytest.fixture
def run(tmp_path, cohorts):
    """Trained on two of the first cohort, validated on the third."""
    made = write_untrained_run(tmp_path / "run", "segmentation")
    first, second, third = Cohort(cohorts[0]).pseudonyms
    (made / "splits.json").write_text(json.dumps({
        "train": [first, second], "validation": [third], "test": [], "seen": [first, second],
        "taught": [first, second]}))
    return made


def test_subjects_that_were_trained_on_are_counted_and_said(run, cohorts):
    said: list[dict] = []
    whole = evaluate(run, cohorts[0], report=said.append)
    assert (whole["subjects"], whole["trained_on"]) == (3, 2)
    assert [event["text"] for event in said if event["event"] == "notice"] == [
        ("2 of these 3 subjects were in the training set: figures on them do not estimate performance on unseen "
         "patients."),
        "The run's weights were chosen on 1 of these 3 subjects: figures on them are optimistic."]
    said.clear()
    chosen_on = evaluate(run, cohorts[0], part="validation", report=said.append)
    assert (chosen_on["trained_on"], chosen_on["selected_on"], chosen_on["seen"]) == (0, 1, 0)
    assert [event["text"] for event in said if event["event"] == "notice"] == [
        "The run's weights were chosen on 1 of these 1 subjects: figures on them are optimistic."]


def test_a_patient_with_two_studies_counts_once_and_was_trained_on_by_either(run, cohorts, tmp_path):
    folder = shutil.copytree(cohorts[0], tmp_path / "c")
    first, _, third = Cohort(folder).pseudonyms
    for name in (first, third):
        file = folder / "studies" / name / "study.json"
        write_json(file, {**read_json(file), "patient": "somebody"})
    found = evaluate(run, folder)
    assert found["subjects"] == len(found["per_subject"]) == 2
    assert found["trained_on"] == 3  # the third study's patient is the first's


def test_nobody_is_called_new_who_may_have_been_prepared_twice(run, cohorts):
    """The second cohort holds the same three, under other pseudonyms."""
    said: list[dict] = []
    twice = evaluate(run, cohorts[1], report=said.append)
    assert (twice["trained_on"], twice["selected_on"], twice["seen"]) == (None, None, None)
    assert ["cannot be told" in event["text"] for event in said if event["event"] == "notice"] == [True]


def test_cohorts_of_the_same_pseudonyms_know_who_is_in_both(run, cohorts, tmp_path):
    """Two of the three lie in a folder of their own, and are prepared anew."""
    for seed in range(2):
        write_study(tmp_path / "some" / f"s{seed}", seed, slices=2)
    write_study(tmp_path / "some" / "new", 7, slices=2)
    prepare([tmp_path / "some"], "heart", tmp_path / "c", names_of=cohorts[0])
    said: list[dict] = []
    again = evaluate(run, tmp_path / "c", report=said.append)
    assert (again["subjects"], again["trained_on"] + again["selected_on"], again["seen"]) == (3, 2, 0)
    assert not any("cannot be told" in event.get("text", "") for event in said)
    with pytest.raises(PlaneSSLError, match="has other pseudonyms than"):
        prepare([tmp_path / "some"], "heart", cohorts[1], names_of=cohorts[0])
    shutil.rmtree(tmp_path / "c" / "private")
    with pytest.raises(PlaneSSLError, match=r"has no private/salt\.json"):
        prepare([tmp_path / "some"], "heart", tmp_path / "d", names_of=tmp_path / "c")
    assert not (tmp_path / "d").exists()


def test_another_visit_of_a_patient_in_another_cohort_is_known(cohorts, tmp_path):
    """By the patient's pseudonym, which both cohorts share: the study is none that the run has seen."""
    for visit in (1, 2):
        for seed in range(2):
            folder = write_study(tmp_path / f"v{visit}" / f"s{seed}", 10 * visit + seed, slices=2)
            write_json(folder / "study.json", {**read_json(folder / "study.json"), "patient": f"somebody-{seed}"})
    prepare([tmp_path / "v1"], "heart", tmp_path / "c1", names_of=cohorts[0])
    prepare([tmp_path / "v2"], "heart", tmp_path / "c2", names_of=cohorts[0])
    first, second = Cohort(tmp_path / "c1").studies.values()
    made = write_untrained_run(tmp_path / "r", "segmentation")
    write_json(made / "splits.json", {
        "train": [first.pseudonym], "validation": [], "test": [], "seen": [first.pseudonym, second.pseudonym],
        "taught": [first.pseudonym], "patients": {one.pseudonym: one.patient for one in (first, second)}})
    found = evaluate(made, tmp_path / "c2")
    assert (found["trained_on"], found["selected_on"], found["seen"]) == (1, 0, 1)


def test_a_pretraining_on_another_cohort_may_have_seen_anybody(run, cohorts):
    """Its pseudonyms say nothing here: that nobody was seen is not claimed."""
    splits = read_json(run / "splits.json")
    write_json(run / "splits.json", {**splits, "seen": [*splits["seen"], Cohort(cohorts[1]).pseudonyms[2]]})
    said: list[dict] = []
    found = evaluate(run, cohorts[0], report=said.append)
    assert (found["trained_on"], found["selected_on"], found["seen"]) == (2, 1, None)
    assert any("has learnt from another cohort" in event.get("text", "") for event in said)


def test_a_part_that_is_empty_and_one_of_another_cohort_are_told_apart(run, cohorts):
    with pytest.raises(PlaneSSLError, match="has no test subjects: it has 2 train, 1 validation"):
        evaluate(run, cohorts[0], part="test")
    with pytest.raises(PlaneSSLError, match="holds none of the run's validation subjects"):
        evaluate(run, cohorts[1], part="validation")


def test_what_is_found_astray_counts_unless_it_is_cleaned_away(run, cohorts, monkeypatch):
    def outlined(shape: tuple[int, int]) -> np.ndarray:
        labels = np.zeros(shape, np.uint8)
        labels[10:20, 10:20] = 3
        return labels

    def astray(segmenter, images, planes, view) -> list[np.ndarray]:
        found = [outlined(image.shape) for image in images]
        found[0][0, :5] = 3
        return found

    monkeypatch.setattr(PreparedStudy, "labels", lambda study, stack, i, phase: outlined(stack.planes[i].shape))
    monkeypatch.setattr(Segmenter, "segment", astray)
    as_found, cleaned = (evaluate(run, cohorts[0], clean=clean)["structures"]["LV"] for clean in (False, True))
    assert 0.9 < as_found["dice"]["mean"] < 0.999
    assert cleaned["dice"]["mean"] == 1
    assert cleaned["hd95_mm"]["mean"] == 0


def test_only_what_segments_can_be_cleaned(tmp_path, cohorts):
    made = write_untrained_run(tmp_path / "run", "lines")
    with pytest.raises(PlaneSSLError, match="--clean is for runs that segment"):
        evaluate(made, cohorts[0], clean=True)


def test_a_run_is_measured_on_the_sequences_it_has_learnt(run, cohorts, tmp_path, monkeypatch):
    """The first study has late enhancement beside its cine, the second nothing else of that view, and a cine of
    another. As knees are: each view comes in one sequence, not the same in all of them.
    """
    folder = shutil.copytree(cohorts[0], tmp_path / "c")
    for name, sequences in zip(Cohort(folder).pseudonyms, (["cine", "LGE"], ["LGE"], [""]), strict=True):
        file = folder / "studies" / name / "study.json"
        document = read_json(file)
        sax = next(stack for stack in document["stacks"] if stack["view"] == "SAX")
        stacks = [{**sax, "sequence": sequence} for sequence in sequences]
        beside = [{**sax, "view": "2CH", "sequence": "cine"}] if sequences == ["LGE"] else []
        write_json(file, {**document, "stacks": [*stacks, *beside]})
    write_json(run / "config.json", {**read_json(run / "config.json"), "views": ["SAX", "2CH"],
                                     "sequences": {"SAX": ["cine"], "2CH": ["cine"]}})
    looks, said = [], []

    def look(segmenter, images, planes, view) -> list[np.ndarray]:
        looks.append(len(images))
        return [np.zeros(plane.shape, np.uint8) for plane in planes]

    monkeypatch.setattr(Segmenter, "segment", look)
    assert (evaluate(run, folder, report=said.append)["subjects"], len(looks)) == (3, 4)
    assert [event["text"] for event in said if "outlined" in event.get("text", "")] == [
        "Not measured, since the run has learnt 2CH of cine, SAX of cine: SAX of LGE (outlined stacks: 1).",
        ("The run has learnt 2CH of cine, SAX of cine, and is measured on others where a study has no such outlines: "
         "SAX of LGE (outlined stacks: 1).")]
