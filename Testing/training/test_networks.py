"""What networks answer before any training, and how they lie in memory."""
from __future__ import annotations

import pytest
import torch

from PlaneSSLLib.training.memory import training_format
from PlaneSSLLib.training.networks import NETWORKS, Head, build


@pytest.mark.parametrize("name", [name for name in NETWORKS if name != "unet"])
def test_a_head_starts_at_its_start_on_every_pixel(name):
    """Features of zero leave the start alone, each channel its own, also where pixels were shuffled into channels."""
    network = build(name, {"labels": Head(3, bias_init=(0.5, -1.0, 2.0)), "one": Head(2, bias_init=0.25)}, seed=0)
    features = torch.zeros(1, network.body.channels, 8, 8)
    for head, expected in (("labels", (0.5, -1.0, 2.0)), ("one", (0.25, 0.25))):
        answer = network.heads[head](features)
        assert answer.shape[1:] == (len(expected), 8 * network.body.shuffle, 8 * network.body.shuffle)
        for channel, value in enumerate(expected):
            assert (answer[0, channel] == value).all()


@pytest.mark.parametrize("name", ["small", "resnet50"])
def test_answers_do_not_depend_on_how_weights_lie(name):
    """And the features lie as the weights do, whose convolutions are the quicker for it."""
    image = torch.rand(2, 1, 64, 96)
    heads = {"lines": Head(3), "location": Head(1, "image")}
    answers, lie = {}, {}
    for layout in (torch.contiguous_format, torch.channels_last):
        network = build(name, heads, seed=0).to(memory_format=layout).eval()
        with torch.inference_mode():
            answers[layout] = network(image)
            lie[layout] = [one.is_contiguous(memory_format=layout) for one in network.body.encode(image)[1:]]
    assert all(lie[torch.contiguous_format]) and all(lie[torch.channels_last])
    for head in heads:
        torch.testing.assert_close(*(answer[head] for answer in answers.values()), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(("device", "capability", "expected"), [
    ("cpu", "AVX512", torch.channels_last), ("cpu", "AVX2", torch.contiguous_format),
    ("cuda:1", "AVX2", torch.channels_last), ("mps", "DEFAULT", torch.contiguous_format)])
def test_training_lies_in_memory_as_is_the_quicker(device, capability, expected, monkeypatch):
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: capability)
    assert training_format(torch.device(device)) is expected
