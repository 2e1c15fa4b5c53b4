"""What is outlined in the scene, saved as a study to train on."""
from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import slicer
from Testing.scene.made_up import heart, planes, stack, study, tilted, turn

from PlaneSSLLib import PlaneSSLError, anatomy, scene
from PlaneSSLLib.cohort import Cohort, prepare
from PlaneSSLLib.files import ExistsAlready
from PlaneSSLLib.study import lines_of, read_labels, read_study
from PlaneSSLLib.study.writing import write_labelled_study

HEART = anatomy.load("heart")


def outlined(shape, shift: int = 0) -> np.ndarray:
    """(slices, rows, columns): three boxes beside each other."""
    labels = np.zeros(shape, np.uint8)
    for k, label in enumerate(HEART.labels):
        labels[:, 10 + shift:30 + shift, 10 + 12 * k:20 + 12 * k] = label.value
    return labels


def volume_and_segmentation(drawing, name: str):
    return drawing.node("volume", name), drawing.node("segmentation", name)


def test_an_outlined_cine_becomes_a_study_that_can_be_prepared(tmp_path):
    made = heart(phases=3)
    drawing, sax = scene.draw_study(made), made.stack("sax")
    shape = (len(sax.planes), *sax.planes[0].shape)
    labels = [outlined(shape), np.zeros(shape, np.uint8), outlined(shape, shift=7)]  # nobody outlined the second phase
    scene.add_segmentation(drawing, "sax", labels, HEART.labels)
    folder = scene.save_labelled_study(tmp_path / "patient7", *volume_and_segmentation(drawing, "sax"))

    saved = read_study(folder)
    (found,) = saved.stacks
    assert (saved.subject, saved.anatomy, found.view, found.phases) == ("patient7", "heart", "SAX", 3)
    order = [int(np.argmin([np.linalg.norm(plane.position - own.position) for own in sax.planes]))
             for plane in found.planes]
    for plane, i in zip(found.planes, order, strict=True):
        np.testing.assert_allclose(plane.corners(), sax.planes[i].corners(), atol=1e-3)
    for k in range(3):
        for j, i in enumerate(order):
            np.testing.assert_array_equal(found.pixels(j, k), sax.pixels(i, k))
    assert [label.phase for label in saved.labels] == [0, 2]
    for label in saved.labels:
        np.testing.assert_array_equal(read_labels(label, found), labels[label.phase][order])

    report = prepare([folder], "heart", tmp_path / "cohort")
    assert report["labelled"] == 1 and not report["left_out"]


def test_slices_of_somebody_elses_volume_are_saved_in_the_order_in_which_the_view_counts(tmp_path):
    down = HEART.view("SAX").normal
    axis = np.cross(down, (0, 0, 1.0)) / np.linalg.norm(np.cross(down, (0, 0, 1.0)))
    of = planes(axis, np.cross(down, axis), slices=4)
    for k, ordered in enumerate((of, of[::-1])):
        made = study([stack("sax", "SAX", ordered)], name=f"study-{k}")
        drawing = scene.draw_study(made)
        labels = np.zeros((4, *of[0].shape), np.uint8)
        labels[list(ordered).index(of[0])] = 3
        scene.add_segmentation(drawing, "sax", labels, HEART.labels)
        disown(*(pair := volume_and_segmentation(drawing, "sax")))
        (found,) = (saved := read_study(scene.save_labelled_study(tmp_path / str(k), *pair, "heart", "SAX"))).stacks
        assert (found.planes[-1].position - found.planes[0].position) @ down > 0
        again = read_labels(saved.labels[0], found)
        (i,) = [i for i in range(4) if again[i].any()]
        np.testing.assert_allclose(found.planes[i].position, of[0].position, atol=1e-3)


