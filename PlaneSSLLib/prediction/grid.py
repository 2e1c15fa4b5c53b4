"""What a comparison is of: read from TOML, and checked."""
from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from .. import PlaneSSLError
from ..files import read_toml
from ..kinds import TABLE, WORD, YES_OR_NO, list_of, one_of, shortly, whole
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
        document, _ = read_toml(path, "The grid")
        unknown = set(document) - set(cls.__dataclass_fields__)
        if unknown or not {"cohort", "evaluate_on"} <= set(document):
            raise PlaneSSLError(f"The grid {path} needs cohort and evaluate_on, and knows "
                                f"{', '.join(cls.__dataclass_fields__)}; not: {', '.join(sorted(unknown)) or '-'}.")
        wrong = [f"{key} is {shortly(value)}, not {_KINDS[key].words}" for key, value in document.items()
                 if not _KINDS[key].holds(value)]
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
        settings_of("pretraining", grid.pretraining, 0, "cpu")
        settings_of(grid.task, grid.finetuning, 0, "cpu")
        return grid

    def cells(self) -> Iterator[tuple[str, int, int]]:
        """(start, subjects, seed), seed by seed, so that what is done first already compares all starts."""
        for seed in range(max(self.draws)):
            for count, draws in zip(self.subjects, self.draws, strict=True):
                if seed < draws:
                    yield from ((start, count, seed) for start in self.starts)


_TEXTS = list_of(WORD, "a list of texts")
_COUNTS = list_of(whole(1), "a list of whole numbers above 0", least=1)
_KINDS = {"cohort": WORD, "evaluate_on": WORD, "task": one_of(("segmentation", "classification")),
          "transfer": one_of(TRANSFERS), "align": YES_OR_NO, "network": one_of(tuple(NETWORKS)), "starts": _TEXTS,
          "views": _TEXTS, "sequences": _TEXTS, "subjects": _COUNTS, "draws": _COUNTS, "pretraining": TABLE,
          "finetuning": TABLE}


def settings_of(stage: str, given: dict, seed: int, device: str) -> Settings:
    """stage: pretraining, or the task of a finetuning."""
    try:
        return replace(USUAL[stage], **given, seed=seed, device=device)
    except TypeError as error:
        raise PlaneSSLError(f"A grid's pretraining and finetuning take the settings of a training; {error}.") from None
