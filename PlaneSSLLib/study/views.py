"""Naming the view that each stack shows, from the directions of all stacks of a study together.

An anatomy is a constellation of typical view normals. How the organ lies in this patient is an unknown rotation R of
that constellation, at most `turn_deg`. Given R, a stack of view k has its normal near R v_k; a view that is only
`perpendicular_to` another has its normal anywhere on the great circle around that one; a stack laid exactly along the
patient's axes is a plain sagittal, coronal or axial one; and some stacks show nothing of this at all. Summed over all R
(on a grid), Bayes' rule gives every stack the probability of every view. Words of descriptions enter as a likelihood
ratio, so that they tip a balance, and geometry that contradicts them can still outweigh them.
"""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from ..anatomy import Anatomy, View
from ..geometry import angle_between
from .model import Naming, Stack
from .wording import says

PATIENT_PLANES = {"sagittal": (1.0, 0.0, 0.0), "coronal": (0.0, 1.0, 0.0), "axial": (0.0, 0.0, 1.0)}
OBLIQUE = "oblique"

VIEW_SPREAD_DEG = 9.0  # how far operators' planes scatter about the organ's own axes
EXACT_SPREAD_DEG = 1.0  # a plane this close to a patient axis was laid there on purpose, not along an organ
WORD_RATIO = 20.0  # how much likelier a description names the view that it shows than another one
PRIOR_OBLIQUE, PRIOR_EXACT, PRIOR_PERPENDICULAR = 0.03, 0.1, 0.4  # against 1 for a view with a normal
GRID_STEP_DEG = 6.0
LONELY_CONFIDENCE = 0.7  # at most, where no stack of another direction confirms an organ's view


@dataclass(frozen=True, eq=False)
class Fit:
    """How a study's stacks fit an anatomy: their names, how the organ lies, and how likely all this is."""

    namings: tuple[Naming, ...]
    turn: np.ndarray  # (3, 3) most probable rotation of the anatomy's typical normals
    log_evidence: float  # of the directions alone; comparable between anatomies


def name_views(stacks: Sequence[Stack], anatomy: Anatomy, mirrored: bool = False) -> Fit:
    """Name every stack's view. mirrored: the organ is the right one of a pair, so typical normals have x reversed."""
    normals = np.array([stack.planes[0].normal for stack in stacks]).reshape(-1, 3)
    turns, log_prior = _turns(anatomy.turn_deg)
    names = [*(view.name for view in anatomy.views), *PATIENT_PLANES, OBLIQUE]
    views, rest = anatomy.views, len(PATIENT_PLANES) + 1

    density = np.empty((len(names), len(turns), len(stacks)))
    for k, view in enumerate(views):
        density[k] = _density(view, anatomy, turns, normals, mirrored)
    for k, axis in enumerate(PATIENT_PLANES.values(), start=len(views)):
        density[k] = PRIOR_EXACT * _bell(normals @ axis, EXACT_SPREAD_DEG)
    density[-1] = PRIOR_OBLIQUE / (2 * np.pi)
    few = [[view.most_slices is None or len(stack.planes) <= view.most_slices for stack in stacks] for view in views]
    said = [[says(view.words, stack.description) for stack in stacks] for view in views]
    density *= np.array(few + [[True] * len(stacks)] * rest)[:, None]
    ratio = np.where(np.array(said + [[False] * len(stacks)] * rest), WORD_RATIO, 1.0)

    bare, log_evidence, _ = _posterior(density, log_prior)
    full, _, weight = _posterior(density * ratio[:, None], log_prior)
    turn = turns[weight.argmax()]
    bare, full = _by_name(bare, names), _by_name(full, names)
    namings = []
    for i, stack in enumerate(stacks):
        name = max(full, key=lambda name, i=i: full[name][i])
        confidence = (full[name][i] + bare[name][i]) / 2  # half of it has to be earned by geometry alone
        others = angle_between(normals, normals[i]) > VIEW_SPREAD_DEG
        lonely = name not in PATIENT_PLANES and not others.any()
        if lonely:
            confidence = min(confidence, LONELY_CONFIDENCE)
        told = [view.name for k, view in enumerate(views) if said[k][i]]
        alone = max(bare, key=lambda name, i=i: bare[name][i])
        reasons = _reasons(stack, name, anatomy, turn, mirrored, told, alone, lonely)
        namings.append(Naming(name, round(float(confidence), 3), tuple(reasons)))
    return Fit(tuple(namings), turn, float(log_evidence))


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


