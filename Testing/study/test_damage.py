"""Damaged, lying and foreign files: they are listed with a reason, and the readable rest is used."""
from __future__ import annotations

import os
import random
import shutil
import time
from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from made_images import SHAPE, image, volume, write
from pydicom.dataset import Dataset
from pydicom.fileset import FileSet
from pydicom.sequence import Sequence
from pydicom.uid import generate_uid
from Testing.made_up_study import write_study

from PlaneSSLLib import PlaneSSLError
from PlaneSSLLib.study import find_studies, lines_of, read_studies, read_study
from PlaneSSLLib.study.document import inside
from PlaneSSLLib.study.volumes import VolumeFile, write_volume

@pytest.fixture
def folder(tmp_path):
    """A study of three good slices."""
    for number in (1, 2, 3):
        write(image(number), tmp_path / "study" / f"{number}.dcm")
    return tmp_path / "study"


def problem_of(folder: Path, name: str) -> str:
    """Read the folder; the good slices must be there, and exactly one problem, with this file."""
    study = read_study(folder)
    assert [len(stack.planes) for stack in study.stacks] == [3]
    assert [problem.file.name for problem in study.problems] == [name]
    return study.problems[0].reason


@pytest.mark.parametrize(("changes", "reason"), [
    ({"ImageOrientationPatient": None}, "no position and orientation"),
    ({"ImagePositionPatient": None}, "no position and orientation"),
    ({"PixelSpacing": None}, "no pixel spacing"),
    ({"ImageOrientationPatient": [0, 0, 0, 0, 0, 0]}, "length 0"),
    ({"ImageOrientationPatient": [1, 0, 0, 0.5, 0.866, 0]}, "not perpendicular"),
    ({"ImageOrientationPatient": [1, 0, 0]}, "no position and orientation"),
    ({"PixelSpacing": [-1.5, 1]}, "two positive numbers"),
    ({"PixelSpacing": [0, 0]}, "two positive numbers"),
    ({"Rows": 0}, "positive whole numbers"),
    ({"Rows": None}, "holds no image"),
    ({"Rows": 4000}, "cut off"),
    ({"NumberOfFrames": 2000000000}, "cannot hold"),
    ({"NumberOfFrames": -4}, "cannot hold"),
    ({"Modality": "SEG"}, "no acquired image (SEG)"),
    ({"SamplesPerPixel": 3}, "colour"),
])
def test_impossible_headers_are_named(folder, changes, reason):
    write(image(4, **changes), folder / "bad.dcm")
    assert reason in problem_of(folder, "bad.dcm")


def test_numbers_that_are_none(folder):
    path = write(image(4), folder / "bad.dcm")
    path.write_bytes(path.read_bytes().replace(b"12.0\\0.0\\0.0", b"12.x\\0.0\\0.0").replace(b"12\\0\\0", b"1x\\0\\0"))
    path.write_bytes(path.read_bytes().replace(b"12.0\\0\\0 ", b"12.x\\0\\0 "))
    assert "no position" in problem_of(folder, "bad.dcm")


def test_truncated_and_empty_files(folder):
    whole = write(image(4), folder / "bad.dcm").read_bytes()
    (folder / "bad.dcm").write_bytes(whole[:-20])
    assert "cut off" in problem_of(folder, "bad.dcm")
    (folder / "bad.dcm").write_bytes(whole[:200])
    assert problem_of(folder, "bad.dcm")
    (folder / "bad.dcm").write_bytes(b"")
    assert problem_of(folder, "bad.dcm") == "is empty"


def test_sequences_nested_without_end(folder):
    whole = write(image(4), folder / "bad.dcm").read_bytes()
    # Referenced images, one within another.
    start = b"\x08\x00\x40\x11SQ\0\0\xff\xff\xff\xff\xfe\xff\x00\xe0\xff\xff\xff\xff"
    place = whole.index(b"\x10\x00\x20\x00LO")
    (folder / "bad.dcm").write_bytes(whole[:place] + start * 3000 + whole[place:])
    assert problem_of(folder, "bad.dcm")


def test_functional_groups_that_do_not_count_up(folder):
    frames = image(4, ImagePositionPatient=None, ImageOrientationPatient=None, NumberOfFrames=2)
    frames.PixelData = frames.PixelData * 2
    frames.PerFrameFunctionalGroupsSequence = Sequence([Dataset()])
    write(frames, folder / "bad.dcm")
    assert "describes 1" in problem_of(folder, "bad.dcm")


def test_axes_that_are_not_at_right_angles_are_told_with_a_way_out(tmp_path):
    file = tmp_path / "sheared.nii"
    volume(file)
    header = bytearray(file.read_bytes())
    affine = np.frombuffer(header[280:328], "<f4").reshape(3, 4).copy()
    affine[0, 1] += 0.01  # of a pixel's step
    header[252:256], header[280:328] = np.array([0, 1], "<i2").tobytes(), affine.tobytes()  # by the sform alone
    file.write_bytes(header)
    with pytest.raises(PlaneSSLError, match=r"not at right angles.*set_qform"):
        read_study(file)
    header[252:254] = np.array([1], "<i2").tobytes()  # what it then has: the orientation without shear as well
    file.write_bytes(header)
    assert len(read_study(file).stacks[0].planes) == SHAPE[0]


