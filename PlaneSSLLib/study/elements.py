"""The elements of a DICOM header that keeps to the rules, as the bytes they are.

Three times as fast as pydicom's own reading, which is for headers that do not keep to the rules.
"""
from __future__ import annotations

from collections.abc import Mapping
from struct import Struct

from pydicom.dataelem import RawDataElement
from pydicom.tag import BaseTag
from pydicom.valuerep import EXPLICIT_VR_LENGTH_16, EXPLICIT_VR_LENGTH_32

VRS = {str(vr).encode("ascii"): str(vr) for vr in EXPLICIT_VR_LENGTH_16 | EXPLICIT_VR_LENGTH_32}
UNDEFINED = 0xFFFFFFFF  # the length of what ends with a delimiter
ITEM, END_OF_ITEMS = (0xFFFE, 0xE000), (0xFFFE, 0xE0DD)


def read_elements(head: bytes, at: int, last_group: int, wanted: Mapping[int, BaseTag], implicit: bool = False,
                  little: bool = True) -> tuple[dict[BaseTag, RawDataElement], int]:
    """The wanted elements from byte `at` of a file up to the end of a group, and the byte at which they end.

    wanted: tags by their numbers, since numbers are found several times as fast as pydicom's tags. Sequences of
    undefined length are never among the elements. ValueError, KeyError or struct.error where the head of the file
    ends too early or breaks a rule.
    """
    order = "<" if little else ">"
    unpack = Struct(order + ("HHL" if implicit else "HH2sH")).unpack_from
    unpack_long = Struct(order + "L").unpack_from
    found, vr = {}, None
    while True:
        group, element, *coded, length = unpack(head, at)
        if group > last_group:
            return found, at
        start = at + 8
        if coded:
            vr = VRS[coded[0]]
            if vr in EXPLICIT_VR_LENGTH_32:
                length, start = unpack_long(head, start)[0], start + 4
        if length == UNDEFINED:
            if vr == "UN":
                raise ValueError("holds elements of another encoding")
            at = _end_of_items(head, start, implicit, little)
            continue
        at = start + length
        if tag := wanted.get(group << 16 | element):
            found[tag] = RawDataElement(tag, vr, length, head[start:at], start, implicit, little)


def _end_of_items(head: bytes, at: int, implicit: bool, little: bool) -> int:
    unpack = Struct(f"{'<' if little else '>'}HHL").unpack_from
    while True:
        *tag, length = unpack(head, at)
        at += 8
        if tuple(tag) == END_OF_ITEMS:
            return at
        if tuple(tag) != ITEM:
            raise ValueError("holds a sequence that is not made of items")
        at = at + length if length != UNDEFINED else read_elements(head, at, 0xFFFD, {}, implicit, little)[1] + 8