def _typical(view: View, mirrored: bool) -> np.ndarray | None:
    if view.normal is None:
        return None
    return np.array(view.normal) * ([-1, 1, 1] if mirrored else [1, 1, 1])


@lru_cache
def _turns(turn_deg: float) -> tuple[np.ndarray, np.ndarray]:
    """(t, 3, 3) rotations up to turn_deg, evenly spread, and (t,) log prior: half of turn_deg is one deviation."""
    steps = np.arange(-np.floor(turn_deg / GRID_STEP_DEG), np.floor(turn_deg / GRID_STEP_DEG) + 1) * GRID_STEP_DEG
    vectors = np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), axis=-1).reshape(-1, 3)
    vectors = vectors[np.linalg.norm(vectors, axis=1) <= turn_deg]
    log_prior = -((vectors / (turn_deg / 2)) ** 2).sum(-1) / 2
    return _rotations(np.radians(vectors)), log_prior - np.log(np.exp(log_prior).sum())


def _rotations(vectors: np.ndarray) -> np.ndarray:
    """(n, 3) rotation vectors in radians -> (n, 3, 3) matrices, by Rodrigues' formula."""
    angle = np.linalg.norm(vectors, axis=1)
    x, y, z = (vectors / np.where(angle > 0, angle, 1)[:, None]).T
    zero = np.zeros_like(x)
    cross = np.stack([zero, -z, y, z, zero, -x, -y, x, zero], axis=-1).reshape(-1, 3, 3)
    return np.eye(3) + np.sin(angle)[:, None, None] * cross + (1 - np.cos(angle))[:, None, None] * (cross @ cross)


def _bell(cosine: np.ndarray, spread_deg: float) -> np.ndarray:
    """Density per steradian, on the half sphere, of a normal whose angle to a typical one has this cosine."""
    spread = np.radians(spread_deg)
    angle = np.arccos(np.clip(np.abs(cosine), 0, 1))
    return np.exp(-((angle / spread) ** 2) / 2) / (2 * np.pi * spread**2)


def _density(view: View, anatomy: Anatomy, turns: np.ndarray, normals: np.ndarray, mirrored: bool) -> np.ndarray:
    """(turns, stacks) density of each stack's normal if the stack shows this view and the organ lies turned."""
    if view.normal is not None:
        return _bell((turns @ _typical(view, mirrored)) @ normals.T, VIEW_SPREAD_DEG)
    axis = _typical(anatomy.view(view.perpendicular_to), mirrored)
    if axis is None:
        return np.zeros((len(turns), len(normals)))
    spread = np.radians(VIEW_SPREAD_DEG)
    latitude = np.arcsin(np.clip((turns @ axis) @ normals.T, -1, 1))
    return PRIOR_PERPENDICULAR * np.exp(-((latitude / spread) ** 2) / 2) / (np.pi * spread * np.sqrt(2 * np.pi))


def _posterior(density: np.ndarray, log_prior: np.ndarray) -> tuple[np.ndarray, float, np.ndarray]:
    """(views, turns, stacks) densities -> (views, stacks) probabilities, the log evidence, (turns,) weights."""
    total = density.sum(0)
    log_weight = log_prior + np.log(total).sum(1)
    top = log_weight.max()
    weight = np.exp(log_weight - top)
    probability = np.einsum("t,kts->ks", weight / weight.sum(), density / total)
    return probability, top + np.log(weight.sum()), weight


def _by_name(probability: np.ndarray, names: list[str]) -> dict[str, np.ndarray]:
    """A plain patient plane and an anatomy's own view of that name are one name."""
    summed: dict[str, np.ndarray] = {}
    for name, row in zip(names, probability, strict=True):
        summed[name] = summed.get(name, 0) + row
    return summed


def _reasons(stack: Stack, name: str, anatomy: Anatomy, turn: np.ndarray, mirrored: bool, told: list[str],
             alone: str, lonely: bool) -> list[str]:
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
    if told:
        outcome = "agrees" if name in told else "is outweighed by its direction"
        reasons.append(f"the description says {' or '.join(told)}, which {outcome}")
    if alone != name:
        reasons.append(f"its direction alone would say {alone}")
    if lonely:
        reasons.append("no stack of another direction confirms it")
    return reasons
