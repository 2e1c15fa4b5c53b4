"""A study that one process has read and another uses: planes and names as JSON, pixels as bare arrays, in a folder.

Reading and decoding a study may take long, and a program with windows must not wait for it; mapping arrays that lie
ready takes no time.
"""
from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import numpy as np

from .. import PlaneSSLError
from ..files import read_json, replacing_folder, write_json
from .model import Frame, Stack, Study

_DOCUMENT = "handover.json"


@dataclass(frozen=True)
class _Slice:
    """The pixels of all phases of one slice, in a file of their own, which is mapped only while it is read."""

    array: Path

    def pixels(self) -> np.ndarray:
        """(phases, rows, columns)."""
        try:
            return np.load(self.array, mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError) as error:
            raise PlaneSSLError(f"The pixels that were kept in {self.array} are gone or damaged ({error}); "
                                "read the study again.") from None


@dataclass(frozen=True)
class KeptImage:
    """One image of a study that was handed over. file: the one that it was acquired in."""

    file: Path
    slice: _Slice
    phase: int

    def read(self) -> np.ndarray:
        """(rows, columns) float32, as the original gives them."""
        return self.slice.pixels()[self.phase].astype(np.float32)


def hand_over(study: Study, folder: Path, report: Callable[[int, int], None] = lambda done, of: None) -> None:
    """Write a study with all its pixels into a new folder. PlaneSSLError if an image cannot be decoded.

    report: called with (slices done, of).
    """
    done, of = 0, sum(len(stack.planes) for stack in study.stacks)
    with replacing_folder(folder) as side:
        for number, stack in enumerate(study.stacks):
            for i, frames in enumerate(stack.frames):
                pixels = np.stack([frame.source.read() for frame in frames if frame is not None])
                whole = pixels.astype(np.int16) if np.abs(pixels).max() < 2**15 else pixels
                np.save(side / f"{number}-{i}.npy", whole if np.array_equal(whole, pixels) else pixels)
                done += 1
                report(done, of)
        write_json(side / _DOCUMENT, {
            **study.as_json(), "stacks": [_document(stack) for stack in study.stacks]})


def take_over(folder: Path) -> Study:
    """The study that `hand_over` wrote; its pixels are mapped from the folder, which must stay as long as they."""
    document = read_json(folder / _DOCUMENT)
    return Study.from_json(document, tuple(
        _stack(one, folder, number) for number, one in enumerate(document["stacks"])))


def _document(stack: Stack) -> dict:
    return {**stack.as_json(), "frames": [
        [frame and [str(frame.source.file), frame.time_ms, frame.sop_instance_uid, frame.frame_number]
         for frame in frames] for frames in stack.frames]}


def _stack(document: dict, folder: Path, number: int) -> Stack:
    frames = []
    for i, of_slice in enumerate(document["frames"]):
        pixels = _Slice(folder / f"{number}-{i}.npy")
        kept = count()
        frames.append(tuple(frame and Frame(KeptImage(Path(frame[0]), pixels, next(kept)), *frame[1:])
                            for frame in of_slice))
    return Stack.from_json(document, tuple(frames))
