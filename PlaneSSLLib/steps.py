"""Work on the scene that is done a step at a time, so that windows need not stand still meanwhile."""
from __future__ import annotations

from collections.abc import Generator
from typing import TypeVar

Result = TypeVar("Result")


def finish(steps: Generator[object, None, Result]) -> Result:
    """Take all steps at once; returns what the generator returns."""
    while True:
        try:
            next(steps)
        except StopIteration as done:
            return done.value
