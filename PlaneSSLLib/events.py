"""What work tells of itself while it is done: notices, and how far it has come."""
from __future__ import annotations

from collections.abc import Callable

Report = Callable[[dict], None]


def silent(event: dict) -> None:
    """A report that nobody reads."""


def notice(report: Report, text: str) -> None:
    """Tell a sentence that whoever asked for the work should know."""
    report({"event": "notice", "text": text})


def progress(report: Report, task: str, step: int, of: int) -> None:
    """Tell that so many steps of a task are done."""
    report({"event": "progress", "task": task, "step": step, "of": of})
