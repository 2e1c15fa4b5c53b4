"""Ids of stacks: short, readable, unique, the same whenever and however the study is read."""
from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from itertools import count

import numpy as np

from .model import Stack


def with_ids(stacks: Sequence[Stack]) -> list[Stack]:
    """Ids of series number and view, such as s06-4CH, with a number where that is not unique.

    Which of several gets which number depends on their geometry alone, not on the order of files or instances. A stack
    that has an id already keeps it.
    """
    bases = [stack.id or _base(stack) for stack in stacks]
    used, ids, turns = set(bases), [""] * len(stacks), {}
    for i in sorted(range(len(stacks)), key=lambda i: _place(stacks[i])):
        if bases[i] not in turns:
            turns[bases[i]], ids[i] = count(2), bases[i]
        else:
            ids[i] = next(name for n in turns[bases[i]] if (name := f"{bases[i]}-{n}") not in used)
    return [replace(stack, id=stack_id) for stack, stack_id in zip(stacks, ids, strict=True)]


def _place(stack: Stack) -> tuple:
    first = stack.planes[0]
    numbers = np.round((*np.abs(first.normal), *stack.planes[stack.central].centre), 2)
    return stack.series_uid, tuple(numbers), first.shape, stack.phases


def _base(stack: Stack) -> str:
    number = re.sub(r"[^A-Za-z0-9]+", "", stack.series) or "00"
    return f"s{number.zfill(2)}-{re.sub(r'[^A-Za-z0-9]+', '-', stack.view)}"
