"""Frames of a prepared study, and what is said when its files are damaged."""
from __future__ import annotations

import numpy as np
import pytest

from PlaneSSLLib import PlaneSSLError
from PlaneSSLLib.cohort import Cohort, prepare


@pytest.mark.parametrize("damage", ["truncate", "remove", "other"])
def test_a_damaged_shard_is_named(studies, tmp_path, damage):
    prepare([studies], "heart", tmp_path / "c")
    victim = next((tmp_path / "c" / "studies").rglob("pixels.npy"))
    if damage == "truncate":
        victim.write_bytes(victim.read_bytes()[:500])
    elif damage == "remove":
        victim.unlink()
    else:
        np.save(victim, np.zeros(5, np.float16))
    study = Cohort(tmp_path / "c").studies[victim.parent.name]
    with pytest.raises(PlaneSSLError, match=r"pixels\.npy"):
        study.check()


@pytest.mark.parametrize("damage", ["truncate", "remove"])
def test_damage_that_comes_while_a_training_reads_is_named(studies, tmp_path, damage):
    prepare([studies], "heart", tmp_path / "c")
    study = next(iter(Cohort(tmp_path / "c").studies.values()))
    pixels, stack = study.folder / "pixels.npy", study.stacks[-1]
    first, last = (0, 0), (len(stack.planes) - 1, len(stack.pixels_at[-1]) - 1)
    whole = np.load(pixels)
    for i, k in (first, last):
        np.testing.assert_array_equal(study.image(stack, i, k).ravel(), np.split(
            whole, [stack.pixels_at[i][k], stack.pixels_at[i][k] + np.prod(stack.planes[i].shape)])[1])
    if damage == "remove":
        pixels.unlink()
    else:
        pixels.write_bytes(pixels.read_bytes()[:-1])
    with pytest.raises(PlaneSSLError, match=r"pixels\.npy"):
        study.image(stack, *last)
