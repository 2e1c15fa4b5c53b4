"""What structures are called in files: the category that all of ours share, and Slicer's way to write both."""
from __future__ import annotations

from .model import Code

ANATOMICAL_STRUCTURE = Code("SCT", "123037004", "Anatomical Structure")


def terminology_entry(code: Code) -> str:
    """Category and type as 3D Slicer serialises them in segments: contexts, codes and modifiers between tildes."""
    category, kind = (f"{one.scheme}^{one.value}^{one.meaning}" for one in (ANATOMICAL_STRUCTURE, code))
    return (f"Segmentation category and type - 3D Slicer General Anatomy list~{category}~{kind}~^^"
            "~Anatomic codes - DICOM master list~^^~^^")
