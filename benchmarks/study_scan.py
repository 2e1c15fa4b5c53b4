"""Reading a study of 10,000 files: at most 1.3 times a bare pydicom loop over them, under 500 MB.

The files are one heart's cines: 10 series of 40 slices and 25 phases, with the headers of a phantom. Both sides run in
a process of their own on files that the system has in its cache; the better of two runs counts. More workers are
measured beside it, where there are cores.

    python benchmarks/study_scan.py      prints one JSON object
"""
from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import machine
import pydicom
from pydicom.uid import generate_uid

from PlaneSSLLib.phantom import write_phantoms

SERIES, SLICES, PHASES = 10, 40, 25
LIMIT, LIMIT_MB = 1.3, 500

BARE = """
import sys, time, resource, pathlib, pydicom
files = sorted(path for path in pathlib.Path(sys.argv[1]).rglob("*") if path.is_file())
start = time.perf_counter()
for file in files:
    pydicom.dcmread(file, stop_before_pixels=True)
print(time.perf_counter() - start, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
"""
OURS = """
import sys, time, resource
from PlaneSSLLib.study import describe, read_study
if __name__ == "__main__":
    start = time.perf_counter()
    document = describe(read_study(sys.argv[1], workers=int(sys.argv[2])))
    seconds = time.perf_counter() - start
    assert sum(stack["slices"] * stack["phases"] for stack in document["stacks"]) == int(sys.argv[3])
    assert len(document["stacks"]) == 10 and not document["problems"]
    print(seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
"""


def write_files(folder: Path) -> int:
    """One study of SERIES x SLICES x PHASES small images; returns how many."""
    phantom, = write_phantoms("heart", studies=1, seed=1, out=folder / "phantom", phases=2)
    image = pydicom.dcmread(next(phantom.rglob("*.dcm")))
    image.Rows = image.Columns = 16
    image.PixelData = bytes(2 * 16 * 16)
    normal = [float(x) for x in image.ImageOrientationPatient]
    normal = [normal[1] * normal[5] - normal[2] * normal[4], normal[2] * normal[3] - normal[0] * normal[5],
              normal[0] * normal[4] - normal[1] * normal[3]]
    origin = [float(x) for x in image.ImagePositionPatient]
    for series in range(SERIES):
        target = folder / "study" / f"{series:02d}"
        target.mkdir(parents=True)
        image.SeriesNumber, image.SeriesInstanceUID = series + 1, generate_uid()
        for slice_index in range(SLICES):
            place = [o + 2.0 * slice_index * n for o, n in zip(origin, normal, strict=True)]
            image.ImagePositionPatient = [round(x, 6) for x in place]
            for phase in range(PHASES):
                image.TriggerTime, image.InstanceNumber = 36 * phase, slice_index * PHASES + phase + 1
                image.SOPInstanceUID = image.file_meta.MediaStorageSOPInstanceUID = generate_uid()
                image.save_as(target / f"{image.InstanceNumber:05d}.dcm")
    return SERIES * SLICES * PHASES


def measure(code: str, *arguments: object) -> tuple[float, float]:
    """Seconds and MB of the better of two runs in a process of their own."""
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "measured.py"
        script.write_text(code)
        environment = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[1])}
        runs = [subprocess.run([sys.executable, str(script), *map(str, arguments)], env=environment, text=True,
                               stdout=subprocess.PIPE, check=True).stdout.split() for _ in range(2)]
    return min((float(seconds), float(mb)) for seconds, mb in runs)


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        files = write_files(Path(folder))
        study = Path(folder) / "study"
        bare, _ = measure(BARE, study)
        ours, mb = measure(OURS, study, 1, files)
        cores = os.cpu_count() or 1
        many, _ = measure(OURS, study, cores, files) if cores > 1 else (None, None)
    print(json.dumps({
        "what": f"planessl study's reading against a bare pydicom loop, {files} files",
        "ours_s": round(ours, 2),
        "bare_s": round(bare, 2),
        "ratio": round(ours / bare, 2),
        "limit_ratio": LIMIT,
        "memory_mb": round(mb),
        "limit_mb": LIMIT_MB,
        "within_limit": ours <= LIMIT * bare and mb <= LIMIT_MB,
        "workers": cores,
        "ours_with_workers_s": many and round(many, 2),
        "machine": machine.describe(),
    }, indent=1))


if __name__ == "__main__":
    main()
