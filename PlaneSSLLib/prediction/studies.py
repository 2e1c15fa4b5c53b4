"""Segment the stacks of a study, every phase of every slice."""
from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

import numpy as np

from .. import PlaneSSLError
from ..anatomy import Anatomy
from ..cohort import PreparedStack
from ..cohort.plan import scaled_phase
from ..cohort.upright import upright_slices
from ..events import Report, notice, silent
from ..study import Stack, Study
from .cleaning import largest_pieces
from .results import SegmentedStack
from .segmenting import Segmenter

OfView = TypeVar("OfView", Stack, PreparedStack)


def stacks_to_segment(
    study: Study, learnt: Mapping[str, Sequence[str]], chosen: Sequence[str] = (),
    report: Report = silent,
) -> list[Stack]:
    """The stacks that a run can segment: of its views, in the sequences that it was trained on.

    learnt: view -> sequences; all of a view where there are none, or a study has the view in others alone. Localizers
    are taken where there is nothing else. chosen: the ids of the stacks that are wanted, whatever they show. Notices
    say what was left, or taken though it was not learnt. PlaneSSLError if there is none.
    """
    if chosen:
        there = {stack.id: stack for stack in study.stacks}
        if unknown := [name for name in chosen if name not in there]:
            raise PlaneSSLError(f"The study has no stack '{unknown[0]}'; it has {', '.join(there)}.")
        return [there[name] for name in dict.fromkeys(chosen)]
    able = [stack for stack in study.stacks if stack.view in learnt]
    if not able:
        there = ", ".join(f"{stack.id} ({stack.view})" for stack in study.stacks)
        raise PlaneSSLError(f"The run was trained on {', '.join(learnt)}; the study has {there}. "
                            "Name a stack with --stack to segment it all the same.")
    able, alike, taken = as_learnt(able, learnt)
    if left := [stack for stack in able if stack not in taken]:
        notice(report, f"Not segmented, since the run has learnt {_told(learnt, left)}: {_listed(left)}. Name them "
                       "with --stack to have them all the same.")
    if strange := [stack for stack in taken if stack not in alike and stack.sequence]:
        notice(report, f"The run has learnt {_told(learnt, strange)}, and is tried on others, as there is nothing "
                       f"else: {_listed(strange)}. Check the result carefully.")
    return taken


def as_learnt(
    stacks: Sequence[OfView], learnt: Mapping[str, Sequence[str]],
) -> tuple[list[OfView], list[OfView], list[OfView]]:
    """Of stacks of a run's views, or what has been prepared of them: those that it may take, those of them that are
    like what it has learnt, and those that it takes: these, and all of a view that none of these show.
    """
    able = [stack for stack in stacks if not stack.localizer] or list(stacks)
    alike = [stack for view, sequences in learnt.items()
             for stack in _alike([stack for stack in able if stack.view == view], sequences)]
    seen = {stack.view for stack in alike}
    return able, alike, [stack for stack in able if stack in alike or stack.view not in seen]


def _alike(stacks: Sequence[OfView], sequences: Sequence[str]) -> list[OfView]:
    """Those of a view's stacks that are of these sequences. Where nobody knows what was learnt, cines, or else all."""
    if not sequences:
        return list(stacks)
    untold = ([stack for stack in stacks if stack.is_cine] or list(stacks)) if "" in sequences else []
    return [stack for stack in stacks if stack in untold or (stack.sequence and stack.sequence in sequences)]


def _told(learnt: Mapping[str, Sequence[str]], stacks: Sequence[Stack]) -> str:
    return ", ".join(f"{view} of {' and '.join(name or 'a sequence that nothing tells' for name in learnt[view])}"
                     for view in dict.fromkeys(stack.view for stack in stacks))


def _listed(stacks: Sequence[Stack]) -> str:
    return ", ".join(f"{stack.id} ({stack.sequence or stack.description or stack.view})" for stack in stacks)


def with_phase(stacks: Sequence[Stack], phase: int | None, report: Report) -> list[Stack]:
    """Those that have this phase, all for None; a notice names the others. PlaneSSLError if there is none."""
    there = [stack for stack in stacks if phase is None or 0 <= phase < stack.phases]
    if not there:
        require_phase(max(stacks, key=lambda stack: stack.phases), phase)
    if left := [stack for stack in stacks if stack not in there]:
        notice(report, f"There is no phase {phase} (from 0), and nothing is segmented, in "
                       f"{_listed(left)}.")
    return there


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
