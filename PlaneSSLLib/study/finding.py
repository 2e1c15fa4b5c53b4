"""Which folders below a root are studies, from one header per folder."""
from __future__ import annotations

import os
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

from .. import PlaneSSLError
from .dicom import HeaderReader
from .dicom_segmentations import is_segmentation
from .images import Series
from .filenames import LABEL_FOLDER, is_label
from .layouts import cases
from .model import Problem, Study
from .patients import one_each
from .reading import read_study
from .scanning import DISC_CONTENTS, FOREIGN, PACKED, SKIPPED_FOLDERS, files_below
from .volumes import ENDINGS

OURS = "plan.json", "anatomy.toml"  # by which a cohort, or a run, is known: what lies in it is no study


@dataclass(frozen=True)
class _Found:
    """A folder that may be a study, and one series of each folder of images in it."""

    path: Path
    series: tuple[Series, ...]

    @property
    def subject(self) -> str:
        return next((series.subject for series in self.series if series.subject), "")

    @property
    def outlines_alone(self) -> bool:
        return all(series.modality == "SEG" for series in self.series)

    @property
    def study_uid(self) -> str:
        return Counter(series.study_uid for series in self.series).most_common(1)[0][0]


def find_studies(root: str | os.PathLike, damaged: bool = False) -> list[Path]:
    """The studies in a folder, in order: paths that `read_study` takes.

    A folder with a study.json is one. Folders of DICOM belong together, in their common parent, if they are of one
    patient and one study, and their series are not numbered alike; where the study's UID is blank, if no series occurs
    twice. A folder of volume files is one, but every file if each seems to be another patient's, or if it is the root
    and several studies lie below, and in the nnU-Net layout every case. What lies in a cohort or in a run is none. Of
    DICOM, one header is read of each folder. damaged: also folders none of whose images can be read, and below which
    there is no study, so that reading them tells why.
    PlaneSSLError if there is no folder.
    """
    root = Path(root)
    if root.is_file():
        return [root]
    if not root.is_dir():
        raise PlaneSSLError(f"There is no folder {root}.")
    files, _ = files_below(root)
    by_folder = defaultdict(list)
    for file in files:
        by_folder[file.parent].append(file)
    for ours in [folder for folder in by_folder if all((folder / name).is_file() for name in OURS)]:
        by_folder = {folder: members for folder, members in by_folder.items()
                     if ours not in (folder, *folder.parents)}
    whole = {folder for folder in by_folder if (folder / "study.json").is_file()}
    studies: list[Path] = list(whole)
    candidates: list[_Found] = []
    loose: list[Path] | None = None  # of the root
    unread: list[Path] = []
    for folder, members in by_folder.items():
        if not whole.isdisjoint((folder, *folder.parents)):
            continue
        series, unreadable = _first_series(members)
        if series is not None:
            candidates.append(_Found(folder, (series,)))
        elif any(file.name.lower().endswith(ENDINGS) for file in members) and (
                folder == root or not LABEL_FOLDER.fullmatch(folder.name)):
            each = [first for first, *_ in cases(folder).values()] or one_each(members)
            if folder == root and not each:
                loose = [file for file in members if file.name.lower().endswith(ENDINGS) and not is_label(file)]
            else:
                studies += each or [folder]
        elif damaged and unreadable:
            unread.append(folder)
    # What holds DICOM SEG alone belongs to the study of its images; by itself it is none, and reading it tells so.
    merged = _merged(root, candidates)
    studies += [found.path for found in merged if not found.outlines_alone]
    unread += [found.path for found in merged if found.outlines_alone and damaged]
    if loose is not None:
        # A file that was left beside the folders of patients makes no study of them all. Further down, folders may be
        # those of a patient's series.
        studies += loose if sum(root in study.parents for study in studies) > 1 else [root]
    studies += [folder for folder in unread if not any(folder in study.parents for study in studies)]
    return sorted(_outermost(studies))


