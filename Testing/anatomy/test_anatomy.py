from __future__ import annotations

import json
import re
import subprocess
import sys

import numpy as np
import pydicom.sr._concepts_dict as dicom_concepts
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from PlaneSSLLib import PlaneSSLError, anatomy
from PlaneSSLLib.anatomy.snomed import is_snomed_code
from PlaneSSLLib.resources import resource_folder

SHIPPED = sorted(path.stem for path in (resource_folder() / "Anatomies").glob("*.toml"))

GOOD = """\
name = "shoulder"
title = "Shoulder"
sigma_mm = 5
classes = ["normal", "torn"]

[grid]
spacing = [1.0, 1.5]
size = [160, 128]

[[view]]
name = "axial"
color = [1, 0, 0]
normal = [0, 0, 2]
words = ["AX", "tra"]
lines = ["sagittal", "coronal:nearest"]

[[view]]
name = "sagittal"
color = [0, 1, 0.5]
normal = [1, 0, 0]
most_slices = 40
lines = ["axial:all"]

[[view]]
name = "coronal"
color = [0, 0, 1]
perpendicular_to = "axial"

[[label]]
value = 1
name = "humerus"
color = [0.9, 0.9, 0.8]
code = { value = "85050009", meaning = "Humerus" }

[[label]]
value = 2
name = "tendon"
title = "supraspinatus tendon"
color = [0.5, 0.9, 0.8]
density_g_per_ml = 1.1
ejects = true
code = { scheme = "UBERON", value = "0007175", meaning = "supraspinatus tendon" }
pieces = 2
"""


@pytest.fixture
def loaded(tmp_path):
    """The anatomy in this text."""

    def load(text, name="shoulder.toml"):
        file = tmp_path / name
        file.write_bytes(text if isinstance(text, bytes) else text.encode())
        return anatomy.load(file)

    return load


@pytest.fixture
def own_folder(tmp_path, monkeypatch):
    folder = tmp_path / "own"
    folder.mkdir()
    monkeypatch.setenv("PLANESSL_ANATOMIES", str(folder))
    return folder


# What ships

@pytest.mark.parametrize("joint", [" ", "_", "-", ".", "/"])
def test_structures_are_known_however_their_names_are_joined(own_folder, joint):
    for name in SHIPPED:
        for label in (known := anatomy.load(name)).labels:
            assert known.structure(label.title.upper().replace(" ", joint)) == label


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_files_load(name, own_folder):
    found = anatomy.load(name)
    assert found.name == name
    assert found.file.stem == name
    for view in found.views:
        assert view.normal is None or np.linalg.norm(view.normal) == pytest.approx(1)
        assert all(word == word.lower() for word in view.words)
        assert {line.view for line in view.lines} <= {other.name for other in found.views} - {view.name}
    assert found.targets
    assert len(set(found.targets)) == len(found.targets)


def test_what_ships_is_what_was_promised(own_folder):
    assert {"generic", "heart", "knee", "prostate"} <= set(anatomy.available())
    heart = anatomy.load("heart")
    assert heart.targets == ("SAX:central", "2CH:central", "3CH:central", "4CH:central")
    lines = {view.name: [line.view for line in view.lines] for view in heart.views}
    assert lines["SAX"] == ["2CH", "3CH", "4CH"]  # as the planner of Wei et al. 2021 has them
    assert lines["2CH"] == ["3CH", "4CH", "SAX"]
    assert lines["4CH"] == ["2CH", "3CH", "SAX"]
    assert [label.name for label in heart.labels] == ["RV", "MYO", "LV"]  # the values of ACDC
    assert heart.view("LAX").perpendicular_to == "SAX"
    assert heart.view("no such view") is None
    knee = anatomy.load("knee")
    assert knee.sided
    assert knee.classes == ("abnormal", "acl_tear", "meniscus_tear")
    assert {line.view for line in knee.view("sagittal").lines} == {"coronal", "axial"}


@pytest.mark.parametrize("name", SHIPPED)
def test_codes_have_the_meaning_that_dicom_gives_them(name):
    meanings: dict[str, set] = {}
    for concepts in dicom_concepts.concepts["SCT"].values():
        for value, (meaning, _) in concepts.items():
            meanings.setdefault(value, set()).add(meaning)
    for label in anatomy.load(resource_folder() / "Anatomies" / f"{name}.toml").labels:
        assert label.code.scheme == "SCT"
        assert label.code.meaning in meanings[label.code.value], label.name


