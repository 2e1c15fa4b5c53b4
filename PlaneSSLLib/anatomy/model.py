"""Views, labels and the working grid of one anatomy."""
from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from .wording import plain

USUAL_DEG = 45.0
PLANES = ("central", "nearest", "all")


@dataclass(frozen=True)
class LineTarget:
    """A line that a view regresses: where `plane` of the stack of `view` cuts the image."""

    view: str
    plane: str = "central"  # the stack's middle plane, the one nearest to the image's centre, or all of them

    def __str__(self) -> str:
        return f"{self.view}:{self.plane}"


@dataclass(frozen=True)
class View:
    """A named way of cutting the organ.

    normal: typical unit normal in LPS, pointing the way the slices count (base to apex, ...); that of a left organ
    where the anatomy is sided. perpendicular_to: instead of a normal, any stack at right angles to that view which
    has no better name. most_slices: a stack with more slices than this is not this view. words: how descriptions
    call it, in lower case. pose: two views whose central planes this one regresses; before an image is segmented it is
    turned along the line of the first, and centred where that of the second crosses it.
    """

    name: str
    title: str
    color: tuple[float, float, float]
    normal: tuple[float, float, float] | None = None
    perpendicular_to: str | None = None
    most_slices: int | None = None
    words: tuple[str, ...] = ()
    lines: tuple[LineTarget, ...] = ()
    pose: tuple[str, ...] = ()

    def lies_as_usual(self, normal: np.ndarray) -> bool:
        """Is a stack of this (3,) unit normal, or its opposite, within 45 degrees of the typical one?

        Of one that is further off, or of a view without a typical normal, nobody can say how it should lie: the header
        may be made up.
        """
        return self.normal is not None and (
            abs(normal @ self.normal) >= np.cos(np.radians(USUAL_DEG)) * np.linalg.norm(self.normal))


@dataclass(frozen=True)
class MrSequence:
    """A kind of images in which a view is acquired: cine, late enhancement, proton density with fat suppression.

    words: groups of words in lower case; a description that says one of every group is of this sequence. beats: it
    shows a cycle, so that of several images at one place each is a phase.
    """

    name: str
    words: tuple[tuple[str, ...], ...]
    beats: bool = False


@dataclass(frozen=True)
class Code:
    """A coded concept of a terminology, SNOMED CT ("SCT") as DICOM writes it."""

    scheme: str
    value: str
    meaning: str


@dataclass(frozen=True)
class Label:
    """A structure: its value in label maps, its name, its colour and its code.

    pieces: of how many it consists (two kidneys), 0 for any number, as of what may be torn, or thick slices cut up.
    words: what else it is called. surrounded_by: the structure in which it lies, in any plane, empty for none.
    """

    value: int
    name: str
    title: str
    color: tuple[float, float, float]
    code: Code
    density_g_per_ml: float | None = None  # given where a mass is wanted
    ejects: bool = False  # a cavity for which stroke volume and ejection fraction are wanted
    pieces: int = 1
    words: tuple[str, ...] = ()
    surrounded_by: str = ""


@dataclass(frozen=True)
class Grid:
    """The working grid on which a network sees every image: (row, column) mm and (rows, columns) pixels."""

    spacing: tuple[float, float]
    size: tuple[int, int]


@dataclass(frozen=True)
class Anatomy:
    """One anatomy file, read and checked."""

    name: str
    title: str
    words: tuple[str, ...]
    grid: Grid
    sigma_mm: float
    turn_deg: float  # how far an organ may lie turned from the typical normals
    sided: bool  # left and right organs are mirror images
    views: tuple[View, ...]
    labels: tuple[Label, ...] = ()
    classes: tuple[str, ...] = ()
    sequences: tuple[MrSequence, ...] = ()  # in the order in which their words are looked for
    file: Path | None = field(default=None, compare=False)

    def view(self, name: str) -> View | None:
        return next((view for view in self.views if view.name == name), None)

    def mirrors(self, side: str) -> bool:
        """Is an organ of this side the mirror image of those that the views' typical normals are of?"""
        return self.sided and side == "right"

    def end_is_known(self, view: str, side: str) -> bool:
        """Is it known which end of a stack comes first? Not from medial to lateral, where nobody knows the side."""
        known = self.view(view)
        return not self.sided or bool(side) or known is None or known.normal is None or (
            int(np.abs(known.normal).argmax()) != 0)

    def pose_of(self, view: str) -> tuple[str, ...]:
        """The two views by which images of a view are laid alike; () if the anatomy names none."""
        known = self.view(view)
        return known.pose if known else ()

    def structure(self, name: str, terminology: str = "") -> Label | None:
        """The structure of this code, where only one has it, else of this name, title or word, however it is spelt.

        terminology: text that holds codes as Slicer writes them, "~SCT^87878005^".
        """
        coded = [label for label in self.labels if f"~{label.code.scheme}^{label.code.value}^" in terminology]
        if len(coded) == 1:
            return coded[0]
        return next((label for label in self.labels
                     if plain(name) in map(plain, (label.name, label.title, *label.words))), None)

    @property
    def targets(self) -> tuple[str, ...]:
        """The lines any view regresses, each once, in the order of the views: the channels of the pretext task."""
        wanted = {str(line) for view in self.views for line in view.lines}
        order = [f"{view.name}:{plane}" for view in self.views for plane in PLANES]
        return tuple(name for name in order if name in wanted)

