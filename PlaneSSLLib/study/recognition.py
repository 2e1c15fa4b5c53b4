"""Which anatomy a study shows: by what its headers say and by how its directions fit each anatomy file."""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from .. import anatomy as anatomies
from ..anatomy import Anatomy
from ..anatomy.wording import mentions
from .model import Stack
from .views import Fit, direction_evidence, name_views

FALLBACK = "generic"
# In units of log likelihood, beside that of the directions: words weigh more than any few stacks.
SAID, SAID_BODY_PART, OTHER_BODY_PART, NOTHING_KNOWN = 30.0, 30.0, -3.0, 3.0
AS_GOOD = 5.0  # what one of two files about an organ may be behind the other by, and still be the one that is meant


@dataclass(frozen=True, eq=False)
class Recognition:
    """An anatomy, how the stacks fit it, and what a reader should know about the choice."""

    anatomy: Anatomy
    fit: Fit
    notes: tuple[str, ...]


def recognise(stacks: Sequence[Stack], text: str, body_part: str, side: str,
              given: str | Anatomy | None = None, likely: Anatomy | None = None) -> Recognition:
    """The given anatomy, or the known one with the best evidence; without any, the generic one.

    likely: one that is taken before others of which the evidence is hardly better, as of another file about that organ.
    text: what descriptions say. body_part: what the headers say is examined. side: "left", "right" or "".
    """
    if given is not None:
        return _fitted(stacks, given if isinstance(given, Anatomy) else anatomies.load(given), side)
    scores = {}
    there, notes = anatomies.load_all()
    if likely is not None:
        there[likely.name] = likely
    for candidate, anatomy in there.items():
        score = direction_evidence(stacks, anatomy, mirrored=anatomy.mirrors(side))
        about_body, in_text = mentions(anatomy.words, body_part), mentions(anatomy.words, text)
        if about_body or in_text:
            score += SAID_BODY_PART * about_body + SAID * in_text
        elif candidate == FALLBACK:
            score += NOTHING_KNOWN
        elif body_part:
            score += OTHER_BODY_PART
        scores[candidate] = score
    best = max(scores, key=scores.get)
    if likely is not None and best != FALLBACK and scores[best] - scores[likely.name] < AS_GOOD:
        best = likely.name
    found = _fitted(stacks, there[best], side)
    return replace(found, notes=tuple(notes))


def _fitted(stacks: Sequence[Stack], anatomy: Anatomy, side: str) -> Recognition:
    return Recognition(anatomy, name_views(stacks, anatomy, anatomy.mirrors(side)), ())
