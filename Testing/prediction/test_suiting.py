"""A run that does not suit what is asked of it, or a study that does not suit the run, is refused in a sentence."""
from __future__ import annotations

import json

import pytest
from Testing.made_up_run import write_untrained_run
from Testing.made_up_study import write_study

from PlaneSSLLib import PlaneSSLError, calls
from PlaneSSLLib.cli import main


@pytest.fixture
def study(tmp_path):
    return write_study(tmp_path / "study", 1)


@pytest.fixture
def knee(study):
    document = json.loads((study / "study.json").read_text())
    (study / "study.json").write_text(json.dumps({**document, "anatomy": "knee",
                                                  "views": {"sagittal": document["views"]["SAX"]}}))
    return study


def test_what_a_run_has_not_learnt_is_said_first(study, tmp_path):
    pretrained, segments = (write_untrained_run(tmp_path / task, task) for task in ("lines", "segmentation"))
    with pytest.raises(PlaneSSLError, match="was pretrained on lines, not for segmentation: finetune it first, with "
                                            "--task segmentation --init"):
        calls.segment(pretrained, study)
    with pytest.raises(PlaneSSLError, match="pretrained on lines, not for classification: finetune"):
        calls.classify(pretrained, study)
    with pytest.raises(PlaneSSLError, match=r"was finetuned for segmentation, not for classification\."):
        calls.classify(segments, study)
    with pytest.raises(PlaneSSLError, match=r"finetuned for segmentation and predicts no lines: .*--transfer joint"):
        calls.show_predictions(segments, study)


def test_another_anatomy_is_neither_classified_nor_asked_for_lines(knee, tmp_path):
    said = r"trained on the anatomy 'heart', and .* reads as 'knee'\. If it reads wrongly, .*--anatomy"
    with pytest.raises(PlaneSSLError, match=said):
        calls.classify(write_untrained_run(tmp_path / "classifies", "classification"), knee)
    with pytest.raises(PlaneSSLError, match=said):
        calls.show_predictions(write_untrained_run(tmp_path / "lines", "lines"), knee)
    assert calls.classify(tmp_path / "classifies", knee, anatomy="heart")["classes"]


def test_what_is_known_better_than_the_study_says_counts_in_every_call(study, tmp_path, capsys):
    segments, pretrained = (write_untrained_run(tmp_path / task, task) for task in ("segmentation", "lines"))
    assert [one.stack.id for one in calls.segment(segments, study).stacks] == ["SAX"]
    swapped = {"SAX": "oblique", "4CH": "SAX"}
    assert [one.stack.id for one in calls.segment(segments, study, views=swapped).stacks] == ["4CH"]

    given = [text for stack, view in swapped.items() for text in ("--view", f"{stack}={view}")]
    assert main(["segment", str(segments), str(study), "--out", str(tmp_path / "f.npz"), *given, "--json"]) == 0
    assert [one["stack"] for one in json.loads(capsys.readouterr().out)["stacks"]] == ["4CH"]

    def asked(*more):
        assert main(["lines", str(study), "--run", str(pretrained), "--device", "cpu", *more, "--json"]) == 0
        return {line["image"]["stack"] for line in json.loads(capsys.readouterr().out) if "predicted" in line}

    assert asked() == {"SAX"} and asked(*given) == {"4CH"}
    with pytest.raises(PlaneSSLError, match="no stack 's9' to name SAX; there are: SAX"):
        calls.classify(write_untrained_run(tmp_path / "classifies", "classification"), study, views={"s9": "SAX"})
