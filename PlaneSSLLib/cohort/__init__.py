"""Studies made ready for training: native pixels and planes on disk, one composed resampling per sample."""
from .plan import Plan
from .preparing import prepare
from .splits import Split, draw_split, fold_split, read_split
from .store import Cohort, PreparedStack, PreparedStudy, namings

__all__ = [
    "Cohort", "Plan", "PreparedStack", "PreparedStudy", "Split", "draw_split", "fold_split", "namings", "prepare",
    "read_split",
]
