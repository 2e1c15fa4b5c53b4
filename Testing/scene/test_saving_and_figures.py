"""Scenes saved and back, and pictures."""
from __future__ import annotations

import ctypes
import json
import os
from dataclasses import replace

import numpy as np
import pytest
import slicer
from vtkmodules import vtkRenderingOpenGL2

from PlaneSSLLib import PlaneSSLError, anatomy, scene
from PlaneSSLLib.scene.lettering import letters, place_names
from PlaneSSLLib.scene.offscreen import require_rendering
from PlaneSSLLib.scene.record import from_text, to_text
from PlaneSSLLib.scene.segmentations import outline_in, surfaces
from PlaneSSLLib.study import lines_of

from .made_up import STUDIES, heart
from .rendered import View3D


@pytest.fixture
def rendering():
    try:
        require_rendering()
    except scene.NoOpenGL as error:
        pytest.skip(str(error))


@pytest.mark.parametrize("ending", [".mrb", ".mrml"])
def test_a_scene_looks_the_same_after_it_was_saved_and_loaded(ending, tmp_path, rendering):
    drawing = scene.draw_study(heart(), scene.Look(localizers="hide", textures="central"))
    scene.draw_pairs(drawing)
    scene.show_views(drawing)

    def look() -> np.ndarray:
        view = View3D((300, 300))
        view.renderer.ResetCamera()
        picture = view.picture().astype(int)
        view.close()
        return picture

    before, names = look(), sorted(node.GetName() for node in drawing.nodes())
    path = scene.save_scene(tmp_path / f"a scene{ending}")
    slicer.mrmlScene.Clear(0)
    (back,) = scene.load_scene(path)
    assert before.max() > 100
    np.testing.assert_array_equal(look(), before)
    assert sorted(node.GetName() for node in back.nodes()) == names
    assert back.look == drawing.look == scene.Look(localizers="hide", textures="central")
    assert back.node("view lines").GetDisplayNode().GetColorNode() is back.node("palette")


@pytest.mark.parametrize(("write", "name"), [
    (scene.save_scene, "out.mrb"),
    (lambda *a, **k: scene.save_figure(scene.drawings()[0], *a, **k), "out.png")])
def test_what_is_there_is_not_overwritten_unasked(write, name, tmp_path, rendering):
    scene.draw_study(heart(), volumes=False)
    path = tmp_path / name
    path.write_text("mine")
    with pytest.raises(PlaneSSLError, match="exists already"):
        write(path)
    assert path.read_text() == "mine"
    write(path, overwrite=True)
    assert path.stat().st_size > 1000 and os.listdir(tmp_path) == [name]


def test_no_folder_of_somebody_elses_is_taken_for_a_scene_s_data(tmp_path):
    scene.draw_study(heart())
    mine = tmp_path / "patient7-data"
    mine.mkdir()
    (mine / "image.dcm").write_text("mine")
    for overwrite in (False, True):
        with pytest.raises(PlaneSSLError, match="none of its"):
            scene.save_scene(tmp_path / "patient7.mrml", overwrite=overwrite)
    assert (mine / "image.dcm").read_text() == "mine"
    for overwrite in (False, True):  # what it has written itself, it replaces
        assert scene.save_scene(tmp_path / "patient8.mrml", overwrite=overwrite).is_file()


def test_a_scene_that_cannot_be_written_leaves_nothing_behind(tmp_path):
    drawing = scene.draw_study(heart(), volumes=False)
    with pytest.raises(PlaneSSLError, match=r"\.mrb or \.mrml"):
        scene.save_scene(tmp_path / "scene.nrrd")
    assert os.listdir(tmp_path) == [] and drawing.nodes()


@pytest.mark.parametrize("content", [b"no bundle", b"PK\x03\x04 cut off"])
def test_a_damaged_file_is_named_and_the_scene_stays(content, tmp_path):
    drawing = scene.draw_study(heart(), volumes=False)
    path = tmp_path / "bad.mrb"
    path.write_bytes(content)
    with pytest.raises(PlaneSSLError, match=r"bad\.mrb"):
        scene.load_scene(path)
    with pytest.raises(PlaneSSLError, match="There is no scene file"):
        scene.load_scene(tmp_path / "absent.mrb")
    assert drawing.nodes("lines")


