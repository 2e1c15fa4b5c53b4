"""What is installed; nothing is ever installed from here."""
from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from packaging.requirements import Requirement


def load_requirements(path: str | Path) -> list[Requirement]:
    lines = Path(path).read_text(encoding="utf-8").splitlines()
    return [Requirement(line) for line in lines if line.strip() and not line.startswith(("#", "-"))]


def pip_check(requirement: str | Requirement) -> bool:
    wanted = Requirement(str(requirement))
    try:
        return version(wanted.name) in wanted.specifier
    except PackageNotFoundError:
        return False
