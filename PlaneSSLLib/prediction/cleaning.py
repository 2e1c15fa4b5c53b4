"""No more pieces of a structure than it has."""
from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from scipy import ndimage

from ..anatomy import Label


def largest_pieces(labels: np.ndarray, structures: Iterable[Label]) -> np.ndarray:
    """(slices, rows, columns) label values -> the same with only the largest pieces of every structure.

    As many as it consists of, see `Label`. Voxels that share a face are of one piece; the rest becomes background.
    """
    kept = labels.copy()
    for structure in structures:
        pieces, count = ndimage.label(labels == structure.value)
        if 0 < structure.pieces < count:
            small = 1 + np.argsort(-np.bincount(pieces.ravel())[1:], kind="stable")[structure.pieces:]
            kept[np.isin(pieces, small)] = 0
    return kept
