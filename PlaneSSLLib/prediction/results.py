"""What was found in a study."""
from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .. import PlaneSSLError
from ..anatomy import Anatomy
from ..files import read_arrays, refuse_existing, replacing
from ..study import Stack, Study, require_known

_ANATOMY, _PLANES = "anatomy", "planes"  # names in the .npz file
_PLACE = re.compile(r"(.+)/(0|[1-9]\d{0,5})/(0|[1-9]\d{0,5})")


@dataclass(frozen=True, eq=False)
class SegmentedStack:
    """labels[n][slice]: (rows, columns) uint8 label values in phase phases[n]; None where a slice lacks the phase."""

    stack: Stack
    phases: tuple[int, ...]
    labels: tuple[tuple[np.ndarray | None, ...], ...]

    @classmethod
    def of(cls, stack: Stack, images: Mapping[tuple[int, int], np.ndarray]) -> SegmentedStack:
        """From label images by (phase, slice)."""
        phases = sorted({phase for phase, _ in images})
        return cls(stack, tuple(phases), tuple(
            tuple(images.get((phase, i)) for i in range(len(stack.planes))) for phase in phases))

    def take(self, phases: Sequence[int]) -> SegmentedStack:
        """Some of its phases."""
        return SegmentedStack(self.stack, tuple(phases), tuple(self.labels[self.phases.index(k)] for k in phases))

    def filled(self, n: int) -> np.ndarray:
        """(slices, rows, columns) of phase phases[n], 0 where a slice lacks it; the slices must be of one shape."""
        return np.stack([self.image(n, i) for i in range(len(self.stack.planes))])

    def image(self, n: int, i: int) -> np.ndarray:
        """(rows, columns) of slice i in phase phases[n], 0 where there is none."""
        found = self.labels[n][i]
        return np.zeros(self.stack.planes[i].shape, np.uint8) if found is None else found

    def voxels(self, value: int) -> int:
        """How many voxels of all phases carry a label value."""
        return sum(int(np.count_nonzero(found == value)) for phase in self.labels for found in phase
                   if found is not None)


@dataclass(frozen=True, eq=False)
class Results:
    """The label maps of a study, and the anatomy that tells what their values are."""

    study: Study
    anatomy: Anatomy
    stacks: tuple[SegmentedStack, ...]

    def save(self, path: Path, overwrite: bool = False) -> None:
        """Write all label maps into one .npz file, from which `load` has them back for the same study.

        It is how they go from the process that computed them to the one that shows them. Beside the label maps
        ("STACK/PHASE/SLICE") it holds the anatomy's name and where the planes of each stack lie.
        """
        refuse_existing(path, overwrite)
        arrays = {_ANATOMY: np.array(self.anatomy.name)}
        for one in self.stacks:
            arrays[f"{one.stack.id}/{_PLANES}"] = _places(one.stack)
            arrays.update({f"{one.stack.id}/{phase}/{i}": found for phase, labels in zip(
                one.phases, one.labels, strict=True) for i, found in enumerate(labels) if found is not None})
        with replacing(path) as side, open(side, "wb") as stream:
            np.savez_compressed(stream, **arrays)

    @classmethod
    def load(cls, path: Path, study: Study, anatomy: Anatomy) -> Results:
        """PlaneSSLError if the file is damaged, or not of this study and this anatomy."""
        arrays = _arrays(path)
        kept = str(arrays.pop(_ANATOMY))
        if kept != anatomy.name:
            raise PlaneSSLError(f"The label maps in {path} are those of the anatomy '{kept}', not '{anatomy.name}'.")
        found: dict[str, dict[tuple[int, int], np.ndarray]] = {}
        for name in [name for name in arrays if not name.endswith(f"/{_PLANES}")]:
            place = _PLACE.fullmatch(name)
            if place is None:
                raise PlaneSSLError(f"{path} holds '{name}', which is no label map of planessl segment.")
            found.setdefault(place[1], {})[int(place[2]), int(place[3])] = arrays[name]
        return cls(study, anatomy, tuple(
            _of_stack(_same_stack(study, name, arrays.get(f"{name}/{_PLANES}"), path), images, anatomy, path)
            for name, images in found.items()))


def kept_anatomy(path: Path) -> str:
    """The name of the anatomy of the label maps in a file of `Results.save`; PlaneSSLError if it is none."""
    return str(_arrays(path, only=[_ANATOMY])[_ANATOMY])


def _arrays(path: Path, only: Sequence[str] = ()) -> dict[str, np.ndarray]:
    arrays = read_arrays(path, only)
    if _ANATOMY not in arrays:
        raise PlaneSSLError(f"{path} does not name an anatomy: it was not written by planessl segment --out NAME.npz.")
    return arrays


def _places(stack: Stack) -> np.ndarray:
    """(slices, 9) position, row and column of every plane."""
    return np.array([[*plane.position, *plane.row, *plane.column] for plane in stack.planes])


def _same_stack(study: Study, name: str, places: np.ndarray | None, path: Path) -> Stack:
    there = {stack.id: stack for stack in study.stacks}
    if name not in there:
        raise PlaneSSLError(f"{path} holds label maps of a stack '{name}' that {study.folder} does not have; it has "
                            f"{', '.join(there)}.")
    expected = _places(there[name])
    if places is None or places.shape != expected.shape or not np.allclose(places, expected, rtol=0, atol=1e-3):
        raise PlaneSSLError(f"{name} of {study.folder} does not lie where it lay when the label maps in {path} were "
                            "made: it is another patient's, or the study was changed since.")
    return there[name]


def _of_stack(stack: Stack, images: dict[tuple[int, int], np.ndarray], anatomy: Anatomy, path: Path) -> SegmentedStack:
    for (phase, i), image in images.items():
        place = f"the label map of slice {i} at phase {phase} of {stack.id} in {path}"
        if i >= len(stack.planes) or not stack.has(i, phase):
            raise PlaneSSLError(f"There is no image to {place} (both counted from 0).")
        if image.shape != stack.planes[i].shape or image.dtype != np.uint8:
            raise PlaneSSLError(f"{place[0].upper()}{place[1:]} is {image.dtype} of {image.shape} pixels, and must be "
                                f"uint8 of {stack.planes[i].shape}.")
        require_known(image, path, anatomy)
    return SegmentedStack.of(stack, images)
