"""Stacks that a scanner stored as one series per slice, put together again."""
from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from .likeness import SAME_PLACE_MM, alike, natural
from .model import Stack

MOST_GAP = 3.0  # slices further apart than so many thicknesses are not neighbours


def rejoin(stacks: Sequence[Stack]) -> list[Stack]:
    """Join single slices of one name (numbers aside), direction, size, thickness and number of frames.

    They have to lie one behind the other and come from different series. The stacks keep their order.
    """
    kept, singles = [], defaultdict(list)  # with the place of each in the order
    for i, stack in enumerate(stacks):
        if len(stack.planes) > 1:
            kept.append((i, stack))
        else:
            key = re.sub(r"\d+", "", stack.description).strip(), stack.thickness_mm, stack.phases, stack.dimension
            singles[key].append((i, stack))
    for rest in singles.values():
        while rest:
            i, first = rest.pop(0)
            row, left = [first], []
            near = first.planes[0].distance
            for k, stack in sorted(rest, key=lambda item, near=near: abs(near(item[1].planes[0].position))):
                if _continues(row, stack):
                    row.append(stack)
                else:
                    left.append((k, stack))
            rest = sorted(left, key=lambda item: item[0])
            kept.append((i, first if len(row) == 1 else _joined(row)))
    return [stack for _, stack in sorted(kept, key=lambda item: item[0])]


def _continues(row: list[Stack], stack: Stack) -> bool:
    """Is it a slice of another series, right behind one of the row, and at no other's place?"""
    first, plane = row[0], stack.planes[0]
    if not alike(first.planes[0], plane) or (stack.series, stack.series_uid) == (first.series, first.series_uid):
        return False
    normal = first.planes[0].normal
    offsets = np.array([plane.position - other.planes[0].position for other in row])
    along = np.abs(offsets @ normal)
    aside = np.linalg.norm(offsets - (offsets @ normal)[:, None] * normal, axis=1)
    nearest = along.argmin()
    most = MOST_GAP * (stack.thickness_mm or 10.0)
    return bool(SAME_PLACE_MM < along[nearest] <= most and aside[nearest] < 0.5 * along[nearest])


def _joined(row: list[Stack]) -> Stack:
    normal = row[0].planes[0].normal
    numbers = sorted((stack.series for stack in row), key=natural)
    first = min(row, key=lambda stack: natural(stack.series))
    row = sorted(row, key=lambda stack: float(stack.planes[0].position @ normal))
    frames = {stack.frame_of_reference for stack in row} - {""}
    return replace(
        first, planes=tuple(stack.planes[0] for stack in row), frames=tuple(stack.frames[0] for stack in row),
        frame_of_reference=frames.pop() if len(frames) == 1 else "",
        notes=(*first.notes, f"joined from {len(row)} series of one slice each ({numbers[0]} to {numbers[-1]})"))
