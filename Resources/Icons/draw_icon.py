"""Draws PlaneSSL.png: two imaging planes and the line in which they cut. Run it beside the picture."""
from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from mpl_toolkits.mplot3d.art3d import Poly3DCollection

LONG, SHORT, LINE = "#f2a03d", "#3d8fd1", "#ffffff"


def draw(out: Path, pixels: int = 128) -> None:
    """Every plane is drawn in two halves, the one behind the other plane first."""
    figure = Figure(figsize=(1, 1), dpi=pixels)
    FigureCanvasAgg(figure)
    axes = figure.add_axes((-0.22, -0.22, 1.44, 1.44), projection="3d", computed_zorder=False)
    axes.set_proj_type("ortho")
    axes.view_init(elev=24, azim=-38)
    axes.set_axis_off()
    axes.patch.set_alpha(0)
    figure.patch.set_alpha(0)
    line = np.array([(-1, 0, 0), (1, 0, 0)])
    flat, upright = np.array([0, 1, 0]), np.array([0, 0.25, 0.95])
    for order, (direction, color) in enumerate(((flat, SHORT), (-upright, LONG), (-flat, SHORT), (upright, LONG))):
        half = [line[0], line[1], line[1] + direction, line[0] + direction]
        axes.add_collection3d(Poly3DCollection(
            [half], facecolor=color, edgecolor="#1c2733", linewidth=1.1, alpha=0.96, zorder=order))
    axes.plot(*line.T, color="#1c2733", linewidth=5.5, solid_capstyle="round", zorder=8)
    axes.plot(*line.T, color=LINE, linewidth=3.2, solid_capstyle="round", zorder=9)
    for limit in (axes.set_xlim, axes.set_ylim, axes.set_zlim):
        limit(-1.12, 1.12)
    figure.savefig(out, transparent=True)


if __name__ == "__main__":
    draw(Path(__file__).with_name("PlaneSSL.png"))
