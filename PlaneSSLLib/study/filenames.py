"""What the names of volume files tell: images and label maps, patients, phases, series and contrasts."""
from __future__ import annotations

import os
import re
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

from .volumes import ENDINGS, VolumeFile

LABEL_WORDS = "contours?|dseg|gt|labels?|labelmap|manual|masks?|segs?|segmentations?"
LABEL_NAMES = re.compile(rf"(?:(?:^|[-_. ])(?:{LABEL_WORDS}))+$", re.IGNORECASE)  # also segmentation_masks
LABEL_PREFIX = re.compile(rf"^(?:{LABEL_WORDS})[-_. ]", re.IGNORECASE)
LABEL_FOLDER = re.compile(rf"(?:{LABEL_WORDS})(?:[-_. ](?:{LABEL_WORDS}))*", re.IGNORECASE)
IMAGE_NAMES = re.compile(r"[-_. ](?:image|img|im)$", re.IGNORECASE)
IMAGE_FOLDERS = {"image", "images", "img", "imgs"}  # beside which a folder of label maps may lie
_NUMBERED = r"(?:^|[^a-z])(?:case|id|pat|patient|sub|subj|subject|volunteer)[-_ ]?"
PATIENT = re.compile(rf"{_NUMBERED}$", re.IGNORECASE)
PATIENTS_NUMBER = re.compile(rf".*?{_NUMBERED}\d+", re.IGNORECASE)
PHASE = re.compile(r"[-_ ](?:(?:frame|phase)[-_ ]?\d+|ed|es)$", re.IGNORECASE)  # of a case: patient001_frame12, A1_ED
_VISITS = (r"v(?:isit)?[-_ ]?\d+|ses(?:sion)?[-_ ]?\w+|mr\d+|tp\d+|baseline|follow[-_ ]?up\d*|l|r|left|right|"
           r"(?:19|20)\d\d-?[01]\d-?[0-3]\d")
VISIT = re.compile(rf"(?<=.)[-_ ](?:{_VISITS})$", re.IGNORECASE)
VISIT_FOLDER = re.compile(_VISITS, re.IGNORECASE)
# What a number in a name counts by the word before it; a number that nothing says this of may be a phase's.
_WORD = r"(?:^|[^a-z])(?:{})[-_ ]?$"
# (An s alone may stand for subjects, and each of them for a scan.)
SERIES = re.compile(_WORD.format("se|ser|series|seq|sequence"), re.IGNORECASE)
CONTRASTS = tuple((re.compile(_WORD.format(words), re.IGNORECASE), dimension) for words, dimension in (
    ("te|echo|e", "echo"), ("b|bval", "b-value"), ("ti|inv", "inversion")))
WEIGHTING = re.compile(_WORD.format("t"), re.IGNORECASE)  # of numbers 1 and 2; t1 to t25 are the phases of a cine
MOVES = re.compile(r"cine|frame|phase|dyn|perf", re.IGNORECASE)


def stem(file: Path) -> str:
    """The name without the ending of a volume file."""
    for ending in sorted(ENDINGS, key=len, reverse=True):
        if file.name.lower().endswith(ending):
            return file.name[:-len(ending)]
    return file.stem


def ending_of(file: Path) -> str:
    return file.name[len(stem(file)):]


def is_label(file: Path) -> bool:
    """Is a volume file a label map, as its name or its folder tells?"""
    name = stem(file)
    if LABEL_NAMES.search(name) or LABEL_FOLDER.fullmatch(file.parent.name):
        return True
    bare = LABEL_PREFIX.sub("", name)  # seg_cine may as well be a segmented acquisition
    return bare != name and any((file.parent / f"{bare}{ending}").is_file() for ending in ENDINGS)


def label_beside(image: Path) -> Path | None:
    """The label map of a volume file: named like it, in its folder, in one of label maps there or beside that."""
    around = [image.parent]
    if image.parent.name.lower() in IMAGE_FOLDERS:
        around.append(image.parent.parent)
    folders = [image.parent, *(folder for parent in around for folder in _listed(parent)[1])]
    name = stem(image)
    bare = IMAGE_NAMES.sub("", name)  # case1_image and case1_label
    for folder in folders:
        # Of thousands of files few have the image's name in theirs; only those are looked at more closely.
        for file in [folder / there for there in _listed(folder)[0] if bare in there]:
            if file != image and file.name.lower().endswith(ENDINGS) and is_label(file) and {name, bare} & {
                    stem(file), LABEL_NAMES.sub("", stem(file)), LABEL_PREFIX.sub("", stem(file))}:
                return file
    return None


def _listed(folder: Path) -> tuple[tuple[str, ...], tuple[Path, ...]]:
    """The names of all that a folder holds, and the folders of label maps among them."""
    return _listed_since(folder, folder.stat().st_mtime_ns)


@lru_cache(maxsize=16)
def _listed_since(folder: Path, _changed_ns: int) -> tuple[tuple[str, ...], tuple[Path, ...]]:
    """Once: it is asked for each of the folder's images."""
    names = tuple(sorted(os.listdir(folder)))
    return names, tuple(folder / name for name in names if LABEL_FOLDER.fullmatch(name) and (folder / name).is_dir())


def patient_of(name: str) -> str:
    """A name up to the number of a patient, where a word says that it is one: sub-01 for sub-01_ses-02.

    Visits and views of a patient in files of their own must not train and validate.
    """
    found = PATIENTS_NUMBER.match(name)
    return found.group() if found else name


def without_visit(name: str) -> str:
    """A name without what says which of a patient's visits, sessions or sides it is of: 9001104 for 9001104_V01."""
    while (shorter := VISIT.sub("", name)) != name:
        name = shorter
    return name


def numberless(file: Path) -> str:
    """But for what begins a word: 2ch and 4ch, T1w and T2w differ in more than a number."""
    return re.sub(r"\d{2,}|\d(?![^\W\d_])", "0", phaseless(file))


def phaseless(file: Path) -> str:
    return re.sub(r"(^|[-_ ])e[ds]$", r"\1#", stem(file), flags=re.IGNORECASE) + ending_of(file)


def varying(alike: Sequence[Path]) -> list[tuple[str, list[str]]]:
    """Of files whose names differ in numbers only: what stands before each number that varies, and its values."""
    pieces = list(zip(*(re.split(r"(\d+)", phaseless(file)) for file in alike), strict=True))
    return [(before[0], list(values)) for before, values in zip(pieces[::2], pieces[1::2], strict=False)
            if len(set(values)) > 1]


def by_weighting(alike: Sequence[VolumeFile]) -> list[list[VolumeFile]]:
    """Files whose names differ in numbers only, those of T1 and of T2 apart: they are no phases of one another."""
    weightings = [values for before, values in varying([volume.file for volume in alike])
                  if WEIGHTING.search(before) and set(values) == {"1", "2"}]
    if not weightings or MOVES.search(alike[0].file.name):
        return [list(alike)]
    return [[volume for volume, value in zip(alike, weightings[0], strict=True) if value == of] for of in "12"]


def dimension_of(alike: Sequence[Path]) -> str:
    """What tells files apart whose names differ in numbers only: "echo", "b-value", "inversion", else "phase"."""
    words = [before for before, _ in varying(alike)]
    return next((dimension for word, dimension in CONTRASTS if words and all(map(word.search, words))), "phase")
