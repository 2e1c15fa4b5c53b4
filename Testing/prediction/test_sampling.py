"""Batches by matrix products against one image after the other by scipy."""
from __future__ import annotations

import numpy as np
import pytest
import torch

from PlaneSSLLib import anatomy
from PlaneSSLLib.cohort import Plan
from PlaneSSLLib.cohort.placing import Augmentation, placement, resample
from PlaneSSLLib.geometry import Plane
from PlaneSSLLib.prediction.looking import grid_on
from PlaneSSLLib.prediction.sampling import Sampler, turned

PLAN = Plan.of(anatomy.load("heart"))


@pytest.mark.parametrize("seed", range(20))
def test_sampling_a_batch_is_sampling_its_images(seed):
    rng = np.random.default_rng(seed)
    shape, spacing = tuple(int(n) for n in rng.integers(2, 300, 2)), tuple(rng.uniform(0.3, 4, 2))  # coarse and fine
    matrix = grid_on(Plane((0, 0, 0), (1, 0, 0), (0, 1, 0), spacing, shape), PLAN, tuple(rng.uniform(-60, 60, 2)))
    for old, new, through in ((shape, PLAN.size, matrix), (PLAN.size, shape, np.linalg.inv(matrix))):
        images = rng.normal(size=(2, 3, *old)).astype(np.float32)
        sampler = Sampler(through, old, new, torch.device("cpu"))
        found = sampler(torch.from_numpy(images)).numpy()
        expected = np.stack([[resample(image, through, new) for image in one] for one in images])
        np.testing.assert_allclose(found, expected, atol=1e-4)
        boxed = sampler.in_box(torch.from_numpy(images)).numpy()
        np.testing.assert_array_equal(boxed, found[..., sampler.box[0], sampler.box[1]])


def test_what_is_looked_at_is_sampled_as_if_all_else_were_empty():
    plane = Plane((0, 0, 0), (1, 0, 0), (0, 1, 0), (2.2, 1.1), (90, 170))
    through = np.linalg.inv(grid_on(plane, PLAN))
    image = np.random.default_rng(0).uniform(1, 2, PLAN.size).astype(np.float32)
    sampler = Sampler(through, PLAN.size, plane.shape, torch.device("cpu"), (slice(40, 71), slice(100, 103)))
    alone = np.zeros_like(image)
    alone[40:71, 100:103] = image[40:71, 100:103]
    found = sampler(torch.from_numpy(image)).numpy()
    np.testing.assert_allclose(found, resample(alone, through, plane.shape), atol=1e-5)
    assert (sampler.in_box(torch.from_numpy(image)) > 0).any(0).all()  # no column of it is looked at in vain
    nothing = Sampler(through, PLAN.size, plane.shape, torch.device("cpu"), (slice(0, 0), slice(0, 0)))
    assert not nothing(torch.from_numpy(image)).any()


def test_a_grid_that_misses_the_image_samples_nothing():
    plane = Plane((0, 0, 0), (1, 0, 0), (0, 1, 0), (1.0, 1.0), (20, 20))
    sampler = Sampler(grid_on(plane, PLAN, (500.0, 0.0)), plane.shape, PLAN.size, torch.device("cpu"))
    assert not sampler(torch.ones(20, 20)).any()


def test_an_image_on_the_grid_itself_is_not_changed():
    image = np.random.default_rng(0).normal(size=PLAN.size).astype(np.float32)
    plane = Plane((0, 0, 0), (1, 0, 0), (0, 1, 0), PLAN.spacing, PLAN.size)
    sampler = Sampler(grid_on(plane, PLAN), PLAN.size, PLAN.size, torch.device("cpu"))
    np.testing.assert_allclose(sampler(torch.from_numpy(image)).numpy(), image, atol=1e-5)


def test_a_turned_image_is_refused():
    plane = Plane((0, 0, 0), (1, 0, 0), (0, 1, 0), (1.0, 1.0), (20, 20))
    motion = Augmentation(rotation_deg=20).motion(np.random.default_rng(0))
    with pytest.raises(ValueError, match="turns"):
        Sampler(placement(plane, PLAN, motion), plane.shape, PLAN.size, torch.device("cpu"))


@pytest.mark.parametrize("seed", range(8))
def test_a_batch_through_turned_matrices_is_sampled_image_by_image(seed):
    rng = np.random.default_rng(seed)
    shape, spacing = tuple(int(n) for n in rng.integers(40, 300, 2)), (rng.uniform(0.5, 3),) * 2
    plane = Plane((0, 0, 0), (1, 0, 0), (0, 1, 0), spacing, shape)
    moves = Augmentation(rotation_deg=180, shift_mm=20)
    matrices = np.array([placement(plane, PLAN, moves.motion(rng)) for _ in range(3)])
    for old, new, through in ((shape, PLAN.size, matrices), (PLAN.size, shape, np.linalg.inv(matrices))):
        images = rng.normal(size=(3, 2, *old)).astype(np.float32)
        images[..., [0, -1], :] = images[..., [0, -1]] = 0  # at the very border it fades, and resample ends
        found = turned(torch.from_numpy(images), through, new).numpy()
        expected = np.stack([[resample(channel, matrix, new) for channel in one]
                             for one, matrix in zip(images, through, strict=True)])
        np.testing.assert_allclose(found, expected, atol=2e-3)
