"""Where a user's cohorts and runs are kept: list them, name new ones, delete them. Knows their files, not torch."""
from __future__ import annotations

import re
import shutil
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from . import PlaneSSLError
from .files import claim, read_figures, read_json, read_numbers


@dataclass(frozen=True)
class RunSummary:
    """A run at a glance. stage: pretraining or finetuning; task: as it was trained on; heads: what its network
    answers; figures: see `files.read_figures`.
    """

    folder: Path
    stage: str
    task: str
    network: str
    anatomy: str
    views: tuple[str, ...]
    heads: tuple[str, ...]
    epochs: int
    of_epochs: int
    finished: bool
    figures: dict[str, float]

    @property
    def name(self) -> str:
        return self.folder.name

    @property
    def usable(self) -> bool:
        """Has it come to its first checkpoint?"""
        return (self.folder / "weights.safetensors").is_file()


class Workspace:
    """A folder with two in it: cohorts and runs."""

    def __init__(self, folder: Path) -> None:
        self.folder = Path(folder)

    def run(self, name: str) -> Path:
        """The folder of a run of this name, there or not. PlaneSSLError if the name cannot be that of a folder."""
        return self.folder / "runs" / _checked(name)

    def cohort(self, name: str) -> Path:
        """The folder of a cohort of this name, there or not."""
        return self.folder / "cohorts" / _checked(name)

    def runs(self) -> list[RunSummary]:
        """All runs, the latest first; folders that are none, or are damaged, are passed over."""
        found = []
        for config in (self.folder / "runs").glob("*/config.json"):
            try:
                found.append((config.stat().st_mtime, summary(config.parent)))
            except (PlaneSSLError, OSError, KeyError, TypeError, ValueError):
                continue
        return [run for _, run in sorted(found, key=lambda item: item[0], reverse=True)]

    def cohorts(self) -> list[Path]:
        """The folders of all cohorts, by name."""
        return sorted(plan.parent for plan in (self.folder / "cohorts").glob("*/plan.json"))

    def sources(self, name: str) -> list[Path]:
        """The folders of the studies in the cohort of this name; none where it is not there or keeps no names."""
        return [Path(read_json(file)) for file in sorted(self.cohort(name).glob("private/*-folder.json"))]

    def size_mb(self, folder: Path) -> float:
        """How much room a cohort or a run takes."""
        size = 0
        for file in folder.rglob("*"):
            with suppress(OSError):  # a training puts files in the place of others
                size += file.stat().st_size if file.is_file() else 0
        return size / 1e6

    def delete(self, folder: Path) -> None:
        """Delete a cohort or a run. PlaneSSLError for any other folder, and for a run that is being trained."""
        folder = Path(folder)
        if folder not in [*self.cohorts(), *(run.folder for run in self.runs())]:
            raise PlaneSSLError(f"{folder} is no cohort or run of {self.folder}; it is left alone.")
        if (folder / "config.json").is_file():
            claim(folder, f"{folder} is being trained: wait for it, or cancel it, before you delete it.").release()
        try:
            shutil.rmtree(folder)
        except OSError as error:
            raise PlaneSSLError(f"{folder} cannot be deleted: {error.strerror}. Is it in use?") from None


def summary(run: Path) -> RunSummary:
    """Read a run's folder; PlaneSSLError or KeyError if it is none."""
    config, plan = read_json(run / "config.json"), read_json(run / "plan.json")
    measured = read_figures(run)
    return RunSummary(
        run, config["stage"], config["task"], config["network"], plan["anatomy"], tuple(config.get("views", ())),
        tuple(config["heads"]),
        int(measured.pop("epoch", 0)), config["settings"]["epochs"], (run / "results.json").is_file(), measured)


def history(run: Path) -> list[dict[str, float]]:
    """The rows of a run's metrics.csv, empty cells left out; none where no epoch is done yet.

    Nor are there any while another process writes them anew, which on Windows shuts readers out.
    """
    try:
        return read_numbers(run / "metrics.csv")
    except (FileNotFoundError, PermissionError):
        return []


def _checked(name: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9_. -]{0,59}[A-Za-z0-9_-])?", name):
        raise PlaneSSLError(f"'{name}' cannot be the name of a folder: use letters, digits, spaces, '.', '-' and '_', "
                            "neither a space nor '.' at its end.")
    if re.fullmatch(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", name, re.IGNORECASE):
        raise PlaneSSLError(f"'{name}' cannot be the name of a folder on Windows: choose another one.")
    return name
