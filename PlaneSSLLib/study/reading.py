"""A folder becomes a Study."""
from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from .. import PlaneSSLError, anatomy as anatomies
from ..files import read_json
from . import dicom, volumes
from .grouping import group
from .model import LabelFile, Naming, Problem, Stack, Study
from .views import name_views


def read_study(folder: str | os.PathLike, anatomy: str | None = None, views: dict[str, str] | None = None) -> Study:
    """Read a study's folder; PlaneSSLError if it holds no image."""
    folder = Path(folder)
    if not folder.is_dir():
        raise PlaneSSLError(f"There is no folder {folder}.")
    document = read_json(folder / "study.json") if (folder / "study.json").is_file() else {}
    problems: list[Problem] = []
    labels: list[LabelFile] = []
    images = []
    for file in _files(folder):
        try:
            images += dicom.read_images(file)
        except ValueError as error:
            problems.append(Problem(file, str(error)))
    stacks = group(images)
    subject = document.get("subject") or next((i.series.subject for i in images if i.series.subject), "") or folder.name
    text = " ".join([document.get("anatomy", "")] + [i.series.body_part + " " + i.series.description for i in images])
    name = anatomy or document.get("anatomy") or _guess(text)
    model = anatomies.load(name)
    stacks = [_canonical(replace(stack, naming=naming), model)
              for stack, naming in zip(stacks, name_views(stacks, model), strict=True)]
    stacks = _identified(stacks)
    if document.get("views"):
        more, labels, trouble = volumes.stacks_of_views(folder, document["views"])
        stacks += more
        problems += trouble
    if not stacks:
        raise PlaneSSLError(f"{folder} holds no image that can be read" + (
            f": {problems[0].file.name}: {problems[0].reason}." if problems else "."))
    for label in document.get("labels", []):
        labels += [LabelFile(folder / label["file"], stack.id, int(label["phase"]))
                   for stack in stacks if stack.series_uid and stack.series_uid == label["series"]]
    if views:
        stacks = [replace(s, naming=Naming(views[s.id], 1.0, ("given by the caller",))) if s.id in views else s
                  for s in stacks]
    return Study(folder, subject, model.name, tuple(stacks), tuple(problems), (), tuple(labels))


def _files(folder: Path) -> Iterator[Path]:
    for parent, folders, names in os.walk(folder):
        folders.sort()
        for name in sorted(names):
            file = Path(parent, name)
            with open(file, "rb") as stream:
                if stream.read(132)[128:] == b"DICM" or name.lower().endswith(".dcm"):
                    yield file


def _guess(text: str) -> str:
    for name in sorted(anatomies.available()):
        if any(word in text.lower() for word in anatomies.load(name).words):
            return name
    return "generic"


def _canonical(stack: Stack, model) -> Stack:
    view = model.view(stack.view)
    if view is None or view.normal is None or len(stack.planes) < 2:
        return stack
    if (stack.planes[-1].position - stack.planes[0].position) @ np.array(view.normal) >= 0:
        return stack
    return replace(stack, planes=stack.planes[::-1], frames=stack.frames[::-1])


def _identified(stacks: list[Stack]) -> list[Stack]:
    taken: set[str] = set()
    named = []
    for stack in stacks:
        number = re.sub(r"\D", "", stack.series)
        base = f"s{int(number or 0):02d}-{stack.view}"
        unique, n = base, 2
        while unique in taken:
            unique, n = f"{base}-{n}", n + 1
        taken.add(unique)
        named.append(replace(stack, id=unique))
    return named
