"""The check digit of SNOMED CT: a mistyped code is found before it is written into a DICOM file."""
from __future__ import annotations

import re

# Verhoeff 1969, as SNOMED CT's Release File Specifications (appendix "Check-digit computation") use it: the product of
# the dihedral group of order ten, and the permutation applied once per place, counted from the right.
_PERMUTATION = (1, 5, 7, 6, 2, 8, 3, 0, 9, 4)


def is_snomed_code(text: str) -> bool:
    """6 to 18 digits, the first not 0, whose last is right, and whose two before say that it names a concept."""
    if not re.fullmatch(r"[1-9][0-9]{5,17}", text) or text[-3:-1] not in ("00", "10"):
        return False
    sum_ = 0
    for place, digit in enumerate(map(int, reversed(text))):
        for _ in range(place % 8):
            digit = _PERMUTATION[digit]
        sum_ = _product(sum_, digit)
    return sum_ == 0


def _product(first: int, second: int) -> int:
    """Of two symmetries of the pentagon: 0 .. 4 are rotations, 5 .. 9 reflections."""
    turn = first % 5 + (second % 5 if first < 5 else -(second % 5))
    return turn % 5 + 5 * ((first >= 5) != (second >= 5))
