"""Writing files so that a reader never sees half of one."""
from __future__ import annotations

import csv
import errno
import json
import os
import re
import shutil
import sys
import time
import tomllib
import zipfile
import zlib
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

from . import PlaneSSLError

if TYPE_CHECKING:
    import filelock
    import numpy as np

LOCK = "training.lock"
_FULL = (errno.ENOSPC, errno.EDQUOT)


class ExistsAlready(PlaneSSLError):
    """What is to be written is there, and may be replaced if that is asked for."""


def refuse_existing(path: Path, overwrite: bool) -> None:
    """ExistsAlready if path is there and may not be replaced."""
    if os.path.lexists(path) and not overwrite:
        raise ExistsAlready(f"{path} exists already; choose another name, or let it be replaced (--overwrite, "
                            "in Python overwrite=True).")


def make_folder(path: Path) -> None:
    """A folder with its parents, if it is not there; PlaneSSLError where it cannot be made."""
    with _telling(path):
        Path(path).mkdir(parents=True, exist_ok=True)


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield the name of a side file in the same folder, with the same ending; on success it is renamed to path.

    On any error the side file is removed and what was at path is untouched. PlaneSSLError where the folder cannot be
    written or the disk is full.
    """
    path = Path(path)
    side = _beside(path, "".join(path.suffixes[-2:]).lower())  # some writers know lower case only
    with _telling(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        side.touch(exist_ok=False)
    mode = side.stat().st_mode
    try:
        with _telling(path, only=_FULL):  # any other error of the caller's is the caller's
            yield side
        with _telling(path):
            os.chmod(side, mode)  # some libraries make files that nobody else may read
            with open(side, "r+b") as written:  # Windows flushes only what may be written
                os.fsync(written.fileno())
            _take_its_place(side, path)
    finally:
        side.unlink(missing_ok=True)


def _take_its_place(side: Path, path: Path) -> None:
    """os.replace; on Windows it fails while anybody reads what is at path, as panels do: then again, a little later."""
    for pause_s in (0.01, 0.05, 0.2, 1.0):
        try:
            os.replace(side, path)
            return
        except PermissionError:
            if sys.platform != "win32":
                raise
            time.sleep(pause_s)
    os.replace(side, path)


@contextmanager
def replacing_folder(path: Path) -> Iterator[Path]:
    """The same for a folder: fill the one that is yielded; on success it takes the place of path.

    A folder cannot be swapped in one step: for a moment the old one lies beside, under a hidden name.
    """
    path = Path(path)
    old = _beside(path)
    try:
        with _side_folder(path) as side:
            with _telling(path, only=_FULL):
                yield side
            with _telling(path):
                if os.path.lexists(path):
                    os.rename(path, old)
                try:
                    os.rename(side, path)
                except BaseException:
                    if os.path.lexists(old):
                        os.rename(old, path)
                    raise
    finally:
        if os.path.lexists(path):
            remove(old)


@contextmanager
def beginning_folder(path: Path) -> Iterator[Path]:
    """Fill the folder that is yielded; it becomes path, unless another process was first: then theirs stays."""
    path = Path(path)
    with _side_folder(path) as side:
        with _telling(path, only=_FULL):
            yield side
        with suppress(OSError):
            path.rmdir()  # an empty one is in nobody's way, but on Windows in a renaming's
        try:
            os.rename(side, path)
        except OSError:
            if not path.is_dir():
                raise


def claim(folder: Path, refusal: str) -> filelock.BaseFileLock:
    """Let no other process train in a folder until the lock is released; PlaneSSLError(refusal) where one does.

    The system lets go of the lock when a process ends, however it does.
    """
    import filelock  # here: Slicer reads this file before its packages are installed

    lock = filelock.FileLock(Path(folder) / LOCK, blocking=False)
    try:
        lock.acquire()
    except filelock.Timeout:
        raise PlaneSSLError(refusal) from None
    except (NotImplementedError, OSError):
        pass  # a disk that knows no locks
    return lock


def write_text(path: Path, text: str) -> None:
    with replacing(path) as side:
        side.write_text(text, encoding="utf-8")


def write_json(path: Path, document, indent: int | None = 1) -> None:
    """Write a JSON document; NaN is refused (ValueError), since no other reader takes it.

    indent: None for a long one that nobody reads, which is written five times as fast.
    """
    write_text(path, json.dumps(document, indent=indent, allow_nan=False) + "\n")


def read_json(path: Path):
    """Read a JSON document, or say in a sentence which file is missing or damaged."""
    try:
        return json.loads(Path(path).read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        raise PlaneSSLError(f"{path} is missing.") from None
    except OSError as error:
        raise PlaneSSLError(f"{path} cannot be read: {error.strerror}.") from None
    except (ValueError, RecursionError) as error:
        raise PlaneSSLError(f"{path} cannot be read as JSON: {error}.") from None


def read_toml(path: Path, what: str) -> tuple[dict, str]:
    """A TOML document, and its text; PlaneSSLError says that "`what` PATH" cannot be read, or is no TOML."""
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "it is not a text file in UTF-8"
        raise PlaneSSLError(f"{what} {path} cannot be read: {reason}.") from None
    try:
        return tomllib.loads(text), text
    except (ValueError, RecursionError) as error:
        raise PlaneSSLError(f"{what} {path} is not valid TOML: {error}.") from None


def read_arrays(path: Path, only: Collection[str] = ()) -> dict[str, np.ndarray]:
    """Read all arrays of an .npz file, or only those of these names; pickled objects are refused.

    PlaneSSLError where it is missing or damaged.
    """
    import numpy as np  # here: Slicer reads this file whenever it starts

    try:
        with np.load(path, allow_pickle=False) as archive:
            names = [name for name in archive.files if not only or name in only]
            arrays = {name: archive[name] for name in names}
            if len(arrays) == len(names) and all(isinstance(one, np.ndarray) for one in arrays.values()):
                return arrays
    except FileNotFoundError:
        raise PlaneSSLError(f"There is no file {path}.") from None
    # numpy has no one type for what may be wrong with a file
    except (OSError, ValueError, EOFError, TypeError, AttributeError, zipfile.BadZipFile, zlib.error):
        pass
    raise PlaneSSLError(f"{path} is damaged, or no file of arrays that planessl has written.")


@contextmanager
def _side_folder(path: Path) -> Iterator[Path]:
    """An empty folder beside path; whatever is still there under its name at the end is removed."""
    side = _beside(path)
    with _telling(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        side.mkdir()
    try:
        yield side
    finally:
        shutil.rmtree(side, ignore_errors=True)


def _beside(path: Path, ending: str = "") -> Path:
    """A hidden name in the same folder that nothing else has."""
    return path.parent / f".{uuid4().hex}{ending}"


def is_side(path: Path) -> bool:
    """Is this what an interruption has left of `replacing`, by its name?"""
    return re.match(r"\.[0-9a-f]{32}(\.|$)", path.name) is not None


def remove(path: Path) -> None:
    """Delete a file, a link, or a folder with all that is in it; nothing happens where there is none."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


@contextmanager
def _telling(path: Path, only: tuple[int, ...] = ()) -> Iterator[None]:
    """Turn an OSError (one of these numbers only, if given) into a sentence that names what could not be written."""
    try:
        yield
    except OSError as error:
        if only and error.errno not in only:
            raise
        reason = error.strerror or error
        raise PlaneSSLError(f"{path} cannot be written: {reason}; make room or choose another place.") from error


def read_numbers(path: Path) -> list[dict[str, float]]:
    """The rows of a CSV of numbers, empty cells left out. FileNotFoundError if it is not there."""
    with open(path, newline="", encoding="utf-8") as file:
        return [{name: float(value) for name, value in row.items() if value} for row in csv.DictReader(file)]


def read_figures(run: Path) -> dict[str, float]:
    """The last metrics in a run's folder; of a finished run, what validation gave for the weights that it has kept."""
    metrics, results = run / "metrics.csv", run / "results.json"
    rows = read_numbers(metrics) if metrics.is_file() else []
    last = {name: value for row in rows for name, value in row.items()}  # not every epoch is validated
    return last | (read_json(results).get("validation", {}) if results.is_file() else {})
