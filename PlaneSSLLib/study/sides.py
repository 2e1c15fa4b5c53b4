"""Left or right: the side of a paired organ, as said, from headers, from words, or from where it was imaged."""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ..anatomy import Anatomy
from ..anatomy.wording import says
from .document import SIDES
from .model import Stack

OFF_MIDLINE_MM = 40.0
LEFT = ("left", "links", "gauche", "izquierda", "izquierdo", "sinistra", "sinistro", "esquerda", "esquerdo", "lt")
RIGHT = ("right", "rechts", "droit", "droite", "derecha", "derecho", "destra", "destro", "direita", "direito", "rt")


def by_laterality(laterality: str) -> str:
    """"left", "right" or "", from the value of a header."""
    return {"L": "left", "R": "right"}.get(laterality.strip().upper()[:1], "")


def sided(stacks: Sequence[Stack], said: str = "", text: str = "") -> tuple[list[Stack], str]:
    """The stacks, each with the side of the organ that it shows, "" where nothing tells; and how that is known.

    said: "left" or "right" in study.json, or "". text: what descriptions say of the whole study. A stack's header (its
    own `side`) comes before words, and these before the place of its images. One study may hold both knees: a stack of
    which neither headers nor words say anything is where the others are only if all of these are of one side.
    """
    told = {
        "as study.json says": [said] * len(stacks),
        "from the laterality in the headers": [stack.side for stack in stacks],
        "from the words of descriptions": [_by_words(stack.description) or _by_words(text) for stack in stacks],
        f"from the images' place, more than {OFF_MIDLINE_MM:.0f} mm off the midline": list(map(_by_place, stacks)),
    }
    found, sources = [""] * len(stacks), []
    for n, (source, answers) in enumerate(told.items()):
        before = found
        found = [one or answer for one, answer in zip(before, answers, strict=True)]
        sources += [source] * (found != before)
        sides = set(found) - {""}
        if n >= 2 and len(sides) == 1:
            found = [*sides] * len(stacks)
    return [replace(stack, side=side) for stack, side in zip(stacks, found, strict=True)], " and ".join(sources)


def side_notes(stacks: Sequence[Stack], anatomy: Anatomy, source: str) -> list[str]:
    """What a reader should know of the sides of an organ that has two."""
    if not anatomy.sided:
        return []
    there = [side for side in SIDES if any(stack.side == side for stack in stacks)]
    unknown = [stack.id for stack in stacks if not stack.side]
    notes = [f"the {' and the '.join(there)} {anatomy.title.lower()}, {source}"] if there else []
    if unknown:
        whose = f" of {', '.join(unknown)}" if there else ""
        notes.append(f'the side{whose} is unknown: slices count as in a left one; study.json can say it ("side": '
                     '"right")')
    return notes


def _by_words(text: str) -> str:
    left, right = says(LEFT, text), says(RIGHT, text)
    return "" if left == right else "left" if left else "right"


def _by_place(stack: Stack) -> str:
    if not stack.series_uid and any(not plane.position.any() for plane in stack.planes):
        return ""  # a corner at the very origin is made up: nobody lies so
    left = float(stack.planes[stack.central].centre[0])
    return "" if abs(left) <= OFF_MIDLINE_MM else "left" if left > 0 else "right"
