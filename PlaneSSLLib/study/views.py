"""Naming the view that each stack shows, from the directions of all stacks of a study together.

An anatomy is a constellation of typical view normals. How the organ lies in this patient is an unknown rotation R of
that constellation, at most `turn_deg`. Given R, a stack of view k has its normal near R v_k; a view that is only
`perpendicular_to` another has its normal anywhere on the great circle around that one; a stack laid exactly along the
patient's axes is a plain sagittal, coronal or axial one; and some stacks show nothing of this at all. Summed over all R
(on a grid), Bayes' rule gives every stack the probability of every view. Words of descriptions enter as a likelihood
ratio, so that they tip a balance, and geometry that contradicts them can still outweigh them. Where it contradicts all
words of a study of volume files, the directions are made up, as converters leave them, and words alone name the views.
"""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy.spatial.transform import Rotation

from ..anatomy import Anatomy, View
from ..anatomy.wording import says
from ..geometry import PARALLEL_DEG, angle_between
from .model import Naming, Stack

PATIENT_PLANES = {"sagittal": (1.0, 0.0, 0.0), "coronal": (0.0, 1.0, 0.0), "axial": (0.0, 0.0, 1.0)}
OBLIQUE = "oblique"

VIEW_SPREAD_DEG = 9.0  # how far operators' planes scatter about the organ's own axes
EXACT_SPREAD_DEG = 1.0  # a plane this close to a patient axis was laid there on purpose, not along an organ
WORD_RATIO = 20.0  # how much likelier a description names the view that it shows than another one
PRIOR_OBLIQUE, PRIOR_EXACT, PRIOR_PERPENDICULAR = 0.03, 0.1, 0.4  # against 1 for a view with a normal
LONELY_CONFIDENCE = 0.7  # at most, where no stack of another direction confirms an organ's view
MADE_UP = "the description says so; the directions contradict what all descriptions say, and seem to be made up"
OBLIQUE_DEG = 37.0  # further from its axis than this (a cosine of 0.8), a patient plane is not called by its name
GRID_STEP_DEG = 6.0
PART = 200  # stacks at a time: the densities of thousands would not fit into memory


@dataclass(frozen=True, eq=False)
class Fit:
    """The names of a study's stacks, and how the organ lies: (3, 3) rotation of the anatomy's typical normals."""

    namings: tuple[Naming, ...]
    turn: np.ndarray


def name_views(stacks: Sequence[Stack], anatomy: Anatomy, mirrored: bool = False) -> Fit:
    """Name every stack's view. mirrored: the organ is the right one of a pair, so typical normals have x reversed."""
    model = _Constellation(stacks, anatomy, mirrored)
    bare, full = model.probabilities()
    namings = []
    for i, stack in enumerate(stacks):
        name = max(full.of, key=lambda name, i=i: full.of[name][i])
        confidence = (full.of[name][i] + bare.of[name][i]) / 2  # half of it has to be earned by geometry alone
        lonely = name not in PATIENT_PLANES and not (
            angle_between(model.normals, model.normals[i]) > VIEW_SPREAD_DEG).any()
        if lonely:
            confidence = min(confidence, LONELY_CONFIDENCE)
        reasons = _direction_reasons(stack, name, anatomy, full.turn, mirrored) + _word_reasons(
            name, model.told[i], max(bare.of, key=lambda name, i=i: bare.of[name][i]))
        if lonely:
            reasons.append("no stack of another direction confirms it")
        namings.append(Naming(name, round(float(confidence), 3), tuple(reasons)))
    called = [told[0] if len(told) == 1 else "" for told in model.told]
    if not any(stack.series_uid or stack.series for stack in stacks) and _are_made_up(called, namings, model.normals):
        namings = [Naming(view, LONELY_CONFIDENCE, (MADE_UP,)) if view else naming
                   for view, naming in zip(called, namings, strict=True)]
    return Fit(tuple(namings), full.turn)


def _are_made_up(called: Sequence[str], namings: Sequence[Naming], normals: np.ndarray) -> bool:
    """Do the directions contradict every description that names a view, or do views of several names have but one?"""
    told = [i for i, view in enumerate(called) if view]
    if len({called[i] for i in told}) < 2:
        return False
    return (not any(namings[i].view == called[i] for i in told)
            or bool((angle_between(normals[told], normals[told[0]]) < PARALLEL_DEG).all()))


