"""What is irregular in a stack, in words: it is described, never mended."""
from __future__ import annotations

import numpy as np

from ..geometry import angle_between
from .likeness import SAME_PLACE_MM
from .model import Stack


def irregularities(stack: Stack) -> tuple[str, ...]:
    """Uneven, missing or repeated positions, shear, unequal numbers of frames; empty where all is regular."""
    notes = []
    counts = sorted({len(stack.acquired(i)) for i in range(len(stack.planes))})
    if len(counts) > 1:
        notes.append(f"the slices have different numbers of {stack.dimension}s: {counts[0]} to {counts[-1]}")
    if len(stack.planes) < 2:
        return tuple(notes)
    normal = stack.planes[0].normal
    positions = np.array([plane.position for plane in stack.planes])
    steps = np.abs(np.diff(positions @ normal))
    usual = float(np.median(steps))
    if (flat := int((steps <= SAME_PLACE_MM).sum())):
        notes.append(f"{flat + 1} slices lie in one plane, shifted within it")
    elif np.ptp(steps) > max(0.05, 0.01 * usual):
        gaps = [i for i, step in enumerate(steps) if step > 1.5 * usual and abs(step / usual % 1 - 0.5) > 0.4]
        others = np.delete(steps, gaps)
        notes += [f"{round(steps[i] / usual) - 1} missing after slice {i} (from 0): "
                  f"{steps[i]:.2f} mm instead of {usual:.2f} mm" for i in gaps]
        if np.ptp(others) > max(0.05, 0.01 * usual):
            notes.append(f"uneven steps: {others.min():.2f} to {others.max():.2f} mm")
    along = positions[-1] - positions[0]
    tilt = float(angle_between(along / max(np.linalg.norm(along), 1e-9), normal))
    if not flat and tilt > 0.2:
        notes.append(f"sheared: the slices are displaced at {tilt:.1f} degrees to their normal, as by a tilted gantry")
    return tuple(notes)
