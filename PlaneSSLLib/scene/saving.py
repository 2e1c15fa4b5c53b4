"""Scenes to files and back."""
from __future__ import annotations

import os
import tempfile
import zipfile
import zlib
from pathlib import Path

from .. import PlaneSSLError
from ..files import refuse_existing
from . import nodes
from .drawing import Drawing, drawings


def save_scene(path: str | Path, overwrite: bool = False) -> Path:
    """Write the whole scene as one .mrb file, which opens in 3D Slicer. PlaneSSLError if it cannot be written."""
    path = Path(path).resolve()
    refuse_existing(path, overwrite)
    path.parent.mkdir(parents=True, exist_ok=True)
    # A folder rather than a side file: MRML names the scene inside the bundle by the file, and cannot take a dot first.
    with tempfile.TemporaryDirectory(prefix=".", dir=path.parent) as folder:
        side = Path(folder, f"{path.stem.lstrip('.') or 'scene'}.mrb")
        if not nodes.scene().WriteToMRB(str(side)):
            raise PlaneSSLError(f"The scene could not be written to {path}: is there room on the disk?")
        os.replace(side, path)
    return path


def load_scene(path: str | Path) -> list[Drawing]:
    """Replace the scene by one that was saved (.mrb or .mrml); returns the drawings in it, with their textures back.

    PlaneSSLError if the file is missing or damaged; a file that is not a bundle at all leaves the scene as it was.
    """
    path = Path(path).resolve()
    if not path.is_file():
        raise PlaneSSLError(f"There is no scene file {path}.")
    if path.suffix.lower() == ".mrml":
        return _read(path, path)
    try:
        with tempfile.TemporaryDirectory() as folder, zipfile.ZipFile(path) as bundle:
            bundle.extractall(folder)
            found = sorted(Path(folder).rglob("*.mrml"), key=lambda file: len(file.parts))
            if not found:
                raise PlaneSSLError(f"{path} is not a scene: it holds no .mrml file.")
            return _read(found[0], path)
    except (zipfile.BadZipFile, EOFError, zlib.error) as error:
        raise PlaneSSLError(f"{path} is not a whole .mrb file: {error}.") from None


def _read(file: Path, asked_for: Path) -> list[Drawing]:
    scene = nodes.scene()
    scene.SetURL(str(file))
    if not scene.Connect():
        raise PlaneSSLError(f"The scene {asked_for} could not be read whole: a file in it is missing or damaged.")
    return drawings()
