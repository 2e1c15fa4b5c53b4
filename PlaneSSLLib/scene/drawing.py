"""A study in the scene: one node keeps all that is known of it, so that it survives saving and loading."""
from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass

from .. import PlaneSSLError
from ..geometry import Plane
from ..study import Stack, Study
from . import nodes, record
from .record import DrawnStudy, Look

# Looked for among all nodes of the scene, those that every move of a plane needs would cost more than the move.
_CLASSES = {"planes": "vtkMRMLModelNode", "lines": "vtkMRMLModelNode", "view lines": "vtkMRMLModelNode",
            "predictions": "vtkMRMLModelNode", "palette": "vtkMRMLColorTableNode"}
_RECORD, _MOVED, _LOOK = "PlaneSSL.record", "PlaneSSL.moved", "PlaneSSL.look"


@dataclass(frozen=True)
class Drawing:
    """A study in the scene, known by its key; everything else is read from the scene when asked for.

    PlaneSSLError where the study is no longer in the scene.
    """

    key: str

    @property
    def now(self) -> DrawnStudy:
        """Planes, colours, names and look as they are at this moment."""
        node = self.record
        return record.from_text(*(node.GetAttribute(name) for name in (_RECORD, _MOVED, _LOOK)))

    @property
    def study(self) -> Study:
        """The study without its pixels, planes as they lie now: those that were taken in hand may have moved."""
        return self.now.study

    @property
    def look(self) -> Look:
        return self.now.look

    @property
    def notes(self) -> tuple[str, ...]:
        """Why there is no line where a user may look for one, and what the reader said: a sentence each."""
        return self.now.acquired.notes

    @property
    def record(self):
        """The node that keeps all this; it is modified when a plane moves or the look changes."""
        for node in nodes.our_nodes("study", self.key, class_name="vtkMRMLScriptedModuleNode"):
            return node
        raise PlaneSSLError("This study is no longer in the scene: draw it again.")

    def nodes(self, role: str | None = None, stack: str | None = None, index: int | None = None) -> list:
        """Its nodes in the scene, those of a role (volume, planes, lines, ...), of a stack, of a slice."""
        return nodes.our_nodes(role, self.key, stack, index, _CLASSES.get(role, "vtkMRMLNode"))

    def node(self, role: str, stack: str | None = None, index: int | None = None):
        """The first of `nodes`, or None."""
        return next(iter(self.nodes(role, stack, index)), None)

    def volume_of(self, stack: str, index: int):
        """The volume node that shows a slice, or None where a user has deleted it or pixels were not drawn."""
        for node in self.nodes("volume", stack):
            if node.GetAttribute(nodes.SLICE) in (None, str(index)):
                return node
        return None

    def folder(self, stack: str | None = None) -> int:
        """The subject hierarchy item of the study, or of one of its stacks."""
        study = self.now.acquired
        series = "" if stack is None else series_name(study.stack(stack))
        return nodes.folder(self.key, study.subject, study.folder.name, stack, series)

    def move(self, stack: str, index: int, plane: Plane | None) -> None:
        """Keep where a plane lies now; None is its acquired place."""
        node = self.record
        moved = json.loads(node.GetAttribute(_MOVED))
        moved.pop(f"{stack} {index}", None)
        if plane is not None:
            moved[f"{stack} {index}"] = plane.as_json()
        node.SetAttribute(_MOVED, json.dumps(moved))

    def set_look(self, look: Look) -> None:
        self.record.SetAttribute(_LOOK, json.dumps(asdict(look)))


def keep(study: Study, key: str, look: Look, any_frame: bool) -> Drawing:
    """Keep a study in the scene under this key, in a node of its own, without its pixels."""
    drawing = Drawing(key)
    text = record.to_text(study, any_frame, [*study.notes, *why_no_lines(study, any_frame)])
    node = nodes.add_node("vtkMRMLScriptedModuleNode", f"PlaneSSL {study.subject}", "study", drawing.key)
    node.SetAttribute("ModuleName", "PlaneSSL")
    node.SetAttribute(_RECORD, text)
    node.SetAttribute(_MOVED, "{}")
    drawing.set_look(look)
    return drawing


def drawings() -> list[Drawing]:
    """The studies in the scene, in the order in which they came."""
    found = nodes.our_nodes("study", class_name="vtkMRMLScriptedModuleNode")
    return [Drawing(node.GetAttribute(nodes.STUDY)) for node in found]


def drawing_of(record) -> Drawing:
    """The drawn study that a node in the scene keeps; PlaneSSLError if it keeps none."""
    for drawing in drawings():
        if drawing.record.GetID() == record.GetID():
            return drawing
    raise PlaneSSLError("This study is no longer in the scene: draw it again.")


def series_name(stack: Stack) -> str:
    """How Slicer's users know a series: its number and description."""
    return f"{stack.series}: {stack.description}" if stack.series else stack.description or stack.id


def why_no_lines(study: Study, any_frame: bool = False) -> Iterator[str]:
    """A sentence for every stack that no other cuts."""
    if len(study.stacks) == 1:
        yield "There is no crossing line: the study has a single stack, and lines need planes of two directions."
        return
    for stack in study.stacks:
        if any(True for _ in study.partners(stack, any_frame)):
            continue
        if any(True for _ in study.partners(stack, any_frame=True)):
            yield (f"No line crosses {stack.id}: the planes that would cut it are in another frame of reference. "
                   "Draw the study with any_frame if the patient did not move between the series.")
        else:
            yield f"No line crosses {stack.id}: the other stacks are parallel to it."
