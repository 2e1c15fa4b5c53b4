"""[[sequence]] in an anatomy file: read as written, or refused by line and key."""
from __future__ import annotations

import pytest

from PlaneSSLLib import PlaneSSLError, anatomy

PAGE = """name = "wrist"
title = "Wrist"
sigma_mm = 5
[grid]
spacing = [1, 1]
size = [160, 160]
[[view]]
name = "coronal"
color = [1, 0, 0]
normal = [0, 1, 0]
[[sequence]]
name = "PD-FS"
words = [["PD", "proton"], ["fs"]]
[[sequence]]
name = "cine"
words = [["cine"]]
beats = true
"""


def load(folder, page):
    (folder / "wrist.toml").write_text(page, encoding="utf-8")
    return anatomy.load(folder / "wrist.toml")


def test_sequences_are_those_of_the_file_in_its_order(tmp_path):
    assert load(tmp_path, PAGE).sequences == (
        anatomy.MrSequence("PD-FS", (("pd", "proton"), ("fs",))), anatomy.MrSequence("cine", (("cine",),), beats=True))
    assert load(tmp_path, PAGE.partition("[[sequence]]")[0]).sequences == ()


@pytest.mark.parametrize(("old", "new", "line", "words"), [
    ('name = "PD-FS"', 'name = "PD FS"', 12, "short name"), ('name = "cine"', 'name = "PD-FS"', 15, "used twice"),
    ('words = [["cine"]]', 'words = ["cine"]', 16, "a list of lists of words"),
    ('words = [["cine"]]', "words = [[]]", 16, "an empty one"), ('words = [["cine"]]\n', "", 14, "missing"),
    ("beats = true", 'beats = "yes"', 17, "true or false"), ("beats = true", "beat = true", 17, "unknown key")])
def test_what_cannot_be_is_refused_by_line(tmp_path, old, new, line, words):
    with pytest.raises(PlaneSSLError, match=rf"line {line}: .*{words}"):
        load(tmp_path, PAGE.replace(old, new))
