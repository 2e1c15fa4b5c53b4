"""What Slicer's own views show, compared with geometry, pixel by pixel."""
from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import distance_transform_edt
from vtkmodules.util.numpy_support import vtk_to_numpy

from PlaneSSLLib import scene
from PlaneSSLLib.scene.coordinates import to_lps, to_ras
from PlaneSSLLib.scene.offscreen import require_rendering

from .made_up import STUDIES
from .rendered import View3D, ViewOfSlice


@pytest.fixture(scope="module", autouse=True)
def _able_to_render():
    try:
        require_rendering()
    except scene.NoOpenGL as error:
        pytest.skip(str(error))


def near(picture: np.ndarray, color, point: np.ndarray, reach: int = 2, tolerance: int = 40) -> bool:
    """Is a colour (0 .. 1) found within reach pixels of a point (column, row)?"""
    column, row = np.round(point).astype(int)
    patch = picture[max(row - reach, 0):row + reach + 1, max(column - reach, 0):column + reach + 1].reshape(-1, 3)
    return bool((np.abs(patch - 255 * np.array(color)).max(-1) <= tolerance).any())


def along(segment: np.ndarray, count: int = 7) -> np.ndarray:
    """Points of a segment, its ends drawn in by a hundredth."""
    return segment[0] + np.linspace(0.01, 0.99, count)[:, None] * (segment[1] - segment[0])


def saturated(picture: np.ndarray) -> np.ndarray:
    """Pixels that are not grey: lines and letters, on images that are."""
    return np.ptp(picture.astype(int), axis=-1) > 40


@pytest.mark.parametrize("name", STUDIES)
def test_in_3d_every_line_has_its_colour_where_geometry_puts_it_and_nothing_else_is_drawn(name):
    drawing = scene.draw_study(STUDIES[name](), scene.Look(others="show", localizers="show"))
    for node in drawing.nodes("planes"):
        node.GetDisplayNode().VisibilityOff()
    view = View3D()
    view.renderer.ResetCamera()
    view.renderer.GetActiveCamera().Azimuth(35)
    view.renderer.GetActiveCamera().Elevation(25)
    picture = view.picture()
    lines = scene.lines_in_scene(drawing)
    now = drawing.now
    far = distance_transform_edt(~saturated(picture))
    colors = {tuple(color) for color in now.colors.values()}
    ink = np.ones(picture.shape[:2], bool)
    for segment in lines.segments:
        points = view.to_pixels(along(segment, 400))
        ink[tuple(np.round(points[:, ::-1]).astype(int).T)] = False
        places = view.to_pixels(along(segment))
        assert far[tuple(np.round(places[:, ::-1]).astype(int).T)].max() <= 2
        assert all(any(near(picture, color, place) for color in colors) for place in places)
    assert distance_transform_edt(ink)[saturated(picture)].max() < 8
    view.close()


@pytest.mark.parametrize("name", STUDIES)
def test_a_line_in_3d_has_the_colour_of_the_plane_that_cuts_the_larger_stack(name):
    drawing = scene.draw_study(STUDIES[name](), scene.Look(others="hide", localizers="hide"))
    now = drawing.now
    stacks = now.study.stacks
    lines = scene.lines_in_scene(drawing)
    mesh = drawing.node("lines").GetPolyData()
    color = vtk_to_numpy(mesh.GetCellData().GetScalars())[:len(lines.places)]
    for (a, i, b, j), rgba in zip(lines.places, color, strict=True):
        fewer = a if len(stacks[a].planes) < len(stacks[b].planes) else b
        np.testing.assert_allclose(rgba[:3] / 255, now.colors[stacks[fewer].id], atol=1 / 255)
        central = all(stacks[k].central == n and not stacks[k].localizer for k, n in ((a, i), (b, j)))
        assert rgba[3] == 255 * central


