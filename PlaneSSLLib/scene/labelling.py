"""What is outlined in the scene, by a network or by hand: saved as a study to train on, or taken to be measured."""
from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import slicer
from vtkmodules.util.numpy_support import vtk_to_numpy
from vtkmodules.util.vtkConstants import VTK_UNSIGNED_CHAR

from .. import PlaneSSLError
from .. import anatomy as anatomies
from ..anatomy import Anatomy, Label
from ..files import read_json, write_json
from ..study import Stack, Study
from ..study.dicom_segmentations import lay_over
from ..study.writing import study_from, write_labelled_study
from . import nodes
from .coordinates import array_of, matrix_of, to_lps
from .drawing import Drawing, drawings

_BINARY = slicer.vtkSegmentationConverter.GetBinaryLabelmapRepresentationName()


def keep_outlines(pool: str | Path, volume, segmentation, anatomy: str | None = None, view: str | None = None,
                  overwrite: bool = False) -> Path:
    """`save_labelled_study` as one more study of a folder of such.

    What has been kept there of the same study stays with it: a patient is one subject. `files.ExistsAlready` where this
    very stack has been kept, and is not to be overwritten.
    """
    source = _source(volume)
    return _save(study_from(Path(pool), source), volume, segmentation, anatomy, view, overwrite, source)


def save_labelled_study(folder: str | Path, volume, segmentation, anatomy: str | None = None, view: str | None = None,
                        overwrite: bool = False) -> Path:
    """Save a volume node, or the cine it plays, and its segmentation node as a study with labels.

    Segments are known by their SNOMED codes or by the names of the anatomy's structures. Of a cine, the phases in which
    anything is outlined are labelled; an outlined phase counts as outlined in all its slices, and one that a slice
    lacks does not. A segmentation that does not play with the cine belongs to the phase that is shown. anatomy and view
    are needed for volumes that PlaneSSL did not draw. A folder in which other stacks of the same study were saved keeps
    them. Returns the folder; `planessl prepare` takes it. PlaneSSLError if something is missing or not known.
    """
    return _save(Path(folder), volume, segmentation, anatomy, view, overwrite, _source(volume))


def _save(folder: Path, volume, segmentation, anatomy: str | None, view: str | None, overwrite: bool,
          source: set[str]) -> Path:
    anatomy, view = _told(volume, anatomy, view)
    _require_in_place(volume, segmentation)
    volumes, segmentations = _phases(volume, segmentation)
    images = [_pixels(one) for one in volumes]
    labels = [None if one is None else _labels(one, volume, images[0].shape, anatomy) for one in segmentations]
    drawing = _drawing_of(volume)
    whole = range(len(images)) if drawing is None else _whole_phases(drawing, volume)
    labels = [one if one is not None and one.any() and k in whole else None for k, one in enumerate(labels)]
    known = {}
    if drawing is not None:
        stack = drawing.now.acquired.stack(volume.GetAttribute(nodes.STACK))
        known = {"in_order": True, "side": stack.side, "frame_of_reference": _stands_for(stack.frame_of_reference),
                 "patient": _pseudonym(_patient_of(drawing.now.acquired), folder.parent)}
    return write_labelled_study(folder, anatomy, view, _to_lps(volume), images, labels, overwrite, source, **known)


def _patient_of(study: Study) -> str:
    """By a header, or a study.json that says so; folders of one name are no patient."""
    return study.identifier or (study.patient if study.patient != study.subject else "")


def _pseudonym(patient: str, pool: Path) -> str:
    """Digits for a patient among those whose outlines are kept in a folder; none for nobody.

    With a secret that is kept there: the numbers of patients are so few that all could be tried out.
    """
    if not patient:
        return ""
    file = pool / ".secret.json"
    if not file.is_file():
        write_json(file, secrets.token_hex(16))
    return _stands_for(f"{read_json(file)} {patient}")


def _stands_for(identifier: str) -> str:
    """Digits for an identifier where identifiers do not belong; none if there is none."""
    return hashlib.sha256(identifier.encode()).hexdigest()[:8] if identifier else ""


def _whole_phases(drawing: Drawing, volume) -> set[int]:
    """The phases of a drawn volume that all its slices have: in the others, some show the phase before."""
    stack, index = drawing.study.stack(volume.GetAttribute(nodes.STACK)), volume.GetAttribute(nodes.SLICE)
    slices = range(len(stack.planes)) if index is None else [int(index)]
    return {k for k in range(stack.phases) if all(stack.has(i, k) for i in slices)}


def outlines(drawing: Drawing, stack: Stack, anatomy: Anatomy) -> Iterator[tuple[int, dict[int, np.ndarray]]]:
    """The segmentations of a stack as they are now: (phase, {slice: (rows, columns) label values}), a volume at a time.

    Only of phases and slices that were acquired and segmented, and of a volume of several slices only phases in which
    anything is outlined. PlaneSSLError for a segment that is no structure of the anatomy, or that lies elsewhere.
    """
    of_slice = {node.GetAttribute(nodes.SLICE): node for node in drawing.nodes("segmentation", stack.id)}
    for volume in drawing.nodes("volume", stack.id):
        index = volume.GetAttribute(nodes.SLICE)
        if index not in of_slice:
            continue
        _require_in_place(volume, of_slice[index])
        volumes, segmentations = _phases(volume, of_slice[index])
        columns, rows, slices = volume.GetImageData().GetDimensions()
        for phase, segmentation in enumerate(segmentations):
            if segmentation is None:
                continue
            labels = _labels(segmentation, volumes[phase], (slices, rows, columns), anatomy)
            if labels.any() or index is not None:
                numbered = enumerate(labels, start=0 if index is None else int(index))
                yield phase, {i: image for i, image in numbered if stack.has(i, phase)}


