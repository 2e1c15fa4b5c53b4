"""The one piece of work that the panel has under way: followed by a timer, shown in a strip, never waited for."""
from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable, Iterator, Sequence
from traceback import format_tb

import qt
import slicer
from slicer.i18n import tr as _

from PlaneSSLLib import PlaneSSLError
from PlaneSSLLib.console import duration
from PlaneSSLLib.events import Report, notice, silent
from PlaneSSLLib.jobs import CANCELLED, FAILED, Job

from .learning import reservations
from .section import shown

POLL_MS = 100


class Running:
    """Runs jobs one after the other in child processes, or steps of work on the scene one a turn of the event loop."""

    def __init__(self, ui, changed: Callable[[], None]) -> None:
        """ui: holds the widgets of PlaneSSLJob.ui; changed: called when work begins and when it has ended."""
        self._ui, self._changed = ui, changed
        self._jobs: list[Job] = []
        self._results: list = []
        self._steps: Iterator | None = None
        self._title, self._done, self._told, self._cancelled = "", None, None, False
        self.entersScene = self._turning = False
        self._timer = qt.QTimer()
        self._timer.timeout.connect(self._turn)
        ui.cancelButton.clicked.connect(self.cancel)
        ui.PlaneSSLJob.setVisible(False)

    @property
    def busy(self) -> str:
        """Why nothing else can be started now; empty if it can."""
        return _("{title} is under way: wait for it, or cancel it.").format(title=self._title) if (
            self._jobs or self._steps) else ""

    @property
    def drawing(self) -> bool:
        """Is the scene being worked on?"""
        return self._steps is not None

    def start(self, title: str, jobs: Sequence[Job], done: Callable[[list], None], entersScene: bool = False,
              told: Report = silent) -> None:
        """Run jobs one after the other and return at once. done: called with their documents.

        entersScene: the work is pointless once the scene is closed. told: called with every event.
        """
        if self.busy:
            raise PlaneSSLError(self.busy)
        self._title, self._done, self._told, self.entersScene = title, done, told, entersScene
        self._results, self._cancelled = [], False
        self._ui.jobText.clear()
        jobs[0].start()
        self._show(title, None)
        logging.info("PlaneSSL: %s started.", title)
        self._jobs = list(jobs)
        self._timer.start(POLL_MS)
        self._changed()

    def steps(self, title: str, steps: Iterator, done: Callable[[], None]) -> None:
        """Take the steps of some work on the scene, one a turn of the event loop; return at once."""
        if self.busy:
            raise PlaneSSLError(self.busy)
        self._title, self._steps, self._done, self.entersScene = title, steps, done, True
        self._show(title, None)
        self._timer.start(0)
        self._changed()

    def cancel(self) -> None:
        """Ask the work to stop."""
        if self._steps is not None:
            self._steps.close()
            self._finish(_("{title} was cancelled.").format(title=self._title))
        elif self._jobs:
            self._cancelled = True
            self._jobs[0].cancel()
            self._ui.jobTitle.text = _("{title}: stopping ...").format(title=self._title)

    def drop(self) -> None:
        """The scene closes: work whose results would enter it is cancelled, and will not be heard of again."""
        if self.entersScene and self.busy:
            self._done = lambda *_results: None
            self.cancel()

    def end(self) -> None:
        """Slicer closes: stop, leaving no process behind."""
        for job in self._jobs:
            job.end()
        if self.busy:
            if self._steps is not None:
                self._steps.close()
            self._finish(_("{title} was cancelled.").format(title=self._title))

    def finish(self) -> None:
        """Wait for all that is under way, with its steps: for scripts and tests."""
        while self.busy:
            self._turn()
            time.sleep(0.005)

    def _turn(self) -> None:
        if self._turning:  # what a step wakes up may let the timer in
            return
        self._turning = True
        try:
            if self._steps is not None:
                self._step()
            elif self._jobs:
                self._poll()
        finally:
            self._turning = False

    def _step(self) -> None:
        try:
            next(self._steps)
        except StopIteration:
            self._conclude()
        except PlaneSSLError as error:
            self._fail(str(error))
        except Exception as error:
            # Where it went wrong is for Slicer's log; with what values is not, since a patient's name may be one.
            logging.error("%s: %s\n%s", self._title, type(error).__name__, "".join(format_tb(error.__traceback__)))
            self._fail(_("Something unforeseen happened ({kind}); Slicer's log says where.").format(
                kind=type(error).__name__))

    def _poll(self) -> None:
        job = self._jobs[0]
        for event in job.poll():
            self._tell(event)
        if job.active:
            return
        if job.state == CANCELLED or (self._cancelled and (len(self._jobs) > 1 or self.entersScene)):
            # It may have been done before it heard; what would come next does not.
            self._finish(_("{title} was cancelled.").format(title=self._title))
        elif job.state == FAILED:
            self._fail(job.error)
        elif len(self._jobs) > 1:
            self._results.append(job.result)
            for sentence in reservations(job.result):
                notice(self._tell, sentence)
            del self._jobs[0]
            try:
                self._jobs[0].start()
            except PlaneSSLError as error:
                self._fail(str(error))
        else:
            self._conclude([*self._results, job.result])

    def _conclude(self, *results: list) -> None:
        self._finish(_("{title}: done.").format(title=self._title))
        try:
            with slicer.util.tryWithErrorDisplay(_("{title} failed.").format(title=self._title)):
                self._done(*results)
        finally:
            self._changed()  # what was done may be what a button waits for

    def _tell(self, event: dict) -> None:
        if event["event"] == "progress":
            self._show(self._title, event)
        else:
            self._ui.jobText.appendPlainText(shown(_in_panel(event.get("text", event["event"]))))
        self._told(event)

    def _show(self, title: str, progress: dict | None) -> None:
        self._ui.PlaneSSLJob.setVisible(True)
        self._ui.cancelButton.setVisible(True)
        self._ui.jobProgress.setVisible(True)
        self._ui.jobProgress.setRange(0, progress["of"] if progress else 0)
        self._ui.jobProgress.setValue(progress["step"] if progress else 0)
        left = progress.get("eta_s") if progress else None
        self._ui.jobTitle.text = title if not left else _("{title}: {time} left").format(
            title=title, time=duration(left))

    def _fail(self, reason: str) -> None:
        reason = shown(_in_panel(reason))
        self._finish(_("{title} failed.").format(title=self._title))
        self._ui.jobText.appendPlainText(reason)
        slicer.util.errorDisplay(f"{self._ui.jobTitle.text}\n\n{reason}")

    def _finish(self, text: str) -> None:
        self._timer.stop()
        self._jobs, self._steps = [], None
        logging.info("PlaneSSL: %s", text)
        self._ui.jobTitle.text = text
        self._ui.cancelButton.setVisible(False)
        self._ui.jobProgress.setVisible(False)
        self._changed()


def _in_panel(sentence: str) -> str:
    """Sentences of planessl name its options; here they are controls."""
    controls = {
        "--anatomy": _("Anatomy"), "--network": _("Network"), "--device": _("Device"), "--stack": _("Stack"),
        "--phase": _("Phase"), "--clean": _("Keep the largest piece of every structure"), "--resume": _("Resume"),
        "--view": _("View"), "--task": _("Task"), "--init": _("Start from"),
        "--labels": _("Values of labels")}
    return re.sub(r"--[a-z]+", lambda found: f"'{controls[found[0]]}'" if found[0] in controls else found[0], sentence)
