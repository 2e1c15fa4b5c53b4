"""Volumes and cines: every voxel where its pixel was acquired, every phase as it was read."""
from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import SimpleITK as sitk
import slicer
from vtkmodules.util.numpy_support import vtk_to_numpy

from PlaneSSLLib import scene

from .made_up import STUDIES, planes, stack, study

arrays = slicer.util.arrayFromVolume


def saved(volume, folder):
    path = folder / "volume.nrrd"
    storage = slicer.vtkMRMLNRRDStorageNode()
    storage.SetFileName(str(path))
    assert storage.WriteData(volume) == 1
    return sitk.ReadImage(str(path))


@pytest.mark.parametrize("name", STUDIES)
def test_another_reader_finds_every_pixel_where_it_was_acquired(name, tmp_path):
    drawing = scene.draw_study(made := STUDIES[name]())
    for one in made.stacks:
        seen = []
        for volume in drawing.nodes("volume", one.id):
            image = saved(volume, tmp_path)
            first = volume.GetAttribute("PlaneSSL.slice")
            slices = range(len(one.planes)) if first is None else [int(first)]
            assert image.GetSize() == (*one.planes[0].shape[::-1], len(slices))
            for k, i in enumerate(slices):
                for column, row in ((0, 0), (17, 31), (one.planes[i].shape[1] - 1, one.planes[i].shape[0] - 1)):
                    point = image.TransformIndexToPhysicalPoint((column, row, k))
                    np.testing.assert_allclose(point, one.planes[i].to_lps((column, row)), atol=1e-9)
                np.testing.assert_array_equal(sitk.GetArrayFromImage(image)[k], one.pixels(i))
            seen += slices
        assert seen == list(range(len(one.planes)))


def test_a_regular_stack_is_one_volume_and_an_irregular_one_is_a_volume_a_slice():
    drawing = scene.draw_study(STUDIES["tilted"]())
    assert [len(drawing.nodes("volume", name)) for name in ("sheared", "uneven", "against")] == [4, 3, 1]


def test_a_cine_whose_phases_need_another_type_is_saved_whole(tmp_path):
    """The writer of volume sequences takes phases of one type only."""
    one = stack("wide", "SAX", planes((1, 0, 0), (0, 1, 0), slices=2), phases=2)
    one.frames[0][1].source.values[0, 0] = 40_000
    scene.draw_study(study([one]))
    scene.save_scene(tmp_path / "scene.mrb")
    (back,) = scene.load_scene(tmp_path / "scene.mrb")
    for phase in range(2):
        shown = arrays(back.node("sequence").GetNthDataNode(phase))
        np.testing.assert_array_equal(shown, [one.pixels(i, phase) for i in range(2)])


def test_a_stack_that_leans_is_no_volume_that_would_be_straightened():
    """Half a pixel aside over the whole stack, at 0.5 degrees: Slicer's volumes have no shear."""
    leaning = stack("leaning", "SAX", planes((1, 0, 0), (0, 1, 0), slices=12, step=8.0, shear=0.07))
    rounded = stack("rounded", "SAX", planes((1, 0, 0), (0, 1, 0), slices=12, step=8.0, shear=0.005))
    assert (leaning.is_volume(), rounded.is_volume()) == (False, True)


def test_a_slice_that_lacks_a_phase_goes_on_showing_the_one_before():
    one = stack("gap", "SAX", planes((1, 0, 0), (0, 1, 0), slices=2), phases=4)
    whole, other = one.frames
    one = replace(one, frames=(whole, (None, other[1], None, other[3])))
    drawing = scene.draw_study(study([one]))
    sequence = drawing.node("sequence")
    for phase, expected in enumerate((1, 1, 1, 3)):
        shown = arrays(sequence.GetNthDataNode(phase))
        np.testing.assert_array_equal(shown[0], whole[phase].source.read())
        np.testing.assert_array_equal(shown[1], other[expected].source.read())
    kept = scene.drawings()[0].study.stacks[0]
    assert [[kept.has(i, k) for k in range(4)] for i in range(2)] == [[True] * 4, [False, True, False, True]]


