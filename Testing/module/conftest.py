"""The module's tests run beside real MRML, with stand-ins for Slicer's Qt; see standins."""
from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from Testing.made_up_study import write_study

sys.path.insert(0, str(Path(__file__).parent))
os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")


@pytest.fixture(scope="session")
def host():
    """The `slicer` package, completed to look like 3D Slicer."""
    import standins

    standins.install()
    import slicer

    return slicer


@pytest.fixture
def panel(host, tmp_path):
    """The opened module on an empty scene, closed afterwards."""
    import PlaneSSL

    import qt

    host.mrmlScene.Clear(0)
    parent = host.qMRMLWidget()
    parent.setLayout(qt.QVBoxLayout())
    widget = PlaneSSL.PlaneSSLWidget(parent)
    PlaneSSL.PlaneSSLLogic().setWorkspace(tmp_path / "workspace")
    widget.setup()
    yield widget
    widget.cleanup()
    widget.parent.deleteLater()
    host.mrmlScene.Clear(0)


@pytest.fixture(scope="session")
def study_folder(tmp_path_factory):
    """A made-up study: five SAX slices of two phases, a 2CH and a 4CH slice, with labels."""
    return write_study(tmp_path_factory.mktemp("study") / "one", seed=1, phases=2)
