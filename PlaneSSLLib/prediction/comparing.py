"""A grid of finetunings from several starts: the evidence, in one resumable command."""
from __future__ import annotations

import multiprocessing
import warnings
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import as_completed
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

import numpy as np

from .. import PlaneSSLError
from ..cohort import Cohort, draw_split, namings
from ..cohort.store import digest
from ..events import Report, notice, silent
from ..files import make_folder, read_json, replacing, write_json, write_text
from ..pools import processes
from ..training.finetuning import finetune
from ..training.pretraining import pretext_task, pretrain
from ..training.run import Run
from ..training.subjects import SAME_NAMES, labelled_subjects
from ..training.tasks.classification import constant
from .evaluating import evaluate
from .grid import SCRATCH, Grid, settings_of


def compare(grid: Grid, out: Path, *, devices: tuple[str, ...] = ("auto",),
            report: Report = silent) -> dict:
    """Do what of the grid is not done yet, and write table.md, curve.png and results.json below `out`.

    One training after the other on each device. An interrupted one goes on from its checkpoint at the next call.
    """
    if not devices:
        raise PlaneSSLError("Name at least one device to compare on.")
    cohort, others = (Cohort(folder, grid.sequences) for folder in (grid.cohort, grid.evaluate_on))
    _require_able(grid, cohort, others, report)
    cells = list(grid.cells())
    if grid.task == "classification":
        cells = _telling(grid, cohort, cells, report)
    make_folder(out)
    _same_grid(grid, cohort, others, out)
    try:
        _each([(_pretrain, grid, out, start) for start in grid.starts if start != SCRATCH], devices, report)
        _each([(_finetune, grid, out, cell) for cell in cells], devices, report)
    except PlaneSSLError:
        with suppress(PlaneSSLError):  # a table of what is done is not lost with what has failed
            if any((_finetuned(out, cell) / "evaluation.json").is_file() for cell in cells):
                summarise(grid, out)
        raise
    return summarise(grid, out)


def _require_able(grid: Grid, cohort: Cohort, others: Cohort, report: Report) -> None:
    """PlaneSSLError for what would be refused after hours of work."""
    if others.folder.resolve() == cohort.folder.resolve():
        raise PlaneSSLError(f"The grid evaluates on the very cohort that it trains on, {grid.cohort}: name another one "
                            "as evaluate_on.")
    others.plan.require_same(cohort.plan, f"The cohort {grid.evaluate_on}", f"the cohort {grid.cohort}")
    for start in grid.starts:
        if start != SCRATCH:
            pretext_task(tuple(start.split(",")), cohort, grid.views)
    labelled = cohort.by_patient(labelled_subjects(cohort, grid.task))
    evaluated = labelled_subjects(others, grid.task)
    drawn = {cohort.studies[name].patient for _, subjects, seed in grid.cells()
             for name in draw_split(labelled, seed, subjects).train}
    if not namings(others.pseudonyms) <= namings(cohort.pseudonyms):
        notice(report, f"Whether some subjects of {grid.evaluate_on} are among those of "
                       f"{grid.cohort} cannot be told. {SAME_NAMES}")
    if both := drawn & {others.studies[name].patient for name in evaluated}:
        raise PlaneSSLError(f"{len(both)} subjects of {grid.evaluate_on} are among those that are drawn from "
                            f"{grid.cohort} to train on: evaluate on a cohort of others.")
    if grid.task == "classification" and len(constant(others, evaluated)) == len(others.plan.classes):
        raise PlaneSSLError(f"In {grid.evaluate_on} no class has subjects with and without it, so that no area under "
                            "the curve can be computed.")