def test_a_file_becomes_what_it_says(loaded):
    found = loaded(GOOD)
    assert found.grid == anatomy.Grid((1.0, 1.5), (160, 128))
    assert found.view("axial").normal == (0, 0, 1)
    assert found.view("axial").words == ("ax", "tra")
    assert found.view("axial").lines == (
        anatomy.LineTarget("sagittal", "central"), anatomy.LineTarget("coronal", "nearest"))
    assert found.targets == ("axial:all", "sagittal:central", "coronal:nearest")
    assert found.labels[0].title == "humerus"
    assert found.labels[0].code == anatomy.Code("SCT", "85050009", "Humerus")
    assert found.labels[1].code.scheme == "UBERON"
    assert found.labels[1].ejects
    assert [label.pieces for label in found.labels] == [1, 2]
    assert (found.sided, found.turn_deg, found.words) == (False, 40, ())


@pytest.mark.parametrize("changed", [
    b"\xef\xbb\xbf" + GOOD.encode(), GOOD.replace("\n", "\r\n"), GOOD.replace('name = "', '"name" = "'),
    GOOD.replace("[grid]\nspacing", "[grid]\n\n# in mm\nspacing"),
])
def test_editors_of_other_systems_may_have_written_it(loaded, changed):
    assert loaded(changed) == loaded(GOOD)


# What is refused, with the file, the line and the key

