"""Which planes cut, how steeply and where: a table in the scene, a file, and one pair looked at alone."""
from __future__ import annotations

import csv
import io
from pathlib import Path

import numpy as np
from vtkmodules.util.numpy_support import numpy_to_vtk
from vtkmodules.vtkCommonCore import vtkStringArray
from vtkmodules.vtkCommonDataModel import vtkTable

from ..files import refuse_existing, write_text
from . import nodes
from .draw import restyle
from .drawing import Drawing
from .lines import crossing_lines

# The columns of the table; slices are counted from 0, as in the document of `planessl lines`.
COLUMNS = ("first", "second", "first stack", "first slice", "second stack", "second slice", "angle", "length",
           "offset in first", "offset in second")
_UNITS = {"angle": "deg", "length": "mm", "offset in first": "mm", "offset in second": "mm"}


def pairs(drawing: Drawing) -> list[dict]:
    """One row for every two planes that cut each other inside both images, with the keys of COLUMNS.

    first and second are names as on screen; angle in degrees; length of the line inside both images, and its distance
    from the middle of either image, in mm. Planes as they lie now.
    """
    now = drawing.now
    lines = crossing_lines(now)
    stacks = now.study.stacks
    rows = []
    for (a, i, b, j), segment, angle in zip(lines.places.tolist(), lines.segments, lines.angle_deg, strict=True):
        length = float(np.linalg.norm(segment[1] - segment[0]))
        along = (segment[1] - segment[0]) / length
        offsets = [float(np.linalg.norm(np.cross(plane.centre - segment[0], along)))
                   for plane in (stacks[a].planes[i], stacks[b].planes[j])]
        names = [now.label(stacks[a].id, i), now.label(stacks[b].id, j)]
        rows.append(dict(zip(COLUMNS, [*names, stacks[a].id, i, stacks[b].id, j, float(angle), length, *offsets],
                             strict=True)))
    return rows


def draw_pairs(drawing: Drawing):
    """Put the table of pairs into the scene, in place of an earlier one; returns the vtkMRMLTableNode."""
    rows = pairs(drawing)
    table = vtkTable()
    for name in COLUMNS:
        table.AddColumn(_column(name, [row[name] for row in rows]))
    node = drawing.node("pairs")
    if node is None:
        node = nodes.add_node("vtkMRMLTableNode", "Crossing planes", "pairs", drawing.key)
        node.SetUseColumnTitleAsColumnHeader(True)
        nodes.file_under(node, drawing.folder())
    node.SetAndObserveTable(table)
    for name, unit in _UNITS.items():
        node.SetColumnUnitLabel(name, unit)
        node.SetColumnTitle(name, f"{name} ({unit})")
    return node


def write_pairs(drawing: Drawing, path: str | Path, overwrite: bool = False) -> Path:
    """The same table as a CSV file. PlaneSSLError if the file is there already."""
    path = Path(path)
    refuse_existing(path, overwrite)
    text = io.StringIO()
    writer = csv.DictWriter(text, [f"{name} ({_UNITS[name]})" if name in _UNITS else name for name in COLUMNS],
                            lineterminator="\n")
    writer.writeheader()
    for row in pairs(drawing):
        writer.writerow(dict(zip(writer.fieldnames, row.values(), strict=True)))
    write_text(path, text.getvalue())
    return path


def show_pair(drawing: Drawing, first: tuple[str, int], second: tuple[str, int]) -> None:
    """Show two planes, (stack id, slice) each, and their line alone, in 3D and in slice views."""
    restyle(drawing, pair=(first, second))


def show_all(drawing: Drawing) -> None:
    """Show all planes again after `show_pair`."""
    restyle(drawing, pair=())


def _column(name: str, values: list):
    if values and isinstance(values[0], str):
        column = vtkStringArray()
        for value in values:
            column.InsertNextValue(value)
    else:
        column = numpy_to_vtk(np.array(values, np.int32 if name.endswith("slice") else float), deep=True)
    column.SetName(name)
    return column
