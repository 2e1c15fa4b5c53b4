"""A study handed to another process is the same study."""
from __future__ import annotations

import numpy as np
import pytest
from Testing.made_up_study import write_study

from PlaneSSLLib import PlaneSSLError
from PlaneSSLLib.study import describe, hand_over, read_study, take_over


def same(a, b) -> None:
    for one, other in zip(describe(a)["stacks"], describe(b)["stacks"], strict=True):
        planes, others = one.pop("planes"), other.pop("planes")
        assert one == other
        for key in ("position", "row", "column"):  # directions are made unit vectors again, to the last digit but one
            assert np.allclose([p[key] for p in planes], [p[key] for p in others], rtol=0, atol=1e-12)
    assert (a.folder, a.notes, a.labels, a.classes, a.problems, a.side) == (
        b.folder, b.notes, b.labels, b.classes, b.problems, b.side)
    for one, other in zip(a.stacks, b.stacks, strict=True):
        assert (one.naming, one.notes, one.dimension, one.frame_of_reference) == (
            other.naming, other.notes, other.dimension, other.frame_of_reference)
        for frames, others in zip(one.frames, other.frames, strict=True):
            assert [frame is None for frame in frames] == [frame is None for frame in others]
            for frame, kept in zip(filter(None, frames), filter(None, others), strict=True):
                assert np.array_equal(frame.source.read(), kept.source.read())
                assert frame.source.read().dtype == kept.source.read().dtype
                assert frame.source.file == kept.source.file
                assert (frame.time_ms, frame.sop_instance_uid, frame.frame_number) == (
                    kept.time_ms, kept.sop_instance_uid, kept.frame_number)


def test_nothing_is_lost(tmp_path):
    study = read_study(write_study(tmp_path / "study", 3, phases=2))
    hand_over(study, tmp_path / "kept")
    same(study, take_over(tmp_path / "kept"))


@pytest.mark.parametrize("name", ["heart-multiview", "heart-sunnybrook/SCD0000201"])  # the latter with gaps
def test_nothing_is_lost_of_a_dicom_study(tmp_path, data, name):
    study = read_study(data("heart-multiview").parent / name)
    hand_over(study, tmp_path / "kept")
    same(study, take_over(tmp_path / "kept"))
    assert {path.suffix for path in (tmp_path / "kept").iterdir()} == {".npy", ".json"}
    assert np.load(tmp_path / "kept" / "0-0.npy").dtype == np.int16


def test_pixels_that_are_gone_are_told(tmp_path):
    hand_over(read_study(write_study(tmp_path / "study", 3)), tmp_path / "kept")
    taken = take_over(tmp_path / "kept")
    (tmp_path / "kept" / "0-0.npy").write_bytes(b"no array")
    with pytest.raises(PlaneSSLError, match="read the study again"):
        taken.stacks[0].pixels(0)


def test_a_folder_that_is_not_one_is_told(tmp_path):
    with pytest.raises(PlaneSSLError, match="missing"):
        take_over(tmp_path)


def test_of_a_thousand_slices_no_file_stays_open(tmp_path, few_files):
    hand_over(read_study(write_study(tmp_path / "study", 3, slices=3)), tmp_path / "kept")
    studies = [take_over(tmp_path / "kept") for _ in range(20)]
    pixels = [study.stacks[0].pixels(i) for study in studies for i in range(3)]
    assert len(pixels) == 60 and np.array_equal(pixels[0], pixels[57])
