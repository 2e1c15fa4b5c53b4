"""Images become stacks: series, then directions, then places along the normal, then phases, echoes or b-values.

Nothing is regularised: positions that are repeated, missing or uneven stay as they are and are described in notes.
"""
from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence

import numpy as np

from .images import Image
from .likeness import SAME_PLACE_MM, classes_of, natural
from .model import Frame, Naming, Problem, Stack
from .phases import in_step
from .rejoining import rejoin
from .sides import by_laterality

SAME_SPOT_MM = 1.0  # within the plane: a slice that is shifted further than this is another slice

# What tells apart the images at one place: the field, and what a stack that varies in it is said to have.
CONTRASTS = (("component", "component"), ("b_value", "b-value"), ("echo_ms", "echo"), ("inversion_ms", "inversion"))
TIMES = (("time_ms", "phase"), ("temporal", "phase"))
COUNTERS = (("acquisition", "phase"), ("instance", "phase"))
SAME_TIME_MS = 5.0  # no cine's phases follow each other faster: trigger times nearer than that on average only scatter
BEAT_MS = 300.0  # no phases of a cycle follow each other so slowly: images further apart are of as many beats,
LONGEST_CYCLE_MS = 3000.0  # if they are more than those of one


def group(images: Sequence[Image]) -> list[Stack]:
    """Stacks in the order of their series, then of their first image; planes along the normal of the first.

    They have no names and no ids as yet.
    """
    images = sorted(images, key=lambda image: (image.instance or 0, natural(str(image.source.file))))
    stacks = [_stack(members) for series in _series(images) for part in _directions(series)
              for members in _contrasts(part)]
    return sorted(rejoin(stacks), key=lambda stack: (natural(stack.series), stack.series_uid, stack.description))


def without_copies(images: Sequence[Image]) -> tuple[list[Image], list[Problem]]:
    """The images less those that are the same instance again, in another file; those are listed."""
    kept: dict[tuple, Image] = {}
    problems = []
    for image in images:
        key = (image.sop_instance_uid, image.frame_number, image.series.uid, image.series.number, image.plane.shape,
               image.plane.position.tobytes(), image.plane.row.tobytes(), image.component,
               *(getattr(image, name) for name, _ in (*CONTRASTS, *TIMES, *COUNTERS)))
        first = kept.setdefault(key if image.sop_instance_uid else (id(image),), image)
        if first is not image:
            problems.append(Problem(image.source.file, f"is the same image as {first.source.file.name}, kept once"))
    return list(kept.values()), problems


def _series(images: Iterable[Image]) -> list[list[Image]]:
    """By UID, number and description; the folder decides only where there is no UID.

    Some anonymisers give every image a UID of its own: then UIDs tell nothing.
    """
    images = list(images)
    by_uid, without = defaultdict(list), defaultdict(list)
    for image in images:
        series = image.series
        named = series.number, series.description
        by_uid[series.uid, *named, () if series.uid else (series.study_uid, str(series.folder))].append(image)
        without[*named, str(series.folder)].append(image)
    one_each = len({image.series.uid for image in images}) == len(images) > 3 * len(without)
    return list((without if one_each else by_uid).values())


def _directions(images: list[Image]) -> list[list[Image]]:
    """Images of one direction, size, spacing, thickness, kind and side each."""
    planes = list({id(image.plane): image.plane for image in images}.values())  # a cine's images share theirs
    alike = dict(zip(map(id, planes), classes_of(planes), strict=True))
    parts = defaultdict(list)
    for image in images:
        derived = image.series.image_type.startswith("DERIVED")
        thickness = image.thickness_mm and round(image.thickness_mm, 3)  # archives write 8 as 7.9999998
        side = by_laterality(image.series.laterality)
        parts[alike[id(image.plane)], thickness, derived, localizer_type(image), side].append(image)
    return list(parts.values())


def localizer_type(image: Image) -> bool:
    """Does the image type of the header call it a localizer?"""
    return "LOCALIZER" in image.series.image_type


def _places(images: Iterable[Image]) -> list[list[Image]]:
    """Images at the same place, in order along the normal of the first."""
    images = list(images)
    normal = images[0].plane.normal
    at = {id(image.plane): float(image.plane.position @ normal) for image in images}
    places: list[list[Image]] = []
    for image in sorted(images, key=lambda image: at[id(image.plane)]):
        for place in reversed(places):
            if at[id(image.plane)] - at[id(place[0].plane)] > SAME_PLACE_MM:
                place = None
                break
            if image.plane is place[0].plane or np.linalg.norm(
                    image.plane.position - place[0].plane.position) < SAME_SPOT_MM:
                break
        else:
            place = None
        if place is None:
            places.append([image])
        else:
            place.append(image)
    return places


