"""Several processes, one training: what `torchrun` starts, added up."""
from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, distributed, nn

from .. import PlaneSSLError
from ..events import Report


@dataclass(frozen=True)
class Processes:
    """This process's place among all that train together: one of one, unless torchrun says otherwise."""

    rank: int = 0
    count: int = 1

    @property
    def first(self) -> bool:
        return self.rank == 0

    def share(self, batch: int) -> range:
        """Which samples of a global batch are this process's."""
        if batch % self.count:
            raise PlaneSSLError(f"A batch of {batch} cannot be shared by {self.count} processes; choose a multiple.")
        each = batch // self.count
        return range(self.rank * each, (self.rank + 1) * each)

    def add(self, *tensors: Tensor) -> None:
        """Replace each tensor by its sum over all processes."""
        if self.count > 1:
            for tensor in tensors:
                distributed.all_reduce(tensor)

    def add_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        """Sum the gradients of all processes, in one message."""
        if self.count > 1:
            gradients = [p.grad for p in parameters if p.grad is not None]
            flat = torch.cat([gradient.flatten() for gradient in gradients])
            distributed.all_reduce(flat)
            for gradient, piece in zip(gradients, flat.split([g.numel() for g in gradients]), strict=True):
                gradient.copy_(piece.view_as(gradient))

    def wait(self) -> None:
        if self.count > 1:
            distributed.barrier()


def own(device: torch.device) -> torch.device:
    """The device that was chosen; where torchrun started several processes, each has a GPU of its own."""
    if device.type == "cuda" and (device.index is None or int(os.environ.get("WORLD_SIZE", "1")) > 1):
        return torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
    return device


def by_first_alone(report: Report) -> Report:
    """Of several processes that would all say the same, the first one says it."""
    return report if os.environ.get("RANK", "0") == "0" else lambda event: None


@contextmanager
def joined(device_kind: str) -> Iterator[Processes]:
    """Join the processes that torchrun started, if it did; NCCL between GPUs, gloo otherwise."""
    if "WORLD_SIZE" not in os.environ:
        yield Processes()
        return
    distributed.init_process_group("nccl" if device_kind == "cuda" else "gloo")
    try:
        yield Processes(distributed.get_rank(), distributed.get_world_size())
    finally:
        distributed.destroy_process_group()
