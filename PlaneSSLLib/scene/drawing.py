"""A drawn study: all that the scene knows of it, kept in one node, so that it survives saving and loading."""
from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np

from .. import PlaneSSLError
from .. import anatomy as anatomies
from ..geometry import Plane
from ..study import Frame, Naming, Stack, Study
from . import nodes

_RECORD, _MOVED, _LOOK = "PlaneSSL.record", "PlaneSSL.moved", "PlaneSSL.look"
VISIBILITIES = ("show", "dim", "hide")
TEXTURES = ("none", "central", "all")
_DIM, _DIM_LOCALIZER = 0.35, 0.25
_OTHER_COLORS = ((0.55, 0.70, 0.85), (0.85, 0.65, 0.75), (0.70, 0.80, 0.60), (0.75, 0.75, 0.75))


@dataclass(frozen=True)
class Look:
    """What is shown of a study. localizers, others (slices beside the central one): show, dim or hide.

    textures: which rectangles carry their image in 3D: none, central (one a stack) or all.
    """

    localizers: str = "dim"
    others: str = "dim"
    textures: str = "none"

    def __post_init__(self) -> None:
        for name, known in (("localizers", VISIBILITIES), ("others", VISIBILITIES), ("textures", TEXTURES)):
            if getattr(self, name) not in known:
                raise PlaneSSLError(f"{name} is '{getattr(self, name)}' instead of one of {', '.join(known)}.")


@dataclass(frozen=True)
class Drawing:
    """A study in the scene, known by its key; everything else is read from the scene when asked for.

    PlaneSSLError where the study is no longer in the scene.
    """

    key: str

    @property
    def acquired(self) -> Study:
        """The study without its pixels, planes as acquired."""
        return _parse(self._text(_RECORD)).study

    @property
    def study(self) -> Study:
        """The study without its pixels, planes as they lie now: those that were taken in hand may have moved."""
        return _moved(self._text(_RECORD), self._text(_MOVED))

    @property
    def colors(self) -> dict[str, tuple[float, float, float]]:
        """Stack id -> the colour of its view, red, green, blue, 0 to 1."""
        return _parse(self._text(_RECORD)).colors

    @property
    def any_frame(self) -> bool:
        """Are planes of different frames of reference cut with each other?"""
        return _parse(self._text(_RECORD)).any_frame

    @property
    def names(self) -> dict[str, str]:
        """Stack id -> a short name, unique in the study, made of its view."""
        return _parse(self._text(_RECORD)).names

    @property
    def look(self) -> Look:
        return Look(**json.loads(self._text(_LOOK)))

    @property
    def notes(self) -> tuple[str, ...]:
        """Why there is no line where a user may look for one: a sentence each."""
        return self.acquired.notes

    def strength(self, stack: Stack) -> np.ndarray:
        """(slices,) how strongly the planes of a stack are shown, 0 (hidden) to 1, in the present look."""
        look = self.look
        visibility = look.localizers if stack.localizer else look.others
        weak = {"show": 1.0, "dim": _DIM_LOCALIZER if stack.localizer else _DIM, "hide": 0.0}[visibility]
        strength = np.full(len(stack.planes), weak)
        if not stack.localizer:
            strength[stack.central] = 1.0
        return strength

    def label(self, stack: str, index: int) -> str:
        """How a plane is called on screen: "4CH", or "SAX 7" (counted from 1) in a stack of several slices."""
        several = len(self.acquired.stack(stack).planes) > 1
        return f"{self.names[stack]} {index + 1}" if several else self.names[stack]

    def nodes(self, role: str | None = None, stack: str | None = None, index: int | None = None) -> list:
        return nodes.our_nodes(role, self.key, stack, index)

    def node(self, role: str, stack: str | None = None, index: int | None = None):
        return nodes.our_node(role, self.key, stack, index)

    def folder(self, stack: str | None = None) -> int:
        """The subject hierarchy item of the study, or of one of its stacks."""
        study = self.acquired
        series = "" if stack is None else series_name(study.stack(stack))
        return nodes.folder(self.key, study.subject, study.folder.name, stack, series)

    def move(self, stack: str, index: int, plane: Plane | None) -> None:
        """Keep where a plane lies now; None is its acquired place."""
        moved = json.loads(self._text(_MOVED))
        moved.pop(f"{stack} {index}", None)
        if plane is not None:
            moved[f"{stack} {index}"] = _plane_document(plane)
        self.record.SetAttribute(_MOVED, json.dumps(moved))

    def set_look(self, look: Look) -> None:
        self.record.SetAttribute(_LOOK, json.dumps(asdict(look)))

    @property
    def record(self):
        """The node that holds all this; it is modified when a plane moves or the look changes."""
        for node in nodes.our_nodes("study", self.key, class_name="vtkMRMLScriptedModuleNode"):
            return node
        raise PlaneSSLError("This study is no longer in the scene: draw it again.")

    def _text(self, attribute: str) -> str:
        return self.record.GetAttribute(attribute)


