"""One image as its header tells it: the raw material that grouping makes stacks of."""
from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ..geometry import Plane
from .model import PixelSource


@dataclass(frozen=True)
class Series:
    """What a header says about the series that an image belongs to; empty text where it says nothing."""

    uid: str = ""
    number: str = ""
    description: str = ""
    protocol: str = ""
    folder: Path = Path()
    study_uid: str = ""
    study_description: str = ""
    subject: str = ""
    modality: str = ""
    body_part: str = ""
    laterality: str = ""
    image_type: str = ""


@dataclass(frozen=True, eq=False)
class Image:
    """One two-dimensional image: its place in the patient, and what may tell it from others at that place.

    Numbers are None where the header does not give them. component: "magnitude", "phase map", ... or empty.
    """

    source: PixelSource
    plane: Plane
    series: Series
    frame_of_reference: str = ""
    sop_instance_uid: str = ""
    frame_number: int | None = None  # counted from 1, in a multi-frame file
    thickness_mm: float | None = None
    time_ms: float | None = None
    temporal: float | None = None
    acquisition: float | None = None
    instance: float | None = None
    echo_ms: float | None = None
    inversion_ms: float | None = None
    b_value: float | None = None
    component: str = ""
