"""How volume files lie about: named in a study.json, alone or together in a folder, or as nnU-Net wants them."""
from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from functools import lru_cache
from itertools import chain, count
from pathlib import Path

import numpy as np

from ..geometry import Plane, angle_between
from .document import NAME, inside
from .labels import is_of_one_phase, label_phases
from .likeness import natural
from .model import LabelFile, Naming, Problem, Stack
from .volumes import ENDINGS, VolumeFile, frames_of

LABEL_WORDS = "contours?|dseg|gt|labels?|labelmap|manual|masks?|segs?|segmentations?"
LABEL_NAMES = re.compile(rf"(?:^|[-_. ])(?:{LABEL_WORDS})$", re.IGNORECASE)
LABEL_PREFIX = re.compile(rf"^(?:{LABEL_WORDS})[-_. ]", re.IGNORECASE)
LABEL_FOLDER = re.compile(LABEL_WORDS, re.IGNORECASE)
IMAGE_FOLDERS = {"image", "images", "img", "imgs"}  # beside which a folder of label maps may lie
_NUMBERED = r"(?:^|[^a-z])(?:case|id|pat|patient|sub|subj|subject|volunteer)[-_ ]?"
PATIENT = re.compile(rf"{_NUMBERED}$", re.IGNORECASE)
PATIENTS_NUMBER = re.compile(rf".*?{_NUMBERED}\d+", re.IGNORECASE)
PHASE = re.compile(r"[-_ ](?:(?:frame|phase)[-_ ]?\d+|ed|es)$", re.IGNORECASE)  # of a case: patient001_frame12, A1_ED
ONE_DIRECTION_DEG = 30.0  # patients lie alike, and are sliced alike, by so much
SAME_PLACE_DEG, SAME_PLACE_MM = 10.0, 40.0  # that sequences of one organ differ by
UNNAMED = Naming("", 0.0)


class Volumes:
    """Stacks, labels and problems that the volume files of a study give, and of how many studies they seem to be."""

    def __init__(self) -> None:
        self.mixed = ""
        self.stacks: list[Stack] = []
        self.labels: list[LabelFile] = []
        self.problems: list[Problem] = []

    def open(self, file: Path) -> VolumeFile | None:
        try:
            return VolumeFile(file)
        except ValueError as error:
            self.problems.append(Problem(file, str(error)))
            return None

    def add(self, name: str, files: list[tuple[VolumeFile, Path | None]], naming: Naming,
            dimension: str = "phase", frame_of_reference: str = "") -> None:
        """One stack of files that share a grid, each with the place where its label map may lie."""
        if not files:
            return
        planes = files[0][0].planes
        for volume, _ in files:
            if volume.slices_at(planes) is None:
                self.problems.append(Problem(volume.file, (
                    f"is on another grid than {files[0][0].file.name}, and no phase of its stack: where {NAME} names "
                    'several stacks of a view, each is a list of its own ([["a.nii.gz"], ["b.nii.gz"]])')))
        files = [(volume, label) for volume, label in files if volume.slices_at(planes)]
        base = re.sub(r"[^A-Za-z0-9_-]+", "-", name).strip("-") or "volume"
        taken = {stack.id for stack in self.stacks}
        stack_id = next(i for i in chain([base], (f"{base}-{n}" for n in count(2))) if i not in taken)
        self.stacks.append(Stack(
            id=stack_id, planes=planes, frames=frames_of([volume for volume, _ in files]), naming=naming,
            description=name, thickness_mm=files[0][0].thickness_mm, dimension=dimension,
            frame_of_reference=frame_of_reference))
        phase = 0
        for volume, label in files:
            if label is not None and label.is_file():
                self.add_labels(label, stack_id, phase, volume.phases)
            phase += volume.phases

    def add_labels(self, file: Path, stack: str, first: int, phases: int) -> None:
        """first: the phase of the stack with which the image beside the label map begins."""
        try:
            outlined = label_phases(file, phases)
        except ValueError as error:
            self.problems.append(Problem(file, str(error)))
            return
        self.labels += [LabelFile(file, stack, first + phase, phase) for phase in outlined]
        if outlined == [0] and phases > 1 and is_of_one_phase(file):
            self.problems.append(Problem(file, (
                f"outlines one phase of {phases}, and is taken for the first; if it is another, let {NAME} say so "
                f'("labels": [{{"file": ..., "series": "{stack}", "phase": ...}}])')))
        if not outlined:
            self.problems.append(Problem(file, "is a label map in which nothing is labelled"))


