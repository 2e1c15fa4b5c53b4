"""The self test that runs in 3D Slicer, run here on slicer-core."""
from __future__ import annotations

import pytest

def names() -> list[str]:
    import standins

    standins.install()
    from PlaneSSL import PlaneSSLTest

    return sorted(name for name in dir(PlaneSSLTest) if name.startswith("test_"))


@pytest.mark.parametrize("name", names())
def test_as_in_slicer(name, host, tmp_path):
    import PlaneSSL

    PlaneSSL.PlaneSSLLogic().setWorkspace(tmp_path)
    case = PlaneSSL.PlaneSSLTest(name)
    case.setUp()
    getattr(case, name)()
