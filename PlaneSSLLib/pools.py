"""Work spread over processes."""
from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import get_context

from . import PlaneSSLError


@contextmanager
def processes(count: int) -> Iterator[ProcessPoolExecutor]:
    """A pool of so many processes; when it is left, also by Ctrl-C, what is under way ends and what waits is dropped.

    Started clean, since forking a process that holds SimpleITK's or torch's threads can hang. Ctrl-C, which reaches
    every process of a terminal, is the first one's business.
    """
    most = 61 if sys.platform == "win32" else count  # Windows waits for no more at once
    pool = ProcessPoolExecutor(min(count, most), mp_context=get_context("spawn"), initializer=signal.signal,
                               initargs=(signal.SIGINT, signal.SIG_IGN))
    try:
        yield pool
    except BrokenProcessPool:
        raise PlaneSSLError("A process was ended from outside, probably for want of memory: run this again, with fewer "
                            "--jobs or --devices; what is done stays done.") from None
    finally:
        pool.shutdown(cancel_futures=True)
