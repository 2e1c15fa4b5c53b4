"""How well a segmentation agrees with a reference: MONAI's metrics, and the worst value for what is missing."""
from __future__ import annotations

import warnings

import numpy as np
import torch
from monai.metrics import compute_average_surface_distance, compute_hausdorff_distance


def agreement(predicted: np.ndarray, reference: np.ndarray, spacing: tuple[float, ...]) -> dict[str, float]:
    """Dice, hd95_mm, assd_mm and missing of two (slices, rows, columns) masks; spacing: (slice, row, column) mm.

    Both empty: nothing to measure, NaN. A structure that is in one of them only scores Dice 0 and, as distance, the
    diagonal of the volume: the worst there is. missing: 1 if it is in the reference only, else 0. hd95 is the
    larger of the two directed 95th percentiles, assd the mean over both surfaces (MONAI, symmetric). Of a single slice
    the surface is its outline.
    """
    if predicted.shape[0] == 1:
        return agreement(predicted[0], reference[0], spacing[1:])
    here, there = bool(predicted.any()), bool(reference.any())
    if not here and not there:
        return dict.fromkeys(("dice", "hd95_mm", "assd_mm", "missing"), float("nan"))
    if not (here and there):
        worst = float(np.linalg.norm(np.multiply(predicted.shape, spacing)))
        return {"dice": 0.0, "hd95_mm": worst, "assd_mm": worst, "missing": float(there)}
    overlap = np.logical_and(predicted, reference).sum()
    box = _box(predicted | reference)
    one, two = (torch.from_numpy(np.ascontiguousarray(mask[box]))[None, None] for mask in (predicted, reference))
    with warnings.catch_warnings():  # MONAI warns of its own deprecated argument, once a call
        warnings.simplefilter("ignore", FutureWarning)
        hd95 = compute_hausdorff_distance(one, two, include_background=True, percentile=95, spacing=spacing)
        assd = compute_average_surface_distance(one, two, include_background=True, symmetric=True, spacing=spacing)
    return {
        "dice": float(2 * overlap / (predicted.sum() + reference.sum())),
        "hd95_mm": float(hd95), "assd_mm": float(assd), "missing": 0.0,
    }


def _box(mask: np.ndarray) -> tuple[slice, ...]:
    """The smallest box around a mask and one voxel of air, so that surfaces at its faces stay surfaces."""
    found = np.argwhere(mask)
    low, high = np.maximum(found.min(0) - 1, 0), found.max(0) + 2
    return tuple(slice(a, b) for a, b in zip(low, high, strict=True))


def bootstrap_interval(values: np.ndarray, seed: int = 0, draws: int = 2000) -> tuple[float, float]:
    """95 % interval of the mean over patients, by resampling patients."""
    values = np.asarray(values, dtype=float)
    rng = np.random.default_rng(seed)
    means = values[rng.integers(len(values), size=(draws, len(values)))].mean(1)
    return tuple(float(x) for x in np.percentile(means, [2.5, 97.5]))
