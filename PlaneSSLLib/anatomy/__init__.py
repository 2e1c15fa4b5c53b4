"""What an anatomy is: a TOML file that says which views it has, what they regress, and what is labelled in it."""
from .model import PLANES, Anatomy, Code, Grid, Label, LineTarget, View
from .reading import available, load, user_folder

__all__ = [
    "PLANES", "Anatomy", "Code", "Grid", "Label", "LineTarget", "View", "available", "load", "user_folder",
]
