"""A labelled study as a folder that `read_study` and `planessl prepare` take as it is: study.json, images, labels."""
from __future__ import annotations

import re
import shutil
from collections.abc import Sequence
from itertools import count
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from .. import PlaneSSLError
from ..anatomy import Anatomy
from ..files import ExistsAlready, read_json, refuse_existing, replacing_folder, write_json
from .document import NAME, inside
from .layouts import stacks_named
from .views import counting_direction
from .volumes import itk_reason

_OURS = re.compile(r"study\.json|labels|.+_\d\d\.nii\.gz")


def study_from(pool: Path, source: str) -> Path:
    """Where among the labelled studies of a folder that of a source is, see `write_labelled_study`, or is to be."""
    for folder in sorted(pool.glob("outlined-*")):
        if _source(folder) == source:
            return folder
    names = (pool / f"outlined-{number:03}" for number in count(1))
    return next(folder for folder in names if not folder.exists())


def write_labelled_study(folder: Path, anatomy: Anatomy, view: str, matrix: np.ndarray, images: Sequence[np.ndarray],
                         labels: Sequence[np.ndarray | None], overwrite: bool = False, source: str = "") -> Path:
    """Write one stack and what is labelled of it. The subject is called as the folder.

    matrix: (4, 4) from (column, row, slice) to LPS mm, its first three columns square to each other. images: the
    phases, (slices, rows, columns) each; labels: the same of label values, None for a phase that nobody labelled. The
    slices are put into the order in which the view counts. source: what stands for the study that the stack is of: a
    folder that holds others of its stacks keeps them, so that a patient is one subject. PlaneSSLError if the anatomy
    does not know the view or a label's value, if nothing is labelled, or if the folder cannot be written; ExistsAlready
    where it holds something else, or this very stack, and is not to be overwritten.
    """
    folder = Path(folder)
    grows = bool(source) and _source(folder) == source
    refuse_existing(folder, overwrite or grows)
    others = [path.name for path in folder.iterdir() if not _OURS.fullmatch(path.name)] if folder.is_dir() else []
    if others:
        raise PlaneSSLError(f"{folder} holds other things than a labelled study, such as {others[0]}; choose another "
                            "folder.")
    _require_known(anatomy, view, labels)
    images, labels = _counted(anatomy, view, matrix, images), _counted(anatomy, view, matrix, labels)
    document = {"subject": folder.name, "anatomy": anatomy.name, "views": {}, **({"source": source} if source else {})}
    stay, go = [], []
    if grows:
        document = read_json(folder / NAME)
        for stack in _stacks(folder, document):
            (go if stack[0] == view and _lies_as(folder / stack[1][0], images[0]) else stay).append(stack)
    if go and not overwrite:
        raise ExistsAlready(f"Outlines of this stack are in {folder} already; they can be replaced (in Python "
                            "overwrite=True).")
    names = _free_names(view, len(images), taken={name for _, names in stay for name in names})
    views: dict[str, list[list[str]]] = {}
    for of, of_stack in [*stay, (view, names)]:
        views.setdefault(of, []).append(of_stack)
    with replacing_folder(folder) as side:
        if grows:
            shutil.copytree(folder, side, dirs_exist_ok=True)
        for name in (name for _, of_stack in go for name in of_stack):
            (side / name).unlink()
            (side / "labels" / name).unlink(missing_ok=True)
        (side / "labels").mkdir(exist_ok=True)
        for name, image, label in zip(names, images, labels, strict=True):
            _write(image, side / name)
            if label is not None:
                _write(label, side / "labels" / name)
        write_json(side / NAME, {**document, "views": {
            of: stacks if len(stacks) > 1 else stacks[0] for of, stacks in views.items()}})
    return folder


def _source(folder: Path) -> str | None:
    """None for a folder that does not say, or says it in a study.json that is damaged."""
    try:
        found = read_json(folder / NAME)
    except PlaneSSLError:
        return None
    return found.get("source") if isinstance(found, dict) else None


def _require_known(anatomy: Anatomy, view: str, labels: Sequence[np.ndarray | None]) -> None:
    if anatomy.view(view) is None:
        raise PlaneSSLError(f"The anatomy '{anatomy.name}' has no view '{view}'; it has "
                            f"{', '.join(one.name for one in anatomy.views)}.")
    known = {0, *(label.value for label in anatomy.labels)}
    strange = sorted({int(value) for one in labels if one is not None for value in np.unique(one)} - known)
    if strange:
        raise PlaneSSLError(f"The anatomy '{anatomy.name}' has no label of value {strange[0]}.")
    if all(one is None for one in labels):
        raise PlaneSSLError("Nothing is labelled: outline at least one structure in one phase.")


def _counted(anatomy: Anatomy, view: str, matrix: np.ndarray,
             phases: Sequence[np.ndarray | None]) -> list[sitk.Image | None]:
    """Phases as images whose slices come in the order in which the view counts."""
    spacing = np.linalg.norm(matrix[:3, :3], axis=0)
    directions, origin = matrix[:3, :3] / spacing, matrix[:3, 3]
    normal, order = np.cross(directions[:, 0], directions[:, 1]), slice(None)
    if counting_direction(view, normal, anatomy, np.eye(3)) @ directions[:, 2] < 0:
        slices = next(len(one) for one in phases if one is not None)
        origin, directions = origin + (slices - 1) * matrix[:3, 2], directions * [1, 1, -1]
        order = slice(None, None, -1)
    images = [None if one is None else sitk.GetImageFromArray(np.ascontiguousarray(one[order])) for one in phases]
    for image in images:
        if image is not None:
            image.SetSpacing(spacing.tolist())
            image.SetDirection(directions.ravel().tolist())
            image.SetOrigin(origin.tolist())
    return images


def _stacks(folder: Path, document: dict) -> list[tuple[str, list[str]]]:
    """The views and files of the stacks that a study.json names."""
    stacks = [(view, names) for view, of_view in document["views"].items() for names in stacks_named(of_view)]
    for name in (name for _, names in stacks for name in names):
        if (file := inside(folder, name)) is None or not file.is_file():
            raise PlaneSSLError(f"{folder / NAME} names {name!r}, which is no file of this folder: choose another one.")
    return stacks


def _free_names(view: str, phases: int, taken: set[str]) -> list[str]:
    """Files of a view's first stack, or of its second one, ..."""
    of_stacks = ([f"{view.lower()}{f'-{n}' if n > 1 else ''}_{k:02d}.nii.gz" for k in range(phases)] for n in count(1))
    return next(names for names in of_stacks if taken.isdisjoint(names))


def _lies_as(file: Path, image: sitk.Image) -> bool:
    """Has a file the grid of an image? NIfTI keeps it in single precision."""
    reader = sitk.ImageFileReader()
    reader.SetFileName(str(file))
    try:
        reader.ReadImageInformation()
    except RuntimeError as error:
        raise PlaneSSLError(f"{file} cannot be read: {itk_reason(error)}.") from None
    ours, theirs = ([*one.GetOrigin(), *one.GetDirection(), *one.GetSpacing()] for one in (image, reader))
    return reader.GetSize() == image.GetSize() and np.allclose(ours, theirs, atol=1e-3)


def _write(image: sitk.Image, path: Path) -> None:
    try:
        sitk.WriteImage(image, str(path), True)
    except RuntimeError as error:
        raise PlaneSSLError(f"{path.name} cannot be written: {itk_reason(error)}.") from None
