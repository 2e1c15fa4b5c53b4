"""Label maps that exist already: of a labelled study, in a volume file, or in DICOM Segmentation objects."""
from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pydicom

from .. import PlaneSSLError
from ..anatomy import Anatomy, load, load_all
from ..geometry import Plane
from ..study import Frame, Naming, Stack, Study, read_all_labels, read_patient
from ..study.dicom_segmentations import (
    functional_group, is_fraction, is_segmentation, lay_over, name_and_code, outlines,
)
from ..study.identity import with_ids
from ..study.layouts import cases
from ..study.likeness import SAME_PLACE_MM
from ..study.meanings import BACKGROUND, label_values, named_values, segments_of
from ..study.scanning import files_below
from ..study.volumes import ENDINGS, VolumeFile, frames_of
from .results import Results, SegmentedStack


def read(source: Path, anatomy: str | None = None,
         label_values: Mapping[int, str] = MappingProxyType({})) -> Results:
    """The label maps of a study's folder, of a volume file of labels, of a DICOM SEG or of a folder of them.

    anatomy: its name or file; needed only where the source names neither an anatomy nor its structures. label_values:
    what the values in label maps stand for, where they are numbered otherwise. PlaneSSLError if there are no labels, or
    nothing says what they mean.
    """
    if not source.exists():
        raise PlaneSSLError(f"There is no file or folder {source}.")
    if source.is_file() and cases(source.parent):  # an image of a data set, whose labels lie elsewhere
        return _of_study(read_patient(source, anatomy=anatomy), anatomy, label_values)
    if source.is_file() and source.name.lower().endswith(ENDINGS):
        return _volume(source, anatomy, label_values)
    segs = [file for file in ([source] if source.is_file() else files_below(source)[0]) if is_segmentation(file)]
    if source.is_file() and not segs:
        raise PlaneSSLError(f"{source} cannot be measured. What can: a study's folder with labels, a label map "
                            f"({', '.join(ENDINGS)}), and DICOM SEG, a file or a folder of them.")
    if not segs:
        return _of_study(read_patient(source, anatomy=anatomy), anatomy, label_values)
    try:  # those that lie beside the images they outline, or label maps there
        study = read_patient(source, anatomy=anatomy)
    except PlaneSSLError:
        return _dicom_segs(source, segs, anatomy)
    return _of_study(study, anatomy, label_values) if study.labels else _dicom_segs(source, segs, anatomy)


def _of_study(study: Study, anatomy: str | None, names: Mapping[int, str]) -> Results:
    folder, by_stack = study.folder, defaultdict(list)
    for label in study.labels:
        by_stack[label.stack].append(replace(label, names=names or label.names))
    if not by_stack:
        told = "".join(f" {problem.file.name} {problem.reason}." for problem in study.problems[:3])
        raise PlaneSSLError(f"{folder} has no labels to measure; make some with planessl segment.{told}")
    chosen = load(anatomy or study.anatomy)
    if not chosen.labels:
        raise PlaneSSLError(f"{folder} reads as '{chosen.name}', an anatomy without structures: name another with "
                            "--anatomy.")
    stacks = []
    for name, files in by_stack.items():
        stack = study.stack(name)
        maps = dict(sorted(read_all_labels(files, stack, chosen).items()))
        stacks.append(SegmentedStack(stack, tuple(maps), tuple(
            _acquired(labels, stack, phase) for phase, labels in maps.items())))
    return Results(study, chosen, tuple(stacks))


def _acquired(labels: np.ndarray, stack: Stack, phase: int) -> tuple[np.ndarray | None, ...]:
    """The labels of a phase, slice by slice; None where a slice lacks the phase, whatever the file says."""
    return tuple(found if stack.has(i, phase) else None for i, found in enumerate(labels))


def _volume(file: Path, anatomy: str | None, names: Mapping[int, str]) -> Results:
    try:
        volume = VolumeFile(file)
    except ValueError as error:
        raise PlaneSSLError(f"{file} {error}.") from None
    segments = [(name, code) for name, code, _ in segments_of(file)]
    said = [(name, "") for name in (names or named_values(file)).values() if name.strip().lower() != BACKGROUND]
    if anatomy is None and not (said or segments):
        raise PlaneSSLError(f"{file} does not say what its labels mean: name the anatomy with --anatomy.")
    chosen = load(anatomy) if anatomy else _anatomy_of(segments or said, file)
    labels = label_values(volume.array, file, chosen, names)
    stack = Stack(id=re.sub(r"[^A-Za-z0-9_-]+", "-", file.name.split(".")[0]) or "labels", planes=volume.planes,
                  frames=frames_of([volume]), naming=Naming("", 0.0), thickness_mm=volume.thickness_mm)
    # Of a cine, phases that nobody has outlined are no empty hearts.
    phases = [k for k, phase in enumerate(labels) if phase.any()] or list(range(len(labels)))
    return _results(file, chosen, [SegmentedStack(stack, tuple(phases), tuple(tuple(labels[k]) for k in phases))])


