"""A grid of finetunings from several starts: the evidence, in one resumable command."""
from __future__ import annotations

import multiprocessing
import tomllib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import as_completed
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import numpy as np

from .. import PlaneSSLError
from ..cohort import Cohort, draw_split
from ..cohort.store import digest
from ..files import make_folder, read_json, replacing, write_json, write_text
from ..pools import processes
from ..training.engine import Report
from ..training.finetuning import finetune, labelled_subjects
from ..training.pretraining import pretrain
from ..training.run import Run
from ..training.settings import USUAL, Settings
from ..training.tasks.classification import constant
from .evaluating import evaluate

SCRATCH = "scratch"


@dataclass(frozen=True)
class Grid:
    """What is compared. cohort pretrains and is the pool of labelled subjects; evaluate_on is another cohort.

    starts: "scratch" or pretext tasks ("lines,location"). subjects: numbers of labelled ones; draws: for each of these,
    so many seeds (the seed draws the subjects, the same for every start, and initialises the heads). pretraining,
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
        grid = cls(**document)
        if len(grid.draws) != len(grid.subjects):
            raise PlaneSSLError(f"The grid {path} has {len(grid.subjects)} numbers of subjects and {len(grid.draws)} "
                                "numbers of draws; give one for each.")
        if grid.task not in USUAL:
            raise PlaneSSLError(f"The grid {path} has the task '{grid.task}'; the tasks are segmentation and "
                                "classification.")
        _settings("pretraining", grid.pretraining, 0, "cpu")
        _settings(grid.task, grid.finetuning, 0, "cpu")
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
          "network": _TEXT, "starts": _TEXTS, "views": _TEXTS, "subjects": _COUNTS, "draws": _COUNTS,
          "pretraining": _TABLE, "finetuning": _TABLE}


def _settings(stage: str, given: dict, seed: int, device: str) -> Settings:
    """stage: pretraining, or the task of a finetuning."""
    try:
        return replace(USUAL[stage], **given, seed=seed, device=device)
    except TypeError as error:
        raise PlaneSSLError(f"A grid's pretraining and finetuning take the settings of a training; {error}.") from None


def compare(grid: Grid, out: Path, *, devices: tuple[str, ...] = ("auto",),
            report: Report = lambda event: None) -> dict:
    """Do what of the grid is not done yet, and write table.md, curve.png and results.json below `out`.

    One training after the other on each device. An interrupted one goes on from its checkpoint at the next call.
    """
    if Cohort(grid.evaluate_on).folder.resolve() == grid.cohort.resolve():  # said before an hour of work
        raise PlaneSSLError(f"The grid evaluates on the very cohort that it trains on, {grid.cohort}: name another one "
                            "as evaluate_on.")
    if not devices:
        raise PlaneSSLError("Name at least one device to compare on.")
    make_folder(out)
    _same_grid(grid, out)
    cells = list(grid.cells())
    if grid.task == "classification":
        cells = _telling(grid, cells, report)
    _each([(_pretrain, grid, out, start) for start in grid.starts if start != SCRATCH], devices, report)
    _each([(_finetune, grid, out, cell) for cell in cells], devices, report)
    return summarise(grid, out)


def _telling(grid: Grid, cells: Sequence[tuple[str, int, int]], report: Report) -> list[tuple[str, int, int]]:
    """The cells for which `finetune` draws subjects with two answers to any class; a notice tells of other draws."""
    cohort = Cohort(grid.cohort)
    labelled = labelled_subjects(cohort, grid.task)
    telling = set()
    for subjects, seed in dict.fromkeys(cell[1:] for cell in cells):
        if len(constant(cohort, draw_split(labelled, seed, subjects).train)) < len(cohort.plan.classes):
            telling.add((subjects, seed))
        else:
            report({"event": "notice", "text": f"Draw {seed} of {subjects} is left out: all its subjects give one "
                                               "answer to every class."})
    if not telling:
        raise PlaneSSLError(f"No draw from {grid.cohort} holds two answers to any class: give more subjects.")
    return [cell for cell in cells if cell[1:] in telling]


def _same_grid(grid: Grid, out: Path) -> None:
    """A folder holds one grid; more starts, subjects or draws may be added to it, other settings may not."""
    now = {key: str(value) if isinstance(value, Path) else value for key, value in asdict(grid).items()}
    for key in ("cohort", "evaluate_on"):  # by whom they hold: a folder may be moved, and be filled anew
        now[f"subjects of {key}"] = digest(*sorted(Cohort(getattr(grid, key)).pseudonyms))[:16]
    fixed = ("task", "transfer", "align", "network", "views", "pretraining", "finetuning", "subjects of cohort",
             "subjects of evaluate_on")
    if (out / "grid.json").is_file():
        before = read_json(out / "grid.json")
        differ = [f"{key}: {before.get(key)} and {now[key]}" for key in fixed
                  if (list(now[key]) if isinstance(now[key], tuple) else now[key]) != before.get(key)]
        if differ:
            raise PlaneSSLError(f"{out} holds another comparison ({'; '.join(differ)}); choose another folder.")
    write_json(out / "grid.json", now)


def _each(work: list[tuple], devices: tuple[str, ...], report: Report) -> None:
    """Call each function with its arguments and a device, as devices become free; an error ends all, soon."""
    done = 0

    def tell(name: str) -> None:
        nonlocal done
        done += 1
        report({"event": "progress", "task": "compare", "step": done, "of": len(work), "name": name})

    if len(devices) == 1:
        for call, *arguments in work:
            tell(call(*arguments, devices[0]))
        return
    with multiprocessing.get_context("spawn").Manager() as manager, processes(len(devices)) as pool:
        free, over = manager.Queue(), manager.Event()
        for device in devices:
            free.put(device)
        try:
            for finished in as_completed([pool.submit(_on_free_device, free, over, *item) for item in work]):
                tell(finished.result())
        finally:
            over.set()


def _on_free_device(free, over, call: Callable, *arguments) -> str:
    def stop_if_over(event: dict) -> None:
        if over.is_set():  # a training that stops between two steps goes on from its checkpoint
            raise PlaneSSLError("The comparison has ended.")

    device = free.get()
    try:
        return call(*arguments, device, stop_if_over)
    finally:
        free.put(device)


def _pretrain(grid: Grid, out: Path, start: str, device: str, report: Report = lambda event: None) -> str:
    run = _pretrained(out, start)
    if not Run(run).finished:
        pretrain(grid.cohort, run, tasks=tuple(start.split(",")), views=grid.views, network=grid.network,
                 settings=_settings("pretraining", grid.pretraining, 0, device), resume=True, report=report)
    return run.name


def _finetune(grid: Grid, out: Path, cell: tuple[str, int, int], device: str,
              report: Report = lambda event: None) -> str:
    start, subjects, seed = cell
    run = _finetuned(out, cell)
    if not Run(run).finished:
        finetune(grid.cohort, run, grid.task, init=None if start == SCRATCH else _pretrained(out, start),
                 transfer=grid.transfer, align=grid.align, subjects=subjects, network=grid.network,
                 settings=_settings(grid.task, grid.finetuning, seed, device), resume=True, report=report)
    if not (run / "evaluation.json").is_file():
        document = evaluate(run, grid.evaluate_on, device=device, report=report)
        if document["trained_on"]:
            raise PlaneSSLError(f"{document['trained_on']} subjects of {grid.evaluate_on} are among those that "
                                f"{run.name} was trained on: evaluate on a cohort of others.")
        write_json(run / "evaluation.json", document)
    return run.name


def _pretrained(out: Path, start: str) -> Path:
    return out / "pretraining" / start.replace(",", "+")


def _finetuned(out: Path, cell: tuple[str, int, int]) -> Path:
    start, subjects, seed = cell
    return out / "finetuning" / f"{start.replace(',', '+')}-{subjects}-{seed}"


def summarise(grid: Grid, out: Path) -> dict:
    """Table, plot and results.json of the cells that are done and of which a figure could be taken."""
    done = {cell: read_json(path) for cell in grid.cells()
            if (path := _finetuned(out, cell) / "evaluation.json").is_file()}
    classes = sorted({name for document in done.values() for name in document.get("classes", ())})
    figures = {cell: _figures(document, classes) for cell, document in done.items()}
    figures = {cell: found for cell, found in figures.items() if not np.isnan(found).all()}
    if done and not figures:
        raise PlaneSSLError(f"Nobody in {grid.evaluate_on} tells right from wrong: a figure needs subjects with and "
                            "without a class, or with outlines.")
    rows = []
    for start in grid.starts:
        for subjects in grid.subjects:
            seeds = sorted(seed for s, n, seed in figures if (s, n) == (start, subjects))
            if not seeds:
                continue
            means = [np.nanmean(figures[start, subjects, seed]) for seed in seeds]
            row = {"start": start, "subjects": subjects, "draws": len(seeds), "mean": float(np.mean(means)),
                   "sd": float(np.std(means, ddof=1)) if len(seeds) > 1 else 0.0}
            paired = [figures[start, subjects, seed] - figures[SCRATCH, subjects, seed]
                      for seed in seeds if (SCRATCH, subjects, seed) in figures]
            if start != SCRATCH and paired:
                row |= {"gain": float(np.nanmean(paired))}
                if grid.task == "segmentation":  # one figure a class is no sample of anything
                    row |= {"gain_interval": paired_interval(np.array(paired))}
            rows.append(row)
    runs = {_finetuned(out, cell).name: {"config": Run(_finetuned(out, cell)).config, "evaluation": document}
            for cell, document in done.items()}
    results = {"grid": read_json(out / "grid.json"), "table": rows, "runs": runs}
    write_json(out / "results.json", results)
    write_text(out / "table.md", table_text(rows))
    _plot(rows, out / "curve.png", "mean Dice" if grid.task == "segmentation" else "mean AUC")
    return results


def _figures(evaluation: dict, classes: Sequence[str]) -> np.ndarray:
    """What is compared: a subject's mean Dice each, or the AUC of each of these classes; NaN for one not learnt."""
    found = evaluation["per_subject"] if "per_subject" in evaluation else [
        evaluation["classes"].get(name, {}).get("auc") for name in classes]
    return np.array([np.nan if figure is None else figure for figure in found])


