"""What a phantom of any organ offers to the scanner and to the writer."""
from __future__ import annotations

from typing import Protocol

import numpy as np


class Organ(Protocol):
    """An organ with its surroundings. Points are (3, n) float32, LPS mm; tissues are (n,) uint8 of Tissue."""

    labels: np.ndarray  # value of each Tissue in label maps
    middle: np.ndarray  # (3,) LPS mm
    coil_depth: float  # mm from the middle to the coils, in front and behind
    coil_spread: float  # mm to which the coils spread to the sides
    patient_position: str  # DICOM: HFS, FFS
    side: str | None  # DICOM's laterality, "L" or "R"; None for an unpaired organ

    @property
    def classes(self) -> dict[str, int]:
        """Class -> 1 or 0, as the parameters have it."""

    def tissue(self, points: np.ndarray, contraction: float = 0.0) -> np.ndarray:
        """(..., 3) LPS mm -> (...) uint8 of Tissue."""

    def still(self, points: np.ndarray) -> np.ndarray:
        """The tissues that do not beat."""

    def near(self, points: np.ndarray) -> np.ndarray:
        """(n,) bool: may something that beats be here?"""

    def beating(self, points: np.ndarray, around: np.ndarray, contraction: float) -> np.ndarray:
        """All tissues at one moment of the cycle; around: the still ones at the same points."""

    def description(self, phases: int) -> dict:
        """What truth.json says of this organ in a cycle of so many phases."""
