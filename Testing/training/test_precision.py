"""In which precision a training computes, and how long it says that it will take."""
from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from PlaneSSLLib.training.engine import Engine, Stage
from PlaneSSLLib.training.pretraining import pretrain

from .conftest import QUICK, rows_of, same_weights


@pytest.mark.usefixtures("short_epochs")
def test_half_precision_learns_what_whole_precision_learns(cohort_folder, tmp_path, monkeypatch):
    monkeypatch.setattr("PlaneSSLLib.training.settings.cpu_has_bfloat16", lambda: True)  # be it emulated
    for precision in ("float32", "bfloat16"):
        pretrain(cohort_folder, tmp_path / precision, settings=replace(QUICK, epochs=1, batch=1, precision=precision))
    whole, half = (float(rows_of(tmp_path / precision)[0]["loss_lines"]) for precision in ("float32", "bfloat16"))
    assert whole != half
    assert half == pytest.approx(whole, rel=0.05)


@pytest.mark.usefixtures("short_epochs")
def test_a_processor_without_half_precision_uses_the_whole_and_says_so(cohort_folder, tmp_path, monkeypatch):
    monkeypatch.setattr("PlaneSSLLib.training.settings.cpu_has_bfloat16", lambda: False)
    heard = []
    for precision in ("float32", "bfloat16"):
        pretrain(cohort_folder, tmp_path / precision, settings=replace(QUICK, epochs=1, batch=1, precision=precision),
                 report=heard.append)
    assert ["float32 is used" in event["text"] for event in heard if event["event"] == "notice"] == [True]
    assert same_weights(tmp_path / "float32", tmp_path / "bfloat16")


def test_the_time_left_knows_that_fine_steps_take_longer():
    """Ten seconds for the 100 coarse steps, which cost 0.4 each, leave 25 s for the 100 fine ones."""
    engine = object.__new__(Engine)
    engine.stages = [Stage(100, None, None, None, 0.4), Stage(200, None, None, None)]
    assert engine._cost(0, 100) == pytest.approx(40)
    assert 10 / engine._cost(0, 100) * engine._cost(100, 200) == pytest.approx(25)
    assert engine._cost(50, 150) == pytest.approx(20 + 50)


def test_a_gpu_that_emulates_half_precision_uses_the_whole(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation=True: including_emulation)
    assert not any(replace(QUICK, precision=asked).mixed(torch.device("cuda")) for asked in ("auto", "bfloat16"))
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation=True: True)
    assert [replace(QUICK, precision=asked).mixed(torch.device("cuda")) for asked in ("auto", "bfloat16", "float32")
            ] == [True, True, False]
