"""Where the files beside the code are: anatomies, icons."""
from __future__ import annotations

from pathlib import Path

from . import PlaneSSLError


def resource_folder() -> Path:
    """The folder Resources: inside the package (wheel), or beside it (source tree, installed extension)."""
    package = Path(__file__).resolve().parent
    for folder in (package / "Resources", package.parent / "Resources"):
        if (folder / "Anatomies").is_dir():
            return folder
    raise PlaneSSLError(f"The folder Resources/Anatomies is missing beside {package}; install PlaneSSL again.")
