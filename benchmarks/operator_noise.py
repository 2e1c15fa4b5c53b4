"""How far a perfect predictor is off on made-up hearts: planes are laid by a hand that is not steady.

The predictor knows each heart exactly and answers where a plane of its view belongs; true is where the phantom's
operator laid it (`phantom.heart_protocol`). Every slice of every series counts, as in `planessl evaluate`. No network
can do better than this but by knowing the operator.

    python benchmarks/operator_noise.py [HEARTS]          prints one JSON object
    python benchmarks/operator_noise.py HEARTS RUN        and how far a pretrained run is off on the same hearts, where
                                                          the operator's hand is steady (as it learnt, it was not)
"""
from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

import machine
import numpy as np

from PlaneSSLLib import anatomy
from PlaneSSLLib.cohort import Cohort, prepare
from PlaneSSLLib.geometry import Plane, distance_to_lines, line_errors, lines_hit, lines_in_image
from PlaneSSLLib.phantom import heart_protocol, write_phantoms
from PlaneSSLLib.phantom.heart import VIEW_ANGLES, Heart
from PlaneSSLLib.phantom.heart_protocol import heart_series
from PlaneSSLLib.prediction.pretext import evaluate_pretext
from PlaneSSLLib.study import Naming, Stack
from PlaneSSLLib.study.targets import stack_targets
from PlaneSSLLib.training.run import Run

SEED, STEADY_HEIGHT = 2, 0.475  # of the seeds in phantom-hearts.toml that of the unseen ones; the mean over operators


def where_it_belongs(heart: Heart, view: str) -> Plane:
    """The plane of a view without the operator's tilt, turn and shift; its extent does not matter."""
    along = heart.frame.axes[2]
    if view == "SAX":
        normal = along
    else:
        angle = np.radians(VIEW_ANGLES[view])
        normal = heart.frame.axes.T @ [-np.sin(angle), np.cos(angle), 0]
    row = np.cross(normal, heart.frame.axes[0] + 0.5 * heart.frame.axes[1] + 0.25 * along)
    row /= np.linalg.norm(row)
    centre = heart.frame.to_lps([0, 0, STEADY_HEIGHT * heart.parameters.length])
    return Plane(centre, row, np.cross(normal, row), (1.0, 1.0), (2, 2))


def errors(index: int) -> dict[str, list[float]]:
    """angle_deg and offset_mm of every line in every image of one heart."""
    heart = Heart.draw(np.random.default_rng([SEED, index, 0]))
    of_heart = anatomy.load("heart")
    stacks = [Stack(str(series.number), tuple(sorted(series.planes, key=lambda p: p.position @ p.normal)), (),
                    Naming(series.view, 1.0), localizer=series.localizer, frame_of_reference="1")
              for series in heart_series(heart, 1, np.random.default_rng([SEED, index, 1])) if series.view]
    found: dict[str, list[float]] = {"angle_deg": [], "offset_mm": []}
    for s, stack in enumerate(stacks):
        for plane, target in zip(stack.planes, stack_targets(of_heart, stacks, s), strict=True):
            for name, true, middle in zip(of_heart.targets, target.lines[:, 0], target.middles[:, 0], strict=True):
                if lines_hit(true[None], plane.shape).any():
                    answer = lines_in_image(plane, [where_it_belongs(heart, name.partition(":")[0])])
                    found["angle_deg"] += line_errors(answer, true[None], plane.shape, plane.spacing)[0].tolist()
                    found["offset_mm"] += np.abs(distance_to_lines(answer, middle[None], plane.spacing)).tolist()
    return found


def on_steady_hearts(run: Path, hearts: int) -> dict:
    """The metrics of `planessl evaluate` on hearts whose planes lie where they belong, but for the stack's height."""
    for name in ("TILT_DEG", "SHIFT_MM", "TURN_DEG", "SCOUT_TILT_DEG", "SCOUT_SHIFT_MM"):
        setattr(heart_protocol, name, 0.0)
    with tempfile.TemporaryDirectory() as folder:
        studies, cohort = Path(folder, "studies"), Path(folder, "cohort")
        write_phantoms("heart", hearts, SEED, studies, phases=2)
        prepare([studies], "heart", cohort)
        opened = Cohort(cohort)
        return evaluate_pretext(Run.open(run), opened, opened.pseudonyms)["metrics"]


def main() -> None:
    hearts = int(sys.argv[1]) if len(sys.argv) > 1 else 60
    found = {"angle_deg": [], "offset_mm": []}
    for index in range(hearts):
        for name, values in errors(index).items():
            found[name] += values
    print(json.dumps({
        "what": f"how far the operator of {hearts} made-up hearts is off, and with him a perfect predictor",
        **{name: {"median": round(float(np.median(values)), 2), "n": len(values)} for name, values in found.items()},
        "a run, where the operator is steady": on_steady_hearts(Path(sys.argv[2]), hearts) if sys.argv[2:] else None,
        "machine": machine.describe(),
    }, indent=1))


if __name__ == "__main__":
    main()
