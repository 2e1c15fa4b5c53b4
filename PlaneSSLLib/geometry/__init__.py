"""Imaging planes in space, the lines in which they cut each other, and the targets that a network learns from them.

Coordinates: patient points are LPS millimetres. A pixel is (column, row), with (0, 0) at the centre of the first pixel,
so that an image of shape (rows, columns) covers columns -0.5 .. columns - 0.5. Spacing is (row, column): the distance
between rows, then the distance between columns, as DICOM's PixelSpacing has it. NumPy only.
"""
from .agreeing import agree
from .fitting import fit_lines, fit_plane
from .lines import (
    clip_line, distance_to_lines, heatmaps, in_millimetres, line_errors, lines_hit, lines_in_image, move_lines,
    nearest_on_lines,
)
from .planes import (
    COINCIDENT_MM, PARALLEL_DEG, Crossing, Crossings, Plane, Relation, angle_between, crossings, intersect,
    mean_step, relative_locations, scanner_axes,
)
from .posing import pose

__all__ = [
    "COINCIDENT_MM", "PARALLEL_DEG", "Crossing", "Crossings", "Plane", "Relation", "agree", "angle_between",
    "clip_line", "crossings", "distance_to_lines", "fit_lines", "fit_plane", "heatmaps", "in_millimetres", "intersect",
    "line_errors", "lines_hit", "lines_in_image", "mean_step", "move_lines", "nearest_on_lines", "pose",
    "relative_locations", "scanner_axes",
]
