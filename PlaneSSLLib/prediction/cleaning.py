"""One piece of everything."""
from __future__ import annotations

import numpy as np
from scipy import ndimage


def largest_components(labels: np.ndarray) -> np.ndarray:
    """(slices, rows, columns) label values -> the same with only the largest piece of every structure.

    Voxels that share a face are of one piece; the rest becomes background.
    """
    kept = np.zeros_like(labels)
    for value in np.unique(labels[labels > 0]):
        pieces, _ = ndimage.label(labels == value)
        sizes = np.bincount(pieces.ravel())
        kept[pieces == 1 + sizes[1:].argmax()] = value
    return kept
