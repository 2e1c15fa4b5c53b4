"""What tells one made-up knee from another, its injuries, and the classes that follow from them."""
from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .shapes import bounded_normal

EFFUSION_LIMIT = 0.5  # more fluid than this is abnormal


@dataclass(frozen=True)
class KneeParameters:
    """Sizes are factors on a typical knee's, or mm; angles in degrees."""

    side: str  # "L" or "R"
    size: float
    slender: float  # width of the bones
    flexion: float
    femoral_cartilage: float
    tibial_cartilage: float
    patellar_cartilage: float
    patella_height: float
    acl_radius: float
    pcl_radius: float
    meniscus_inner: float  # radius of its free edge
    meniscus_height: float
    girth: float
    fat: float
    turn: tuple[float, float, float]  # of the leg in the scanner
    place: tuple[float, float, float]  # of the joint's middle, LPS
    acl_tear: float  # share of the ligament's length that is torn, 0 for none
    acl_tear_at: float  # where along it
    meniscus_tear: str  # "", "medial" or "lateral"
    meniscus_tear_angle: float  # where around it: 0 is the side away from the other meniscus, 90 the posterior horn
    meniscus_tear_width: float
    bruise: float  # radius of bruised marrow, 0 for none
    effusion: float

    @classmethod
    def draw(cls, rng: np.random.Generator) -> KneeParameters:
        side = "L" if rng.random() < 0.5 else "R"
        acl, meniscus = rng.random() < 0.3, rng.random() < 0.35
        values = {
            "size": bounded_normal(rng, 1.0, 0.05), "slender": bounded_normal(rng, 1.0, 0.04),
            "flexion": rng.uniform(2, 22), "femoral_cartilage": rng.uniform(1.8, 2.8),
            "tibial_cartilage": rng.uniform(1.8, 2.8), "patellar_cartilage": rng.uniform(2.2, 3.8),
            "patella_height": rng.uniform(28, 38), "acl_radius": rng.uniform(3.4, 4.6),
            "pcl_radius": rng.uniform(4.2, 5.6), "meniscus_inner": rng.uniform(9.0, 11.5),
            "meniscus_height": rng.uniform(5.5, 7.5), "girth": bounded_normal(rng, 1.0, 0.08),
            "fat": rng.uniform(4, 16),
            "acl_tear": rng.uniform(0.18, 0.45) if acl else 0.0, "acl_tear_at": rng.uniform(0.35, 0.7),
            "meniscus_tear_angle": rng.uniform(35, 100), "meniscus_tear_width": rng.uniform(1.0, 1.9),
            "bruise": rng.uniform(6, 12) if rng.random() < (0.5 if acl else 0.08) else 0.0,
            "effusion": np.clip(rng.gamma(1.5, 0.12) + (rng.uniform(0, 0.9) if acl or meniscus else 0), 0, 1.3),
        }
        tear = str(rng.choice(["medial", "lateral"], p=[0.65, 0.35])) if meniscus else ""
        turn = bounded_normal(rng, np.zeros(3), np.array([3.0, 3.0, 5.0]))
        place = rng.uniform((20, -30, -60), (110, 30, 60)) * ((1 if side == "L" else -1), 1, 1)
        return cls(side=side, **{name: float(value) for name, value in values.items()}, meniscus_tear=tear,
                   turn=tuple(turn.tolist()), place=tuple(place.tolist()))

    @property
    def classes(self) -> dict[str, int]:
        acl, meniscus = int(self.acl_tear > 0), int(self.meniscus_tear != "")
        other = self.bruise > 0 or self.effusion > EFFUSION_LIMIT
        return {"abnormal": int(acl or meniscus or other), "acl_tear": acl, "meniscus_tear": meniscus}
