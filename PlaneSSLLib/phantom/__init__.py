"""Made-up organs as real DICOM studies, with exact labels, classes, views and lines.

A phantom is drawn from a seed: the same seed gives the same bytes, two seeds never the same organ, and study i of a
seed does not depend on how many are made.
"""
from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import as_completed
from pathlib import Path

from .. import PlaneSSLError
from ..files import refuse_existing, replacing_folder
from ..pools import processes
from .study import PhantomStudy, check_wish, make_study
from .writing import write_study

__all__ = ["PhantomStudy", "make_study", "write_phantoms", "write_study"]


def write_phantoms(anatomy: str, studies: int, seed: int, out: Path, phases: int = 4, overwrite: bool = False,
                   report: Callable[[int, int], None] | None = None, jobs: int = 1) -> list[Path]:
    """Write `studies` phantom studies as folders of `out`, and return the folders in order.

    phases: length of the cycle. report: called with (done, of) after each study. jobs: processes. A folder appears
    only when its study is complete. PlaneSSLError where one exists already and overwrite is false, before any is made.
    """
    if studies < 1:
        raise PlaneSSLError(f"Ask for at least one study, not {studies}.")
    check_wish(anatomy, seed, studies - 1, phases)
    out = Path(out)
    folders = [out / f"{anatomy}-{seed:04d}-{index:04d}" for index in range(studies)]
    for folder in folders:
        refuse_existing(folder, overwrite)
    work = [(anatomy, seed, index, phases, folder) for index, folder in enumerate(folders)]
    if min(jobs, studies) <= 1:
        for done, item in enumerate(work, start=1):
            _write_one(*item)
            if report:
                report(done, studies)
        return folders
    with processes(min(jobs, studies)) as pool:
        running = [pool.submit(_write_one, *item) for item in work]
        for done, future in enumerate(as_completed(running), start=1):
            future.result()
            if report:
                report(done, studies)
    return folders


def _write_one(anatomy: str, seed: int, index: int, phases: int, folder: Path) -> None:
    study = make_study(anatomy, seed, index, phases)
    with replacing_folder(folder) as side:
        write_study(study, side)
