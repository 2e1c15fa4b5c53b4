"""Small stand-ins for what 3D Slicer has and slicer-core lacks: Qt as PythonQt shows it, Slicer's widgets, its app.

What tests on them prove: the panel loads, every control is wired and does what it says, settings go to the scene and
back, and the logic works on a real MRML scene. What they do not prove: how Slicer's own widgets look or misbehave, and
that Slicer has every call that is stubbed here. The self test (PlaneSSLTest) in a real Slicer is for that.

With SLICER_SOURCE naming a checkout of Slicer, its own ScriptedLoadableModule.py, parameterNodeWrapper, i18n.py and
packaging.py are used; else the small ones beside this file.
"""
from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

HOUSE = Path(__file__).resolve().parents[3]


def install() -> None:
    """Make this process look like Slicer to the module, once."""
    if "qt" in sys.modules:
        return
    from . import fake_ctk, fake_qt

    sys.modules["qt"], sys.modules["ctk"] = fake_qt, fake_ctk
    settings = tempfile.TemporaryDirectory(prefix="planessl-settings-")
    fake_qt.QSettings.setDefaultFormat(fake_qt.QSettings.IniFormat)
    fake_qt.QSettings.setPath(fake_qt.QSettings.IniFormat, fake_qt.QSettings.UserScope, settings.name)
    import slicer

    from PlaneSSLLib import scene

    from . import application

    scene.start()
    application.complete(slicer)
    slicer.app.settingsFolder = settings
    source = os.environ.get("SLICER_SOURCE")
    own = Path(source, "Base", "Python") if source else Path(__file__).parent
    slicer.__path__.append(str(own / "slicer"))
    sys.path.append(str(HOUSE / "PlaneSSL"))  # as Slicer does with the folder of every module
