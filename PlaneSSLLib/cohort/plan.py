"""How images are put before a network: the one description that preparing, training and prediction share."""
from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from .. import PlaneSSLError
from ..anatomy import Anatomy
from ..files import read_json
from ..study import Stack

FORMAT = 4


@dataclass(frozen=True)
class Plan:
    """What a cohort was prepared with, and what a run was trained with.

    spacing: (row, column) mm and size: (rows, columns) of the working grid. percentiles: the two that the intensities
    of a stack's phase (all slices together) are scaled to 0 and 1 by, unclipped; see `scaled_phase`. targets: the
    channels of the lines task. labels: (value, name) pairs; a network's output channel i + 1 is labels[i], channel 0 is
    background. mirrored: images of right organs are laid as those of left ones in a mirror.
    """

    anatomy: str
    spacing: tuple[float, float]
    size: tuple[int, int]
    sigma_mm: float
    targets: tuple[str, ...]
    labels: tuple[tuple[int, str], ...]
    classes: tuple[str, ...]
    percentiles: tuple[float, float] = (0.5, 99.5)
    mirrored: bool = False
    format: int = FORMAT

    @classmethod
    def of(cls, anatomy: Anatomy) -> Plan:
        return cls(
            anatomy=anatomy.name, spacing=anatomy.grid.spacing, size=anatomy.grid.size, sigma_mm=anatomy.sigma_mm,
            targets=anatomy.targets, labels=tuple((label.value, label.name) for label in anatomy.labels),
            classes=anatomy.classes, mirrored=anatomy.sided)

    @classmethod
    def read(cls, path: Path) -> Plan:
        """The plan in a JSON file; PlaneSSLError if it is missing, damaged or of another format."""
        document = read_json(path)
        if not isinstance(document, dict) or document.get("format") != FORMAT:
            found = document.get("format") if isinstance(document, dict) else None
            raise PlaneSSLError(f"{path} has format {found}, and this version reads format {FORMAT}: make the cohort "
                                "or run that it belongs to again.")
        try:
            return cls(
                anatomy=document["anatomy"], spacing=tuple(document["spacing"]), size=tuple(document["size"]),
                sigma_mm=document["sigma_mm"], targets=tuple(document["targets"]),
                labels=tuple((value, name) for value, name in document["labels"]),
                classes=tuple(document["classes"]), percentiles=tuple(document["percentiles"]),
                mirrored=document["mirrored"])
        except (KeyError, TypeError, ValueError) as error:
            raise PlaneSSLError(f"{path} is not a plan: {error!r}. Prepare it again.") from None

    def as_json(self) -> dict:
        return asdict(self)

    @property
    def reach_mm(self) -> float:
        """How far the organ reaches from the middle of an image, roughly: a quarter of the working grid."""
        return min(count * mm for count, mm in zip(self.size, self.spacing, strict=True)) / 4

    def coarser(self, multiple: int) -> Plan:
        """The same field on pixels twice as wide, so many of them, at least, that they are multiples of a number."""
        rows, columns = (-(-size // (2 * multiple)) * multiple for size in self.size)
        return replace(self, spacing=(2 * self.spacing[0], 2 * self.spacing[1]), size=(rows, columns))

    def require_same(self, other: Plan, mine: str, theirs: str) -> None:
        """PlaneSSLError that shows both sides of every difference."""
        if self.anatomy != other.anatomy:
            raise PlaneSSLError(f"{mine} and {theirs} do not go together: one is of the anatomy '{self.anatomy}', "
                                f"the other of '{other.anatomy}'.")
        ours, others = self.as_json(), other.as_json()
        different = [f"{key}: {ours[key]} and {others[key]}" for key in ours if ours[key] != others[key]]
        if different:
            raise PlaneSSLError(f"{mine} and {theirs} were not prepared alike ({'; '.join(different)}): make one "
                                "of them anew, in another folder.")


def scaled_phase(stack: Stack, phase: int, plan: Plan) -> dict[int, np.ndarray]:
    """One phase of a stack as the networks see it: {slice: (rows, columns) float32}, its slices scaled together.

    Phases are scaled one by one, since those that come as a file each need not share a scale: in ACDC some differ by a
    factor of a hundred. Slices that lack the phase are left out. PlaneSSLError where pixels cannot be decoded.
    """
    pixels = {i: stack.pixels(i, phase) for i in stack.imaged_at(phase)}
    span = intensity_range(list(pixels.values()), plan.percentiles)
    return {i: scale(image, span) for i, image in pixels.items()}


def intensity_range(images: list[np.ndarray], percentiles: tuple[float, float]) -> tuple[float, float]:
    """The two intensities that are taken to 0 and 1, from some four million of the images' pixels at most.

    Images of one intensity get a width of one, so that they become zeros.
    """
    step = 1 + sum(image.size for image in images) // 4_000_000
    sample = np.concatenate([image.ravel()[::step] for image in images])
    with np.errstate(invalid="ignore"):
        whole = sample.astype(np.uint16)
    if (whole == sample).all():
        low, high = _percentiles_by_counting(whole, percentiles)
    else:
        sample = sample[np.isfinite(sample)]
        if sample.size == 0:
            return 0.0, 1.0
        low, high = np.percentile(sample, percentiles)
    return float(low), float(high if high > low else low + 1)


def _percentiles_by_counting(whole: np.ndarray, percentiles: tuple[float, float]) -> np.ndarray:
    """np.percentile of whole numbers, which scanners store: counting them takes a fifth of the time of sorting them."""
    at_most = np.cumsum(np.bincount(whole))  # per number, how many are not above it
    rank = np.asarray(percentiles) / 100 * (whole.size - 1)
    below, above = (np.searchsorted(at_most, place, side="right") for place in (np.floor(rank), np.ceil(rank)))
    return below + (above - below) * (rank % 1)


def scale(image: np.ndarray, intensities: tuple[float, float]) -> np.ndarray:
    """(rows, columns) -> float32, the range to 0 .. 1, and what lies beyond cut off at -1 and 4; NaN becomes 0."""
    low, high = intensities
    scaled = np.asarray(image, dtype=np.float32) - low
    scaled /= high - low
    np.clip(scaled, -1.0, 4.0, out=scaled)
    scaled[np.isnan(scaled)] = 0.0
    return scaled
