"""How a command speaks: a bar on a terminal, JSON lines to a program, one document where --json was asked for."""
from __future__ import annotations

import json
import sys
from collections.abc import Callable


class Console:
    """Events go to stdout as JSON lines, or, with one_document, to stderr, so that stdout holds the document alone.

    On a terminal they are drawn as a progress bar instead.
    """

    def __init__(self, one_document: bool) -> None:
        self.one_document = one_document
        for stream in (sys.stdout, sys.stderr):  # names of files may be in any encoding
            if hasattr(stream, "reconfigure"):
                stream.reconfigure(errors="backslashreplace")
        self.bar = sys.stderr.isatty() and (one_document or sys.stdout.isatty())
        self._open = False

    def event(self, event: dict) -> None:
        if not self.bar:
            print(json.dumps(event), file=sys.stderr if self.one_document else sys.stdout, flush=True)
        elif event["event"] == "progress":
            self._draw(event)
        else:
            self.end_bar()
            print(event.get("text", event["event"]), file=sys.stderr)

    def _draw(self, event: dict) -> None:
        done = event["step"] / max(1, event["of"])
        filled = round(30 * done)
        left = f", {duration(event['eta_s'])} left" if event.get("eta_s") else ""
        shown = [f"{name} {value:.3g}" for name, value in event.get("metrics", {}).items() if "_median" not in name]
        bar = f"[{'=' * filled}{' ' * (30 - filled)}] {event['step']}/{event['of']}"
        print(f"\r\033[K{event['task']} {bar}{left}  {', '.join(shown[:4])}"[:150], end="", file=sys.stderr, flush=True)
        self._open = True
        if event["step"] >= event["of"]:
            self.end_bar()

    def end_bar(self) -> None:
        if self._open:
            print(file=sys.stderr)
            self._open = False

    def result(self, document, text: Callable[[], str] | str) -> None:
        """The command's answer: the document with --json, else the text for a reader."""
        self.end_bar()
        print(json.dumps(document, allow_nan=False) if self.one_document else text if isinstance(text, str) else text())


def counted(number: int, one: str, several: str = "") -> str:
    """'1 stack', '2 stacks'."""
    return f"{number} {one if number == 1 else several or one + 's'}"


def _cell(value) -> str:
    return "" if value is None else f"{value:.3f}" if isinstance(value, float) else str(value)


def duration(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {seconds} s" if minutes else f"{seconds} s"


def table(header: list[str], rows: list[list]) -> str:
    """Columns aligned, numbers to the right."""
    cells = [header, *([_cell(value) for value in row] for row in rows)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(header))]
    numeric = [all(isinstance(row[i], int | float) or row[i] is None for row in rows) for i in range(len(header))]
    lines = ["  ".join(cell.rjust(w) if right else cell.ljust(w)
                       for cell, w, right in zip(row, widths, numeric, strict=True)).rstrip() for row in cells]
    return "\n".join([lines[0], "  ".join("-" * w for w in widths), *lines[1:]])
