"""Classification of whole studies from a bag of their slices."""
from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch.nn import functional

from ... import PlaneSSLError
from ...cohort import Cohort
from ...cohort.placing import Augmentation
from ...cohort.plan import Plan
from ...cohort.samples import Place, Sample, frames, working_image
from ...cohort.store import PreparedStudy
from ..networks import Head
from .task import Batch, Outputs

# Zoomed little: a dilated heart is told by its size.
MOVES = Augmentation(rotation_deg=30, zoom=0.08, shift_mm=15, gamma=0.4, gain=0.2, noise=0.05, blur_px=1.0, shading=0.2)
SLICES = 12  # of a study, seen together in training
GIVES_AWAY = 0.8


def by_stack(study: PreparedStudy) -> list[list[Place]]:
    """The frames of every stack; of localizers only where there is nothing else."""
    stacks: dict[int, list[Place]] = {}
    for place in frames(study):
        stacks.setdefault(place.stack, []).append(place)
    return [places for s, places in stacks.items() if not study.stacks[s].localizer] or list(stacks.values())


def middles(count: int, parts: int) -> np.ndarray:
    """(parts,) indices: the middles of so many equal parts of `count` things in a row."""
    return ((np.arange(parts) + 0.5) * count / parts).astype(int)


def constant(cohort: Cohort, subjects: tuple[str, ...]) -> list[str]:
    """The classes to which these subjects give one answer only, or none: nothing is learnt of them."""
    return [name for name in cohort.plan.classes
            if len({cohort.studies[s].classes[name] for s in subjects if name in cohort.studies[s].classes}) < 2]


def told_by_acquisition(cohort: Cohort, subjects: tuple[str, ...]) -> list[tuple[str, str, str]]:
    """(class, view, sequence) wherever the answer to a class goes with whether such a stack was acquired at all.

    A network can learn that instead of the disease: enhancement is looked for in those who seem ill. Their correlation
    (phi) is GIVES_AWAY at least, or its opposite at most.
    """
    found = []
    for name in cohort.plan.classes:
        known = [cohort.studies[s] for s in subjects if name in cohort.studies[s].classes]
        kinds = [{(stack.view, stack.sequence) for stack in study.stacks if not stack.localizer} for study in known]
        answers = np.array([study.classes[name] for study in known], dtype=float)
        for kind in sorted(set().union(*kinds)):
            there = np.array([kind in of_study for of_study in kinds], dtype=float)
            if answers.std() and there.std() and abs(np.corrcoef(there, answers)[0, 1]) >= GIVES_AWAY:
                found.append((name, *kind))
    return found


class Classification:
    """Several yes-or-no classes at once: binary cross entropy, the rarer answer of each class weighing more.

    A weight w on the positive answers moves the best logit by log w. The loss is therefore taken of the output plus
    log w: the output itself is then that of the class's probability as it stands among the studies to train on. It
    starts with how often that is.

    A sample is a study: slices drawn from all its stacks, each stack as often as the others. A class that is unknown
    for a study is masked, and so is one that is not among those with a positive_weight: nothing is learnt of that, and
    what is said of it decides nothing.
    """

    def __init__(self, plan: Plan, positive_weight: Mapping[str, float], augmentation: Augmentation = MOVES) -> None:
        self.plan, self.augmentation, self._learnt = plan, augmentation, frozenset(positive_weight)
        self._weight = torch.tensor([positive_weight.get(name, 1.0) for name in plan.classes])
        self.heads = {"classes": Head(len(plan.classes), "study", bias_init=tuple((-self._weight.log()).tolist()))}
        self.weights = {"classes": 1.0}
        self.best = ("log_loss", False)

    @classmethod
    def of(cls, cohort: Cohort, subjects: tuple[str, ...]) -> Classification:
        """Weighted by how often each class stands among these subjects; PlaneSSLError if nothing can be told apart.

        Of a class to which they all give one answer, or none, nothing is learnt: see `constant`.
        """
        weight = {}
        for name in set(cohort.plan.classes) - set(constant(cohort, subjects)):
            answers = [cohort.studies[s].classes[name] for s in subjects if name in cohort.studies[s].classes]
            weight[name] = (len(answers) - sum(answers)) / sum(answers)
        if not weight:
            raise PlaneSSLError(f"The {len(subjects)} studies to train on give one answer, or none, to every class "
                                f"({', '.join(cohort.plan.classes)}); give studies with and without at least one.")
        return cls(cohort.plan, weight)

    def places(self, study: PreparedStudy) -> list[Place]:
        """One place stands for the whole study; none where no class is known that is learnt."""
        return frames(study)[:1] if any(self._known(study)) else []

    def _known(self, study: PreparedStudy) -> list[bool]:
        return [name in self._learnt and name in study.classes for name in self.plan.classes]

    def bag(self, study: PreparedStudy, rng: np.random.Generator | None) -> list[Place]:
        """SLICES frames of a study, from its stacks in turn; without rng evenly spread ones, always the same."""
        stacks, chosen = by_stack(study), []  # there may be more of them than SLICES
        if rng is not None:
            stacks = [stacks[i] for i in rng.permutation(len(stacks))]
        elif len(stacks) > SLICES:
            stacks = sorted(stacks, key=len, reverse=True)[:SLICES]
        for turn, places in enumerate(stacks):
            share = len(range(turn, SLICES, len(stacks)))
            if rng is None:
                at = middles(len(places), share)
            else:
                at = np.sort(rng.choice(len(places), share, replace=share > len(places)))
            chosen += [places[i] for i in at]
        return chosen

    def sample(self, study: PreparedStudy, place: Place, rng: np.random.Generator | None) -> Sample:
        """image (SLICES, 1, rows, columns); classes and known, (classes,) each."""
        images = [working_image(study, p, self.plan, self.augmentation, rng)[0] for p in self.bag(study, rng)]
        return {"image": np.stack(images)[:, None],
                "classes": np.float32([study.classes.get(name, 0) for name in self.plan.classes]),
                "known": np.array(self._known(study))}

    def counts(self, batch: Batch) -> dict[str, torch.Tensor]:
        return {"classes": batch["known"].sum()}

    def sums(self, outputs: Outputs, batch: Batch) -> dict[str, torch.Tensor]:
        weight = self._weight.to(batch["classes"].device)
        losses = functional.binary_cross_entropy_with_logits(
            outputs["classes"].float() + weight.log(), batch["classes"], reduction="none", pos_weight=weight)
        return {"classes": (losses * batch["known"]).sum()}

    def measure(self, outputs: Outputs, batch: Batch) -> dict[str, list[float]]:
        losses = functional.binary_cross_entropy_with_logits(
            outputs["classes"].float(), batch["classes"], reduction="none")
        return {"log_loss": losses[batch["known"]].tolist()}