@pytest.mark.parametrize(("old", "new", "line", "words"), [
    # unknown, missing and mistyped keys
    ("sigma_mm = 5", "sigma = 5", 3, ["sigma", "unknown key", "sigma_mm"]),
    ("sigma_mm = 5\n", "", 1, ["sigma_mm", "missing"]),
    ('name = "shoulder"\n', "", 1, ["name", "missing"]),
    ("most_slices = 40", "slices = 40", 21, ["[view 2] slices", "unknown key", "most_slices"]),
    ("size = [160, 128]\n", "", 6, ["[grid] size", "missing"]),
    ("[grid]\nspacing = [1.0, 1.5]\nsize = [160, 128]\n", "", 1, ["grid", "missing"]),
    ("color = [0, 1, 0.5]\n", "", 17, ["[view 2] color", "missing"]),
    ("color = [0.9, 0.9, 0.8]\n", "", 29, ["[label 1] color", "missing"]),
    ("sigma_mm = 5", "sigma_mm = 5\nfruit.apple = 1", 4, ["fruit", "unknown key"]),
    # wrong types and values
    ('name = "shoulder"', 'name = "my shoulder"', 1, ["name", "short name", "'my shoulder'"]),
    ('name = "shoulder"', "name = 7", 1, ["name", "found 7"]),
    ('title = "Shoulder"', 'title = " "', 2, ["title"]),
    ('title = "Shoulder"', 'title = "two\\nlines"', 2, ["title", "one line"]),
    ('title = "Shoulder"', f'title = "{"x" * 65}"', 2, ["title", "64"]),
    ("sigma_mm = 5", "sigma_mm = -5", 3, ["sigma_mm", "found -5"]),
    ("sigma_mm = 5", "sigma_mm = nan", 3, ["sigma_mm", "found nan"]),
    ("sigma_mm = 5", "sigma_mm = inf", 3, ["sigma_mm", "found inf"]),
    ("sigma_mm = 5", f"sigma_mm = 1{'0' * 400}", 3, ["sigma_mm", "found 1000"]),
    ("sigma_mm = 5", "sigma_mm = true", 3, ["sigma_mm", "found True"]),
    ("sigma_mm = 5", 'sigma_mm = 5\nsided = "yes"', 4, ["sided", "true or false"]),
    ("sigma_mm = 5", "sigma_mm = 5\nturn_deg = 200", 4, ["turn_deg", "found 200"]),
    ('["normal", "torn"]', '"torn"', 4, ["classes", "a list"]),
    ("spacing = [1.0, 1.5]", "spacing = [1.0]", 7, ["[grid] spacing", "[row, column]"]),
    ("spacing = [1.0, 1.5]", "spacing = [0, 1.5]", 7, ["[grid] spacing", "0.05"]),
    ("size = [160, 128]", "size = [160, 100]", 8, ["[grid] size", "multiples of 16"]),
    ("size = [160, 128]", "size = [160.0, 128]", 8, ["[grid] size"]),
    ("size = [160, 128]", "size = [1600000, 128]", 8, ["[grid] size", "4096"]),
    ("normal = [1, 0, 0]", "normal = [0, 0, 0]", 20, ["[view 2] normal", "no length"]),
    ("normal = [1, 0, 0]", "normal = [-inf, 0, 0]", 20, ["[view 2] normal"]),
    ("normal = [1, 0, 0]", "normal = [1, 0]", 20, ["[view 2] normal", "three numbers"]),
    ("color = [0, 1, 0.5]", "color = [0, 1.5, 0]", 19, ["[view 2] color", "0 to 1"]),
    ("color = [0, 1, 0.5]", "color = [true, 1, 0]", 19, ["[view 2] color"]),
    ("most_slices = 40", "most_slices = true", 21, ["[view 2] most_slices", "whole number"]),
    ("value = 1", "value = 0", 30, ["[label 1] value", "1 to 255"]),
    ("value = 1", "value = true", 30, ["[label 1] value", "1 to 255"]),
    ("density_g_per_ml = 1.1", "density_g_per_ml = 0", 40, ["[label 2] density_g_per_ml"]),
    ("[grid]", "[[grid]]", 6, ["grid", "a table"]),
    # views
    ('name = "sagittal"', 'name = "axial"', 18, ["[view 2] name", "'axial' is used twice"]),
    ('name = "sagittal"', 'name = "a:b"', 18, ["[view 2] name", "short name"]),
    ('perpendicular_to = "axial"', 'perpendicular_to = "oblique"', 27, ["[view 3]", "axial, sagittal", "'oblique'"]),
    ('perpendicular_to = "axial"', 'perpendicular_to = "coronal"', 27, ["[view 3]", "has a normal", "'coronal'"]),
    ('perpendicular_to = "axial"', 'perpendicular_to = "axial"\nnormal = [0, 1, 0]', 28, ["normal", "both"]),
    ('perpendicular_to = "axial"\n', "", 24, ["[view 3] normal", "neither"]),
    # lines
    ('lines = ["axial:all"]', 'lines = ["oblique"]', 22, ["[view 2] lines", "'oblique'", "axial, sagittal, coronal"]),
    ('lines = ["axial:all"]', 'lines = ["axial:outer"]', 22, ["central, nearest, all", "'axial:outer'"]),
    ('lines = ["axial:all"]', 'lines = ["axial:"]', 22, ["[view 2] lines", "'axial:'"]),
    ('lines = ["axial:all"]', 'lines = ["sagittal"]', 22, ["[view 2] lines", "parallel"]),
    ('lines = ["axial:all"]', 'lines = ["axial", "axial:central"]', 22, ["'axial:central' is used twice"]),
    ("normal = [1, 0, 0]", "normal = [0.05, 0, -1]", 15, ["[view 1] lines", "axial and sagittal are parallel"]),
    # labels and codes
    ("value = 2\n", "value = 1\n", 36, ["[label 2] value", "'1' is used twice"]),
    ('name = "tendon"', 'name = "humerus"', 37, ["[label 2] name", "'humerus' is used twice"]),
    ('["normal", "torn"]', '["torn", "torn"]', 4, ["classes", "'torn' is used twice"]),
    ('"85050009"', '"85050008"', 33, ["[label 1] code", "SNOMED", "'85050008'"]),
    ('"85050009"', '"T-12410"', 33, ["[label 1] code", "SNOMED", "'T-12410'"]),
    ('"85050009"', "85050009", 33, ["[label 1] code", "expected {", "85050009"]),
    ('meaning = "Humerus"', 'name = "Humerus"', 33, ["[label 1] code", "meaning"]),
    ('meaning = "Humerus"', f'meaning = "{"h" * 65}"', 33, ["[label 1] code", "64"]),
    ('scheme = "UBERON"', 'scheme = ""', 42, ["[label 2] code", "scheme"]),
    ('{ value = "85050009", meaning = "Humerus" }', '"85050009"', 33, ["[label 1] code", "found '85050009'"]),
])
def test_a_wrong_key_is_named_with_its_file_and_line(loaded, old, new, line, words):
    assert GOOD.count(old) == 1
    with pytest.raises(PlaneSSLError) as refused:
        loaded(GOOD.replace(old, new))
    message = str(refused.value)
    assert message.endswith(".")
    assert "shoulder.toml" in message
    for word in words:
        assert word in message
    assert f"line {line}:" in message


