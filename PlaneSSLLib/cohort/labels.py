"""Label maps on the pixels of the images they belong to, exactly, or refused."""
from __future__ import annotations

from pathlib import Path

import numpy as np
import SimpleITK as sitk

from .. import PlaneSSLError
from ..geometry import Plane

MISPLACED_VOXELS = 0.1  # further than this from a voxel's centre, a label map is on another grid


class LabelMap:
    """A label volume in space. PlaneSSLError if the file is no readable volume of whole numbers."""

    def __init__(self, path: Path) -> None:
        self.path = Path(path)
        try:
            image = sitk.ReadImage(str(path))
        except RuntimeError as error:
            raise PlaneSSLError(f"The label map {path} cannot be read: {str(error).strip().splitlines()[-1]}") from None
        values = sitk.GetArrayFromImage(image)
        if values.ndim != 3:
            raise PlaneSSLError(f"The label map {path} has {values.ndim} dimensions; one volume per phase is expected.")
        rounded = np.rint(values)
        if values.dtype.kind == "f" and not np.array_equal(values, rounded):
            raise PlaneSSLError(f"The label map {path} holds numbers that are not whole: it is no label map.")
        if rounded.min() < 0 or rounded.max() > 255:
            raise PlaneSSLError(f"The label map {path} holds values outside 0 to 255.")
        self.values = rounded.astype(np.uint8)
        direction = np.array(image.GetDirection()).reshape(3, 3) * np.array(image.GetSpacing())
        self._to_index = np.linalg.inv(direction)
        self._origin = np.array(image.GetOrigin())

    def on(self, plane: Plane) -> np.ndarray | None:
        """(rows, columns) uint8 labels of the plane's pixels; None if the map does not hold this plane.

        PlaneSSLError if the map covers the plane on another pixel grid.
        """
        rows, columns = plane.shape
        grid = np.stack(np.meshgrid(np.arange(columns), np.arange(rows)), axis=-1).reshape(-1, 2)
        index = (plane.to_lps(grid) - self._origin) @ self._to_index.T
        nearest = np.rint(index).astype(int)
        inside = ((nearest >= 0) & (nearest < self.values.shape[::-1])).all(axis=1)
        off = np.abs(index - nearest).max()
        if not inside.any() or (off > MISPLACED_VOXELS and not inside.all()):
            return None
        if off > MISPLACED_VOXELS or not inside.all():
            raise PlaneSSLError(
                f"The label map {self.path} is not on its image's grid: pixels lie up to {off:.2f} voxels off, "
                f"{(~inside).mean():.0%} of them outside. Resample the labels to the image with nearest neighbours.")
        x, y, z = nearest.T
        return self.values[z, y, x].reshape(rows, columns)
