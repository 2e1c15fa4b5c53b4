"""One call each, as a console and the command line make them, with good input and bad."""
from __future__ import annotations

import errno
import json
import os

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from Testing.prediction.geometries import volume

from PlaneSSLLib import PlaneSSLError, calls, cli
from PlaneSSLLib.study import read_study
from PlaneSSLLib.study.volumes import VolumeSlice
from PlaneSSLLib.training.run import Run

OBLIQUE, ONE_SLICE, TILTED = 0, 4, 5


@pytest.fixture
def cine(tmp_path):
    """A NIfTI study of one short-axis cine of three phases, with a fourth dimension, and one still long-axis image."""
    made, folder = volume(OBLIQUE), tmp_path / "study"
    folder.mkdir()
    made.write(folder / "sax.nii.gz", np.stack([made.labels.astype(np.float32) * factor for factor in (100, 90, 95)]))
    volume(ONE_SLICE).write(folder / "4ch.nii.gz", volume(ONE_SLICE).labels.astype(np.float32))
    (folder / "study.json").write_text(json.dumps({
        "subject": "s", "anatomy": "heart", "views": {"SAX": ["sax.nii.gz"], "4CH": ["4ch.nii.gz"]}}))
    return folder


def test_the_run_s_views_are_segmented_and_every_form_is_measured_alike(truthful_run, cine, tmp_path):
    found = calls.segment(truthful_run, cine)
    assert [one.stack.view for one in found.stacks] == ["SAX"] and found.stacks[0].phases == (0, 1, 2)
    expected = calls.measure(found)["stacks"][0]
    assert expected["cavities"]["LV"]["edv_ml"] > 1

    def same(source, **more):
        measured = calls.measure(source, **more)["stacks"][0]
        for name, volumes in expected["volumes_ml"].items():
            assert measured["volumes_ml"][name] == pytest.approx([volumes[k] for k in phases], rel=1e-4)

    phases = (0, 1, 2)
    calls.segment(truthful_run, cine, tmp_path / "l.nii.gz")
    same(tmp_path / "l.nii.gz", anatomy="heart")
    calls.segment(truthful_run, cine, tmp_path / "l.seg.nrrd", phase=1)
    phases = (1,)
    same(tmp_path / "l.seg.nrrd")


@pytest.mark.parametrize(("names", "said", "shown"), [
    (("p1_frame01_0000", "p1_frame09_0000"), "one of its case's 2 phases", 1), (("p1_0000", "p1_0001"), "channels", 0)])
def test_of_a_case_in_several_files_one_is_segmented(truthful_run, tmp_path, names, said, shown):
    """nnU-Net's layout: the file that is named, and of channels the first, whose labels they are."""
    made, folder = volume(OBLIQUE), tmp_path / "imagesTs"
    folder.mkdir()
    for name, labels in zip(names, (made.labels, np.flip(made.labels, 2)), strict=True):
        made.write(folder / f"{name}.nii.gz", labels.astype(np.float32))
    notices = []
    found, = calls.segment(truthful_run, folder / f"{names[shown]}.nii.gz", tmp_path / "l.nii.gz", stack="p1",
                           anatomy="heart", report=lambda event: notices.append(event.get("text", ""))).stacks
    assert found.phases == (shown,) and any(said in text for text in notices)
    written = sitk.GetArrayFromImage(sitk.ReadImage(str(tmp_path / "l.nii.gz")))
    assert written.ndim == 3
    expected = np.flip(made.labels, 2) if shown else made.labels
    assert (written == expected).mean() > 0.99 > (written == np.flip(expected, 2)).mean()


def test_labels_beside_a_study_are_measured(truthful_run, cine):
    calls.segment(truthful_run, cine, cine / "labels" / "sax.nii.gz", phase=0)
    one = calls.measure(cine)["stacks"][0]
    assert one["stack"] == "SAX" and one["phases"] == [0]
    assert one["volumes_ml"]["LV"][0] == pytest.approx(
        calls.measure(calls.segment(truthful_run, cine, phase=0))["stacks"][0]["volumes_ml"]["LV"][0])


