"""What PlaneSSL needs beside Slicer's own packages: is it there, and bring it, after asking the user.

torch comes through the PyTorch extension, which knows which build fits the computer; the rest through slicer.packaging.
"""
from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version

from slicer.i18n import tr as _

from PlaneSSLLib import PlaneSSLError
from PlaneSSLLib.resources import resource_folder

_TORCH = ("torch", ">=2.4")


@dataclass(frozen=True)
class Package:
    """installed: its version, empty where it is missing or too old."""

    name: str
    wanted: str
    installed: str


def packages() -> list[Package]:
    """All that is needed, torch first. PlaneSSLError in a Slicer that is too old to tell."""
    checks = [(_TORCH[0], _TORCH[1], "".join(_TORCH)), *(
        (one.name, str(one.specifier), str(one)) for one in _requirements())]
    return [Package(name, wanted, _version(name) if _packaging().pip_check(text) else "")
            for name, wanted, text in checks]


def installPackages() -> None:
    """Ask, then install what is missing but torch."""
    _packaging().pip_ensure(_requirements(), requester="PlaneSSL")


def installTorch() -> None:
    """Ask, then install torch by the PyTorch extension."""
    try:
        import PyTorchUtils
    except ModuleNotFoundError:
        raise PlaneSSLError(_("The PyTorch extension is missing: install it in the Extensions Manager, restart Slicer, "
                              "and come back.")) from None
    PyTorchUtils.PyTorchUtilsLogic().installTorch(askConfirmation=True)


def _packaging():
    try:
        from slicer import packaging
    except ImportError:
        raise PlaneSSLError(_("This Slicer is too old to install packages: use Slicer 5.12 or newer.")) from None
    return packaging


@lru_cache(maxsize=1)
def _requirements() -> list:
    return _packaging().load_requirements(resource_folder() / "requirements.txt")


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return _("yes")
