"""A finetuned heart run on studies that others outlined: Dice, volumes and ejection fraction, whatever they are.

heart-sunnybrook: two people, end-diastole and end-systole drawn by hand. heart-pig: a pig, ten phases drawn by a
program, and an organ that no human run was trained on. A structure's Dice is over all outlined images of a subject; the
wall lies between the outlines. Volumes are compared in the phases that are outlined. Real data is looked for in
PLANESSL_DATA.

    python benchmarks/contours.py RUN [DEVICE]      prints one JSON object
"""
from __future__ import annotations

import json
import os
import sys
from collections import Counter, defaultdict
from pathlib import Path

import machine
import numpy as np
from matplotlib.path import Path as Outline

from PlaneSSLLib import calls
from PlaneSSLLib.prediction.measuring import slice_widths
from PlaneSSLLib.study import read_study

ROOT = Path(__file__).resolve().parents[1]
DATA = Path(os.environ.get("PLANESSL_DATA", ROOT.parent / "shared" / "data"))
# Images, outlines: IM-0001-NNNN-[io]contour-*.txt belongs to the image whose name holds the number NNNN.
SUBJECTS = {
    "human 1": ("heart-sunnybrook/SCD0000101", "heart-sunnybrook/contours/SC-HF-I-1"),
    "human 2": ("heart-sunnybrook/SCD0000201", "heart-sunnybrook/contours/SC-HF-I-2"),
    "pig": ("heart-pig/sax", "heart-pig/contours"),
}


def outlines(folder: Path, kind: str) -> dict[int, np.ndarray]:
    """Image number -> (n, 2) pixels (column, row)."""
    return {int(file.name[8:12]): np.loadtxt(file) for file in folder.rglob(f"IM-0001-*-{kind}contour-*.txt")}


def filled(outline: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    rows, columns = np.indices(shape)
    outline = outline + 1e-6  # a centre on the line belongs to one side of it
    return Outline(outline).contains_points(np.stack([columns, rows], axis=-1).reshape(-1, 2)).reshape(shape)


def compare(run: str, device: str, images: Path, drawn: Path) -> dict:
    (stack,) = read_study(images).stacks
    (found,) = (results := calls.segment(run, images, stack=stack.id, clean=True, device=device)).stacks
    values = {label.name: label.value for label in results.anatomy.labels}
    inner, outer = outlines(drawn, "i"), outlines(drawn, "o")
    widths = slice_widths(stack)
    both, either = Counter(), Counter()
    volumes = {"drawn": defaultdict(float), "found": defaultdict(float)}
    for i in range(len(stack.planes)):
        pixel_ml = widths[i] * np.prod(stack.planes[i].spacing) / 1000
        for k, frame in stack.acquired(i).items():
            number = int("".join(filter(str.isdigit, frame.source.file.stem)))
            if number not in inner:
                continue
            cavity = filled(inner[number], stack.planes[i].shape)
            truth = {"LV": cavity}
            if number in outer:
                truth["MYO"] = filled(outer[number], cavity.shape) & ~cavity
            for name, mask in truth.items():
                mine = found.labels[k][i] == values[name]
                both[name] += 2 * int((mask & mine).sum())
                either[name] += int(mask.sum() + mine.sum())
            volumes["drawn"][k] += float(cavity.sum() * pixel_ml)
            volumes["found"][k] += float((found.labels[k][i] == values["LV"]).sum() * pixel_ml)
    ejection = {who: 100 * (1 - min(of.values()) / max(of.values())) for who, of in volumes.items()}
    return {"dice": {name: round(both[name] / either[name], 3) for name in either},
            "largest_lv_ml": {who: round(max(of.values()), 1) for who, of in volumes.items()},
            "lv_ejection_percent": {who: round(percent, 1) for who, percent in ejection.items()}}


def main() -> None:
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    device = sys.argv[2] if len(sys.argv) > 2 else "auto"
    print(json.dumps({
        "what": "a run against outlines that it has not seen",
        "subjects": {name: compare(sys.argv[1], device, DATA / images, DATA / drawn)
                     for name, (images, drawn) in SUBJECTS.items()},
        "machine": machine.describe(),
    }, indent=1))


if __name__ == "__main__":
    main()