def test_dicom_segmentations_are_measured_as_what_was_found(truthful_run, tmp_path):
    volume(OBLIQUE).write_dicom(tmp_path / "study", phases=2)
    stack = read_study(tmp_path / "study").stacks[0].id
    found = calls.segment(truthful_run, tmp_path / "study", tmp_path / "seg", stack=stack)
    expected = calls.measure(found)["stacks"][0]
    measured = calls.measure(tmp_path / "seg")["stacks"][0]
    for name, volumes in expected["volumes_ml"].items():
        assert measured["volumes_ml"][name] == pytest.approx(volumes, rel=1e-4)
    assert calls.measure(tmp_path / "seg" / f"{stack}_phase01.dcm")["stacks"][0]["phases"] == [1]


def test_dicom_segmentations_keep_the_names_of_their_stacks(truthful_run, tmp_path):
    for n in (1, 2):
        volume(OBLIQUE).write_dicom(tmp_path / f"study{n}")
    (first,) = read_study(tmp_path / "study1").stacks
    for n in (1, 2):
        calls.segment(truthful_run, tmp_path / f"study{n}", tmp_path / f"seg{n}", stack=first.id)
    (one,) = calls.measure(tmp_path / "seg1")["stacks"]
    assert (one["stack"], one["view"]) == (first.id, first.view)
    other = pydicom.dcmread(tmp_path / "seg2" / f"{first.id}_phase00.dcm")
    del other.ContentDescription  # as of another program
    other.save_as(tmp_path / "seg1" / "other.dcm")
    both = calls.measure(tmp_path / "seg1")["stacks"]
    assert {(s["stack"], s["view"]) for s in both} == {(first.id, first.view), ("Segmentation-of-cine-SAX", "")}
    other.ContentDescription = f"{first.id} ({first.view})"
    other.save_as(tmp_path / "seg1" / "other.dcm")
    assert {s["stack"] for s in calls.measure(tmp_path / "seg1")["stacks"]} == {first.id, f"{first.id}-2"}
    other.PatientID = "somebody else"
    other.save_as(tmp_path / "seg1" / "other.dcm")
    with pytest.raises(PlaneSSLError, match="2 patients"):
        calls.measure(tmp_path / "seg1")


@pytest.fixture(params=[1, 2])
def uneven(tmp_path, request):
    """A DICOM study of one cine of three phases, one slice of which lacks one; its id, which, and where."""
    volume(OBLIQUE).write_dicom(tmp_path / "study", phases=3)
    (tmp_path / "study" / f"01-{request.param:02}.dcm").unlink()
    (stack,) = read_study(tmp_path / "study").stacks
    (lacking,) = [i for i in range(len(stack.planes)) if not stack.has(i, request.param)]
    return tmp_path / "study", stack.id, request.param, lacking


def test_a_volume_file_holds_no_phase_that_a_slice_lacks(truthful_run, uneven, tmp_path):
    study, stack, phase, lacking = uneven
    kept, said = tuple({0, 1, 2} - {phase}), []
    found = calls.segment(truthful_run, study, tmp_path / "l.nii.gz", stack=stack, report=said.append)
    assert sitk.ReadImage(str(tmp_path / "l.nii.gz")).GetSize()[3] == 2 and found.stacks[0].phases == kept
    assert f"of {stack} have. Left out: phase {phase}, not acquired in slice {lacking} (all" in "".join(
        event.get("text", "") for event in said)
    whole = calls.segment(truthful_run, study, stack=stack)
    measured = calls.measure(whole)["stacks"][0]
    assert whole.stacks[0].phases == (0, 1, 2) and "1 of 3 phases" in measured["notes"][0]
    again = calls.measure(tmp_path / "l.nii.gz", anatomy="heart")["stacks"][0]
    for name, cavity in measured["cavities"].items():
        numbered = {**again["cavities"][name], **{key: cavity[key] for key in ("ed_phase", "es_phase")}}
        assert numbered == pytest.approx(cavity, rel=1e-4)  # the file counts the phases that it holds
    refused(tmp_path, f"{stack} was not acquired in slice {lacking} at phase {phase}", truthful_run, study,
            tmp_path / "one.nii.gz", stack=stack, phase=phase)