def test_the_line_is_found_in_other_ways_of_writing_toml(loaded):
    in_braces = GOOD.replace("[grid]\nspacing = [1.0, 1.5]\nsize = [160, 128]\n", "") \
        .replace("sigma_mm = 5", "sigma_mm = 5\ngrid = { spacing = [1, 1], size = [160, 1] }")
    with pytest.raises(PlaneSSLError, match=r"line 4: \[grid\] size"):
        loaded(in_braces)
    with pytest.raises(PlaneSSLError, match=r"line 36: \[label 1\] code"):
        loaded(GOOD.replace('code = { value = "85050009", meaning = "Humerus" }',
                            'ejects = true\n\n\n[label.code]\nvalue = "1"\nmeaning = "Humerus"'))


def test_no_view_is_no_anatomy(loaded):
    with pytest.raises(PlaneSSLError, match="view: expected one"):
        loaded(GOOD[:GOOD.index("[[view]]")].replace("sigma_mm", "view = []\nsigma_mm"))


@pytest.mark.parametrize(("content", "words"), [
    (GOOD.replace("[grid]", "[grid"), ["not valid TOML", "line 6"]),
    (GOOD + "\n[grid]\n", ["not valid TOML"]),
    (b'name = "\xff\xfe"', ["UTF-8"]),
    (GOOD.encode("utf-16"), ["UTF-8"]),
    (b"\x00\x01\x02", ["not valid TOML"]),
    (f"name = {'[' * 3000}{']' * 3000}", ["shoulder.toml"]),
    (f"sigma_mm = {'9' * 5000}", ["not valid TOML"]),
    ("", ["name: missing"]),
])
def test_a_damaged_file_is_one_sentence(loaded, content, words):
    with pytest.raises(PlaneSSLError) as refused:
        loaded(content)
    for word in ["shoulder.toml", *words]:
        assert word in str(refused.value)
    assert "\n" not in str(refused.value)


# Finding files

def test_files_that_are_not_there(tmp_path, own_folder):
    with pytest.raises(PlaneSSLError, match=r"gone\.toml cannot be read: No such file"):
        anatomy.load(tmp_path / "gone.toml")
    (tmp_path / "folder.toml").mkdir()
    with pytest.raises(PlaneSSLError, match=r"folder\.toml cannot be read: Is a directory"):
        anatomy.load(tmp_path / "folder.toml")
    with pytest.raises(PlaneSSLError, match=r"no anatomy 'elbow'; there are: .*heart.*knee"):
        anatomy.load("elbow")
    for odd in ("", ".", "..", "heart\0", "a\0.toml", "/"):
        with pytest.raises(PlaneSSLError):
            anatomy.load(odd)


def test_a_file_may_have_another_ending(tmp_path):
    (tmp_path / "shoulder.txt").write_text(GOOD)
    assert anatomy.load(str(tmp_path / "shoulder.txt")).name == "shoulder"


def test_the_own_folder_is_searched_first(own_folder):
    (own_folder / "shoulder.toml").write_text(GOOD)
    (own_folder / "heart.toml").write_text(GOOD.replace('"shoulder"', '"heart"'))
    assert anatomy.available()["heart"] == own_folder / "heart.toml"
    assert anatomy.load("heart").title == "Shoulder"
    assert anatomy.load("shoulder").views == anatomy.load("heart").views
    assert set(SHIPPED) < set(anatomy.available())


def test_the_own_folder_is_looked_up_when_it_is_used(own_folder, monkeypatch, tmp_path):
    (own_folder / "shoulder.toml").write_text(GOOD)
    assert "shoulder" in anatomy.available()
    monkeypatch.setenv("PLANESSL_ANATOMIES", str(tmp_path / "nowhere"))
    assert sorted(anatomy.available()) == SHIPPED
    monkeypatch.setenv("PLANESSL_ANATOMIES", "")
    assert anatomy.user_folder().parts[-2:] == (".planessl", "anatomies")