@pytest.mark.parametrize("name", STUDIES)
def test_a_slice_view_shows_exactly_the_lines_that_cut_its_image(name):
    drawing = scene.draw_study(STUDIES[name](), scene.Look(others="show", localizers="show"))
    view = ViewOfSlice("Red")
    now = drawing.now
    lines = scene.lines_in_scene(drawing)
    number = {stack.id: k for k, stack in enumerate(now.study.stacks)}
    seen = 0
    for stack in now.study.stacks:
        for index in {0, stack.central}:
            scene.show_image(view.node, drawing, stack.id, index)
            node = scene.draw_view_lines(view.node)
            picture = view.picture()
            here = lines.take(lines.of(number[stack.id], index))
            away = np.ones(picture.shape[:2], bool)
            for place, segment in zip(here.places.tolist(), here.segments, strict=True):
                other = place[2:] if place[:2] == [number[stack.id], index] else place[:2]
                color = now.colors[now.study.stacks[other[0]].id]
                points = view.to_pixels(along(segment))
                hits = [near(picture, color, point) for point in points]
                assert np.mean(hits) > 0.7, (stack.id, index, place)  # another line or a name may lie over a point
                ends = view.to_pixels(segment)
                dense = np.round(ends[0] + np.linspace(0, 1, 600)[:, None] * (ends[1] - ends[0]))[:, ::-1].astype(int)
                away[tuple(np.clip(dense, 0, np.array(away.shape) - 1).T)] = False
                seen += 1
            stray = (distance_transform_edt(away) > 3) & saturated(picture) & ~letters(node, view, picture.shape)
            assert not stray.any(), (stack.id, index, np.argwhere(stray)[:5])
    assert seen > 8
    view.close()


def letters(node, view: ViewOfSlice, shape) -> np.ndarray:
    """(rows, columns) bool: under the names of a view's mesh."""
    mesh, covered = node.GetPolyData(), np.zeros(shape[:2], bool)
    if not mesh.GetNumberOfPolys():
        return covered
    triangles = vtk_to_numpy(mesh.GetPolys().GetConnectivityArray()).reshape(-1, 3)
    points = view.to_pixels(to_lps(vtk_to_numpy(mesh.GetPoints().GetData())))
    for corners in points[triangles]:
        low, high = np.floor(corners.min(0)).astype(int) - 1, np.ceil(corners.max(0)).astype(int) + 2
        covered[max(low[1], 0):high[1], max(low[0], 0):high[0]] = True
    return covered


def test_the_lines_of_one_view_are_not_drawn_in_another():
    drawing = scene.draw_study(STUDIES["heart"]())
    first, second = ViewOfSlice("Red"), ViewOfSlice("Green")
    scene.show_image(first.node, drawing, "sax", 2)
    scene.show_image(second.node, drawing, "sax", 1)
    scene.draw_view_lines(first.node)
    assert saturated(first.picture()).any() and not saturated(second.picture()).any()
    first.close()
    second.close()


def test_images_lie_upright_on_their_rectangles_in_3d():
    """A bright block in a corner of an image appears in that corner of the rectangle, seen from either side."""
    made = STUDIES["knee"]()
    values = made.stacks[1].frames[1][0].source.values
    values[...] = 10
    values[:16, :32] = 200  # rows 0 .. 15, columns 0 .. 31
    plane = made.stacks[1].planes[1]
    drawing = scene.draw_study(made, scene.Look(others="hide", textures="central"))
    for node in drawing.nodes("lines") + drawing.nodes("planes") + [
            n for n in drawing.nodes("texture") if n.GetAttribute("PlaneSSL.stack") != "cor"]:
        node.GetDisplayNode().VisibilityOff()
    view = View3D()
    camera = view.renderer.GetActiveCamera()
    camera.SetViewUp(0, 0, 1)
    for forward in (1, -1):  # from the front, and from behind
        camera.SetFocalPoint(*to_ras(plane.centre))
        camera.SetPosition(*to_ras(plane.centre + [90, -320 * forward, 70]))
        view.renderer.ResetCameraClippingRange()
        picture = view.picture().astype(int).sum(-1)
        inner = view.to_pixels(plane.to_lps([(12, 12), (28, 4), (36, 12), (12, 20), (4, 28), (60, 60)]))
        bright = [picture[tuple(np.round(point[::-1]).astype(int))] for point in inner]
        assert min(bright[:2]) > 500 and max(bright[2:]) < 300, bright
    view.close()
