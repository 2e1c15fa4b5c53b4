"""What a pretrained run answered to its pretext tasks, in a file: so it goes from its process to the one that shows it.

Knows no torch.
"""
from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from .. import PlaneSSLError
from ..files import read_arrays, refuse_existing, replacing
from ..study import Study
from ..study.targets import Target

_LOCATION = "location"


def save(found: Mapping[tuple[str, int], Target], path: Path, overwrite: bool = False) -> None:
    """Write answers, by stack id and slice, into one .npz file; heatmaps in steps of 1/255, which a picture shows."""
    refuse_existing(path, overwrite)
    arrays = {}
    for (stack, i), target in found.items():
        arrays[f"{stack}/{i}/{_LOCATION}"] = np.float64(target.location)
        for name, values in zip(target.names, target.maps, strict=True):
            arrays[f"{stack}/{i}/{name}"] = np.round(255 * values).astype(np.uint8)
    with replacing(path) as side, open(side, "wb") as stream:
        np.savez_compressed(stream, **arrays)


def load(path: Path, study: Study) -> dict[tuple[str, int], Target]:
    """What `save` wrote for this study. PlaneSSLError if the file is damaged or belongs to another study."""
    maps: dict[tuple[str, int], dict[str, np.ndarray]] = {}
    arrays = read_arrays(path)
    try:
        for key, array in arrays.items():
            stack, i, name = key.split("/")
            maps.setdefault((stack, int(i)), {})[name] = array
        return {(stack, i): _target(of_slice, study.stack(stack).planes[i].shape)
                for (stack, i), of_slice in maps.items()}
    except (KeyError, IndexError, ValueError, TypeError):
        raise PlaneSSLError(f"{path} holds something else than heatmaps of the slices of {study.folder}.") from None


def _target(of_slice: dict[str, np.ndarray], shape: tuple[int, int]) -> Target:
    location = float(of_slice.pop(_LOCATION))
    if any(values.shape != shape for values in of_slice.values()):
        raise IndexError
    maps = [np.zeros((0, *shape), np.float32), *(values[None] / np.float32(255) for values in of_slice.values())]
    return Target(tuple(of_slice), np.concatenate(maps), location)
