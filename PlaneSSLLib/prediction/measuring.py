"""Volumes, ejection fractions and masses of label maps.

Rules. A structure's volume in a phase is the sum over the slices of its area times the slice's width: half the distance
to the neighbour on either side, and for the first and last slice the whole distance to their one neighbour (Simpson's
method of discs; with even steps, area times step). A single slice is as wide as it is thick. Basal and apical slices
count in full wherever a pixel is labelled; nothing is added above the first labelled slice or below the last, and
nothing is subtracted where the long axis moves through the slices: what belongs to the cavity is the labels' decision,
papillary muscles included. End-diastole and end-systole of a cavity are the phases of its largest and smallest volume
among those that all slices have; masses are taken where all cavities together are largest. Of a single slice, and
of what are no phases of a cycle (echoes, b-values, inversion times), no ejection is reported.
"""
from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from .. import PlaneSSLError
from ..anatomy import Label
from ..files import write_json, write_text
from ..study import Stack
from .results import Results, SegmentedStack


MOST_APART = 2.0  # thicknesses from slice to slice; beyond that more of an organ is missed than imaged


def measure(results: Results) -> dict:
    """{"anatomy", "stacks": [see `measure_stack`]}."""
    return {"anatomy": results.anatomy.name,
            "stacks": [measure_stack(one, results.anatomy.labels) for one in results.stacks]}


def measure_stack(segmented: SegmentedStack, structures: Sequence[Label]) -> dict:
    """All measures of one stack, by the rules above.

    Returns {"stack", "view", "slices", "phases": [numbers], "times_ms": [..] or None, "volumes_ml": {name: one a phase,
    None where a slice lacks the phase}, "cavities": {name: {"ed_phase", "es_phase", "edv_ml", "esv_ml", "sv_ml",
    "ef_percent" (None where fewer than two phases have it)}}, "masses_g": {name: number}, "mass_phase": number or None,
    "notes"}.
    """
    stack, notes = segmented.stack, []
    widths = slice_widths(stack)
    pixel_ml = [width * plane.spacing[0] * plane.spacing[1] / 1000
                for width, plane in zip(widths, stack.planes, strict=True)]
    whole = [all(image is not None for image in labels) for labels in segmented.labels]
    volumes = {label.name: [
        float(sum(ml * np.count_nonzero(image == label.value) for ml, image in zip(pixel_ml, labels, strict=True)))
        if complete else None for labels, complete in zip(segmented.labels, whole, strict=True)]
        for label in structures}
    if not all(whole):
        notes.append(f"{whole.count(False)} of {len(whole)} phases are not measured: some slices lack them")
    if len(stack.planes) == 1:
        notes.append("one slice: its volumes are those of the slice, not of the structures")
        if stack.thickness_mm is None:
            notes.append("the slice's thickness is unknown and taken as 1 mm")

    if len(stack.planes) > 1 and stack.thickness_mm and stack.step_mm > MOST_APART * stack.thickness_mm:
        notes.append(f"its slices are {stack.thickness_mm:.0f} mm thick and {stack.step_mm:.0f} mm apart: what lies "
                     "between them is guessed, and its volumes and masses are rough")

    cavities = {label.name: _ejection(volumes[label.name], segmented.phases) for label in structures
                if label.ejects and sum(whole) > 1 and len(stack.planes) > 1 and stack.dimension == "phase"}
    for name in cavities:
        absent = [segmented.phases[n] for n, volume in enumerate(volumes[name]) if volume == 0]
        if absent and any(volumes[name]):
            notes.append(f"{name} is outlined nowhere in phases {', '.join(map(str, absent))} (from 0), which are not "
                         "taken for its smallest")
    filled = [n for n, complete in enumerate(whole) if complete]
    together = {n: sum(volumes[label.name][n] for label in structures if label.ejects) for n in filled}
    fullest = max(filled, key=lambda n: together[n], default=None)
    masses = {label.name: volumes[label.name][fullest] * label.density_g_per_ml for label in structures
              if label.density_g_per_ml and fullest is not None and len(stack.planes) > 1}
    return {
        "stack": stack.id, "view": stack.view, "slices": len(stack.planes), "phases": list(segmented.phases),
        "times_ms": _times(segmented), "volumes_ml": volumes, "cavities": cavities, "masses_g": masses,
        "mass_phase": segmented.phases[fullest] if masses else None, "notes": notes}


def slice_widths(stack: Stack) -> np.ndarray:
    """(slices,) mm along the normal that each slice stands for; 1 for a single slice of unknown thickness."""
    if len(stack.planes) == 1:
        return np.array([stack.thickness_mm or 1.0])
    places = np.array([stack.planes[0].distance(plane.centre) for plane in stack.planes])
    order = np.argsort(places)
    gaps = np.diff(places[order])
    widths = np.empty(len(places))
    widths[order] = (np.r_[gaps[0], gaps] + np.r_[gaps, gaps[-1]]) / 2
    return widths


def _ejection(volumes: Sequence[float | None], phases: Sequence[int]) -> dict:
    # No cavity empties altogether: a phase in which none was outlined, or found, is none to eject by.
    measured = [n for n, volume in enumerate(volumes) if volume] or [
        n for n, volume in enumerate(volumes) if volume is not None]
    full, empty = max(measured, key=lambda n: volumes[n]), min(measured, key=lambda n: volumes[n])
    stroke = volumes[full] - volumes[empty]
    ejected = 100 * stroke / volumes[full] if volumes[full] and len(measured) > 1 else None
    return {"ed_phase": phases[full], "es_phase": phases[empty], "edv_ml": volumes[full], "esv_ml": volumes[empty],
            "sv_ml": stroke, "ef_percent": ejected}


def _times(segmented: SegmentedStack) -> list[float] | None:
    of_stack = segmented.stack.times_ms
    times = [of_stack[phase] for phase in segmented.phases]
    return None if None in times else times


def rows(document: dict) -> Iterator[dict]:
    """The measures one by one: {"stack", "view", "structure", "measure", "phase", "time_ms", "value", "unit"}."""
    def row(measure: str, structure: str, value: float | None, unit: str, phase: int | None = None) -> dict:
        time = stack["times_ms"][stack["phases"].index(phase)] if stack["times_ms"] and phase is not None else None
        return {"stack": stack["stack"], "view": stack["view"], "structure": structure, "measure": measure,
                "phase": phase, "time_ms": time, "value": value, "unit": unit}

    for stack in document["stacks"]:
        for name, found in stack["cavities"].items():
            yield row("end-diastolic volume", name, found["edv_ml"], "ml", found["ed_phase"])
            yield row("end-systolic volume", name, found["esv_ml"], "ml", found["es_phase"])
            yield row("stroke volume", name, found["sv_ml"], "ml")
            yield row("ejection fraction", name, found["ef_percent"], "%")
        for name, mass in stack["masses_g"].items():
            yield row("mass", name, mass, "g", stack["mass_phase"])
        for name, volumes in stack["volumes_ml"].items():
            for phase, volume in zip(stack["phases"], volumes, strict=True):
                yield row("volume", name, volume, "ml", phase)


def require_form(path: Path) -> None:
    if path.suffix.lower() not in (".json", ".csv"):
        raise PlaneSSLError(f"{path} should end in .json or .csv.")


def write(document: dict, path: Path) -> None:
    """Write the document as .json, or its rows as .csv."""
    require_form(path)
    if path.suffix.lower() == ".json":
        write_json(path, document)
        return
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, ["stack", "view", "structure", "measure", "phase", "time_ms", "value", "unit"])
    writer.writeheader()
    writer.writerows(rows(document))
    write_text(path, text.getvalue())