def test_a_volume_of_somebody_elses_and_segments_drawn_by_hand(tmp_path):
    basis = turn(30, (1, 1, 0))
    made = study([stack("x", "SAX", planes(basis[:, 0], basis[:, 1], slices=3))])
    volume = scene.draw_study(made).node("volume")
    for name in volume.GetAttributeNames():
        volume.RemoveAttribute(name)  # as if Slicer's own reader had loaded it
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode")
    node.SetReferenceImageGeometryParameterFromVolumeNode(volume)
    shape = (3, *made.stacks[0].planes[0].shape)
    for name, box in (("Left Ventricle", slice(10, 20)), ("rv", slice(30, 40))):
        segment_id = node.GetSegmentation().AddEmptySegment("", name)
        mask = np.zeros(shape, np.uint8)
        mask[1, box, 20:50] = 1
        slicer.util.updateSegmentBinaryLabelmapFromArray(mask, node, segment_id, volume)
    with pytest.raises(PlaneSSLError, match="say which anatomy and which view"):
        scene.save_labelled_study(tmp_path / "s", volume, node)
    saved = read_study(scene.save_labelled_study(tmp_path / "s", volume, node, anatomy="heart", view="SAX"))
    (i,) = [i for i, plane in enumerate(saved.stacks[0].planes)
            if np.allclose(plane.position, made.stacks[0].planes[1].position, atol=1e-3)]
    labels = read_labels(saved.labels[0], saved.stacks[0])
    assert (labels[i, 10:20, 20:50] == 3).all() and (labels[i, 30:40, 20:50] == 1).all()
    assert np.count_nonzero(labels) == 2 * 10 * 30


def drawn_and_outlined(labels=None, centre=(3.0, -5.0, 8.0)):
    made = study([stack("sax", "SAX", planes((1, 0, 0), (0, 1, 0), slices=3, centre=centre))])
    drawing = scene.draw_study(made)
    labels = outlined((3, *made.stacks[0].planes[0].shape)) if labels is None else labels
    scene.add_segmentation(drawing, "sax", labels, HEART.labels)
    return volume_and_segmentation(drawing, "sax")


def test_an_unknown_segment_is_named_with_those_that_are_known(tmp_path):
    volume, segmentation = drawn_and_outlined()
    segment = segmentation.GetSegmentation().GetNthSegment(2)
    segment.SetTerminology("")
    segment.SetName("Segment_3")
    with pytest.raises(PlaneSSLError, match=r"'Segment_3' is no structure .* right ventricle, .* left ventricle"):
        scene.save_labelled_study(tmp_path / "s", volume, segmentation)
    assert not (tmp_path / "s").exists()


def test_nothing_outlined_is_nothing_to_save(tmp_path):
    volume, segmentation = drawn_and_outlined(np.zeros((3, 64, 80), np.uint8))
    with pytest.raises(PlaneSSLError, match="Nothing is labelled"):
        scene.save_labelled_study(tmp_path / "s", volume, segmentation)
    assert list(tmp_path.iterdir()) == []


def test_a_transform_that_is_not_hardened_is_not_overlooked(tmp_path):
    volume, segmentation = drawn_and_outlined()
    transform = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    volume.SetAndObserveTransformNodeID(transform.GetID())
    with pytest.raises(PlaneSSLError, match="harden"):
        scene.save_labelled_study(tmp_path / "s", volume, segmentation)


def test_what_is_kept_of_one_study_is_one_subject(tmp_path):
    """A patient of two stacks must not train with one and validate with the other."""
    straight = planes((1, 0, 0), (0, 1, 0), slices=3)
    apart = [replace(plane, position=plane.position + (0, 0, 100)) for plane in straight]
    made = study([stack("cine", "SAX", straight), stack("late", "SAX", apart),
                  stack("long", "4CH", planes((1, 0, 0), (0, 0, 1), slices=1))])
    drawing = scene.draw_study(made)
    shapes = {one.id: (len(one.planes), *one.planes[0].shape) for one in made.stacks}
    for shift, name in enumerate(shapes):
        scene.add_segmentation(drawing, name, outlined(shapes[name], shift), HEART.labels)
        nodes = volume_and_segmentation(drawing, name)
        assert scene.keep_outlines(tmp_path / "pool", *nodes) == tmp_path / "pool" / "outlined-001"
    with pytest.raises(ExistsAlready, match=r"Outlines of this stack are in .*outlined-001 already"):
        scene.keep_outlines(tmp_path / "pool", *nodes)
    file = tmp_path / "pool" / "outlined-001" / "study.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "classes": {"dilated": 1}}))
    nodes = volume_and_segmentation(drawing, "late")
    nodes[1].GetSegmentation().RemoveSegment(nodes[1].GetSegmentation().GetNthSegmentID(2))
    scene.keep_outlines(tmp_path / "pool", *nodes, overwrite=True)

    (folder,) = (tmp_path / "pool").iterdir()
    saved = read_study(folder)
    assert not saved.problems and saved.classes == {"dilated": 1}
    assert [(one.view, len(one.planes), one.phases) for one in saved.stacks] == [
        ("SAX", 3, 1), ("SAX", 3, 1), ("4CH", 1, 1)]
    cine, late, long = (read_labels(label, saved.stack(label.stack)) for label in saved.labels)
    assert {*np.unique(cine)} == {*np.unique(long)} == {0, 1, 2, 3} and {*np.unique(late)} == {0, 1, 2}
    np.testing.assert_array_equal(long, outlined(shapes["long"], 2))
    assert prepare([tmp_path / "pool"], "heart", tmp_path / "cohort")["labelled"] == 1


