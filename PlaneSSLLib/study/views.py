"""Naming the view of each stack from its direction in the patient."""
from __future__ import annotations

import re

import numpy as np

from ..anatomy import Anatomy
from ..geometry import angle_between
from .model import Naming, Stack


def says(word: str, text: str) -> bool:
    return re.search(rf"(?<![^\W\d_]){re.escape(word)}(?![^\W\d_])", text.lower().replace("_", " ")) is not None


def name_views(stacks: list[Stack], anatomy: Anatomy) -> list[Naming]:
    namings = []
    for stack in stacks:
        normal = stack.planes[0].normal
        scores = {}
        for view in anatomy.views:
            angle = 45.0 if view.normal is None else float(angle_between(np.array(view.normal), normal))
            words = any(says(word, stack.description) for word in view.words)
            scores[view.name] = angle - 90 * words + 90 * (len(stack.planes) > (view.most_slices or 10**6))
        best = min(scores, key=scores.get)
        namings.append(Naming(best, 0.5, (f"{best}: nearest typical direction",)))
    return namings
