"""How fast and how lean is `planessl prepare`? `python benchmarks/preparing.py [STUDIES]` prints one JSON object.

Preparing made-up hearts beside a bare loop that reads the pixels of the same files with pydicom, one process each; and
the peak memory of preparing few and many studies.
"""
from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import machine
import pydicom

from PlaneSSLLib.phantom import write_phantoms

CHILD = """
import resource, sys, time
from pathlib import Path
from PlaneSSLLib.cohort import prepare
if __name__ == "__main__":
    start = time.perf_counter()
    told = prepare([Path(p) for p in sys.argv[2:]], "heart", Path(sys.argv[1]))
    seconds = time.perf_counter() - start
    print(told["prepared"], seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
"""


def prepared(folders: list[Path], out: Path) -> tuple[int, float, float]:
    """Studies prepared, seconds and peak MB of a process of its own."""
    run = subprocess.run([sys.executable, "-c", CHILD, str(out), *map(str, folders)], capture_output=True, text=True,
                         check=True, cwd=Path(__file__).resolve().parents[1])
    count, seconds, megabytes = run.stdout.split()
    return int(count), float(seconds), float(megabytes)


def main(many: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        studies = write_phantoms("heart", many, 0, Path(folder, "studies"), phases=4, jobs=2)
        few_count, few_s, few_mb = prepared(studies[:10], Path(folder, "few"))
        start = time.perf_counter()
        for study in studies[:10]:
            for file in sorted(study.rglob("*.dcm")):
                pydicom.dcmread(file).pixel_array  # noqa: B018  (decoding is what is timed)
        bare_s = time.perf_counter() - start
        count, seconds, mb = prepared(studies, Path(folder, "many"))
    print(json.dumps({
        "what": "prepare beside reading the same pixels with pydicom, one process", "bare_s": bare_s,
        "prepare_s": few_s, "speed_ratio": bare_s / few_s, "limit": 0.5,
        "memory_mb": {few_count: few_mb, count: mb}, "studies_per_s": count / seconds,
        "machine": machine.describe()}, indent=1))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 60)
