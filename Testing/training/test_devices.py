"""Which device a training runs on."""
from __future__ import annotations

import pytest
import torch

from PlaneSSLLib import PlaneSSLError
from PlaneSSLLib.training.processes import by_first_alone, own
from PlaneSSLLib.training.settings import choose_device


@pytest.mark.parametrize(("started", "chosen", "taken"), [
    ({}, "cuda:1", "cuda:1"), ({}, "cuda", "cuda:0"), ({}, "cpu", "cpu"),
    ({"WORLD_SIZE": "1", "RANK": "0", "LOCAL_RANK": "0"}, "cuda:1", "cuda:1"),
    ({"WORLD_SIZE": "4", "RANK": "3", "LOCAL_RANK": "1"}, "cuda", "cuda:1"),
    ({"WORLD_SIZE": "4", "RANK": "3", "LOCAL_RANK": "1"}, "cuda:0", "cuda:1"),
    ({"WORLD_SIZE": "4", "RANK": "3", "LOCAL_RANK": "1"}, "cpu", "cpu")])
def test_each_process_has_a_gpu_of_its_own_and_a_single_one_that_which_is_asked_for(
        started, chosen, taken, monkeypatch):
    for name in ("WORLD_SIZE", "RANK", "LOCAL_RANK"):
        monkeypatch.delenv(name, raising=False)
    for name, value in started.items():
        monkeypatch.setenv(name, value)
    assert own(torch.device(chosen)) == torch.device(taken)


@pytest.mark.parametrize(("rank", "heard"), [(None, 1), ("0", 1), ("2", 0)])
def test_of_several_processes_the_first_speaks(rank, heard, monkeypatch):
    monkeypatch.delenv("RANK", raising=False)
    if rank is not None:
        monkeypatch.setenv("RANK", rank)
    said = []
    by_first_alone(said.append)({"event": "notice", "text": "once"})
    assert len(said) == heard


def test_a_device_that_is_not_there_is_named():
    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    with pytest.raises(PlaneSSLError, match="'cuda' is not present here"):
        choose_device("cuda")


@pytest.mark.parametrize("name", ["cpu:x", "gpu", "cuda:99"])
def test_a_device_that_cannot_be_is_refused_in_a_sentence(name):
    with pytest.raises(PlaneSSLError, match=name):
        choose_device(name)
