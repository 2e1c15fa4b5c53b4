"""Label maps of whole stacks, on the pixels they were acquired on."""
from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from ..cohort.placing import placement
from ..events import Report, notice, silent
from ..geometry import Plane
from ..training.guide import Guide
from ..training.run import Run
from .looking import MIDDLE, grid_on, middle_of, pixels_cut
from .predictor import Predictor
from .sampling import Sampler, extent, turned
from .suiting import SEGMENTATION, require_head


class Segmenter(Predictor):
    """A finetuned run at work.

    Probabilities, not labels, are resampled back to the acquired grid, once; what lies outside the working grid is
    background.
    """

    def __init__(self, run: Run, device: str = "auto", batch: int = 16, report: Report = silent) -> None:
        require_head(run, SEGMENTATION)
        super().__init__(run, device, batch, report)
        self.views = tuple(run.config["views"])
        guide = run.guide()
        self.guide = None if guide is None else Guide(guide, self.plan, self.anatomy, self.device, report=report)
        self._values = np.array([0, *(value for value, _ in self.plan.labels)], dtype=np.uint8)

    def segment(self, images: Sequence[np.ndarray], planes: Sequence[Plane], view: str = "",
                progress: Callable[[int, int], None] = lambda done, of: None) -> list[np.ndarray]:
        """Label all frames of one stack, of any phases: (rows, columns) images -> (rows, columns) uint8 label values.

        images: on the plan's scale, see `scaled_phase`. planes: that of each image. view: the stack's; what a run of
        one view does not know is taken for that. progress: called with (frames done, of).

        Where a `Guide` sees how the organ lies, the grid is laid like it. Else, if what is found touches the border of
        the working grid, inside the images, a second look is taken with the grid centred on it, and kept if less is cut
        off.
        """
        if view not in self.views and len(self.views) == 1:
            view = self.views[0]
        poses = self.guide.poses(view, images, planes) if self.guide else {}
        if poses:
            return self._laid_alike(images, planes, poses, progress)
        if self.guide and self.anatomy.pose_of(view):
            notice(self.report, "The pose of the organ cannot be estimated from predicted lines: "
                                "the images are segmented without alignment.")
        found = self._look(images, planes, MIDDLE, progress)
        cut = pixels_cut(found, planes, self.plan)
        if not cut:
            return found
        notice(self.report, "What was found reaches the border of the working grid: "
                            "looking again, with the grid centred on it.")
        centre = middle_of(found, planes)
        again = self._look(images, planes, centre, progress)
        return again if pixels_cut(again, planes, self.plan, centre) < cut else found

    def _laid_alike(self, images: Sequence[np.ndarray], planes: Sequence[Plane], poses: Mapping[Plane, np.ndarray],
                    progress: Callable[[int, int], None]) -> list[np.ndarray]:
        def labels_of(first: int, last: int) -> np.ndarray:
            matrices = np.array([placement(plane, self.plan, poses[plane]) for plane in planes[first:last]])
            return self._labels_turned(_batch(images[first:last]), matrices)

        return self._all(planes, labels_of, progress)

    def _look(self, images: Sequence[np.ndarray], planes: Sequence[Plane], centre: tuple[float, float],
              progress: Callable[[int, int], None]) -> list[np.ndarray]:
        """centre: of the working grid, (column, row) mm from each image's centre."""
        def labels_of(first: int, last: int) -> np.ndarray:
            return self._labels_at_once(_batch(images[first:last]), grid_on(planes[first], self.plan, centre))

        return self._all(planes, labels_of, progress)

    def _all(self, planes: Sequence[Plane], labels_of: Callable[[int, int], np.ndarray],
             progress: Callable[[int, int], None]) -> list[np.ndarray]:
        """The label values of all frames, by those of the frames from a first one to a last (not included)."""
        labels: list[np.ndarray] = []

        def of_next_ones() -> np.ndarray:
            return labels_of(len(labels), self._end_of_alike(planes, len(labels)))

        while len(labels) < len(planes):
            labels.extend(self.while_memory_lasts(of_next_ones))
            progress(len(labels), len(planes))
        return labels

    def _end_of_alike(self, planes: Sequence[Plane], first: int) -> int:
        """Up to where frames share the first one's pixel grid, a batch at most."""
        grid = planes[first].shape, planes[first].spacing
        end = first + 1
        while end < min(len(planes), first + self.batch) and (planes[end].shape, planes[end].spacing) == grid:
            end += 1
        return end

    @torch.inference_mode()
    def _labels_at_once(self, images: Tensor, matrix: np.ndarray) -> np.ndarray:
        shape = tuple(images.shape[2:])
        to_grid = Sampler(matrix, shape, self.plan.size, self.device)
        probabilities = self.network(to_grid(images.to(self.device)))["segmentation"].float().softmax(1)
        back = Sampler(np.linalg.inv(matrix), self.plan.size, shape, self.device, _open_to(probabilities))
        structures = back.in_box(probabilities[:, 1:])
        labels = np.zeros((len(images), *shape), np.uint8)
        labels[:, back.box[0], back.box[1]] = self._values[_strongest(structures).cpu().numpy()]
        return labels

    @torch.inference_mode()
    def _labels_turned(self, images: Tensor, matrices: np.ndarray) -> np.ndarray:
        """(n, 1, rows, columns) -> (n, rows, columns) label values, each image through a matrix of its own."""
        on_grid = turned(images.to(self.device), matrices, self.plan.size)
        probabilities = self.network(on_grid)["segmentation"].float().softmax(1)
        rows, columns = _under(_open_to(probabilities), matrices, tuple(images.shape[2:]))
        labels = np.zeros((len(images), *images.shape[2:]), np.uint8)
        if rows.stop > rows.start and columns.stop > columns.start:
            part = np.array([[1, 0, columns.start], [0, 1, rows.start], [0, 0, 1.0]])
            size = rows.stop - rows.start, columns.stop - columns.start
            structures = turned(probabilities[:, 1:], np.linalg.inv(matrices) @ part, size)
            labels[:, rows, columns] = self._values[_strongest(structures).cpu().numpy()]
        return labels


