"""The page that tells how to write an anatomy file: its example is one, and no key is left untold."""
from __future__ import annotations

import ast
import re
from pathlib import Path

from PlaneSSLLib import anatomy
from PlaneSSLLib.anatomy import reading

PAGE = Path(__file__).resolve().parents[2] / "docs" / "anatomies.md"


def test_the_example_is_an_anatomy(tmp_path):
    page = PAGE.read_text(encoding="utf-8")
    (tmp_path / "shoulder.toml").write_text(re.search(r"```toml\n(.*?)```", page, re.DOTALL)[1], encoding="utf-8")
    shoulder = anatomy.load(tmp_path / "shoulder.toml")
    assert [view.name for view in shoulder.views] == ["coronal", "sagittal", "axial"]
    assert shoulder.structure("Upper arm").name == "humerus"


def test_every_key_that_is_read_is_told():
    """Those of the tables that the reader takes apart, as its code names them."""
    calls = [node for node in ast.walk(ast.parse(Path(reading.__file__).read_text(encoding="utf-8")))
             if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "take"]
    keys = {key.value for call in calls for key in call.args[2].keys}
    told = set(re.findall(r"^(?:\[\[?)?(\w+)(?:\]\]?)?(?: =|\s)", PAGE.read_text(encoding="utf-8"), re.MULTILINE))
    assert len(keys) > 20 and keys <= told