def direction_evidence(stacks: Sequence[Stack], anatomy: Anatomy, mirrored: bool = False) -> float:
    """Log of the evidence that the stacks' directions are, for this anatomy; comparable between anatomies."""
    log_weight = _Constellation(stacks, anatomy, mirrored).log_weights()[0]
    return float(log_weight.max() + np.log(np.exp(log_weight - log_weight.max()).sum()))


def counting_direction(view_name: str, normal: np.ndarray, anatomy: Anatomy, turn: np.ndarray,
                       mirrored: bool = False) -> np.ndarray:
    """(3,) the direction in which the slices of this view count: the stack's normal or its opposite.

    The sign is that of the view's typical normal in this patient; a view without one counts along its nearest patient
    axis: to the left, to the back or to the head.
    """
    view = anatomy.view(view_name)
    if view is not None and view.normal is not None:
        typical = turn @ _typical(view, mirrored)
        if abs(typical @ normal) > 0.1:  # at right angles to it, its sign says nothing
            return normal * np.sign(typical @ normal)
    return normal * np.sign(normal[np.abs(normal).argmax()])


@dataclass(frozen=True, eq=False)
class _Probabilities:
    """View -> (stacks,) probability, and the most probable rotation."""

    of: dict[str, np.ndarray]
    turn: np.ndarray


class _Constellation:
    """The likelihood of every view of every stack, for every way in which the organ may lie."""

    def __init__(self, stacks: Sequence[Stack], anatomy: Anatomy, mirrored: bool) -> None:
        self.anatomy, self.mirrored = anatomy, mirrored
        self.normals = np.array([stack.planes[0].normal for stack in stacks]).reshape(-1, 3)
        self.names = [*(view.name for view in anatomy.views), *PATIENT_PLANES, OBLIQUE]
        self.turns, self.log_prior = _turns(anatomy.turn_deg)
        self.parts = [slice(start, start + PART) for start in range(0, len(stacks), PART)]
        self._last_density: dict[int, np.ndarray] = {}
        # (stacks, views): what a stack's words say, and what it may show at all.
        said = np.array([[says(view.words, stack.description) for view in anatomy.views] for stack in stacks])
        self.told = [[view.name for view, told in zip(anatomy.views, of_stack, strict=True) if told]
                     for of_stack in said]  # the same as names
        allowed = [[_may_show(view, stack) for view in anatomy.views] for stack in stacks]
        rest = np.ones((len(stacks), len(PATIENT_PLANES) + 1))
        self.allowed = np.hstack([np.array(allowed, dtype=float), rest])
        self.ratio = np.hstack([np.where(said, WORD_RATIO, 1.0), rest])

    def density(self, part: slice) -> np.ndarray:
        """(views, turns, stacks) likelihood of the directions of some of the stacks; the last one is kept."""
        if part.start not in self._last_density:
            self._last_density = {part.start: self._density(part)}
        return self._last_density[part.start]

    def _density(self, part: slice) -> np.ndarray:
        normals = self.normals[part]
        density = np.empty((len(self.names), len(self.turns), len(normals)))
        for k, view in enumerate(self.anatomy.views):
            density[k] = self._view_density(view, normals)
        for k, axis in enumerate(PATIENT_PLANES.values(), start=len(self.anatomy.views)):
            density[k] = PRIOR_EXACT * _bell(normals @ axis, EXACT_SPREAD_DEG)
        density[-1] = PRIOR_OBLIQUE / (2 * np.pi)
        return density * self.allowed[part].T[:, None]

    def _view_density(self, view: View, normals: np.ndarray) -> np.ndarray:
        if view.normal is not None:
            return _bell((self.turns @ _typical(view, self.mirrored)) @ normals.T, VIEW_SPREAD_DEG)
        other = self.anatomy.view(view.perpendicular_to)
        if other is None or other.normal is None:
            return np.zeros((len(self.turns), len(normals)))
        spread = np.radians(VIEW_SPREAD_DEG)
        latitude = np.arcsin(np.clip((self.turns @ _typical(other, self.mirrored)) @ normals.T, -1, 1))
        return PRIOR_PERPENDICULAR * np.exp(-((latitude / spread) ** 2) / 2) / (np.pi * spread * np.sqrt(2 * np.pi))

    def log_weights(self) -> np.ndarray:
        """(2, turns) log of prior times likelihood of each way to lie: by directions, and by words as well."""
        weights = np.stack([self.log_prior, self.log_prior])
        for part in self.parts:
            density = self.density(part)
            weights[0] += np.log(density.sum(0)).sum(1)
            weights[1] += np.log((density * self.ratio[part].T[:, None]).sum(0)).sum(1)
        return weights

    def probabilities(self) -> tuple[_Probabilities, _Probabilities]:
        """By directions alone, and by words as well."""
        weights = self.log_weights()
        weights = np.exp(weights - weights.max(axis=1, keepdims=True))
        weights /= weights.sum(axis=1, keepdims=True)
        found = np.empty((2, len(self.names), len(self.normals)))
        for part in self.parts:
            density = self.density(part)
            for k, likelihood in enumerate((density, density * self.ratio[part].T[:, None])):
                found[k][:, part] = np.einsum("t,kts->ks", weights[k], likelihood / likelihood.sum(0))
        return tuple(_Probabilities(self._by_name(one), self.turns[weight.argmax()])
                     for one, weight in zip(found, weights, strict=True))

    def _by_name(self, probability: np.ndarray) -> dict[str, np.ndarray]:
        """A plain patient plane and an anatomy's own view of that name are one name."""
        summed: dict[str, np.ndarray] = {}
        for name, row in zip(self.names, probability, strict=True):
            summed[name] = summed.get(name, 0) + row
        return summed


