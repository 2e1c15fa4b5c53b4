"""Pictures of a training: its curves, and what it predicts."""
from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ..files import replacing
from .run import Run

ABREAST = 3  # panels, so that they can be read on a page


def draw_curves(runs: Mapping[str, Path], out: Path, title: str) -> Path:
    """One panel per metric, one line per run, as PNG. runs: name in the legend -> the run's folder."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    read = {name: Run(folder).history() for name, folder in runs.items()}
    metrics = [name for name in dict.fromkeys(key for rows in read.values() for row in rows for key in row)
               if name != "epoch" and not name.endswith("_median")]
    across = min(ABREAST, max(len(metrics), 1))
    down = -(-len(metrics) // across)
    figure = Figure(figsize=(3.6 * across, 0.4 + 2.8 * max(down, 1)), layout="constrained")
    FigureCanvasAgg(figure)
    for i, metric in enumerate(metrics, start=1):
        axes = figure.add_subplot(down, across, i)
        for n, (name, rows) in enumerate(read.items()):
            points = [(row["epoch"], row[metric]) for row in rows if metric in row]
            if points:  # a run has one colour, whatever it was measured by
                axes.plot(*zip(*points, strict=True), f"C{n}", label=name, marker="." if len(points) < 12 else "")
        axes.set_title(metric.replace("_", " "), fontsize=10)
        axes.set_xlabel("epoch")
        axes.set_xlim(0, 0.5 + max(row["epoch"] for rows in read.values() for row in rows))
        axes.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=True))
        axes.grid(alpha=0.3)
        if len(read) > 1:
            axes.legend(fontsize=8)
    figure.suptitle(title, fontsize=11)
    with replacing(out) as side:
        figure.savefig(side, dpi=120)
    return out
