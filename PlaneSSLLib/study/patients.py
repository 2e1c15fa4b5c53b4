"""Of how many patients volume files seem to be, by their names and by where they lie."""
from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ..geometry import Plane, angle_between
from .filenames import (
    LABEL_FOLDER, PATIENT, PHASE, SERIES, is_label, label_beside, numberless, phaseless, stem, varying,
)
from .volumes import ENDINGS, VolumeFile

ROUNDING_DEG = 0.5  # of the directions in headers
ONE_DIRECTION_DEG = 30.0  # patients lie alike, and are sliced alike, by so much
SAME_PLACE_DEG, SAME_PLACE_MM = 10.0, 40.0  # that sequences of one organ differ by
MOST_SEQUENCES = 8  # in one direction, of one patient
FEWEST_ALIKE, MOST_LOOKED_AT = 3, 30  # folders, of those beside: there may be thousands


def one_each(files: Sequence[Path]) -> list[Path]:
    """Volume files of one folder, less label maps, if each seems to be another patient's; else none."""
    images = [file for file in files if file.name.lower().endswith(ENDINGS) and not is_label(file)]
    if len({PHASE.sub("", stem(file)) for file in images}) < len(images):  # some are phases of one
        return []
    volumes = [volume for file in images if (volume := _opened(file))]
    if len({numberless(file) for file in images}) == 1:
        return images if of_how_many(volumes)[0] else []
    if len({_cut(file)[1] for file in images}) == 1 and named_apart(volumes):
        return images
    return images if all(map(label_beside, images)) and lie_apart(volumes) else []


def _cut(file: Path) -> tuple[str, str]:
    """The first word of a name, and how it goes on."""
    begin, *end = re.split(r"[-_. ]", stem(file), maxsplit=1)
    return begin, "".join(end)


def of_how_many(alike: Sequence[VolumeFile]) -> tuple[str, str]:
    """What of several patients files seem to be whose names differ in numbers only; else why they are taken for one's.

    Their names number patients. Or three volumes of one direction lie on three grids: series of one patient that share
    a name differ in direction, or are single slices, or lie on one grid. Where the names number series, or are those of
    other folders' files, too, many more grids are needed, or places that lie apart. Or there are many single slices of
    about one direction, each tilted a little otherwise: one patient's are parallel. Both are empty where nobody would
    think of several patients.
    """
    files = [volume.file for volume in alike]
    numbers = [before for before, _ in varying(files)]
    if any(map(PATIENT.search, numbers)):
        return f"several patients, as it seems (the names of {files[0].name} and {files[-1].name} number them)", ""
    grids, places = _spread(alike)
    if len(grids) < 3:
        tilted = _tilted(alike)
        if len(tilted) <= MOST_SEQUENCES:
            return "", ""
        return (f"several patients, as it seems ({tilted[0].file.name} and files named like it are single slices of "
                "other tilts)"), ""
    if len(places) < 2 and len(grids) <= MOST_SEQUENCES:
        if any(map(SERIES.search, numbers)):
            return "", "their names number series"
        if _are_named_alike_elsewhere(files):
            return "", "folders beside theirs have files of the same names"
    return f"several patients, as it seems ({grids[0].file.name} and files named like it lie on several grids)", ""


def several_cycles(phases: Sequence[VolumeFile]) -> str:
    """What the phases of one stack seem to be of whose names tell end-diastole under more than one other name."""
    names = {phaseless(one.file): one.file.name for one in phases if phaseless(one.file) != one.file.name}
    first, second, *_ = [*names.values(), "", ""]
    return f"several patients, as it seems ({first} and {second} are phases of one each)" if second else ""


def lie_apart(labelled: Sequence[VolumeFile]) -> str:
    """What volumes with a label map each seem to be of, by where they lie; empty where they may be of one patient.

    What is acquired of one organ in one direction lies over the same place, be it in several sequences. Where headers
    are made up, all lie in one place: then four grids are too many, and two of those that end-diastole and end-systole
    were outlined on.
    """
    grids, places = _spread(labelled)
    names = {PHASE.sub("", stem(volume.file)) for volume in grids if PHASE.search(stem(volume.file))}
    if len(places) < 2 and len(grids) <= (1 if len(names) == len(grids) else 3):
        return ""
    return f"several patients, as it seems ({', '.join(volume.file.name for volume in grids[:2])} lie apart)"


