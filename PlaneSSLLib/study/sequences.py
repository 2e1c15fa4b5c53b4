"""Which MR sequence each stack is of: a view may be acquired in several, and a network knows those it has seen."""
from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from ..anatomy import Anatomy, MrSequence
from ..anatomy.wording import says
from .filenames import stem
from .model import Stack

CYCLE_MS = 200.0, 3000.0  # times of a heart's phases span so much: less is one moment of many beats, more several beats


def with_sequences(stacks: Sequence[Stack], anatomy: Anatomy, given: Mapping[str, str]) -> list[Stack]:
    """The stacks with their `sequence`: the given one (stack id -> name), else the first whose words their description
    says (of volume files: their name), else, of a stack of several phases, the last that beats; empty where nothing
    tells.

    Of a beating organ, what is of a sequence that shows no cycle has no phases, unless its times are those of a cycle:
    a perfusion's images are of as many heartbeats, however its headers count them.
    """
    named = {one.name: one for one in anatomy.sequences}
    beating = [one for one in anatomy.sequences if one.beats]
    found = []
    for stack in stacks:
        known = named.get(given.get(stack.id, ""))
        told = known or _by_words(stack, anatomy)
        if beating and stack.is_cine and known is None and (told is None or (not told.beats and _shows_a_cycle(stack))):
            told = beating[-1]
        if told is None:
            found.append(stack)
            continue
        if beating and stack.is_cine and not told.beats:
            stack = replace(stack, dimension="time", notes=(
                *stack.notes, f"its {stack.phases} images a slice are no phases of a cycle: it is of {told.name}"))
        elif known and told.beats and stack.dimension == "time":
            stack = replace(stack, dimension="phase")
        found.append(replace(stack, sequence=told.name))
    return found


def _by_words(stack: Stack, anatomy: Anatomy) -> MrSequence | None:
    text = stack.description
    if not (stack.series or stack.series_uid):
        text += f" {stem(next(stack.every_frame).source.file)}"
    return next((one for one in anatomy.sequences if all(says(words, text) for words in one.words)), None)


def _shows_a_cycle(stack: Stack) -> bool:
    times = stack.times_ms
    return None not in times and CYCLE_MS[0] <= max(times) - min(times) <= CYCLE_MS[1]
