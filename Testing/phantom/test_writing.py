"""Same seed, same bytes; nothing half-written; nothing overwritten unasked."""
from __future__ import annotations

import errno
import hashlib
import shutil
import subprocess

import numpy as np
import pytest

from PlaneSSLLib import PlaneSSLError, phantom
from PlaneSSLLib.phantom import make_study, write_phantoms


def digest(folder) -> dict[str, str]:
    return {str(file.relative_to(folder)): hashlib.sha256(file.read_bytes()).hexdigest()
            for file in sorted(folder.rglob("*")) if file.is_file()}


def test_one_seed_gives_the_same_bytes_however_many_are_made(tmp_path):
    alone = write_phantoms("heart", 1, 3, tmp_path / "a", phases=1)
    seen = []
    both = write_phantoms("heart", 2, 3, tmp_path / "b", phases=1, jobs=2, report=lambda *done: seen.append(done))
    assert [folder.name for folder in both] == ["heart-0003-0000", "heart-0003-0001"]
    assert digest(alone[0]) == digest(both[0])
    assert digest(both[0]) != digest(both[1])
    assert seen == [(1, 2), (2, 2)]


def test_two_seeds_and_two_indices_give_different_hearts():
    hearts = [make_study("heart", *which, phases=1) for which in ((3, 0), (4, 0), (3, 1))]
    parameters = [study.organ.parameters for study in hearts]
    assert len({p.radius for p in parameters}) == 3
    shapes = [study.acquired[-1].pixels.shape for study in hearts]
    assert len({(shape, study.acquired[-1].pixels.tobytes()) for shape, study in zip(shapes, hearts, strict=True)}) == 3
    positions = [study.acquired[-1].series.planes[0].position for study in hearts]
    assert np.ptp(positions, axis=0).max() > 1


def test_what_exists_is_left_alone_unless_asked(tmp_path, monkeypatch):
    monkeypatch.setattr(phantom, "make_study", lambda *which: which)
    monkeypatch.setattr(phantom, "write_study", lambda study, folder: (folder / "new").write_text(str(study)))
    kept = tmp_path / "heart-0001-0001"
    kept.mkdir()
    (kept / "old").write_text("precious")
    with pytest.raises(PlaneSSLError, match="heart-0001-0001 exists already"):
        write_phantoms("heart", 2, 1, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["heart-0001-0001"], "nothing was begun"
    assert (kept / "old").read_text() == "precious"
    write_phantoms("heart", 2, 1, tmp_path, overwrite=True)
    assert [path.name for path in kept.iterdir()] == ["new"]


def test_a_study_that_fails_leaves_nothing_and_harms_nothing(tmp_path, monkeypatch):
    def fail(study, folder):
        (folder / "half").write_text("half")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(phantom, "make_study", lambda *which: which)
    monkeypatch.setattr(phantom, "write_study", fail)
    old = tmp_path / "heart-0001-0000"
    old.mkdir()
    (old / "old").write_text("precious")
    with pytest.raises(PlaneSSLError, match="heart-000"):
        write_phantoms("heart", 1, 1, tmp_path, overwrite=True)
    assert (old / "old").read_text() == "precious"
    with pytest.raises(PlaneSSLError, match="heart-000"):
        write_phantoms("heart", 1, 2, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["heart-0001-0000"]


@pytest.mark.parametrize(("anatomy", "studies", "phases", "message"), [
    ("liver", 1, 4, "no phantom of 'liver'; there are: heart, knee"), ("heart", 1, 0, "at least one phase"),
    ("heart", 0, 4, "at least one study")])
def test_wrong_wishes_are_refused_in_a_sentence(tmp_path, anatomy, studies, phases, message):
    with pytest.raises(PlaneSSLError, match=message):
        write_phantoms(anatomy, studies, 0, tmp_path / "out", phases=phases)
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(shutil.which("dciodvfy") is None, reason="dciodvfy (Debian: dicom3tools) is absent")
@pytest.mark.parametrize("organ", ["heart", "knee"])
def test_every_series_is_what_the_standard_asks_of_an_mr_image(organ, tmp_path):
    folder, = write_phantoms(organ, 1, 3, tmp_path, phases=2)
    for series in sorted({file.parent for file in folder.rglob("*.dcm")}):
        file = min(series.iterdir())
        told = subprocess.run(["dciodvfy", "-new", str(file)], capture_output=True, text=True, check=False)
        assert "MRImage" in told.stdout + told.stderr
        assert not [line for line in (told.stdout + told.stderr).splitlines() if line.startswith("Error")], file
