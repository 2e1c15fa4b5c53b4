"""Finding anatomy files, and reading one with errors that name the file, the line and the key."""
from __future__ import annotations

import os
import re
from pathlib import Path
from typing import NoReturn

import numpy as np

from .. import PlaneSSLError
from ..files import read_toml
from ..geometry import PARALLEL_DEG, angle_between
from ..kinds import TABLE, YES_OR_NO, Kind, list_of, number, short_text, shortly, whole
from ..resources import resource_folder
from .model import PLANES, Anatomy, Code, Grid, Label, LineTarget, MrSequence, View
from .snomed import is_snomed_code


def user_folder() -> Path:
    """Where the user's own anatomy files lie: PLANESSL_ANATOMIES, or .planessl/anatomies in the home folder."""
    return Path(os.environ.get("PLANESSL_ANATOMIES") or os.path.expanduser("~/.planessl/anatomies"))


def available() -> dict[str, Path]:
    """Name -> file of every anatomy: those of the user's own folder, then those that ship under other names."""
    found: dict[str, Path] = {}
    for folder in (user_folder(), resource_folder() / "Anatomies"):
        for path in sorted(folder.glob("*.toml")) if folder.is_dir() else []:
            found.setdefault(path.stem, path)
    return found


def load_all() -> tuple[dict[str, Anatomy], list[str]]:
    """All anatomies that can be read, by name, and what is wrong with others: somebody's own file stops nobody."""
    found, wrong = {}, []
    for name in sorted(available()):
        try:
            found[name] = load(name)
        except PlaneSSLError as error:
            wrong.append(str(error))
    return found, wrong


def load(name_or_file: str | Path) -> Anatomy:
    """The anatomy of this name, or in this file. PlaneSSLError names the file, the line and the key that is wrong.

    What has an ending or lies in a folder is a file; the file of a name is called NAME.toml.
    """
    path = Path(name_or_file)
    by_name = not path.suffix and len(path.parts) < 2
    if by_name:
        known = available()
        if str(name_or_file) not in known:
            raise PlaneSSLError(f"There is no anatomy '{name_or_file}'; there are: {', '.join(sorted(known))}.")
        path = known[str(name_or_file)]
    document, written = read_toml(path, "The anatomy file")
    reader = _Reader(path, written)
    anatomy = reader.anatomy(document)
    if by_name and anatomy.name != path.stem:
        reader.fail("", "name", f"expected '{path.stem}', as the file is called, found '{anatomy.name}'")
    return anatomy


_NAME = Kind(lambda v: short_text().holds(v) and re.fullmatch(r"[\w-]+", v) is not None,
             "a short name of letters, digits, '-' and '_'")
_NAMES = list_of(_NAME, "a list of short names of letters, digits, '-' and '_'")
_TEXTS = list_of(short_text(), f"a list, each of it {short_text().words}")
_TABLES = list_of(TABLE, "tables in double brackets, as in [[view]]")
_COLOR = list_of(number(0, 1), "[red, green, blue], each 0 to 1", count=3)
_NEEDED = object()


