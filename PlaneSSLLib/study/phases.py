"""Frames of one moment get one number in all slices of a stack, whatever a slice lacks."""
from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Protocol, TypeVar

import numpy as np
from scipy.optimize import linear_sum_assignment



class Timed(Protocol):
    time_ms: float | None


T = TypeVar("T", bound=Timed)


def in_step(slices: Sequence[Sequence[T]]) -> list[list[T | None]]:
    """The frames of each slice, in the order of their times, at their phases; None where a slice lacks a phase.

    Numbered as they come, all that follows a gap would stand for another moment than in other slices. They are numbered
    so all the same where times are missing, or do not rise.
    """
    slices = [list(frames) for frames in slices]
    times = [[frame.time_ms for frame in frames] for frames in slices]
    usual = Counter(sorted(map(len, slices), reverse=True)).most_common(1)[0][0]
    if usual < 2 or any(None in of_slice for of_slice in times):
        return slices
    moments = np.median([of_slice for of_slice in times if len(of_slice) == usual], axis=0)
    if np.diff(moments).min() <= 0:
        return slices
    return [_at_nearest(frames, of_slice, moments) if len(frames) < usual else frames
            for frames, of_slice in zip(slices, times, strict=True)]


def _at_nearest(frames: list[T], times: Sequence[float], moments: np.ndarray) -> list[T | None]:
    """To the moments that are nearest on the whole; of sorted times no two need to change places."""
    apart = np.abs(np.subtract.outer(times, moments))
    at = dict(zip(sorted(linear_sum_assignment(apart)[1].tolist()), frames, strict=True))
    return [at.get(phase) for phase in range(max(at) + 1)]