def named_views(folder: Path, views: object, frames_of_reference: Mapping[str, str]) -> Volumes:
    """The "views" of study.json: view name -> file, files, which are phases of one stack, or a list of such lists.

    frames_of_reference: its entries of that name; a stack has that of its first file.
    """
    found = Volumes()
    if not isinstance(views, dict):
        found.problems.append(Problem(folder / NAME, '"views" is no object of view names and files'))
        return found
    for view, names in ((view, names) for view, of_view in views.items() for names in stacks_named(of_view)):
        files = []
        for name in names:
            file = inside(folder, name)
            if file is None:
                found.problems.append(Problem(folder / NAME, f"names {name!r}, no file of this folder"))
            elif not file.is_file():
                found.problems.append(Problem(file, "is missing, though study.json names it"))
            else:
                files.append(file)
        opened = [(volume, _same_name(folder, file) or label_beside(file)) for file in files
                  if (volume := found.open(file))]
        found.add(str(view), opened, Naming(str(view), 1.0, ("study.json names the view",)),
                  frame_of_reference=next((frames_of_reference.get(name, "") for name in names), ""))
    return found


def stacks_named(of_view: object) -> list[list]:
    """What "views" says of a view: the names of files, a list for each of its stacks."""
    if isinstance(of_view, list) and of_view and all(isinstance(one, list) for one in of_view):
        return of_view
    return [of_view if isinstance(of_view, list) else [of_view]]


def _same_name(folder: Path, file: Path) -> Path | None:
    beside = folder / "labels" / file.name
    return beside if beside.is_file() else None


def loose_volumes(files: list[Path]) -> Volumes:
    """Volume files without a study.json: files on one grid whose names differ in numbers, or ED and ES, are phases."""
    found = Volumes()
    images = [file for file in files if not is_label(file)]
    series = defaultdict(list)
    for file in sorted(images, key=lambda file: natural(file.name)):
        series[file.parent, _numberless(file)].append(file)
    labelled: list[VolumeFile] = []
    beside = {file: label_beside(file) for file in images}
    for alike in series.values():
        volumes = [volume for file in alike if (volume := found.open(file))]
        found.mixed = found.mixed or _several_patients(volumes)
        for same in _by_grid(volumes):
            found.add(stem(same[0].file), [(volume, beside[volume.file]) for volume in same], UNNAMED)
            found.mixed = found.mixed or _several_cycles(same)
        labelled += [volume for volume in volumes if beside[volume.file]]
    found.mixed = found.mixed or _lie_apart(labelled)
    known = {label.file for label in found.labels} | {problem.file for problem in found.problems}
    left = [file for file in files if file not in images and file not in known]
    if len(left) == len(found.stacks) == 1 and not found.labels and LABEL_FOLDER.fullmatch(stem(left[0])):
        # named by what it is alone, as in image.nii.gz and label.nii.gz
        found.add_labels(left.pop(), found.stacks[0].id, 0, found.stacks[0].phases)
    found.problems += [Problem(file, "is a label map by its name, and no image here has that name") for file in left]
    return found


def _by_grid(volumes: list[VolumeFile]) -> Iterator[list[VolumeFile]]:
    """Those that lie on one grid together, in the order of the first of each."""
    while volumes:
        same = [volume for volume in volumes if volume.slices_at(volumes[0].planes)]
        volumes = [volume for volume in volumes if volume not in same]
        yield same


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
    folders = [image.parent, *(folder for parent in around for folder in sorted(parent.iterdir())
                               if LABEL_FOLDER.fullmatch(folder.name) and folder.is_dir())]
    name = stem(image)
    for folder in folders:
        # Of thousands of files few have the image's name in theirs; only those are looked at more closely.
        for file in sorted(file for file in folder.iterdir() if name in file.name and file != image):
            if file.name.lower().endswith(ENDINGS) and is_label(file) and name in (
                    stem(file), LABEL_NAMES.sub("", stem(file)), LABEL_PREFIX.sub("", stem(file))):
                return file
    return None


