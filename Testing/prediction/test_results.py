"""Label maps on their way between processes: taken only for the study, anatomy and images that they belong to."""
from __future__ import annotations

import numpy as np
import pytest
from Testing.prediction.geometries import volume

from PlaneSSLLib import PlaneSSLError, anatomy, calls
from PlaneSSLLib.prediction.results import Results, SegmentedStack
from PlaneSSLLib.study import read_study

HEART = anatomy.load("heart")
OBLIQUE = 0


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    folder = tmp_path_factory.mktemp("study")
    volume(OBLIQUE).write_dicom(folder / "study", phases=2)
    return read_study(folder / "study", anatomy="heart")


@pytest.fixture
def arrays(study, tmp_path):
    """What a file of two phases holds."""
    (stack,) = study.stacks
    labels = tuple(tuple(np.full(plane.shape, k + 1, np.uint8) for plane in stack.planes) for k in range(2))
    Results(study, HEART, (SegmentedStack(stack, (0, 1), labels),)).save(tmp_path / "found.npz")
    with np.load(tmp_path / "found.npz") as archive:
        return dict(archive)


def load(arrays, study, folder):
    np.savez(folder / "changed.npz", **arrays)
    return Results.load(folder / "changed.npz", study, HEART)


def test_nothing_is_lost_on_the_way(arrays, study, tmp_path):
    (one,) = load(arrays, study, tmp_path).stacks
    assert one.phases == (0, 1)
    for k, labels in enumerate(one.labels):
        for image in labels:
            assert image.dtype == np.uint8 and (image == k + 1).all()


def first(arrays) -> str:
    return next(name for name in arrays if name.endswith("/0/0"))


def renamed(to: str):
    def change(arrays):
        name = first(arrays)
        arrays[to.format(stack=name.split("/")[0])] = arrays.pop(name)
    return change


def replaced(make):
    def change(arrays):
        arrays[first(arrays)] = make(arrays[first(arrays)])
    return change


def moved(arrays):
    places = next(name for name in arrays if name.endswith("/planes"))
    arrays[places] = arrays[places] + 0.1


@pytest.mark.parametrize(("change", "reason"), [
    (renamed("{stack}/0"), "no label map"), (renamed("{stack}/-1/0"), "no label map"),
    (renamed("{stack}/01/0"), "no label map"), (renamed("{stack}/ed/0"), "no label map"),
    (renamed("{stack}/9/0"), "no image .* phase 9"), (renamed("{stack}/0/99"), "no image .* slice 99"),
    (renamed("s99-SAX/0/0"), "a stack 's99-SAX' that"), (moved, "does not lie where it lay"),
    (replaced(lambda image: image.astype(float)), "float64"), (replaced(lambda image: image > 0), "bool"),
    (replaced(lambda image: image[:-1]), "pixels, and must be"), (replaced(lambda image: image + 100), r"\[101\]"),
    (lambda arrays: arrays.update(anatomy=np.array("knee")), "the anatomy 'knee', not 'heart'"),
    (lambda arrays: arrays.pop("anatomy"), "does not name an anatomy"),
])
def test_what_belongs_to_nothing_here_is_refused(arrays, study, tmp_path, change, reason):
    change(arrays)
    with pytest.raises(PlaneSSLError, match=reason):
        load(arrays, study, tmp_path)


@pytest.mark.parametrize("damage", [
    lambda data: b"", lambda data: data[:len(data) // 2], lambda data: b"no archive",
    lambda data: data[:200] + bytes(byte ^ 255 for byte in data[200:240]) + data[240:]])
def test_a_damaged_file_is_told(arrays, study, tmp_path, damage):
    file = tmp_path / "found.npz"
    file.write_bytes(damage(file.read_bytes()))
    with pytest.raises(PlaneSSLError, match="is damaged, or no file"):
        Results.load(file, study, HEART)
    with pytest.raises(PlaneSSLError, match="There is no file"):
        Results.load(tmp_path / "nowhere.npz", study, HEART)


def test_no_code_is_loaded(study, tmp_path):
    np.savez(tmp_path / "found.npz", anatomy=np.array([{"a": 1}], dtype=object))
    with pytest.raises(PlaneSSLError, match="is damaged"):
        Results.load(tmp_path / "found.npz", study, HEART)


def test_an_export_never_replaces_an_image_or_a_file_by_a_folder(arrays, study, tmp_path):
    image = study.stacks[0].frames[0][0].source.file
    before = image.read_bytes()
    (tmp_path / "file").write_text("mine")
    for out, reason in ((image, "is the image itself"), (tmp_path / "file", "is a file")):
        with pytest.raises(PlaneSSLError, match=reason):
            calls.export(tmp_path / "found.npz", study.folder, out, overwrite=True)
    assert image.read_bytes() == before and (tmp_path / "file").read_text() == "mine"


def test_what_nobody_has_outlined_is_told(arrays, study, tmp_path):
    (stack,) = study.stacks
    image = np.ones(stack.planes[0].shape, np.uint8)
    labels = ((None, *[image] * (len(stack.planes) - 1)),)
    Results(study, HEART, (SegmentedStack(stack, (1,), labels),)).save(tmp_path / "some.npz")
    said = []
    calls.export(tmp_path / "some.npz", study.folder, tmp_path / "some.nii.gz", report=said.append)
    assert any("phase 1: written as empty" in event["text"] and "slices 0 " in event["text"] for event in said)
