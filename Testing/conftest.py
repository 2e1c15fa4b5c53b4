"""What all tests share: where the real data is, and a visible skip where it is not."""
from __future__ import annotations

import os
from pathlib import Path

import pytest

DATA = Path(os.environ.get("PLANESSL_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))


@pytest.fixture(scope="session")
def data():
    """data("heart-pig") is that folder of the real data, or the test is skipped."""

    def folder(name: str) -> Path:
        path = DATA / name
        if not path.is_dir():
            pytest.skip(f"{path} is absent: set PLANESSL_DATA to the folder of the real data")
        return path

    return folder


@pytest.fixture
def short_epochs(monkeypatch):
    """Epochs of ten steps: where a training is asked how it goes, and not what it learns."""
    for module in ("settings", "engine"):
        monkeypatch.setattr(f"PlaneSSLLib.training.{module}.STEPS_PER_EPOCH", 10)


@pytest.fixture
def little_room():
    """No file may grow beyond 4 kB, as on a disk that is full."""
    resource = pytest.importorskip("resource", reason="Windows has no such limit")
    usual = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, usual[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, usual)


@pytest.fixture
def few_files():
    """The process may open 25 files more, as one that has opened a thousand already."""
    resource = pytest.importorskip("resource", reason="Windows counts files otherwise")
    lowest = os.open(os.devnull, os.O_RDONLY)
    os.close(lowest)
    usual = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest + 25, usual[1]))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, usual)
