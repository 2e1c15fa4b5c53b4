"""A labelled study as a folder that `read_study` and `planessl prepare` take as it is: study.json, images, labels."""
from __future__ import annotations

import shutil
from collections.abc import Collection, Sequence
from itertools import count
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from pydicom.misc import is_dicom

from .. import PlaneSSLError
from ..anatomy import Anatomy
from ..files import ExistsAlready, read_json, refuse_existing, replacing_folder, write_json
from .document import NAME, inside, read_document
from .layouts import stacks_named
from .views import counting_direction
from .volumes import ENDINGS, itk_reason, write_volume


def study_from(pool: Path, source: Collection[str]) -> Path:
    """Where among the labelled studies of a folder that of a source is, see `write_labelled_study`, or is to be.

    PlaneSSLError where the folder is no place for several studies, since it holds the images of one itself.
    """
    if pool.is_dir():
        files = [file for file in pool.iterdir() if file.is_file()]
        images = [file for file in files if file.name == NAME or file.name.lower().endswith(ENDINGS) or is_dicom(file)]
        if images:
            raise PlaneSSLError(f"{pool} is a study itself (it holds {images[0].name}): choose a folder of its own for "
                                "studies with outlines.")
    for file in sorted(pool.glob(f"*/{NAME}")):
        if not _source(file.parent).isdisjoint(source):
            return file.parent
    names = (pool / f"outlined-{number:03}" for number in count(1))
    return next(folder for folder in names if not folder.exists())


def write_labelled_study(
    folder: Path, anatomy: Anatomy, view: str, matrix: np.ndarray, images: Sequence[np.ndarray],
    labels: Sequence[np.ndarray | None], overwrite: bool = False, source: Collection[str] = (), in_order: bool = False,
    side: str = "", frame_of_reference: str = "", patient: str = "",
) -> Path:
    """Write one stack and what is labelled of it. The subject is called as the folder.

    matrix: (4, 4) from (column, row, slice) to LPS mm, its first three columns square to each other. images: the
    phases, (slices, rows, columns) each; labels: the same of label values, None for a phase that nobody labelled. The
    slices are put into the order in which the view counts, unless they are in_order. source: what stands for the images
    of the study that the stack is of: a folder that holds others of them keeps these, so that a patient is one subject.
    side: of an organ that has two, "left" or "right". frame_of_reference: what stands for the stack's, so that it is
    not crossed with those of another. patient: what stands for whose it is, so that visits of one stay together, empty
    where nobody knows. PlaneSSLError if the anatomy is another, does not know the view or a label's
    value, if nothing is labelled, or if the folder cannot be written; ExistsAlready where it holds something else, or
    this very stack, and is not to be overwritten.
    """
    folder = Path(folder)
    before = _source(folder)
    grows = not before.isdisjoint(source)
    refuse_existing(folder, overwrite or grows)
    _require_known(anatomy, view, labels)
    images, labels = ([None if one is None else _image(one, matrix) for one in phases] for phases in (images, labels))
    if not in_order and _counts_down(anatomy, view, matrix):
        images, labels = ([one and one[:, :, ::-1] for one in phases] for phases in (images, labels))
    document = {"subject": folder.name, "anatomy": anatomy.name, "views": {}, **({"side": side} if side else {}),
                **({"patient": patient} if patient else {})}
    stay, go = [], []
    if grows:
        document = read_json(folder / NAME)
        if document.get("anatomy") != anatomy.name:
            raise PlaneSSLError(f"{folder} holds other images of this study, outlined as '{document.get('anatomy')}': "
                                f"those of '{anatomy.name}' go into another folder.")
        if anatomy.sided and document.get("side", "") != side:
            raise PlaneSSLError(f"{folder} holds images of this study's {document.get('side', 'unsided')} "
                                f"{anatomy.title.lower()}: those of {side or 'no known'} side go into another folder.")
        for stack in _stacks(folder, document):
            (go if _is_same(folder / stack[1][0], images[0]) else stay).append(stack)
    else:
        _require_ours(folder)
    if go and not overwrite:
        raise ExistsAlready(f"Outlines of this stack are in {folder} already; they can be replaced (in Python "
                            "overwrite=True).")
    names = _free_names(view, len(images), taken={name for _, names in stay for name in names})
    views: dict[str, list[list[str]]] = {}
    for of, of_stack in [*stay, (view, names)]:
        views.setdefault(of, []).append(of_stack)
    gone = [name for _, of_stack in go for name in of_stack]
    document.pop("frames_of_reference", None)
    frames = read_document(folder).frames_of_reference if grows else {}
    frames = {name: frame for name, frame in frames.items() if name not in gone}
    if frame_of_reference:
        frames |= dict.fromkeys(names, frame_of_reference)
    with replacing_folder(folder) as new:
        if grows:
            shutil.copytree(folder, new, dirs_exist_ok=True)
        for name in gone:
            (new / name).unlink()
            (new / "labels" / name).unlink(missing_ok=True)
        (new / "labels").mkdir(exist_ok=True)
        for name, image, label in zip(names, images, labels, strict=True):
            write_volume(image, new / name)
            if label is not None:
                write_volume(label, new / "labels" / name)
        write_json(new / NAME, {
            **document, "views": {of: stacks if len(stacks) > 1 else stacks[0] for of, stacks in views.items()},
            **({"frames_of_reference": frames} if frames else {}),
            **({"source": sorted({*before, *source} if grows else source)} if source else {})})
    return folder


