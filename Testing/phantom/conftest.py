"""One written study of each organ, shared by the tests that only read it."""
from __future__ import annotations

import pytest

from PlaneSSLLib.phantom import write_phantoms


@pytest.fixture(scope="session")
def heart_folder(tmp_path_factory):
    return write_phantoms("heart", 1, 11, tmp_path_factory.mktemp("hearts"))[0]


@pytest.fixture(scope="session")
def knee_folder(tmp_path_factory):
    return write_phantoms("knee", 1, 11, tmp_path_factory.mktemp("knees"))[0]


@pytest.fixture(scope="session", params=["heart", "knee"])
def folder(request):
    return request.getfixturevalue(f"{request.param}_folder")
