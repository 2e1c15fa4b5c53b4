"""Images become stacks: series, then orientations, then places along the normal, then phases, echoes or b-values."""
from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from ..geometry import angle_between
from .images import Image
from .model import Frame, Naming, Stack

SAME_DIRECTION_DEG = 0.5
SAME_PLACE_MM = 0.1
DIMENSIONS = (("time_ms", "phase"), ("temporal", "phase"), ("b_value", "b-value"), ("echo_ms", "echo"),
              ("acquisition", "phase"), ("instance", "phase"))


def group(images: Sequence[Image]) -> list[Stack]:
    """Stacks in the order of their series; planes along the normal of the first, unnamed as yet."""
    by_series = defaultdict(list)
    for image in images:
        series = image.series
        key = (series.uid,) if series.uid else (series.number, series.description, str(series.folder))
        by_series[key].append(image)
    stacks = []
    for members in by_series.values():
        for part in _directions(members):
            stacks.append(_stack(part))
    return sorted(stacks, key=lambda stack: (_natural(stack.series), stack.series_uid, stack.description))


def _natural(text: str):
    return [(0, int(part), "") if part.isdigit() else (1, 0, part) for part in re.split(r"(\d+)", text) if part]


def _directions(images: list[Image]) -> list[list[Image]]:
    parts: list[list[Image]] = []
    for image in sorted(images, key=lambda image: (image.instance or 0, str(image.source.file))):
        for part in parts:
            first, this = part[0].plane, image.plane
            if first.shape == this.shape and np.allclose(first.spacing, this.spacing, rtol=1e-3) and (
                    angle_between(first.normal, this.normal) < SAME_DIRECTION_DEG
                    and angle_between(first.row, this.row) < SAME_DIRECTION_DEG):
                part.append(image)
                break
        else:
            parts.append([image])
    return parts


def _stack(images: list[Image]) -> Stack:
    normal = images[0].plane.normal
    images = sorted(images, key=lambda image: float(image.plane.position @ normal))
    places: list[list[Image]] = []
    for image in images:
        if places and abs((image.plane.position - places[-1][0].plane.position) @ normal) < SAME_PLACE_MM:
            places[-1].append(image)
        else:
            places.append([image])
    dimension = "phase"
    for name, kind in DIMENSIONS:
        if all(len({getattr(image, name) for image in place}) == len(place) for place in places) and all(
                getattr(image, name) is not None for image in images):
            places = [sorted(place, key=lambda image, name=name: getattr(image, name)) for place in places]
            dimension = kind
            break
    first = images[0]
    return Stack(
        id="", planes=tuple(place[0].plane for place in places),
        frames=tuple(tuple(Frame(i.source, i.time_ms, i.sop_instance_uid, i.frame_number) for i in place)
                     for place in places),
        naming=Naming("oblique", 0.0), series=first.series.number, description=first.series.description,
        series_uid=first.series.uid, frame_of_reference=_frame_of_reference(images),
        thickness_mm=first.thickness_mm, dimension=dimension)


def _frame_of_reference(images: list[Image]) -> str:
    found = {image.frame_of_reference for image in images}
    return found.pop() if len(found) == 1 else ""
