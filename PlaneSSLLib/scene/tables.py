"""Tables and plots of what was measured or found, as nodes that Slicer shows and saves."""
from __future__ import annotations

from collections.abc import Mapping, Sequence

import slicer
from vtkmodules.vtkCommonCore import vtkDoubleArray, vtkStringArray

from ..anatomy import Label
from . import nodes
from .drawing import Drawing


def add_table(drawing: Drawing, role: str, name: str, columns: Mapping[str, Sequence], stack: str | None = None):
    """A table node of a drawn study, under its stack if one is given; replaces the one of this role.

    columns: title -> values, text or numbers (None is an empty cell), all of one length.
    """
    for old in _of_stack(drawing, role, stack):
        nodes.remove(old)
    node = nodes.add_node("vtkMRMLTableNode", name, role, drawing.key, stack)
    for title, values in columns.items():
        numbers = all(isinstance(value, int | float) for value in values)
        array = vtkDoubleArray() if numbers else vtkStringArray()
        array.SetName(title)
        for value in values:
            array.InsertNextValue(float(value) if numbers else "" if value is None else str(value))
        node.AddColumn(array)
    node.SetUseColumnTitleAsColumnHeader(True)
    nodes.file_under(node, drawing.folder(stack))
    return node


def add_classes(drawing: Drawing, document: Mapping) -> list:
    """How likely each class is, and the slices that weighed most, as two tables; returns their nodes.

    document: that of `planessl classify`. A row of the second names a stack and a slice, as `show_image` wants them.
    """
    classes, slices = document["classes"], document["slices"]
    return [
        add_table(drawing, "classes", "Classes", {"class": list(classes), "probability": list(classes.values())}),
        add_table(drawing, "weights", "Slices by weight", {
            name: [row[name] for row in slices] for name in ("stack", "slice", "phase", "weight")})]


def add_measures(drawing: Drawing, rows: Sequence[Mapping], structures: Sequence[Label]) -> list:
    """The measures of each stack as a table, and the volumes of a cine over time as a table and a plot.

    rows: those of `prediction.measuring.rows`. Returns the plot charts. Those of an earlier segmentation are replaced.
    """
    charts = []
    titles = {label.name: label.title for label in structures}
    for stack in dict.fromkeys(row["stack"] for row in rows):
        mine = [row for row in rows if row["stack"] == stack]
        curves = [row for row in mine if row["measure"] == "volume"]
        phases = list(dict.fromkeys(row["phase"] for row in curves))
        shown = [row for row in mine if row["measure"] != "volume"] if len(phases) > 1 else mine
        name = drawing.now.names[stack]
        add_table(drawing, "measures", f"{name} measures", {
            "structure": [titles[row["structure"]] for row in shown], "measure": [row["measure"] for row in shown],
            "value": [row["value"] for row in shown], "unit": [row["unit"] for row in shown],
            "phase": [row["phase"] for row in shown]}, stack)
        _remove_plot(drawing, stack)
        if len(phases) > 1:
            charts.append(_plot(drawing, stack, name, curves, structures))
    return charts


def _plot(drawing: Drawing, stack: str, name: str, curves: Sequence[Mapping], structures: Sequence[Label]):
    measured = [row for row in curves if row["value"] is not None]
    first = [row for row in measured if row["structure"] == measured[0]["structure"]]
    timed = all(row["time_ms"] is not None for row in first)
    along = "time (ms)" if timed else "phase"
    columns = {along: [row["time_ms" if timed else "phase"] for row in first]}
    shown = [label for label in structures if any(row["structure"] == label.name for row in measured)]
    columns |= {label.title: [row["value"] for row in measured if row["structure"] == label.name] for label in shown}
    table = add_table(drawing, "volumes over time", f"{name} volumes", columns, stack)
    chart = nodes.add_node("vtkMRMLPlotChartNode", f"{name} volumes", "plot", drawing.key, stack)
    chart.SetTitle(f"{name}: volumes over time")
    chart.SetXAxisTitle(along)
    chart.SetYAxisTitle("volume (ml)")
    for label in shown:
        series = nodes.add_node("vtkMRMLPlotSeriesNode", label.title, "plot series", drawing.key, stack)
        series.SetAndObserveTableNodeID(table.GetID())
        series.SetXColumnName(along)
        series.SetYColumnName(label.title)
        series.SetPlotType(slicer.vtkMRMLPlotSeriesNode.PlotTypeScatter)
        series.SetColor(*label.color)
        chart.AddAndObservePlotSeriesNodeID(series.GetID())
        nodes.file_under(series, drawing.folder(stack))
    nodes.file_under(chart, drawing.folder(stack))
    return chart


def _remove_plot(drawing: Drawing, stack: str) -> None:
    for role in ("plot", "plot series", "volumes over time"):
        for old in drawing.nodes(role, stack):
            nodes.remove(old)


def _of_stack(drawing: Drawing, role: str, stack: str | None) -> list:
    return [node for node in drawing.nodes(role) if node.GetAttribute(nodes.STACK) == stack]
