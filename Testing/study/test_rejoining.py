"""Stacks whose slices a converter wrote into a file each; DICOM's series of one slice are in test_grouping."""
from __future__ import annotations

import numpy as np
import SimpleITK as sitk

from PlaneSSLLib.study import read_patient


def slices_in_files(folder, count=5, phases=3, tilt_deg=0.0):
    """As dcm2niix leaves a short axis of which every breath-hold was a series: x, y, one slice, time."""
    for n in range(1, count + 1):
        turn = np.radians(tilt_deg * n)
        direction = [np.cos(turn), 0, np.sin(turn), 0, 1, 0, -np.sin(turn), 0, np.cos(turn)]
        made = sitk.JoinSeries([
            sitk.GetImageFromArray(np.full((1, 6, 7), 10 * n + k, np.int16)) for k in range(phases)])
        made.SetSpacing((1.5, 1.5, 8, 1))
        made.SetOrigin((0, 0, 9.0 * (count - n), 0))
        made.SetDirection(np.block([[np.reshape(direction, (3, 3)), np.zeros((3, 1))],
                                    [np.zeros((1, 3)), np.eye(1)]]).ravel().tolist())
        sitk.WriteImage(made, str(folder / f"cine_sax_b{n}.nii.gz"))


def test_slices_in_files_of_their_own_are_one_stack(tmp_path):
    """Ten of them, counted as people do, in the order in which they lie."""
    slices_in_files(tmp_path, 10)
    stack, = read_patient(tmp_path).stacks
    assert (len(stack.planes), stack.phases, stack.step_mm) == (10, 3, 9)
    assert any("joined from 10 files of one slice each (cine_sax_b1 to cine_sax_b10)" in note for note in stack.notes)
    heights = [plane.position[2] for plane in stack.planes]
    assert heights in (sorted(heights), sorted(heights, reverse=True))
    for i, height in enumerate(heights):
        n = 10 - round(height / 9)
        assert [stack.pixels(i, k)[0, 0] for k in range(3)] == [10 * n, 10 * n + 1, 10 * n + 2]


def test_slices_of_other_directions_and_outlined_ones_are_not_joined(tmp_path):
    (tmp_path / "turned").mkdir()
    slices_in_files(tmp_path / "turned", tilt_deg=12)
    assert len(read_patient(tmp_path / "turned").stacks) == 5
    (tmp_path / "outlined").mkdir()
    slices_in_files(tmp_path / "outlined", phases=1)
    label = sitk.ReadImage(str(tmp_path / "outlined" / "cine_sax_b2.nii.gz")) > 0
    sitk.WriteImage(label, str(tmp_path / "outlined" / "cine_sax_b2_seg.nii.gz"))
    study = read_patient(tmp_path / "outlined", anatomy="heart")
    [label] = study.labels
    assert label.stack == "cine_sax_b2" and [len(one.planes) for one in study.stacks] == [1] * 5
