"""What is installed; nothing is ever installed from here."""
from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

from packaging.requirements import Requirement


def pip_check(requirement: str | Requirement) -> bool:
    wanted = Requirement(str(requirement))
    try:
        return version(wanted.name) in wanted.specifier
    except PackageNotFoundError:
        return False
