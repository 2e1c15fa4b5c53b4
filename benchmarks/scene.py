"""Studies in the scene: how long until they are drawn, and how fast the lines follow a plane in hand.

- heart-multiview: read and drawn in at most 0.5 s; the whole `planessl scene` process at most 3 s, under 1 GB.
- A study of 200 planes and 10,000 lines is drawn; how long a frame of its 3D view takes is measured beside it (in
  software here: a graphics card is far faster).
- From the move of a plane in hand to the new geometry: at most 5 ms with 20 planes, at most 20 ms with 200, a 3D view's
  displayable managers attached; and as much with three slice views that follow, too, one of them on the plane's stack.

Real data is looked for in PLANESSL_DATA. The better of several runs counts, since other work on a machine only slows.

    python benchmarks/scene.py      prints one JSON object
"""
from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import machine
import numpy as np

ROOT = Path(__file__).resolve().parents[1]
DATA = Path(os.environ.get("PLANESSL_DATA", ROOT.parent / "shared" / "data"))
LIMITS = {"read_and_draw_s": 0.5, "process_s": 3.0, "process_mb": 1000.0, "move_20_planes_ms": 5.0,
          "move_200_planes_ms": 20.0, "move_20_planes_three_slice_views_ms": 5.0,
          "move_200_planes_three_slice_views_ms": 20.0}

_READ_AND_DRAW = """
import sys, time
from PlaneSSLLib import scene
from PlaneSSLLib.study import read_study
scene.start()
start = time.perf_counter()
scene.draw_study(read_study(sys.argv[1]))
print(time.perf_counter() - start)
"""


def read_and_draw(folder: Path) -> float:
    """Seconds, in a fresh process whose imports are done."""
    runs = [subprocess.run([sys.executable, "-c", _READ_AND_DRAW, str(folder)], cwd=ROOT, check=True,
                           capture_output=True, text=True) for _ in range(3)]
    return min(float(run.stdout) for run in runs)


def process(folder: Path) -> tuple[float, float]:
    """Seconds and MB of `planessl scene`."""
    seconds, memory = [], []
    for _ in range(3):
        with tempfile.TemporaryDirectory() as out:
            start = time.perf_counter()
            child = subprocess.Popen([sys.executable, "-m", "PlaneSSLLib", "scene", str(folder), "--out",
                                      f"{out}/scene.mrb", "--json"], cwd=ROOT, stdout=subprocess.DEVNULL)
            _, status, usage = os.wait4(child.pid, 0)
            seconds.append(time.perf_counter() - start)
            memory.append(usage.ru_maxrss / 1024)
            if status:
                sys.exit("planessl scene failed")
    return min(seconds), max(memory)


def star(stacks: int, slices: int):
    """Stacks of many slices in directions that all cross each other."""
    from Testing.scene import made_up

    made = []
    for k in range(stacks):
        basis = made_up.turn(180 * k / stacks, (1, 1, 1)) @ made_up.turn(25 * k, (0, 0, 1))
        planes = made_up.planes(basis[:, 0], basis[:, 1], shape=(160, 160), spacing=(1.5, 1.5), slices=slices, step=3.0)
        made.append(made_up.stack(f"stack{k}", ("SAX", "2CH", "3CH", "4CH", "LAX")[k % 5], planes, number=k + 1))
    return made_up.study(made)


def moves(study, volumes: bool) -> dict:
    """Milliseconds from the move of a plane to the new geometry, of drawing, and of a frame of the 3D view."""
    from PlaneSSLLib import scene
    from Testing.scene.rendered import View3D, ViewOfSlice

    scene.start()
    start = time.perf_counter()
    drawing = scene.draw_study(study, volumes=volumes)
    drawn = time.perf_counter() - start
    view = View3D((800, 600))
    view.renderer.ResetCamera()
    lines = len(scene.lines_in_scene(drawing).places)
    frames = []
    for _ in range(5):
        view.renderer.GetActiveCamera().Azimuth(7)
        start = time.perf_counter()
        view.window.Render()
        frames.append(time.perf_counter() - start)
    alone = _drag(scene.PlaneInHand(drawing, study.stacks[1].id, study.stacks[1].central))
    slices = [ViewOfSlice(name) for name in ("Red", "Green", "Yellow")]
    for one, stack in zip(slices, study.stacks, strict=False):
        scene.show_image(one.node, drawing, stack.id, stack.central)
    live = scene.ViewLines([one.node for one in slices])
    followed = _drag(scene.PlaneInHand(drawing, study.stacks[1].id, study.stacks[1].central))
    live.stop()
    for one in (*slices, view):
        one.close()
    scene.clear()
    return {"planes": sum(len(stack.planes) for stack in study.stacks), "lines": lines, "draw_s": drawn,
            "frame_ms": 1e3 * min(frames), "move_ms": alone, "move_with_three_slice_views_ms": followed}


def _drag(hand) -> float:
    """Of five drags of 40 moves, the best median, in processor time; in ms."""
    medians = []
    for _ in range(5):
        times = []
        for step in np.outer([1, -1], [0.3, -0.2, 0.1]).repeat(20, axis=0):
            centre = [0.0] * 3
            hand.handle.GetCenterWorld(centre)
            start = time.thread_time()
            hand.handle.SetCenter(*(np.array(centre) + step))
            times.append(time.thread_time() - start)
        medians.append(np.median(times))
    hand.release()
    return 1e3 * float(min(medians))


def main() -> None:
    sys.path.insert(0, str(ROOT))
    small, large = moves(star(5, 4), volumes=True), moves(star(5, 40), volumes=True)
    measured = {}
    for planes, found in ((20, small), (200, large)):
        measured[f"move_{planes}_planes_ms"] = found["move_ms"]
        measured[f"move_{planes}_planes_three_slice_views_ms"] = found["move_with_three_slice_views_ms"]
    heart = DATA / "heart-multiview"
    if heart.is_dir():
        seconds, megabytes = process(heart)
        measured |= {"read_and_draw_s": read_and_draw(heart), "process_s": seconds, "process_mb": megabytes}
    print(json.dumps({
        "measured": measured,
        "limits": LIMITS,
        "ratios": {name: measured[name] / limit for name, limit in LIMITS.items() if name in measured},
        "within_limits": all(measured[name] <= limit for name, limit in LIMITS.items() if name in measured),
        "left_out": [] if heart.is_dir() else ["heart-multiview: absent"],
        "20_planes": small,
        "200_planes": large,
        "machine": machine.describe(),
    }, indent=1))


if __name__ == "__main__":
    main()
