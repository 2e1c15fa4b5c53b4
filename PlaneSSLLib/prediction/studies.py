"""Segment the stacks of a study, every phase of every slice."""
from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from .. import PlaneSSLError
from ..anatomy import Anatomy
from ..cohort.plan import scaled_phase
from ..cohort.upright import upright_slices
from ..study import Stack, Study
from .cleaning import largest_pieces
from .results import SegmentedStack
from .segmenting import Segmenter


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


def require_phase(stack: Stack, phase: int | None) -> None:
    """PlaneSSLError if a stack has no such phase; None stands for all."""
    if phase is not None and not 0 <= phase < stack.phases:
        raise PlaneSSLError(f"{stack.id} has the phases 0 to {stack.phases - 1}, and no phase {phase}.")


def segment_stack(segmenter: Segmenter, stack: Stack, phase: int | None = None, clean: bool = False,
                  report: Callable[[int, int], None] = lambda done, of: None) -> SegmentedStack:
    """Segment every frame of a stack, or of one phase of it (counted from 0).

    clean: keep only the largest pieces, see `largest_pieces` (slices must then be of one shape). report: called with
    (frames done, of). The pixels are held in memory while they are worked on; the network sees a batch at a time.
    PlaneSSLError if there is no such phase, or pixels cannot be decoded.
    """
    require_phase(stack, phase)
    phases = tuple(range(stack.phases)) if phase is None else (phase,)
    slices = upright_slices(stack, segmenter.anatomy, segmenter.plan)
    images = {(i, k): slices[i].turn(image) for k in phases
              for i, image in scaled_phase(stack, k, segmenter.plan).items()}
    found = segmenter.segment(list(images.values()), [slices[i].plane for i, _ in images], stack.view,
                              progress=report)
    labels: list[list[np.ndarray | None]] = [[None] * len(stack.planes) for _ in phases]
    for (i, k), image in zip(images, found, strict=True):
        labels[phases.index(k)][i] = slices[i].back(image)
    segmented = SegmentedStack(stack, phases, tuple(map(tuple, labels)))
    return _cleaned(segmented, segmenter.anatomy) if clean else segmented


def _cleaned(segmented: SegmentedStack, anatomy: Anatomy) -> SegmentedStack:
    shapes = {plane.shape for plane in segmented.stack.planes}
    if len(shapes) > 1:
        raise PlaneSSLError(f"The slices of {segmented.stack.id} differ in size, so that pieces cannot be followed "
                            "through them: segment it without --clean.")
    cleaned = [largest_pieces(segmented.filled(n), anatomy.labels) for n in range(len(segmented.phases))]
    return SegmentedStack(segmented.stack, segmented.phases, tuple(
        tuple(None if before is None else after for before, after in zip(phase, clean, strict=True))
        for phase, clean in zip(segmented.labels, cleaned, strict=True)))