def test_labels_of_a_phase_that_a_slice_lacks_are_not_measured(truthful_run, uneven):
    study, _, lacked, _ = uneven
    (study / "labels").mkdir()
    made = volume(OBLIQUE)
    made.write(study / "labels" / "l.nii.gz")
    uid = read_study(study).stacks[0].series_uid
    (study / "study.json").write_text(json.dumps({"anatomy": "heart", "labels": [
        {"file": "labels/l.nii.gz", "series": uid, "phase": phase} for phase in (0, lacked)]}))
    measured = calls.measure(study)["stacks"][0]
    assert measured["volumes_ml"]["LV"][0] > 0 and measured["volumes_ml"]["LV"][1] is None


def test_slicer_reads_names_colours_and_codes_of_a_seg_nrrd(truthful_run, cine, tmp_path):
    slicer = pytest.importorskip("slicer")
    from PlaneSSLLib import scene

    scene.start()
    found = calls.segment(truthful_run, cine, tmp_path / "l.seg.nrrd", phase=0)
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode")
    storage = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationStorageNode")
    storage.SetFileName(str(tmp_path / "l.seg.nrrd"))
    assert storage.ReadData(node)
    segments = [node.GetSegmentation().GetNthSegment(i) for i in range(node.GetSegmentation().GetNumberOfSegments())]
    labels = found.anatomy.labels
    assert [segment.GetName() for segment in segments] == [label.title for label in labels]
    assert [segment.GetLabelValue() for segment in segments] == [label.value for label in labels]
    for segment, label in zip(segments, labels, strict=True):
        assert segment.GetColor() == pytest.approx(label.color, abs=1e-3)
        assert f"SCT^{label.code.value}^{label.code.meaning}" in segment.GetTerminology()
    slicer.mrmlScene.Clear(0)


def test_of_several_stacks_the_best_is_taken_and_named(truthful_run, cine, tmp_path, monkeypatch):
    monkeypatch.setattr(Run, "config", {**Run.open(truthful_run).config, "views": ["4CH", "SAX"]})
    said = []
    calls.segment(truthful_run, cine, tmp_path / "l.nii.gz", report=said.append)
    assert sitk.ReadImage(str(tmp_path / "l.nii.gz")).GetSize()[3] == 3  # the cine of several slices, not the one image
    assert any("SAX is taken" in event.get("text", "") for event in said)
    assert [one.stack.id for one in calls.segment(truthful_run, cine).stacks] == ["SAX", "4CH"]  # in other forms, all


def test_a_stack_that_cannot_be_decoded_costs_no_other(truthful_run, cine, monkeypatch):
    monkeypatch.setattr(Run, "config", {**Run.open(truthful_run).config, "views": ["4CH", "SAX"]})
    read, said = VolumeSlice.read, []

    def fails(image):
        if image.file.name == "4ch.nii.gz":
            raise PlaneSSLError(f"The pixels of {image.file} cannot be read: it is damaged.")
        return read(image)

    monkeypatch.setattr(VolumeSlice, "read", fails)
    assert [one.stack.id for one in calls.segment(truthful_run, cine, report=said.append).stacks] == ["SAX"]
    assert any("4CH is not segmented: The pixels of" in event.get("text", "") for event in said)
    for named in ("4CH", ["SAX", "4CH"]):  # whoever asks for it hears that there is none
        with pytest.raises(PlaneSSLError, match="it is damaged"):
            calls.segment(truthful_run, cine, stack=named)


def test_several_stacks_can_be_named(truthful_run, cine, tmp_path):
    found = calls.segment(truthful_run, cine, tmp_path / "found.npz", stack=["4CH", "SAX"])
    assert [one.stack.id for one in found.stacks] == ["4CH", "SAX"]
    kept = calls.export(tmp_path / "found.npz", cine, tmp_path / "sax.nii.gz", stack=["SAX"])
    assert [one.stack.id for one in kept.stacks] == ["SAX"]
    with pytest.raises(PlaneSSLError, match="no label map of a stack '3CH'; it holds those of 4CH, SAX"):
        calls.export(tmp_path / "found.npz", cine, tmp_path / "more.npz", stack=["SAX", "3CH"])


