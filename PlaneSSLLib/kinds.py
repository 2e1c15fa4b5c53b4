"""What a value must be that somebody has written into a file or a call: a test, and the words for what passes it."""
from __future__ import annotations

from collections.abc import Callable, Collection
from typing import NamedTuple


class Kind(NamedTuple):
    """holds: is a value of this kind? words: what stands after "expected" or "is not"."""

    holds: Callable[[object], bool]
    words: str


def short_text(limit: int = 64) -> Kind:
    # DICOM's limits: labels and meanings hold 64 characters, and a backslash would make two values of one.
    return Kind(lambda v: isinstance(v, str) and bool(v.strip()) and len(v) <= limit and v.isprintable()
                and "\\" not in v, f"text of one line, at most {limit} characters, without a backslash")


def number(low: float, high: float) -> Kind:
    """low and high are numbers of this kind as well; NaN is none."""
    return Kind(lambda v: type(v) in (int, float) and low <= v <= high, f"a number from {low:g} to {high:g}")


def whole(low: int, high: int | None = None) -> Kind:
    return Kind(lambda v: type(v) is int and low <= v and (high is None or v <= high),
                f"a whole number, at least {low}" if high is None else f"a whole number from {low} to {high}")


def one_of(names: Collection[str]) -> Kind:
    return Kind(lambda v: isinstance(v, str) and v in names, f"one of {', '.join(names)}")


def list_of(kind: Kind, words: str, count: int | None = None, least: int = 0) -> Kind:
    """count: how many there must be, None for any number from `least` on."""
    return Kind(lambda v: isinstance(v, list) and (len(v) >= least if count is None else len(v) == count)
                and all(map(kind.holds, v)), words)


WORD = Kind(lambda v: isinstance(v, str) and bool(v), "a text")
YES_OR_NO = Kind(lambda v: isinstance(v, bool), "true or false")
TABLE = Kind(lambda v: isinstance(v, dict), "a table")


def shortly(value: object) -> str:
    """A value as a message shows it: the first hundred characters of it."""
    try:
        shown = repr(value)
    except ValueError:  # Python refuses to print a number of thousands of digits
        return "a number of thousands of digits"
    return shown if len(shown) <= 100 else f"{shown[:100]}..."
