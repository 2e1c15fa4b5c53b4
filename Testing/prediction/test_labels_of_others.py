"""Label maps that other tools have written: segments in the order they were drawn, probabilities, an object each."""
from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from Testing.prediction.geometries import volume

from PlaneSSLLib import PlaneSSLError, calls
from PlaneSSLLib.cohort import Cohort, prepare
from PlaneSSLLib.study import read_study

RV, MYO, LV = 1, 2, 3
OBLIQUE = 0
SHAPE = (4, 24, 20)


def write_volume(array: np.ndarray, file: Path, **header: str) -> None:
    image = sitk.GetImageFromArray(array)
    image.SetSpacing([1.5, 1.5, 10])
    for key, value in header.items():
        image.SetMetaData(key, value)
    file.parent.mkdir(parents=True, exist_ok=True)
    sitk.WriteImage(image, str(file))


@pytest.fixture
def outlined(tmp_path):
    """A NIfTI study whose outlines were drawn in Slicer, the left ventricle first, so that it is segment 1."""
    rng = np.random.default_rng(0)
    write_volume(rng.integers(0, 500, SHAPE, dtype=np.int16), tmp_path / "p1" / "sax.nii.gz")
    drawn = np.zeros(SHAPE, np.uint8)
    drawn[:, 4:10, 4:10] = 1
    drawn[:, 14:18, 4:8] = 2
    write_volume(drawn, tmp_path / "p1" / "labels" / "sax.seg.nrrd", **{
        "Segment0_ID": "a", "Segment0_Name": "left ventricle", "Segment0_LabelValue": "1", "Segment0_Layer": "0",
        "Segment1_ID": "b", "Segment1_Name": "right ventricle", "Segment1_LabelValue": "2", "Segment1_Layer": "0"})
    (tmp_path / "p1" / "study.json").write_text(json.dumps(
        {"subject": "p1", "anatomy": "heart", "views": {"SAX": ["sax.nii.gz"]},
         "labels": [{"file": "labels/sax.seg.nrrd", "series": "SAX", "phase": 0}]}))
    return tmp_path / "p1"


def test_segments_are_known_by_their_names_in_a_studys_labels(outlined, tmp_path):
    """36 and 16 pixels of 2.25 mm2 in 4 slices 10 mm apart."""
    of_file = calls.measure(outlined / "labels" / "sax.seg.nrrd", anatomy="heart")["stacks"][0]["volumes_ml"]
    of_study = calls.measure(outlined)["stacks"][0]["volumes_ml"]
    for volumes in (of_file, of_study):
        assert [*volumes["LV"], *volumes["RV"]] == pytest.approx([36 * 4 * 0.0225, 16 * 4 * 0.0225])
    prepare([outlined], "heart", tmp_path / "cohort")
    cohort = Cohort(tmp_path / "cohort")
    study = cohort.studies[cohort.pseudonyms[0]]
    labels = study.labels(study.stacks[0], 0, 0)
    assert np.bincount(labels.ravel(), minlength=4).tolist() == [SHAPE[1] * SHAPE[2] - 52, 16, 0, 36]


def test_segments_in_several_layers_are_told(tmp_path):
    """Slicer writes a volume of several values per voxel where segments overlap."""
    layers = sitk.Compose([sitk.Image(*SHAPE, sitk.sitkUInt8)] * 2)
    layers.SetMetaData("Segment0_ID", "a")
    sitk.WriteImage(layers, str(tmp_path / "x.seg.nrrd"))
    with pytest.raises(PlaneSSLError, match="segments that overlap"):
        calls.measure(tmp_path / "x.seg.nrrd", anatomy="heart")


def test_labels_that_a_converter_has_scaled_are_whole_all_the_same(tmp_path):
    """nibabel stores floats as int16 with a slope, and what comes back is 1.00005."""
    labels = np.zeros(SHAPE, np.float32)
    labels[:, :5, :5] = LV * 1.00005
    write_volume(labels, tmp_path / "x.nii.gz")
    volumes = calls.measure(tmp_path / "x.nii.gz", anatomy="heart")["stacks"][0]["volumes_ml"]
    assert volumes["LV"] == pytest.approx([25 * 4 * 0.0225])
    write_volume(labels * 0.8, tmp_path / "y.nii.gz")
    with pytest.raises(PlaneSSLError, match="not whole"):
        calls.measure(tmp_path / "y.nii.gz", anatomy="heart")


@pytest.fixture
def seg(truthful_run, tmp_path) -> Path:
    """A DICOM SEG of one phase, and what was measured of it."""
    volume(0).write_dicom(tmp_path / "source", phases=1)
    calls.segment(truthful_run, tmp_path / "source", tmp_path / "seg")
    file, = (tmp_path / "seg").iterdir()
    return file