def test_progress_runs_to_its_end_over_all_stacks(truthful_run, cine, monkeypatch):
    monkeypatch.setattr(Run, "config", {**Run.open(truthful_run).config, "views": ["4CH", "SAX"]})
    said = []
    calls.segment(truthful_run, cine, report=said.append)
    steps = [event for event in said if event["event"] == "progress"]
    frames = 3 * len(volume(OBLIQUE).planes) + 1
    assert {event["of"] for event in steps} == {frames} and steps[-1]["step"] == frames


def test_an_empty_result_is_said_and_written(truthful_run, tmp_path):
    said = []
    volume(OBLIQUE).write(tmp_path / "i.nii.gz", np.zeros_like(volume(OBLIQUE).labels, np.float32))
    found = calls.segment(truthful_run, tmp_path / "i.nii.gz", tmp_path / "l.nii.gz", report=said.append)
    assert any("Nothing was found" in event.get("text", "") for event in said)
    assert not sitk.GetArrayFromImage(sitk.ReadImage(str(tmp_path / "l.nii.gz"))).any()
    assert calls.measure(found)["stacks"][0]["volumes_ml"]["LV"] == [0]


def test_a_volume_without_direction_keeps_its_voxels_and_a_notice_says_so(truthful_run, tmp_path):
    made, said = volume(2), []  # along the axes
    image = sitk.GetImageFromArray(made.labels.astype(np.float32))
    image.SetSpacing((1.5, 1.5, 8))
    sitk.WriteImage(image, str(tmp_path / "i.nii"))
    raw = bytearray((tmp_path / "i.nii").read_bytes())
    raw[252:256] = bytes(4)  # qform_code and sform_code of a NIfTI-1 header
    (tmp_path / "i.nii").write_bytes(raw)
    calls.segment(truthful_run, tmp_path / "i.nii", tmp_path / "l.nii", report=said.append)
    assert any("does not say how it lies" in event.get("text", "") for event in said)
    found = sitk.GetArrayFromImage(sitk.ReadImage(str(tmp_path / "l.nii")))
    assert found.shape == made.labels.shape and (found == made.labels).mean() > 0.95


def refused(tmp_path, match: str, *arguments, **more) -> None:
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(PlaneSSLError, match=match):
        calls.segment(*arguments, **more)
    assert sorted(tmp_path.rglob("*")) == before


def test_what_cannot_be_done_is_said_before_anything_is_written(truthful_run, cine, tmp_path):
    run = truthful_run
    refused(tmp_path, "holds one phase, and SAX has 3", run, cine, tmp_path / "l.seg.nrrd")
    refused(tmp_path, "has an ending that says nothing", run, cine, tmp_path / "l.jpg")
    refused(tmp_path, "has no stack 'sax9'; it has SAX, 4CH", run, cine, tmp_path / "l.nii.gz", stack="sax9")
    refused(tmp_path, "phases 0 to 2, and no phase 3", run, cine, tmp_path / "l.nii.gz", phase=3)
    refused(tmp_path, "does not come from DICOM", run, cine, tmp_path / "seg")
    refused(tmp_path, "is no run", cine, cine, tmp_path / "l.nii.gz")
    refused(tmp_path, "There is no", run, tmp_path / "absent", tmp_path / "l.nii.gz")
    (tmp_path / "there.nii.gz").write_text("precious")
    refused(tmp_path, "exists already", run, cine, tmp_path / "there.nii.gz")
    assert (tmp_path / "there.nii.gz").read_text() == "precious"
    picture = sitk.GetImageFromArray(np.zeros((8, 8), np.uint8))
    sitk.WriteImage(picture, str(tmp_path / "p.png"))
    refused(tmp_path, r"p\.png", run, tmp_path / "p.png", tmp_path / "l.nii.gz")


