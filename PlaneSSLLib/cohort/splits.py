"""Which subjects are trained on and which are looked at: by subject, written down, repeatable."""
from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from .. import PlaneSSLError
from ..files import read_json
from .store import Cohort


@dataclass(frozen=True)
class Split:
    """Pseudonyms. No subject is in two parts; test subjects are never opened by training or model selection.

    A pretraining that comes before must have the same split, or its test subjects are opened there (without labels).
    """

    train: tuple[str, ...]
    validation: tuple[str, ...] = ()
    test: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        everybody = self.train + self.validation + self.test
        if len(set(everybody)) < len(everybody):
            raise PlaneSSLError("A subject stands in two parts of the split; every subject may stand in one only.")

    def require_in(self, cohort: Cohort) -> None:
        """PlaneSSLError unless a cohort holds all who train or validate."""
        missing = {*self.train, *self.validation} - set(cohort.pseudonyms)
        if missing:
            raise PlaneSSLError(f"{len(missing)} of the {len(self.train) + len(self.validation)} subjects to train or "
                                f"validate on are not in the cohort {cohort.folder}.")

    def as_json(self) -> dict:
        return asdict(self)


def read_split(path: Path, cohort: Cohort) -> Split:
    """A split from JSON: {"train": [..], "validation": [..], "test": [..]}, subjects by name or by pseudonym.

    A run's splits.json is one, too; what else it says is passed over.
    """
    document = read_json(path)
    parts = ("train", "validation", "test")
    known = {*parts, "seen", "taught"}
    if not isinstance(document, dict) or not set(document) <= known or not document.get("train") or not all(
            isinstance(document.get(part, []), list) for part in parts):
        raise PlaneSSLError(
            f"{path} is no split: expected lists of subjects under {', '.join(parts)}; train may not be empty.")
    return Split(**{part: tuple(cohort.pseudonym_of(str(subject)) for subject in document.get(part, []))
                    for part in parts})


def draw_split(pool: tuple[str, ...], seed: int, train: int | None = None, validation: float = 0.15) -> Split:
    """A seeded permutation of the pool: the first `train` of it to train on, some of the rest to validate on.

    The same seed and pool always draw the same subjects, and fewer subjects are always the first of more. Without a
    number, a share of the pool (at least one subject, where there are two) validates and the rest trains.
    """
    if not pool:
        raise PlaneSSLError("There is no subject to train on.")
    order = [pool[i] for i in np.random.default_rng(seed).permutation(len(pool))]
    if train is None:
        held = min(len(order) - 1, max(1, round(validation * len(order)))) if len(order) > 1 and validation > 0 else 0
        return Split(tuple(order[held:]), tuple(order[:held]))
    if train > len(order):
        raise PlaneSSLError(f"{train} labelled subjects were asked for, and the cohort has {len(order)}.")
    return Split(tuple(order[:train]))


def fold_split(pool: tuple[str, ...], seed: int, fold: int, folds: int) -> Split:
    """Fold number `fold` (from 0) of `folds`: that fold validates, the others train."""
    if not 0 <= fold < folds <= len(pool):
        raise PlaneSSLError(f"Fold {fold} of {folds} cannot be made of {len(pool)} subjects.")
    order = [pool[i] for i in np.random.default_rng(seed).permutation(len(pool))]
    return Split(tuple(s for i, s in enumerate(order) if i % folds != fold), tuple(order[fold::folds]))
