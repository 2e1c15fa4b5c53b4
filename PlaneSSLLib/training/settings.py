"""What a training is told, in one place."""
from __future__ import annotations

import math
from dataclasses import dataclass

import torch

from .. import PlaneSSLError
from ..kinds import Kind, one_of, shortly, whole

STEPS_PER_EPOCH = 50

_SHARE = Kind(lambda v: type(v) in (int, float) and 0 <= v < 1, "a number from 0 to 1, below 1")
_ABOVE_ZERO = Kind(lambda v: type(v) in (int, float) and 0 < v < math.inf, "a number above 0")
_KINDS = {
    "epochs": whole(1), "batch": whole(1), "warmup_steps": whole(0), "validate_every": whole(1), "patience": whole(1),
    "seed": whole(0), "workers": whole(0), "coarse": _SHARE, "ema": _SHARE, "weight_decay": _SHARE,
    "clip_norm": _ABOVE_ZERO, "pixel_head_rate": _ABOVE_ZERO,
    "learning_rate": Kind(lambda v: type(v) in (int, float) and 0 < v < 1, "a number between 0 and 1"),
    "precision": one_of(("auto", "float32", "bfloat16"))}


@dataclass(frozen=True)
class Settings:
    """How long, how fast, on what.

    An epoch is 50 steps of a batch, whatever the size of the cohort: with one labelled patient or a thousand studies,
    the same number of epochs is the same work. The learning rate rises over the warm-up steps and falls to zero along a
    half cosine. coarse: the share of the training that comes first, on pixels twice as wide, where a step takes less
    than half the time; lines and locations need no finer ones. learning_rate is AdamW's; the body's
    kernels go by Muon, at a fixed multiple of it. pixel_head_rate scales the learning rate of heads that answer for
    every pixel: they are narrow, and with Adam a step changes an answer by the rate times its inputs.
    ema: decay of the running mean of the weights that is validated and kept; 0 for none. patience: validations without
    a better one after which training stops; None for never. precision: bfloat16 where it is quicker and loses nothing
    that shows, on a GPU that has it; on a CPU only if asked for, and if the CPU has it.
    """

    epochs: int
    batch: int = 16
    learning_rate: float = 1e-3
    weight_decay: float = 1e-2
    warmup_steps: int = 50
    clip_norm: float = 1.0
    ema: float = 0.99
    pixel_head_rate: float = 10.0
    coarse: float = 0.0
    validate_every: int = 5
    patience: int | None = None
    precision: str = "auto"
    seed: int = 0
    device: str = "auto"
    workers: int = 0

    def __post_init__(self) -> None:
        for name, kind in _KINDS.items():
            value = getattr(self, name)
            if not kind.holds(value) and not (name == "patience" and value is None):
                raise PlaneSSLError(f"A training's {name.replace('_', ' ')} is {kind.words}, and not {shortly(value)}.")

    def mixed(self, device: torch.device) -> bool:
        """Do convolutions run in bfloat16 on this device? Weights, losses and their sums stay in float32."""
        if device.type == "cpu":
            return self.precision == "bfloat16" and cpu_has_bfloat16()
        if device.type == "cuda":
            return self.precision != "float32" and torch.cuda.is_bf16_supported(including_emulation=False)
        return self.precision == "bfloat16"

    @property
    def steps(self) -> int:
        return self.epochs * STEPS_PER_EPOCH

    @property
    def coarse_steps(self) -> int:
        return int(self.epochs * self.coarse) * STEPS_PER_EPOCH

    def rate(self, step: int) -> float:
        """Share of the learning rate at a step, 0 .. 1."""
        warm = min(1.0, (step + 1) / max(1, self.warmup_steps))
        return warm * 0.5 * (1 + math.cos(math.pi * step / self.steps))


# By what is learnt, unless the caller says otherwise. A classification's batch is one of whole studies.
USUAL = {"pretraining": Settings(epochs=200, coarse=0.55), "segmentation": Settings(epochs=40, batch=8, coarse=0.5),
         "classification": Settings(epochs=40, batch=4, coarse=0.5)}


def cpu_has_bfloat16() -> bool:
    """Can this processor compute in bfloat16? Without AVX-512 it is emulated, eight times as slow as float32."""
    try:
        return torch.backends.mkldnn.is_available() and bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())
    except AttributeError:  # not among the documented calls: another torch may lack it
        return False


def choose_device(name: str = "auto") -> torch.device:
    """CUDA if present, then MPS, else the CPU; PlaneSSLError if what is asked for is absent."""
    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if name == "auto":
        return torch.device(next(kind for kind, present in there.items() if present))
    kind = name.partition(":")[0]
    if not there.get(kind, False):
        present = ", ".join(kind for kind, present in there.items() if present)
        raise PlaneSSLError(f"The device '{name}' is not present here; there is: {present}.")
    try:
        device = torch.device(name)
    except RuntimeError:
        raise PlaneSSLError(f"There is no device '{name}'; planessl devices lists them.") from None
    if kind == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise PlaneSSLError(f"There is no GPU number {device.index}; planessl devices lists them.")
    return device


def describe_devices() -> list[dict]:
    """What is there, the best first: {"device", "name", "free_gb", "of_gb"}; the memory is None where unknown."""
    found = []
    for i in range(torch.cuda.device_count()):
        free, total = torch.cuda.mem_get_info(i)
        found.append({"device": f"cuda:{i}", "name": torch.cuda.get_device_name(i), "free_gb": round(free / 1e9, 1),
                      "of_gb": round(total / 1e9, 1)})
    if torch.backends.mps.is_available():
        found.append({"device": "mps", "name": "Apple GPU", "free_gb": None, "of_gb": None})
    return [*found, {"device": "cpu", "name": f"{torch.get_num_threads()} threads", "free_gb": None, "of_gb": None}]