@pytest.mark.parametrize(("name", "size", "background"), [("heart", (640, 360), "black"), ("knee", (360, 500), "white"),
                                                          ("tilted", (500, 300), "white")])
def test_a_figure_has_its_size_background_and_the_colour_of_every_view(name, size, background, rendering):
    drawing = scene.draw_study(STUDIES[name]())
    before = slicer.mrmlScene.GetNumberOfNodes()
    picture = scene.draw_figure(drawing, size, background)
    assert picture.shape == (size[1], size[0], 3)
    corners = picture[[1, 1, -2, -2], [1, -2, 1, -2]]
    assert (corners == (255 if background == "white" else 0)).all()
    for color in drawing.now.colors.values():
        close = np.abs(picture - 255 * np.array(color)).max(-1) < 12
        assert close.sum() > 60, color
    assert slicer.mrmlScene.GetNumberOfNodes() == before


def test_a_figure_shows_the_surface_of_a_segmentation(rendering):
    drawing = scene.draw_study(heart())
    labels = np.zeros((5, 64, 80), np.uint8)
    labels[1:4, 20:45, 25:55] = 3
    without = scene.draw_figure(drawing, (400, 300))
    scene.add_segmentation(drawing, "sax", labels, anatomy.load("heart").labels, surface=True)
    picture = scene.draw_figure(drawing, (400, 300)).astype(int)
    red = (picture[..., 0] > 100) & (picture[..., 1:].max(-1) < 0.5 * picture[..., 0])
    assert red.sum() > 200 and (picture != without).any()


def test_an_image_of_a_figure_carries_the_outlines_of_its_own_stack_only(rendering, monkeypatch):
    drawing, outlined = scene.draw_study(heart()), []
    for stack in drawing.study.stacks:
        labels = np.zeros((len(stack.planes), *stack.planes[0].shape), np.uint8)
        labels[:, 20:45, 25:55] = 3
        if stack.id in ("sax", "two"):
            scene.add_segmentation(drawing, stack, labels, anatomy.load("heart").labels, surface=True)

    def recorded(surface, image):
        outlined.append((surface, image.position.tolist()))
        return outline_in(surface, image)

    monkeypatch.setattr("PlaneSSLLib.scene.figure.outline_in", recorded)
    scene.draw_figure(drawing, (400, 300))
    central = {one.id: one.planes[one.central].position.tolist() for one in drawing.study.stacks}
    assert {one.stack for one in surfaces(drawing)} == {"sax", "two"}
    assert [place for _, place in outlined] == [central[one.stack] for drawn in drawing.now.foremost()
                                                for one in surfaces(drawing) if one.stack == drawn.id]


def test_predicted_lines_are_in_the_figure(rendering):
    drawing = scene.draw_study(made := STUDIES["heart"](), volumes=False)
    without = scene.draw_figure(drawing, (600, 400)).astype(int)
    stack = made.stack("sax")
    line = next(line for line in lines_of(made) if line["image"] == {"stack": "sax", "slice": stack.central})
    rows, columns = stack.planes[stack.central].shape
    across = {"pixels": [[0, rows / 2], [columns - 1, rows / 2]], "angle_error_deg": 9.0, "distance_error_mm": 9.0}
    scene.draw_predictions(drawing, [{**line, "predicted": across}])
    changed = np.abs(scene.draw_figure(drawing, (600, 400)) - without).max(-1) > 60
    height, width = np.ptp(np.argwhere(changed), axis=0)
    assert width > 40 and height < 6, "dashes straight across one image, and nothing else"


def test_a_figure_without_volumes_or_with_one_stack_is_drawn(rendering):
    made = STUDIES["knee"]()
    object.__setattr__(made, "stacks", made.stacks[:1])
    assert scene.draw_figure(scene.draw_study(made, volumes=False), (300, 300)).any()


