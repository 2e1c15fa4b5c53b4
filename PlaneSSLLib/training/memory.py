"""Memory: how tensors lie in it, keeping what every batch needs again, and knowing when there is none left."""
from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable
from typing import TypeVar

import torch

Result = TypeVar("Result")

_NO_MEMORY = (
    "out of memory", "not enough memory", "can't allocate memory",  # CUDA, MPS; the CPU in two wordings
    "cublas_status_alloc_failed", "cudnn_status_alloc_failed", "unable to find a valid cudnn algorithm")
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # of mallopt(3)


def keep_freed_memory() -> None:
    """Tell the C library not to give large blocks back to the system between batches, in all of this process.

    By default glibc maps and unmaps every large tensor anew, and the page faults cost a tenth of a training step on the
    CPU, a fifth of a segmentation. Does nothing where the C library has no mallopt.
    """
    if sys.platform == "linux":
        mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
        if mallopt is not None:
            # Older ones refuse a threshold above 32 MB; one that is left as it was would be frozen by the next call.
            if mallopt(_MMAP_THRESHOLD, 1 << 30) or mallopt(_MMAP_THRESHOLD, 32 << 20):
                mallopt(_TRIM_THRESHOLD, 2**31 - 1)


def training_format(device: torch.device) -> torch.memory_format:
    """How a network that learns lies in memory: channels last, or as torch makes it.

    Convolutions are quicker with channels last on GPUs and on processors with AVX-512. Without AVX-512 their gradients
    are not: a step of the paper's U-Net takes a third as long again, and more (benchmarks/network.py). Where a network
    only answers, channels last are quicker on all of these.
    """
    quick = device.type == "cuda" or (device.type == "cpu" and torch.backends.cpu.get_cpu_capability() == "AVX512")
    return torch.channels_last if quick else torch.contiguous_format


def is_out_of_memory(error: RuntimeError) -> bool:
    """Does torch say by this that memory does not suffice? On a GPU of Apple's, and on CPUs, by words alone."""
    return isinstance(error, torch.OutOfMemoryError) or any(words in str(error).lower() for words in _NO_MEMORY)


def while_memory_lasts(work: Callable[[], Result], make_do_with_less: Callable[[], None]) -> Result:
    """Do the work; wherever memory does not suffice for it, make do with less, and do it again."""
    while True:
        try:
            return work()
        except RuntimeError as error:
            if not is_out_of_memory(error):
                raise
        make_do_with_less()  # not while the error is handled: it holds on to the tensors


def free_cached_memory() -> None:
    """Give a GPU's memory back that torch keeps for later."""
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    if torch.backends.mps.is_available():
        torch.mps.empty_cache()