def not_looked_into(root: Path) -> list[str]:
    """What lies below a folder of which no study was made, since it is packed, or of a format that is not read."""
    files = files_below(root)[0] if root.is_dir() else []
    ours = {file.parent for file in files if file.name in OURS}
    files = [file for file in files if ours.isdisjoint(file.parents)]
    told = []
    for endings, what in ((PACKED, "packed files were not looked into: unpack them"),
                          (FOREIGN, "files are of formats that are not read: convert them to NIfTI, NRRD or DICOM")):
        if those := [file for file in files if file.name.lower().endswith(endings)]:
            told.append(f"{len(those)} {what} ({those[0].relative_to(root)} first)")
    return told


def label_folders(root: Path) -> list[Path]:
    """The folders below a root that hold label maps, as their names tell."""
    found = [Path(folder) for folder, _, names in os.walk(root) if any(one.lower().endswith(ENDINGS) for one in names)]
    return sorted(folder for folder in found if LABEL_FOLDER.fullmatch(folder.name) or folder.name in SKIPPED_FOLDERS)


def read_studies(paths: list[Path], anatomy: str | None = None, workers: int = 1) -> Iterator[Study | Problem]:
    """Read studies one after the other; one that cannot be read comes as a Problem and does not stop the others."""
    for path in paths:
        try:
            yield read_study(path, anatomy=anatomy, workers=workers)
        except (PlaneSSLError, OSError) as error:
            yield Problem(path, str(error))


def _first_series(files: list[Path]) -> tuple[Series | None, int]:
    """Of the first DICOM image that can be read, or of the first DICOM SEG where there is none; and how many files
    before it could not be read.
    """
    reader, unreadable, outlined = HeaderReader(), 0, None
    for file in files:
        if file.name.lower().endswith(ENDINGS) or file.name.upper() == DISC_CONTENTS:
            continue
        try:
            images = reader.images(file)
        except (OSError, ValueError):
            unreadable += 1
            outlined = outlined or (file if is_segmentation(file) else None)
            continue
        if images:
            return images[0].series, unreadable
    return reader.series_of(outlined) if outlined else None, unreadable


def _merged(root: Path, candidates: list[_Found]) -> list[_Found]:
    """Join the folders that lie in one parent, from the deepest upwards, as long as they are of one study."""
    open_at = defaultdict(list)
    for found in candidates:
        open_at[found.path].append(found)
    done: list[_Found] = []
    for folder in sorted({parent for found in candidates for parent in (found.path, *found.path.parents)
                          if parent == root or root in parent.parents}, key=lambda path: -len(path.parts)):
        inside = open_at.pop(folder, [])
        if not inside:
            continue
        if len(inside) == 1 or _one_study(inside):
            path = folder if len(inside) > 1 else inside[0].path
            inside = [_Found(path, tuple(series for found in inside for series in found.series))]
        if folder == root:
            done += inside
        elif len(inside) == 1:
            open_at[folder.parent] += inside
        else:
            done += inside
    return done


def _one_study(found: list[_Found]) -> bool:
    """Also with strays of one patient: series made on a workstation carry a study of their own, or no patient."""
    subjects = {one.subject for one in found} - {""}
    (uid, count), *others = Counter(one.study_uid for one in found).most_common()
    if len(subjects) > 1 or (others and not (subjects and 2 * count > len(found))):
        return False
    numbers = [{series.number for series in one.series} - {""} for one in found if len(one.series) > 1]
    if any(len(one & other) > 1 for one, other in combinations(numbers, 2)):
        return False  # anonymisers give all patients one identifier; their series are numbered alike
    if uid:
        return True
    names = [(series.number, series.description) for one in found for series in one.series]
    return len(set(names)) == len(names)


def _outermost(paths: list[Path]) -> list[Path]:
    """Without those that lie inside another one of the list."""
    whole = set(paths)
    return [path for path in whole if not any(parent in whole for parent in path.parents)]
