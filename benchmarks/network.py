"""A training step of each network, and what pays on this machine: `python benchmarks/network.py`.

Prints one JSON object: seconds per step of the small network (batch 16, 144 x 144), and for the paper's U-Net (batch 4,
224 x 224) the time of plain contiguous float32 beside channels-last, as trained here, and channels-last with bfloat16.
"""
from __future__ import annotations

import json
import time

import machine
import torch

from PlaneSSLLib.training.memory import keep_freed_memory
from PlaneSSLLib.training.networks import Head, Network, build

HEADS = {"lines": Head(3), "location": Head(1, "image", bias_init=0.5)}


def seconds(network: Network, image: torch.Tensor, bfloat16: bool = False, rounds: int = 3) -> float:
    """The quickest of a few forward and backward passes."""
    times = []
    for _ in range(rounds + 1):
        start = time.perf_counter()
        with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
            outputs = network(image)
        sum(out.float().square().mean() for out in outputs.values()).backward()
        times.append(time.perf_counter() - start)
        network.zero_grad(set_to_none=True)
    return min(times[1:])


def plainly(network: Network) -> Network:
    """The same layers as one would build them: contiguous, float32, eager."""
    network.forward = lambda image: {
        name: head(decoded if network.kinds[name].per == "pixel" else features[-1])
        for features in [network.body.encode(image)] for decoded in [network.body.decode(features)]
        for name, head in network.heads.items()}
    return network


def main() -> None:
    torch.set_num_threads(2)
    image = torch.rand(4, 1, 224, 224)
    plain = seconds(plainly(build("unet", HEADS, 0)), image)
    keep_freed_memory()
    last = build("unet", HEADS, 0).to(memory_format=torch.channels_last)
    ours, half = seconds(last, image), seconds(last, image, bfloat16=True)
    small = build("small", HEADS, 0).to(memory_format=torch.channels_last)
    print(json.dumps({
        "what": "forward + backward, 2 threads", "small_step_s": seconds(small, torch.rand(16, 1, 144, 144)),
        "unet_plain_s": plain, "unet_channels_last_s": ours, "unet_channels_last_bfloat16_s": half,
        "ratio": ours / plain, "ratio_bfloat16": half / plain, "limit": 0.8, "machine": machine.describe()}, indent=1))


if __name__ == "__main__":
    main()
