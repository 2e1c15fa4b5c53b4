"""What looks at images makes do with the memory that there is, and answers the same."""
from __future__ import annotations

import numpy as np
import pytest
import torch
from Testing.made_up_run import write_untrained_run
from Testing.made_up_study import write_study

from PlaneSSLLib import PlaneSSLError
from PlaneSSLLib.prediction.classifying import Classifier, classify
from PlaneSSLLib.prediction.lines import LinePredictor
from PlaneSSLLib.study import read_study
from PlaneSSLLib.training.inference import Inference
from PlaneSSLLib.training.run import Run


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    return read_study(write_study(tmp_path_factory.mktemp("study") / "s", seed=0))


def short_of_memory(predictor, at_once, monkeypatch) -> list[int]:
    """Let a predictor's network have memory for so many images only; how many it was shown at a time."""
    body, shown = predictor.network.body, []
    encode = body.encode

    def short(images):
        shown.append(len(images))
        if len(images) > at_once:
            raise torch.OutOfMemoryError("too much")
        return encode(images)

    monkeypatch.setattr(body, "encode", short)
    return shown


def lines_of(predictor, study):
    return predictor.answers(study.stacks[0]).maps


def classes_of(predictor, study):
    found = classify(predictor, study)
    weights = sorted((s["stack"], s["slice"], s["phase"], s["weight"]) for s in found["slices"])
    return np.array([*found["classes"].values(), *(weight for *_, weight in weights)])


@pytest.mark.parametrize("kind, task, answers", [
    (LinePredictor, "lines", lines_of), (Classifier, "classification", classes_of)])
def test_with_less_memory_the_answers_are_the_same(study, tmp_path, monkeypatch, kind, task, answers):
    run, said = Run.open(write_untrained_run(tmp_path / "run", task)), []
    expected = answers(kind(run, "cpu"), study)
    predictor = kind(run, "cpu", batch=4, report=said.append)
    shown = short_of_memory(predictor, 1, monkeypatch)
    np.testing.assert_allclose(answers(predictor, study), expected, atol=1e-3)
    assert shown[:2] == [4, 2] and set(shown[2:]) == {1}
    assert ["images at a time" in event["text"] for event in said] == [True, True]


@pytest.mark.parametrize("kind, task, answers", [
    (LinePredictor, "lines", lines_of), (Classifier, "classification", classes_of)])
def test_where_one_image_does_not_fit_a_sentence_says_so(study, tmp_path, monkeypatch, kind, task, answers):
    predictor = kind(Run.open(write_untrained_run(tmp_path / "run", task)), "cpu", batch=2)
    short_of_memory(predictor, 0, monkeypatch)
    with pytest.raises(PlaneSSLError, match="not enough memory"):
        answers(predictor, study)


def test_where_others_have_filled_the_gpu_the_cpu_takes_over_at_once():
    """A program beside this one holds nearly all of it: not even the network finds room."""
    class Full(torch.nn.Module):
        def to(self, device, memory_format=None):
            if device.type != "cpu":
                raise torch.OutOfMemoryError("CUDA out of memory.")
            return self

        def forward(self, images):
            return {"lines": 2 * images}

    said = []
    one = Inference(Full(), torch.device("meta"), report=said.append)
    assert one.device == torch.device("cpu") and one.batch == 16
    assert [event["text"] for event in said] == ["There is no room for the network on meta: going on on the CPU."]
    torch.testing.assert_close(one.outputs(torch.ones(20, 1, 4, 4))["lines"], torch.full((20, 1, 4, 4), 2.0))
