"""Writing files so that a reader never sees half of one."""
from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from . import PlaneSSLError


def refuse_existing(path: Path, overwrite: bool) -> None:
    """PlaneSSLError if path is there and may not be replaced."""
    if path.exists() and not overwrite:
        raise PlaneSSLError(f"{path} exists already; choose another name or add --overwrite.")


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield the name of a side file in the same folder, with the same ending; on success it is renamed to path.

    On any error the side file is removed and what was at path is untouched.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, side = tempfile.mkstemp(prefix=".", suffix="".join(path.suffixes[-2:]), dir=path.parent)
    os.close(handle)
    os.chmod(side, 0o666 & ~_umask())
    side = Path(side)
    try:
        yield side
        with open(side, "rb") as written:
            os.fsync(written.fileno())
        os.replace(side, path)
    finally:
        side.unlink(missing_ok=True)


@contextmanager
def replacing_folder(path: Path) -> Iterator[Path]:
    """The same for a folder: fill the one that is yielded; on success it takes the place of path."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    side = Path(tempfile.mkdtemp(prefix=".", dir=path.parent))
    os.chmod(side, 0o777 & ~_umask())
    try:
        yield side
        if path.exists():
            old = Path(tempfile.mkdtemp(prefix=".", dir=path.parent))
            os.replace(path, old / path.name)
            os.replace(side, path)
            shutil.rmtree(old)
        else:
            os.replace(side, path)
    finally:
        shutil.rmtree(side, ignore_errors=True)


def write_text(path: Path, text: str) -> None:
    with replacing(path) as side:
        side.write_text(text, encoding="utf-8")


def write_json(path: Path, document) -> None:
    """Write a JSON document; NaN is refused (ValueError), since no other reader takes it."""
    write_text(path, json.dumps(document, indent=1, allow_nan=False) + "\n")


def read_json(path: Path):
    """Read a JSON document, or say in a sentence which file is missing or damaged."""
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise PlaneSSLError(f"{path} is missing.") from None
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise PlaneSSLError(f"{path} cannot be read as JSON: {error}.") from None


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
