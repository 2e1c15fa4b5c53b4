"""Where the planes of a study cut its images."""
from __future__ import annotations

import numpy as np

from ..geometry import crossings
from .model import Study


def lines_of(study: Study, any_frame: bool = False) -> list[dict]:
    """Every place where one plane cuts another image: the document of `planessl lines`."""
    found = []
    for image_stack in study.stacks:
        for plane_stack in study.partners(image_stack, any_frame):
            pairs = crossings(image_stack.planes, plane_stack.planes)
            for i, j in np.argwhere(~np.isnan(pairs.segments).any((-1, -2))).tolist():
                segment = pairs.segments[i, j]
                found.append({
                    "image": {"stack": image_stack.id, "slice": i},
                    "plane": {"stack": plane_stack.id, "slice": j},
                    "lps": segment.tolist(),
                    "pixels": image_stack.planes[i].to_pixels(segment).tolist(),
                    "angle_deg": float(pairs.angle_deg[i, j]),
                })
    return found