def _source(folder: Path) -> set[str]:
    """Empty for a folder that does not say, or says it in a study.json that is damaged."""
    try:
        found = read_json(folder / NAME)["source"]
        return {one for one in found if isinstance(one, str)}
    except (PlaneSSLError, KeyError, TypeError):
        return set()


def _require_ours(folder: Path) -> None:
    """PlaneSSLError for a folder that holds anything that was not written here: it would go."""
    there = [path for part in (folder, folder / "labels") if part.is_dir() for path in part.iterdir()
             if not path.name.startswith(".") and path != folder / "labels"]
    ours = set()
    if (folder / NAME).is_file():
        ours = {NAME, *(name for _, names in _stacks(folder, read_json(folder / NAME)) for name in names)}
    strange = [path.name for path in there if path.name not in ours]
    if strange:
        raise PlaneSSLError(f"{folder} holds other things than a labelled study, such as {strange[0]}; choose another "
                            "folder.")


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


def _counts_down(anatomy: Anatomy, view: str, matrix: np.ndarray) -> bool:
    """Do slices come the other way round than the view counts them?"""
    normal = np.cross(matrix[:3, 0], matrix[:3, 1])
    return bool(counting_direction(view, normal / np.linalg.norm(normal), anatomy, np.eye(3)) @ matrix[:3, 2] < 0)


def _image(values: np.ndarray, matrix: np.ndarray) -> sitk.Image:
    spacing = np.linalg.norm(matrix[:3, :3], axis=0)
    image = sitk.GetImageFromArray(np.ascontiguousarray(values))
    image.SetSpacing(spacing.tolist())
    image.SetDirection((matrix[:3, :3] / spacing).ravel().tolist())
    image.SetOrigin(matrix[:3, 3].tolist())
    return image


def _stacks(folder: Path, document: object) -> list[tuple[str, list[str]]]:
    """The views and files of the stacks that a study.json names."""
    views = document.get("views") if isinstance(document, dict) else None
    if not isinstance(views, dict):
        raise PlaneSSLError(f"{folder / NAME} names no views, as those of labelled studies do: choose another folder.")
    stacks = [(view, names) for view, of_view in views.items() for names in stacks_named(of_view) if names]
    for name in (name for _, names in stacks for name in names):
        if (file := inside(folder, name)) is None or not file.is_file():
            raise PlaneSSLError(f"{folder / NAME} names {name!r}, which is no file of this folder: choose another one.")
    return stacks


def _free_names(view: str, phases: int, taken: set[str]) -> list[str]:
    """Files of a view's first stack, or of its second one, ..."""
    of_stacks = ([f"{view.lower()}{f'-{n}' if n > 1 else ''}_{k:02d}.nii.gz" for k in range(phases)] for n in count(1))
    return next(names for names in of_stacks if taken.isdisjoint(names))


def _is_same(file: Path, image: sitk.Image) -> bool:
    """Does a file hold this very image? NIfTI keeps places in single precision."""
    try:
        found = sitk.ReadImage(str(file))
    except RuntimeError as error:
        raise PlaneSSLError(f"{file} cannot be read: {itk_reason(error)}.") from None
    ours, theirs = ([*one.GetOrigin(), *one.GetSpacing()] for one in (image, found))
    return found.GetSize() == image.GetSize() and np.allclose(ours, theirs, atol=1e-3) and np.array_equal(
        *map(sitk.GetArrayViewFromImage, (found, image)))
