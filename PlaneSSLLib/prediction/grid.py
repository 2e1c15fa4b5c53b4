"""What a comparison is of: read from TOML, and checked."""
from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from .. import PlaneSSLError
from ..training.networks import NETWORKS
from ..training.settings import USUAL, Settings
from ..training.transfer import TRANSFERS

SCRATCH = "scratch"


@dataclass(frozen=True)
class Grid:
    """What is compared. cohort pretrains and is the pool of labelled subjects; evaluate_on is another cohort.

    starts: "scratch" or pretext tasks ("lines,location"). subjects: numbers of labelled ones; draws: for each of these,
    so many seeds (the seed draws the subjects, the same for every start, and initialises the heads). views: of the
    images to pretrain on; sequences: of all images that are learnt from and evaluated; empty for all. pretraining,
    finetuning: Settings that differ from the USUAL ones.
    """

    cohort: Path
    evaluate_on: Path
    starts: tuple[str, ...] = (SCRATCH, "lines", "location", "lines,location", "masked", "position")
    subjects: tuple[int, ...] = (1, 3, 5, 10)
    draws: tuple[int, ...] = (5, 3, 3, 3)
    task: str = "segmentation"
    transfer: str = "joint"
    align: bool = True
    network: str = "small"
    views: tuple[str, ...] = ()
    sequences: tuple[str, ...] = ()
    pretraining: dict = field(default_factory=dict)
    finetuning: dict = field(default_factory=dict)

    @classmethod
    def read(cls, path: Path) -> Grid:
        """A grid from TOML, folders relative to the file. PlaneSSLError names what is wrong."""
        try:
            document = tomllib.loads(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise PlaneSSLError(f"The grid {path} cannot be read: {error.strerror}.") from None
        except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            raise PlaneSSLError(f"The grid {path} is not valid TOML: {error}.") from None
        unknown = set(document) - set(cls.__dataclass_fields__)
        if unknown or not {"cohort", "evaluate_on"} <= set(document):
            raise PlaneSSLError(f"The grid {path} needs cohort and evaluate_on, and knows "
                                f"{', '.join(cls.__dataclass_fields__)}; not: {', '.join(sorted(unknown)) or '-'}.")
        wrong = [f"{key} is {value!r}, not {words}" for key, value in document.items()
                 for holds, words in [_KINDS[key]] if not holds(value)]
        if wrong:
            raise PlaneSSLError(f"The grid {path} cannot be read: {'; '.join(wrong)}.")
        for key, value in document.items():
            document[key] = path.parent / value if key in {"cohort", "evaluate_on"} else (
                tuple(value) if isinstance(value, list) else value)
        starts = tuple(",".join(map(str.strip, start.split(","))) for start in document.get("starts", cls.starts))
        grid = cls(**{**document, "starts": tuple(dict.fromkeys(starts))})
        if len(grid.draws) != len(grid.subjects):
            raise PlaneSSLError(f"The grid {path} has {len(grid.subjects)} numbers of subjects and {len(grid.draws)} "
                                "numbers of draws; give one for each.")
        if grid.task not in ("segmentation", "classification"):
            raise PlaneSSLError(f"The grid {path} has the task '{grid.task}'; the tasks are segmentation and "
                                "classification.")
        for key, known in (("transfer", TRANSFERS), ("network", tuple(NETWORKS))):
            if getattr(grid, key) not in known:
                raise PlaneSSLError(f"The grid {path} has the {key} '{getattr(grid, key)}'; there are: "
                                    f"{', '.join(known)}.")
        settings_of("pretraining", grid.pretraining, 0, "cpu")
        settings_of(grid.task, grid.finetuning, 0, "cpu")
        return grid

    def cells(self) -> Iterator[tuple[str, int, int]]:
        """(start, subjects, seed), seed by seed, so that what is done first already compares all starts."""
        for seed in range(max(self.draws)):
            for count, draws in zip(self.subjects, self.draws, strict=True):
                if seed < draws:
                    yield from ((start, count, seed) for start in self.starts)


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value)


def _list_of(kind: Callable[[object], bool], least: int = 0) -> Callable[[object], bool]:
    return lambda value: isinstance(value, list) and len(value) >= least and all(map(kind, value))


def _is_count(value: object) -> bool:
    return type(value) is int and value > 0


_TEXT, _TEXTS = (_is_text, "a text"), (_list_of(_is_text), "a list of texts")
_COUNTS = _list_of(_is_count, 1), "a list of whole numbers above 0"
_TABLE = (lambda value: isinstance(value, dict)), "a table"
_YES_OR_NO = (lambda value: isinstance(value, bool)), "true or false"
_KINDS = {"cohort": _TEXT, "evaluate_on": _TEXT, "task": _TEXT, "transfer": _TEXT, "align": _YES_OR_NO,
          "network": _TEXT, "starts": _TEXTS, "views": _TEXTS, "sequences": _TEXTS, "subjects": _COUNTS,
          "draws": _COUNTS, "pretraining": _TABLE, "finetuning": _TABLE}


def settings_of(stage: str, given: dict, seed: int, device: str) -> Settings:
    """stage: pretraining, or the task of a finetuning."""
    try:
        return replace(USUAL[stage], **given, seed=seed, device=device)
    except TypeError as error:
        raise PlaneSSLError(f"A grid's pretraining and finetuning take the settings of a training; {error}.") from None