def test_a_run_of_another_anatomy_is_refused_unless_a_stack_is_named(truthful_run, cine, tmp_path):
    document = json.loads((cine / "study.json").read_text())
    (cine / "study.json").write_text(json.dumps({**document, "anatomy": "knee",
                                                 "views": {"sagittal": ["sax.nii.gz"]}}))
    refused(tmp_path, r"'heart', and .* reads as 'knee'\. Name a stack", truthful_run, cine, tmp_path / "l.nii.gz")
    calls.segment(truthful_run, cine, tmp_path / "l.nii.gz", stack="sagittal")


def test_a_study_without_the_run_s_views_is_refused(truthful_run, cine, tmp_path):
    document = json.loads((cine / "study.json").read_text())
    (cine / "study.json").write_text(json.dumps({**document, "views": {"4CH": ["4ch.nii.gz"]}}))
    refused(tmp_path, r"trained on SAX; the study has 4CH \(4CH\)", truthful_run, cine, tmp_path / "l.nii.gz")


def test_tilted_slices_fit_no_volume_file(truthful_run, tmp_path):
    volume(TILTED).write_dicom(tmp_path / "study")
    stack = read_study(tmp_path / "study").stacks[0].id
    refused(tmp_path, "no volume file can hold: write .mrb", truthful_run, tmp_path / "study", tmp_path / "l.nii.gz",
            stack=stack)


@pytest.mark.parametrize("name", ["l.npz", "l.nii.gz", "seg"])
def test_a_full_disk_leaves_nothing_behind(truthful_run, tmp_path, monkeypatch, name):
    volume(OBLIQUE).write_dicom(tmp_path / "study")
    stack = read_study(tmp_path / "study").stacks[0].id

    def full(*arguments, **more):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def full_for_itk(image, path, *arguments):
        with open(path, "wb") as file:
            file.write(b"half")
        raise RuntimeError("itk::ERROR: No space left")

    monkeypatch.setattr(sitk, "WriteImage", full_for_itk)
    monkeypatch.setattr(np, "savez_compressed", full)
    monkeypatch.setattr("highdicom.seg.Segmentation.save_as", full)
    refused(tmp_path, "No space left", truthful_run, tmp_path / "study", tmp_path / name, stack=stack)


def test_what_cannot_be_measured_is_said(tmp_path, cine):
    for match, source, more in (
            ("There is no file", tmp_path / "absent", {}), ("has no labels to measure", cine, {}),
            ("numbers that are no labels of .* is it an image", cine / "sax.nii.gz", {"anatomy": "heart"}),
            ("no anatomy 'hart'", cine, {"anatomy": "hart"}), (r"\.json or \.csv", cine, {"out": tmp_path / "m.txt"})):
        with pytest.raises(PlaneSSLError, match=match):
            calls.measure(source, **more)
    volume(OBLIQUE).write(tmp_path / "l.nii.gz")
    (tmp_path / "l.npz").write_bytes(b"arrays")
    with pytest.raises(PlaneSSLError, match=r"l\.npz cannot be measured\. What can: .*\.nii\.gz.*DICOM SEG"):
        calls.measure(tmp_path / "l.npz")
    with pytest.raises(PlaneSSLError, match="does not say what its labels mean"):
        calls.measure(tmp_path / "l.nii.gz")