def _contrasts(images: list[Image]) -> list[list[Image]]:
    """Split images that vary in time and in something else: a cine from the still image beside it, or its contrasts."""
    places = _places(images)
    timed, still = [i for i in images if i.time_ms is not None], [i for i in images if i.time_ms is None]
    stills = [sum(image.time_ms is None for image in place) for place in places]
    if timed and still and max(stills) == 1 and max(map(len, _places(timed))) > 1:
        return [still, *_contrasts(timed)] if still[0] is images[0] else [*_contrasts(timed), still]
    for name, _ in CONTRASTS:
        value = _value(name)
        counts = [sorted(_counts(map(value, place)).items(), key=lambda item: str(item[0])) for place in places]
        regular = all(count == counts[0] for count in counts) and len({n for _, n in counts[0]}) == 1
        if regular and len(counts[0]) > 1 and counts[0][0][1] > 1 and any(_varies(t, places) for t, _ in TIMES):
            parts = defaultdict(list)
            for image in images:
                parts[value(image)].append(image)
            return [deep for part in parts.values() for deep in _contrasts(part)]
    return [images]


def _value(name: str) -> Callable[[Image], object]:
    return lambda image: getattr(image, name)


def _counts(values: Iterable) -> dict:
    counts: dict = defaultdict(int)
    for value in values:
        counts[value] += 1
    return counts


def _varies(name: str, places: list[list[Image]]) -> bool:
    return any(len({getattr(image, name) for image in place} - {None}) > 1 for place in places)


def _tells_apart(name: str, places: list[list[Image]]) -> bool:
    crowded = [[getattr(image, name) for image in place] for place in places if len(place) > 1]
    return all(None not in values and len(set(values)) == len(values) for values in crowded)


def _stack(images: list[Image]) -> Stack:
    places, again = _last_cycles(_places(images))
    dimension, fields, notes = _dimension(places)
    fields = [*fields, *(name for name, _ in (*TIMES, *COUNTERS) if name not in fields)]
    places = [sorted(place, key=lambda image: _rank(image, fields)) for place in places]
    first = places[0][0]
    frame_of_reference, frame_notes = _frame_of_reference(images)
    return Stack(
        id="", naming=Naming("", 0.0), planes=tuple(place[0].plane for place in places),
        frames=tuple(tuple(None if i is None else Frame(i.source, i.time_ms, i.sop_instance_uid, i.frame_number)
                           for i in place) for place in in_step(places)),
        series=first.series.number, description=first.series.description or first.series.protocol,
        series_uid=first.series.uid, localizer=localizer_type(first),
        side=by_laterality(first.series.laterality), frame_of_reference=frame_of_reference,
        thickness_mm=first.thickness_mm, dimension=dimension,
        notes=(*again, *notes, *frame_notes))


def _last_cycles(places: list[list[Image]]) -> tuple[list[list[Image]], list[str]]:
    """Of a slice whose whole cycle was acquired again, the last cycle; and a note.

    Its acquisition numbers tell them apart. Left together, the cycles would be interleaved as one of twice the phases.
    """
    usual = max(sorted(_counts(map(len, places)).items()), key=lambda item: item[1])[0]
    kept, repeated = [], 0
    for place in places:
        cycles = defaultdict(list)
        for image in place:
            cycles[image.acquisition].append(image)
        again = usual > 1 and len(cycles) > 1 and None not in cycles and {*map(len, cycles.values())} == {usual}
        repeated += again
        kept.append(cycles[max(cycles)] if again else place)
    return kept, [f"{repeated} of its slices were acquired again: their last cycle is taken"] if repeated else []


def _rank(image: Image, fields: list[str]) -> tuple:
    values = [getattr(image, name) for name in fields]
    return (*((1, 0) if value is None else (0, value) for value in values),
            natural(str(image.source.file)), image.frame_number or 0)


def _dimension(places: list[list[Image]]) -> tuple[str, list[str], list[str]]:
    """What the images at one place differ in, the fields to sort them by, and notes."""
    if all(len(place) == 1 for place in places):
        return "phase", [], []
    beats = _of_many_beats(places)
    told = (*CONTRASTS, *((("temporal", "time"),) if beats else TIMES))
    for name, kind in told:
        if _varies(name, places) and _tells_apart(name, places):
            return kind, [name], []
    for name, kind in told:
        if _varies(name, places):
            return kind, [name], [f"some images at one place have the same {kind}"]
    for name, kind in COUNTERS:
        if _varies(name, places) and _tells_apart(name, places):
            if beats:
                return "time", [name], ["the images of a slice are of as many heartbeats, by their trigger times"]
            return kind, [name], [f"images at one place are told apart by their {name} number alone"]
    return "phase", [], ["nothing tells the images at one place apart: they are in the order of their files"]


def _of_many_beats(places: list[list[Image]]) -> bool:
    """Are the images at each place of many heartbeats, as a perfusion's are?

    Either of one time in each, where it scatters, or of times that are counted on from beat to beat.
    """
    times = [[image.time_ms for image in place] for place in places if len(place) > 2]
    return bool(times) and all(None not in at and _are_of_many_beats(max(at) - min(at), len(at) - 1) for at in times)


def _are_of_many_beats(span: float, steps: int) -> bool:
    return 0 < span < SAME_TIME_MS * steps or span > max(LONGEST_CYCLE_MS, BEAT_MS * steps)


def _frame_of_reference(images: list[Image]) -> tuple[str, list[str]]:
    """The series' frame of reference, or "" (the common one) where it has none or several: they never split it."""
    found = {image.frame_of_reference for image in images} - {""}
    if len(found) > 1:
        return "", [f"{len(found)} different frames of reference in one series: taken as one"]
    return "".join(found), []
