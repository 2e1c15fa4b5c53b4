"""Segment the stacks of a study, every phase of every slice."""
from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from .. import PlaneSSLError
from ..cohort.plan import intensity_range, scale
from ..study import Stack, Study
from .segmenting import Segmenter


@dataclass(frozen=True, eq=False)
class SegmentedStack:
    """labels[phase][slice]: (rows, columns) uint8 label values; None where that slice lacks the phase."""

    stack: Stack
    labels: tuple[tuple[np.ndarray | None, ...], ...]


def stacks_to_segment(study: Study, views: Sequence[str], chosen: str | None = None) -> list[Stack]:
    """The stacks that a run trained on these views can segment: no localizers where there is anything else.

    chosen: the id of the one stack wanted, whatever its view. PlaneSSLError if there is none.
    """
    if chosen is not None:
        found = [stack for stack in study.stacks if stack.id == chosen]
        if not found:
            there = ", ".join(stack.id for stack in study.stacks)
            raise PlaneSSLError(f"The study has no stack '{chosen}'; it has {there}.")
        return found
    able = [stack for stack in study.stacks if stack.view in views]
    if not able:
        there = ", ".join(f"{stack.id} ({stack.view})" for stack in study.stacks)
        raise PlaneSSLError(f"The run was trained on {', '.join(views)}; the study has {there}. "
                            "Name a stack with --stack to segment it all the same.")
    return [stack for stack in able if not stack.localizer] or able


def segment_stack(segmenter: Segmenter, stack: Stack, report: Callable[[int, int], None] = lambda done, of: None,
                  ) -> SegmentedStack:
    """Segment every frame of a stack. report: called with (frames done, of).

    The intensities are scaled over the whole stack, as they were when the cohort was prepared, so its pixels are held
    in memory while it is worked on; the network sees a batch at a time.
    """
    images = [[stack.pixels(i, k) for k in range(len(frames))] for i, frames in enumerate(stack.frames)]
    span = intensity_range([image for of_slice in images for image in of_slice], segmenter.plan.percentiles)
    places = [(i, k) for i, of_slice in enumerate(images) for k in range(len(of_slice))]
    labels: list[list[np.ndarray | None]] = [[None] * len(stack.planes) for _ in range(stack.phases)]
    frames = ((scale(images[i][k], span), stack.planes[i]) for i, k in places)
    for done, ((i, k), found) in enumerate(zip(places, segmenter.frames(frames), strict=True), start=1):
        labels[k][i] = found
        report(done, len(places))
    return SegmentedStack(stack, tuple(map(tuple, labels)))