def _require_in_place(*displayed) -> None:
    for node in displayed:
        if node.GetParentTransformNode() is not None:
            raise PlaneSSLError(f"{node.GetName()} lies under a transform: harden it first, so that it stays in place.")


def _to_lps(volume) -> np.ndarray:
    """(4, 4) from (column, row, slice) of a volume node to LPS mm."""
    matrix = array_of(matrix_of(volume))
    return np.vstack([to_lps(matrix[:3].T).T, matrix[3:]])


def _source(volume) -> set[str]:
    """What stands for the images of the study that a volume shows, wherever it was read from.

    Of a volume that PlaneSSL did not draw, for those that the subject hierarchy holds of its study.
    """
    drawing = _drawing_of(volume)
    together = nodes.of_one_study(volume) if drawing is None else drawing.nodes("volume")
    return {_fingerprint(one) for one in {volume, *together} if one.GetImageData() is not None}


def _fingerprint(volume) -> str:
    """Of a volume's place and its pixels, in a cine those of the first phase."""
    browser = _browser_of(volume)
    first = volume if browser is None else browser.GetSequenceNode(volume).GetNthDataNode(0)
    return hashlib.sha256(_pixels(first).tobytes() + _to_lps(first).tobytes()).hexdigest()[:16]


def _browser_of(volume):
    return next((one for one in nodes.nodes_of("vtkMRMLSequenceBrowserNode") if one.GetSequenceNode(volume)), None)


def is_drawn(volume) -> bool:
    """Does a volume node belong to a drawn study?"""
    return _drawing_of(volume) is not None


def _drawing_of(volume) -> Drawing | None:
    return next((one for one in drawings() if one.key == volume.GetAttribute(nodes.STUDY)), None)


def _told(volume, anatomy: str | None, view: str | None) -> tuple[Anatomy, str]:
    """The anatomy and the view of a volume: as given, or of the drawing that it belongs to."""
    drawing = _drawing_of(volume)
    if drawing is not None:
        study = drawing.now.acquired
        anatomy = anatomy or study.anatomy
        view = view or study.stack(volume.GetAttribute(nodes.STACK)).view
    if anatomy is None or view is None:
        raise PlaneSSLError(f"{volume.GetName()} was not drawn by PlaneSSL: say which anatomy and which view it shows.")
    return anatomies.load(anatomy), view


def _phases(volume, segmentation) -> tuple[list, list]:
    """Volume and segmentation nodes of all phases; None for a phase without a segmentation.

    The phase that is shown is taken from the nodes in the scene: what was changed there last may not be in the sequence
    yet.
    """
    browser = _browser_of(volume)
    if browser is None:
        return [volume], [segmentation]
    shown, played = max(browser.GetSelectedItemNumber(), 0), browser.GetSequenceNode(segmentation)
    cine, master = browser.GetSequenceNode(volume), browser.GetMasterSequenceNode()
    values = [master.GetNthIndexValue(k) for k in range(browser.GetNumberOfItems())]
    volumes = [cine.GetDataNodeAtValue(value) for value in values]
    segmentations = [played and played.GetDataNodeAtValue(value) for value in values]
    segmentations[shown] = segmentation
    return volumes, segmentations


def _pixels(volume) -> np.ndarray:
    """(slices, rows, columns), a copy."""
    image = volume.GetImageData()
    columns, rows, slices = image.GetDimensions()
    return vtk_to_numpy(image.GetPointData().GetScalars()).reshape(slices, rows, columns).copy()


def _labels(node, volume, shape: tuple[int, int, int], anatomy: Anatomy) -> np.ndarray:
    """(slices, rows, columns) label values on the voxels of the volume, wherever the segments have theirs.

    PlaneSSLError for segments that overlap, as those in layers of their own may.
    """
    grid = slicer.vtkOrientedImageData()
    grid.SetExtent(0, shape[2] - 1, 0, shape[1] - 1, 0, shape[0] - 1)
    grid.SetGeometryFromImageToWorldMatrix(matrix_of(volume))
    grid.AllocateScalars(VTK_UNSIGNED_CHAR, 1)
    segmentation, labels = node.GetSegmentation(), np.zeros(shape, np.uint8)
    if segmentation.GetNumberOfSegments() and not segmentation.ContainsRepresentation(_BINARY):
        node.CreateBinaryLabelmapRepresentation()
    for i in range(segmentation.GetNumberOfSegments()):
        segment = segmentation.GetNthSegment(i)
        found, on_grid = segment.GetRepresentation(_BINARY), slicer.vtkOrientedImageData()
        if found is None or found.IsEmpty():
            continue
        if not slicer.vtkOrientedImageDataResample.ResampleOrientedImageToReferenceOrientedImage(found, grid, on_grid):
            raise PlaneSSLError(f"The segment {segment.GetName()} cannot be put on the voxels of {volume.GetName()}.")
        values = vtk_to_numpy(on_grid.GetPointData().GetScalars()).reshape(shape)
        inside = values == segment.GetLabelValue()
        if inside.any():
            lay_over(labels, np.where(inside, np.uint8(_structure(segment, anatomy).value), 0), node.GetName())
    return labels


def _structure(segment, anatomy: Anatomy) -> Label:
    found = anatomy.structure(segment.GetName(), segment.GetTerminology() or "")
    if found is not None:
        return found
    known = ", ".join(label.title for label in anatomy.labels)
    raise PlaneSSLError(f"The segment '{segment.GetName()}' is no structure of the anatomy '{anatomy.name}': call it "
                        f"one of {known}.")
