"""Label maps of whole stacks, on the pixels they were acquired on."""
from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

import numpy as np
import torch

from .. import PlaneSSLError
from ..cohort.placing import placement, resample
from ..geometry import Plane
from ..training.run import Run
from ..training.settings import choose_device


class Segmenter:
    """A finetuned run at work. frames: (scaled image, plane) -> label values on the plane's pixels.

    Probabilities, not labels, are resampled back to the acquired grid, once; what lies outside the working grid is
    background.
    """

    def __init__(self, run: Run, device: str = "auto", batch: int = 16, flip: bool = False) -> None:
        if "segmentation" not in run.config["heads"]:
            raise PlaneSSLError(f"The run {run.folder} was trained for {run.config['task']}, not for segmentation.")
        self.plan, self.batch, self.flip = run.plan, batch, flip
        self.device = choose_device(device)
        self.network = run.network().to(self.device, memory_format=torch.channels_last)
        self._values = np.array([0, *(value for value, _ in self.plan.labels)], dtype=np.uint8)

    def frames(self, frames: Iterable[tuple[np.ndarray, Plane]]) -> Iterator[np.ndarray]:
        """(rows, columns) images, scaled as the plan says, with their planes -> (rows, columns) uint8 label values."""
        frames = iter(frames)
        while chunk := list(islice(frames, self.batch)):
            matrices = [placement(plane, self.plan) for _, plane in chunk]
            images = [resample(image, matrix, self.plan.size)
                      for (image, _), matrix in zip(chunk, matrices, strict=True)]
            for (_, plane), matrix, probability in zip(chunk, matrices, self._probabilities(images), strict=True):
                yield self._back(probability, matrix, plane)

    @torch.inference_mode()
    def _probabilities(self, images: Sequence[np.ndarray]) -> np.ndarray:
        """(n, channels, rows, columns) on the working grid."""
        batch = torch.from_numpy(np.stack(images)[:, None]).to(self.device, memory_format=torch.channels_last)
        logits = self.network(batch)["segmentation"].float().softmax(1)
        if self.flip:
            logits = (logits + self.network(batch.flip(3))["segmentation"].float().softmax(1).flip(3)) / 2
        return logits.cpu().numpy()

    def _back(self, probability: np.ndarray, matrix: np.ndarray, plane: Plane) -> np.ndarray:
        back = np.linalg.inv(matrix)
        foreground = np.stack([resample(channel, back, plane.shape) for channel in probability[1:]])
        background = resample(probability[0], back, plane.shape, outside=1.0)
        return self._values[np.concatenate([background[None], foreground]).argmax(0)]
