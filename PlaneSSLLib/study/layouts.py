"""How volume files lie about: named in a study.json, alone or together in a folder, or as nnU-Net wants them."""
from __future__ import annotations

import re
from collections import defaultdict
from itertools import chain, count
from pathlib import Path

from .document import NAME, inside
from .likeness import natural
from .model import LabelFile, Naming, Problem, Stack
from .volumes import ENDINGS, VolumeFile, frames_of

LABEL_NAMES = re.compile(r"(?:^|[-_. ])(?:gt|seg|segmentation|label|labels|labelmap|mask)$", re.IGNORECASE)
UNNAMED = Naming("", 0.0)


class Volumes:
    """Stacks, labels and problems that the volume files of a study give."""

    def __init__(self) -> None:
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
            dimension: str = "phase") -> None:
        """One stack of files that share a grid, each with the place where its label map may lie."""
        if not files:
            return
        planes = files[0][0].planes
        for volume, _ in files:
            if not volume.same_grid(planes):
                self.problems.append(Problem(volume.file, f"is on another grid than {files[0][0].file.name}"))
        files = [(volume, label) for volume, label in files if volume.same_grid(planes)]
        base = re.sub(r"[^A-Za-z0-9_-]+", "-", name).strip("-") or "volume"
        taken = {stack.id for stack in self.stacks}
        stack_id = next(i for i in chain([base], (f"{base}-{n}" for n in count(2))) if i not in taken)
        self.stacks.append(Stack(
            id=stack_id, planes=planes, frames=frames_of([volume for volume, _ in files]), naming=naming,
            description=name, thickness_mm=files[0][0].thickness_mm, dimension=dimension))
        phase = 0
        for volume, label in files:
            if label is not None and label.is_file():
                self.labels.append(LabelFile(label, stack_id, phase))
            phase += volume.phases


def named_views(folder: Path, views: object) -> Volumes:
    """The "views" of study.json: view name -> file or files; several files of one view are phases of one stack."""
    found = Volumes()
    if not isinstance(views, dict):
        found.problems.append(Problem(folder / NAME, '"views" is no object of view names and files'))
        return found
    for view, names in views.items():
        files = []
        for name in names if isinstance(names, list) else [names]:
            file = inside(folder, name)
            if file is None:
                found.problems.append(Problem(folder / NAME, f"names {name!r}, no file of this folder"))
            elif not file.is_file():
                found.problems.append(Problem(file, "is missing, though study.json names it"))
            else:
                files.append(file)
        opened = [(volume, folder / "labels" / file.name) for file in files if (volume := found.open(file))]
        found.add(str(view), opened, Naming(str(view), 1.0, ("study.json names the view",)))
    return found


def loose_volumes(files: list[Path]) -> Volumes:
    """Volume files without a study.json: files whose names differ in numbers only, on one grid, are phases."""
    found = Volumes()
    labels = {stem(file): file for file in files if LABEL_NAMES.search(stem(file))}
    series = defaultdict(list)
    for file in sorted((file for file in files if stem(file) not in labels), key=lambda file: natural(file.name)):
        series[file.parent, re.sub(r"\d+", "0", file.name)].append(file)
    label_of = {LABEL_NAMES.sub("", name): file for name, file in labels.items()}
    for alike in series.values():
        volumes = [(file, volume) for file in alike if (volume := found.open(file))]
        while volumes:
            same = [item for item in volumes if item[1].same_grid(volumes[0][1].planes)]
            volumes = [item for item in volumes if item not in same]
            found.add(stem(same[0][0]), [
                (volume, label_of.get(stem(file), file.parent / "labels" / file.name))
                for file, volume in same], UNNAMED)
    if not found.stacks and not found.problems:
        found.problems += [Problem(file, "is a label map by its name, without an image") for file in labels.values()]
    return found


def one_case(file: Path) -> Volumes:
    """A lone volume file, or one case in the nnU-Net layout: imagesTr/CASE_0000.nii.gz, ..., labelsTr/CASE.nii.gz."""
    found = Volumes()
    if file not in nnunet_cases(file.parent):
        if (volume := found.open(file)):
            found.add(stem(file), [(volume, file.parent / "labels" / file.name)], UNNAMED)
        return found
    case, ending = stem(file)[:-len("_0000")], file.name[len(stem(file)):]
    channels = sorted(path for path in file.parent.iterdir()
                      if re.fullmatch(re.escape(case) + r"_\d{4}", stem(path)) and path.name.endswith(ending))
    label = file.parent.with_name(file.parent.name.replace("images", "labels", 1)) / f"{case}{ending}"
    opened = [volume for channel in channels if (volume := found.open(channel))]
    found.add(case, [(volume, None if i else label) for i, volume in enumerate(opened)], UNNAMED, "channel")
    return found


def nnunet_cases(folder: Path) -> list[Path]:
    """The first channel of every case, if the folder is imagesTr or imagesTs of an nnU-Net data set."""
    if folder.name not in ("imagesTr", "imagesTs"):
        return []
    return sorted(path for path in folder.iterdir() if path.name.lower().endswith(ENDINGS)
                  and stem(path).endswith("_0000"))


def stem(file: Path) -> str:
    """The name without the ending of a volume file."""
    for ending in sorted(ENDINGS, key=len, reverse=True):
        if file.name.lower().endswith(ending):
            return file.name[:-len(ending)]
    return file.stem
