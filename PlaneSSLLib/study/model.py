"""A study as the rest of the program sees it: stacks of planes whose pixels are read when asked for."""
from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Protocol

import numpy as np

from ..geometry import PARALLEL_DEG, Plane, angle_between, mean_step


class PixelSource(Protocol):
    """Where the pixels of one image come from."""

    file: Path

    def read(self) -> np.ndarray:
        """(rows, columns) float32, rescale slope and intercept applied; PlaneSSLError if the file cannot be decoded."""


@dataclass(frozen=True)
class Frame:
    """One image: where its pixels are, and what tells it from the others at its place."""

    source: PixelSource
    time_ms: float | None = None  # trigger time
    sop_instance_uid: str = ""
    frame_number: int | None = None  # counted from 1, in a multi-frame file


@dataclass(frozen=True)
class Naming:
    """The view that a stack was found to show, how sure that is (0 .. 1), and why."""

    view: str
    confidence: float
    reasons: tuple[str, ...] = ()
    given: bool = False  # by the caller of the reader, who knows better


@dataclass(frozen=True, eq=False)
class Stack:
    """Parallel slices of one series: planes in canonical order, and per plane its frames in the order of the cycle.

    A frame's number is its phase in all slices alike; None stands where a slice lacks a phase that others have.
    id: unique in the study, made of letters, digits, '-' and '_'. dimension: what tells the frames of one slice apart
    ("phase", "echo", "b-value", ...). sequence: what it was acquired in (cine, LGE, ...), one of the anatomy's, empty
    where nothing tells. side: "left" or "right" of an organ that has two, empty where it is not known.
    notes: what a reader should know (uneven steps, missing slices, ...).
    """

    id: str
    planes: tuple[Plane, ...]
    frames: tuple[tuple[Frame | None, ...], ...]
    naming: Naming
    series: str = ""  # the series number, as text; empty where there is none
    description: str = ""
    series_uid: str = ""
    frame_of_reference: str = ""
    localizer: bool = False
    sequence: str = ""
    side: str = ""
    thickness_mm: float | None = None
    dimension: str = "phase"
    notes: tuple[str, ...] = ()

    def as_json(self) -> dict:
        """All but its frames, for `from_json`."""
        plain = {one.name: getattr(self, one.name) for one in fields(self) if one.name not in ("planes", "frames")}
        return {**plain, "naming": asdict(self.naming), "planes": [plane.as_json() for plane in self.planes]}

    @classmethod
    def from_json(cls, document: Mapping, frames: tuple[tuple[Frame | None, ...], ...]) -> Stack:
        """The stack that `as_json` wrote, be it before it knew all there is now, with these frames.

        What else the document says is passed over.
        """
        plain = {one.name: document[one.name] for one in fields(cls) if one.name in document}
        named = document.get("naming") or {key: document[key] for key in ("view", "confidence", "given")}
        naming = Naming(**{**named, "reasons": tuple(named.get("reasons", ()))})
        planes = tuple(Plane(**plane) for plane in document["planes"])
        return cls(**{**plain, "naming": naming, "planes": planes, "frames": frames, "notes": tuple(document["notes"])})

    @property
    def view(self) -> str:
        return self.naming.view

    @property
    def phases(self) -> int:
        """The largest number of frames at one slice."""
        return max(len(frames) for frames in self.frames)

    @property
    def is_cine(self) -> bool:
        """Does it show several phases of a cycle?"""
        return self.phases > 1 and self.dimension == "phase"

    @property
    def prominence(self) -> tuple:
        """The greater, the more it shows: cines before stills, then those of several, and of most, slices."""
        return self.is_cine, len(self.planes) > 1, len(self.planes), self.phases

    def acquired(self, slice_index: int) -> dict[int, Frame]:
        """The frames of a slice by their phases; a phase that it lacks is missing."""
        return {phase: frame for phase, frame in enumerate(self.frames[slice_index]) if frame is not None}

    def has(self, slice_index: int, phase: int) -> bool:
        """Was this slice imaged at this phase?"""
        frames = self.frames[slice_index]
        return phase < len(frames) and frames[phase] is not None

    def imaged_at(self, phase: int) -> list[int]:
        """The slices that were imaged at a phase."""
        return [i for i in range(len(self.planes)) if self.has(i, phase)]

    def shown(self, slice_index: int, phase: int) -> int:
        """The phase of a slice to show at a phase: itself, or where the slice lacks it the one before, or its first."""
        there = self.acquired(slice_index)
        return max((one for one in there if one <= phase), default=min(there))

    @property
    def every_frame(self) -> Iterator[Frame]:
        """All frames that were acquired, slice by slice."""
        return (frame for i in range(len(self.planes)) for frame in self.acquired(i).values())

    @property
    def times_ms(self) -> list[float | None]:
        """Of each phase, its trigger time in the first slice that has it."""
        return [self.frames[self.imaged_at(phase)[0]][phase].time_ms for phase in range(self.phases)]

    @property
    def central(self) -> int:
        """Index of the middle slice."""
        return len(self.planes) // 2

    @property
    def step_mm(self) -> float | None:
        """Mean distance between neighbouring slices along the normal; None for one slice."""
        return mean_step(self.planes)

    def pixels(self, slice_index: int, phase: int = 0) -> np.ndarray:
        """(rows, columns) float32 of one frame; KeyError where that slice lacks the phase."""
        return self.acquired(slice_index)[phase].source.read()

    def is_volume(self, tolerance_mm: float = 0.05) -> bool:
        """Do the planes fill a regular grid (same directions, shape and spacing; equal steps along the normal)?

        From first to last they may lie aside by a tenth of a pixel: no volume of Slicer's, or ITK's, has shear.
        """
        first = self.planes[0]
        if any(p.shape != first.shape or not np.allclose(p.spacing, first.spacing, rtol=1e-4)
               or not np.allclose([p.row, p.column], [first.row, first.column], atol=1e-4) for p in self.planes):
            return False
        if len(self.planes) < 2:
            return True
        step = (self.planes[-1].position - first.position) / (len(self.planes) - 1)
        ideal = first.position + np.arange(len(self.planes))[:, None] * step
        along = step @ first.normal
        aside = np.linalg.norm(step - along * first.normal) * (len(self.planes) - 1)
        return bool(
            np.abs(ideal - [p.position for p in self.planes]).max() < tolerance_mm
            and abs(along) > 1e-3 and aside < max(tolerance_mm, 0.1 * min(first.spacing)))


