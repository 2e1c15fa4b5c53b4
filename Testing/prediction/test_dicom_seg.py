"""DICOM Segmentation objects: what archives and other readers find in them, and the sources that allow none."""
from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import highdicom
import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from Testing.prediction.geometries import volume

from PlaneSSLLib import PlaneSSLError, calls
from PlaneSSLLib.anatomy import ANATOMICAL_STRUCTURE
from PlaneSSLLib.prediction.dicom_seg import Source
from PlaneSSLLib.study import read_study

SEED = 0  # oblique


@pytest.fixture(scope="module")
def source(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("source") / "study"
    volume(SEED).write_dicom(folder, phases=2)
    return folder


@pytest.fixture
def written(truthful_run, source, tmp_path):
    """The results, and the folder of their DICOM SEGs."""
    return calls.segment(truthful_run, source, tmp_path / "seg", stack=stack_id(source)), tmp_path / "seg"


def stack_id(folder: Path) -> str:
    return read_study(folder).stacks[0].id


def errors(file: Path) -> set[str]:
    done = subprocess.run(["dciodvfy", "-new", str(file)], capture_output=True, text=True, check=False)
    return {line for line in done.stderr.splitlines() if line.startswith("Error")}


@pytest.mark.skipif(shutil.which("dciodvfy") is None, reason="dciodvfy (Debian: dicom3tools) is absent")
def test_the_validator_finds_no_error(written):
    _, folder = written
    files = sorted(folder.iterdir())
    assert [file.name for file in files] == [f"{stack_id_of(folder)}_phase{k:02d}.dcm" for k in range(2)]
    for file in files:
        assert errors(file) == set()


def stack_id_of(folder: Path) -> str:
    return sorted(folder.iterdir())[0].name.rsplit("_", 1)[0]


def test_highdicom_reads_the_same_voxels_by_source_image(written):
    results, folder = written
    (segmented,) = results.stacks
    for n, file in enumerate(sorted(folder.iterdir())):
        seg = highdicom.seg.segread(file)
        sources = [frames[n].sop_instance_uid for frames in segmented.stack.frames]
        found = seg.get_pixels_by_source_instance(sources, combine_segments=True)
        expected = np.zeros(256, np.uint8)
        expected[[label.value for label in results.anatomy.labels]] = seg.segment_numbers
        np.testing.assert_array_equal(found, expected[np.stack(segmented.labels[n])])


def test_simpleitk_reads_the_same_voxels(written):
    results, folder = written
    (segmented,) = results.stacks
    for n, file in enumerate(sorted(folder.iterdir())):
        frames = sitk.GetArrayFromImage(sitk.ReadImage(str(file))) > 0
        header = pydicom.dcmread(file)
        for mask, groups in zip(frames, header.PerFrameFunctionalGroupsSequence, strict=True):
            position = np.array(groups.PlanePositionSequence[0].ImagePositionPatient, dtype=float)
            (i,) = [i for i, plane in enumerate(segmented.stack.planes)
                    if np.allclose(plane.position, position, atol=1e-3)]
            number = groups.SegmentIdentificationSequence[0].ReferencedSegmentNumber
            value = results.anatomy.labels[number - 1].value
            np.testing.assert_array_equal(mask, segmented.labels[n][i] == value)


def test_codes_colours_and_the_algorithm_are_named(written, run):
    results, folder = written
    segs = [highdicom.seg.segread(file) for file in sorted(folder.iterdir())]
    for segment, label in zip(segs[0].SegmentSequence, results.anatomy.labels, strict=True):
        kind, category = segment.SegmentedPropertyTypeCodeSequence[0], segment.SegmentedPropertyCategoryCodeSequence[0]
        assert (kind.CodeValue, kind.CodingSchemeDesignator) == (label.code.value, label.code.scheme)
        assert category.CodeValue == ANATOMICAL_STRUCTURE.value
        assert segment.SegmentLabel == label.title and segment.SegmentAlgorithmType == "AUTOMATIC"
        algorithm = segment.SegmentationAlgorithmIdentificationSequence[0]
        assert algorithm.AlgorithmName == "PlaneSSL heart small"
        assert run.versions["planessl"] in algorithm.AlgorithmVersion
        shown = np.array(highdicom.color.CIELabColor.from_dicom_value(segment.RecommendedDisplayCIELabValue).to_rgb())
        assert np.abs(shown / 255 - label.color).max() < 0.02
    assert segs[0].SeriesInstanceUID == segs[1].SeriesInstanceUID
    assert [seg.InstanceNumber for seg in segs] == [1, 2]
    assert segs[0].SegmentSequence[0].TrackingUID == segs[1].SegmentSequence[0].TrackingUID


def test_the_patient_is_that_of_the_source_and_nobody_else_is_named(written, source):
    _, folder = written
    original = pydicom.dcmread(next(source.iterdir()))
    for file in folder.iterdir():
        seg = pydicom.dcmread(file)
        for keyword in ("PatientID", "PatientName", "StudyInstanceUID", "FrameOfReferenceUID", "StudyDate"):
            assert seg[keyword].value == original[keyword].value
        persons = {element.keyword: str(element.value) for element in seg.iterall() if element.VR == "PN"}
        assert {name: value for name, value in persons.items() if value} == {
            "PatientName": "Made^Up", "ContentCreatorName": "PlaneSSL^"}
        assert str(folder.parent) not in str(seg)


@pytest.mark.parametrize("keyword", ["SOPInstanceUID", "SeriesInstanceUID", "StudyInstanceUID", "FrameOfReferenceUID"])
def test_a_source_without_identifiers_cannot_be_referenced_and_other_forms_are_named(truthful_run, tmp_path, keyword):
    volume(SEED).write_dicom(tmp_path / "study", **{keyword: None})
    name = pydicom.datadict.dictionary_description(keyword)
    with pytest.raises(PlaneSSLError, match=rf"no {name}: .*(nii\.gz).*(mrb)"):
        calls.segment(truthful_run, tmp_path / "study", tmp_path / "seg", stack=stack_id(tmp_path / "study"))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["study"]


def test_slices_in_frames_of_reference_of_their_own_cannot_be_one_segmentation(data):
    stack = read_study(data("heart-sunnybrook") / "SCD0000101").stacks[0]
    with pytest.raises(PlaneSSLError, match="240 different values of Frame of Reference UID"):
        Source(stack)


def test_a_study_with_blank_identifiers_cannot_be_referenced(data):
    study = read_study(data("heart-multiview"))
    with pytest.raises(PlaneSSLError, match="have no SOP Class UID"):
        Source(next(stack for stack in study.stacks if stack.phases > 1))


def test_volume_files_cannot_be_referenced(truthful_run, tmp_path):
    made = volume(SEED)
    made.write(tmp_path / "image.nii.gz", made.labels.astype(np.float32))
    with pytest.raises(PlaneSSLError, match="does not come from DICOM"):
        calls.segment(truthful_run, tmp_path / "image.nii.gz", tmp_path / "seg")


def test_one_phase_of_a_cine_is_one_object(truthful_run, source, tmp_path):
    calls.segment(truthful_run, source, tmp_path / "seg", stack=stack_id(source), phase=1)
    (file,) = (tmp_path / "seg").iterdir()
    assert file.name.endswith("_phase01.dcm")
    referenced = {str(item.ReferencedSOPInstanceUID) for series in pydicom.dcmread(file).ReferencedSeriesSequence
                  for item in series.ReferencedInstanceSequence}
    stack = read_study(source).stacks[0]
    assert referenced == {frames[1].sop_instance_uid for frames in stack.frames}


def test_slices_in_series_of_their_own_are_referenced_there(truthful_run, tmp_path):
    volume(SEED).write_dicom(tmp_path / "study", phases=2, own_series=True)
    (stack,) = read_study(tmp_path / "study").stacks
    calls.segment(truthful_run, tmp_path / "study", tmp_path / "seg", stack=stack.id)
    headers = [pydicom.dcmread(file) for file in (tmp_path / "study").iterdir()]
    series_of = {header.SOPInstanceUID: header.SeriesInstanceUID for header in headers}
    assert len(set(series_of.values())) == len(stack.planes)
    for phase, file in enumerate(sorted((tmp_path / "seg").iterdir())):
        listed = {item.ReferencedSOPInstanceUID: series.SeriesInstanceUID
                  for series in pydicom.dcmread(file).ReferencedSeriesSequence
                  for item in series.ReferencedInstanceSequence}
        expected = [frames[phase].sop_instance_uid for frames in stack.frames]
        assert listed == {uid: series_of[uid] for uid in expected}
        assert shutil.which("dciodvfy") is None or errors(file) == set()


def enhanced(files: list[Path], folder: Path, in_one: bool) -> None:
    """Enhanced images of the same slices as two phases: the first slices of each, as one image or two."""
    kept = 8
    images = [pydicom.dcmread(file) for file in files]
    for phase, image in enumerate(images):
        del image.PerFrameFunctionalGroupsSequence[kept:]
        image.NumberOfFrames, image.PixelData = kept, image.PixelData[: kept * image.Rows * image.Columns * 2]
        for groups in image.PerFrameFunctionalGroupsSequence:
            groups.FrameContentSequence[0].TemporalPositionIndex = phase + 1
    if in_one:
        images[0].PerFrameFunctionalGroupsSequence.extend(images[1].PerFrameFunctionalGroupsSequence)
        images[0].NumberOfFrames, images[0].PixelData = 2 * kept, images[0].PixelData + images[1].PixelData
    folder.mkdir()
    for k, image in enumerate(images[: 1 if in_one else 2]):
        image.save_as(folder / f"{k}.dcm")


@pytest.mark.parametrize("in_one", [True, False])
def test_frames_of_enhanced_images_are_referenced_by_their_numbers(truthful_run, tmp_path, data, in_one):
    folder = tmp_path / "study"
    enhanced(sorted((data("odd-dicom") / "siemens-enhanced").glob("*.dcm")), folder, in_one)
    (stack,) = calls.segment(truthful_run, folder, tmp_path / "seg", stack=stack_id(folder)).study.stacks
    assert (stack.phases, len(stack.planes)) == (2, 8)
    numbers = set()
    for phase, file in enumerate(sorted((tmp_path / "seg").iterdir())):
        seg = pydicom.dcmread(file)
        frame_at = {tuple(np.round(plane.position, 2)): frames[phase]
                    for plane, frames in zip(stack.planes, stack.frames, strict=True)}
        for groups in seg.PerFrameFunctionalGroupsSequence:
            position = tuple(np.round(np.array(groups.PlanePositionSequence[0].ImagePositionPatient, dtype=float), 2))
            referenced = groups.DerivationImageSequence[0].SourceImageSequence[0]
            assert referenced.ReferencedFrameNumber == frame_at[position].frame_number
            assert referenced.ReferencedSOPInstanceUID == frame_at[position].sop_instance_uid
            numbers.add(int(referenced.ReferencedFrameNumber))
    assert numbers == set(range(1, 17 if in_one else 9))


def test_a_folder_with_anything_else_in_it_is_not_replaced(truthful_run, source, tmp_path):
    precious = tmp_path / "seg" / "thesis.tex"
    precious.parent.mkdir()
    precious.touch()
    with pytest.raises(PlaneSSLError, match=r"holds more than segmentations \(thesis\.tex\)"):
        calls.segment(truthful_run, source, tmp_path / "seg", stack=stack_id(source), overwrite=True)
    assert precious.exists()
