"""The lines that a pretrained run sees in a study's images, beside those of the headers."""
from __future__ import annotations

import numpy as np
import torch

from .. import PlaneSSLError
from ..cohort.placing import placement, resample
from ..cohort.plan import intensity_range, scale
from ..geometry import clip_line, fit_lines, line_errors, lines_in_image, move_lines
from ..study import Stack, Study
from ..study.targets import stack_targets
from ..training.run import Run
from ..training.settings import choose_device


class LinePredictor:
    """A run that was pretrained on lines, at work."""

    def __init__(self, run: Run, device: str = "auto") -> None:
        if "lines" not in run.config["heads"]:
            raise PlaneSSLError(f"The run {run.folder} was pretrained on {run.config['task']}, not on lines.")
        self.plan, self.anatomy = run.plan, run.anatomy
        self.device = choose_device(device)
        self.network = run.network().to(self.device, memory_format=torch.channels_last)

    @torch.inference_mode()
    def heatmaps(self, images: list[np.ndarray]) -> np.ndarray:
        """(n, targets, rows, columns) on the working grid, from images on it."""
        batch = torch.from_numpy(np.stack(images)[:, None]).to(self.device)
        return self.network(batch)["lines"].float().cpu().numpy()

    def lines(self, stack: Stack, phase: int = 0) -> np.ndarray:
        """(slices, targets, 3) lines fitted to the predicted heatmaps, in each slice's own pixels.

        NaN where no ridge was found. A slice with fewer phases shows its last one.
        """
        pixels = [stack.pixels(i, min(phase, len(frames) - 1)) for i, frames in enumerate(stack.frames)]
        span = intensity_range(pixels, self.plan.percentiles)
        matrices = [placement(plane, self.plan) for plane in stack.planes]
        images = [resample(scale(image, span), matrix, self.plan.size)
                  for image, matrix in zip(pixels, matrices, strict=True)]
        maps = np.concatenate([self.heatmaps(images[i: i + 16]) for i in range(0, len(images), 16)])
        fitted = fit_lines(maps.reshape(-1, *self.plan.size), self.plan.spacing, self.plan.sigma_mm)
        fitted = fitted.reshape(*maps.shape[:2], 3)
        return np.stack([move_lines(of_slice, np.linalg.inv(matrix))
                         for of_slice, matrix in zip(fitted, matrices, strict=True)])


def predict_lines(predictor: LinePredictor, study: Study, lines: list[dict]) -> list[dict]:
    """Add what the run predicts to the lines of `study.lines_of`.

    Each line between an image and the plane which that image's view regresses gets
    "predicted": {"pixels": [[column, row], [column, row]] or None, "angle_error_deg", "distance_error_mm"}: the
    predicted line clipped to the image, and its errors against the true one (see `geometry.line_errors`). None where
    the run sees no line.
    """
    found = {}
    for index, stack in enumerate(study.stacks):
        targets = stack_targets(predictor.anatomy, study.stacks, index)
        if any(np.isfinite(t.lines).any() for t in targets):
            found[stack.id] = (targets, predictor.lines(stack))
    return [{**line, **_beside(line, study, found)} for line in lines]


def _beside(line: dict, study: Study, found: dict) -> dict:
    stack, i = study.stack(line["image"]["stack"]), line["image"]["slice"]
    if stack.id not in found:
        return {}
    image = stack.planes[i]
    true = lines_in_image(image, [study.stack(line["plane"]["stack"]).planes[line["plane"]["slice"]]])
    targets, fitted = found[stack.id]
    for target, predicted in zip(targets[i].lines[:, 0], fitted[i], strict=True):
        if np.allclose(target, true[0], atol=1e-6):
            angle, distance = line_errors(predicted[None], true, image.shape, image.spacing)
            segment = clip_line(predicted, image.shape)
            return {"predicted": {
                "pixels": None if segment is None else segment.tolist(),
                "angle_error_deg": None if np.isnan(angle[0]) else float(angle[0]),
                "distance_error_mm": None if np.isnan(distance[0]) else float(distance[0])}}
    return {}
