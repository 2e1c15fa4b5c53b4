"""Label maps come back from the scene on the voxels for which they were made."""
from __future__ import annotations

import numpy as np
import pytest
import slicer

from PlaneSSLLib import PlaneSSLError, anatomy, scene
from PlaneSSLLib.study import Stack

from .made_up import STUDIES, heart, planes, stack, study, turn

STRUCTURES = anatomy.load("heart").labels


def labels_for(one: Stack, seed: int) -> np.ndarray:
    """A label map without symmetry, so that no flip goes unnoticed."""
    rng = np.random.default_rng(seed)
    return rng.integers(0, 4, (len(one.planes), *one.planes[0].shape)).astype(np.uint8)


def as_seen(node, volume) -> np.ndarray:
    """The label map of a segmentation on the grid of a volume, read as Slicer's own tools read it."""
    found = np.zeros(slicer.util.arrayFromVolume(volume).shape, np.uint8)
    for label in STRUCTURES:
        found[slicer.util.arrayFromSegmentBinaryLabelmap(node, label.name, volume) > 0] = label.value
    return found


@pytest.mark.parametrize("seed", range(8))
def test_every_voxel_stays_on_its_voxel_whatever_the_geometry(seed):
    """Oblique, left-handed, anisotropic, single."""
    rng = np.random.default_rng(seed)
    basis = turn(rng.uniform(0, 180), rng.normal(size=3))
    made = planes(basis[:, 0], basis[:, 1], shape=(20 + seed, 31), spacing=tuple(rng.uniform(0.5, 2.5, 2)),
                  slices=1 + seed % 5, step=rng.uniform(2, 10))
    one = stack("one", "SAX", made[::-1] if seed % 2 else made)
    drawing = scene.draw_study(study([one]))
    labels = labels_for(one, seed)
    (node,) = scene.add_segmentation(drawing, one, labels, STRUCTURES)
    np.testing.assert_array_equal(as_seen(node, drawing.node("volume")), labels)


def test_irregular_stacks_have_a_segmentation_a_slice():
    drawing = scene.draw_study(made := STUDIES["tilted"]())
    for name in ("sheared", "uneven"):
        labels = labels_for(made.stack(name), 1)
        found = scene.add_segmentation(drawing, name, labels, STRUCTURES)
        for node, volume, expected in zip(found, drawing.nodes("volume", name), labels, strict=True):
            np.testing.assert_array_equal(as_seen(node, volume)[0], expected)


def test_segments_carry_names_colours_and_codes():
    drawing = scene.draw_study(made := heart())
    (node,) = scene.add_segmentation(drawing, "sax", labels_for(made.stack("sax"), 0), STRUCTURES, surface=True)
    segmentation = node.GetSegmentation()
    for label in STRUCTURES:
        segment = segmentation.GetSegment(label.name)
        assert segment.GetName() == label.title
        assert segment.GetColor() == pytest.approx(label.color)
        assert f"~SCT^{label.code.value}^{label.code.meaning}~" in segment.GetTerminology()
        assert segment.GetRepresentation("Closed surface").GetNumberOfPoints() > 0
    reference = node.GetNodeReference(node.GetReferenceImageGeometryReferenceRole())
    assert reference is drawing.node("volume", "sax")


def test_every_phase_is_played_with_the_cine_and_survives_a_file(tmp_path):
    made = heart(phases=3)
    drawing = scene.draw_study(made)
    phases = [labels_for(made.stack("sax"), k) for k in range(3)]
    phases[2] = [*phases[2][:4], None]  # a slice that lacks the phase
    scene.add_segmentation(drawing, "sax", phases, STRUCTURES)
    scene.save_scene(tmp_path / "scene.mrb")
    for drawn in (drawing, *scene.load_scene(tmp_path / "scene.mrb")):
        for phase in (1, 2, 0):
            drawn.node("browser").SetSelectedItemNumber(phase)
            seen = as_seen(drawn.node("segmentation"), drawn.node("volume", "sax"))
            for i, expected in enumerate(phases[phase]):
                np.testing.assert_array_equal(seen[i], 0 if expected is None else expected)


