"""The pictures of the README: `python benchmarks/pictures.py` writes them into Resources/Screenshots.

A made-up heart, a made-up knee and, where PLANESSL_DATA names the folder of the real data, the pig's heart (CC0).
"""
from __future__ import annotations

import os
import tempfile
from pathlib import Path

from PlaneSSLLib import scene
from PlaneSSLLib.phantom import write_phantoms
from PlaneSSLLib.study import read_study

HOUSE = Path(__file__).resolve().parents[1]


def main() -> None:
    scene.start()
    with tempfile.TemporaryDirectory() as folder:
        studies = {anatomy: write_phantoms(anatomy, 1, seed, Path(folder))[0]
                   for anatomy, seed in (("heart", 2), ("knee", 7))}
        pig = Path(os.environ.get("PLANESSL_DATA", HOUSE.parent / "shared" / "data"), "heart-pig")
        if pig.is_dir():
            studies["pig"] = pig
        for name, study in studies.items():
            scene.clear()
            drawing = scene.draw_study(read_study(study))
            path = HOUSE / "Resources" / "Screenshots" / f"{name}.png"
            print(scene.save_figure(drawing, path, size=(1280, 720), overwrite=True))


if __name__ == "__main__":
    main()
