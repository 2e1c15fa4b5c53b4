from __future__ import annotations

import numpy as np
import pytest
from made_images import write

from PlaneSSLLib.study import read_study


@pytest.fixture
def study_of(tmp_path):
    """study_of(images) writes them as one study, in an order that says nothing, and reads it."""

    def read(images, folder="study", **named):
        order = np.random.default_rng(1).permutation(len(images))
        for name, i in enumerate(order):
            write(images[i], tmp_path / folder / f"{name:04d}")
        return read_study(tmp_path / folder, **named)

    return read
