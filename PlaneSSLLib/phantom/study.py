"""One made-up study in memory: the organ, its series, its pixels, its labels, its truth."""
from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .. import PlaneSSLError
from ..geometry import crossings
from .contrast import draw_drift, signal_table
from .exposure import Scanner, expose
from .heart import Heart, contraction_at
from .heart_protocol import heart_series
from .knee import Knee
from .knee_protocol import knee_series
from .organ import Organ
from .prescription import Series

# anatomy -> the organ, and how it is imaged
ORGANS = {"heart": (Heart, heart_series), "knee": (Knee, knee_series)}


@dataclass(frozen=True, eq=False)
class Acquired:
    """A series with its pixels and labels: (slices, phases, rows, columns), uint16 and uint8."""

    series: Series
    pixels: np.ndarray
    labels: np.ndarray


@dataclass(frozen=True, eq=False)
class PhantomStudy:
    """A whole study. seed and index say which; subject is a made-up identifier."""

    anatomy: str
    seed: int
    index: int
    phases: int
    organ: Organ
    acquired: tuple[Acquired, ...]

    @property
    def folder_name(self) -> str:
        return f"{self.anatomy}-{self.seed:04d}-{self.index:04d}"

    @property
    def subject(self) -> str:
        return f"PHANTOM-{self.folder_name.upper()}"

    def crossing_lines(self) -> list[dict]:
        """Where the planes of different series cut each other; slices count in the order of the label maps."""
        lines = []
        for i, first in enumerate(self.acquired):
            for second in self.acquired[i + 1:]:
                planes = [in_label_order(a.series.planes) for a in (first, second)]
                found = crossings(*planes)
                lines += [
                    {"first": {"series": first.series.number, "slice": int(j)},
                     "second": {"series": second.series.number, "slice": int(k)},
                     "lps": found.segments[j, k].tolist(), "angle_deg": float(found.angle_deg[j, k])}
                    for j, k in np.argwhere(~np.isnan(found.segments).any((2, 3)))]
        return lines


def make_study(anatomy: str, seed: int, index: int, phases: int = 4) -> PhantomStudy:
    """Study `index` of a seed, in memory; it does not depend on how many studies are made. About two seconds."""
    check_wish(anatomy, seed, index, phases)
    organ_rng, plan_rng, scanner_rng, noise_rng = (np.random.default_rng([seed, index, k]) for k in range(4))
    kind, prescribe = ORGANS[anatomy]
    organ = kind.draw(organ_rng)
    series = prescribe(organ, phases, plan_rng)
    scanner = Scanner.draw(scanner_rng, organ.middle, organ.coil_depth, organ.coil_spread)
    drift = draw_drift(scanner_rng)
    acquired = []
    for one in series:
        signal = signal_table(one.weighting, drift, scanner_rng)
        course = [contraction_at(k, one.phases) for k in range(one.phases)]
        slices = [expose(organ, scanner, plane, one.thickness, course, signal, noise_rng) for plane in one.planes]
        pixels, labels = zip(*slices, strict=True)
        acquired.append(Acquired(one, np.stack(pixels), np.stack(labels)))
    return PhantomStudy(anatomy, seed, index, phases, organ, tuple(acquired))


def check_wish(anatomy: str, seed: int, index: int, phases: int) -> None:
    """PlaneSSLError if there is no such study."""
    if anatomy not in ORGANS:
        raise PlaneSSLError(f"There is no phantom of '{anatomy}'; there are: {', '.join(ORGANS)}.")
    if phases < 1:
        raise PlaneSSLError(f"A phantom needs at least one phase, not {phases}.")
    if min(seed, index) < 0:
        raise PlaneSSLError(f"Seeds and numbers of phantoms start at 0; {min(seed, index)} is below.")


def in_label_order(planes) -> list:
    """Planes sorted along their own normal, so that a label map's axes make a right-handed system."""
    return [planes[i] for i in label_order(planes)]


def label_order(planes) -> np.ndarray:
    """(n,) indices that sort parallel planes along their normal; planes of several directions keep their order."""
    normal = planes[0].normal
    if any(np.abs(plane.normal - normal).max() > 1e-6 for plane in planes):
        return np.arange(len(planes))
    return np.argsort([plane.position @ normal for plane in planes], kind="stable")
