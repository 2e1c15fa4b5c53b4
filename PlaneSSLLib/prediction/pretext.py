"""A pretrained run against the planes of a cohort."""
from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import torch
from torch.utils.data import DataLoader

from .. import PlaneSSLError
from ..cohort import Cohort, PreparedStudy
from ..cohort.placing import placement
from ..cohort.samples import FrameList, Place
from ..events import Report, progress, silent
from ..geometry import agree, angle_between, move_lines
from ..training.inference import Inference
from ..training.pretraining import pretext_task
from ..training.run import Run
from ..training.settings import choose_device
from ..training.starting import places_of
from ..training.tasks import Batch, Outputs
from ..training.tasks.planes import Planes

Measures = dict[str, list[float]]
Answers = Iterable[tuple[Outputs, Batch]]


def evaluate_pretext(
    run: Run, cohort: Cohort, subjects: Sequence[str], device: str = "auto",
    report: Report = silent,
) -> dict:
    """The errors of a pretrained run on every frame of these subjects.

    {"subjects": n, "frames": n, "metrics": {name: {"median", "mean", "n"}}}, as far as the run's task has them.
    Each image for itself: angle_deg, distance_mm, offset_mm (see `Planes.line_measures`), location_error_slices. Of the
    lines on which a subject's images agree: agreed_angle_deg, agreed_distance_mm, agreed_offset_mm. Of the planes in
    which these lie: plane_angle_deg, and plane_offset_mm at the middle of the true plane's image (Wei et al. 2021).
    """
    config = run.config
    task = pretext_task(tuple(config["task"].split(",")), cohort, tuple(config["views"]))
    inference = Inference(run.network(), choose_device(device), report=report)
    found: list[Measures] = []
    frames = 0
    for step, subject in enumerate(subjects, start=1):
        places = places_of(task, cohort, (subject,))
        if not places:
            continue
        frames += len(places)
        batches = DataLoader(FrameList(cohort, places, task.sample), batch_size=16)
        answers = ((inference.outputs(batch["image"]), batch) for batch in batches)
        found += ([_of_lines(answers, task, cohort.studies[subject], places)] if "lines" in task.heads else
                  [task.measure(*answer) for answer in answers])
        progress(report, "evaluate", step, len(subjects))
    if not frames:
        raise PlaneSSLError(f"No frame of the cohort {cohort.folder} has a target of the task {config['task']}.")
    metrics = {name: {"median": float(np.median(values)), "mean": float(np.mean(values)), "n": len(values)}
               for name, values in _joined(found).items() if values}
    return {"subjects": len(subjects), "frames": frames, "metrics": metrics}


def _of_lines(answers: Answers, task: Planes, study: PreparedStudy, places: Sequence[Place]) -> Measures:
    """What is measured of a subject's lines: those of each image, those agreed on, and the planes of these."""
    parts, known, locations = [], [], []
    for outputs, batch in answers:
        parts.append(task.seen_lines(outputs, batch))
        known.append({name: batch[name] for name in ("lines", "lines_mask", "middles")})
        if "location" in task.heads:
            locations.append(task.location_measures(outputs, batch))
    true = {name: torch.cat([batch[name] for batch in known]) for name in known[0]}
    lines = np.concatenate(parts)

    images = [study.stacks[place.stack].planes[place.slice] for place in places]
    asked = [task.targets(study, place.stack)[place.slice].planes for place in places]
    matrices = np.array([placement(image, task.plan) for image in images])
    acquired = np.array([move_lines(*pair) for pair in zip(lines, np.linalg.inv(matrices), strict=True)])
    acquired, planes = agree(images, asked, acquired, task.plan.reach_mm)
    agreed = np.array([move_lines(*pair) for pair in zip(acquired, matrices, strict=True)])
    return _joined((task.line_measures(lines, true), *locations, {
        **{f"agreed_{name}": found for name, found in task.line_measures(agreed, true).items()},
        "plane_angle_deg": [float(angle_between(plane.normal, seen.normal)) for plane, seen in planes.items()],
        "plane_offset_mm": [float(abs(seen.distance(plane.centre))) for plane, seen in planes.items()]}))


def _joined(several: Iterable[Measures]) -> Measures:
    joined: Measures = {}
    for measures in several:
        for name, found in measures.items():
            joined.setdefault(name, []).extend(found)
    return joined