class _Reader:
    """Turns a TOML document into an Anatomy, or says which line is wrong and what was expected there.

    where: "", "grid", "view 2", ...: the table that a key is in, arrays counted from 1.
    """

    def __init__(self, path: Path, text: str) -> None:
        self.path, self.text_lines = path, text.split("\n")

    def fail(self, where: str, key: str, what: str) -> NoReturn:
        table = f"[{where}] " if where else ""
        raise PlaneSSLError(f"{self.path}, line {self.line_of(where, key)}: {table}{key}: {what}.")

    def line_of(self, where: str, key: str) -> int:
        """The line of a key; where it is not written, or within braces, that of its table; else the first."""
        name, _, number = where.partition(" ")
        tables, inside, best = 0, not name, 1
        for i, content in enumerate(self.text_lines, start=1):
            if header := re.match(r"\s*\[{1,2}\s*([\w.\"' -]+?)\s*\]{1,2}\s*(#|$)", content):
                title = re.sub(r"[\"'\s]", "", header[1])
                if title == name:
                    tables += 1
                    inside = tables == int(number or 1)
                    best = i if inside else best
                elif title == (f"{name}.{key}" if name else key) and (inside or not name):
                    return i
                else:
                    inside = inside and bool(name) and title.startswith(f"{name}.")
            elif inside and re.match(rf"\s*[\"']?{re.escape(key)}[\"']?\s*[=.]", content):
                return i
            elif not tables and name and re.match(rf"\s*{name}\s*[=.]", content):
                best = i
        return best

    def take(self, table: dict, where: str, allowed: dict[str, tuple[Kind, object]]) -> dict:
        """Check a table against {key: (kind, default)}; the default _NEEDED marks a key that must be there."""
        for key in table:
            if key not in allowed:
                self.fail(where, key, f"unknown key; known here: {', '.join(allowed)}")
        taken = {}
        for key, (kind, default) in allowed.items():
            if key not in table and default is _NEEDED:
                self.fail(where, key, f"missing; expected {kind.words}")
            taken[key] = table.get(key, default)
            if key in table and not kind.holds(table[key]):
                self.fail(where, key, f"expected {kind.words}, found {shortly(table[key])}")
        return taken

    def unique(self, where: str, key: str, values: list) -> None:
        """where: the table that holds the list; or, when its entries are tables of their own, their name and '*'."""
        for i, value in enumerate(values, start=1):
            if value in values[:i - 1]:
                self.fail(where.replace("*", str(i)), key, f"'{value}' is used twice")

    def anatomy(self, document: dict) -> Anatomy:
        top = self.take(document, "", {
            "name": (_NAME, _NEEDED),
            "title": (short_text(), _NEEDED),
            "words": (_TEXTS, []),
            "sided": (YES_OR_NO, False),
            "sigma_mm": (number(0.5, 100), _NEEDED),
            "turn_deg": (number(0, 90), 40.0),
            "classes": (_NAMES, []),
            "grid": (TABLE, _NEEDED),
            "view": (_TABLES, _NEEDED),
            "label": (_TABLES, []),
            "sequence": (_TABLES, []),
        })
        self.unique("", "classes", top["classes"])
        sixteens = Kind(lambda n: whole(16, 4096).holds(n) and n % 16 == 0, "")
        grid = self.take(top["grid"], "grid", {
            "spacing": (list_of(number(0.05, 100), "[row, column], each 0.05 to 100 mm", count=2), _NEEDED),
            "size": (list_of(sixteens, "[rows, columns], multiples of 16 up to 4096", count=2), _NEEDED),
        })
        views = tuple(self.view(table, f"view {i}") for i, table in enumerate(top["view"], start=1))
        labels = tuple(self.label(table, f"label {i}") for i, table in enumerate(top["label"], start=1))
        sequences = tuple(self.sequence(table, f"sequence {i}") for i, table in enumerate(top["sequence"], start=1))
        self.unique("sequence *", "name", [sequence.name for sequence in sequences])
        self.check_views(views)
        self.unique("label *", "name", [label.name for label in labels])
        self.unique("label *", "value", [label.value for label in labels])
        self.check_labels(labels)
        return Anatomy(
            name=top["name"], title=top["title"], words=_lower(top["words"]),
            grid=Grid(tuple(map(float, grid["spacing"])), tuple(grid["size"])),
            sigma_mm=float(top["sigma_mm"]), turn_deg=float(top["turn_deg"]), sided=top["sided"],
            views=views, labels=labels, classes=tuple(top["classes"]), sequences=sequences, file=self.path)

    def view(self, table: dict, where: str) -> View:
        taken = self.take(table, where, {
            "name": (_NAME, _NEEDED),
            "title": (short_text(), table.get("name")),
            "color": (_COLOR, _NEEDED),
            "normal": (list_of(number(-1e6, 1e6), "three numbers, a direction in LPS", count=3), None),
            "perpendicular_to": (_NAME, None),
            "most_slices": (whole(1, 10_000), None),
            "words": (_TEXTS, []),
            "lines": (_TEXTS, []),
            "pose": (list_of(_NAME, "the names of two views", count=2), []),
        })
        if (taken["normal"] is None) == (taken["perpendicular_to"] is None):
            self.fail(where, "normal", "expected either normal or perpendicular_to, "
                      f"found {'neither' if taken['normal'] is None else 'both'}")
        if taken["normal"] is not None:
            length = np.linalg.norm(taken["normal"])
            if length < 1e-6:
                self.fail(where, "normal", f"expected a direction, found {taken['normal']}, which has no length")
            taken["normal"] = tuple(float(x) for x in np.array(taken["normal"]) / length)
        lines = []
        for text in taken["lines"]:
            view, colon, plane = text.partition(":")
            if colon and plane not in PLANES:
                self.fail(where, "lines", f"expected VIEW or VIEW:PLANE, PLANE one of {', '.join(PLANES)}; "
                          f"found '{text}'")
            lines.append(LineTarget(view, plane or "central"))
        self.unique(where, "lines", lines)
        self.unique(where, "pose", taken["pose"])
        central = [line.view for line in lines if line.plane == "central"]
        for name in taken["pose"]:
            if name not in central:
                self.fail(where, "pose", "expected views whose central planes are among the lines "
                          f"({', '.join(central) or 'none is'}), found '{name}'")
        return View(**{**taken, "color": tuple(map(float, taken["color"])), "lines": tuple(lines),
                       "pose": tuple(taken["pose"]), "words": _lower(taken["words"])})

    def sequence(self, table: dict, where: str) -> MrSequence:
        taken = self.take(table, where, {
            "name": (_NAME, _NEEDED),
            "words": (list_of(_TEXTS, "a list of lists of words, of each of which one is to be said"), _NEEDED),
            "beats": (YES_OR_NO, False),
        })
        if not all(taken["words"]):
            self.fail(where, "words", "expected words in every list, found an empty one")
        return MrSequence(**{**taken, "words": tuple(map(_lower, taken["words"]))})

    def check_views(self, views: tuple[View, ...]) -> None:
        if not views:
            self.fail("", "view", "expected one [[view]] or more, found none")
        self.unique("view *", "name", [view.name for view in views])
        by_name = {view.name: view for view in views}
        for i, view in enumerate(views, start=1):
            where = f"view {i}"
            upright = by_name.get(view.perpendicular_to)
            if view.perpendicular_to is not None and (upright is None or upright.normal is None):
                with_normal = [other.name for other in views if other.normal is not None]
                self.fail(where, "perpendicular_to", f"expected a view that has a normal "
                          f"({', '.join(with_normal) or 'none has'}), found '{view.perpendicular_to}'")
            for line in view.lines:
                other = by_name.get(line.view)
                if other is None:
                    self.fail(where, "lines", f"there is no view '{line.view}'; there are: {', '.join(by_name)}")
                typical = view.normal and other.normal and angle_between(view.normal, other.normal)
                if other is view or (typical is not None and typical < PARALLEL_DEG):
                    self.fail(where, "lines", f"{view.name} and {line.view} are parallel and share no line")

    def label(self, table: dict, where: str) -> Label:
        taken = self.take(table, where, {
            "value": (whole(1, 255), _NEEDED),
            "name": (short_text(), _NEEDED),
            "title": (short_text(), table.get("name")),
            "color": (_COLOR, _NEEDED),
            "code": (Kind(TABLE.holds, '{ value = "...", meaning = "..." }'), _NEEDED),
            "density_g_per_ml": (number(0.01, 30), None),
            "ejects": (YES_OR_NO, False),
            "pieces": (whole(0, 100), 1),
            "words": (_TEXTS, []),
            "surrounded_by": (short_text(), ""),
        })
        written = {"scheme": "SCT", **taken["code"]}
        kinds = {"scheme": short_text(16), "value": short_text(16), "meaning": short_text()}
        if set(written) != set(kinds) or not all(kind.holds(written[key]) for key, kind in kinds.items()):
            self.fail(where, "code", 'expected { value = "...", meaning = "..." } and, if it is not SNOMED CT, '
                      f"scheme; at most 16, 64 and 16 characters; found {shortly(taken['code'])}")
        code = Code(**written)
        if code.scheme == "SCT" and not is_snomed_code(code.value):
            self.fail(where, "code", f"expected the number of a SNOMED CT concept, found '{code.value}', "
                      "whose check digit is wrong")
        return Label(**{**taken, "color": tuple(map(float, taken["color"])), "code": code,
                        "words": tuple(taken["words"])})

    def check_labels(self, labels: tuple[Label, ...]) -> None:
        names = [label.name for label in labels]
        for i, label in enumerate(labels, start=1):
            if label.surrounded_by and label.surrounded_by not in {*names} - {label.name}:
                self.fail(f"label {i}", "surrounded_by", f"there is no other label '{label.surrounded_by}'; there are: "
                          f"{', '.join(names)}")


def _lower(words: list[str]) -> tuple[str, ...]:
    return tuple(word.lower() for word in words)