def test_a_file_found_by_name_has_that_name(own_folder):
    (own_folder / "arm.toml").write_text(GOOD)
    with pytest.raises(PlaneSSLError, match=r"arm\.toml, line 1: name: expected 'arm'.*found 'shoulder'"):
        anatomy.load("arm")
    assert anatomy.load(own_folder / "arm.toml").name == "shoulder"


# Nothing but PlaneSSLError

scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.sampled_from(
    ["axial", "axial:all", "sagittal:", 10**400, -(10**400), 1e308, -0.0, "", ":", {"value": "85050009"}])
values = st.recursive(scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(
    st.text(max_size=5) | st.sampled_from(["name", "value", "code", "normal"]), inner, max_size=4), max_leaves=8)


def in_toml(value) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(k)} = {in_toml(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(in_toml, value)) + "]"
    if isinstance(value, str):
        return json.dumps(value).replace("\x7f", "\\u007f")
    if isinstance(value, bool):
        return str(value).lower()
    return '"none"' if value is None else repr(value)


@given(values, st.integers(0, 200))
@settings(max_examples=300, deadline=None)
def test_any_value_for_any_key_gives_an_anatomy_or_a_sentence(tmp_path_factory, value, at):
    lines = GOOD.split("\n")
    keys = [i for i, line in enumerate(lines) if " = " in line]
    i = keys[at % len(keys)]
    lines[i] = f"{lines[i].partition(' = ')[0]} = {in_toml(value)}"
    _load_or_sentence(tmp_path_factory.getbasetemp() / "fuzzed.toml", "\n".join(lines))


@given(st.dictionaries(st.text(max_size=6) | st.sampled_from(
    ["name", "title", "sigma_mm", "grid", "view", "label", "classes"]), values, max_size=8))
@settings(max_examples=200, deadline=None)
def test_any_document_gives_an_anatomy_or_a_sentence(tmp_path_factory, document):
    text = "\n".join(f"{json.dumps(key)} = {in_toml(value)}" for key, value in document.items())
    _load_or_sentence(tmp_path_factory.getbasetemp() / "fuzzed.toml", text)


@given(st.binary(max_size=200), st.integers(0, len(GOOD)), st.integers(0, 40))
@settings(max_examples=200, deadline=None)
def test_any_bytes_give_an_anatomy_or_a_sentence(tmp_path_factory, noise, at, cut):
    _load_or_sentence(tmp_path_factory.getbasetemp() / "fuzzed.toml",
                      GOOD.encode()[:at] + noise + GOOD.encode()[at + cut:])


def _load_or_sentence(file, content) -> None:
    file.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8", "surrogatepass"))
    try:
        found = anatomy.load(file)
    except PlaneSSLError as error:
        assert re.search(r"fuzzed\.toml(,| is| cannot)", str(error))
    else:
        assert all(view.normal is None or np.isfinite(view.normal).all() for view in found.views)
        assert found.grid.size[0] % 16 == 0


# SNOMED CT's check digit

def test_check_digits_agree_with_dicoms_own_concepts():
    codes = {value for concepts in dicom_concepts.concepts["SCT"].values() for value in concepts}
    wrong = [code for code in codes if not is_snomed_code(code)]
    assert len(codes) > 5000
    assert len(wrong) <= 1  # pydicom's table has one code whose digit is wrong


@given(st.integers(10**6, 10**9), st.integers(0, 9), st.integers(0, 8))
def test_every_mistyped_digit_and_every_swap_is_found(number, wrong, place):
    stem = f"{number}00"
    (code,) = [stem + str(digit) for digit in range(10) if is_snomed_code(stem + str(digit))]
    mistyped = code[:place] + str(wrong) + code[place + 1:]
    swapped = code[:place] + code[place + 1] + code[place] + code[place + 2:]
    assert is_snomed_code(mistyped) == (mistyped == code)
    assert is_snomed_code(swapped) == (swapped == code)


def test_anatomies_need_no_heavy_library():
    code = "import sys, PlaneSSLLib.anatomy; print([m for m in ('torch', 'pydicom', 'SimpleITK') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
