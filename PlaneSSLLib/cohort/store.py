"""A cohort on disk: many studies' native pixels and planes, without anybody's name.

plan.json: how the images are put before a network.
anatomy.toml: the anatomy it was prepared for.
private/: salt.json, and for each pseudonym the subject behind it and the folder it lay in; never copied to a run. A
cohort that is passed on without this folder can be used all the same, by pseudonyms.
order.json: the pseudonyms in the order of the names, so that a seed draws the same subjects without them, too.
studies/PSEUDONYM/: study.json (stacks, planes, offsets), pixels.npy (float16), labels.npy (uint8, where labelled), all
as acquired but upright (see `upright`), right knees as left ones lie in a mirror.
"""
from __future__ import annotations

import hashlib
import os
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import MappingProxyType

import numpy as np

from .. import PlaneSSLError, anatomy
from ..files import read_json
from ..geometry import Plane, mean_step
from .plan import Plan

MARKS = ("series", "identifier", "content")  # what tells studies apart, see `sameness`
_OF_SALT = 4  # digits of a pseudonym
_TYPES = {"pixels": np.float16, "labels": np.uint8}


@dataclass(frozen=True, eq=False)
class PreparedStack:
    """A stack in a cohort: its planes, and per slice and phase where its pixels (and labels, else -1) start."""

    id: str
    view: str
    localizer: bool
    sequence: str
    side: str
    frame_of_reference: int
    planes: tuple[Plane, ...]
    pixels_at: tuple[tuple[int, ...], ...]
    labels_at: tuple[tuple[int, ...], ...]

    @property
    def step_mm(self) -> float | None:
        """Mean distance between neighbouring slices along the normal; None for one slice."""
        return mean_step(self.planes)

    @property
    def is_cine(self) -> bool:
        """Does it show several phases?"""
        return len(self.pixels_at[0]) > 1

    @property
    def labelled(self) -> list[tuple[int, int]]:
        """(slice, phase) of every frame that has labels."""
        return [(i, k) for i, starts in enumerate(self.labels_at) for k, at in enumerate(starts) if at >= 0]


class PreparedStudy:
    """One study of a cohort, and its patient, by pseudonyms: of one patient there may be several.

    A frame is read when it is asked for, and nothing else of its file; a damaged file is a PlaneSSLError that names it.
    No file stays open: a thousand studies would be more than a process may have.

    sequences: only stacks of these are there, if any are named.
    """

    def __init__(self, folder: Path, sequences: Sequence[str] = ()) -> None:
        self.folder = Path(folder)
        document = read_json(self.folder / "study.json")
        try:
            self.pseudonym: str = document["pseudonym"]
            self.patient: str = document["patient"]
            self.marks: dict = {key: document[key] for key in MARKS}
            self.classes: dict[str, int] = document["classes"]
            self.stacks = tuple(_read_stack(stack) for stack in document["stacks"]
                                if not sequences or stack["sequence"] in sequences)
            self._sizes = document["sizes"]
            self._headers: dict[str, int] = {}  # how many bytes of a file lie before its first number
        except (KeyError, TypeError, ValueError) as error:
            raise PlaneSSLError(f"{self.folder / 'study.json'} is damaged ({error!r}); prepare it again.") from None

    def _map(self, name: str) -> np.memmap:
        path, dtype = self.folder / f"{name}.npy", _TYPES[name]
        try:
            array = np.load(path, mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError, EOFError) as error:
            raise _damaged(path, error) from None
        if array.dtype != dtype or array.shape != (self._sizes[name],):
            raise PlaneSSLError(
                f"{path} holds {array.shape} {array.dtype} where ({self._sizes[name]},) {np.dtype(dtype)} was written; "
                "prepare this study again.")
        return array

    def _frame(self, name: str, at: int, shape: tuple[int, int]) -> np.ndarray:
        """A frame that begins with the at-th number of a file, whose header is looked at once alone: that takes longer
        than the frame does.
        """
        path, dtype = self.folder / f"{name}.npy", np.dtype(_TYPES[name])
        if name not in self._headers:
            self._headers[name] = self._map(name).offset
        header = self._headers[name]
        try:
            size = path.stat().st_size
            numbers = np.fromfile(path, dtype, shape[0] * shape[1], offset=header + at * dtype.itemsize)
        except OSError as error:
            raise _damaged(path, error) from None
        if size != header + self._sizes[name] * dtype.itemsize:
            raise _damaged(path, "it is not as long as it was: was this study prepared again meanwhile?")
        return numbers.reshape(shape)

    def check(self) -> None:
        """Open every file of the study, so that damage is found before work begins."""
        for name, size in self._sizes.items():
            if size:
                self._map(name)

    def image(self, stack: PreparedStack, slice_index: int, phase: int) -> np.ndarray:
        """(rows, columns) float16, scaled by the plan's percentiles."""
        return self._frame("pixels", stack.pixels_at[slice_index][phase], stack.planes[slice_index].shape)

    def labels(self, stack: PreparedStack, slice_index: int, phase: int) -> np.ndarray:
        """(rows, columns) uint8 label values; ValueError where the frame has none."""
        at = stack.labels_at[slice_index][phase]
        if at < 0:
            raise ValueError(f"stack {stack.id}, slice {slice_index}, phase {phase} has no labels")
        return self._frame("labels", at, stack.planes[slice_index].shape)

    def outlines(self) -> str:
        """Hexadecimal digits that stand for its label maps; the same maps always have the same."""
        return hashlib.sha256(self._map("labels")).hexdigest() if self.labelled else ""

    @property
    def labelled(self) -> bool:
        return any(stack.labelled for stack in self.stacks)