def one_case(file: Path) -> Volumes:
    """A lone volume file, or one case of a data set: imagesTr/CASE_0000.nii.gz, ..., labelsTr/CASE.nii.gz.

    Cases of which the names tell phases, as ACDC's in the nnU-Net layout do (patient001_frame01, patient001_frame12),
    are one together: a patient's heart that trains must not validate.
    """
    found = Volumes()
    phases = cases(file.parent).get(case_of(file), [])
    if file not in phases:
        if (volume := found.open(file)):
            found.add(stem(file), [(volume, label_beside(file))], UNNAMED)
        return found
    labels = file.parent.with_name(file.parent.name.replace("images", "labels", 1))

    def with_label(volume: VolumeFile) -> tuple[VolumeFile, Path]:
        return volume, labels / f"{_channelless(volume.file)}{_ending(volume.file)}"

    opened = [volume for path in phases if (volume := found.open(path))]
    if len(phases) == 1:
        others = [(volume, None) for path in _other_channels(file) if (volume := found.open(path))]
        found.add(case_of(file), [*map(with_label, opened), *others], UNNAMED, "channel")
        return found
    found.problems += [Problem(path, "is another channel of a case in several phases, of which the first is read")
                       for phase in phases for path in _other_channels(phase)]
    for same in _by_grid(opened):
        found.add(case_of(file), list(map(with_label, same)), UNNAMED)
    return found


def cases(folder: Path) -> dict[str, list[Path]]:
    """Of every case, by its name, a file for each phase, if the folder is imagesTr or imagesTs of a data set.

    The first channel in the nnU-Net layout; where no name tells a channel, as in the Medical Segmentation Decathlon,
    every file.
    """
    return _cases(folder, folder.stat().st_mtime_ns) if folder.name in ("imagesTr", "imagesTs") else {}


@lru_cache(maxsize=4)
def _cases(folder: Path, changed_ns: int) -> dict[str, list[Path]]:
    """Of a folder as it was then: every one of its cases is asked for."""
    files = sorted((path for path in folder.iterdir() if path.name.lower().endswith(ENDINGS)
                    and not path.name.startswith(".")),  # ._CASE.nii.gz comes with archives made on a Mac
                   key=lambda path: natural(path.name))
    found = defaultdict(list)
    for path in [path for path in files if stem(path).endswith("_0000")] or files:
        found[case_of(path)].append(path)
    return dict(found)


def case_of(file: Path) -> str:
    """The name of the case that a file of a data set is of: patient001 for patient001_frame12_0000.nii.gz."""
    return PHASE.sub("", _channelless(file))


def patient_of(name: str) -> str:
    """A name up to the number of a patient, where a word says that it is one: sub-01 for sub-01_ses-02.

    Visits and views of a patient in files of their own must not train and validate.
    """
    found = PATIENTS_NUMBER.match(name)
    return found.group() if found else name


def _channelless(file: Path) -> str:
    return stem(file).removesuffix("_0000")  # other numbers may be the case's: patient_0012 in the Decathlon's layout


def _ending(file: Path) -> str:
    return file.name[len(stem(file)):]


def _other_channels(first: Path) -> list[Path]:
    """The channels of a case beside the first, where the first is named as one."""
    if not stem(first).endswith("_0000"):
        return []
    return sorted(path for path in first.parent.iterdir() if path != first and _ending(path) == _ending(first)
                  and re.fullmatch(re.escape(_channelless(first)) + r"_\d{4}", stem(path)))


