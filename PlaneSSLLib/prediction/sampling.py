"""`cohort.placing.resample` for whole batches on the network's device."""
from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

_EDGE = 1e-6  # pixels by which rounding may put a sample past the outermost centre


class Sampler:
    """Linear sampling through a placement matrix that does not turn, as two products with small matrices.

    Such a sampling is separable, and so are the means over fine samples and what lies outside: an image becomes
    rows @ image @ columns, exactly what `resample` computes (order 1, 0 outside), for any number of images at once.
    box: the (rows, columns) of the new grid that the old image reaches; all else is 0.
    """

    def __init__(self, matrix: np.ndarray, shape: tuple[int, int], size: tuple[int, int], device: torch.device,
                 within: tuple[slice, slice] = (slice(None), slice(None))) -> None:
        """matrix: from new (column, row, 1) to old; shape: old (rows, columns); size: new. ValueError if it turns.

        within: the old rows and columns that are looked at, others count as 0.
        """
        if matrix[0, 1] or matrix[1, 0]:
            raise ValueError("the matrix turns the image; use cohort.placing.resample")
        rows = _weights(matrix[1, 1], matrix[1, 2], shape[0], size[0], within[0])
        columns = _weights(matrix[0, 0], matrix[0, 2], shape[1], size[1], within[1])
        self.size = size
        self.box = _reached(rows, 1), _reached(columns, 1)
        self._from = _reached(rows, 0), _reached(columns, 0)
        self._rows = torch.from_numpy(rows[self.box[0], self._from[0]]).to(device)
        self._columns = torch.from_numpy(columns[self.box[1], self._from[1]].T.copy()).to(device)

    def in_box(self, images: Tensor) -> Tensor:
        """(..., old rows, old columns) float32 -> the part of the new images that lies in the box."""
        return self._rows @ (images[..., self._from[0], self._from[1]] @ self._columns)

    def __call__(self, images: Tensor) -> Tensor:
        """(..., old rows, old columns) float32 -> (..., rows, columns) of the new size."""
        (high, wide), (rows, columns) = self.size, self.box
        around = (columns.start, wide - columns.stop, rows.start, high - rows.stop)
        return functional.pad(self.in_box(images), around)


def turned(images: Tensor, matrices: np.ndarray, size: tuple[int, int]) -> Tensor:
    """`cohort.placing.resample` (order 1) of a batch, each image through a placement matrix of its own.

    images: (n, channels, rows, columns). matrices: (n, 3, 3) from new (column, row, 1) to old. Returns (n, channels,
    *size). Within a pixel of the old image's border it fades, where `resample` ends at once.
    """
    finer = np.maximum(1, np.rint(np.linalg.norm(matrices[:, :2, :2], axis=1).max(0))).astype(int)  # column, row
    column, row = ((np.arange(count * n) + 0.5) / n - 0.5 for count, n in zip(size[::-1], finer, strict=True))
    new = torch.from_numpy(np.stack([*np.broadcast_arrays(column, row[:, None]), np.ones((len(row), len(column)))], -1))
    old = new.flatten(0, 1) @ torch.from_numpy(matrices[:, :2]).mT  # (n, pixels, 2)
    last = torch.tensor([max(images.shape[3] - 1, 1), max(images.shape[2] - 1, 1)])
    grid = (2 * old / last - 1).to(images.device, torch.float32).view(len(images), len(row), len(column), 2)
    fine = functional.grid_sample(images, grid, align_corners=True)
    return functional.avg_pool2d(fine, (int(finer[1]), int(finer[0])))


def _weights(step: float, start: float, old: int, new: int, within: slice) -> np.ndarray:
    """(new, old) float32: the shares of the old pixels in each new one along an axis; see `resample` for the means."""
    finer = int(max(1, np.rint(abs(step))))
    inner = step / finer
    at = start - inner * (finer - 1) / 2 + inner * np.arange(new * finer)
    inside = (at >= -_EDGE) & (at <= old - 1 + _EDGE)
    at = np.clip(at, 0, old - 1)
    low = np.minimum(at.astype(int), max(old - 2, 0))
    weights = np.zeros((new * finer, old))
    np.add.at(weights, (np.arange(len(at)), low), inside * (1 - (at - low)))
    np.add.at(weights, (np.arange(len(at)), np.minimum(low + 1, old - 1)), inside * (at - low))
    kept = np.zeros(old, bool)
    kept[within] = True
    return (weights * kept).reshape(new, finer, old).mean(1).astype(np.float32)


def _reached(weights: np.ndarray, axis: int) -> slice:
    """Where along the other axis there is any weight."""
    return extent(weights.any(axis))


def extent(there: np.ndarray) -> slice:
    """From the first True to the last."""
    found = np.flatnonzero(there)
    return slice(int(found[0]), int(found[-1]) + 1) if found.size else slice(0, 0)