def test_visits_of_a_patient_stay_together(tmp_path):
    """By what the headers say, of which nothing is written; studies whose patient nobody knows are several."""
    for n, identifier in enumerate(("P-17", "P-17", "", "")):
        made = study([stack("cine", "SAX", planes((1, 0, 0), (0, 1, 0), slices=3, centre=(n, 0, 0)))])
        name = identifier or made.subject
        drawing = scene.draw_study(replace(made, identifier=identifier, subject=name, patient=name))
        scene.add_segmentation(drawing, "cine", outlined((3, 64, 80), n), HEART.labels)
        scene.keep_outlines(tmp_path / "pool", *volume_and_segmentation(drawing, "cine"))
    assert b"P-17" not in b"".join(file.read_bytes() for file in tmp_path.rglob("*.json"))
    prepare([tmp_path / "pool"], "heart", tmp_path / "cohort")
    cohort = Cohort(tmp_path / "cohort")
    assert sorted(map(len, cohort.by_patient(cohort.pseudonyms))) == [1, 1, 2]


def test_volumes_of_somebody_elses_are_known_by_what_they_show(tmp_path):
    kept = []
    for z in (0, 5, 0):
        volume, segmentation = drawn_and_outlined(centre=(0, 0, z))
        disown(volume, segmentation)
        kept.append(scene.keep_outlines(tmp_path, volume, segmentation, "heart", "SAX", overwrite=True).name)
    assert kept == ["outlined-001", "outlined-002", "outlined-001"]


def disown(*nodes) -> None:
    """As if Slicer's own reader had loaded them, and under no study."""
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)
    for node in nodes:
        node.RemoveAttribute("PlaneSSL.study")
        if hierarchy.GetItemByDataNode(node):
            hierarchy.SetItemParent(hierarchy.GetItemByDataNode(node), hierarchy.GetSceneItemID())


def test_volumes_that_slicer_has_read_from_one_study_are_one_subject(tmp_path):
    made = study([stack("sax", "SAX", planes((1, 0, 0), (0, 1, 0), slices=3)),
                  stack("long", "4CH", planes((1, 0, 0), (0, 0, 1), slices=1))])
    drawing = scene.draw_study(made)
    for one in made.stacks:
        scene.add_segmentation(drawing, one.id, outlined((len(one.planes), *one.planes[0].shape)), HEART.labels)
    pairs = [volume_and_segmentation(drawing, one.id) for one in made.stacks]
    for volume, segmentation in pairs:
        disown(volume, segmentation)
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)
    exam = hierarchy.CreateStudyItem(hierarchy.CreateSubjectItem(hierarchy.GetSceneItemID(), "somebody"), "heart")
    for volume, _ in pairs:
        hierarchy.SetItemParent(hierarchy.GetItemByDataNode(volume), exam)
    kept = {scene.keep_outlines(tmp_path, *pair, "heart", one.view)
            for pair, one in zip(pairs, made.stacks, strict=True)}
    assert len(kept) == 1


def test_what_lies_in_one_folder_one_after_the_other_is_of_several_patients(tmp_path):
    """CDs are always D:, and a folder to work in is filled again."""
    kept = []
    for z in (0, 5):
        volume, segmentation = drawn_and_outlined(centre=(0, 0, z))
        kept.append(scene.keep_outlines(tmp_path, volume, segmentation))
    assert len(set(kept)) == 2


def test_a_phase_that_a_slice_lacks_is_not_taken_for_outlined(tmp_path):
    """That slice shows the phase before, and holds no outline."""
    made = study([stack("sax", "SAX", planes((1, 0, 0), (0, 1, 0), slices=3), phases=(2, 1, 2))])
    drawing = scene.draw_study(made)
    labels = outlined((3, *made.stacks[0].planes[0].shape))
    scene.add_segmentation(drawing, "sax", [labels, [labels[0], None, labels[2]]], HEART.labels)
    saved = read_study(scene.keep_outlines(tmp_path, *volume_and_segmentation(drawing, "sax")))
    assert [label.phase for label in saved.labels] == [0]


