"""What networks answer before any training."""
from __future__ import annotations

import pytest
import torch

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
