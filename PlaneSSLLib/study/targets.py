"""The free labels of a slice: where the other views' planes cut it, and its place in its stack."""
from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..anatomy import Anatomy
from ..geometry import PARALLEL_DEG, Plane, angle_between, lines_in_image, nearest_on_lines, relative_locations

PART = 0.7  # of the reach of the fullest stack of a view: one that reaches less far shows a part of the organ


@dataclass(frozen=True, eq=False)
class SliceTargets:
    """Of one slice, in its own pixels (column, row).

    lines: (targets, k, 3), NaN where there is none. middles: (targets, k, 2), the points of these lines nearest to the
    middle of the image whose plane cuts this one. location: 0 .. 1, or NaN. slices: how many there are from 0 to 1.
    planes: of each target the plane that is asked for, None where there is none or several.
    """

    lines: np.ndarray
    middles: np.ndarray
    location: float
    slices: int
    planes: tuple[Plane | None, ...]


@dataclass(frozen=True, eq=False)
class Target:
    """What the pretext tasks ask of an image, or what a network answered, on the image's own pixels.

    names: of n lines, "2CH:central". maps: (n, rows, columns), heatmaps of 0 .. 1. location: 0 .. 1, or NaN.
    """

    names: tuple[str, ...]
    maps: np.ndarray
    location: float


def stack_targets(anatomy: Anatomy, stacks, index: int) -> list[SliceTargets]:
    """Targets of every slice of stacks[index].

    stacks: anything with view, side, planes, localizer, sequence and frame_of_reference, be it of a Study or of a
    cohort. Of several stacks of one view that of the image's own sequence is asked for its plane, else that of most
    slices; localizers last, since others were prescribed with more care. Locations are places in the own stack; those
    of a few slices, in the stack of that view which shows the whole organ. Where it is not known which end of the organ
    comes first, there is no location.
    """
    stack = stacks[index]
    view = anatomy.view(stack.view)
    whole = _whole(anatomy, stack, stacks)
    locations = relative_locations(stack.planes, whole.planes)
    if not anatomy.end_is_known(stack.view, stack.side):
        locations = np.full(len(locations), np.nan)
    wanted = {str(line): line for line in view.lines} if view else {}
    per_target: list[list[Plane]] = []
    for name in anatomy.targets:
        partner = _partner(stack, stacks, wanted[name].view) if name in wanted else None
        per_target.append([] if partner is None else list(partner.planes))

    several = [len(planes) for name, planes in zip(anatomy.targets, per_target, strict=True) if name.endswith(":all")]
    most = max([1, *several])
    targets = []
    for plane, location in zip(stack.planes, locations, strict=True):
        lines = np.full((len(anatomy.targets), most, 3), np.nan)
        middles = np.full((len(anatomy.targets), most, 2), np.nan)
        cuts: list[Plane | None] = [None] * len(anatomy.targets)
        for t, (name, planes) in enumerate(zip(anatomy.targets, per_target, strict=True)):
            if planes:
                chosen = _choose(name.rpartition(":")[2], plane, planes)
                cuts[t] = chosen[0] if len(chosen) == 1 else None
                cut = lines_in_image(plane, chosen)
                centres = plane.to_pixels(np.array([other.centre for other in chosen]))
                lines[t, : len(chosen)] = cut
                middles[t, : len(chosen)] = nearest_on_lines(cut, centres, plane.spacing)
        targets.append(SliceTargets(lines, middles, float(location), len(whole.planes), tuple(cuts)))
    return targets


def _partner(stack, stacks, view: str):
    """The stack of that view which can cut this one, localizers last; not one of the other knee."""
    able = [other for other in stacks
            if other.view == view and other.frame_of_reference == stack.frame_of_reference
            and (other.side == stack.side or not other.side or not stack.side)
            and angle_between(other.planes[0].normal, stack.planes[0].normal) >= PARALLEL_DEG]
    return min(able, key=lambda other: (other.localizer, other.sequence != stack.sequence, -len(other.planes)),
               default=None)


def _whole(anatomy: Anatomy, stack, stacks):
    """The stack in which this one's slices have their places: itself, unless another shows far more of the organ.

    That is one of the same view, side and frame of reference that reaches further, cines first.
    """
    able = [other for other in stacks
            if (other.view, other.side, other.frame_of_reference) == (stack.view, stack.side, stack.frame_of_reference)
            and not other.localizer
            and angle_between(other.planes[0].normal, stack.planes[0].normal) < PARALLEL_DEG]
    beating = {sequence.name for sequence in anatomy.sequences if sequence.beats}
    fullest = max(able, key=lambda other: (other.sequence in beating and len(other.planes) > 1, _reach(other)),
                  default=stack)
    return stack if _reach(stack) >= PART * _reach(fullest) else fullest


def _reach(stack) -> float:
    """mm from the first slice to the last, along their normal."""
    return abs(float(stack.planes[0].distance(stack.planes[-1].centre)))


def _choose(which: str, image: Plane, planes: list[Plane]) -> list[Plane]:
    if which == "central":
        return [planes[len(planes) // 2]]
    if which == "nearest":
        return [min(planes, key=lambda plane: abs(plane.distance(image.centre)))]
    return planes
