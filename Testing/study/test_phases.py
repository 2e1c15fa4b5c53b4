"""Phases of one number show one moment in all slices of a stack."""
from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk
from made_images import image, write

from PlaneSSLLib.study import read_all_labels, read_patient, read_study, volumes


@pytest.mark.parametrize("missing", [{0}, {2}, {5}, {1, 2, 4}])
@pytest.mark.parametrize("scatter_ms", [0, 12])
@pytest.mark.parametrize("series", ["one", "one a slice"])
def test_a_phase_that_one_slice_lacks_is_a_gap(tmp_path, missing, scatter_ms, series):
    """Phases of one number show one moment in all slices, whatever one of them lacks."""
    for n in range(4):
        for k in range(6):
            if n != 1 or k not in missing:
                apart = {"SeriesInstanceUID": f"1.9.{n}", "SeriesNumber": 5 + n} if series == "one a slice" else {}
                write(image(1 + 6 * n + k, ImagePositionPatient=[3.0 * n, 0, 0], **apart,
                            TriggerTime=50 * k + scatter_ms * (n == 1)), tmp_path / f"{n}-{k}.dcm")
    stack, = read_study(tmp_path).stacks
    assert stack.phases == 6 and {k for k in range(6) if not stack.has(1, k)} == missing
    for n in range(4):
        for k, frame in stack.acquired(n).items():
            assert frame.time_ms == 50 * k + scatter_ms * (n == 1)
            assert frame.source.file.name == f"{n}-{k}.dcm"
    assert any("different numbers of phases" in note for note in stack.notes)


def test_phases_without_times_are_numbered_as_they_come(tmp_path):
    for n in range(3):
        for k in range(4 - (n == 1)):
            write(image(1 + 4 * n + k, ImagePositionPatient=[3.0 * n, 0, 0]), tmp_path / f"{n}-{k}.dcm")
    stack, = read_study(tmp_path).stacks
    assert [list(stack.acquired(n)) for n in range(3)] == [[0, 1, 2, 3], [0, 1, 2], [0, 1, 2, 3]]


def test_the_labels_of_a_cine_are_unpacked_once(tmp_path, monkeypatch):
    opened, real = [], volumes.sitk.ReadImage
    cine = np.zeros((6, 5, 40, 40), np.float32)
    cine[:, 2, 10:20, 10:20] = np.arange(1, 7)[:, None, None]
    for name, values in (("sax", cine + 7), ("sax_gt", (cine > 0) * 3.0)):
        phases = [sitk.GetImageFromArray(values[k].astype(np.int16)) for k in range(6)]
        sitk.WriteImage(sitk.JoinSeries(phases), str(tmp_path / f"{name}.nii.gz"))
    study = read_patient(tmp_path, anatomy="heart")
    monkeypatch.setattr(volumes.sitk, "ReadImage", lambda file: (opened.append(file), real(file))[1])
    found = read_all_labels(study.labels, study.stacks[0])
    assert len(opened) == 1 and list(found) == [0, 1, 2, 3, 4, 5]
    assert [int((labels == 3).sum()) for labels in found.values()] == [100] * 6