def _dicom_segs(source: Path, files: Sequence[Path], anatomy: str | None) -> Results:
    """Objects of one series are the phases of one stack, in the order of their instance numbers.

    Objects that follow each other with different structures are of one phase: some tools write one for each.
    """
    objects = sorted((pydicom.dcmread(file) for file in files), key=lambda seg: int(seg.get("InstanceNumber") or 0))
    patients = {str(seg.get("PatientID", "")) for seg in objects} - {""}
    if len(patients) > 1:
        raise PlaneSSLError(f"{source} holds segmentations of {len(patients)} patients: name the files of one.")
    by_series = defaultdict(list)
    try:
        for seg in objects:
            by_series[seg.SeriesInstanceUID].append(seg)
        names = {name_and_code(segment) for seg in objects for segment in seg.SegmentSequence}
        chosen = load(anatomy) if anatomy else _anatomy_of(sorted(names), source)
        found = [_stack_of(series, chosen, source) for series in by_series.values()]
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        raise PlaneSSLError(f"{source} cannot be read as DICOM SEG: {error}.") from None
    stacks = with_ids([one.stack for one in found])
    return _results(source, chosen, [replace(one, stack=stack) for one, stack in zip(found, stacks, strict=True)])


def content_description(stack: Stack) -> str:
    """What tells a reader which stack was segmented; DICOM SEG carries it, and `read` takes it apart."""
    return f"{stack.id} ({stack.view})"[:64]


def _stack_and_view(description: str) -> tuple[str, str]:
    """The stack's id and its view, both empty where a description is none of ours."""
    found = re.fullmatch(r"([A-Za-z0-9_-]+) \((\S+)\)", description)
    return (found[1], found[2]) if found else ("", "")


def _stack_of(segs: Sequence[pydicom.Dataset], anatomy: Anatomy, source: Path) -> SegmentedStack:
    """Named as it was when it was segmented, its phases as well; others' is named after its series."""
    phases: list[dict[tuple, tuple[Plane, np.ndarray]]] = []
    numbers: list[int] = []
    held: set[tuple[str, str]] = set()
    for seg in segs:
        names = {name_and_code(segment) for segment in seg.SegmentSequence}
        if not phases or names & held:  # what the last phase has already comes again in the next one
            phases.append({})
            numbers.append(int(seg.get("InstanceNumber") or 0) - 1)  # ours, see `dicom_seg.write_dicom_seg`
            held = set()
        held |= names
        for key, (plane, labels) in _slices(seg, anatomy, source):
            lay_over(phases[-1].setdefault(key, (plane, np.zeros_like(labels)))[1], labels, source, is_fraction(seg))
    places = {key: plane for phase in phases for key, (plane, _) in phase.items()}
    measures = functional_group(segs[0], segs[0].PerFrameFunctionalGroupsSequence[0], "PixelMeasuresSequence")
    description = str(segs[0].get("SeriesDescription") or "")
    name, view = _stack_and_view(str(segs[0].get("ContentDescription") or ""))
    if not name or numbers != sorted({*numbers} - {-1}):
        numbers = list(range(len(phases)))
    if not name:
        places = _with_empty_ones(places)
        for phase in phases:
            phase.update({key: (plane, np.zeros(plane.shape, np.uint8))
                          for key, plane in places.items() if key not in phase})
    first = next(iter(places.values()))
    keys = sorted(places, key=lambda key: first.distance(places[key].centre))
    stack = Stack(
        id=name or re.sub(r"[^A-Za-z0-9_-]+", "-", description).strip("-") or "seg",
        planes=tuple(places[key] for key in keys),
        frames=((Frame(None),) * (numbers[-1] + 1),) * len(keys),
        naming=Naming(view, 1.0 if view else 0.0),
        series_uid=str(segs[0].SeriesInstanceUID), description=description,
        thickness_mm=float(measures.SliceThickness) if measures.get("SliceThickness") else None)
    return SegmentedStack(stack, tuple(numbers), tuple(
        tuple(phase[key][1] if key in phase else None for key in keys) for phase in phases))


def _with_empty_ones(places: dict[tuple, Plane]) -> dict[tuple, Plane]:
    """Places of slices, and those between them, a smallest gap apart.

    PlaneSSL writes every slice that was acquired; most tools leave out those in which nothing is outlined, whose width
    their neighbours would be measured with.
    """
    first = next(iter(places.values()))
    planes = sorted(places.values(), key=lambda plane: first.distance(plane.centre))
    gaps = np.diff([first.distance(plane.centre) for plane in planes])
    smallest = min(gaps[gaps > SAME_PLACE_MM], default=np.inf)  # some may lie beside each other in one plane
    found = dict(places)
    for plane, after, gap in zip(planes, planes[1:], gaps, strict=False):
        steps = round(gap / smallest)
        for i in range(1, steps):
            position = plane.position + (after.position - plane.position) * i / steps
            found[tuple(position.tolist())] = replace(plane, position=position)
    return found


def _slices(seg: pydicom.Dataset, anatomy: Anatomy, source: Path) -> Iterator[tuple[tuple, tuple[Plane, np.ndarray]]]:
    """Place of a slice -> its plane and its labels."""
    found: dict[tuple, tuple[Plane, np.ndarray]] = {}
    for plane, labels in outlines(seg, anatomy, source):
        key = tuple(round(float(x), 3) for x in plane.position)
        lay_over(found.setdefault(key, (plane, np.zeros_like(labels)))[1], labels, source, is_fraction(seg))
    yield from found.items()


def _anatomy_of(segments: Sequence[tuple[str, str]], source: Path) -> Anatomy:
    """The anatomy that knows all these structures, by name and terminology."""
    for anatomy in load_all()[0].values():
        if all(anatomy.structure(*segment) for segment in segments):
            return anatomy
    names = ", ".join(name for name, _ in segments)
    raise PlaneSSLError(f"No anatomy knows all structures of {source} ({names}): name one with --anatomy.")


def _results(source: Path, anatomy: Anatomy, stacks: list[SegmentedStack]) -> Results:
    study = Study(source, source.name, anatomy.name, tuple(one.stack for one in stacks))
    return Results(study, anatomy, tuple(stacks))