def _telling(grid: Grid, cohort: Cohort, cells: Sequence[tuple[str, int, int]],
             report: Report) -> list[tuple[str, int, int]]:
    """The cells for which `finetune` draws subjects with two answers to any class; a notice tells of other draws."""
    labelled = cohort.by_patient(labelled_subjects(cohort, grid.task))
    telling = set()
    for subjects, seed in dict.fromkeys(cell[1:] for cell in cells):
        if len(constant(cohort, draw_split(labelled, seed, subjects).train)) < len(cohort.plan.classes):
            telling.add((subjects, seed))
        else:
            notice(report, f"Draw {seed} of {subjects} is left out: all its subjects give one "
                           "answer to every class.")
    if not telling:
        raise PlaneSSLError(f"No draw from {grid.cohort} holds two answers to any class: give more subjects.")
    return [cell for cell in cells if cell[1:] in telling]


def _same_grid(grid: Grid, cohort: Cohort, others: Cohort, out: Path) -> None:
    """A folder holds one grid; more starts, subjects or draws may be added to it, other settings may not.

    Nor may the cohorts' subjects, or what is known of them: a draw would be of others, and figures of two starts would
    not be of the same answers.
    """
    now = {key: str(value) if isinstance(value, Path) else value for key, value in asdict(grid).items()}
    fixed = ["task", "transfer", "align", "network", "views", "sequences", "pretraining", "finetuning"]
    for key, one in (("cohort", cohort), ("evaluate_on", others)):  # not where it lies: a folder may be moved
        now[f"subjects of {key}"] = digest(*sorted(one.pseudonyms))[:16]
        now[f"labels of {key}"] = _labels_of(one, grid.task)
        fixed += [f"subjects of {key}", f"labels of {key}"]
    if (out / "grid.json").is_file():
        before = read_json(out / "grid.json")
        differ = [f"the {key} have changed" if " of " in key else f"{key}: {before.get(key)} and {now[key]}"
                  for key in fixed
                  if (list(now[key]) if isinstance(now[key], tuple) else now[key]) != before.get(key, [])]
        if differ:
            raise PlaneSSLError(f"{out} holds another comparison ({'; '.join(differ)}); choose another folder.")
    write_json(out / "grid.json", now)


def _labels_of(cohort: Cohort, task: str) -> str:
    """What stands for the labelled studies of a cohort, in the order from which they are drawn, whose they are, and
    their labels.
    """
    studies = [cohort.studies[name] for name in labelled_subjects(cohort, task)]
    labels = [study.outlines() if task == "segmentation" else sorted(study.classes.items()) for study in studies]
    return digest(*(f"{study.pseudonym} {study.patient} {of_study}"
                    for study, of_study in zip(studies, labels, strict=True)))[:16]


def _each(work: list[tuple], devices: tuple[str, ...], report: Report) -> None:
    """Call each function with its arguments and a device, as devices become free; an error ends all, soon.

    Of their notices each is told once: most are the same of every run.
    """
    done, told = 0, set()

    def tell(notices: Iterable[str], name: str) -> None:
        nonlocal done
        for text in notices:
            if text not in told:
                notice(report, f"{name}: {text}")
            told.add(text)
        done += 1
        report({"event": "progress", "task": "compare", "step": done, "of": len(work), "name": name})

    if len(devices) == 1:
        for call, *arguments in work:
            notices: list[str] = []
            name = call(*arguments, devices[0], _noting(notices.append))
            tell(notices, name)
        return
    with multiprocessing.get_context("spawn").Manager() as manager, processes(len(devices)) as pool:
        free, over = manager.Queue(), manager.Event()
        for device in devices:
            free.put(device)
        try:
            for finished in as_completed([pool.submit(_on_free_device, free, over, *item) for item in work]):
                tell(*finished.result())
        finally:
            over.set()


def _noting(note: Callable[[str], None]) -> Report:
    return lambda event: note(event["text"]) if event["event"] == "notice" else None


def _on_free_device(free, over, call: Callable, *arguments) -> tuple[list[str], str]:
    """The notices of a run, and its name."""
    notices: list[str] = []
    note = _noting(notices.append)

    def hear(event: dict) -> None:
        if over.is_set():  # a training that stops between two steps goes on from its checkpoint
            raise PlaneSSLError("The comparison has ended.")
        note(event)

    device = free.get()
    try:
        return notices, call(*arguments, device, hear)
    finally:
        free.put(device)