def one_each(files: list[Path]) -> list[Path]:
    """Volume files of one folder, less label maps, if each seems to be another patient's; else none."""
    images = [file for file in files if file.name.lower().endswith(ENDINGS) and not is_label(file)]
    if len({PHASE.sub("", stem(file)) for file in images}) < len(images):  # some are phases of one
        return []
    opened = Volumes()
    volumes = [volume for file in images if (volume := opened.open(file))]
    if len({_numberless(file) for file in images}) == 1:
        return images if _several_patients(volumes) else []
    return images if all(map(label_beside, images)) and _lie_apart(volumes) else []


def _numberless(file: Path) -> str:
    return re.sub(r"\d+", "0", _phaseless(file))


def _phaseless(file: Path) -> str:
    return re.sub(r"(^|[-_ ])e[ds]$", r"\1#", stem(file), flags=re.IGNORECASE) + _ending(file)


def _several_patients(alike: list[VolumeFile]) -> str:
    """What files whose names differ in numbers only seem to be of; empty where they may well be of one patient.

    Their names number patients. Or three volumes of one direction lie on three grids: series of one patient that share
    a name differ in direction, or are single slices, or lie on one grid.
    """
    pieces = [re.split(r"(\d+)", _phaseless(volume.file)) for volume in alike]
    numbers = [i for i, values in enumerate(zip(*pieces, strict=True)) if len(set(values)) > 1]
    if any(PATIENT.search(pieces[0][i - 1]) for i in numbers):
        first, last = alike[0].file.name, alike[-1].file.name
        return f"several patients, as it seems (the names of {first} and {last} number them)"
    volumes = [volume for volume in alike if len(volume.planes) >= 3]
    grids: list[VolumeFile] = []
    for volume in volumes:
        across = volume.planes[0].normal
        if len(grids) < 3 and angle_between(across, volumes[0].planes[0].normal) < ONE_DIRECTION_DEG and not any(
                volume.slices_at(other.planes) for other in grids):
            grids.append(volume)
    if len(grids) < 3:
        return ""
    return (f"several patients, as it seems ({grids[0].file.name} and files named like it lie on {len(grids)} grids or "
            "more)")


def _several_cycles(phases: list[VolumeFile]) -> str:
    """What the phases of one stack seem to be of whose names tell end-diastole under more than one other name."""
    names = {_phaseless(one.file): one.file.name for one in phases if _phaseless(one.file) != one.file.name}
    first, second, *_ = [*names.values(), "", ""]
    return f"several patients, as it seems ({first} and {second} are phases of one each)" if second else ""


def _lie_apart(labelled: list[VolumeFile]) -> str:
    """What volumes with a label map each seem to be of, by where they lie; empty where they may be of one patient.

    What is acquired of one organ in one direction lies over the same place, be it in several sequences. Where headers
    are made up, all lie in one place: then four grids are too many, and two of those that end-diastole and end-systole
    were outlined on.
    """
    volumes = [volume for volume in labelled if len(volume.planes) >= 3]
    places: list[Plane] = []
    grids: list[VolumeFile] = []
    most_grids = 3
    for volume in volumes:
        middle = volume.planes[len(volume.planes) // 2]
        if angle_between(middle.normal, volumes[0].planes[0].normal) >= ONE_DIRECTION_DEG:
            continue
        if len(grids) <= most_grids and not any(volume.slices_at(other.planes) for other in grids):
            grids.append(volume)
        if len(places) < 2 and all(angle_between(middle.normal, place.normal) > SAME_PLACE_DEG
               or np.linalg.norm(middle.centre - place.centre) > SAME_PLACE_MM for place in places):
            places.append(middle)
    names = {PHASE.sub("", stem(volume.file)) for volume in grids if PHASE.search(stem(volume.file))}
    if len(places) < 2 and len(grids) <= (1 if len(names) == len(grids) else most_grids):
        return ""
    return f"several patients, as it seems ({', '.join(volume.file.name for volume in grids[:2])} lie apart)"


def stem(file: Path) -> str:
    """The name without the ending of a volume file."""
    for ending in sorted(ENDINGS, key=len, reverse=True):
        if file.name.lower().endswith(ending):
            return file.name[:-len(ending)]
    return file.stem