def _may_show(view: View, stack: Stack) -> bool:
    if view.most_slices is not None and len(stack.planes) > view.most_slices:
        return False
    axis = PATIENT_PLANES.get(view.name)
    return axis is None or bool(angle_between(np.array(axis), stack.planes[0].normal) < OBLIQUE_DEG)


def _typical(view: View, mirrored: bool) -> np.ndarray:
    return np.array(view.normal) * ([-1, 1, 1] if mirrored else [1, 1, 1])


@lru_cache
def _turns(turn_deg: float) -> tuple[np.ndarray, np.ndarray]:
    """(t, 3, 3) rotations up to turn_deg, evenly spread, and (t,) log prior: half of turn_deg is one deviation."""
    steps = np.arange(-np.floor(turn_deg / GRID_STEP_DEG), np.floor(turn_deg / GRID_STEP_DEG) + 1) * GRID_STEP_DEG
    vectors = np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), axis=-1).reshape(-1, 3)
    vectors = vectors[np.linalg.norm(vectors, axis=1) <= turn_deg]
    log_prior = -((vectors / (turn_deg / 2)) ** 2).sum(-1) / 2
    return Rotation.from_rotvec(vectors, degrees=True).as_matrix(), log_prior - np.log(np.exp(log_prior).sum())


def _bell(cosine: np.ndarray, spread_deg: float) -> np.ndarray:
    """Density per steradian, on the half sphere, of a normal whose angle to a typical one has this cosine."""
    spread = np.radians(spread_deg)
    angle = np.arccos(np.clip(np.abs(cosine), 0, 1))
    return np.exp(-((angle / spread) ** 2) / 2) / (2 * np.pi * spread**2)


def _direction_reasons(stack: Stack, name: str, anatomy: Anatomy, turn: np.ndarray, mirrored: bool) -> list[str]:
    normal = stack.planes[0].normal
    view = anatomy.view(name)
    reasons = []
    if view is not None and view.normal is not None and name not in PATIENT_PLANES:
        off = float(angle_between(turn @ _typical(view, mirrored), normal))
        reasons.append(f"its direction is {off:.0f} degrees from {name} as this {anatomy.title.lower()} lies")
    elif view is not None and view.normal is None:
        reasons.append(f"its direction is at right angles to {view.perpendicular_to}, and no better name fits")
    angles = {plane: float(angle_between(np.array(axis), normal)) for plane, axis in PATIENT_PLANES.items()}
    nearest = min(angles, key=angles.get)
    reasons.append(f"the nearest patient plane is {nearest}, {angles[nearest]:.0f} degrees off")
    excluded = [v.name for v in anatomy.views if v.most_slices is not None and len(stack.planes) > v.most_slices]
    if excluded:
        reasons.append(f"with {len(stack.planes)} parallel slices it is not {', '.join(excluded)}")
    return reasons


def _word_reasons(name: str, told: list[str], alone: str) -> list[str]:
    """told: the views that the description names. alone: the view by direction alone."""
    reasons = []
    if told:
        outcome = "agrees" if name in told else "is outweighed by its direction"
        reasons.append(f"the description says {' or '.join(told)}, which {outcome}")
    if alone != name:
        reasons.append(f"its direction alone would say {alone}")
    return reasons
