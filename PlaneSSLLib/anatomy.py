"""What an anatomy is: a TOML file that says which views it has, what they regress, and what is labelled in it."""
from __future__ import annotations

import os
import re
import tomllib
from dataclasses import dataclass, field, fields
from pathlib import Path

import numpy as np

from . import PlaneSSLError
from .geometry import PARALLEL_DEG, angle_between
from .resources import resource_folder

PLANES = ("central", "nearest", "all")
USER_FOLDER = Path(os.environ.get("PLANESSL_ANATOMIES", Path.home() / ".planessl" / "anatomies"))


@dataclass(frozen=True)
class LineTarget:
    """A line that a view regresses: where `plane` of the stack of `view` cuts the image."""

    view: str
    plane: str = "central"  # the stack's middle plane, the one nearest to the image's centre, or all of them

    def __str__(self) -> str:
        return f"{self.view}:{self.plane}"


@dataclass(frozen=True)
class View:
    """A named way of cutting the organ.

    normal: typical unit normal in LPS, pointing the way the slices count (base to apex, ...); for a left-sided organ
    where the anatomy has a side. perpendicular_to: instead of a normal, any stack at right angles to that view which
    has no better name. most_slices: a stack with more slices than this is not this view. words: how descriptions
    call it, in lower case.
    """

    name: str
    title: str
    color: tuple[float, float, float]
    normal: tuple[float, float, float] | None = None
    perpendicular_to: str | None = None
    most_slices: int | None = None
    words: tuple[str, ...] = ()
    lines: tuple[LineTarget, ...] = ()


@dataclass(frozen=True)
class Code:
    """A coded concept of a terminology, SNOMED CT ("SCT") as DICOM writes it."""

    scheme: str
    value: str
    meaning: str


@dataclass(frozen=True)
class Label:
    """A structure: its value in label maps, its name, its colour and its code."""

    value: int
    name: str
    title: str
    color: tuple[float, float, float]
    code: Code
    density_g_per_ml: float | None = None  # given where a mass is wanted
    ejects: bool = False  # a cavity for which stroke volume and ejection fraction are wanted


@dataclass(frozen=True)
class Grid:
    """The working grid on which a network sees every image: (row, column) mm and (rows, columns) pixels."""

    spacing: tuple[float, float]
    size: tuple[int, int]


@dataclass(frozen=True)
class Anatomy:
    """One anatomy file, read and checked."""

    name: str
    title: str
    words: tuple[str, ...]
    grid: Grid
    sigma_mm: float
    turn_deg: float  # how far an organ may lie turned from the typical normals
    sided: bool  # left and right organs are mirror images
    views: tuple[View, ...]
    labels: tuple[Label, ...] = ()
    classes: tuple[str, ...] = ()
    file: Path | None = field(default=None, compare=False)

    def view(self, name: str) -> View | None:
        return next((view for view in self.views if view.name == name), None)

    @property
    def targets(self) -> tuple[str, ...]:
        """The lines any view regresses, each once, in the order of the views: the channels of the pretext task."""
        wanted = {str(line) for view in self.views for line in view.lines}
        order = [f"{view.name}:{plane}" for view in self.views for plane in PLANES]
        return tuple(name for name in order if name in wanted)


def shipped() -> dict[str, Path]:
    """Name -> file of every anatomy: the user's own folder first, then those that ship."""
    found: dict[str, Path] = {}
    for folder in (USER_FOLDER, resource_folder() / "Anatomies"):
        for path in sorted(folder.glob("*.toml")) if folder.is_dir() else []:
            found.setdefault(path.stem, path)
    return found


def load(name_or_file: str | Path) -> Anatomy:
    """The anatomy of this name, or in this file. PlaneSSLError names the file, the line and the key that is wrong."""
    path = Path(name_or_file)
    if path.suffix != ".toml":
        known = shipped()
        if str(name_or_file) not in known:
            raise PlaneSSLError(f"There is no anatomy '{name_or_file}'; there are: {', '.join(sorted(known))}.")
        path = known[str(name_or_file)]
    try:
        text = path.read_text(encoding="utf-8")
        document = tomllib.loads(text)
    except OSError as error:
        raise PlaneSSLError(f"The anatomy file {path} cannot be read: {error.strerror}.") from None
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise PlaneSSLError(f"The anatomy file {path} is not valid TOML: {error}.") from None
    return _Reader(path, text).anatomy(document)