def volumes_of(source: Path) -> dict[str, list[float]]:
    return calls.measure(source, anatomy="heart")["stacks"][0]["volumes_ml"]


def test_a_fraction_counts_from_a_half_on(seg, tmp_path):
    whole = pydicom.dcmread(seg)
    masks = whole.pixel_array > 0
    weak = np.zeros_like(masks)
    weak[:, ::2] = True  # every second row is found with a probability of a fifth only
    for name, value in (("weak", 50), ("strong", 200)):
        fraction = pydicom.dcmread(seg)
        fraction.SegmentationType, fraction.MaximumFractionalValue = "FRACTIONAL", 255
        fraction.BitsAllocated = fraction.BitsStored = 8
        fraction.HighBit = 7
        fraction.PixelData = np.where(masks, np.where(weak, value, 255), 0).astype(np.uint8).tobytes()
        fraction.save_as(tmp_path / f"{name}.dcm")
    full, some = volumes_of(seg), volumes_of(tmp_path / "weak.dcm")
    assert volumes_of(tmp_path / "strong.dcm") == full
    assert all(0 < some[name][0] < 0.8 * full[name][0] for name in full)


def test_the_only_segment_may_be_named_for_all_frames_together(seg, tmp_path):
    one = _of_segment(seg, 1)
    shared = one.PerFrameFunctionalGroupsSequence[0].SegmentIdentificationSequence
    for groups in one.PerFrameFunctionalGroupsSequence:
        del groups.SegmentIdentificationSequence
    one.SharedFunctionalGroupsSequence[0].SegmentIdentificationSequence = shared
    one.save_as(tmp_path / "one.dcm")
    assert volumes_of(tmp_path / "one.dcm")["RV"] == pytest.approx(volumes_of(seg)["RV"])


def test_an_object_for_each_structure_is_one_phase(seg, tmp_path):
    """Read as two phases, each ventricle would have emptied all its blood."""
    for number in (1, 2, 3):
        one = _of_segment(seg, number)
        one.SOPInstanceUID = f"1.2.3.{number}"
        one.file_meta.MediaStorageSOPInstanceUID = one.SOPInstanceUID
        one.InstanceNumber = number
        (tmp_path / "parts").mkdir(exist_ok=True)
        one.save_as(tmp_path / "parts" / f"PART{number}")  # archives give names without an ending
    assert volumes_of(tmp_path / "parts") == volumes_of(seg)


@pytest.mark.parametrize("apart", [False, True])
def test_segments_that_overlap_are_told(seg, tmp_path, apart):
    """The wall drawn with its cavity: whichever came last would have the cavity's volume. In one object, or several."""
    whole = pydicom.dcmread(seg)
    masks = whole.pixel_array
    numbers = np.array([groups.SegmentIdentificationSequence[0].ReferencedSegmentNumber
                        for groups in whole.PerFrameFunctionalGroupsSequence])
    masks[numbers == 2] |= masks[numbers == 3]
    whole.PixelData = np.packbits(masks.ravel(), bitorder="little").tobytes()
    whole.save_as(tmp_path / "whole.dcm")
    if apart:
        for number in (1, 2, 3):
            one = _of_segment(tmp_path / "whole.dcm", number)
            one.SOPInstanceUID = one.file_meta.MediaStorageSOPInstanceUID = f"1.2.3.{number}"
            one.InstanceNumber = number
            (tmp_path / "parts").mkdir(exist_ok=True)
            one.save_as(tmp_path / "parts" / f"{number}.dcm")
    with pytest.raises(PlaneSSLError, match="holds segments that overlap"):
        volumes_of(tmp_path / ("parts" if apart else "whole.dcm"))