def paired_interval(differences: np.ndarray, seed: int = 0, rounds: int = 4000) -> tuple[float, float]:
    """95 % interval of the mean of (draws, subjects) differences, resampling draws and subjects.

    The subjects are the same in every draw, and so they are resampled. Each start is pretrained once: how much another
    pretraining would give, the interval does not tell.
    """
    rng = np.random.default_rng(seed)
    draws, subjects = differences.shape
    means = [np.nanmean(differences[rng.integers(draws, size=draws)][:, rng.integers(subjects, size=subjects)])
             for _ in range(rounds)]
    low, high = np.percentile(means, [2.5, 97.5])
    return float(low), float(high)


def _most_draws(rows: list[dict]) -> dict[int, int]:
    """By numbers of labelled subjects, the draws of the start that has most: the others are not done with theirs."""
    most: dict[int, int] = {}
    for row in rows:
        most[row["subjects"]] = max(row["draws"], most.get(row["subjects"], 0))
    return most


def table_text(rows: list[dict]) -> str:
    """The table in Markdown: one row a start, one column a number of labelled subjects."""
    counts = sorted({row["subjects"] for row in rows})
    most = _most_draws(rows)
    lines = ["| start | " + " | ".join(f"{n} labelled" for n in counts) + " |", "|---" * (len(counts) + 1) + "|"]
    for start in dict.fromkeys(row["start"] for row in rows):
        cells = []
        for n in counts:
            row = next((r for r in rows if (r["start"], r["subjects"]) == (start, n)), None)
            text = "" if row is None else f"{row['mean']:.3f}"
            if row and row["draws"] > 1:
                text += f" ± {row['sd']:.3f}"
            if row and row["draws"] < most[n]:  # a mean over easier draws is no better start
                text += f", {row['draws']} of {most[n]} draws"
            if row and "gain" in row:
                interval = ", {:+.3f} to {:+.3f}".format(*row["gain_interval"]) if "gain_interval" in row else ""
                text += f" ({row['gain']:+.3f}{interval})"
            cells.append(text)
        lines.append(f"| {start} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def _plot(rows: list[dict], path: Path, quantity: str) -> None:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 4), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    starts, counts = list(dict.fromkeys(row["start"] for row in rows)), sorted({row["subjects"] for row in rows})
    most = _most_draws(rows)
    for n, start in enumerate(starts):
        of_start = [row for row in rows if row["start"] == start]
        partly = any(row["draws"] < most[row["subjects"]] for row in of_start)
        how = {"linestyle": "none", "label": f"{start}, not all draws"} if partly else {"label": start}
        aside = 0.06 * (n - (len(starts) - 1) / 2)  # beside each other, so that no bar hides another
        axes.errorbar([counts.index(r["subjects"]) + aside for r in of_start], [r["mean"] for r in of_start],
                      [r["sd"] for r in of_start], marker="o", capsize=3, **how)
    axes.set(xlabel="labelled subjects", ylabel=quantity, xlim=(-0.5, len(counts) - 0.5))
    axes.set_xticks(range(len(counts)), counts)
    axes.grid(alpha=0.3)
    axes.legend()
    with replacing(path) as side:
        figure.savefig(side, dpi=150)
