"""Which stacks are localizers: quick looks from which the others were planned."""
from __future__ import annotations

from collections.abc import Sequence

from .model import Stack
from .wording import says

WORDS = ("localizer", "localiser", "loc", "locator", "scout", "survey", "pilot", "plan scan", "3 plane", "3 pl",
         "topogram", "lokalisator", "übersicht", "reperage", "repérage", "localizador", "localizzatore")


def are_localizers(stacks: Sequence[Stack], beating: bool) -> list[bool]:
    """By image type, by words, or because the stack is still and was acquired before the first cine of a beating organ.

    Operators plan a cine on still images; those that come later, or are of a sequence of their own (late enhancement,
    maps), are no localizers. In
    an organ that does not beat, the phases are those of a contrast agent, and what comes before is no localizer. The
    stacks come in the order of their series; volume files have no such order.
    """
    cines = (i for i, stack in enumerate(stacks) if beating and stack.phases > 1 and stack.dimension == "phase")
    first_cine = next(cines, 0)
    return [
        stack.localizer or says(WORDS, stack.description)
        or (stack.series != "" and stack.phases == 1 and not stack.sequence and i < first_cine)
        for i, stack in enumerate(stacks)]
