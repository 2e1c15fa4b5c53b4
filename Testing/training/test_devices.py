"""Which device a training runs on."""
from __future__ import annotations

import pytest
import torch

from PlaneSSLLib import PlaneSSLError
from PlaneSSLLib.training.processes import Processes
from PlaneSSLLib.training.settings import choose_device


@pytest.mark.parametrize(("processes", "chosen", "own"), [
    (Processes(), "cuda:1", "cuda:1"), (Processes(), "cuda", "cuda:0"), (Processes(3, 4, 1), "cuda", "cuda:1"),
    (Processes(), "cpu", "cpu"), (Processes(1, 2, 1), "cpu", "cpu")])
def test_a_gpu_that_is_asked_for_by_number_is_taken(processes, chosen, own):
    assert processes.own(torch.device(chosen)) == torch.device(own)


def test_a_device_that_is_not_there_is_named():
    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    with pytest.raises(PlaneSSLError, match="'cuda' is not present here"):
        choose_device("cuda")


@pytest.mark.parametrize("name", ["cpu:x", "gpu", "cuda:99"])
def test_a_device_that_cannot_be_is_refused_in_a_sentence(name):
    with pytest.raises(PlaneSSLError, match=name):
        choose_device(name)
