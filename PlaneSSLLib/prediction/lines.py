"""The lines that a pretrained run sees in a study's images, beside those of the headers."""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from ..cohort.placing import resample
from ..events import Report, silent
from ..geometry import agree, clip_line, line_errors, lines_hit, lines_in_image
from ..study import Stack, Study
from ..study.targets import SliceTargets, Target, stack_targets
from ..training.guide import acquired_lines
from ..training.run import Run
from .predictor import Predictor
from .suiting import LINES, require_anatomy, require_head


@dataclass(frozen=True, eq=False)
class Answers:
    """What a run sees in the slices of a stack.

    maps: (slices, targets, rows, columns) heatmaps on the working grid. matrices: (slices, 3, 3) from its pixels to
    those of each slice. lines: (slices, targets, 3) in each slice's own pixels, NaN where none is seen. locations:
    (slices,), NaN if the run did not learn them.
    """

    maps: np.ndarray
    matrices: np.ndarray
    lines: np.ndarray
    locations: np.ndarray


class LinePredictor(Predictor):
    """A run that has learnt lines, pretrained or finetuned with them, at work.

    views, sequences: it has seen these alone; empty for all.
    """

    def __init__(self, run: Run, device: str = "auto", batch: int = 16, report: Report = silent) -> None:
        require_head(run, LINES)
        super().__init__(run, device, batch, report)
        self.views, self.sequences = run.plane_views, run.only_sequences

    def answers(self, stack: Stack, phase: int = 0) -> Answers:
        """What the run sees in one phase of a stack, each slice for itself: lines are fitted to their heatmaps.

        A slice that lacks it shows the one before.
        """
        images, matrices = self.on_grid(stack, [(i, stack.shown(i, phase)) for i in range(len(stack.planes))])
        seen = self.outputs(torch.from_numpy(np.stack(images)[:, None]))
        maps = seen["lines"].numpy()
        locations = seen["location"][:, 0].numpy() if "location" in seen else np.full(len(images), np.nan)
        return Answers(maps, matrices, acquired_lines(maps, matrices, self.plan), locations)


@dataclass(frozen=True, eq=False)
class Asked:
    """A stack, what the pretext tasks ask of its slices, and what a run answered."""

    stack: Stack
    targets: Sequence[SliceTargets]
    answers: Answers


def ask(predictor: LinePredictor, study: Study) -> list[Asked]:
    """Ask a run about every stack of a view and a sequence that it has seen and in which its anatomy regresses a line.

    The lines of a plane that several images were asked for are those on which they agree. PlaneSSLError if the study is
    of another anatomy.
    """
    require_anatomy(predictor.plan, study)
    asked = []
    for index, stack in enumerate(study.stacks):
        if (predictor.views and stack.view not in predictor.views) or (
                predictor.sequences and stack.sequence not in predictor.sequences):
            continue
        targets = stack_targets(predictor.anatomy, study.stacks, index)
        if any(np.isfinite(t.lines).any() for t in targets):
            asked.append(Asked(stack, targets, predictor.answers(stack)))
    if not asked:
        return []
    images = [plane for one in asked for plane in one.stack.planes]
    planes = [target.planes for one in asked for target in one.targets]
    seen = np.concatenate([one.answers.lines for one in asked])
    lines, _ = agree(images, planes, seen, predictor.plan.reach_mm)
    ends = np.cumsum([len(one.stack.planes) for one in asked])
    return [replace(one, answers=replace(one.answers, lines=of_stack))
            for one, of_stack in zip(asked, np.split(lines, ends[:-1]), strict=True)]


def predicted_targets(asked: Sequence[Asked], names: Sequence[str]) -> dict[tuple[str, int], Target]:
    """The answers by stack id and slice: of the lines that hit the image, heatmaps of 0 .. 1 on its own pixels.

    names: those of the anatomy's targets.
    """
    found = {}
    for one in asked:
        answers = one.answers
        for i, (plane, target) in enumerate(zip(one.stack.planes, one.targets, strict=True)):
            hit = [t for t, lines in enumerate(target.lines) if lines_hit(lines, plane.shape).any()]
            back = np.linalg.inv(answers.matrices[i])
            maps = [resample(np.clip(answers.maps[i, t], 0, 1), back, plane.shape) for t in hit]
            found[one.stack.id, i] = Target(tuple(names[t] for t in hit), np.array(maps).reshape(-1, *plane.shape),
                                            float(answers.locations[i]))
    return found


def predict_lines(asked: Sequence[Asked], study: Study, lines: list[dict]) -> list[dict]:
    """Add what a run answered to the lines of `study.lines_of`.

    Each line between an image and the plane which that image's view regresses gets
    "predicted": {"pixels": [[column, row], [column, row]] or None, "angle_error_deg", "distance_error_mm"}: the
    predicted line clipped to the image, and its errors against the true one (see `geometry.line_errors`). None where
    the run sees no line.
    """
    found = {one.stack.id: one for one in asked}
    return [{**line, **_beside(line, study, found)} for line in lines]


def _beside(line: dict, study: Study, found: dict[str, Asked]) -> dict:
    stack, i = study.stack(line["image"]["stack"]), line["image"]["slice"]
    if stack.id not in found:
        return {}
    image = stack.planes[i]
    true = lines_in_image(image, [study.stack(line["plane"]["stack"]).planes[line["plane"]["slice"]]])
    asked = found[stack.id]
    for target, predicted in zip(asked.targets[i].lines[:, 0], asked.answers.lines[i], strict=True):
        if np.allclose(target, true[0], atol=1e-6):
            angle, distance = line_errors(predicted[None], true, image.shape, image.spacing)
            segment = clip_line(predicted, image.shape)
            return {"predicted": {
                "pixels": None if segment is None else segment.tolist(),
                "angle_error_deg": None if np.isnan(angle[0]) else float(angle[0]),
                "distance_error_mm": None if np.isnan(distance[0]) else float(distance[0])}}
    return {}