@pytest.mark.parametrize(("thickness", "expected"), [(7.5, 7.5), (None, 1.0)])
def test_a_single_slice_is_as_thick_as_it_was_acquired(thickness, expected):
    one = stack("single", "2CH", planes((1, 0, 0), (0, 0, 1)), thickness_mm=thickness)
    drawing = scene.draw_study(study([one]))
    np.testing.assert_allclose(drawing.node("volume").GetSpacing(), (1.6, 2.0, expected))


def test_pixels_that_are_no_whole_numbers_or_do_not_fit_16_bits_are_kept():
    values = np.array([[0.25, 1e6], [-1e6, 3.0]], np.float32)
    one = stack("odd", "2CH", planes((1, 0, 0), (0, 0, 1), shape=(2, 2)))
    one.frames[0][0].source.values.resize((2, 2), refcheck=False)
    one.frames[0][0].source.values[...] = values
    np.testing.assert_array_equal(arrays(scene.draw_study(study([one])).node("volume"))[0], values)


def test_a_playing_cine_shows_every_phase_and_leaves_planes_and_lines_alone():
    drawing = scene.draw_study(made := STUDIES["heart"](phases=3))
    lines = drawing.node("lines").GetPolyData().GetMTime()
    (browser,) = drawing.nodes("browser")  # all cines run through the same cycle: they are played together
    assert browser.GetNumberOfItems() == 3
    sequence = browser.GetSequenceNode(drawing.node("volume", "two"))
    assert (sequence.GetIndexName(), sequence.GetIndexUnit()) == ("time", "ms")
    assert [sequence.GetNthIndexValue(k) for k in range(3)] == ["0.00", "40.00", "80.00"]
    for phase in (2, 0, 1):
        browser.SetSelectedItemNumber(phase)
        for one in made.stacks:
            shown = arrays(drawing.node("volume", one.id))
            for i in range(len(one.planes)):
                np.testing.assert_array_equal(shown[i], one.pixels(i, 0 if one.phases == 1 else phase))
    assert drawing.node("lines").GetPolyData().GetMTime() == lines
    assert drawing.node("volume", "two").GetDisplayNode().GetWindow() > 0


def test_images_in_3d_follow_the_phase():
    drawing = scene.draw_study(made := STUDIES["heart"](phases=3), scene.Look(textures="all"))
    follow = scene.CineTextures(drawing)

    def atlas() -> np.ndarray:
        display = drawing.node("texture", "two").GetDisplayNode()
        image = display.GetTextureImageDataConnection().GetProducer().GetOutputDataObject(0)
        columns, rows, _ = image.GetDimensions()
        return vtk_to_numpy(image.GetPointData().GetScalars()).reshape(rows, columns, 3)[1:-1, 1:-1, 0]

    display = drawing.node("volume", "two").GetDisplayNode()
    for phase in (2, 1):
        drawing.node("browser").SetSelectedItemNumber(phase)
        grey = (made.stack("two").pixels(0, phase) - display.GetLevel()) / display.GetWindow() * 255 + 127.5
        np.testing.assert_array_equal(atlas(), np.clip(grey, 0, 255).astype(np.uint8))
    follow.stop()
    drawing.node("browser").SetSelectedItemNumber(0)
    np.testing.assert_array_equal(atlas(), np.clip(grey, 0, 255).astype(np.uint8))
    scene.restyle(drawing, textures="none")
    assert drawing.nodes("texture") == []


def test_cines_of_another_cycle_have_a_browser_of_their_own():
    basis = ((1, 0, 0), (0, 0, 1))
    made = study([stack("a", "2CH", planes(*basis), 3), stack("b", "SAX", planes((1, 0, 0), (0, 1, 0)), 4)])
    assert len(scene.draw_study(made).nodes("browser")) == 2
