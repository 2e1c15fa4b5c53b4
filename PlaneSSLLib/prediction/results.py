"""What was found in a study."""
from __future__ import annotations

import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .. import PlaneSSLError
from ..anatomy import Anatomy
from ..files import refuse_existing, replacing
from ..study import Stack, Study


@dataclass(frozen=True, eq=False)
class SegmentedStack:
    """labels[n][slice]: (rows, columns) uint8 label values in phase phases[n]; None where a slice lacks the phase."""

    stack: Stack
    phases: tuple[int, ...]
    labels: tuple[tuple[np.ndarray | None, ...], ...]

    def take(self, phases: Sequence[int]) -> SegmentedStack:
        """Some of its phases."""
        return SegmentedStack(self.stack, tuple(phases), tuple(self.labels[self.phases.index(k)] for k in phases))

    def filled(self, n: int) -> np.ndarray:
        """(slices, rows, columns) of phase phases[n], 0 where a slice lacks it; the slices must be of one shape."""
        return np.stack([np.zeros(plane.shape, np.uint8) if found is None else found
                         for found, plane in zip(self.labels[n], self.stack.planes, strict=True)])

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

        It is how they go from the process that computed them to the one that shows them.
        """
        refuse_existing(path, overwrite)
        arrays = {f"{one.stack.id}/{phase}/{i}": found for one in self.stacks
                  for phase, labels in zip(one.phases, one.labels, strict=True)
                  for i, found in enumerate(labels) if found is not None}
        with replacing(path) as side, open(side, "wb") as stream:
            np.savez_compressed(stream, **arrays)

    @classmethod
    def load(cls, path: Path, study: Study, anatomy: Anatomy) -> Results:
        """PlaneSSLError if the file is damaged or belongs to another study."""
        try:
            with np.load(path, allow_pickle=False) as archive:
                arrays = {tuple(name.split("/")): archive[name] for name in archive.files}
            found = {name: {int(phase) for one, phase, _ in arrays if one == name} for name, _, _ in arrays}
            stacks = []
            for name, of_stack in found.items():
                stack, phases = study.stack(name), tuple(sorted(of_stack))
                labels = tuple(tuple(arrays.get((name, str(phase), str(i))) for i in range(len(stack.planes)))
                               for phase in phases)
                if any(one is not None and one.shape != plane.shape for of_phase in labels
                       for one, plane in zip(of_phase, stack.planes, strict=True)):
                    raise KeyError(name)
                stacks.append(SegmentedStack(stack, phases, labels))
        except KeyError as error:
            raise PlaneSSLError(f"{path} holds labels of a stack {error} that {study.folder} does not have.") from None
        except (OSError, ValueError, zipfile.BadZipFile) as error:
            raise PlaneSSLError(f"{path} cannot be read as label maps: {error}.") from None
        return cls(study, anatomy, tuple(stacks))
