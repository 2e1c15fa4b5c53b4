"""Real studies in the scene."""
from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import SimpleITK as sitk
import slicer

from PlaneSSLLib import scene
from PlaneSSLLib.scene.coordinates import array_of, to_lps
from PlaneSSLLib.study import lines_of, read_study


@pytest.mark.parametrize(("name", "lines"), [("heart-multiview", 40), ("heart-pig", 280), ("prostate", 2000)])
def test_all_lines_of_a_study_are_drawn(data, name, lines):
    study = read_study(data(name))
    drawing = scene.draw_study(study, volumes=False)
    drawn = scene.lines_in_scene(drawing)
    assert 2 * len(drawn.places) == len(lines_of(study)) >= 2 * lines
    assert drawing.notes == tuple(study.notes)


def test_frames_lie_where_another_reader_puts_them(data):
    """SimpleITK reads each file by itself; a one-slice cine would otherwise become a false volume."""
    study = read_study(data("heart-multiview"))
    drawing = scene.draw_study(study)
    for stack in study.stacks:
        volume = drawing.node("volume", stack.id)
        if stack.phases > 1:
            assert volume.GetSpacing()[2] == pytest.approx(7.0) and stack.phases == 25
            browser = next(b for b in drawing.nodes("browser") if b.GetSequenceNode(volume))
            browser.SetSelectedItemNumber(13)
        matrix = slicer.vtkMRMLSliceNode().GetSliceToRAS()
        volume.GetIJKToRASMatrix(matrix)
        for i in range(len(stack.planes)):
            image = sitk.ReadImage(str(stack.frames[i][13 if stack.phases > 1 else 0].source.file))
            np.testing.assert_array_equal(slicer.util.arrayFromVolume(volume)[i], sitk.GetArrayFromImage(image)[0])
            for column, row in ((0, 0), (100, 7)):
                there = to_lps((array_of(matrix) @ (column, row, i, 1))[:3])
                np.testing.assert_allclose(there, image.TransformIndexToPhysicalPoint((column, row, 0)), atol=1e-4)


def test_gated_cines_of_one_heart_are_played_together(data):
    study = read_study(data("heart-multiview"))
    (browser,) = scene.draw_study(study).nodes("browser")
    assert browser.GetNumberOfSynchronizedSequenceNodes(True) == 4 and browser.GetNumberOfItems() == 25
    times = [float(browser.GetMasterSequenceNode().GetNthIndexValue(k)) for k in range(25)]
    assert all(a < b for a, b in pairwise(times))