class Cohort:
    """An opened cohort: its plan, its anatomy and its studies, in the order of the subjects' names.

    sequences: its studies are taken as if images of these alone had been acquired, if any are named. PlaneSSLError for
    one that the anatomy does not know.
    """

    def __init__(self, folder: Path, sequences: Sequence[str] = ()) -> None:
        self.folder, self.sequences = Path(folder), tuple(sequences)
        if not (self.folder / "plan.json").is_file():
            raise PlaneSSLError(f"{self.folder} is no cohort (it has no plan.json); make one with planessl prepare.")
        self.plan = Plan.read(self.folder / "plan.json")
        self.anatomy = anatomy.load(self.folder / "anatomy.toml")
        known = [sequence.name for sequence in self.anatomy.sequences]
        if unknown := [name for name in self.sequences if name not in known]:
            raise PlaneSSLError(f"The anatomy '{self.plan.anatomy}' has no sequence '{unknown[0]}'; it has "
                                f"{', '.join(known) or 'none'}.")
        there = {path.name for path in (self.folder / "studies").glob("[!.]*") if (path / "study.json").is_file()}
        order = self.folder / "order.json"
        place = {name: n for n, name in enumerate(read_json(order) if order.is_file() else ())}
        self._subjects = {name: self._subject(name) for name in there}
        self.pseudonyms: tuple[str, ...] = tuple(sorted(there, key=lambda name: (
            self._subjects[name], place.get(name, len(place)), name)))
        if not self.pseudonyms:
            raise PlaneSSLError(f"The cohort {self.folder} holds no study; see what planessl prepare said of them.")

    @cached_property
    def studies(self) -> dict[str, PreparedStudy]:
        return {name: PreparedStudy(self.folder / "studies" / name, self.sequences) for name in self.pseudonyms}

    def studies_of(self, subject: str) -> tuple[str, ...]:
        """The studies of a subject given by name, or the one of a pseudonym; PlaneSSLError if there is none here."""
        found = tuple(name for name in self.pseudonyms if subject and subject in (name, self._subjects[name]))
        if not found:
            raise PlaneSSLError(f"The subject '{subject}' is not in the cohort {self.folder}.")
        return found

    def by_patient(self, names: Iterable[str]) -> list[tuple[str, ...]]:
        """These studies, those of a patient together, patients in the order of their first."""
        found = defaultdict(list)
        for name in names:
            found[self.studies[name].patient if name in self.studies else name].append(name)
        return list(map(tuple, found.values()))

    def of_same_patients(self, names: Collection[str], elsewhere: Mapping[str, str] = MappingProxyType({})) -> set[str]:
        """All studies here of the patients of these. elsewhere: whose those are that are not of this cohort; of others
        nobody knows.
        """
        patients = {self.studies[name].patient if name in self.studies else elsewhere.get(name) for name in names}
        return {name for name, study in self.studies.items() if study.patient in patients}

    def _subject(self, name: str) -> str:
        """Who is behind a pseudonym; empty where others may not look into the folder of names."""
        path = self.folder / "private" / f"{name}.json"
        return read_json(path) if os.access(path, os.R_OK) else ""


def pseudonym(salt: str, *who: str) -> str:
    """Sixteen hexadecimal digits that nobody can turn back into who it is without the cohort's salt.

    The first four are those of the salt: pseudonyms that begin otherwise may be of the same people, see `namings`.
    """
    return digest(salt)[:_OF_SALT] + digest(salt, *who)[:12]


def namings(pseudonyms: Iterable[str]) -> set[str]:
    """What stands for the salts that these pseudonyms were made with."""
    return {name[:_OF_SALT] for name in pseudonyms}


def digest(*texts: str) -> str:
    """Hexadecimal digits that stand for these texts, names of files in any encoding among them."""
    return hashlib.sha256(os.fsencode("\0".join(texts))).hexdigest()


def _read_stack(document: dict) -> PreparedStack:
    return PreparedStack(
        id=document["id"], view=document["view"], localizer=document["localizer"],
        sequence=document["sequence"], side=document["side"],
        frame_of_reference=document["frame_of_reference"],
        planes=tuple(Plane(**plane) for plane in document["planes"]),
        pixels_at=tuple(map(tuple, document["pixels_at"])), labels_at=tuple(map(tuple, document["labels_at"])))


def _damaged(path: Path, what: object) -> PlaneSSLError:
    return PlaneSSLError(f"{path} is missing or damaged ({what}); prepare this study again.")