def test_empty_slices_that_were_left_out_are_empty(truthful_run, tmp_path):
    """Most tools write no frame in which nothing is outlined: neither volumes nor ejection may depend on it."""
    made = volume(0)
    hollow = made.labels.copy()
    hollow[len(hollow) // 2] = 0
    hollow[len(hollow) // 2 - 1][hollow[len(hollow) // 2 - 1] == LV] = 0
    replace(made, labels=hollow).write_dicom(tmp_path / "source", phases=2)
    calls.segment(truthful_run, tmp_path / "source", tmp_path / "seg")
    (tmp_path / "others").mkdir()
    left_out = 0
    for phase, file in enumerate(sorted((tmp_path / "seg").iterdir())):
        masks = pydicom.dcmread(file).pixel_array.any((1, 2))
        if phase:  # in one phase the next slice is empty, too
            masks &= _positions(file) != max(_positions(file)[masks])
        sparse = _of_frames(file, np.flatnonzero(masks))
        sparse.ContentDescription = "by another tool"
        sparse.save_as(tmp_path / "others" / file.name)
        left_out += len(masks) - masks.sum()
    whole, found = (calls.measure(tmp_path / name, anatomy="heart")["stacks"][0] for name in ("seg", "others"))
    assert left_out > 2
    for name, (first, second) in whole["volumes_ml"].items():
        assert found["volumes_ml"][name][0] == pytest.approx(first)
        assert found["volumes_ml"][name][1] <= second
    assert found["cavities"]["LV"]["ef_percent"] is not None


def test_frames_beside_each_other_in_one_plane_are_told_or_read(seg, tmp_path):
    """No step lies between them by which empty slices could be counted."""
    other = pydicom.dcmread(seg)
    other.ContentDescription = "by another tool"
    plane = other.SharedFunctionalGroupsSequence[0].PlaneOrientationSequence[0].ImageOrientationPatient
    for groups in other.PerFrameFunctionalGroupsSequence[::2]:
        position = groups.PlanePositionSequence[0]
        position.ImagePositionPatient = [x + 0.5 * float(d) for x, d in zip(
            map(float, position.ImagePositionPatient), plane[:3], strict=True)]
    other.save_as(tmp_path / "other.dcm")
    assert sum(map(sum, volumes_of(tmp_path / "other.dcm").values())) > 0


def _positions(seg: Path) -> np.ndarray:
    """How far along x the slice of each frame lies; any direction tells slices apart."""
    return np.array([groups.PlanePositionSequence[0].ImagePositionPatient[0]
                     for groups in pydicom.dcmread(seg).PerFrameFunctionalGroupsSequence])


def _of_segment(seg: Path, number: int) -> pydicom.Dataset:
    """The same object with one of its segments alone."""
    of = [groups.SegmentIdentificationSequence[0].ReferencedSegmentNumber
          for groups in pydicom.dcmread(seg).PerFrameFunctionalGroupsSequence]
    one = _of_frames(seg, [i for i, found in enumerate(of) if found == number])
    one.SegmentSequence = [segment for segment in one.SegmentSequence if segment.SegmentNumber == number]
    return one


def _of_frames(seg: Path, kept: Sequence[int]) -> pydicom.Dataset:
    """The same object with some of its frames alone."""
    one = pydicom.dcmread(seg)
    masks = one.pixel_array[kept]
    one.PerFrameFunctionalGroupsSequence = [one.PerFrameFunctionalGroupsSequence[i] for i in kept]
    one.NumberOfFrames = len(kept)
    bits = np.packbits(masks.ravel(), bitorder="little").tobytes()
    one.PixelData = bits + b"\0" * (len(bits) % 2)
    return one


def test_a_segmentation_without_segments_is_told(seg, tmp_path):
    empty = pydicom.dcmread(seg)
    del empty.SegmentSequence
    empty.save_as(tmp_path / "empty.dcm")
    with pytest.raises(PlaneSSLError, match="cannot be read as DICOM SEG"):
        calls.measure(tmp_path / "empty.dcm")


def test_phases_of_dicom_segmentations_keep_their_numbers(truthful_run, tmp_path):
    """End-diastole and end-systole alone, say; of another program's the first is the first."""
    volume(OBLIQUE).write_dicom(tmp_path / "study", phases=4)
    stack = read_study(tmp_path / "study").stacks[0].id
    calls.segment(truthful_run, tmp_path / "study", tmp_path / "seg", stack=stack)
    for phase in (0, 2):
        (tmp_path / "seg" / f"{stack}_phase{phase:02}.dcm").unlink()
    assert calls.measure(tmp_path / "seg")["stacks"][0]["phases"] == [1, 3]
    for file in (tmp_path / "seg").iterdir():
        other = pydicom.dcmread(file)
        del other.ContentDescription
        other.save_as(file)
    assert calls.measure(tmp_path / "seg")["stacks"][0]["phases"] == [0, 1]


def test_dicom_segmentations_may_say_for_each_frame_what_others_say_for_all(truthful_run, tmp_path):
    volume(OBLIQUE).write_dicom(tmp_path / "study")
    stack = read_study(tmp_path / "study").stacks[0].id
    calls.segment(truthful_run, tmp_path / "study", tmp_path / "seg", stack=stack)
    expected = calls.measure(tmp_path / "seg")
    (file,) = (tmp_path / "seg").iterdir()
    seg = pydicom.dcmread(file)
    shared = seg.SharedFunctionalGroupsSequence[0]
    for name in ("PixelMeasuresSequence", "PlaneOrientationSequence"):
        for groups in seg.PerFrameFunctionalGroupsSequence:
            setattr(groups, name, shared[name].value)
        delattr(shared, name)
    seg.save_as(file)
    assert calls.measure(tmp_path / "seg") == expected
