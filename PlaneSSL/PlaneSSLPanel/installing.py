"""What PlaneSSL needs beside Slicer's own packages: is it there, and bring it, after asking the user.

torch comes through the PyTorch extension, which knows which build fits the computer; the rest through slicer.packaging.
"""
from __future__ import annotations

import logging
import re
import tempfile
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from slicer.i18n import tr as _

from PlaneSSLLib import PlaneSSLError
from PlaneSSLLib.resources import resource_folder

_TORCH = ("torch", ">=2.4")
_AS_THEY_ARE = ("torch", "torchvision", "numpy", "scipy")  # other extensions, and Slicer, rely on these


@dataclass(frozen=True)
class Package:
    """installed: its version, empty where it is missing or too old."""

    name: str
    wanted: str
    installed: str


@lru_cache(maxsize=1)
def packages() -> list[Package]:
    """All that is needed, torch first. Looking takes a moment: it is done once, and again after `lookAgain`."""
    found = []
    for line in ("".join(_TORCH), *_lines()):
        name, wanted = re.match(r"([\w-]+)[^>]*(>=.*)", line).groups()
        found.append(Package(name, wanted, _version(name) if _is_installed(line) else ""))
    return found


def installPackages() -> None:
    """Ask, then install what is missing but torch."""
    packaging = _packaging()
    with tempfile.TemporaryDirectory(prefix="planessl-") as folder:
        # Else pip brings the newest MONAI, and with it from PyPI a torch that may not be for this computer's GPU.
        constraints = Path(folder, "constraints.txt")
        constraints.write_text("".join(f"{name}=={there}\n" for name in _AS_THEY_ARE if (there := _version(name))))
        try:
            packaging.pip_ensure(_lines(), constraints=constraints, requester="PlaneSSL")
        except RuntimeError as error:
            if "declined" not in str(error):  # pip_ensure has no type of its own for a user who said no
                raise
            logging.info("PlaneSSL: nothing was installed.")
        finally:
            lookAgain()


def installTorch() -> None:
    """Ask, then install torch by the PyTorch extension."""
    try:
        import PyTorchUtils
    except ModuleNotFoundError:
        raise PlaneSSLError(_("The PyTorch extension is missing: install it in the Extensions Manager, restart Slicer, "
                              "and come back.")) from None
    try:
        PyTorchUtils.PyTorchUtilsLogic().installTorch(  # it asks: no wait cursor may lie over that
            askConfirmation=True, torchVersionRequirement=_TORCH[1])
    except (ImportError, OSError):
        if not _version(_TORCH[0]):
            raise
        logging.info("PlaneSSL: torch is installed, and could not be loaded in this session.")  # nor is that needed
    finally:
        lookAgain()


def lookAgain() -> None:
    """Packages may have come or gone."""
    packages.cache_clear()


def _lines() -> list[str]:
    text = (resource_folder() / "requirements.txt").read_text(encoding="utf-8")
    return [line for line in text.splitlines() if line and not line.startswith("#")]


def _is_installed(requirement: str) -> bool:
    try:
        return _packaging().pip_check(requirement)
    except PlaneSSLError:  # an old Slicer cannot compare versions: what is there counts
        return bool(_version(re.match(r"[\w-]+", requirement).group()))


def _packaging():
    try:
        from slicer import packaging
    except ImportError:
        raise PlaneSSLError(_("This Slicer is too old to install packages: use Slicer 5.12 or newer.")) from None
    return packaging


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""
