"""Scenes to files and back."""
from __future__ import annotations

import os
import tempfile
import zipfile
import zlib
from pathlib import Path
from urllib.parse import quote
from xml.etree import ElementTree as ET

from .. import PlaneSSLError
from ..files import make_folder, refuse_existing, replacing, replacing_folder
from . import nodes
from .drawing import Drawing, drawings
from .textures import restore_textures


def save_scene(path: str | Path, overwrite: bool = False) -> Path:
    """Write the whole scene, for 3D Slicer to open: one .mrb file, or a .mrml file with a folder of data beside it.

    PlaneSSLError if it cannot be written, or is there already; then nothing is changed on disk.
    """
    path = Path(path).resolve()
    if path.suffix.lower() not in (".mrb", ".mrml"):
        raise PlaneSSLError(f"A scene is saved as .mrb or .mrml, and {path.name} is neither.")
    refuse_existing(path, overwrite)
    if path.suffix.lower() == ".mrml" and _data_of(path).exists() and not _points_to_its_data(path):
        raise PlaneSSLError(f"The folder {_data_of(path)}, into which the scene's data would go, is there and is none "
                            "of its: choose another name.")
    make_folder(path.parent)
    # A folder rather than a side file: MRML names the scene inside by the file, and cannot take a dot at its start.
    with tempfile.TemporaryDirectory(prefix=".", dir=path.parent) as folder:
        bundle = Path(folder, "scene")
        if path.suffix.lower() == ".mrb":
            side = bundle.with_suffix(".mrb")
            _written(nodes.scene().WriteToMRB(str(side)), path)
            os.replace(side, path)
        else:
            bundle.mkdir()
            _written(nodes.scene().SaveSceneToSlicerDataBundleDirectory(str(bundle), None), path)
            _unbundle(bundle, path)
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
    restore_textures()
    return drawings()


def _written(done: bool, path: Path) -> None:
    if not done:
        raise PlaneSSLError(f"The scene could not be written to {path}: is there room on the disk?")


def _data_of(path: Path) -> Path:
    return path.with_name(f"{path.stem}-data")


def _points_to_its_data(path: Path) -> bool:
    """Is there a scene that was saved here before?"""
    return path.is_file() and f"{quote(_data_of(path).name)}/" in path.read_text(encoding="utf-8", errors="replace")


def _unbundle(bundle: Path, path: Path) -> None:
    """Put a bundle's .mrml at path, and its data into a folder beside it, to which the .mrml is made to point."""
    data = _data_of(path)
    folders = [folder.name for folder in bundle.iterdir() if folder.is_dir()]
    document = ET.parse(bundle / "scene.mrml")
    for element in document.iter():
        for name, value in element.attrib.items():
            if value.partition("/")[0] in folders and "/" in value:
                element.set(name, f"{quote(data.name)}/{value}")  # file names in MRML are percent-encoded
    with replacing_folder(data) as side:
        for folder in folders:
            os.replace(bundle / folder, side / folder)
    with replacing(path) as side:
        document.write(side, encoding="UTF-8", xml_declaration=True)
