"""The whole idea on made-up patients: planes, free labels, few outlines, a segmentation in a scene."""
from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from . import PlaneSSLError, anatomy
from .console import table
from .events import Report, notice, progress, silent
from .files import make_folder, refuse_existing, write_json
from .page import write_page


@dataclass(frozen=True)
class Size:
    """How much of everything: made for five minutes on two CPU cores."""

    pool: int = 20
    unseen: int = 4
    labelled: int = 2
    phases: int = 2
    pretraining_epochs: int = 8
    finetuning_epochs: int = 3
    batch: int = 8


SIZES = {"heart": Size(), "knee": Size(pretraining_epochs=3, finetuning_epochs=4)}  # a knee's grid is larger


def run_demo(anatomy_name: str, out: Path, *, overwrite: bool = False, size: Size | None = None,
             report: Report = silent) -> dict:
    """Make phantoms, draw one, pretrain, finetune from that and from scratch, compare, segment; all below `out`.

    Returns {"rows": [[structure, Dice from scratch, Dice pretrained]], "table": text, "scene", "report"}. Nothing in it
    is foregone: where pretraining loses, the table says so.
    """
    from .cohort import prepare
    from .phantom import write_phantoms
    from .prediction.evaluating import evaluate
    from .study import read_study
    from .training.finetuning import finetune
    from .training.pretraining import pretrain
    from .training.settings import Settings

    size = size or SIZES[anatomy_name]
    refuse_existing(out, overwrite)
    if out.exists() and any(out.iterdir()) and not (out / "demo.json").is_file():
        raise PlaneSSLError(f"{out} is not empty and holds no demo; choose another folder.")
    make_folder(out)
    write_json(out / "demo.json", {"anatomy": anatomy_name})
    jobs = os.cpu_count() or 1

    def step(text: str) -> None:
        notice(report, text)

    step(f"Making {size.pool + size.unseen} made-up patients ...")
    folders = {}
    for part, count, seed in (("pool", size.pool, 1), ("unseen", size.unseen, 2)):
        folders[part] = write_phantoms(
            anatomy_name, count, seed, out / "studies" / part, phases=size.phases, overwrite=True, jobs=jobs,
            report=lambda done, of: progress(report, "phantoms", done, of))

    step("Drawing one that nobody trains on ...")
    shown = read_study(folders["unseen"][0], anatomy=anatomy_name)
    pictures = _draw(shown, out, report)

    step("Preparing the cohorts ...")
    for part, studies in folders.items():
        _empty(out / "cohorts" / part)
        prepare(studies, anatomy_name, out / "cohorts" / part, jobs=jobs, report=report,
                names_of=None if part == "pool" else out / "cohorts" / "pool")

    step("Pretraining on crossing lines and slice locations: no outline is used ...")
    # There are but minutes: of a heart only those images learn that can then be laid alike by what they show.
    laid = tuple(view.name for view in anatomy.load(anatomy_name).views if view.pose)
    pretrain(out / "cohorts" / "pool", out / "runs" / "pretrained", views=laid, overwrite=True, report=report,
             settings=Settings(epochs=size.pretraining_epochs, batch=size.batch, coarse=0.5, validate_every=4))

    figures = {}
    for name, init in (("scratch", None), ("from pretrained", out / "runs" / "pretrained")):
        step(f"Finetuning on {size.labelled} outlined patients, {name} ...")
        run = out / "runs" / name.replace(" ", "-")
        finetune(out / "cohorts" / "pool", run, init=init, subjects=size.labelled, overwrite=True, report=report,
                 settings=Settings(epochs=size.finetuning_epochs, batch=size.batch, coarse=0.5))
        figures[name] = evaluate(run, out / "cohorts" / "unseen", report=report)["structures"]

    rows = [[label.title, *(figures[name].get(label.name, {"dice": {"mean": 0.0}})["dice"]["mean"] for name in figures)]
            for label in anatomy.load(anatomy_name).labels]
    rows.append(["mean", *(sum(row[i] for row in rows) / len(rows) for i in (1, 2))])
    text = table(["Dice", *figures], rows)

    step("Segmenting the patient that was drawn ...")
    pictures += _segment(shown, out, report)
    pictures += _curves(out)
    page = write_page(out / "report.html", f"PlaneSSL demo: {anatomy_name}", _introduction(size),
                      ["Dice", *figures], rows, pictures)
    document = {"rows": rows, "table": text, "scene": str(out / "scene.mrb"), "report": str(page)}
    write_json(out / "demo.json", {"anatomy": anatomy_name, **document})
    return document


def _introduction(size: Size) -> str:
    return (f"{size.pool} made-up patients pretrain, {size.labelled} of them have outlines, "
            f"{size.unseen} others are measured. A demonstration of a few minutes, not evidence: "
            "see the benchmarks for that.")


def _draw(shown, out: Path, report: Report) -> list[tuple[Path, str]]:
    """The study's planes and lines as a picture, where the machine can render."""
    from . import scene as scenes

    scenes.start()
    drawing = scenes.draw_study(shown)
    return _picture(drawing, out / "planes.png", "All acquired planes and the lines in which they cut.", report)


def _segment(shown, out: Path, report: Report) -> list[tuple[Path, str]]:
    """Segment the study with the pretrained run, into scene.mrb and a picture."""
    from . import calls
    from . import scene as scenes

    drawing = calls.show(calls.segment(out / "runs" / "from-pretrained", shown.folder, clean=True, report=report))
    scenes.save_scene(out / "scene.mrb", overwrite=True)
    return _picture(drawing, out / "segmentation.png",
                    "The segmentation of a patient nobody trained on: the largest piece of each structure.", report)


def _picture(drawing, path: Path, caption: str, report: Report) -> list[tuple[Path, str]]:
    from . import scene as scenes

    try:
        scenes.save_figure(drawing, path, overwrite=True)
    except scenes.NoOpenGL as error:
        notice(report, str(error))
        return []
    return [(path, caption)]


def _curves(out: Path) -> list[tuple[Path, str]]:
    from .training.curves import draw_curves

    runs = out / "runs"
    return [
        (draw_curves({"pretrained": runs / "pretrained"}, out / "pretraining.png", "Pretraining"),
         "Pretraining: losses, and errors on patients held out."),
        (draw_curves({"scratch": runs / "scratch", "from pretrained": runs / "from-pretrained"},
                     out / "finetuning.png", "Finetuning"), "Finetuning: losses from both starts.")]


def _empty(folder: Path) -> None:
    """Remove an earlier demo's cohort; its name says that it is one."""
    import shutil

    if (folder / "plan.json").is_file():
        shutil.rmtree(folder)
