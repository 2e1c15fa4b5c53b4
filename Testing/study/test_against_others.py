"""Geometry against SimpleITK's and highdicom's, for the cases that those read right."""
from __future__ import annotations

import highdicom
import numpy as np
import pydicom
import pytest
import SimpleITK as sitk

from PlaneSSLLib.study import read_study


@pytest.mark.parametrize(("name", "stack_id"), [
    ("heart-pig", "s05-SAX"), ("heart-pig", "s06-LAX"), ("heart-multiview", "s05-SAX"),
    ("prostate", "s03-sagittal"), ("prostate", "s04-axial"), ("prostate", "s05-coronal")])
def test_planes_and_pixels_agree_with_simpleitk(data, name, stack_id):
    stack = read_study(data(name)).stack(stack_id)
    assert stack.is_volume()
    files = [str(frames[0].source.file) for frames in stack.frames]
    step = stack.planes[1].position - stack.planes[0].position
    if step @ stack.planes[0].normal < 0:
        files = files[::-1]  # SimpleITK takes its third axis from the images' own normal
    volume = sitk.ReadImage(files)
    pixels = sitk.GetArrayFromImage(volume).astype(np.float32)
    for plane, frames in zip(stack.planes, stack.frames, strict=True):
        k = files.index(str(frames[0].source.file))
        for column, row in ((0, 0), (plane.shape[1] - 1, plane.shape[0] - 1), (7, 3)):
            theirs = volume.TransformContinuousIndexToPhysicalPoint((column, row, k))
            np.testing.assert_allclose(plane.to_lps([column, row]), theirs, atol=1e-2)
        np.testing.assert_array_equal(frames[0].source.read(), pixels[k])


def test_enhanced_frames_agree_with_highdicom(data):
    stack, = read_study(data("odd-dicom") / "siemens-enhanced").stacks
    file = stack.frames[0][0].source.file
    theirs = highdicom.imread(file, lazy_frame_retrieval=True)
    for plane, frames in zip(stack.planes, stack.frames, strict=True):
        number = next(frame.frame_number for frame in frames if frame.source.file == file)
        group = theirs.PerFrameFunctionalGroupsSequence[number - 1]
        position = group.PlanePositionSequence[0].ImagePositionPatient
        np.testing.assert_allclose(plane.position, np.array(position, dtype=float), atol=1e-6)
    geometry = theirs.get_volume_geometry()
    np.testing.assert_allclose(stack.step_mm, geometry.spacing[0], rtol=1e-4)
    ends = {tuple(np.round(stack.planes[k].position, 3)) for k in (0, -1)}
    indices = np.array([[0, 0, 0], [len(stack.planes) - 1, 0, 0]])
    assert {tuple(np.round(point, 3)) for point in geometry.map_indices_to_reference(indices)} == ends


@pytest.mark.filterwarnings("ignore:The pixel data is 8320")  # the padding is what one of the files is for
@pytest.mark.parametrize("name", ["MR_small_RLE.dcm", "MR_small_jp2klossless.dcm", "MR_small_bigendian.dcm",
                                  "MR_small_padded.dcm"])
def test_every_encoding_gives_the_same_pixels(data, tmp_path, name):
    loose = data("odd-dicom") / "loose"
    (tmp_path / name).write_bytes((loose / name).read_bytes())
    stack, = read_study(tmp_path).stacks
    expected = pydicom.dcmread(loose / "MR_small_padded.dcm").pixel_array
    np.testing.assert_array_equal(stack.pixels(0), expected)
    assert expected.dtype == np.int16
    assert stack.planes[0].shape == (64, 64)
