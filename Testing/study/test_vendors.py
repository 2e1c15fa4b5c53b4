"""The same study, written in ten vendor-like ways, reads back as the same study."""
from __future__ import annotations

import json

import numpy as np
import pydicom
import pytest
import vendors

from PlaneSSLLib.phantom import write_phantoms
from PlaneSSLLib.study import read_labels, read_study


@pytest.fixture(scope="module")
def phantom(tmp_path_factory):
    folder, = write_phantoms("heart", studies=1, seed=11, out=tmp_path_factory.mktemp("phantoms"), phases=3)
    return folder


@pytest.fixture(scope="module")
def original(phantom):
    return read_study(phantom)


def contents(study) -> list[tuple]:
    """What has to be the same, stack by stack; without ids and descriptions, which the vendors change."""
    found = []
    for stack in study.stacks:
        geometry = [np.round((*plane.position, *plane.row, *plane.column, *plane.spacing), 3).tolist()
                    for plane in stack.planes]
        pixels = [[float(frame.source.read().sum()) for frame in frames] for frames in stack.frames]
        found.append((stack.view, stack.localizer, geometry, pixels, stack.dimension, stack.thickness_mm))
    return sorted(found, key=str)


def test_the_phantom_is_read_as_it_was_made(phantom, original):
    truth = {str(series["number"]): series for series in json.loads((phantom / "truth.json").read_text())["series"]}
    assert original.anatomy == "heart"
    assert not original.problems
    assert {stack.series for stack in original.stacks} == set(truth)
    for stack in original.stacks:
        made = truth[stack.series]
        assert stack.localizer == made["localizer"]
        assert stack.phases == made["phases"]
        if made["view"] is not None:
            assert (stack.view, len(stack.planes)) == (made["view"], made["slices"])
            assert stack.naming.confidence > 0.5
    scouts = {stack.view for stack in original.stacks if truth[stack.series]["view"] is None}
    assert scouts == {"sagittal", "coronal", "axial"}


def test_label_maps_follow_the_order_of_the_slices(phantom, original):
    sax = next(stack for stack in original.stacks if stack.view == "SAX" and not stack.localizer)
    own = [label for label in original.labels if label.stack == sax.id]
    assert sorted(label.phase for label in own) == [0, 1, 2]
    maps = read_labels(own[0], sax)
    assert maps.shape == (len(sax.planes), *sax.planes[0].shape)
    # Slices count from base to apex: the left ventricle tapers, and blood and muscle differ in brightness.
    areas = (maps == 3).sum((1, 2))
    present = np.flatnonzero(areas)
    third = max(1, len(present) // 3)
    assert areas[present[:third]].mean() > areas[present[-third:]].mean()
    middle = present[len(present) // 2]
    image = sax.pixels(middle, own[0].phase)
    assert image[maps[middle] == 3].mean() > 1.2 * image[maps[middle] == 2].mean()


@pytest.mark.parametrize("how", vendors.REWRITES, ids=lambda how: how.__name__)
def test_reads_back_to_the_same_study(how, phantom, original, tmp_path):
    study = read_study(vendors.rewrite(how, phantom, tmp_path / "study"))
    assert study.anatomy == "heart"
    assert not study.problems
    assert contents(study) == contents(original)
    if how is not vendors.without_meta_header:  # which pydicom reads, but does not decode
        for stack in study.stacks:
            source = stack.frames[0][-1].source
            expected = pydicom.pixels.pixel_array(source.file, index=source.frame)
            np.testing.assert_array_equal(source.read(), expected)
    again = read_study(tmp_path / "study")
    assert [stack.id for stack in again.stacks] == [stack.id for stack in study.stacks]
    assert len({stack.id for stack in study.stacks}) == len(study.stacks)


def test_ids_do_not_depend_on_the_order_of_files(phantom, original, tmp_path):
    for how in (vendors.shuffled_names, vendors.reversed_order):
        study = read_study(vendors.rewrite(how, phantom, tmp_path / how.__name__))
        for stack in study.stacks:
            assert (original.stack(stack.id).planes[0].position == stack.planes[0].position).all()
