"""Who may call whom: the doors between the rooms of the house, read from the import statements of every file."""
from __future__ import annotations

import ast
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

HOUSE = Path(__file__).resolve().parents[1]
LIBRARY = "PlaneSSLLib"

# Room -> the rooms it may enter, besides PlaneSSLLib itself, which holds the version and PlaneSSLError. A new room is
# written down here first.
FLOOR = {"events", "files", "kinds", "pools", "resources", "steps"}  # what any room may stand on
STUDY = FLOOR | {"geometry", "anatomy"}
COHORT = STUDY | {"study"}
TRAINING = COHORT | {"cohort"}
PREDICTION = TRAINING | {"training"}
DOORS = {
    "events": set(),
    "files": set(),
    "kinds": set(),
    "pools": set(),
    "resources": set(),
    "steps": set(),
    "geometry": set(),
    "anatomy": FLOOR | {"geometry"},
    "study": STUDY,
    "phantom": STUDY,
    "cohort": COHORT,
    "training": TRAINING,
    "prediction": PREDICTION,
    "scene": STUDY | {"study"},
    "jobs": FLOOR,
    "workspace": FLOOR,
    "console": set(),
    "page": FLOOR,
}
TYING_TOGETHER = {"calls", "cli", "commands", "demo", "reports", "__main__", "PlaneSSL"}  # these may enter every room

# Library from outside -> the rooms that may know it.
DRAWING, LEARNING, PANEL = {"scene", "PlaneSSL"}, {"training", "prediction"}, {"PlaneSSL"}
KNOWN_IN = {
    "slicer": DRAWING, "vtk": DRAWING, "vtkmodules": DRAWING, "mrml": DRAWING,
    "torch": LEARNING, "monai": LEARNING, "safetensors": LEARNING,
    "qt": PANEL, "ctk": PANEL, "PythonQt": PANEL, "PySide6": PANEL,
}
TORCH_ALSO_IN = {"cohort/samples.py"}  # the data set that a loader draws from

HEAVY = ("torch", "monai", "slicer", "vtk", "vtkmodules", "matplotlib", "highdicom", "qt", "PySide6")


def python_files(*folders: str) -> list[Path]:
    return sorted(path for folder in folders for path in (HOUSE / folder).rglob("*.py"))


def module_name(file: Path) -> str:
    """PlaneSSLLib/study/model.py -> PlaneSSLLib.study.model; a package is named as its folder."""
    parts = file.relative_to(HOUSE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(file: Path) -> Iterator[tuple[int, str]]:
    """(line, absolute name) of everything that a file imports, at its top or within a function."""
    here = module_name(file).split(".")
    package = here if file.name == "__init__.py" else here[:-1]
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[:len(package) - node.level + 1] if node.level else []
            start = ".".join([*base, *(node.module.split(".") if node.module else [])])
            yield from ((node.lineno, f"{start}.{alias.name}") for alias in node.names)
        elif isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] in ("import_module", "__import__"):
            yield from ((node.lineno, arg.value) for arg in node.args[:1] if isinstance(arg, ast.Constant))


def room_of(name: str) -> str | None:
    """The room that an absolute name of the library lies in; None for the library itself and for names outside."""
    parts = name.split(".")
    inside = parts[0] == LIBRARY and len(parts) > 1
    is_room = inside and ((HOUSE / LIBRARY / parts[1]).is_dir() or (HOUSE / LIBRARY / f"{parts[1]}.py").is_file())
    return parts[1] if is_room else None


def room_of_file(file: Path) -> str:
    return room_of(module_name(file)) or file.relative_to(HOUSE).parts[0]


def where(file: Path, line: int) -> str:
    return f"{file.relative_to(HOUSE).as_posix()}:{line}"


def test_imports_are_read_as_python_reads_them(tmp_path, monkeypatch):
    monkeypatch.setattr(sys.modules[__name__], "HOUSE", tmp_path)
    file = tmp_path / LIBRARY / "study" / "model.py"
    file.parent.mkdir(parents=True)
    (tmp_path / LIBRARY / "files.py").touch()
    file.write_text(
        "import numpy as np\nfrom . import views\nfrom .. import PlaneSSLError, files\n"
        "from ..geometry.planes import Plane\n"
        "def late():\n    import torch.nn\n    from PlaneSSLLib.scene import draw\n    importlib.import_module('qt')\n")
    names = [name for _, name in imports(file)]
    assert sorted(names) == sorted([
        "numpy", "PlaneSSLLib.study.views", "PlaneSSLLib.PlaneSSLError", "PlaneSSLLib.files",
        "PlaneSSLLib.geometry.planes.Plane", "torch.nn", "PlaneSSLLib.scene.draw", "qt"])
    assert [room_of(name) for name in sorted(names) if room_of(name)] == ["files", "study"]
    (file.parent / "__init__.py").write_text("from .model import Study\nfrom ..anatomy import load\n")
    assert [name for _, name in imports(file.parent / "__init__.py")] == [
        "PlaneSSLLib.study.model.Study", "PlaneSSLLib.anatomy.load"]


