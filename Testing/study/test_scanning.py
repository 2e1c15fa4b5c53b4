"""Many files: several workers find the same as one."""
from __future__ import annotations

from made_images import image, write

from PlaneSSLLib.study import scanning


def test_workers_find_the_same_images_in_the_same_order(tmp_path, monkeypatch):
    monkeypatch.setattr(scanning, "WORTH_WORKERS", 4)
    for number in range(8):
        write(image(number), tmp_path / f"{number}.dcm")
    (tmp_path / "bad.dcm").write_bytes(b"")
    (tmp_path / "x.nii.gz").write_bytes(b"")
    files, problems = scanning.files_below(tmp_path)
    assert problems == []
    alone, together = scanning.scan(files), scanning.scan(files, workers=2)
    assert [i.source.file for i in alone[0]] == [tmp_path / f"{number}.dcm" for number in range(8)]
    assert [(i.source, i.series, i.plane.position.tolist(), i.instance) for i in alone[0]] == [
        (i.source, i.series, i.plane.position.tolist(), i.instance) for i in together[0]]
    assert alone[1:] == together[1:]
    assert [problem.file.name for problem in alone[2]] == ["bad.dcm"]
