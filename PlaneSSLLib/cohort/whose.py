"""Whose a study is, where nothing but the folders in which it lies can tell."""
from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from ..study.filenames import VISIT_FOLDER
from ..study.reading import UNTELLING


def by_folders(root: Path, paths: Iterable[Path]) -> dict[Path, tuple[str, str]]:
    """For each of the studies below a folder, what it is to be called, and its patient; empty for as it is.

    A folder named by a visit, a date or a side (P001/2019-04-30), or by a word that comes again in other folders
    (P001/baseline, P001/SAX), is one of its parent's. Names with numbers that come again are left: they may be patients
    of several centres.
    """
    paths = list(paths)
    times = Counter(path.name.lower() for path in paths if not path.is_file())
    found = {}
    for path in paths:
        name, parent = path.name, path.parent
        again = times[name.lower()] > 1 and not re.search(r"\d", name) and name.lower() not in UNTELLING
        inside = root in parent.parents and not path.is_file()
        told = inside and (again or VISIT_FOLDER.fullmatch(name)) and not name.lower().startswith("ses")
        found[path] = (f"{parent.name}_{name}", parent.name) if told else ("", "")
    return found
