"""A made-up label map through the working grid, the network's stand-in, every file form and back, however it lies."""
from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk
from Testing.prediction.geometries import SEEDS, volume

from PlaneSSLLib import calls
from PlaneSSLLib.prediction import labelled
from PlaneSSLLib.prediction.results import Results
from PlaneSSLLib.study import read_study


def values_at(image: sitk.Image, planes) -> np.ndarray:
    """(slices, rows, columns) of a 3D label image at the centres of the planes' pixels, each within 0.01 voxel."""
    values = sitk.GetArrayFromImage(image)
    matrix = np.reshape(image.GetDirection(), (3, 3)) * image.GetSpacing()
    found = []
    for plane in planes:
        rows, columns = np.indices(plane.shape)
        index = (plane.to_lps(np.stack([columns, rows], axis=-1)) - image.GetOrigin()) @ np.linalg.inv(matrix).T
        nearest = np.rint(index).astype(int)
        assert np.abs(index - nearest).max() < 0.01
        found.append(values[nearest[..., 2], nearest[..., 1], nearest[..., 0]])
    return np.stack(found)


def dice(found: np.ndarray, truth: np.ndarray) -> float:
    return 2 * (found & truth).sum() / (found.sum() + truth.sum())


@pytest.mark.parametrize("seed", SEEDS)
def test_what_the_network_sees_is_found_where_it_lies(truthful, seed):
    made = volume(seed)
    found = np.stack(truthful.segment(list(made.labels.astype(np.float32) / 3), made.planes))
    for value, least in ((3, 0.98), (2, 0.95), (1, 0.95)):
        assert dice(found == value, made.labels == value) > least
        off = np.argwhere(found == value).mean(0) - np.argwhere(made.labels == value).mean(0)
        assert np.abs(off).max() < 0.1


@pytest.mark.parametrize("seed", [seed for seed in SEEDS if volume(seed).kind != "tilted"])
def test_volume_files_hold_the_labels_on_the_voxels_of_their_image(truthful_run, tmp_path, seed):
    made = volume(seed)
    made.write(tmp_path / "image.nii.gz", made.labels.astype(np.float32))
    for name in ("labels.nii.gz", "labels.seg.nrrd"):
        found = calls.segment(truthful_run, tmp_path / "image.nii.gz", tmp_path / name)
        image, written = (sitk.ReadImage(str(tmp_path / file)) for file in ("image.nii.gz", name))
        (segmented,) = found.stacks
        np.testing.assert_array_equal(values_at(written, segmented.stack.planes), segmented.filled(0))
        assert written.GetSize() == image.GetSize()
        np.testing.assert_allclose(written.GetOrigin(), image.GetOrigin(), atol=1e-3)
        np.testing.assert_allclose(written.GetDirection(), image.GetDirection(), atol=1e-5)
        assert dice(sitk.GetArrayFromImage(written) == 3, made.labels == 3) > 0.98  # in the file's order


@pytest.mark.parametrize("order", [[2, 0, 1], [0, 2, 1], [1, 2, 0]])
@pytest.mark.parametrize("phases", [1, 2])
def test_a_file_with_its_slices_on_another_axis_gets_labels_of_its_own_shape(truthful_run, tmp_path, order, phases):
    made = next(made for made in map(volume, SEEDS) if np.linalg.norm(made.step) > 2 * max(made.planes[0].spacing))
    values = np.repeat(made.labels[None], phases, 0) if phases > 1 else made.labels
    made.write(tmp_path / "image.nii.gz", values.astype(np.float32))
    image = sitk.PermuteAxes(sitk.ReadImage(str(tmp_path / "image.nii.gz")), [*order, 3][:values.ndim])
    sitk.WriteImage(image, str(tmp_path / "image.nii.gz"))
    calls.segment(truthful_run, tmp_path / "image.nii.gz", tmp_path / "labels.nii.gz")
    written = sitk.ReadImage(str(tmp_path / "labels.nii.gz"))
    assert written.GetSize() == image.GetSize()
    np.testing.assert_allclose(written.GetOrigin(), image.GetOrigin(), atol=1e-3)
    np.testing.assert_allclose(written.GetDirection(), image.GetDirection(), atol=1e-5)
    assert dice(sitk.GetArrayFromImage(written) == 3, sitk.GetArrayFromImage(image) == 3) > 0.98


@pytest.mark.parametrize("seed", SEEDS)
def test_dicom_seg_holds_every_phase_exactly_even_of_tilted_stacks(truthful_run, tmp_path, seed):
    made = volume(seed)
    made.write_dicom(tmp_path / "study", phases=2)
    found = calls.segment(truthful_run, tmp_path / "study", tmp_path / "seg", stack=read_id(tmp_path / "study"))
    (segmented,), (again,) = found.stacks, labelled.read(tmp_path / "seg").stacks
    assert len(again.labels) == 2
    for n in range(2):
        for plane, labels in zip(segmented.stack.planes, segmented.labels[n], strict=True):
            k = np.argmin([np.linalg.norm(plane.position - other.position) for other in again.stack.planes])
            np.testing.assert_allclose(again.stack.planes[k].corners(), plane.corners(), atol=1e-3)
            np.testing.assert_array_equal(again.labels[n][k], labels)
            assert labels.any()


@pytest.mark.parametrize("seed", SEEDS)
def test_arrays_pass_from_process_to_process(tmp_path, truthful_run, seed):
    made = volume(seed)
    made.write_dicom(tmp_path / "study")
    found = calls.segment(truthful_run, tmp_path / "study", tmp_path / "found.npz", stack=read_id(tmp_path / "study"))
    again = Results.load(tmp_path / "found.npz", found.study, found.anatomy)
    np.testing.assert_array_equal(again.stacks[0].filled(0), found.stacks[0].filled(0))


def read_id(folder) -> str:
    return read_study(folder).stacks[0].id