class _Reader:
    """Turns a TOML document into an Anatomy, or says which line is wrong and what was expected there."""

    def __init__(self, path: Path, text: str) -> None:
        self.path, self.text_lines = path, text.splitlines()

    def fail(self, where: str, key: str, expected: str) -> None:
        """where: "", "grid", "view 2", ...: the table the key is in, arrays counted from 1."""
        name, _, number = where.partition(" ")
        header = re.compile(rf"\s*\[+\s*{re.escape(name)}\s*\]+") if name else None
        seen, line = 0, 1
        for i, content in enumerate(self.text_lines, start=1):
            if header and header.match(content):
                seen += 1
                line = i if seen <= int(number or 1) else line
            if (not header or seen == int(number or 1)) and re.match(rf"\s*{re.escape(key)}\s*=", content):
                line = i
                break
        raise PlaneSSLError(f"{self.path}, line {line}: {f'[{where}] ' if where else ''}{key}: {expected}.")

    def take(self, table: dict, where: str, allowed: dict) -> dict:
        """Check a table against {key: (test, what is expected, default or ...)}; ... marks a key that must be there."""
        for key in table:
            if key not in allowed:
                self.fail(where, key, f"unknown key; known here: {', '.join(allowed)}")
        taken = {}
        for key, (test, expected, default) in allowed.items():
            if key not in table and default is ...:
                self.fail(where, key, f"missing; expected {expected}")
            taken[key] = table.get(key, default)
            if key in table and not test(table[key]):
                self.fail(where, key, f"expected {expected}, found {table[key]!r}")
        return taken

    def anatomy(self, document: dict) -> Anatomy:
        top = self.take(document, "", {
            "name": (_is_name, "a short name without spaces", ...),
            "title": (_is_text, "text", ...),
            "words": (_are_texts, "a list of texts", []),
            "sided": (lambda v: isinstance(v, bool), "true or false", False),
            "sigma_mm": (_is_positive, "a positive number of mm", ...),
            "turn_deg": (_is_positive, "a positive number of degrees", 40.0),
            "classes": (_are_texts, "a list of texts", []),
            "grid": (lambda v: isinstance(v, dict), "a table [grid]", ...),
            "view": (_are_tables, "tables [[view]]", ...),
            "label": (_are_tables, "tables [[label]]", []),
        })
        grid = self.take(top["grid"], "grid", {
            "spacing": (_are_numbers(2, low=0.05), "[row, column] in mm, 0.05 or more", ...),
            "size": (lambda v: _are_numbers(2, low=16)(v) and all(isinstance(n, int) and n % 16 == 0 for n in v),
                     "[rows, columns], multiples of 16", ...),
        })
        views = tuple(self.view(table, f"view {i}") for i, table in enumerate(top["view"], start=1))
        labels = tuple(self.label(table, f"label {i}") for i, table in enumerate(top["label"], start=1))
        self.check_views(views)
        for what, values in (("name", [x.name for x in labels]), ("value", [x.value for x in labels])):
            for i, value in enumerate(values, start=1):
                if value in values[:i - 1]:
                    self.fail(f"label {i}", what, f"{value!r} is used twice")
        return Anatomy(
            name=top["name"], title=top["title"], words=tuple(w.lower() for w in top["words"]),
            grid=Grid(tuple(map(float, grid["spacing"])), tuple(grid["size"])),
            sigma_mm=float(top["sigma_mm"]), turn_deg=float(top["turn_deg"]), sided=top["sided"],
            views=views, labels=labels, classes=tuple(top["classes"]), file=self.path)

    def view(self, table: dict, where: str) -> View:
        taken = self.take(table, where, {
            "name": (_is_text, "text", ...),
            "title": (_is_text, "text", table.get("name")),
            "color": (_is_color, "[red, green, blue], each 0 to 1", ...),
            "normal": (_are_numbers(3), "three numbers, LPS", None),
            "perpendicular_to": (_is_text, "the name of a view", None),
            "most_slices": (lambda v: isinstance(v, int) and v > 0, "a positive whole number", None),
            "words": (_are_texts, "a list of texts", []),
            "lines": (_are_texts, "a list of view names, or of NAME:central, NAME:nearest, NAME:all", []),
        })
        if (taken["normal"] is None) == (taken["perpendicular_to"] is None):
            self.fail(where, "normal", "give either normal or perpendicular_to")
        if taken["normal"] is not None:
            length = np.linalg.norm(taken["normal"])
            if length < 1e-6:
                self.fail(where, "normal", "the direction has no length")
            taken["normal"] = tuple(float(x) for x in np.array(taken["normal"]) / length)
        lines = []
        for text in taken["lines"]:
            view, _, plane = text.partition(":")
            if (plane or "central") not in PLANES:
                self.fail(where, "lines", f"'{plane}' is not one of {', '.join(PLANES)}")
            lines.append(LineTarget(view, plane or "central"))
        return View(**{**taken, "color": tuple(map(float, taken["color"])), "lines": tuple(lines),
                       "words": tuple(word.lower() for word in taken["words"])})

    def check_views(self, views: tuple[View, ...]) -> None:
        names = [view.name for view in views]
        if not views:
            self.fail("", "view", "an anatomy needs at least one [[view]]")
        for i, view in enumerate(views, start=1):
            where = f"view {i}"
            if view.name in names[:i - 1]:
                self.fail(where, "name", f"'{view.name}' is used twice")
            if view.perpendicular_to is not None and view.perpendicular_to not in names:
                self.fail(where, "perpendicular_to", f"there is no view '{view.perpendicular_to}'")
            for line in view.lines:
                if line.view not in names:
                    self.fail(where, "lines", f"there is no view '{line.view}'; there are: {', '.join(names)}")
                other = views[names.index(line.view)]
                typical = view.normal and other.normal and angle_between(view.normal, other.normal)
                if other is view or (typical is not None and typical < PARALLEL_DEG):
                    self.fail(where, "lines", f"{view.name} and {line.view} are parallel and share no line")

    def label(self, table: dict, where: str) -> Label:
        taken = self.take(table, where, {
            "value": (lambda v: isinstance(v, int) and 1 <= v <= 255, "a whole number from 1 to 255", ...),
            "name": (_is_text, "text", ...),
            "title": (_is_text, "text", table.get("name")),
            "color": (_is_color, "[red, green, blue], each 0 to 1", ...),
            "code": (lambda v: isinstance(v, dict), '{ value = "...", meaning = "..." }', ...),
            "density_g_per_ml": (_is_positive, "a positive number", None),
            "ejects": (lambda v: isinstance(v, bool), "true or false", False),
        })
        code = {"scheme": "SCT", **taken["code"]}
        if set(code) != {f.name for f in fields(Code)} or not all(_is_text(v) for v in code.values()):
            self.fail(where, "code", 'expected { value = "...", meaning = "..." } and, if not SNOMED, scheme')
        if code["scheme"] == "SCT" and not re.fullmatch(r"\d{6,18}", code["value"]):
            self.fail(where, "code", f"'{code['value']}' is not a SNOMED CT code (6 to 18 digits)")
        return Label(**{**taken, "color": tuple(map(float, taken["color"])), "code": Code(**code)})


def _is_text(value) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _is_name(value) -> bool:
    return isinstance(value, str) and re.fullmatch(r"[\w-]+", value) is not None


def _is_positive(value) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < float("inf")


def _are_texts(value) -> bool:
    return isinstance(value, list) and all(_is_text(v) for v in value)


def _are_tables(value) -> bool:
    return isinstance(value, list) and all(isinstance(v, dict) for v in value)


def _are_numbers(count: int, low: float = -float("inf")):
    def test(value) -> bool:
        numbers = isinstance(value, list) and all(isinstance(x, int | float) and not isinstance(x, bool) for x in value)
        return numbers and len(value) == count and all(low <= x < float("inf") for x in value)
    return test


def _is_color(value) -> bool:
    return _are_numbers(3, low=0)(value) and max(value) <= 1
