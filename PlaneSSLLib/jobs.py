"""Long work in a child process: start it, follow its events, cancel it, resume it.

A job is a planessl command. Its events (JSON lines on stderr) and its one document (stdout) go to files that are read
when asked for: following a job never waits for it, and needs no thread. The child holds a line to its parent, its
standard input; where that is closed, because the job is cancelled or the parent is gone, the child ends itself.
"""
from __future__ import annotations

import _thread
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from . import PlaneSSLError
from .events import Report, silent

WAITING, RUNNING, CANCELLING, DONE, FAILED, CANCELLED = (
    "waiting", "running", "cancelling", "done", "failed", "cancelled")
PATIENCE_S = 10.0  # from one means of ending a child to the next, harder one
_LINE = "PLANESSL_JOB"  # in the environment of a child that is to end with its parent
_MOST_AT_ONCE = 1 << 20  # bytes of events that one poll reads
_WINDOWS = os.name == "nt"
_CRASHED = "exit abnormally"  # what Slicer's launcher says of such a child, whose status it does not pass on


class JobCancelled(PlaneSSLError):
    """The job was cancelled before it was done."""


class Job:
    """One planessl command in a process of its own.

    state: waiting, running, cancelling, done, failed or cancelled. result: the command's document, once done. error:
    a sentence, once failed. progress: the last progress event. last_lines: what the child said last that was no event.
    """

    def __init__(self, arguments: Sequence[str | Path], program: Sequence[str] = ()) -> None:
        """arguments: as on the command line, from the command's name on, without --json; a Path is made absolute.

        program: what to run instead of planessl.
        """
        self.arguments = [str(a.absolute()) if isinstance(a, Path) else a for a in arguments]
        self.state, self.result, self.error = WAITING, None, ""
        self.progress: dict | None = None
        self.last_lines: deque[str] = deque(maxlen=20)
        self._program = list(program)
        self._process: subprocess.Popen | None = None
        self._rest = b""  # the beginning of a line whose end is not written yet
        self._next_means: list[Callable[[], None]] = []
        self._out_of_patience = float("inf")
        self._killed = False

    @property
    def active(self) -> bool:
        """Is the child, or anything that it started, still there?"""
        return self.state in (RUNNING, CANCELLING)

    def start(self) -> Job:
        """Start the child and return at once. PlaneSSLError if it cannot be started at all."""
        if self.state != WAITING:
            raise PlaneSSLError(f"This job was started before; it is {self.state}.")
        program = self._program or [python_executable(), "-m", "PlaneSSLLib"]
        library = str(Path(__file__).resolve().parents[1])
        paths = os.pathsep.join(filter(None, [library, os.environ.get("PYTHONPATH")]))
        self._folder = Path(tempfile.mkdtemp(prefix="planessl-job-"))
        try:
            with open(self._folder / "events", "wb") as events, open(self._folder / "document", "wb") as document:
                self._process = subprocess.Popen(
                    [*program, *self.arguments, "--json"], stdin=subprocess.PIPE, stdout=document, stderr=events,
                    cwd=library, env={**os.environ, "PYTHONPATH": paths, "PYTHONUTF8": "1", _LINE: "1"},
                    start_new_session=not _WINDOWS, creationflags=subprocess.CREATE_NO_WINDOW if _WINDOWS else 0)
        except OSError as error:
            shutil.rmtree(self._folder, ignore_errors=True)
            raise PlaneSSLError(f"{program[0]} cannot be started: {error.strerror}.") from None
        self._events = open(self._folder / "events", "rb")
        with contextlib.suppress(OSError):  # a child that died at once is told of by the next poll
            self._process.stdin.write(b"\n")
            self._process.stdin.flush()
        self.state = RUNNING
        return self

    def poll(self) -> list[dict]:
        """The events since the last call, and the state brought up to date. Never waits."""
        if not self.active:
            return []
        ended = self._process.poll() is not None
        if ended and not self._killed and self._leftovers():  # a launcher may end before the process it launched
            ended = False
            self._out_of_patience = min(self._out_of_patience, time.monotonic() + PATIENCE_S)
        events = list(self._new_events(to_the_end=ended))
        if ended:
            self._conclude()
        elif time.monotonic() > self._out_of_patience:
            self._press()
        return events

    def cancel(self) -> None:
        """Ask the child to stop, and return at once; later polls end one that does not, and all that it started."""
        if self.state == RUNNING:
            self.state = CANCELLING
            self._next_means = [self._close_line, self._terminate]
            self._press()

    def end(self, grace_s: float = 3.0) -> None:
        """End the child and all that it started before returning: for a program that is about to leave.

        It may clean up for grace_s; then it is killed.
        """
        self.cancel()
        latest = time.monotonic() + grace_s
        while self.active and time.monotonic() < latest:
            self.poll()
            time.sleep(0.01)
        if self.active:
            self._kill()
            self._process.wait()
            for _ in self._new_events(to_the_end=True):
                pass
            self._conclude()

    def wait(self, report: Report = silent, timeout_s: float | None = None,
             idle: Callable[[], None] = lambda: None):
        """Wait for the job, starting it if need be, and return its document; for scripts and headless use.

        PlaneSSLError with the job's own sentence if it failed, JobCancelled if it was cancelled, TimeoutError if it is
        still there after timeout_s. Ctrl-C cancels the job. idle: called many times a second meanwhile, so that a
        program with windows can keep them alive.
        """
        if self.state == WAITING:
            self.start()
        latest = time.monotonic() + (float("inf") if timeout_s is None else timeout_s)
        try:
            while True:
                for event in self.poll():
                    report(event)
                if not self.active:
                    break
                if time.monotonic() > latest:
                    raise TimeoutError(f"The job is still {self.state} after {timeout_s} s.")
                idle()
                time.sleep(0.02)
        except KeyboardInterrupt:
            self.cancel()
            while self.active:
                self.poll()
                time.sleep(0.05)
            raise
        if self.state == CANCELLED:
            raise JobCancelled("The job was cancelled.")
        if self.state == FAILED:
            raise PlaneSSLError(self.error)
        return self.result

    def resumed(self) -> Job:
        """A job, not started yet, that goes on where this training stopped: the same command with --resume."""
        if self.active:
            raise PlaneSSLError("This job is still running; cancel it first.")
        kept = [argument for argument in self.arguments if argument not in ("--resume", "--overwrite")]
        return Job([*kept, "--resume"], self._program)

    def _new_events(self, to_the_end: bool) -> Iterator[dict]:
        """Lines that are complete; at the child's end also the last one, which may be cut off."""
        chunk = self._events.read() if to_the_end else self._events.read(_MOST_AT_ONCE)
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        if to_the_end:
            lines, self._rest = [*lines, self._rest], b""
        for line in lines:
            text = line.decode(errors="replace").rstrip()
            event = _event(text)
            if event is None:
                if text:
                    self.last_lines.append(text)
                continue
            if event["event"] == "progress":
                self.progress = event
            yield event

    def _conclude(self) -> None:
        """The child has ended: how?"""
        self._events.close()
        with contextlib.suppress(OSError):
            self._process.stdin.close()
        document, status = (self._folder / "document").read_bytes(), self._process.returncode
        shutil.rmtree(self._folder, ignore_errors=True)
        if status == 0:  # it may have been done before it heard that it was cancelled
            try:
                self.result = json.loads(document)
            except ValueError:
                self.state, self.error = FAILED, self._lost("its answer is cut off")
            else:
                self.state = DONE
        elif self.state == CANCELLING or status == 130:
            self.state = CANCELLED
        else:
            said = [line for line in self.last_lines if line.startswith("planessl: ")]
            self.state = FAILED
            if status < 0 or any(_CRASHED in line for line in self.last_lines):
                how = f" by signal {-status}" if status < 0 else ""
                self.error = self._lost(f"it crashed, or was ended{how}, for want of memory perhaps")
            else:
                self.error = said[-1].removeprefix("planessl: ") if status == 1 and said else self._lost(
                    f"exit status {status}")

    def _lost(self, how: str) -> str:
        tail = "\n".join(list(self.last_lines)[-8:])
        return f"The job '{self.arguments[0] if self.arguments else ''}' was lost ({how}). " + (
            f"Its last lines:\n{tail}" if tail else "It said nothing.")

    def _press(self) -> None:
        """Take the next means of ending the child; after the last of them, nothing of it is left."""
        means = self._next_means.pop(0) if self._next_means else self._kill
        means()
        self._out_of_patience = time.monotonic() + PATIENCE_S

    def _close_line(self) -> None:
        with contextlib.suppress(OSError):
            self._process.stdin.close()

    def _terminate(self) -> None:
        if not _WINDOWS:
            self._signal(signal.SIGTERM)

    def _kill(self) -> None:
        self._killed = True
        if _WINDOWS:
            subprocess.run(["taskkill", "/F", "/T", "/PID", str(self._process.pid)], capture_output=True, check=False,
                           creationflags=subprocess.CREATE_NO_WINDOW)
        else:
            self._signal(signal.SIGKILL)

    def _signal(self, number: int) -> None:
        """To the child and all its descendants: they are a session, and so a process group, of their own."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, number)

    def _leftovers(self) -> bool:
        """Is something of the group there though its leader has ended?"""
        if _WINDOWS:
            return False
        try:
            os.killpg(self._process.pid, 0)
        except (ProcessLookupError, PermissionError):
            return False
        return True


def python_executable() -> str:
    """The Python that runs jobs: PythonSlicer in 3D Slicer, whose own executable is no interpreter; else this one."""
    home = os.environ.get("SLICER_HOME")
    if home:
        found = shutil.which("PythonSlicer") or shutil.which("PythonSlicer", path=str(Path(home, "bin")))
        if found:
            return found
    return sys.executable


def end_with_parent() -> None:
    """In a job's child: end when the parent closes its line, or is gone. Elsewhere this does nothing."""
    if os.environ.pop(_LINE, None) is None:
        return
    # Processes of ours must not inherit what is being read from: on Windows they would wait for it as soon as they
    # start (python/cpython#78961). Reads are unbuffered: a thread in a buffered one brings down a program that ends.
    line, nothing = os.dup(0), os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    threading.Thread(target=_listen, args=(line,), daemon=True).start()


def _listen(line: int) -> None:
    if not os.read(line, 1):  # nobody is at the other end: the line was not handed on to us
        return
    while os.read(line, 1):
        pass
    if _WINDOWS:
        _thread.interrupt_main()
    else:
        signal.pthread_kill(threading.main_thread().ident, signal.SIGTERM)  # wakes it even where it waits
    threading.Event().wait(2 * PATIENCE_S)  # this thread goes with the process: past here, it would not end
    if _WINDOWS:
        os._exit(130)
    os.killpg(0, signal.SIGKILL)


def _event(line: str) -> dict | None:
    if not line.startswith("{"):
        return None
    try:
        event = json.loads(line)
    except ValueError:
        return None
    return event if isinstance(event, dict) and isinstance(event.get("event"), str) else None
