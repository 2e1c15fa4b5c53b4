"""What a network sees beside what is true, on patients it was not trained on."""
from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch.utils.data import default_collate

from ..cohort import Cohort
from ..cohort.samples import FrameList, some_of
from ..files import replacing
from ..geometry import clip_line, fit_lines
from .guide import Guide
from .run import Run
from .subjects import labelled_subjects
from .tasks import Segmentation, Task
from .transfer import planes_of

FRAMES, ABREAST = 8, 4


def draw_predicted_lines(run: Run, cohort: Cohort, out: Path) -> Path | None:
    """A page of frames of the validation split as PNG: true lines solid, predicted ones dashed, over the heatmaps.

    None where the run has not learnt lines, or nothing validates.
    """
    task = planes_of(run, cohort)
    if task is None or "lines" not in task.heads:
        return None
    plan = run.plan
    colors = {str(line): view.color for view in run.anatomy.views for other in run.anatomy.views
              for line in other.lines if line.view == view.name}

    drawn: dict[str, tuple[float, float, float]] = {}

    def draw(axes, sample: dict, answer: dict) -> str:
        maps = answer["lines"].numpy()
        axes.imshow(maps.max(0), cmap="inferno", alpha=0.35, vmin=0, vmax=1)
        for t, name in enumerate(plan.targets):
            if not sample["lines_mask"][t]:
                continue
            drawn[name.partition(":")[0]] = colors[name]
            fitted = fit_lines(maps[t][None], plan.spacing, plan.sigma_mm)[0]
            for line, style in ((sample["lines"][t], "-"), (fitted, "--")):
                segment = clip_line(np.asarray(line), plan.size)
                if segment is not None:
                    axes.plot(*segment.T, style, color=colors[name], linewidth=1.6)
        if "location" not in answer or not sample["location_mask"]:
            return ""
        return f", location {float(answer['location']):.2f} (true {float(sample['location']):.2f})"

    return _page(run, cohort, task, run.split.validation, draw, out, drawn)


def draw_predicted_outlines(run: Run, cohort: Cohort, out: Path) -> Path | None:
    """A page of frames as PNG, of patients who validate, or whose outlines were not seen: true outlines solid,
    predicted ones dashed.

    None where the run does not segment, or there is nobody to show.
    """
    if "segmentation" not in run.config["heads"]:
        return None
    split = run.split
    unseen = [name for name in labelled_subjects(cohort, "segmentation") if name not in split.train + split.test]
    subjects = split.validation or unseen
    poses = {}
    if (network := run.guide()) is not None:
        guide = Guide(network, run.plan, run.anatomy, torch.device("cpu"))
        poses = guide.of_outlined([cohort.studies[name] for name in subjects])
    colors = {label.value: label.color for label in run.anatomy.labels}

    def draw(axes, sample: dict, answer: dict) -> str:
        found = answer["segmentation"].argmax(0).numpy()
        for channel, (value, _) in enumerate(run.plan.labels, start=1):
            for shown, style in ((sample["labels"], "solid"), (found, "dashed")):
                if (shown == channel).any():
                    axes.contour(shown == channel, [0.5], colors=[colors[value]], linewidths=1.4, linestyles=style)
        return ""

    return _page(run, cohort, Segmentation(run.plan, poses=poses), subjects, draw, out,
                 {label.title: label.color for label in run.anatomy.labels})


@torch.inference_mode()
def _page(run: Run, cohort: Cohort, task: Task, subjects, draw: Callable, out: Path,
          colors: dict[str, tuple[float, float, float]]) -> Path | None:
    """FRAMES frames of a task; draw(axes, sample, answer) returns what its title adds.

    colors: what the colours mean, asked once all is drawn.
    """
    places = [place for name in subjects for place in task.places(cohort.studies[name])]
    if not places:
        return None
    frames = FrameList(cohort, some_of(places, FRAMES), task.sample)
    samples = [frames[i] for i in range(len(frames))]
    answers = {name: answer.float() for name, answer in run.network()(default_collate(samples)["image"]).items()}

    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

    rows = -(-len(samples) // ABREAST)
    figure = Figure(figsize=(13, 3.6 * rows), layout="constrained")
    FigureCanvasAgg(figure)
    for i, (place, sample) in enumerate(zip(frames.places, samples, strict=True)):
        axes = figure.add_subplot(rows, ABREAST, i + 1)
        axes.imshow(sample["image"][0], cmap="gray", vmin=0, vmax=1)
        added = draw(axes, sample, {name: answer[i] for name, answer in answers.items()})
        view = cohort.studies[place.study].stacks[place.stack].view
        axes.set_title(f"{view}, slice {place.slice}, phase {place.phase}{added}", fontsize=9)
        axes.set(xlim=(-0.5, run.plan.size[1] - 0.5), ylim=(run.plan.size[0] - 0.5, -0.5), xticks=[], yticks=[])
    meaning = [Line2D([], [], color=color, label=name) for name, color in colors.items()]
    meaning += [Line2D([], [], color="0.4", linestyle=style, label=name) for style, name in (("-", "true"),
                                                                                          ("--", "predicted"))]
    figure.legend(handles=meaning, loc="outside lower center", ncols=len(meaning), fontsize=9, frameon=False)
    with replacing(out) as side:
        figure.savefig(side, dpi=100)
    return out
