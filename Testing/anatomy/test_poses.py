"""By which views' lines the images of a view are laid alike."""
from __future__ import annotations

import pytest
from Testing.anatomy.test_anatomy import GOOD, loaded  # noqa: F401  (a fixture)

from PlaneSSLLib import PlaneSSLError

LAID = 'lines = ["axial:all"]', 'lines = ["axial", "coronal", "axial:all"]\npose = '  # line 22, and a new 23


def test_two_views_whose_central_planes_are_regressed_may_lay_images(loaded):  # noqa: F811
    found = loaded(GOOD.replace(LAID[0], LAID[1] + '["coronal", "axial"]'))
    assert (found.pose_of("sagittal"), found.pose_of("axial"), found.pose_of("no view")) == (
        ("coronal", "axial"), (), ())


@pytest.mark.parametrize(("pose", "words"), [
    ('["coronal"]', "the names of two views"), ('["coronal", "coronal"]', "'coronal' is used twice"),
    ('["coronal", "sagittal"]', r"central planes are among the lines \(axial, coronal\), found 'sagittal'"),
    ('"coronal"', "the names of two views")])
def test_views_that_cannot_lay_images_are_refused(loaded, pose, words):  # noqa: F811
    with pytest.raises(PlaneSSLError, match=rf"line 23: \[view 2\] pose: .*{words}"):
        loaded(GOOD.replace(LAID[0], LAID[1] + pose))
    with pytest.raises(PlaneSSLError, match=r"pose: .*are among the lines \(none is\), found 'axial'"):
        loaded(GOOD.replace(LAID[0], LAID[0] + '\npose = ["axial", "coronal"]'))
