"""What an anatomy is: a TOML file that says which views it has, what they regress, and what is labelled in it."""
from .model import PLANES, Anatomy, Code, Grid, Label, LineTarget, MrSequence, View
from .reading import available, load, load_all, user_folder
from .terminology import ANATOMICAL_STRUCTURE, terminology_entry

__all__ = [
    "ANATOMICAL_STRUCTURE", "PLANES", "Anatomy", "Code", "Grid", "Label", "LineTarget", "MrSequence", "View",
    "available", "load", "load_all", "terminology_entry", "user_folder",
]
