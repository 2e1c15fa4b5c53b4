"""Which stacks are localizers: quick looks from which the others were planned."""
from __future__ import annotations

from collections.abc import Sequence

from ..anatomy import Anatomy
from ..anatomy.wording import says
from .model import Stack

WORDS = ("localizer", "localiser", "loc", "locator", "scout", "survey", "pilot", "plan scan", "3 plane", "3 pl",
         "topogram", "lokalisator", "übersicht", "reperage", "repérage", "localizador", "localizzatore")


def are_localizers(stacks: Sequence[Stack], anatomy: Anatomy) -> list[bool]:
    """By image type, by words, or because the stack is still and was acquired before the first cine of a beating organ.

    Operators plan a cine on still images; those that come later, or are of a sequence that is still by nature (late
    enhancement, maps), are no localizers. In an organ that does not beat, the phases are those of a contrast agent, and
    what comes before is no localizer. The stacks come in the order of their series; volume files have no such order.
    """
    beating = any(label.ejects for label in anatomy.labels)
    still = {sequence.name for sequence in anatomy.sequences if not sequence.beats}
    first_cine = next((i for i, stack in enumerate(stacks) if beating and stack.is_cine), 0)
    return [
        stack.localizer or says(WORDS, stack.description)
        or (stack.series != "" and stack.phases == 1 and stack.sequence not in still and i < first_cine)
        for i, stack in enumerate(stacks)]
