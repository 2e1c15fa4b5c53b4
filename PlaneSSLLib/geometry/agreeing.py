"""The plane that the lines of many images agree on.

Every slice of a stack, whatever its phase, is asked for the line of one and the same plane. What a network sees in
each is uncertain; the plane through all of them is less so, and its lines are consistent. View planners go the same way
(Wei et al., MICCAI 2021).
"""
from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np

from .fitting import fit_plane
from .lines import clip_line, in_millimetres, lines_in_image, nearest_on_lines
from .planes import Plane


def agree(
    images: Sequence[Plane], asked: Sequence[Sequence[Hashable | None]], lines: np.ndarray, reach_mm: float,
) -> tuple[np.ndarray, dict[Hashable, Plane]]:
    """Lines on which images agree, and the planes in which these lie.

    asked: for each of n images, and each of k targets, the plane whose line it was asked for, or what stands for it.
    lines: (n, k, 3) those seen there, in the image's pixels, NaN for none. reach_mm: how far the organ reaches from the
    middle of an image; lines count so far. Returns the lines (n, k, 3), and by the planes asked for those that are seen
    in their stead; a plane that too few images show is left out (see `geometry.fit_plane`), and its lines stay as they
    were seen.
    """
    segments: dict[Hashable, list[np.ndarray]] = {}
    for image, planes, of_image in zip(images, asked, lines, strict=True):
        for plane, line in zip(planes, of_image, strict=True):
            if plane is not None and clip_line(line, image.shape) is not None:
                segments.setdefault(plane, []).append(_segment(image, line, reach_mm))
    fitted = {plane: fit_plane(np.array(found)) for plane, found in segments.items()}
    agreed = {plane: seen for plane, seen in fitted.items() if seen is not None}
    together = np.array(lines)
    for i, (image, planes) in enumerate(zip(images, asked, strict=True)):
        for t, plane in enumerate(planes):
            if plane in agreed:
                cut = lines_in_image(image, [agreed[plane]])[0]
                together[i, t] = np.where(np.isfinite(cut), cut, together[i, t])
    return together, agreed


def _segment(image: Plane, line: np.ndarray, reach_mm: float) -> np.ndarray:
    """(2, 3) LPS mm: the line, so far to both sides of its point nearest to the image's middle."""
    near = nearest_on_lines(line, image.to_pixels(image.centre), image.spacing)
    a, b, _ = in_millimetres(line, image.spacing)
    along = np.array([-b, a]) / (image.spacing[0] * image.spacing[1])  # a mm, in pixels (column, row)
    return image.to_lps(near + reach_mm * np.array([[-1.0], [1.0]]) * along)
