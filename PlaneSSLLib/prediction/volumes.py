"""Segment an image file: the label map lies on the file's own voxels."""
from __future__ import annotations

from pathlib import Path

import numpy as np
import SimpleITK as sitk

from .. import PlaneSSLError
from ..cohort.plan import intensity_range, scale
from ..files import refuse_existing, replacing
from ..geometry import Plane
from .segmenting import Segmenter


def planes_of(image: sitk.Image) -> list[Plane]:
    """The plane of every slice (third index) of a volume, in the order of the file."""
    direction = np.array(image.GetDirection()).reshape(3, 3)
    width, height, depth = image.GetSize()
    wide, high, _ = image.GetSpacing()
    return [Plane(image.TransformIndexToPhysicalPoint((0, 0, k)), direction[:, 0], direction[:, 1],
                  (high, wide), (height, width)) for k in range(depth)]


def segment_file(segmenter: Segmenter, path: Path, out: Path, overwrite: bool = False) -> dict:
    """Segment a volume (or a cine: a fourth dimension of phases) into `out`, an image of the very same geometry.

    Returns {"voxels": {label name: number}}. PlaneSSLError if the file is no volume, or cannot be read or written.
    """
    refuse_existing(out, overwrite)
    try:
        image = sitk.ReadImage(str(path))
    except RuntimeError as error:
        reason = str(error).strip().splitlines()[-1]
        raise PlaneSSLError(f"{path} cannot be read as an image: {reason}") from None
    if image.GetDimension() not in (3, 4) or image.GetNumberOfComponentsPerPixel() != 1:
        raise PlaneSSLError(f"{path} has {image.GetDimension()} dimensions and "
                            f"{image.GetNumberOfComponentsPerPixel()} values per voxel; a grey volume is needed.")
    volume = image if image.GetDimension() == 3 else image[:, :, :, 0]
    planes = planes_of(volume)
    values = sitk.GetArrayFromImage(image).astype(np.float32)
    phases = values if values.ndim == 4 else values[None]
    span = intensity_range([slice_ for phase in phases for slice_ in phase], segmenter.plan.percentiles)
    frames = ((scale(slice_, span), plane) for phase in phases for slice_, plane in zip(phase, planes, strict=True))
    labels = np.stack(list(segmenter.frames(frames))).reshape(values.shape)
    result = sitk.GetImageFromArray(labels)
    result.CopyInformation(image)
    with replacing(out) as side:
        try:
            sitk.WriteImage(result, str(side), True)
        except RuntimeError as error:
            reason = str(error).strip().splitlines()[-1]
            raise PlaneSSLError(f"{out} cannot be written: {reason}") from None
    return {"voxels": {name: int((labels == value).sum()) for value, name in segmenter.plan.labels}}
