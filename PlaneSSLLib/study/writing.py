"""A labelled study as a folder that `read_study` and `planessl prepare` take as it is: study.json, images, labels."""
from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from .. import PlaneSSLError
from ..anatomy import Anatomy
from ..files import refuse_existing, replacing_folder, write_json
from .views import counting_direction
from .volumes import itk_reason


def write_labelled_study(folder: Path, anatomy: Anatomy, view: str, matrix: np.ndarray, images: Sequence[np.ndarray],
                         labels: Sequence[np.ndarray | None], overwrite: bool = False) -> Path:
    """Write one stack and what is labelled of it. The subject is called as the folder.

    matrix: (4, 4) from (column, row, slice) to LPS mm, its first three columns square to each other. images: the
    phases, (slices, rows, columns) each; labels: the same of label values, None for a phase that nobody labelled. The
    slices are put into the order in which the view counts. PlaneSSLError if the anatomy does not know the view or a
    label's value, if nothing is labelled, or if the folder cannot be written.
    """
    folder = Path(folder)
    refuse_existing(folder, overwrite)
    ours = r"study\.json|labels|.+_\d\d\.nii\.gz"
    others = [path.name for path in folder.iterdir() if not re.fullmatch(ours, path.name)] if folder.is_dir() else []
    if others:
        raise PlaneSSLError(f"{folder} holds other things than a labelled study, such as {others[0]}; choose another "
                            "folder.")
    if anatomy.view(view) is None:
        raise PlaneSSLError(f"The anatomy '{anatomy.name}' has no view '{view}'; it has "
                            f"{', '.join(one.name for one in anatomy.views)}.")
    known = {0, *(label.value for label in anatomy.labels)}
    strange = sorted({int(value) for one in labels if one is not None for value in np.unique(one)} - known)
    if strange:
        raise PlaneSSLError(f"The anatomy '{anatomy.name}' has no label of value {strange[0]}.")
    if all(one is None for one in labels):
        raise PlaneSSLError("Nothing is labelled: outline at least one structure in one phase.")
    spacing = np.linalg.norm(matrix[:3, :3], axis=0)
    directions, origin = matrix[:3, :3] / spacing, matrix[:3, 3]
    normal = np.cross(directions[:, 0], directions[:, 1])
    backwards = counting_direction(view, normal, anatomy, np.eye(3)) @ directions[:, 2] < 0
    if backwards:
        origin = origin + (len(images[0]) - 1) * matrix[:3, 2]
        directions = directions * [1, 1, -1]
    names = [f"{view.lower()}_{k:02d}.nii.gz" for k in range(len(images))]
    with replacing_folder(folder) as side:
        (side / "labels").mkdir()
        for name, image, label in zip(names, images, labels, strict=True):
            for values, path in ((image, side / name), (label, side / "labels" / name)):
                if values is not None:
                    _write(values[::-1] if backwards else values, spacing, directions, origin, path)
        write_json(side / "study.json", {"subject": folder.name, "anatomy": anatomy.name, "views": {view: names}})
    return folder


def _write(values: np.ndarray, spacing: np.ndarray, directions: np.ndarray, origin: np.ndarray, path: Path) -> None:
    image = sitk.GetImageFromArray(np.ascontiguousarray(values))
    image.SetSpacing(spacing.tolist())
    image.SetDirection(directions.ravel().tolist())
    image.SetOrigin(origin.tolist())
    try:
        sitk.WriteImage(image, str(path), True)
    except RuntimeError as error:
        raise PlaneSSLError(f"{path.name} cannot be written: {itk_reason(error)}.") from None
