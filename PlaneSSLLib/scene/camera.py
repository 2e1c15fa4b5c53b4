"""From where to look at a study in 3D."""
from __future__ import annotations

import numpy as np
from vtkmodules.vtkRenderingCore import vtkCamera

from .coordinates import to_ras

_FAVOURED = np.array([0.45, -0.75, 0.48])  # LPS: from the patient's left, front and above, as hearts are drawn
_OPEN = 0.75  # seen more face-on than this, a plane shows no more of itself and less of its place in space
_SUPERIOR = np.array([0.0, 0.0, 1.0])


def telling_direction(normals: np.ndarray) -> np.ndarray:
    """(3,) LPS, from the study to the viewer: a direction that sees none of the planes, normals (n, 3), edge-on."""
    count = 400
    turn = np.pi * (3 - np.sqrt(5)) * np.arange(count)  # Fibonacci's sphere
    height = 1 - 2 * (np.arange(count) + 0.5) / count
    directions = np.column_stack([np.sqrt(1 - height**2) * np.cos(turn), np.sqrt(1 - height**2) * np.sin(turn), height])
    opening = np.abs(directions @ np.reshape(normals, (-1, 3)).T).min(axis=1, initial=1.0)
    return directions[np.argmax(np.minimum(opening, _OPEN) + 0.3 * directions @ _FAVOURED)]


def look_at(camera: vtkCamera, points: np.ndarray, direction: np.ndarray, aspect: float, margin: float = 1.04) -> None:
    """Show (n, 3) LPS points as large as they fit, in parallel projection, from a direction, with the head up.

    aspect: width of the view divided by its height.
    """
    right = np.cross(_SUPERIOR, direction)
    right = right / np.linalg.norm(right) if np.linalg.norm(right) > 1e-3 else np.array([1.0, 0.0, 0.0])
    up = np.cross(direction, right)
    across, upward = points @ right, points @ up
    centre = (right * (across.min() + across.max()) + up * (upward.min() + upward.max())) / 2
    centre = centre + direction * (points @ direction).mean()
    reach = np.ptp(points, axis=0).max() + 1.0
    camera.ParallelProjectionOn()
    camera.SetFocalPoint(*to_ras(centre))
    camera.SetPosition(*to_ras(centre + 2 * reach * direction))
    camera.SetViewUp(*to_ras(up))
    camera.SetParallelScale(margin * max(np.ptp(upward), np.ptp(across) / aspect, 1.0) / 2)
    camera.SetClippingRange(0.01 * reach, 4 * reach)