def test_every_room_has_its_doors_written_down():
    rooms = {room_of_file(file) for file in python_files(LIBRARY)} - {LIBRARY}
    assert rooms <= set(DOORS) | TYING_TOGETHER


def test_rooms_are_entered_through_their_doors():
    wrong = []
    for file in python_files(LIBRARY, "PlaneSSL"):
        here = room_of_file(file)
        for line, name in imports(file):
            there = room_of(name)
            if there is not None and there != here and here not in TYING_TOGETHER and there not in DOORS.get(here, ()):
                wrong.append(f"{where(file, line)}: {here} may not enter {there} ({name})")
    assert not wrong, "\n".join(wrong)


def test_libraries_are_known_in_their_rooms_only():
    wrong = []
    for file in python_files(LIBRARY, "PlaneSSL"):
        inside = file.relative_to(HOUSE / LIBRARY).as_posix() if LIBRARY in file.parts else ""
        for line, name in imports(file):
            library = name.split(".")[0]
            rooms = KNOWN_IN.get(library, {room_of_file(file)})
            if room_of_file(file) not in rooms and not (library == "torch" and inside in TORCH_ALSO_IN):
                wrong.append(f"{where(file, line)}: {library} is for {', '.join(sorted(rooms))} only")
    assert not wrong, "\n".join(wrong)


def test_geometry_needs_numpy_only():
    wrong = [
        f"{where(file, line)}: {name}" for file in python_files(f"{LIBRARY}/geometry") for line, name in imports(file)
        if name.split(".")[0] not in sys.stdlib_module_names | {"numpy", LIBRARY}
    ]
    assert not wrong, "\n".join(wrong)


LIGHT = [name for name in ("geometry", "anatomy", "study", "jobs", "workspace", "cli", "commands", "console")
         if (HOUSE / LIBRARY / name).is_dir() or (HOUSE / LIBRARY / f"{name}.py").is_file()]


@pytest.mark.parametrize("module", [LIBRARY, *(f"{LIBRARY}.{name}" for name in LIGHT)])
def test_what_starts_often_starts_light(module):
    code = f"import sys, {module}; print([name for name in {HEAVY} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=HOUSE)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("module", ["scene", "cohort", "phantom"])
def test_torch_stays_out_of_the_process_that_draws_or_prepares(module):
    code = f"import sys, {LIBRARY}.{module}; print([name for name in ('torch', 'monai') if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=HOUSE)
    assert done.stdout.strip() == "[]"


def test_a_file_is_read_in_one_sitting():
    lengths = {where(file, 1): len(file.read_text(encoding="utf-8").splitlines())
               for file in python_files(LIBRARY, "PlaneSSL", "Testing", "benchmarks")}
    assert {name: length for name, length in lengths.items() if length > 400} == {}


def anatomy_names_in_choices(file: Path, names: set[str]) -> Iterator[int]:
    """Lines where a file compares something with the name of an anatomy, by ==, in or match."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        compared = [node.left, *node.comparators] if isinstance(node, ast.Compare) else []
        compared += [node.value] if isinstance(node, ast.MatchValue) else []
        constants = {inner.value for side in compared for inner in ast.walk(side) if isinstance(inner, ast.Constant)}
        if constants & names:
            yield node.lineno if hasattr(node, "lineno") else 0


def test_no_code_asks_which_anatomy_it_is():
    names = {path.stem for path in (HOUSE / "Resources" / "Anatomies").glob("*.toml")}
    assert {"heart", "knee"} <= names
    wrong = [where(file, line) for file in python_files(LIBRARY, "PlaneSSL")
             for line in anatomy_names_in_choices(file, names)]
    assert not wrong, "\n".join(wrong)


def test_a_choice_by_name_would_be_found(tmp_path):
    file = tmp_path / "choice.py"
    file.write_text('if a.name == "heart":\n    pass\nx = y in ("knee", "hip")\n'
                    'match z:\n    case "heart":\n        pass\n'
                    'fine = {"heart": 1}\nalso = load("heart")\n')
    assert sorted(anatomy_names_in_choices(file, {"heart", "knee"})) == [1, 3, 5]


def test_the_wheel_carries_every_room():
    with open(HOUSE / "pyproject.toml", "rb") as file:
        listed = set(tomllib.load(file)["tool"]["setuptools"]["packages"])
    packages = {module_name(file) for file in python_files(LIBRARY) if file.name == "__init__.py"}
    assert packages <= listed
