"""The curves of a training as a plot: they grow while it runs."""
from __future__ import annotations

import colorsys
from collections.abc import Mapping, Sequence

import slicer
from vtkmodules.vtkCommonCore import vtkDoubleArray
from vtkmodules.vtkCommonDataModel import vtkTable

from . import nodes

_GOLDEN = 0.618  # of the way around the colours from one curve to the next


def draw_curves(name: str, history: Sequence[Mapping[str, float]]):
    """Show the metrics of a training over its epochs; returns the vtkMRMLPlotChartNode.

    name: of the run; its earlier curves are replaced. history: rows with "epoch" and metrics; a row may lack some, as
    where only every fifth epoch is validated. Medians are left out.
    """
    chart = _chart(name)
    metrics = [key for key in dict.fromkeys(key for row in history for key in row)
               if key != "epoch" and not key.endswith("_median")]
    for number, metric in enumerate(metrics):
        series, table = _series(chart, name, metric, number)
        made = vtkTable()
        points = [(row["epoch"], row[metric]) for row in history if metric in row]
        for title, values in zip(("epoch", metric), zip(*points, strict=True), strict=True):
            column = vtkDoubleArray()
            column.SetName(title)
            for value in values:
                column.InsertNextValue(value)
            made.AddColumn(column)
        table.SetAndObserveTable(made)
        series.SetXColumnName("epoch")
        series.SetYColumnName(metric)
    return chart


def _chart(name: str):
    for node in nodes.our_nodes("training", class_name="vtkMRMLPlotChartNode"):
        if node.GetName() == name:
            return node
    chart = nodes.add_node("vtkMRMLPlotChartNode", name, "training", "")
    chart.SetTitle(name)
    chart.SetXAxisTitle("epoch")
    return chart


def _series(chart, name: str, metric: str, number: int) -> tuple:
    """The series of a metric and its table, made if the chart has none yet."""
    for i in range(chart.GetNumberOfPlotSeriesNodes()):
        series = chart.GetNthPlotSeriesNode(i)
        if series.GetName() == metric.replace("_", " "):
            return series, series.GetTableNode()
    table = nodes.add_node("vtkMRMLTableNode", f"{name}: {metric}", "training", "")
    series = nodes.add_node("vtkMRMLPlotSeriesNode", metric.replace("_", " "), "training", "")
    series.SetAndObserveTableNodeID(table.GetID())
    series.SetPlotType(slicer.vtkMRMLPlotSeriesNode.PlotTypeScatter)
    series.SetColor(*colorsys.hsv_to_rgb((0.58 + number * _GOLDEN) % 1, 0.75, 0.85))
    chart.AddAndObservePlotSeriesNodeID(series.GetID())
    return series, table