def test_the_commands_answer_with_one_document(truthful_run, cine, tmp_path, capsys):
    out = tmp_path / "l.nii.gz"
    assert cli.main(["segment", str(truthful_run), str(cine), "--out", str(out), "--clean", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["out"] == str(out) and document["stacks"][0]["phases"] == [0, 1, 2]
    assert cli.main(["measure", str(out), "--anatomy", "heart", "--json", "--out", str(tmp_path / "m.csv")]) == 0
    measured = json.loads(capsys.readouterr().out)
    voxels = document["stacks"][0]["voxels"]["LV"]
    (first, *_), made = sitk.ReadImage(str(out)).GetSpacing(), volume(OBLIQUE)
    ml = first * made.planes[0].spacing[0] * np.linalg.norm(made.step) / 1000
    assert sum(measured["stacks"][0]["volumes_ml"]["LV"]) == pytest.approx(voxels * ml, rel=1e-4)
    assert (tmp_path / "m.csv").read_text().startswith("stack,view,structure")
    assert cli.main(["segment", str(truthful_run), str(cine), "--out", str(out)]) == 1
    captured = capsys.readouterr()
    assert "exists already" in captured.err and len(captured.err.splitlines()) == 1


def test_what_was_kept_is_exported_as_if_it_had_been_written_at_once(truthful_run, cine, tmp_path):
    found = calls.segment(truthful_run, cine, tmp_path / "found.npz")
    for name, phase in (("l.nii.gz", None), ("l.seg.nrrd", 1)):
        calls.segment(truthful_run, cine, tmp_path / name, phase=phase)
        again = calls.export(tmp_path / "found.npz", cine, tmp_path / f"again-{name}", phase=phase)
        assert [one.stack.id for one in again.stacks] == [one.stack.id for one in found.stacks]
        one, other = (sitk.ReadImage(str(tmp_path / which)) for which in (name, f"again-{name}"))
        np.testing.assert_array_equal(sitk.GetArrayFromImage(one), sitk.GetArrayFromImage(other))
        assert one.GetOrigin() == other.GetOrigin() and one.GetDirection() == other.GetDirection()


def test_an_export_says_that_a_person_has_seen_it_and_is_whole_or_not_there(truthful_run, tmp_path):
    volume(OBLIQUE).write_dicom(tmp_path / "study", phases=2)
    stack = read_study(tmp_path / "study").stacks[0].id
    found = calls.segment(truthful_run, tmp_path / "study", tmp_path / "found.npz", stack=stack)
    assert cli.main(["export", str(tmp_path / "found.npz"), str(tmp_path / "study"), "--anatomy", "heart",
                     "--out", str(tmp_path / "seg")]) == 0
    measured = calls.measure(tmp_path / "seg")["stacks"][0]["volumes_ml"]
    for name, volumes in calls.measure(found)["stacks"][0]["volumes_ml"].items():
        assert measured[name] == pytest.approx(volumes, rel=1e-4)
    kinds = {segment.SegmentAlgorithmType for file in (tmp_path / "seg").iterdir()
             for segment in pydicom.dcmread(file).SegmentSequence}
    assert kinds == {"SEMIAUTOMATIC"}
    with pytest.raises(PlaneSSLError, match=f"holds no such label map. It holds: {stack}, phases 0, 1"):
        calls.export(tmp_path / "found.npz", tmp_path / "study", tmp_path / "other", phase=7, anatomy="heart")
    volume(ONE_SLICE).write_dicom(tmp_path / "elsewhere")
    with pytest.raises(PlaneSSLError, match=r"that .*elsewhere does not have"):
        calls.export(tmp_path / "found.npz", tmp_path / "elsewhere", tmp_path / "other", anatomy="heart")
    assert not (tmp_path / "other").exists()


@pytest.mark.parametrize(("name", "words"), [
    ("labels/sax.nii.gz", "is a label map of the study"), ("found.nii.gz", "would be taken for an image"),
    ("deeper/sax_seg.nii.gz", ""), ("found.npz", ""), ("../found.nii.gz", "")])
def test_what_is_found_takes_no_outlines_place_and_is_no_image_next_time(truthful_run, tmp_path, name, words):
    made, folder = volume(OBLIQUE), tmp_path / "study"
    for file in ("sax.nii.gz", "labels/sax.nii.gz"):
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        made.write(folder / file, made.labels.astype(np.float32))
    before = (folder / "labels" / "sax.nii.gz").read_bytes()

    def segment():
        return calls.segment(truthful_run, folder, folder / name, stack="sax", anatomy="heart", overwrite=True)

    if words:
        with pytest.raises(PlaneSSLError, match=words):
            segment()
        assert not (folder / "found.nii.gz").exists()
    else:
        segment()
        assert (folder / name).is_file() and len(read_study(folder, anatomy="heart").stacks) == 1
    assert (folder / "labels" / "sax.nii.gz").read_bytes() == before
