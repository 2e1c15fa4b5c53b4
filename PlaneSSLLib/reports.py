"""A run's page: its curves, and what it predicts."""
from __future__ import annotations

from pathlib import Path

from .cohort import Cohort
from .files import read_figures
from .page import write_page
from .training.curves import draw_curves
from .training.pictures import draw_predicted_lines, draw_predicted_outlines
from .training.run import Run


def write_report(run_folder: Path, cohort_folder: Path) -> Path:
    """report.html in the run's folder, with the pictures it shows beside it."""
    run = Run.open(run_folder)
    config = run.config
    pictures = [(draw_curves({config["task"]: run_folder}, run_folder / "curves.png", config["task"]),
                 "Losses on augmented training images, errors on validation images.")]
    cohort = Cohort(cohort_folder, run.only_sequences)
    outlines = draw_predicted_outlines(run, cohort, run_folder / "outlines.png")
    if outlines is not None:
        pictures.append((outlines, "Patients whose outlines were not seen: true ones solid, predicted ones dashed."))
    lines = draw_predicted_lines(run, cohort, run_folder / "lines.png")
    if lines is not None:
        pictures.append((lines, "Patients held out: true lines solid, predicted ones dashed, over the heatmaps."))
    rows = [[name.replace("_", " "), int(value) if name == "epoch" else float(value)]
            for name, value in read_figures(run_folder).items()]
    split = run.split
    text = (f"{config['task']}, network {config['network']}, {len(split.train)} subjects to train on, "
            f"{len(split.validation)} to validate on. Losses are those of the last epoch, errors those of the weights "
            "that were kept.")
    return write_page(run_folder / "report.html", run_folder.name, text, ["", "figure"], rows, pictures)
