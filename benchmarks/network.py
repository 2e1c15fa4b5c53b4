"""A training step of each network, and what pays on this machine: `python benchmarks/network.py`.

Prints one JSON object: seconds per step of the small network (batch 16, 144 x 144), and for the paper's U-Net (batch 4,
224 x 224) the time of plain contiguous float32 beside channels-last, and channels-last with bfloat16 where the
processor has it; ratio is that of the way it is trained on this machine. The same without gradients.
"""
from __future__ import annotations

import json
import time
from contextlib import nullcontext

import machine
import torch

from PlaneSSLLib.training.memory import keep_freed_memory, training_format
from PlaneSSLLib.training.networks import Head, Network, build
from PlaneSSLLib.training.settings import cpu_has_bfloat16

HEADS = {"lines": Head(3), "location": Head(1, "image", bias_init=0.5)}
ROUNDS = 4


def seconds(network: Network, image: torch.Tensor, gradients: bool = True, bfloat16: bool = False) -> float:
    """The quickest of a few passes, forward and backward or forward alone."""
    times = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        with nullcontext() if gradients else torch.inference_mode():
            with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
                outputs = network(image)
            if gradients:
                sum(out.float().square().mean() for out in outputs.values()).backward()
        times.append(time.perf_counter() - start)
        network.zero_grad(set_to_none=True)
    return min(times[1:])


def main() -> None:
    torch.set_num_threads(2)
    ours = training_format(torch.device("cpu"))
    image = torch.rand(4, 1, 224, 224)
    plain = build("unet", HEADS, 0)
    plain_s, plain_answer_s = seconds(plain, image), seconds(plain, image, gradients=False)
    keep_freed_memory()
    kept_s = seconds(plain, image)
    last = build("unet", HEADS, 0).to(memory_format=torch.channels_last)
    last_s, last_answer_s = seconds(last, image), seconds(last, image, gradients=False)
    half_s = seconds(last, image, bfloat16=True) if cpu_has_bfloat16() else None
    small = build("small", HEADS, 0).to(memory_format=ours)
    print(json.dumps({
        "what": "forward + backward, 2 threads", "small_step_s": seconds(small, torch.rand(16, 1, 144, 144)),
        "unet_plain_s": plain_s, "unet_plain_freed_memory_kept_s": kept_s, "unet_channels_last_s": last_s,
        "unet_channels_last_bfloat16_s": half_s,
        "trained_here": str(ours), "ratio": (last_s if ours is torch.channels_last else kept_s) / plain_s,
        "ratio_channels_last": last_s / plain_s, "ratio_bfloat16": half_s and half_s / plain_s,
        "ratio_channels_last_answers_alone": last_answer_s / plain_answer_s,
        "limit": 0.8, "machine": machine.describe()}, indent=1))


if __name__ == "__main__":
    main()