def test_slices_of_a_drawn_stack_stay_in_its_order(tmp_path):
    """A study.json, or a heart that lies otherwise, may count them as no header would."""
    down = HEART.view("SAX").normal
    axis = np.cross(down, (0, 0, 1.0)) / np.linalg.norm(np.cross(down, (0, 0, 1.0)))
    for k, sign in enumerate((1, -1)):
        of = planes(axis, sign * np.cross(down, axis), slices=4)
        made = study([stack("sax", "SAX", of)], name=f"study-{k}")
        drawing = scene.draw_study(made)
        scene.add_segmentation(drawing, "sax", outlined((4, *of[0].shape)), HEART.labels)
        folder = scene.keep_outlines(tmp_path, *volume_and_segmentation(drawing, "sax"))
        np.testing.assert_allclose(read_study(folder).stacks[0].planes[0].position, of[0].position, atol=1e-3)


def test_what_volumes_cannot_say_is_kept_beside_them(tmp_path):
    """The side of a knee that lay in the middle; the frames of stacks between which the patient has moved."""
    stacks = [stack("one", "sagittal", planes((0, 1, 0), (0, 0, -1), slices=4), frame_of_reference="1.2.3"),
              stack("two", "coronal", planes((1, 0, 0), (0, 0, -1), slices=3), frame_of_reference="1.2.4")]
    made = study([replace(one, side="right") for one in stacks], "knee")
    drawing, labels = scene.draw_study(made), anatomy.load("knee").labels
    for one in [*made.stacks, made.stacks[0]]:
        boxes = np.zeros((len(one.planes), *one.planes[0].shape), np.uint8)
        boxes[:, 10:20, 10:20] = labels[0].value
        scene.add_segmentation(drawing, one.id, boxes, labels)
        folder = scene.keep_outlines(tmp_path, *volume_and_segmentation(drawing, one.id), overwrite=True)

    saved = read_study(folder)
    assert saved.side == "right" and "the right knee, as study.json says" in saved.notes
    sagittal = next(one for one in saved.stacks if one.view == "sagittal")
    assert sagittal.planes[0].position[0] > sagittal.planes[-1].position[0], "from the inside, to the patient's right"
    assert len({one.frame_of_reference for one in saved.stacks} - {"", "1.2.3", "1.2.4"}) == 2
    assert not lines_of(saved) and lines_of(saved, any_frame=True)


@pytest.mark.parametrize(("first", "second"), [("right", "left"), ("right", ""), ("", "left")])
def test_outlines_of_another_side_go_into_another_folder(tmp_path, first, second):
    shape, knee = (3, 64, 80), anatomy.load("knee")
    for n, side in enumerate((first, second)):
        image = np.arange(np.prod(shape)).reshape(shape) + n
        stack_of = (knee, "coronal", np.diag([1.0, 1, 8, 1]), [image], [outlined(shape)])
        if n:
            with pytest.raises(PlaneSSLError, match="go into another folder"):
                write_labelled_study(tmp_path / "s", *stack_of, source={"images"}, side=side)
        else:
            write_labelled_study(tmp_path / "s", *stack_of, source={"images"}, side=side)
    assert len(read_study(tmp_path / "s").stacks) == 1


def test_a_stack_that_is_kept_anew_without_a_frame_of_reference_has_not_the_one_of_before(tmp_path):
    shape = (3, 64, 80)
    stack_of = (HEART, "SAX", np.diag([1.0, 1, 8, 1]), [np.arange(np.prod(shape)).reshape(shape)], [outlined(shape)])
    for frame in ("b", ""):
        write_labelled_study(tmp_path / "s", *stack_of, overwrite=True, source={"images"}, frame_of_reference=frame)
        (kept,) = read_study(tmp_path / "s").stacks
        assert kept.frame_of_reference == frame


def test_outlines_are_not_kept_where_images_of_a_study_lie(tmp_path):
    (tmp_path / "sa.nii.gz").touch()
    with pytest.raises(PlaneSSLError, match=r"is a study itself \(it holds sa\.nii\.gz"):
        scene.keep_outlines(tmp_path, *drawn_and_outlined())


