"""Work spread over processes."""
from __future__ import annotations

import signal
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context


@contextmanager
def processes(count: int) -> Iterator[ProcessPoolExecutor]:
    """A pool of so many processes; when it is left, also by Ctrl-C, what is under way ends and what waits is dropped.

    Started clean, since forking a process that holds SimpleITK's or torch's threads can hang. Ctrl-C, which reaches
    every process of a terminal, is the first one's business.
    """
    pool = ProcessPoolExecutor(count, mp_context=get_context("spawn"), initializer=signal.signal,
                               initargs=(signal.SIGINT, signal.SIG_IGN))
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)
