"""A run: the folder of one training, enough to use it, resume it or explain it."""
from __future__ import annotations

import csv
import importlib.util
import io
import json
import platform
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import MappingProxyType

import safetensors.torch
import torch
from safetensors import SafetensorError

from .. import PlaneSSLError, __version__, anatomy
from ..anatomy import Anatomy
from ..cohort.plan import Plan
from ..cohort.splits import Split
from ..files import (
    LOCK,
    claim,
    is_side,
    make_folder,
    read_json,
    read_numbers,
    refuse_existing,
    remove,
    replacing,
    write_json,
    write_text,
)
from .networks import Head, Network, build

GUIDE = "guide.safetensors"
OWN = ("config.json", "plan.json", "anatomy.toml", "splits.json", "versions.json", "results.json", GUIDE,
       "weights.safetensors", "state.pt", "metrics.csv", "events.jsonl", "tensorboard", "report.html", "curves.png",
       "outlines.png", "lines.png")


class Run:
    """A run's folder: config.json, plan.json, anatomy.toml, splits.json, versions.json, and guide.safetensors where a
    pretrained network tells how images lie, written once at the start; weights.safetensors, state.pt, metrics.csv
    replaced whole as training goes on; events.jsonl appended to.

    Subjects stand here by pseudonym only.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = Path(folder)
        self._lock = None  # while no other process may train here, see `files.claim`

    @classmethod
    def create(cls, folder: Path, config: dict, plan: Plan, anatomy_toml: str, split: Split, overwrite: bool,
               seen: Iterable[str] = (), taught: Iterable[str] = (), patients: Mapping[str, str] = MappingProxyType({}),
               guide: Run | None = None) -> Run:
        """Start a run. PlaneSSLError if the folder is there already, unless overwrite, and if it holds no run.

        A finished run that is to be replaced is kept in a folder within until `finish`. seen: see `Run.seen`; those who
        train need not be named. taught, patients: see `Run.taught`, `Run.patients`. guide: the run whose weights see
        how images lie, see `Run.guide`. No other process may train the run then, until `alone` ends.
        """
        run = cls(folder)
        if (run.folder / "config.json").is_file() and not run.finished and not overwrite:
            raise PlaneSSLError(f"{folder} holds a training that is not finished: go on with it (--resume, in Python "
                                "resume=True), choose another name, or let it be replaced (--overwrite).")
        refuse_existing(run.folder, overwrite or run._was_not_begun())
        if run.folder.exists() and not run._is_ours():
            raise PlaneSSLError(f"{folder} holds something else than a run; choose another folder.")
        make_folder(run.folder)
        run._claim()  # before anything is changed: another process may be training what is to be replaced
        run._put_aside()
        write_json(run.folder / "versions.json", _versions())  # the first: it says whose folder this is
        write_json(run.folder / "plan.json", plan.as_json())
        write_text(run.folder / "anatomy.toml", anatomy_toml)
        write_json(run.folder / "splits.json", {
            **split.as_json(), "seen": sorted({*split.train, *seen}), "taught": sorted({*taught}),
            "patients": dict(sorted(patients.items()))})
        if guide is not None:
            _write_weights(guide.guiding_network().state_dict(), run.folder / GUIDE)
        write_json(run.folder / "config.json", config)  # the last: without it, it is no run
        return run

    @classmethod
    def open(cls, folder: Path) -> Run:
        """An existing run; PlaneSSLError if the folder is none."""
        run = cls(folder)
        if not (run.folder / "config.json").is_file():
            raise PlaneSSLError(
                f"{folder} is no run (it has no config.json); make one with planessl pretrain or finetune.")
        return run

    @classmethod
    def begun(cls, folder: Path, resume: bool) -> Run | None:
        """The run to go on with; None where one is to be started."""
        return cls(folder) if resume and (Path(folder) / "config.json").is_file() else None

    @property
    def config(self) -> dict:
        found = read_json(self.folder / "config.json")
        if not isinstance(found, dict) or "heads" not in found:
            raise PlaneSSLError(f"{self.folder / 'config.json'} is damaged: it does not say what was learnt.")
        return found

    @property
    def plane_views(self) -> tuple[str, ...]:
        """The views in whose images planes were learnt; empty for all. A segmentation beside them may be of others."""
        return tuple(self.config.get("plane_views", self.config["views"]))

    @property
    def learnt(self) -> dict[str, tuple[str, ...]]:
        """Of every view that it has learnt to segment, the sequences that were outlined; empty where nobody knows."""
        sequences = self.config.get("sequences", {})
        return {view: tuple(sequences.get(view, ())) for view in self.config["views"]}

    @property
    def only_sequences(self) -> tuple[str, ...]:
        """The sequences of which images alone it was to learn from; empty for all."""
        return tuple(self.config.get("only_sequences", ()))

    @property
    def plan(self) -> Plan:
        return Plan.read(self.folder / "plan.json")

    @property
    def anatomy(self) -> Anatomy:
        return anatomy.load(self.folder / "anatomy.toml")

    @property
    def split(self) -> Split:
        found = read_json(self.folder / "splits.json")
        return Split(**{part: tuple(found[part]) for part in ("train", "validation", "test")})

    @property
    def seen(self) -> set[str]:
        """All whose images its weights have learnt from, with labels or without, in this training or one before."""
        return set(read_json(self.folder / "splits.json")["seen"])

    @property
    def taught(self) -> set[str]:
        """All whose outlines or classes its weights have learnt from, in this training or one before."""
        return set(read_json(self.folder / "splits.json")["taught"])

    @property
    def patients(self) -> dict[str, str]:
        """Of all whom it has learnt from, or was validated on, whose studies they are."""
        return read_json(self.folder / "splits.json").get("patients", {})

    @property
    def versions(self) -> dict[str, str]:
        """Of PlaneSSL and the libraries that it was trained with."""
        return read_json(self.folder / "versions.json")

    @property
    def finished(self) -> bool:
        return (self.folder / "results.json").is_file()

    @property
    def replaced(self) -> Path:
        """Where the finished run lies that this one is to replace, if there was one, as long as this one trains."""
        return self.folder / "replaced"

    def _is_ours(self) -> bool:
        """Is this folder a run, be it put aside for the next or broken off before it began, or is it empty?"""
        return _is_signed(self.folder) or _is_signed(self.replaced) or self._names() <= {LOCK}

    def _was_not_begun(self) -> bool:
        """Was a run broken off between its first file and config.json, and is nothing else kept here?"""
        return not self.replaced.exists() and (self._names() == {LOCK} or (
            _is_signed(self.folder) and not (self.folder / "config.json").exists()))

    def _names(self) -> set[str]:
        return {path.name for path in self.folder.iterdir()} if self.folder.is_dir() else set()

    def _put_aside(self) -> None:
        """Keep a finished run until the next one is; what a broken-off one has left goes, pictures of it, too. What
        others have put beside it stays, and so does the lock, which is held.
        """
        own = [path for path in self.folder.iterdir() if path.name in OWN or is_side(path)]
        if not self.finished:
            for left in sorted(own, key=lambda path: path.name == "versions.json"):
                remove(left)
            return
        if (self.replaced / "results.json").is_file():  # else this is what an interruption has left to be moved
            remove(self.replaced)
        make_folder(self.replaced)
        last = "config.json", "results.json"  # by which it is known that a run, and that a finished one, is here
        for path in sorted(own, key=lambda path: last.index(path.name) if path.name in last else -1):
            path.replace(self.replaced / path.name)

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Let no other process train this run meanwhile; PlaneSSLError where one does."""
        self._claim()
        try:
            yield
        finally:
            self._lock.release(force=True)
            self._lock = None

    def _claim(self) -> None:
        if self._lock is None:
            self._lock = claim(self.folder, f"Another process is training {self.folder}: wait for it, or cancel it.")

    def finish(self, results: dict) -> None:
        """Write results.json, which says that the training has ended, and let go of the run that it replaces."""
        write_json(self.folder / "results.json", {**results, "run": self.folder.name})
        remove(self.replaced)

    def event(self, event: dict) -> None:
        """Add a line to events.jsonl, and the metrics to TensorBoard's files where that package is there."""
        with open(self.folder / "events.jsonl", "a", encoding="utf-8") as log:
            log.write(json.dumps(event) + "\n")
        if self._tensorboard is not None:
            for name, value in event.get("metrics", {}).items():
                self._tensorboard.add_scalar(name, value, event["step"])
            self._tensorboard.flush()

    @cached_property
    def _tensorboard(self):
        if importlib.util.find_spec("tensorboard") is None:
            return None
        from torch.utils.tensorboard import SummaryWriter

        return SummaryWriter(self.folder / "tensorboard")

    def write_metrics(self, history: list[dict]) -> None:
        """metrics.csv: one row per epoch, the union of all columns."""
        columns = list(dict.fromkeys(key for row in history for key in row))
        text = io.StringIO(newline="")
        writer = csv.DictWriter(text, columns)
        writer.writeheader()
        writer.writerows(history)
        write_text(self.folder / "metrics.csv", text.getvalue())

    def history(self) -> list[dict[str, float]]:
        """The rows of metrics.csv; what was not measured in an epoch is left out."""
        try:
            return read_numbers(self.folder / "metrics.csv")
        except FileNotFoundError:
            raise PlaneSSLError(f"{self.folder} has no metrics.csv: its first epoch has not ended.") from None

    def save_weights(self, weights: dict[str, torch.Tensor]) -> None:
        _write_weights(weights, self.folder / "weights.safetensors")

    def weights(self) -> dict[str, torch.Tensor]:
        """Name -> tensor on the CPU. Safetensors hold numbers only: no code is loaded."""
        return self._read("weights.safetensors", "the run has not come to its first checkpoint")

    def _read(self, name: str, why_missing: str) -> dict[str, torch.Tensor]:
        path = self.folder / name
        try:
            return safetensors.torch.load_file(path)
        except FileNotFoundError:
            raise PlaneSSLError(f"{path} is missing: {why_missing}.") from None
        except (OSError, SafetensorError) as error:
            raise PlaneSSLError(f"{path} is damaged ({error}).") from None

    def network(self) -> Network:
        """The trained network, on the CPU, in eval mode. PlaneSSLError names the tensors that do not fit."""
        return self._loaded(self.config, self.weights())

    @property
    def guide_config(self) -> dict:
        """Network and heads of the guide that this run is to another one: of its own, if it has one, else itself."""
        return self.config.get("guide") or {name: self.config[name] for name in ("network", "heads")}

    def guiding_network(self) -> Network:
        """The network of `guide_config`."""
        return self.guide() or self.network()

    def guide(self) -> Network | None:
        """The network by which images are laid alike before this run segments them; None if they are not."""
        config = self.config.get("guide")
        return None if config is None else self._loaded(config, self._read(GUIDE, "copy the whole folder of a run"))

    def _loaded(self, config: dict, weights: dict[str, torch.Tensor]) -> Network:
        network = build(config["network"], {name: Head(**head) for name, head in config["heads"].items()}, seed=0)
        expected = {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}
        found = {name: tuple(tensor.shape) for name, tensor in weights.items()}
        if expected != found:
            odd = sorted(name for name in expected.keys() | found.keys() if expected.get(name) != found.get(name))[:3]
            sides = "; ".join(f"{name}: network {expected.get(name)}, file {found.get(name)}" for name in odd)
            raise PlaneSSLError(f"The weights in {self.folder} do not fit the network '{config['network']}' ({sides}).")
        network.load_state_dict(weights)
        return network.eval()

    def save_state(self, state: dict) -> None:
        """All that resuming needs, replaced in one piece."""
        try:
            with replacing(self.folder / "state.pt") as side:
                torch.save(state, side)
        except (OSError, RuntimeError) as error:  # torch reports a full disk as a RuntimeError
            raise PlaneSSLError(
                f"The checkpoint in {self.folder} could not be written ({error}); the last one is intact. "
                "Make room and continue with --resume.") from None

    def state(self) -> dict | None:
        """The last checkpoint, or None. Loaded with weights_only: a file that holds code is refused."""
        path = self.folder / "state.pt"
        if not path.is_file():
            return None
        try:
            return torch.load(path, map_location="cpu", weights_only=True)
        except Exception as error:  # torch has no one type for what may be wrong with a file
            reason = str(error).splitlines()[0]
            raise PlaneSSLError(
                f"{path} is damaged, or holds more than numbers, and was not loaded: {reason}") from None


def _write_weights(weights: dict[str, torch.Tensor], path: Path) -> None:
    with replacing(path) as side:
        try:
            safetensors.torch.save_file({name: tensor.contiguous() for name, tensor in weights.items()}, side)
        except SafetensorError as error:
            raise PlaneSSLError(f"{path} cannot be written: {error}.") from None


def _is_signed(folder: Path) -> bool:
    """Does versions.json say that PlaneSSL has made this folder?"""
    try:
        return "planessl" in read_json(folder / "versions.json")
    except (PlaneSSLError, TypeError):
        return False


def _versions() -> dict[str, str]:
    found = {"planessl": __version__, "python": sys.version.split()[0], "platform": platform.platform()}
    for package in ("torch", "monai", "numpy", "scipy", "SimpleITK", "pydicom"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "absent"
    return found
