"""Work spread over processes ends with a sentence, whatever ends a process."""
from __future__ import annotations

import os
import signal

import pytest

from PlaneSSLLib import PlaneSSLError
from PlaneSSLLib.pools import processes


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGKILL")
def test_a_process_that_is_killed_is_told():
    """As the system does where memory runs out."""
    with pytest.raises(PlaneSSLError, match="fewer --jobs"), processes(1) as pool:
        pool.submit(die).result()
