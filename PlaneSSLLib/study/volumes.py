"""Volume files (NIfTI, NRRD, MetaImage) and study.json."""
from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from .. import PlaneSSLError
from ..geometry import Plane
from .model import Frame, LabelFile, Naming, Problem, Stack

ENDINGS = (".nii", ".nii.gz", ".nrrd", ".nhdr", ".mha", ".mhd")


class VolumeFile:
    """A volume file: its planes at once, its pixels when they are asked for, read once."""

    def __init__(self, file: Path) -> None:
        self.file = file
        reader = sitk.ImageFileReader()
        reader.SetFileName(str(file))
        try:
            reader.ReadImageInformation()
        except RuntimeError as error:
            raise ValueError(f"it cannot be read ({str(error).splitlines()[-1].strip()})") from None
        size, dimension = reader.GetSize(), reader.GetDimension()
        if dimension not in (2, 3, 4) or reader.GetNumberOfComponents() != 1:
            raise ValueError("it holds no grey image of 2, 3 or 4 dimensions")
        direction = np.eye(3)
        direction[:min(dimension, 3), :min(dimension, 3)] = np.reshape(
            reader.GetDirection(), (dimension, dimension))[:3, :3]
        spacing, origin = (*reader.GetSpacing(), 1.0), np.array((*reader.GetOrigin(), 0.0)[:3])
        count = size[2] if dimension > 2 else 1
        self.phases = size[3] if dimension > 3 else 1
        self.thickness_mm = spacing[2]
        self.planes = tuple(
            Plane(origin + k * spacing[2] * direction[:, 2], direction[:, 0], direction[:, 1],
                  (spacing[1], spacing[0]), (size[1], size[0])) for k in range(count))

    @cached_property
    def array(self) -> np.ndarray:
        """(phases, slices, rows, columns), in the type of the file."""
        try:
            array = sitk.GetArrayFromImage(sitk.ReadImage(str(self.file)))
        except RuntimeError as error:
            raise PlaneSSLError(f"The pixels of {self.file} cannot be read: {str(error).splitlines()[-1]}.") from None
        return array.reshape(self.phases, len(self.planes), *array.shape[-2:])


@dataclass(frozen=True)
class VolumeSlice:
    """The pixels of one slice and phase of a volume file."""

    volume: VolumeFile
    phase: int
    slice_index: int

    @property
    def file(self) -> Path:
        return self.volume.file

    def read(self) -> np.ndarray:
        return self.volume.array[self.phase, self.slice_index].astype(np.float32)


def stacks_of_views(folder: Path, views: dict) -> tuple[list[Stack], list[LabelFile], list[Problem]]:
    """The stacks that study.json names: per view its files, which are phases of one stack, in file order."""
    stacks, labels, problems = [], [], []
    for view, names in views.items():
        volumes = []
        for name in names:
            try:
                volumes.append(VolumeFile(folder / name))
            except ValueError as error:
                problems.append(Problem(folder / name, str(error)))
        if not volumes:
            continue
        frames = tuple(
            tuple(Frame(VolumeSlice(volume, phase, k)) for volume in volumes for phase in range(volume.phases))
            for k in range(len(volumes[0].planes)))
        stack = Stack(
            id=view, planes=volumes[0].planes, frames=frames, description=view, thickness_mm=volumes[0].thickness_mm,
            naming=Naming(view, 1.0, ("study.json names the view",)))
        stacks.append(stack)
        phase = 0
        for volume in volumes:
            label = folder / "labels" / volume.file.name
            if label.is_file():
                labels.append(LabelFile(label, view, phase))
            phase += volume.phases
    return stacks, labels, problems
