"""How long Slicer's windows stand still while the panel works: at most 100 ms beside a job, 500 ms for a result.

A made-up heart of 25 phases, with surfaces of all of them, on stand-ins for Slicer's widgets: Slicer's own rendering
and its observers come on top. A timer ticks every 5 ms; what counts is the longest time between two ticks, and of three
runs the best, since other work on a machine only slows.

    QT_QPA_PLATFORM=offscreen python benchmarks/panel.py      prints one JSON object
"""
from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

import machine
import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "Testing" / "module")]
PHASES = 25
LIMITS = {"reading_ms": 100.0, "drawing_ms": 500.0, "segmentation_ms": 500.0, "measuring_ms": 500.0}


def truth(folder: Path, out: Path) -> Path:
    """The outlines of a made-up study, as planessl segment would keep what it found."""
    from PlaneSSLLib.anatomy import load
    from PlaneSSLLib.prediction.results import Results, SegmentedStack
    from PlaneSSLLib.study import read_labels, read_study

    study = read_study(folder)
    stacks = []
    for stack in study.stacks:
        labels = {(label.phase, i): np.uint8(image) for label in study.labels if label.stack == stack.id
                  for i, image in enumerate(read_labels(label, stack))}
        if labels:
            stacks.append(SegmentedStack.of(stack, labels))
    Results(study, load("heart"), tuple(stacks)).save(out)
    return out


def main() -> None:
    import standins

    standins.install()
    import PlaneSSL
    import slicer

    import qt
    from PlaneSSLLib import anatomy, scene
    from PlaneSSLLib.phantom import write_phantoms
    from PlaneSSLLib.prediction.results import Results
    from Testing.module.using import longest_stand_still

    parent = slicer.qMRMLWidget()
    parent.setLayout(qt.QVBoxLayout())
    panel = PlaneSSL.PlaneSSLWidget(parent)
    panel.setup()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as root:
        write_phantoms("heart", 1, 5, Path(root, "hearts"), phases=PHASES)
        folder = next(path for path in sorted(Path(root, "hearts").iterdir()) if path.is_dir())
        found = truth(folder, Path(root, "found.npz"))
        panel.ui.studyFolder.currentPath = str(folder)

        def show() -> None:
            study = panel.logic.studies()[-1]
            drawing = panel.logic.drawing(study)
            results = Results.load(found, drawing.now.acquired, anatomy.load("heart"))

            def steps():
                for one in results.stacks:
                    yield from scene.segmentation_steps(drawing, one.stack, one.labels, results.anatomy.labels, True,
                                                        one.phases)

            panel.running.steps("Showing", steps(), lambda: None)

        works = {"reading_ms": panel.ui.readButton.click, "drawing_ms": panel.ui.drawButton.click,
                 "segmentation_ms": show, "measuring_ms": panel.ui.measureButton.click}
        turns = {name: [] for name in works}
        for _ in range(3):
            for name, work in works.items():
                turns[name].append(1e3 * longest_stand_still(panel, slicer, work, within_s=300))
    panel.cleanup()
    measured = {name: min(times) for name, times in turns.items()}
    print(json.dumps({
        "measured": measured, "limits": LIMITS, "phases": PHASES,
        "ratios": {name: measured[name] / limit for name, limit in LIMITS.items()},
        "within_limits": all(measured[name] <= limit for name, limit in LIMITS.items()),
        "machine": machine.describe(),
    }, indent=1))


if __name__ == "__main__":
    main()