def test_a_figure_that_makes_no_sense_is_refused(tmp_path):
    drawing = scene.draw_study(heart(), volumes=False)
    with pytest.raises(PlaneSSLError, match="'pink' instead of black or white"):
        scene.draw_figure(drawing, background="pink")
    with pytest.raises(PlaneSSLError, match="too small"):
        scene.draw_figure(drawing, (100, 50))
    with pytest.raises(PlaneSSLError, match=r"\.png"):
        scene.save_figure(drawing, tmp_path / "figure.jpg")
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(not hasattr(vtkRenderingOpenGL2, "vtkEGLRenderWindow"), reason="VTK does not draw through EGL here")
def test_where_opengl_is_missing_a_sentence_names_the_package(monkeypatch, tmp_path):
    def missing(name):
        raise OSError(name)

    drawing = scene.draw_study(heart(), volumes=False)
    monkeypatch.setattr(ctypes, "CDLL", missing)
    with pytest.raises(scene.NoOpenGL, match="libegl1"):
        scene.save_figure(drawing, tmp_path / "figure.png")
    assert os.listdir(tmp_path) == []
    scene.save_scene(tmp_path / "scene.mrb")  # the rest is done


def test_a_figure_that_the_disk_does_not_hold_leaves_the_one_before(tmp_path, monkeypatch, little_room):
    """VTK writes what fits, and returns as if all were well."""
    def draw(size: int):
        picture = np.random.default_rng(0).integers(0, 255, (size, size, 3), np.uint8)
        monkeypatch.setattr("PlaneSSLLib.scene.figure.draw_figure", lambda *_: picture)
        return scene.save_figure(None, tmp_path / "out.png", overwrite=True).read_bytes()

    before = draw(20)
    with pytest.raises(PlaneSSLError, match=r"out\.png cannot be written whole"):
        draw(200)
    assert (tmp_path / "out.png").read_bytes() == before and os.listdir(tmp_path) == ["out.png"]


def test_names_keep_off_each_other_and_off_lines():
    rng = np.random.default_rng(1)
    height, size = 4.0, (200.0, 260.0)
    for count in (1, 5, 30):
        segments = rng.uniform((0, 0), size[::-1], (count, 2, 2))
        names = [f"SAX {k}" for k in range(count)]
        places = place_names(segments, names, range(count), 0, size, height)
        assert any(place is not None for place in places)
        boxes = []
        for name, place in zip(names, places, strict=True):
            if place is None:
                continue
            outline = place + height * letters(name).points * [1, -1]
            box = np.concatenate([outline.min(0), outline.max(0)])
            assert (box[:2] >= 0).all() and (box[2:] <= size[::-1]).all()
            assert all((box[:2] > other[2:]).any() or (other[:2] > box[2:]).any() for other in boxes)
            for start, end in segments:
                points = start + np.linspace(0, 1, 500)[:, None] * (end - start)
                assert not ((points > box[:2]) & (points < box[2:])).all(1).any()
            boxes.append(box)


def test_a_name_that_is_needed_is_written_even_across_other_lines():
    rows = np.arange(10.0, 90.0, 3.0)  # closer than letters are high
    segments = np.array([[(0, row), (200, row)] for row in rows])
    order = [12, *range(12), *range(13, len(rows))]
    names = [f"LAX {k}" for k in range(len(rows))]
    without = place_names(segments, names, order, 0, (100, 200), 4.0)
    needed = place_names(segments, names, order, 1, (100, 200), 4.0)
    assert without[12] is None and needed[12] is not None


def test_a_scene_knows_no_more_of_a_patient_than_the_study_says():
    """A study.json has given it a name of its own: the header's identifier stays out of the scene."""
    named = replace(heart(), subject="p001", patient="p001", identifier="4711-0815", uids=("1.2.840.99",))
    plain = replace(named, subject="4711-0815", patient="4711-0815")
    for study, known in ((named, ""), (plain, "4711-0815")):
        text = to_text(study, False, [])
        assert "1.2.840.99" not in text and ("4711" in text) == bool(known)
        assert from_text(text, "{}", "{}").acquired.identifier == known


def test_a_scene_of_before_is_read():
    """What an earlier version wrote of a stack's view, and did not write of the study."""
    document = json.loads(to_text(heart(), False, []))
    for key in ("problems", "labels", "uids", "identifier", "patient", "classes", "mixed"):
        del document[key]
    for stack in document["stacks"]:
        naming = stack.pop("naming")
        stack |= {key: naming[key] for key in ("view", "confidence", "given")}
    again = from_text(json.dumps(document), "{}", "{}").acquired
    assert [stack.naming.view for stack in again.stacks] == [stack.view for stack in heart().stacks]
    assert again.labels == again.problems == again.uids == ()
