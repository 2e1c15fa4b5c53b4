"""What a pretrained network sees, beside what is true, on patients it was not trained on."""
from __future__ import annotations

from pathlib import Path

import torch
from torch.utils.data import default_collate

from ..cohort import Cohort
from ..cohort.samples import Listed
from ..files import replacing
from ..geometry import clip_line, fit_lines
from .pretraining import pretext_task
from .run import Run


@torch.inference_mode()
def draw_predicted_lines(run: Run, cohort: Cohort, out: Path, count: int = 8) -> Path | None:
    """A page of frames of the validation split as PNG: true lines dashed, predicted ones solid, over the heatmaps.

    None where the run was not pretrained on lines, or nothing validates.
    """
    config = run.config
    if "lines" not in config["heads"]:
        return None
    task = pretext_task(tuple(config["task"].split(",")), cohort, tuple(config["views"]))
    places = [place for name in run.split.validation for place in task.places(cohort.studies[name])]
    if not places:
        return None
    step = max(1, len(places) // count)
    frames = Listed(cohort, places[step // 2:: step][:count], task.sample)
    batch = default_collate([frames[i] for i in range(len(frames))])
    outputs = run.network()(batch["image"])
    maps = outputs["lines"].float().numpy()
    location = outputs["location"][:, 0].tolist() if "location" in outputs else None

    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    plan, rows = run.plan, -(-len(frames) // 4)
    figure = Figure(figsize=(13, 3.6 * rows), layout="constrained")
    FigureCanvasAgg(figure)
    colors = {str(line): view.color for view in run.anatomy.views for other in run.anatomy.views
              for line in other.lines if line.view == view.name}
    for i in range(len(frames)):
        axes = figure.add_subplot(rows, 4, i + 1)
        axes.imshow(batch["image"][i, 0], cmap="gray", vmin=0, vmax=1)
        axes.imshow(maps[i].max(0), cmap="inferno", alpha=0.35, vmin=0, vmax=1)
        for t, name in enumerate(plan.targets):
            if not batch["lines_mask"][i, t]:
                continue
            fitted = fit_lines(maps[i, t][None], plan.spacing, plan.sigma_mm)[0]
            for line, style in ((batch["lines"][i, t].numpy(), "--"), (fitted, "-")):
                segment = clip_line(line, plan.size)
                if segment is not None:
                    label = name.partition(":")[0] if style == "-" else None
                    axes.plot(*segment.T, style, color=colors[name], linewidth=1.6, label=label)
        text = frames.cohort.studies[frames.places[i].study].stacks[frames.places[i].stack].view
        if location is not None and batch["location_mask"][i]:
            text += f", location {location[i]:.2f} (true {float(batch['location'][i]):.2f})"
        axes.set_title(text, fontsize=9)
        axes.set(xlim=(-0.5, plan.size[1] - 0.5), ylim=(plan.size[0] - 0.5, -0.5), xticks=[], yticks=[])
        axes.legend(fontsize=7, loc="lower right")
    with replacing(out) as side:
        figure.savefig(side, dpi=100)
    return out
