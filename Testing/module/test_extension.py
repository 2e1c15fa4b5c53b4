"""What Slicer's build and the Extensions Index read: every file is listed, every picture is there."""
from __future__ import annotations

import json
import re
import struct
import sys
import tomllib
from pathlib import Path
from types import SimpleNamespace

import pytest

from PlaneSSLLib import PlaneSSLError

HOUSE = Path(__file__).resolve().parents[2]


def listed(folder: str, name: str) -> set[str]:
    """The words of a `set(NAME ...)` in a folder's CMakeLists.txt."""
    text = (HOUSE / folder / "CMakeLists.txt").read_text(encoding="utf-8")
    return set(re.search(rf"^set\({name}\s+(.*?)\)", text, re.DOTALL | re.MULTILINE).group(1).split())


def there(folder: str, *patterns: str) -> set[str]:
    root = HOUSE / folder
    return {path.relative_to(root).as_posix() for pattern in patterns for path in root.rglob(pattern)
            if "__pycache__" not in path.parts}


@pytest.mark.parametrize(("folder", "name", "patterns"), [
    ("PlaneSSL", "MODULE_PYTHON_SCRIPTS", ["*.py"]),
    ("PlaneSSLLib", "PlaneSSLLib_PYTHON_SCRIPTS", ["*.py"]),
    ("Resources", "PlaneSSL_RESOURCES", ["*.toml", "*.ui", "requirements.txt", "Icons/*.png"]),
])
def test_every_file_is_packaged(folder, name, patterns):
    in_list, in_tree = listed(folder, name), there(folder, *patterns)
    add, take = sorted(in_tree - in_list), sorted(in_list - in_tree)
    assert not add and not take, f"{folder}/CMakeLists.txt, {name}: add {' '.join(add)}; take out {' '.join(take)}"


def test_the_module_is_no_package():
    assert not (HOUSE / "PlaneSSL" / "__init__.py").exists()


def test_the_project_is_named_as_the_index_file():
    text = (HOUSE / "CMakeLists.txt").read_text(encoding="utf-8")
    assert "project(PlaneSSL)" in text
    assert (HOUSE / "PlaneSSL.json").is_file()


def test_the_index_file_has_what_the_index_requires():
    entry = json.loads((HOUSE / "PlaneSSL.json").read_text(encoding="utf-8"))
    assert {"$schema", "category", "scm_url"} <= entry.keys()
    assert re.search(r"/Slicer[-\w]*\.git$", entry["scm_url"])  # the index takes no repository of another name
    assert entry["build_dependencies"] == ["PyTorch"]


def test_pictures_that_the_extension_names_are_there():
    text = (HOUSE / "CMakeLists.txt").read_text(encoding="utf-8")
    named = re.findall(r"https://\S+?/main/(Resources/\S+?\.png)", text)
    assert len(named) == 4
    assert [name for name in named if not (HOUSE / name).is_file()] == []


def test_the_icon_has_the_size_that_slicer_asks_for():
    header = (HOUSE / "Resources" / "Icons" / "PlaneSSL.png").read_bytes()[:24]
    assert struct.unpack(">II", header[16:24]) == (128, 128)


def test_packages_are_asked_for_as_slicer_wants():
    lines = [line for line in (HOUSE / "Resources" / "requirements.txt").read_text(encoding="utf-8").splitlines()
             if line and not line.startswith("#")]
    assert lines
    assert [line for line in lines if ">=" not in line or "==" in line or line.startswith("torch")] == []
    needed = tomllib.loads((HOUSE / "pyproject.toml").read_text(encoding="utf-8"))["project"]["dependencies"]
    of_slicer = ("numpy", "scipy", "SimpleITK", "slicer-core", "torch")
    assert sorted(lines) == sorted(line for line in needed if not line.startswith(of_slicer))


def test_ui_files_name_settings_that_exist(host):
    from PlaneSSLPanel.parameters import PlaneSSLParameterNode

    named = {name for file in (HOUSE / "Resources" / "UI").glob("*.ui") for name in re.findall(
        r'"SlicerParameterName" stdset="0"><string notr="true">(\w+)<', file.read_text(encoding="utf-8"))}
    assert named <= set(PlaneSSLParameterNode.allParameters)
    without = set(PlaneSSLParameterNode.allParameters) - named
    kept = "".join("".join(re.findall(r"self\.keep\((.*?)\)", file.read_text(encoding="utf-8")))
                   for file in (HOUSE / "PlaneSSL" / "PlaneSSLPanel").glob("*.py"))
    assert without == set(re.findall(r'"(\w+)"', kept))  # what they offer is in the scene or the workspace


def test_made_up_studies_are_offered_as_sample_data(host, study_folder, monkeypatch):
    import PlaneSSL
    from PlaneSSLPanel import samples

    offered = []

    def register(uris=None, fileNames=None, nodeNames=None, **source) -> None:
        """As SampleDataSource takes them: a text each, or lists of one length."""
        several = [[one] if isinstance(uris, str) else one for one in (uris, fileNames, nodeNames)]
        assert len({len(one) for one in several}) == 1
        offered.append(source)

    logic = SimpleNamespace(registerCustomSampleDataCategory=lambda *_, **__: None,
                            registerCustomSampleDataSource=register)
    monkeypatch.setitem(sys.modules, "SampleData", SimpleNamespace(SampleDataLogic=logic))
    PlaneSSL.registerSampleData()
    assert [source["sampleName"] for source in offered] == ["PlaneSSL heart phantom", "PlaneSSL knee phantom"]
    for source in offered:
        assert Path(source["thumbnailFileName"]).is_file()
    monkeypatch.setattr(host.util, "getModuleLogic", lambda name: PlaneSSL.PlaneSSLLogic())
    monkeypatch.setattr(samples, "make", lambda organ, seed, phases: study_folder)
    host.mrmlScene.Clear(0)
    (study,) = offered[0]["customDownloader"](None)
    assert PlaneSSL.PlaneSSLLogic().pairs(study)

    def fail(*_) -> None:
        raise PlaneSSLError("no room")

    shown = []
    monkeypatch.setattr(samples, "make", fail)
    monkeypatch.setattr(host.app, "testingEnabled", lambda: False)
    monkeypatch.setattr(host.util, "errorDisplay", lambda text, **_: shown.append(text))
    with pytest.raises(PlaneSSLError):
        offered[1]["customDownloader"](None)
    assert "no room" in shown[0]
    host.mrmlScene.Clear(0)