def test_what_does_not_claim_to_be_an_image_is_passed_over(folder):
    for name in ("notes.txt", "LICENSE", "table.csv", "report.pdf", "picture.png", "settings.json", ".DS_Store"):
        (folder / name).write_text("nothing to see")
    assert read_study(folder).problems == ()


def test_a_discs_table_of_contents_is_no_broken_image(tmp_path):
    disc = FileSet()
    for number in (1, 2, 3):
        disc.add(write(image(number, PatientID="p", StudyDate="20200101", StudyTime="120000", StudyID="1"),
                       tmp_path / "study" / f"{number}.dcm"))
    disc.write(tmp_path / "disc")
    assert (tmp_path / "disc" / "DICOMDIR").is_file()
    study = read_study(tmp_path / "disc")
    assert [len(stack.planes) for stack in study.stacks] == [3]
    assert not study.problems


def test_what_is_packed_is_told(folder):
    for name in ("IM1.dcm.gz", "series.zip"):
        (folder / name).write_bytes(b"PK")
    assert {problem.file.name for problem in read_study(folder).problems} == {"IM1.dcm.gz", "series.zip"}


def test_links_that_loop_or_lead_nowhere(folder):
    (folder / "again").symlink_to(folder, target_is_directory=True)
    (folder / "up").symlink_to(folder.parent, target_is_directory=True)
    (folder / "self.dcm").symlink_to(folder / "self.dcm")
    (folder / "lost.dcm").symlink_to(folder / "nothing.dcm")
    study = read_study(folder)
    assert [len(stack.planes) for stack in study.stacks] == [3]
    assert {problem.file.name for problem in study.problems} == {"self.dcm", "lost.dcm"}


def test_a_pipe_is_not_waited_for(folder):
    os.mkfifo(folder / "pipe.dcm")
    assert len(read_study(folder).stacks) == 1


def test_what_may_not_be_opened_is_listed(folder, monkeypatch):
    """The super-user may open anything, so the refusal is made up."""
    (folder / "secret").mkdir()
    write(image(4), folder / "mine.dcm")
    real_open, real_scandir = open, os.scandir

    def refuse(path, *arguments, **named):
        if Path(path).name in ("secret", "mine.dcm"):
            raise PermissionError(13, "Permission denied")
        return (real_scandir if not arguments and Path(path).is_dir() else real_open)(path, *arguments, **named)

    monkeypatch.setattr(os, "scandir", refuse)
    monkeypatch.setattr("builtins.open", refuse)
    study = read_study(folder)
    assert [len(stack.planes) for stack in study.stacks] == [3]
    assert {p.file.name: p.reason for p in study.problems} == {
        "secret": "cannot be opened (Permission denied)", "mine.dcm": "cannot be opened (Permission denied)"}


@pytest.mark.parametrize("content", [None, b"", b"text", "truncated"])
def test_nothing_to_read_is_one_sentence_with_the_path(tmp_path, content):
    folder = tmp_path / "study"
    if content is not None:
        folder.mkdir()
        path = write(image(), folder / "only.dcm")
        path.write_bytes(path.read_bytes()[:-30] if content == "truncated" else content)
    with pytest.raises(PlaneSSLError) as error:
        read_study(folder)
    assert str(folder) in str(error.value)
    if content is not None:
        assert "only.dcm" in str(error.value)
    assert "\n" not in str(error.value)


def test_one_broken_study_does_not_stop_the_others(tmp_path):
    for name in ("a", "b", "c"):
        for number in (1, 2):
            write(image(number, StudyInstanceUID=f"1.2.{ord(name)}", PatientID=name), tmp_path / name / f"{number}.dcm")
    for path in (tmp_path / "b").iterdir():
        path.write_bytes(path.read_bytes()[:-30])
    (tmp_path / "b" / "study.json").write_text("{}")
    found = list(read_studies(find_studies(tmp_path)))
    assert [type(one).__name__ for one in found] == ["Study", "Problem", "Study"]
    assert "1.dcm" in found[1].reason


def test_hostile_texts_stay_texts(tmp_path):
    for number in (1, 2):
        write(image(number, SeriesDescription="../../$(touch x)`; rm", SeriesNumber=None, PatientID="../../etc"),
              tmp_path / "study" / f"{number}.dcm")
    stack, = read_study(tmp_path / "study").stacks
    assert stack.id == "s00-sagittal"
    (tmp_path / "study" / "study.json").write_text(
        '{"labels": [{"file": "../../../etc/passwd", "series": "1", "phase": 0}, 7],'
        ' "views": {"SAX": ["/etc/passwd"]}}')
    with pytest.raises(PlaneSSLError, match="no file of this folder"):
        read_study(tmp_path / "study")


