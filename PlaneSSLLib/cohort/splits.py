"""Whose studies are trained on and whose are looked at: by patient, written down, repeatable."""
from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from itertools import chain
from pathlib import Path

import numpy as np

from .. import PlaneSSLError
from ..files import read_json
from .store import Cohort


@dataclass(frozen=True)
class Split:
    """Pseudonyms of studies. No study is in two parts, nor is a patient (see `require_in`).

    Test subjects are never opened by training or model selection. A pretraining that comes before must have the same
    split, or its test subjects are opened there (without labels).
    """

    train: tuple[str, ...]
    validation: tuple[str, ...] = ()
    test: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        everybody = self.train + self.validation + self.test
        if len(set(everybody)) < len(everybody):
            raise PlaneSSLError("A subject stands in two parts of the split; every subject may stand in one only.")

    def require_in(self, cohort: Cohort) -> None:
        """PlaneSSLError unless a cohort holds all who train or validate, and no patient is in two parts."""
        missing = {*self.train, *self.validation} - set(cohort.pseudonyms)
        if missing:
            raise PlaneSSLError(f"{len(missing)} of the {len(self.train) + len(self.validation)} subjects to train or "
                                f"validate on are not in the cohort {cohort.folder}.")
        parts = [self.train, self.validation, self.test]
        for part, others in ((part, set().union(*parts[:n], *parts[n + 1:])) for n, part in enumerate(parts)):
            if torn := cohort.of_same_patients(part) & others:
                raise PlaneSSLError(f"Of the patients of {len(torn)} studies ({min(torn)} among them) others stand in "
                                    "another part of the split: all studies of a patient belong into one.")

    def as_json(self) -> dict:
        return asdict(self)


def read_split(path: Path, cohort: Cohort) -> Split:
    """A split from JSON: {"train": [..], "validation": [..], "test": [..]}, subjects by name or by pseudonym.

    A run's splits.json is one, too; what else it says is passed over.
    """
    document = read_json(path)
    parts = ("train", "validation", "test")
    known = {*parts, "seen", "taught", "patients"}
    if not isinstance(document, dict) or not set(document) <= known or not document.get("train") or not all(
            isinstance(document.get(part, []), list) for part in parts):
        raise PlaneSSLError(
            f"{path} is no split: expected lists of subjects under {', '.join(parts)}; train may not be empty.")
    return Split(**{part: _studies(cohort.studies_of(str(subject)) for subject in document.get(part, []))
                    for part in parts})


def draw_split(patients: Sequence[tuple[str, ...]], seed: int, train: int | None = None,
               validation: float = 0.15) -> Split:
    """A seeded permutation of patients: the first `train` of them to train on, some of the rest to validate on.

    patients: the studies of each, see `Cohort.by_patient`; they stay together. The same seed and patients always draw
    the same ones, and fewer are always the first of more. Without a number, a share of the patients (at least one,
    where there are two) validates and the rest trains.
    """
    if not patients:
        raise PlaneSSLError("There is no subject to train on.")
    order = _shuffled(patients, seed)
    if train is None:
        held = min(len(order) - 1, max(1, round(validation * len(order)))) if len(order) > 1 and validation > 0 else 0
        return Split(_studies(order[held:]), _studies(order[:held]))
    if train > len(order):
        raise PlaneSSLError(f"{train} labelled subjects were asked for, and the cohort has {len(order)}.")
    return Split(_studies(order[:train]))


def fold_split(patients: Sequence[tuple[str, ...]], seed: int, fold: int, folds: int) -> Split:
    """Fold number `fold` (from 0) of `folds`: its patients validate, the others train."""
    if not 0 <= fold < folds <= len(patients):
        raise PlaneSSLError(f"Fold {fold} of {folds} cannot be made of {len(patients)} subjects.")
    order = _shuffled(patients, seed)
    return Split(_studies(s for i, s in enumerate(order) if i % folds != fold), _studies(order[fold::folds]))


def _shuffled(patients: Sequence[tuple[str, ...]], seed: int) -> list[tuple[str, ...]]:
    return [patients[i] for i in np.random.default_rng(seed).permutation(len(patients))]


def _studies(patients: Iterable[tuple[str, ...]]) -> tuple[str, ...]:
    return tuple(chain.from_iterable(patients))
