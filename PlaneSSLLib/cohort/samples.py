"""Frames of a cohort, drawn for training or listed for validation, as a torch data set."""
from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from torch.utils.data import Dataset

from .placing import Augmentation, placement, resample
from .plan import Plan
from .store import Cohort, PreparedStudy

Sample = dict[str, np.ndarray]


@dataclass(frozen=True)
class Place:
    """One frame of a cohort."""

    study: str
    stack: int
    slice: int
    phase: int


def frames(study: PreparedStudy, views: Sequence[str] = (), labelled: bool = False) -> list[Place]:
    """Every frame of a study, of these views only if any are named, labelled ones only if asked."""
    places = []
    for s, stack in enumerate(study.stacks):
        if views and stack.view not in views:
            continue
        of_stack = stack.labelled if labelled else [
            (i, k) for i, starts in enumerate(stack.pixels_at) for k, at in enumerate(starts) if at >= 0]
        places += [Place(study.pseudonym, s, i, k) for i, k in of_stack]
    return places


def some_of(places: Sequence[Place], most: int) -> list[Place]:
    """So many of these at most, in their order, drawn at random, but always the same.

    Every n-th would not do: in studies of two phases it may be one and the same phase.
    """
    if len(places) <= most:
        return list(places)
    return [places[n] for n in np.sort(np.random.default_rng(0).choice(len(places), most, replace=False))]


def working_image(
    study: PreparedStudy, place: Place, plan: Plan, augmentation: Augmentation, rng: np.random.Generator | None,
    pose: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """A frame on the working grid, (rows, columns) float32, and the `placement` matrix that took it there.

    Augmented with rng; as it is where rng is None. pose: how the organ lies in it, see `geometry.pose`; the grid is
    laid like it first. Labels and lines follow through the matrix.
    """
    stack = study.stacks[place.stack]
    motion = np.eye(3) if rng is None else augmentation.motion(rng, plan.reach_mm * 2 / 3)
    if pose is not None:
        motion = pose @ motion
    matrix = placement(stack.planes[place.slice], plan, motion)
    image = resample(study.image(stack, place.slice, place.phase), matrix, plan.size)
    return (image if rng is None else augmentation.intensities(image, rng)), matrix


class RandomFrames(Dataset):
    """Sample n is a frame drawn at random: a study, one of its views, a stack of that, a frame, each with equal chance.

    Everything about it follows from (seed, n), so the order of loading, the number of workers and an interruption
    change nothing.
    """

    def __init__(
        self, cohort: Cohort, places: Sequence[Place], make: Callable[..., Sample], seed: int, count: int,
    ) -> None:
        self.cohort, self.make, self.seed, self.count = cohort, make, seed, count
        by_study: dict[str, dict[str, dict[int, list[Place]]]] = {}
        for place in places:
            view = cohort.studies[place.study].stacks[place.stack].view
            by_study.setdefault(place.study, {}).setdefault(view, {}).setdefault(place.stack, []).append(place)
        self.places = [[list(stacks.values()) for stacks in views.values()] for views in by_study.values()]

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, n: int) -> Sample:
        rng = np.random.default_rng([self.seed, n])
        views = self.places[rng.integers(len(self.places))]
        stacks = views[rng.integers(len(views))]
        of_stack = stacks[rng.integers(len(stacks))]
        place = of_stack[rng.integers(len(of_stack))]
        return self.make(self.cohort.studies[place.study], place, rng)


class Interleaved(Dataset):
    """Sample n is that of the first data set, but every fifth that of the second."""

    EVERY = 5

    def __init__(self, first: Dataset, second: Dataset) -> None:
        self.first, self.second = first, second

    def __len__(self) -> int:
        return min(len(self.first), len(self.second))

    def __getitem__(self, n: int) -> Sample:
        return (self.second if n % self.EVERY == self.EVERY - 1 else self.first)[n]


class FrameList(Dataset):
    """The given frames, one after the other, unaugmented."""

    def __init__(self, cohort: Cohort, places: Sequence[Place], make: Callable[..., Sample]) -> None:
        self.cohort, self.places, self.make = cohort, list(places), make

    def __len__(self) -> int:
        return len(self.places)

    def __getitem__(self, n: int) -> Sample:
        place = self.places[n]
        return self.make(self.cohort.studies[place.study], place, None)