def test_a_phase_without_any_outline_survives_a_file(tmp_path):
    """Slicer crashes on a segmentation that was cropped to nothing when it was saved."""
    drawing = scene.draw_study(made := heart(phases=3))
    labels = labels_for(made.stack("sax"), 0)
    scene.add_segmentation(drawing, "sax", [labels], STRUCTURES, surface=True, phases=[1])
    scene.save_scene(tmp_path / "scene.mrb")
    (drawn,) = scene.load_scene(tmp_path / "scene.mrb")
    for phase in (0, 1, 2):
        drawn.node("browser").SetSelectedItemNumber(phase)
        seen = as_seen(drawn.node("segmentation"), drawn.node("volume", "sax"))
        np.testing.assert_array_equal(seen, labels if phase == 1 else 0)


def test_one_phase_alone_lies_over_its_own_frame():
    drawing = scene.draw_study(made := heart(phases=4))
    labels = labels_for(made.stack("sax"), 0)
    (node,) = scene.add_segmentation(drawing, "sax", [labels], STRUCTURES, phases=[2])
    browser, volume = drawing.node("browser"), drawing.node("volume", "sax")
    assert browser.GetSelectedItemNumber() == 2  # it is shown
    for phase in (0, 2, 3):
        browser.SetSelectedItemNumber(phase)
        np.testing.assert_array_equal(as_seen(node, volume), labels if phase == 2 else 0)
    with pytest.raises(PlaneSSLError, match=r"phases \[7\], and the cine of sax has 4"):
        scene.add_segmentation(drawing, "sax", [labels], STRUCTURES, phases=[7])


def test_what_a_user_corrects_in_one_phase_is_there_when_it_is_shown_again():
    drawing = scene.draw_study(made := heart(phases=3))
    phases = [labels_for(made.stack("sax"), k) for k in range(3)]
    (node,) = scene.add_segmentation(drawing, "sax", phases, STRUCTURES)
    browser, volume, label = drawing.node("browser"), drawing.node("volume", "sax"), STRUCTURES[0]
    for phase in (1, 2):
        browser.SetSelectedItemNumber(phase)
        mask = slicer.util.arrayFromSegmentBinaryLabelmap(node, label.name, volume)
        mask[:, :5] = 1
        slicer.util.updateSegmentBinaryLabelmapFromArray(mask, node, label.name, volume)
    for phase in (0, 1, 2):
        browser.SetSelectedItemNumber(phase)
        mask = slicer.util.arrayFromSegmentBinaryLabelmap(node, label.name, volume)
        assert mask[:, :5].all() == (phase > 0)


def test_an_earlier_segmentation_is_replaced():
    drawing = scene.draw_study(made := heart())
    for seed in range(2):
        labels = labels_for(made.stack("sax"), seed)
        scene.add_segmentation(drawing, "sax", [labels, labels, labels], STRUCTURES)
    assert len(drawing.nodes("segmentation", "sax")) == len(drawing.nodes("segmentation sequence", "sax")) == 1


def test_a_cine_is_segmented_a_phase_at_a_time_and_broken_off_leaves_nothing():
    """The first phase is shown at once; then comes one phase of the sequence after the other."""
    drawing = scene.draw_study(made := heart(phases=3))
    phases = [labels_for(made.stack("sax"), k) for k in range(3)]
    steps = scene.segmentation_steps(drawing, "sax", phases, STRUCTURES, surface=True)
    next(steps)
    (node,) = drawing.nodes("segmentation", "sax")
    np.testing.assert_array_equal(as_seen(node, drawing.node("volume", "sax")), phases[0])
    assert sum(1 for _ in steps) == 3
    before = drawing.node("segmentation sequence")
    steps = scene.segmentation_steps(drawing, "sax", phases, STRUCTURES, surface=True)
    next(steps), next(steps)
    steps.close()
    assert not slicer.mrmlScene.IsNodePresent(before)
    assert drawing.nodes("segmentation") == drawing.nodes("segmentation sequence") == []


def test_a_label_map_of_another_size_is_refused_by_name():
    drawing = scene.draw_study(heart())
    with pytest.raises(PlaneSSLError, match="4 slices, and sax has 5"):
        scene.add_segmentation(drawing, "sax", np.zeros((4, 64, 80), np.uint8), STRUCTURES)
    with pytest.raises(PlaneSSLError, match=r"slice 0 \(from 0\) has"):
        scene.add_segmentation(drawing, "sax", np.zeros((5, 64, 64), np.uint8), STRUCTURES)
    assert drawing.nodes("segmentation") == []
