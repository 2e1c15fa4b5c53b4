"""Lines that a network predicted, dashed, beside the true ones."""
from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from vtkmodules.util.numpy_support import numpy_to_vtk, vtk_to_numpy

from . import nodes
from .drawing import Drawing
from .meshes import points_of, segments_mesh
from .planes import show_model
from .slicelines import NO_DASHES

_DASHES = 24  # a predicted line is drawn as this many dashes
_PLACES, _ERRORS = "PlaneSSL.predicted", "PlaneSSL.errors"


def draw_predictions(drawing: Drawing, lines: Sequence[dict]):
    """Draw predicted lines, dashed, in the colours of the planes whose lines they are; returns the node.

    lines: the document of `planessl lines --run`; entries without "predicted" have nothing to draw. An earlier
    prediction of the study is replaced. The node's cells carry the errors in degrees and mm (NaN where unknown).
    """
    nodes.remove(drawing.node("predictions"))
    now = drawing.now
    study = now.study
    number = {stack.id: i for i, stack in enumerate(study.stacks)}
    dashes, places, errors = [np.zeros((0, 2, 3))], [], []
    for line in lines:
        predicted, image, plane = line.get("predicted"), line["image"], line["plane"]
        if not predicted or predicted["pixels"] is None:  # not asked for, or not found
            continue
        start, end = study.stack(image["stack"]).planes[image["slice"]].to_lps(predicted["pixels"])
        steps = np.linspace(0, 1, 2 * _DASHES)[:, None]
        dashes.append((start + steps * (end - start)).reshape(_DASHES, 2, 3))
        places += [(number[image["stack"]], image["slice"], number[plane["stack"]], plane["slice"])] * _DASHES
        errors += [[predicted.get(name, np.nan) for name in ("angle_error_deg", "distance_error_mm")]] * _DASHES
    places = np.array(places, np.int32).reshape(-1, 4)
    colors = np.array([(*now.colors[study.stacks[k].id], 1.0) for k in places[:, 2]]).reshape(-1, 4)
    made = segments_mesh(np.concatenate(dashes), colors)
    for name, values in ((_PLACES, places), (_ERRORS, np.array(errors, float).reshape(-1, 2))):
        array = numpy_to_vtk(values, deep=True)
        array.SetName(name)
        made.GetCellData().AddArray(array)
    node = nodes.add_node("vtkMRMLModelNode", "Predicted lines", "predictions", drawing.key)
    node.SetAndObservePolyData(made)
    show_model(node, (1.0, 1.0, 1.0), line_width=3)
    nodes.file_under(node, drawing.folder())
    drawing.record.Modified()  # slice views that follow the study draw them, too
    return node


def predicted_on(drawing: Drawing, images: Sequence[tuple[str, int | None]]) -> list[tuple[np.ndarray, np.ndarray]]:
    """For images (stack id, slice; None: not an acquired one): (n, 2, 3) LPS dashes, and their (n, 4) colours."""
    node = drawing.node("predictions")
    source = node and node.GetPolyData()
    if not source or not source.GetNumberOfCells():
        return [NO_DASHES] * len(images)
    places, dashes = vtk_to_numpy(source.GetCellData().GetArray(_PLACES)), points_of(source).reshape(-1, 2, 3)
    now = drawing.now
    number = {stack.id: k for k, stack in enumerate(now.study.stacks)}
    colors = np.array([(*now.colors[stack.id], 1.0) for stack in now.study.stacks])
    here = [(places[:, 0] == number[stack]) & (places[:, 1] == index) for stack, index in images]
    return [(dashes[some], colors[places[some, 2]]) for some in here]
