"""Observers that are taken back together."""
from __future__ import annotations

from collections.abc import Callable


class Observers:
    """Calls that the scene makes until `stop`; a call that leads to itself is not made."""

    def __init__(self) -> None:
        self._tags: list[tuple] = []
        self._busy = False

    def add(self, node, event, call: Callable[[], None]) -> None:
        """Call on an event (a name or a number) of a node."""
        def called(*_) -> None:
            if not self._busy:
                self._busy = True
                try:
                    call()
                finally:
                    self._busy = False

        self._tags.append((node, node.AddObserver(event, called)))

    def stop(self) -> None:
        """Make no more calls; a second time does nothing."""
        for node, tag in self._tags:
            node.RemoveObserver(tag)
        self._tags = []

    def __bool__(self) -> bool:
        return bool(self._tags)
