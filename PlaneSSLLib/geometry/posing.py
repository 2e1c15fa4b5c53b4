"""How an organ lies in an image, as the planes tell that cut it."""
from __future__ import annotations

import numpy as np

from .lines import lines_in_image
from .planes import Plane

LEAST_SINE = np.sin(np.radians(30))  # of lines that cross more flatly nobody can say where they do


def pose(image: Plane, along: Plane, across: Plane) -> np.ndarray | None:
    """(3, 3) matrix from mm (x, y, 1) about the point where two planes both cut an image to mm about its centre.

    x runs along the line of the first plane, to the image's right. None where a plane is parallel to the image, or the
    two lines cross by less than 30 degrees.
    """
    lines = lines_in_image(image, [along, across])
    spacing = np.array(image.spacing[::-1])
    normals = lines[:, :2] / spacing
    if not np.isfinite(lines).all() or abs(np.linalg.det(normals)) < LEAST_SINE:
        return None
    middle = np.linalg.solve(normals, -lines[:, 2]) - (np.array(image.shape[::-1]) - 1) / 2 * spacing
    cosine, sine = np.array([-normals[0, 1], normals[0, 0]]) * (-1 if normals[0, 1] > 0 else 1)
    return np.array([[cosine, -sine, middle[0]], [sine, cosine, middle[1]], [0, 0, 1.0]])
