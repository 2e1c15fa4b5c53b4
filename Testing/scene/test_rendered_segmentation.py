"""A segmentation over its image, as Slicer's slice view shows it: every colour where its structure is."""
from __future__ import annotations

import numpy as np
import pytest

from PlaneSSLLib import anatomy, scene
from PlaneSSLLib.scene.offscreen import require_rendering

from .made_up import heart, planes, stack, study, turn
from .rendered import ViewOfSlice

STRUCTURES = anatomy.load("heart").labels
BLOCK = 10  # pixels along the sides of a structure


@pytest.fixture(autouse=True)
def _able_to_render():
    try:
        require_rendering()
    except scene.NoOpenGL as error:
        pytest.skip(str(error))


def with_blocks():
    """An oblique stack with left-handed slices, whose image is bright in the blocks that are labelled."""
    basis = turn(50, (1, -2, 3))
    made = stack("sax", "SAX", planes(basis[:, 0], basis[:, 1], slices=3)[::-1], number=1)
    labels = np.zeros((3, *made.planes[0].shape), np.uint8)
    for k, label in enumerate(STRUCTURES):  # without symmetry: a flip or a turn is seen
        labels[1, 8 + 18 * k:8 + 18 * k + BLOCK, 10 + 22 * k:10 + 22 * k + BLOCK] = label.value
    made.frames[1][0].source.values[:] = np.where(labels[1] > 0, 1000, 0)
    return study([made]), labels


@pytest.mark.parametrize("opacity", [0.0, 1.0])
def test_every_structure_is_seen_in_its_colour_over_what_it_is_of(opacity):
    made, labels = with_blocks()
    drawing = scene.draw_study(made)
    (node,) = scene.add_segmentation(drawing, "sax", labels, STRUCTURES)
    node.GetDisplayNode().SetOpacity2DFill(opacity)
    node.GetDisplayNode().SetVisibility2DOutline(False)
    view = ViewOfSlice("Red")
    try:
        scene.show_image(view.node, drawing, "sax", 1)
        picture = view.picture().astype(int)
        plane = made.stack("sax").planes[1]
        rows, columns = np.indices(plane.shape)
        inner = np.array([[c, r] for r, c in zip(rows.ravel(), columns.ravel(), strict=True)])
        at = np.rint(view.to_pixels(plane.to_lps(inner))).astype(int)
        seen = picture[at[:, 1], at[:, 0]].reshape(*plane.shape, -1)[..., :3]
    finally:
        view.close()
    for label in STRUCTURES:
        expected = 255 * np.array(label.color) if opacity else np.full(3, 255)
        blurred = 6 if opacity else 40  # an image is interpolated at its edges, a segment is not
        assert np.abs(seen[labels[1] == label.value] - expected).max() <= blurred
    grown = np.zeros(plane.shape, bool)
    for r, c in np.argwhere(labels[1] > 0):
        grown[max(0, r - 1):r + 2, max(0, c - 1):c + 2] = True
    assert seen[~grown].max() <= 40  # a pixel further out, nothing of it


def test_the_segmentation_of_a_cine_is_that_of_the_phase_that_is_shown():
    made = heart(phases=3)
    drawing, plane = scene.draw_study(made), made.stack("two").planes[0]
    labels = np.zeros((3, 1, *plane.shape), np.uint8)
    for phase in range(3):
        labels[phase, 0, 10 + 15 * phase:20 + 15 * phase, 20:40] = 3
    (node,) = scene.add_segmentation(drawing, "two", labels, STRUCTURES)
    view = ViewOfSlice("Red")
    try:
        scene.show_image(view.node, drawing, "two", 0)
        centres = np.rint(view.to_pixels(plane.to_lps([[30, 15 + 15 * phase] for phase in range(3)]))).astype(int)
        browser = next(one for one in drawing.nodes("browser") if one.GetSequenceNode(node))
        for shown in (0, 2, 1):
            browser.SetSelectedItemNumber(shown)
            node.GetDisplayNode().SetOpacity2DFill(1.0)
            picture = view.picture().astype(int)
            red = [picture[y, x, 0] - picture[y, x, 2] > 100 for x, y in centres]
            assert red == [phase == shown for phase in range(3)]
    finally:
        view.close()
