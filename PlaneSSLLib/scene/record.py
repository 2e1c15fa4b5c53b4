"""What the scene knows of a study, as text that MRML keeps with a node, and read back."""
from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from .. import PlaneSSLError
from .. import anatomy as anatomies
from ..anatomy import View
from ..geometry import Plane
from ..study import Frame, Stack, Study

VISIBILITIES = ("show", "dim", "hide")
TEXTURES = ("none", "central", "all")
STRENGTHS = (1.0, 0.35, 0.25)  # of what is shown, of what is dimmed, of dimmed localizers
_OTHER_COLORS = ((0.55, 0.70, 0.85), (0.85, 0.65, 0.75), (0.70, 0.80, 0.60), (0.75, 0.75, 0.75))


@dataclass(frozen=True)
class Look:
    """What is shown of a study. localizers, others (slices beside the central one): show, dim or hide.

    textures: which rectangles carry their image in 3D: none, central (one a stack) or all. pair: two planes, (stack id,
    slice) each, that are shown alone; empty for all.
    """

    localizers: str = "dim"
    others: str = "dim"
    textures: str = "none"
    pair: tuple[tuple[str, int], ...] = ()

    def __post_init__(self) -> None:
        for name, known in (("localizers", VISIBILITIES), ("others", VISIBILITIES), ("textures", TEXTURES)):
            if getattr(self, name) not in known:
                raise PlaneSSLError(f"{name} is '{getattr(self, name)}' instead of one of {', '.join(known)}.")
        object.__setattr__(self, "pair", tuple((str(stack), int(index)) for stack, index in self.pair))


@dataclass(frozen=True, eq=False)
class DrawnStudy:
    """A study in the scene at one moment.

    study: planes as they lie now, acquired: as they were acquired; both without pixels. By stack id: colors (red,
    green, blue, 0 to 1), titles (what the view is called in full), names (short, unique in the study). any_frame: are
    planes of different frames of reference cut with each other?
    """

    study: Study
    acquired: Study
    colors: dict[str, tuple[float, float, float]]
    titles: dict[str, str]
    names: dict[str, str]
    any_frame: bool
    look: Look

    def strength(self, stack: Stack) -> np.ndarray:
        """(slices,) how strongly the planes of a stack are shown, 0 (hidden) to 1."""
        visibility = self.look.localizers if stack.localizer else self.look.others
        full, dim, dim_localizer = STRENGTHS
        if self.look.pair:
            return np.array([full * ((stack.id, i) in self.look.pair) for i in range(len(stack.planes))])
        weak = {"show": full, "dim": dim_localizer if stack.localizer else dim, "hide": 0.0}[visibility]
        strength = np.full(len(stack.planes), weak)
        if not stack.localizer:
            strength[stack.central] = full
        return strength

    def textured(self, stack: Stack) -> np.ndarray:
        """(slices,) bool: which planes carry their image in 3D?"""
        wanted = np.full(len(stack.planes), self.look.textures == "all")
        wanted[stack.central] |= self.look.textures == "central" and not stack.localizer
        return wanted & (self.strength(stack) > 0)

    def label(self, stack: str, index: int) -> str:
        """How a plane is called on screen: "4CH", or "SAX 7" (counted from 1) in a stack of several slices."""
        several = len(self.acquired.stack(stack).planes) > 1
        return f"{self.names[stack]} {index + 1}" if several else self.names[stack]

    def foremost(self) -> list[Stack]:
        """One stack a view, the most prominent; localizers where there is nothing else."""
        best: dict[str, Stack] = {}
        for stack in [one for one in self.study.stacks if not one.localizer] or self.study.stacks:
            best[stack.view] = max(best.get(stack.view, stack), stack, key=lambda one: one.prominence)
        return list(best.values())

    def partners(self, stack: str) -> Iterator[Stack]:
        """The stacks whose planes may cut those of this one; a plane that was turned may cut any."""
        own = self.study.stack(stack)
        for other in self.study.stacks:
            if other is not own and (self.any_frame or other.frame_of_reference == own.frame_of_reference):
                yield other


def to_text(study: Study, any_frame: bool, notes: list[str]) -> str:
    """All of a study but its pixels, and the colours of its views.

    Of identifiers in headers, only that by which the study is called anyway.
    """
    known = _views_of(study.anatomy)
    unnamed = [view for view in dict.fromkeys(stack.view for stack in study.stacks) if view not in known]
    return json.dumps({
        **replace(study, folder=study.folder.absolute(), notes=tuple(notes), problems=(), labels=(), classes={},
                  uids=(), identifier=study.identifier if study.identifier == study.subject else "").as_json(),
        "any_frame": any_frame,
        "stacks": [{
            **stack.as_json(),
            "color": known[stack.view].color if stack.view in known
            else _OTHER_COLORS[unnamed.index(stack.view) % len(_OTHER_COLORS)],
            "title": known[stack.view].title if stack.view in known else stack.view,
            "times": [[frame is not None and frame.time_ms for frame in frames] for frames in stack.frames],
        } for stack in study.stacks],
    })


def _views_of(anatomy: str) -> dict[str, View]:
    """By name; none of an anatomy that was given by its file and is not known by its name."""
    try:
        return {view.name: view for view in anatomies.load(anatomy).views}
    except PlaneSSLError:
        return {}


@lru_cache(maxsize=32)
def from_text(text: str, moved: str, look: str) -> DrawnStudy:
    """The three texts of a drawing: `to_text`, the planes that were moved, and the look."""
    still = _as_acquired(text)
    planes = {tuple(place.rsplit(" ", 1)): Plane(**plane) for place, plane in json.loads(moved).items()}
    touched = {stack for stack, _ in planes}
    stacks = tuple(replace(stack, planes=tuple(
        planes.get((stack.id, str(i)), plane) for i, plane in enumerate(stack.planes))) if stack.id in touched
        else stack for stack in still.acquired.stacks)
    return replace(still, study=replace(still.acquired, stacks=stacks), look=Look(**json.loads(look)))


@lru_cache(maxsize=8)
def _as_acquired(text: str) -> DrawnStudy:
    """A study before any plane is moved; this much of the text is read once, not at every move."""
    document = json.loads(text)
    stacks = tuple(
        Stack.from_json(one, tuple([
            tuple(None if time is False else Frame(None, time) for time in times) for times in one["times"]]))
        for one in document["stacks"])
    study = Study.from_json(document, stacks)
    colors = {one["id"]: tuple(one["color"]) for one in document["stacks"]}
    titles = {one["id"]: one["title"] for one in document["stacks"]}
    return DrawnStudy(study, study, colors, titles, _short_names(stacks), document["any_frame"], Look())


def _short_names(stacks: tuple[Stack, ...]) -> dict[str, str]:
    """Stack id -> its view; where stacks share a view, only the most prominent one has the bare name."""
    plain = [stack.view + (" loc" if stack.localizer else "") for stack in stacks]
    names = {}
    for stack, name in zip(stacks, plain, strict=True):
        rivals = [other for other, same in zip(stacks, plain, strict=True) if same == name]
        foremost = max(rivals, key=lambda one: one.prominence)
        told = [f"{name} {value}" for value, key in ((stack.sequence, "sequence"), (f"s{stack.series}", "series"))
                if getattr(stack, key) and sum(getattr(other, key) == getattr(stack, key) for other in rivals) == 1]
        names[stack.id] = name if stack is foremost else next(iter(told), stack.id)
    return names