def test_a_broken_study_json_is_a_problem_and_the_images_are_read(folder):
    (folder / "study.json").write_text("{not json")
    assert "JSON" in problem_of(folder, "study.json")


def test_a_frame_that_cannot_be_decoded_names_its_file(folder):
    made = image(4)
    made.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.4.90"
    made.PixelData = pydicom.encaps.encapsulate([b"no jpeg 2000 at all."])
    made["PixelData"].VR = "OB"
    write(made, folder / "bad.dcm")
    stack, = read_study(folder).stacks
    with pytest.raises(PlaneSSLError, match=r"bad\.dcm"):
        stack.pixels(3)


def test_damaged_files_are_refused_or_read_but_never_raise(tmp_path, data):
    """Bytes of headers are overwritten, and files are cut, at random; the seed is fixed and so is the time."""
    sources = [write(image(1), tmp_path / "made.dcm"), *(data("odd-dicom") / "loose").glob("MR_small*.dcm"),
               next((data("heart-multiview") / "Series0005_trufi_short-axis").iterdir()),
               data("odd-dicom") / "philips-repeated-positions" / "001.dcm",
               data("heart-acdc") / "patient001" / "2ch.nii.gz"]
    drawn = random.Random(2026)
    good = write(image(7, SeriesInstanceUID=generate_uid()), tmp_path / "good.dcm").read_bytes()
    start, worst, refused = time.monotonic(), 0.0, 0
    for round_number in range(60):
        folder = tmp_path / f"round{round_number}"
        folder.mkdir()
        (folder / "good.dcm").write_bytes(good)
        for source in sources:
            damaged = bytearray(source.read_bytes())
            for _ in range(drawn.choice([1, 3, 20])):
                damaged[drawn.randrange(min(len(damaged), 3000))] = drawn.randrange(256)
            if drawn.random() < 0.3:
                del damaged[drawn.randrange(len(damaged)):]
            ending = ".nii.gz" if source.name.endswith(".gz") else ".dcm"
            (folder / (source.name.split(".")[0] + ending)).write_bytes(damaged)
        began = time.monotonic()
        study = read_study(folder)
        lines_of(study)
        for stack in study.stacks:
            for frames in stack.frames:
                for frame in frames:
                    try:
                        assert frame.source.read().shape == stack.planes[0].shape
                    except PlaneSSLError as error:
                        assert str(frame.source.file) in str(error)
        worst = max(worst, time.monotonic() - began)
        refused += len(study.problems)
        assert all(problem.file.parent == folder and problem.reason for problem in study.problems)
        assert any(frame.source.file.name == "good.dcm" for stack in study.stacks for f in stack.frames for frame in f)
        shutil.rmtree(folder)
    assert refused > 60, "the damage is real"
    assert worst < 5
    assert time.monotonic() - start < 60


@pytest.mark.parametrize("name", ["../x.nii", "a/../../x.nii", "/etc/x.nii", "C:x.nii", "C:\\secret\\x.nii",
                                  "..\\..\\x.nii", "\\\\host\\share\\x.nii", "", 7])
def test_no_name_leads_out_of_the_studys_folder_on_any_system(tmp_path, name):
    assert inside(tmp_path, name) is None
    assert inside(tmp_path, "labels/sax.nii.gz") == tmp_path / "labels" / "sax.nii.gz"


def test_a_file_that_the_system_does_not_give_stops_no_other_study(tmp_path, monkeypatch):
    for name in ("a", "b"):
        write_study(tmp_path / name, 1, slices=3)

    def vanished(folder, **_how):
        if folder.name == "a":
            raise PermissionError(13, "Permission denied", "sax_0.nii.gz")
        return read_study(folder, **_how)

    monkeypatch.setattr("PlaneSSLLib.study.finding.read_study", vanished)
    one, other = read_studies([tmp_path / "a", tmp_path / "b"])
    assert "Permission denied" in one.reason and other.stacks


@pytest.mark.parametrize("ending", ["nii", "nii.gz", "nrrd", "mha"])
def test_a_volume_that_the_disk_does_not_hold_is_not_half_written(tmp_path, ending, little_room):
    """ITK writes what fits of a NIfTI file, says nothing, and reads it back."""
    made = np.random.default_rng(0).integers(0, 255, (4, 40, 50), np.uint8)
    made[-1, 20:] = 0  # what is lost may be background
    with pytest.raises(PlaneSSLError, match=rf"out\.{ending} cannot be written"):
        write_volume(sitk.GetImageFromArray(made), tmp_path / f"out.{ending}")
    if ending == "nii":
        with pytest.raises(PlaneSSLError, match="whole"):
            write_volume(sitk.GetImageFromArray(made[:2] * np.uint8([[[1]], [[0]]])), tmp_path / "out.nii")
    assert list(tmp_path.iterdir()) == []
    write_volume(sitk.GetImageFromArray(made[:1, :30]), tmp_path / f"out.{ending}")
    np.testing.assert_array_equal(VolumeFile(tmp_path / f"out.{ending}").array[0], made[:1, :30])
