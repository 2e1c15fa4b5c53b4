from __future__ import annotations

import pytest
from Testing.made_up_study import write_study

from PlaneSSLLib.cohort import Cohort, prepare


@pytest.fixture(scope="session")
def studies(tmp_path_factory):
    """A folder of four made-up studies, two phases each."""
    root = tmp_path_factory.mktemp("studies")
    for seed in range(4):
        write_study(root / f"s{seed}", seed, phases=2)
    return root


@pytest.fixture(scope="session")
def cohort(studies, tmp_path_factory):
    out = tmp_path_factory.mktemp("cohort") / "c"
    prepare([studies], "heart", out)
    return Cohort(out)
