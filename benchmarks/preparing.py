"""How fast and how lean is `planessl prepare`? `python benchmarks/preparing.py [STUDIES]` prints one JSON object.

Preparing made-up hearts, with their label maps and without, beside a bare loop that does nothing but read the pixels of
the same files, DICOM with pydicom and label maps with SimpleITK: no geometry, nothing written. Times are CPU times of
one process each, so that other work on the machine does not count. And the peak memory of preparing few and many
studies.
"""
from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import machine
import pydicom
import SimpleITK as sitk

from PlaneSSLLib.phantom import write_phantoms

CHILD = """
import resource, sys, time
from pathlib import Path
from PlaneSSLLib.cohort import prepare
if __name__ == "__main__":
    start = time.process_time()
    told = prepare([Path(p) for p in sys.argv[2:]], "heart", Path(sys.argv[1]))
    seconds = time.process_time() - start
    print(told["prepared"], seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
"""


def prepared(folders: list[Path], out: Path) -> tuple[int, float, float]:
    """Studies prepared, CPU seconds and peak MB of a process of its own."""
    run = subprocess.run([sys.executable, "-c", CHILD, str(out), *map(str, folders)], capture_output=True, text=True,
                         check=True, cwd=Path(__file__).resolve().parents[1])
    count, seconds, megabytes = run.stdout.split()
    return int(count), float(seconds), float(megabytes)


def main(many: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        studies = write_phantoms("heart", many, 0, Path(folder, "studies"), phases=4, jobs=2)
        unlabelled = [shutil.copytree(study, Path(folder, "unlabelled", study.name),
                                      ignore=shutil.ignore_patterns("labels")) for study in studies]
        few_count, _, few_mb = prepared(studies[:10], Path(folder, "few"))
        count, labelled_s, mb = prepared(studies, Path(folder, "many"))
        _, unlabelled_s, _ = prepared(unlabelled, Path(folder, "many-unlabelled"))
        files = [file for study in studies for file in sorted(study.rglob("*.dcm"))]
        start = time.process_time()
        for file in files:
            pydicom.dcmread(file).pixel_array  # noqa: B018  (decoding is what is timed)
        bare_s = time.process_time() - start
        maps = [file for study in studies for file in sorted(study.glob("labels/*"))]
        start = time.process_time()
        for file in maps:
            sitk.GetArrayFromImage(sitk.ReadImage(str(file)))
        bare_maps_s = time.process_time() - start
    print(json.dumps({
        "what": "prepare beside reading the same pixels with pydicom, CPU time of one process", "studies": count,
        "dicom_files": len(files), "label_maps": len(maps), "bare_s": bare_s, "bare_label_maps_s": bare_maps_s,
        "prepare_s": labelled_s, "speed_ratio": (bare_s + bare_maps_s) / labelled_s, "limit": 0.5,
        "speed_ratio_where_no_label_map_is_read": bare_s / labelled_s,
        "prepare_without_labels_s": unlabelled_s, "speed_ratio_without_labels": bare_s / unlabelled_s,
        "memory_mb": {few_count: few_mb, count: mb}, "machine": machine.describe()}, indent=1))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 60)