def record(study: Study, look: Look, any_frame: bool) -> Drawing:
    """Keep a study in the scene, in a node of its own."""
    drawing = Drawing(nodes.study_key(study.folder))
    model = anatomies.load(study.anatomy)
    views = dict.fromkeys(stack.view for stack in study.stacks)
    unnamed = [view for view in views if model.view(view) is None]
    colors = {view: model.view(view).color if model.view(view) else _OTHER_COLORS[unnamed.index(view) % 4]
              for view in views}
    document = {
        "folder": str(study.folder), "subject": study.subject, "anatomy": study.anatomy,
        "notes": [*study.notes, *why_no_lines(study, any_frame)], "any_frame": any_frame,
        "stacks": [{
            "id": stack.id, "view": stack.view, "confidence": stack.naming.confidence, "series": stack.series,
            "description": stack.description, "series_uid": stack.series_uid,
            "frame_of_reference": stack.frame_of_reference, "localizer": stack.localizer,
            "thickness_mm": stack.thickness_mm, "dimension": stack.dimension, "notes": list(stack.notes),
            "times": [[frame.time_ms for frame in frames] for frames in stack.frames],
            "color": colors[stack.view], "planes": [_plane_document(plane) for plane in stack.planes],
        } for stack in study.stacks],
    }
    node = nodes.add_node("vtkMRMLScriptedModuleNode", f"PlaneSSL {study.subject}", "study", drawing.key)
    node.SetAttribute("ModuleName", "PlaneSSL")
    node.SetAttribute(_RECORD, json.dumps(document))
    node.SetAttribute(_MOVED, "{}")
    drawing.set_look(look)
    return drawing


def drawings() -> list[Drawing]:
    """The studies in the scene, in the order in which they came."""
    return [Drawing(node.GetAttribute(nodes.STUDY)) for node in nodes.our_nodes("study")]


def why_no_lines(study: Study, any_frame: bool = False) -> Iterator[str]:
    """A sentence for every stack that no other cuts."""
    if len(study.stacks) == 1:
        yield "There is no crossing line: the study has a single stack, and lines need planes of two directions."
        return
    for stack in study.stacks:
        if any(True for _ in study.partners(stack, any_frame)):
            continue
        if any(True for _ in study.partners(stack, any_frame=True)):
            yield (f"No line crosses {stack.id}: the planes that would cut it are in another frame of reference; "
                   "draw with lines between frames if the patient did not move.")
        else:
            yield f"No line crosses {stack.id}: the other stacks are parallel to it."


def series_name(stack: Stack) -> str:
    """How Slicer's users know a series: its number and description."""
    return f"{stack.series}: {stack.description}" if stack.series else stack.description or stack.id


@dataclass(frozen=True)
class _Record:
    study: Study
    colors: dict[str, tuple[float, float, float]]
    names: dict[str, str]
    any_frame: bool


@lru_cache(maxsize=16)
def _parse(text: str) -> _Record:
    document = json.loads(text)
    stacks = tuple(Stack(
        id=one["id"], planes=tuple(Plane(**plane) for plane in one["planes"]),
        frames=tuple(tuple(Frame(None, time) for time in times) for times in one["times"]),
        naming=Naming(one["view"], one["confidence"]), notes=tuple(one["notes"]),
        **{name: one[name] for name in ("series", "description", "series_uid", "frame_of_reference", "localizer",
                                        "thickness_mm", "dimension")},
    ) for one in document["stacks"])
    study = Study(Path(document["folder"]), document["subject"], document["anatomy"], stacks,
                  notes=tuple(document["notes"]))
    colors = {one["id"]: tuple(one["color"]) for one in document["stacks"]}
    return _Record(study, colors, _short_names(stacks), document["any_frame"])


@lru_cache(maxsize=64)
def _moved(record_text: str, moved_text: str) -> Study:
    study = _parse(record_text).study
    moved = {tuple(place.rsplit(" ", 1)): Plane(**plane) for place, plane in json.loads(moved_text).items()}
    stacks = tuple(replace(stack, planes=tuple(
        moved.get((stack.id, str(i)), plane) for i, plane in enumerate(stack.planes))) for stack in study.stacks)
    return replace(study, stacks=stacks)


def _short_names(stacks: tuple[Stack, ...]) -> dict[str, str]:
    """Stack id -> its view; where stacks share a view, only the one with most phases has the bare name."""
    plain = [stack.view + (" loc" if stack.localizer else "") for stack in stacks]
    names = {}
    for stack, name in zip(stacks, plain, strict=True):
        rivals = [other for other, same in zip(stacks, plain, strict=True) if same == name]
        foremost = max(rivals, key=lambda one: (one.phases, len(one.planes)))
        numbered = f"{name} s{stack.series}"
        alone = sum(other.series == stack.series for other in rivals) == 1 and stack.series
        names[stack.id] = name if stack is foremost else numbered if alone else stack.id
    return names


def _plane_document(plane: Plane) -> dict:
    return {"position": plane.position.tolist(), "row": plane.row.tolist(), "column": plane.column.tolist(),
            "spacing": list(plane.spacing), "shape": list(plane.shape)}
