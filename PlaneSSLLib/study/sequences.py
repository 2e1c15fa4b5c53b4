"""Which MR sequence each stack is of: a view may be acquired in several, and a network knows those it has seen."""
from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from ..anatomy import Anatomy
from .model import Stack
from .wording import says


def with_sequences(stacks: Sequence[Stack], anatomy: Anatomy, given: Mapping[str, str]) -> list[Stack]:
    """The stacks with their `sequence`: the given one (stack id -> name), else the first whose words their description
    says, else, of a stack of several phases, the last that beats; empty where nothing tells.

    Of a beating organ, what is of a sequence that shows no cycle has no phases: a perfusion's images are of as many
    heartbeats, however its headers count them.
    """
    beating = [one for one in anatomy.sequences if one.beats]
    found = []
    for stack in stacks:
        told = next((one for one in anatomy.sequences if (
            one.name == given[stack.id] if stack.id in given
            else all(says(words, stack.description) for words in one.words))), None)
        if told is None and stack.is_cine and beating:
            told = beating[-1]
        if told is not None and not told.beats and beating and stack.is_cine:
            stack = replace(stack, dimension="time", notes=(
                *stack.notes, f"its {stack.phases} images a slice are no phases of a cycle: it is of {told.name}"))
        found.append(stack if told is None else replace(stack, sequence=told.name))
    return found
