"""Stacks that a scanner stored as one series per slice, or a converter as one file, put together again."""
from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from .likeness import SAME_PLACE_MM, classes_of, natural
from .model import Stack
from .phases import in_step

_NUMBERS = re.compile(r"((?<![^\W\d_])[tT][12](?!\d))|\d+")  # but T1 and T2, which are no numbers of slices
MOST_GAP = 3.0  # slices further apart than so many thicknesses are not neighbours


def rejoin(stacks: Sequence[Stack]) -> list[Stack]:
    """Join single slices of one name (numbers aside), direction, size and thickness, either all cines or all still.

    They have to lie one behind the other and come from different series, or files of volumes. The stacks keep their
    order.
    """
    place = {id(stack): i for i, stack in enumerate(stacks)}
    singles = defaultdict(list)
    likeness = classes_of([stack.planes[0] for stack in stacks])
    for stack, alike in zip(stacks, likeness, strict=True):
        name = _NUMBERS.sub(r"\1", stack.description).strip()
        thickness = stack.thickness_mm and round(stack.thickness_mm, 3)
        # Of gated cines, one slice may have a phase more than the next.
        key = (alike, name, thickness, stack.phases > 1, stack.dimension, stack.side)
        singles[key if len(stack.planes) == 1 else id(stack)].append(stack)
    rows = [row for members in singles.values() for row in _rows(members)]
    rows.sort(key=lambda row: min(place[id(stack)] for stack in row))
    return [row[0] if len(row) == 1 else _joined(row) for row in rows]


def _rows(stacks: list[Stack]) -> list[list[Stack]]:
    """Rows of neighbours. Where a place was imaged several times, the first images make one row, the second another."""
    normal = stacks[0].planes[0].normal
    along = {id(stack): float(stack.planes[0].position @ normal) for stack in stacks}
    rows: list[list[Stack]] = []
    last: dict[int, list[Stack]] = {}  # the row to which the last image of each turn belongs
    turn, at = 0, -np.inf
    for stack in sorted(stacks, key=lambda stack: (along[id(stack)], natural(_called(stack)))):
        turn, at = (turn + 1, at) if along[id(stack)] - at <= SAME_PLACE_MM else (0, along[id(stack)])
        if turn in last and _follows(last[turn][-1], stack):
            last[turn].append(stack)
        else:
            rows.append([stack])
            last[turn] = rows[-1]
    return rows


def _follows(before: Stack, stack: Stack) -> bool:
    """Is it a slice of another series, right behind this one?"""
    if (_called(before), before.series_uid) == (_called(stack), stack.series_uid):
        return False
    offset = stack.planes[0].position - before.planes[0].position
    along = abs(offset @ before.planes[0].normal)
    aside = np.sqrt(max(offset @ offset - along**2, 0.0))
    return bool(SAME_PLACE_MM < along <= MOST_GAP * (stack.thickness_mm or 10.0) and aside < 0.5 * along)


def _called(stack: Stack) -> str:
    """The number of its series, the name of its file."""
    return stack.series or (stack.description if not stack.series_uid else "")


def _joined(row: list[Stack]) -> Stack:
    normal = row[0].planes[0].normal
    numbers = sorted(map(_called, row), key=natural)
    first = min(row, key=lambda stack: natural(_called(stack)))
    row = sorted(row, key=lambda stack: float(stack.planes[0].position @ normal))
    frames = {stack.frame_of_reference for stack in row} - {""}
    what = "series" if first.series_uid else "files"
    return replace(
        first, planes=tuple(stack.planes[0] for stack in row),
        frames=tuple(map(tuple, in_step([stack.frames[0] for stack in row]))),
        frame_of_reference=frames.pop() if len(frames) == 1 else "",
        notes=(*first.notes, f"joined from {len(row)} {what} of one slice each ({numbers[0]} to {numbers[-1]})"))