def _batch(images: Sequence[np.ndarray]) -> Tensor:
    """(n, 1, rows, columns) float32."""
    return torch.from_numpy(np.stack(images)[:, None].astype(np.float32, copy=False))


def _open_to(probabilities: Tensor) -> tuple[slice, slice]:
    """The rows and columns of the working grid in which any image may hold something.

    Where the background has half of everything around a pixel, nothing else can be ahead in it: beyond the neighbours
    of those where it has less, nobody need look.
    """
    less = (probabilities[:, 0] < 0.5).any(0).cpu().numpy()
    return _widened(extent(less.any(1))), _widened(extent(less.any(0)))


def _under(part: tuple[slice, slice], matrices: np.ndarray, shape: tuple[int, int]) -> tuple[slice, slice]:
    """The rows and columns of an image of this shape on which a part of the grid lies by any of (n, 3, 3) matrices."""
    if not all(one.stop for one in part):
        return slice(0, 0), slice(0, 0)
    corners = np.array([[column, row, 1.0] for row in (part[0].start, part[0].stop - 1)
                        for column in (part[1].start, part[1].stop - 1)])
    pixels = corners @ matrices[:, :2].transpose(0, 2, 1)  # (n, 4, 2), (column, row)
    low = np.clip(np.floor(pixels.min((0, 1))) - 1, 0, shape[::-1]).astype(int)
    high = np.clip(np.ceil(pixels.max((0, 1))) + 2, 0, shape[::-1]).astype(int)
    return slice(int(low[1]), int(high[1])), slice(int(low[0]), int(high[0]))


def _widened(part: slice) -> slice:
    """By one to either side, unless it is empty."""
    return slice(max(part.start - 1, 0), part.stop + 1) if part.stop else part


def _strongest(structures: Tensor) -> Tensor:
    """(n, structures, ...) probabilities -> (n, ...) uint8: the likeliest, from 1, or 0 for the background, the rest.

    One after the other: torch is slow at finding where along an axis a maximum lies.
    """
    highest = 1 - structures.sum(1)
    found = torch.zeros_like(highest, dtype=torch.uint8)
    for n, probability in enumerate(structures.unbind(1), start=1):
        found.masked_fill_(probability > highest, n)
        highest = torch.maximum(highest, probability)
    return found
