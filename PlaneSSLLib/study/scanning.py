"""From a folder to what its files hold: DICOM images, volume files, and problems with the rest."""
from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

from ..pools import processes
from .dicom import HeaderReader
from .images import Image
from .model import Problem
from .volumes import ENDINGS as VOLUME_ENDINGS

PACKED = (".dcm.gz", ".ima.gz", ".zip", ".tar", ".tar.gz", ".tgz", ".7z", ".rar", ".nii.bz2")
FOREIGN = (".npy", ".npz", ".h5", ".hdf5", ".mat", ".hdr", ".img", ".im", ".seg", ".pck", ".pickle")
DISC_CONTENTS = "DICOMDIR"  # whose files are found without it
WORTH_WORKERS = 5000  # with fewer files, starting processes takes longer than reading
# Label maps are looked for by name, not found by walking.
SKIPPED_FOLDERS = {"labels", "labelsTr", "labelsTs", "__MACOSX"}


def scan(files: list[Path], workers: int = 1) -> tuple[list[Image], list[Path], list[Problem]]:
    """The DICOM images and the volume files among files, and those that claim to be an image but cannot be read.

    A file claims to be an image if it carries the DICOM mark or starts like DICOM, or by the ending of its name.
    Everything else (texts, tables, licences, JSON, pictures) is passed over without a word.
    """
    if workers < 2 or len(files) < WORTH_WORKERS:
        return _scan(files)
    size = -(-len(files) // (2 * workers))  # two parts each, so that a slow one does not hold up the rest
    parts = [files[start:start + size] for start in range(0, len(files), size)]
    with processes(workers) as pool:
        results = list(pool.map(_scan, parts))
    images, volumes, problems = (list(chain.from_iterable(kind)) for kind in zip(*results, strict=True))
    return images, volumes, problems


def _scan(files: list[Path]) -> tuple[list[Image], list[Path], list[Problem]]:
    reader = HeaderReader()
    images, volumes, problems = [], [], []
    for file in files:
        if file.name.lower().endswith(VOLUME_ENDINGS):
            volumes.append(file)
            continue
        if file.name.lower().endswith(PACKED):
            problems.append(Problem(file, "is packed, and was not looked into: unpack it"))
            continue
        if file.name.upper() == DISC_CONTENTS:
            continue
        try:
            images += reader.images(file) or ()
        except OSError as error:
            problems.append(Problem(file, f"cannot be opened ({error.strerror})"))
        except ValueError as error:
            problems.append(Problem(file, str(error)))
    return images, volumes, problems


def files_below(folder: Path) -> tuple[list[Path], list[Problem]]:
    """Every file in a folder and its subfolders, in order; folders that cannot be opened are problems.

    Links to folders are followed, each folder once: links that loop end there. Hidden files are left out.
    """
    problems: list[Problem] = []
    return list(_walk(folder, set(), problems)), problems


def _walk(folder: Path, visited: set[tuple[int, int]], problems: list[Problem]) -> Iterator[Path]:
    waiting = [folder]
    while waiting:
        folder = waiting.pop()
        try:
            status = os.stat(folder)
            if (status.st_dev, status.st_ino) in visited:
                continue
            visited.add((status.st_dev, status.st_ino))
            with os.scandir(folder) as entries:
                entries = sorted(entries, key=lambda entry: entry.name)
        except OSError as error:
            problems.append(Problem(folder, f"cannot be opened ({error.strerror})"))
            continue
        deeper = []
        for entry in entries:
            if entry.name.startswith("."):
                continue
            try:
                if entry.is_dir():
                    if entry.name not in SKIPPED_FOLDERS:
                        deeper.append(folder / entry.name)
                elif entry.is_file():  # not a pipe or a device: opening one could wait for ever
                    yield folder / entry.name
                elif entry.is_symlink():
                    problems.append(Problem(folder / entry.name, "is a link that leads nowhere"))
            except OSError as error:  # a link that leads to itself
                problems.append(Problem(folder / entry.name, f"cannot be opened ({error.strerror})"))
        waiting += reversed(deeper)