def test_outlines_by_two_anatomies_are_not_mixed(tmp_path):
    volume, segmentation = drawn_and_outlined()
    folder = scene.keep_outlines(tmp_path, volume, segmentation)
    for i in range(3):
        segmentation.GetSegmentation().GetNthSegment(i).SetName(anatomy.load("knee").labels[i].title)
        segmentation.GetSegmentation().GetNthSegment(i).SetTerminology("")
    with pytest.raises(PlaneSSLError, match=f"{folder.name} holds other images of this study, outlined as 'heart'"):
        scene.keep_outlines(tmp_path, volume, segmentation, "knee", "sagittal", overwrite=True)


def test_a_study_that_names_files_elsewhere_takes_no_more(tmp_path):
    nodes = drawn_and_outlined()
    folder = scene.keep_outlines(tmp_path, *nodes)
    before = json.loads((folder / "study.json").read_text())
    (folder / "study.json").write_text(json.dumps({**before, "views": {"SAX": ["../../precious.nii.gz"]}}))
    with pytest.raises(PlaneSSLError, match="no file of this folder"):
        scene.keep_outlines(tmp_path, *nodes, overwrite=True)


def test_a_folder_that_is_there_is_replaced_only_when_asked_and_only_if_it_is_such_a_study(tmp_path):
    scene.save_labelled_study(tmp_path / "s", *drawn_and_outlined())
    others = drawn_and_outlined(centre=(0, 0, 5))
    with pytest.raises(PlaneSSLError, match="exists already"):
        scene.save_labelled_study(tmp_path / "s", *others)
    scene.save_labelled_study(tmp_path / "s", *others, overwrite=True)
    assert json.loads((tmp_path / "s" / "study.json").read_text())["subject"] == "s"
    (tmp_path / "s" / "labels" / "mine_00.nii.gz").touch()
    with pytest.raises(PlaneSSLError, match=r"such as mine_00\.nii\.gz"):
        scene.save_labelled_study(tmp_path / "s", *drawn_and_outlined(), overwrite=True)
    (tmp_path / "t" / "labels").mkdir(parents=True)
    (tmp_path / "t" / "patient_00.nii.gz").touch()
    with pytest.raises(PlaneSSLError, match=r"such as patient_00\.nii\.gz"):
        scene.save_labelled_study(tmp_path / "t", *drawn_and_outlined(), overwrite=True)


def test_what_was_segmented_slice_by_slice_is_whole_where_some_slices_are_empty():
    """The apex holds nothing, and every slice of uneven steps is a volume of its own."""
    drawing = scene.draw_study(tilted())
    stack = next(one for one in drawing.study.stacks if one.id == "uneven")
    labels = np.zeros((len(stack.planes), *stack.planes[0].shape), np.uint8)
    labels[1, 20:30, 20:30] = 3
    nodes = scene.add_segmentation(drawing, stack.id, labels, anatomy.load("heart").labels)
    found = {(phase, i): image for phase, images in scene.outlines(drawing, stack, anatomy.load("heart"))
             for i, image in images.items()}
    assert {i for _, i in found} == set(range(len(stack.planes)))
    np.testing.assert_array_equal(np.stack([found[0, i] for i in range(len(labels))]), labels)
    transform = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    nodes[0].SetAndObserveTransformNodeID(transform.GetID())
    with pytest.raises(PlaneSSLError, match="harden"):
        list(scene.outlines(drawing, stack, anatomy.load("heart")))


def test_segments_that_overlap_are_refused_rather_than_one_of_them_lost(tmp_path):
    """As in layers of their own they may: a filled myocardium lies over the cavity, in whatever order they come."""
    volume, _ = drawn_and_outlined()
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", "by hand")
    node.SetReferenceImageGeometryParameterFromVolumeNode(volume)
    columns, rows, slices = volume.GetImageData().GetDimensions()
    for name, margin in (("Left ventricle", 22), ("Left ventricular myocardium", 12)):
        segment = node.GetSegmentation().AddEmptySegment("", name)
        mask = np.zeros((slices, rows, columns), np.uint8)
        mask[1, margin:-margin, margin:-margin] = 1
        slicer.util.updateSegmentBinaryLabelmapFromArray(mask, node, segment, volume)
    node.GetSegmentation().SeparateSegmentLabelmap(node.GetSegmentation().GetNthSegmentID(0))
    with pytest.raises(PlaneSSLError, match="by hand holds segments that overlap"):
        scene.save_labelled_study(tmp_path / "s", volume, node)
    assert not (tmp_path / "s").exists()
