"""How volume files lie about: named in a study.json, alone or together in a folder, or as nnU-Net wants them."""
from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from functools import lru_cache
from itertools import chain, count
from pathlib import Path
from types import MappingProxyType

from .document import NAME, inside
from .filenames import (
    LABEL_FOLDER, PHASE, by_weighting, dimension_of, ending_of, is_label, label_beside, numberless, stem,
)
from .labels import label_phases, phases_of
from .likeness import natural
from .model import LabelFile, Naming, Problem, Stack
from .rejoining import rejoin
from .patients import are_many, lie_apart, named_apart, of_how_many, several_cycles
from .volumes import ENDINGS, VolumeFile, frames_of

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
            dimension: str = "phase", frames: Mapping[Path, str] = MappingProxyType({})) -> None:
        """One stack of files that share a grid, each with the place where its label map may lie.

        A still image beside a whole cine is no phase of it, and makes a stack of its own, which is told. frames: of
        files, what stands for their frame of reference; a stack has that of its first.
        """
        if not files:
            return
        moving = [one for one in files if one[0].phases > 1]
        if moving and len(files) > 1:
            self.problems += [Problem(volume.file, f"is no phase of {moving[0][0].file.name}, which holds "
                                                   f"{moving[0][0].phases}: a stack of its own")
                              for volume, _ in files if volume is not moving[0][0]]
            still = [one for one in files if one not in moving]
            for part in [*([one] for one in moving), *([still] if still else [])]:
                self.add(name, part, naming, dimension, frames)
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
            description=name, dimension=dimension,
            thickness_mm=files[0][0].thickness_mm, frame_of_reference=frames.get(files[0][0].file, "")))
        phase = 0
        for volume, label in files:
            if label is not None and label.is_file():
                self.add_labels(label, stack_id, phase, volume.phases)
            phase += volume.phases

    def tell_of_patients(self, alike: list[VolumeFile]) -> None:
        """Files of alike names may be of several patients; where they are taken for one's, that is a reservation."""
        several, why_one = of_how_many(alike)
        self.mixed = self.mixed or several
        if why_one:
            self.problems.append(Problem(alike[0].file, (
                f"and {len(alike) - 1} files named like it are taken for one patient's, since {why_one}: if they are "
                "of several, put each into a folder of its own")))

    def join_slices(self, first: int) -> None:
        """Of the stacks from the first-th on, join those of one slice that lie one behind the other.

        None where one of them is outlined: a map lies on the grid of a whole stack.
        """
        added = self.stacks[first:]
        if not {stack.id for stack in added} & {label.stack for label in self.labels}:
            self.stacks[first:] = rejoin(added)

    def add_labels(self, file: Path, stack: str, first: int, phases: int) -> None:
        """first: the phase of the stack with which the image beside the label map begins."""
        try:
            outlined = label_phases(file, phases)
        except ValueError as error:
            self.problems.append(Problem(file, str(error)))
            return
        self.labels += [LabelFile(file, stack, first + phase, phase) for phase in outlined]
        if outlined == [0] and phases > 1 and phases_of(file) == 1:
            self.problems.append(Problem(file, (
                f"outlines one phase of {phases}, and is taken for the first; if it is another, let {NAME} say so "
                f'("labels": [{{"file": ..., "series": "{stack}", "phase": ...}}])')))
        if not outlined:
            self.problems.append(Problem(file, "is a label map in which nothing is labelled"))


def named_views(folder: Path, views: object, frames_of_reference: Mapping[str, str]) -> Volumes:
    """The "views" of study.json: view name -> file, files, which are phases of one stack, or a list of such lists.

    frames_of_reference: its entries of that name.
    """
    found = Volumes()
    if not isinstance(views, dict):
        found.problems.append(Problem(folder / NAME, '"views" is no object of view names and files'))
        return found
    for view, names in ((view, names) for view, of_view in views.items() for names in stacks_named(of_view)):
        files, frames = [], {}
        for name in names:
            file = inside(folder, name)
            if file is None:
                found.problems.append(Problem(folder / NAME, f"names {name!r}, no file of this folder"))
            elif not file.is_file():
                found.problems.append(Problem(file, "is missing, though study.json names it"))
            else:
                files.append(file)
                frames[file] = frames_of_reference.get(name, "")
        opened = [(volume, _same_name(folder, file) or label_beside(file)) for file in files
                  if (volume := found.open(file))]
        found.add(str(view), opened, Naming(str(view), 1.0, ("study.json names the view",)),
                  frames=frames)
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
    """Volume files without a study.json: files on one grid whose names differ in numbers, or ED and ES, are phases.

    Or echoes, b-values or inversion times, where the names say so; T1 and T2 are stacks of their own.
    """
    found = Volumes()
    images = [file for file in files if not is_label(file)]
    series = defaultdict(list)
    for file in sorted(images, key=lambda file: natural(file.name)):
        series[file.parent, numberless(file)].append(file)
    every: list[VolumeFile] = []
    beside = {file: label_beside(file) for file in images}
    for alike in series.values():
        volumes = [volume for file in alike if (volume := found.open(file))]
        found.tell_of_patients(volumes)
        before = len(found.stacks)
        for same in [same for part in by_weighting(volumes) for same in _by_grid(part)]:
            found.add(stem(same[0].file), [(volume, beside[volume.file]) for volume in same], UNNAMED,
                      dimension_of([volume.file for volume in same]))
            found.mixed = found.mixed or several_cycles(same)
        found.join_slices(before)
        every += volumes
    found.mixed = found.mixed or lie_apart([volume for volume in every if beside[volume.file]]) or named_apart(every)
    if not found.mixed and are_many(every):
        found.problems.append(Problem(every[0].file, (
            f"and {len(every) - 1} files beside it are taken for one patient's, and they are many: if they are of "
            "several, put those of each into a folder of its own")))
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
        return volume, labels / f"{_channelless(volume.file)}{ending_of(volume.file)}"

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


def _channelless(file: Path) -> str:
    return stem(file).removesuffix("_0000")  # other numbers may be the case's: patient_0012 in the Decathlon's layout


def _other_channels(first: Path) -> list[Path]:
    """The channels of a case beside the first, where the first is named as one."""
    if not stem(first).endswith("_0000"):
        return []
    return sorted(path for path in first.parent.iterdir() if path != first and ending_of(path) == ending_of(first)
                  and re.fullmatch(re.escape(_channelless(first)) + r"_\d{4}", stem(path)))
