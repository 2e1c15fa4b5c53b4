"""What a user does with the panel, for tests."""
from __future__ import annotations

import time
from collections.abc import Callable
from itertools import pairwise


def choose(panel, folder) -> None:
    panel.ui.studyFolder.currentPath = str(folder)


def pick(box, value: str) -> None:
    """Choose in a box by what is kept, whatever is read there."""
    box.setCurrentIndex(box.findData(value))


def draw(panel, folder):
    """Draw a study by its button; returns its node."""
    choose(panel, folder)
    panel.ui.drawButton.click()
    panel.running.finish()
    return panel.logic.studies()[-1]


def longest_stand_still(panel, host, work: Callable[[], None], within_s: float = 30) -> float:
    """Seconds that the event loop stood still at most, by a timer, while some work of the panel was under way."""
    import qt

    ticks = []
    timer = qt.QTimer()
    timer.timeout.connect(lambda: ticks.append(time.perf_counter()))
    timer.start(5)
    turn_until(host, lambda: ticks, within_s)
    work()
    turn_until(host, lambda: not panel.running.busy, within_s)
    seen = len(ticks)
    turn_until(host, lambda: len(ticks) > seen, within_s)
    timer.stop()
    return max(later - sooner for sooner, later in pairwise(ticks))


def turn_until(host, condition: Callable[[], object], within_s: float = 30) -> None:
    """Let the event loop turn, as in Slicer, until something holds."""
    latest = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < latest
        host.app.processEvents()