def _pretrain(grid: Grid, out: Path, start: str, device: str, report: Report) -> str:
    run = _pretrained(out, start)
    if not Run(run).finished:
        pretrain(grid.cohort, run, tasks=tuple(start.split(",")), views=grid.views, sequences=grid.sequences,
                 network=grid.network, settings=settings_of("pretraining", grid.pretraining, 0, device), resume=True,
                 report=report)
    return run.name


def _finetune(grid: Grid, out: Path, cell: tuple[str, int, int], device: str, report: Report) -> str:
    start, subjects, seed = cell
    run = _finetuned(out, cell)
    if not Run(run).finished:
        finetune(grid.cohort, run, grid.task, init=None if start == SCRATCH else _pretrained(out, start),
                 transfer=grid.transfer, align=grid.align, sequences=grid.sequences, subjects=subjects,
                 network=grid.network, settings=settings_of(grid.task, grid.finetuning, seed, device), resume=True,
                 report=report)
    if not (run / "evaluation.json").is_file():
        write_json(run / "evaluation.json", evaluate(run, grid.evaluate_on, device=device, report=report))
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
        raise PlaneSSLError(f"No figure can be computed on {grid.evaluate_on}: it needs subjects with and without a "
                            "class, or with outlines.")
    rows = []
    for start in grid.starts:
        for subjects in grid.subjects:
            seeds = sorted(seed for s, n, seed in figures if (s, n) == (start, subjects))
            if not seeds:
                continue
            means = [np.nanmean(figures[start, subjects, seed]) for seed in seeds]
            row = {"start": start, "subjects": subjects, "draws": len(seeds), "mean": float(np.mean(means)),
                   "sd": float(np.std(means, ddof=1)) if len(seeds) > 1 else 0.0}
            paired = [_paired(out, figures, (start, subjects, seed), (SCRATCH, subjects, seed))
                      for seed in seeds if start != SCRATCH and (SCRATCH, subjects, seed) in figures]
            if paired and not np.isnan(paired).all():
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


def _paired(out: Path, figures: dict, one: tuple[str, int, int], other: tuple[str, int, int]) -> np.ndarray:
    """By what one cell is ahead of another, figure by figure; PlaneSSLError where they are not of the same subjects."""
    runs = [_finetuned(out, cell) for cell in (one, other)]
    if Run(runs[0]).split != Run(runs[1]).split or figures[one].shape != figures[other].shape:
        raise PlaneSSLError(f"{runs[0]} and {runs[1]} were trained or evaluated on different subjects, and cannot be "
                            "compared: delete the older one, and compare again.")
    return figures[one] - figures[other]


def _figures(evaluation: dict, classes: Sequence[str]) -> np.ndarray:
    """What is compared: a subject's mean Dice each, or the AUC of each of these classes; NaN for one not learnt."""
    found = evaluation["per_subject"] if "per_subject" in evaluation else [
        evaluation["classes"].get(name, {}).get("auc") for name in classes]
    return np.array([np.nan if figure is None else figure for figure in found])


def paired_interval(differences: np.ndarray, seed: int = 0, rounds: int = 4000) -> tuple[float, float]:
    """95 % interval of the mean of (draws, subjects) differences, resampling draws and subjects.

    The subjects are the same in every draw, and so they are resampled; NaN is left out, and so is a subject that has
    nothing else. Each start is pretrained once: how much another pretraining would give, the interval does not tell.
    """
    rng = np.random.default_rng(seed)
    differences = differences[:, ~np.isnan(differences).all(0)]
    draws, subjects = differences.shape
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of resamples in which all is NaN
        means = [np.nanmean(differences[rng.integers(draws, size=draws)][:, rng.integers(subjects, size=subjects)])
                 for _ in range(rounds)]
    low, high = np.nanpercentile(means, [2.5, 97.5])
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
