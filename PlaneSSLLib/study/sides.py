"""Left or right: the side of a paired organ, as said, from headers, from words, or from where it was imaged."""
from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .model import Stack
from .wording import says

OFF_MIDLINE_MM = 40.0
LEFT = ("left", "links", "gauche", "izquierda", "izquierdo", "sinistra", "sinistro", "esquerda", "esquerdo", "lt")
RIGHT = ("right", "rechts", "droit", "droite", "derecha", "derecho", "destra", "destro", "direita", "direito", "rt")


def side_of(said: str, laterality: Sequence[str], texts: Sequence[str], stacks: Sequence[Stack]) -> tuple[str, str]:
    """("left", "right" or "", how it is known).

    said: "left" or "right" in study.json, or "". laterality: the headers' own values. texts: descriptions. What decides
    last is the place of the images.
    """
    if said:
        return said, "as study.json says"
    letters = {value.strip().upper()[:1] for value in laterality} & {"L", "R"}
    if len(letters) == 1:
        return {"L": "left", "R": "right"}[letters.pop()], "from the laterality in the headers"
    text = " ".join(texts)
    left, right = says(LEFT, text), says(RIGHT, text)
    if left != right:
        return "left" if left else "right", "from the words of descriptions"
    middle = float(np.median([stack.planes[stack.central].centre[0] for stack in stacks])) if stacks else 0.0
    if abs(middle) > OFF_MIDLINE_MM:
        return "left" if middle > 0 else "right", f"from the images' place, {abs(middle):.0f} mm off the midline"
    return "", ""
