"""What is installed into Slicer's Python, and what must stay as it is."""
from __future__ import annotations

import sys
from pathlib import Path

import pytest


def test_what_is_installed_leaves_torch_as_it_is(panel, monkeypatch):
    """The newest MONAI would bring the newest torch, and take the place of the one that fits this computer's GPU."""
    from importlib.metadata import version

    from PlaneSSLPanel import installing
    from slicer import packaging

    asked = []
    monkeypatch.setattr(packaging, "pip_ensure", lambda lines, constraints, requester: asked.append(
        (lines, Path(constraints).read_text())), raising=False)
    installing.installPackages()
    ((lines, constraints),) = asked
    assert any(line.startswith("monai>=") for line in lines)
    assert {f"torch=={version('torch')}", f"numpy=={version('numpy')}"} <= set(constraints.splitlines())


def test_torch_that_is_installed_and_cannot_be_loaded_at_once_is_installed(panel, monkeypatch):
    from types import SimpleNamespace

    from PlaneSSLPanel import installing

    def install(**_how) -> None:
        raise OSError("a library of torch's is in use")

    logic = SimpleNamespace(installTorch=install)
    monkeypatch.setitem(sys.modules, "PyTorchUtils", SimpleNamespace(PyTorchUtilsLogic=lambda: logic))
    installing.installTorch()
    monkeypatch.setattr(installing, "_version", lambda _name: "")
    with pytest.raises(OSError, match="in use"):
        installing.installTorch()
