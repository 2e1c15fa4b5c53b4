"""Classes of a whole study, and the slices that weighed most."""
from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from .. import PlaneSSLError
from ..cohort import Cohort, PreparedStudy
from ..cohort.placing import NONE
from ..cohort.samples import working_image
from ..events import Report, silent
from ..study import Study
from ..training.run import Run
from ..training.tasks.classification import SLICES, by_stack, middles
from .predictor import Predictor
from .suiting import CLASSES, require_anatomy, require_head

MOST_SLICES = 4 * SLICES  # of a study, looked at together


class Classifier(Predictor):
    """A finetuned run at work on whole studies."""

    def __init__(self, run: Run, device: str = "auto", batch: int = 16, report: Report = silent) -> None:
        require_head(run, CLASSES)
        super().__init__(run, device, batch, report)
        self.sequences, config = run.only_sequences, run.config
        self.learnt = [name not in config.get("not_learnt", ()) for name in self.plan.classes]
        # How often each class stands among the studies trained on: more likely than that speaks for it.
        start = torch.tensor(config["heads"]["classes"]["bias_init"]).expand(len(self.learnt))
        self.usual = start.sigmoid().numpy()

    @torch.inference_mode()
    def __call__(self, images: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        """Images of one study on the working grid -> (classes,) probabilities and (images,) weights that add to one."""
        bag = torch.cat(self.in_batches(torch.from_numpy(np.stack(images)[:, None]), self._features), 1).to(self.device)
        head = self.network.heads["classes"]
        return head(bag)[0].sigmoid().cpu().numpy(), head.weights(bag)[0].cpu().numpy()

    def _features(self, images: Tensor) -> Tensor:
        """(n, 1, rows, columns) -> (1, n, features) on the CPU."""
        return self.network.bag(images[None]).cpu()

    def prepared(self, study: PreparedStudy) -> np.ndarray:
        """(classes,) probabilities of a study of a cohort."""
        stacks = by_stack(study)
        bag = [place for places in stacks for place in _spread(places, len(stacks))]
        return self([working_image(study, place, self.plan, NONE, None)[0] for place in bag])[0]


def _spread(frames: list, stacks: int) -> list:
    """A stack's share of MOST_SLICES, evenly spread, each frame once: of few the middle ones, not base and apex."""
    return [frames[i] for i in np.unique(middles(len(frames), max(1, MOST_SLICES // stacks)))]


def classify(classifier: Classifier, study: Study) -> dict:
    """Probabilities of every class and the slices that weighed most.

    Returns {"classes": {name: probability}, "slices": [{"stack", "slice", "phase", "weight"}]}, the heaviest first; a
    weight is the slice's share of the answer. A class of which nothing was learnt is left out. Localizers are looked at
    only where there is nothing else. PlaneSSLError if the study shows another anatomy than the run was trained on, or
    nothing of the sequences that it looks at.
    """
    require_anatomy(classifier.plan, study)
    able = [stack for stack in study.stacks if not classifier.sequences or stack.sequence in classifier.sequences]
    if not able:
        there = ", ".join(sorted({stack.sequence or stack.id for stack in study.stacks}))
        raise PlaneSSLError(f"The run looks at images of {' and '.join(classifier.sequences)}, and the study has "
                            f'{there}. What a stack was acquired in, a study.json can say ("sequences").')
    stacks = [stack for stack in able if not stack.localizer] or able
    images, places = [], []
    for stack in stacks:
        frames = [(i, k) for i in range(len(stack.planes)) for k in stack.acquired(i)]
        chosen = _spread(frames, len(stacks))
        images += classifier.on_grid(stack, chosen)[0]
        places += [{"stack": stack.id, "slice": i, "phase": k} for i, k in chosen]
    probabilities, weights = classifier(images)
    slices = [{**place, "weight": float(weight)} for place, weight in zip(places, weights, strict=True)]
    return {
        "classes": {name: float(p) for name, p, learnt in zip(
            classifier.plan.classes, probabilities, classifier.learnt, strict=True) if learnt},
        "slices": sorted(slices, key=lambda item: -item["weight"])}


def evaluate_classes(classifier: Classifier, cohort: Cohort, subjects: Sequence[str]) -> dict:
    """AUC, sensitivity, specificity and calibration of every class that was learnt, over these subjects.

    A class is called positive where its probability is at least its prevalence among the training studies.

    {"subjects": n, "classes": {name: {"auc", "sensitivity", "specificity", "brier", "n_positive"}}}; a figure that
    needs an answer that nobody gives is None.
    """
    found = {name: classifier.prepared(cohort.studies[name]) for name in subjects}
    classes = {}
    for c, name in enumerate(classifier.plan.classes):
        if not classifier.learnt[c]:
            continue
        known = [s for s in subjects if name in cohort.studies[s].classes]
        truth = np.array([cohort.studies[s].classes[name] for s in known], dtype=bool)
        classes[name] = class_figures(
            np.array([found[s][c] for s in known]), truth, float(classifier.usual[c]))
    return {"subjects": len(subjects), "classes": classes}


def class_figures(probability: np.ndarray, truth: np.ndarray, threshold: float = 0.5) -> dict:
    """Figures of one class from (n,) probabilities and (n,) true answers; positive from `threshold` on."""
    positive, negative = probability[truth], probability[~truth]
    # The AUC is the chance that a positive study is ranked above a negative one, ties counting half (Hanley 1982).
    above = positive[:, None] - negative[None]
    return {
        "auc": float(((above > 0) + 0.5 * (above == 0)).mean()) if above.size else None,
        "sensitivity": float((positive >= threshold).mean()) if positive.size else None,
        "specificity": float((negative < threshold).mean()) if negative.size else None,
        "brier": float(((probability - truth) ** 2).mean()) if truth.size else None,
        "n_positive": int(truth.sum())}