def named_apart(volumes: Sequence[VolumeFile]) -> str:
    """What volumes seem to be of whose names begin with several words and go on alike (ann_sa, ann_4ch, ben_sa,
    ben_4ch), or with codes (A0S9V9_sa, B1T2C3_sa), if those that go on alike lie apart; empty where they may be of one
    patient, as T1_sag and PD_sag are.
    """
    by_end: dict[str, dict[str, VolumeFile]] = defaultdict(dict)
    for volume in volumes:
        begin, end = _cut(volume.file)
        by_end[end][begin] = volume
    several = [alike for alike in by_end.values() if len(alike) > 2]  # two may be left and right, or before and after
    coded = len(by_end) == 1 and all(re.search(r"\d", begin) for alike in several for begin in alike)
    if len({frozenset(alike) for alike in several}) != 1 or (len(several) < 2 and not coded):
        return ""
    for alike in several:
        _, places = _spread(list(alike.values()))
        if len(places) > 1:
            first, second = list(alike.values())[:2]
            return f"several patients, as it seems ({first.file.name} and {second.file.name}, named alike, lie apart)"
    return ""


def are_many(volumes: Sequence[VolumeFile]) -> bool:
    """Are there more volumes of one direction, on grids of their own, than one patient's sequences usually are?"""
    grids, _ = _spread(volumes)
    return len(grids) > MOST_SEQUENCES


def _spread(volumes: Sequence[VolumeFile]) -> tuple[list[VolumeFile], list[Plane]]:
    """Of volumes of three slices and more, in the direction of the first: one for each grid, and middle planes that lie
    apart.

    Of each as many as anybody asks for, since every volume is held against all of them.
    """
    volumes = [volume for volume in volumes if len(volume.planes) >= 3]
    grids: list[VolumeFile] = []
    places: list[Plane] = []
    for volume in volumes:
        middle = volume.planes[len(volume.planes) // 2]
        if angle_between(middle.normal, volumes[0].planes[0].normal) >= ONE_DIRECTION_DEG:
            continue
        if len(grids) <= MOST_SEQUENCES and not any(volume.slices_at(other.planes) for other in grids):
            grids.append(volume)
        if len(places) < 2 and all(angle_between(middle.normal, place.normal) > SAME_PLACE_DEG
               or np.linalg.norm(middle.centre - place.centre) > SAME_PLACE_MM for place in places):
            places.append(middle)
    return grids, places


def _tilted(volumes: Sequence[VolumeFile]) -> list[VolumeFile]:
    """Of volumes of one or two slices, in about the direction of the first: one for each direction of its own."""
    found: list[VolumeFile] = []
    for volume in volumes:
        normal = volume.planes[0].normal
        if len(volume.planes) < 3 and len(found) <= MOST_SEQUENCES and all(
                angle_between(normal, other.planes[0].normal) > ROUNDING_DEG for other in found) and (
                not found or angle_between(normal, found[0].planes[0].normal) < ONE_DIRECTION_DEG):
            found.append(volume)
    return found


def _are_named_alike_elsewhere(files: Sequence[Path]) -> bool:
    """Have several folders beside theirs files of all these names? Then folders are patients, and names are not.

    One alone may hold their label maps, another version of them, or another part of the patients.
    """
    own, alike = files[0].parent.resolve(), 0
    try:
        beside = sorted(own.parent.iterdir())[:MOST_LOOKED_AT]
    except OSError:  # others may not look there
        return False
    for folder in beside:
        try:
            alike += (not LABEL_FOLDER.fullmatch(folder.name) and all((folder / file.name).is_file() for file in files)
                      and folder.resolve() != own)
        except OSError:
            continue
    return alike >= FEWEST_ALIKE


def _opened(file: Path) -> VolumeFile | None:
    try:
        return VolumeFile(file)
    except ValueError:  # whoever reads it is told
        return None