@dataclass(frozen=True)
class Problem:
    """A file that could not be used, or was used with a reservation, and why, in plain words."""

    file: Path
    reason: str


@dataclass(frozen=True)
class LabelFile:
    """A label map of one phase of one stack: a volume file on the stack's own grid, or one of its phases.

    names: value -> the structure that it stands for, where somebody has said so.
    """

    file: Path
    stack: str
    phase: int
    file_phase: int = 0
    names: Mapping[int, str] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Study:
    """Everything read from one study's folder. subject is for the screen only: it never goes into a run or a log.

    patient: whose study it is, by name, as the subject's. uids: DICOM's identifiers of the study, the one of most
    images first; none where nothing but a folder says whose it is. identifier: the patient's in DICOM headers.
    mixed: what the folder holds several of, though a study is of one ("2 subjects"); empty where all is as it should.
    """

    folder: Path
    subject: str
    anatomy: str
    stacks: tuple[Stack, ...]
    problems: tuple[Problem, ...] = ()
    notes: tuple[str, ...] = ()
    labels: tuple[LabelFile, ...] = ()
    classes: Mapping[str, int] = field(default_factory=dict)  # class -> 0 or 1, from study.json
    mixed: str = ""
    patient: str = ""
    uids: tuple[str, ...] = ()
    identifier: str = ""

    def as_json(self) -> dict:
        """All but its stacks, for `from_json`."""
        plain = {one.name: getattr(self, one.name) for one in fields(self) if one.name not in ("stacks", "labels")}
        return {**plain, "folder": str(self.folder), "classes": dict(self.classes),
                "problems": [[str(problem.file), problem.reason] for problem in self.problems],
                "labels": [[str(label.file), label.stack, label.phase, label.file_phase, [*label.names.items()]]
                           for label in self.labels]}

    @classmethod
    def from_json(cls, document: Mapping, stacks: tuple[Stack, ...]) -> Study:
        """The study that `as_json` wrote, be it before it knew all there is now, with these stacks."""
        plain = {one.name: document[one.name] for one in fields(cls) if one.name in document}
        return cls(**{
            **plain, "folder": Path(document["folder"]), "stacks": stacks, "notes": tuple(document["notes"]),
            "uids": tuple(document.get("uids", ())),
            "problems": tuple(Problem(Path(file), reason) for file, reason in document.get("problems", ())),
            "labels": tuple(LabelFile(Path(file), *where, dict(names))
                            for file, *where, names in document.get("labels", ()))})

    @property
    def side(self) -> str:
        """The one side of a paired organ that the stacks show; empty where it is not known, or both are there."""
        sides = {stack.side for stack in [one for one in self.stacks if not one.localizer] or self.stacks}
        return sides.pop() if len(sides) == 1 else ""

    @property
    def corrected(self) -> dict[str, str]:
        """Stack id -> view, of the stacks that the reader's caller named."""
        return {stack.id: stack.view for stack in self.stacks if stack.naming.given}

    def stack(self, stack_id: str) -> Stack:
        """The stack of this id; KeyError if there is none."""
        for stack in self.stacks:
            if stack.id == stack_id:
                return stack
        raise KeyError(stack_id)

    def partners(self, stack: Stack, any_frame: bool = False) -> Iterator[Stack]:
        """The other stacks whose planes may cut this one's: same frame of reference, and not parallel."""
        for other in self.stacks:
            same_frame = any_frame or other.frame_of_reference == stack.frame_of_reference
            angle = angle_between(other.planes[0].normal, stack.planes[0].normal)
            if other is not stack and same_frame and angle >= PARALLEL_DEG:
                yield other
