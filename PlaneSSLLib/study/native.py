"""Uncompressed DICOM pixels straight from their file: pydicom parses its whole header again, which takes far longer."""
from __future__ import annotations

import os
import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

SYNTAXES = (ImplicitVRLittleEndian, ExplicitVRLittleEndian, ExplicitVRBigEndian)


@dataclass(frozen=True)
class NativePixels:
    """How a header says that the pixels lie in their file. shape: (frames, rows, columns).

    unused_bits: how many of each number's high bits stand for nothing and are filled with its sign, as pydicom does.
    """

    syntax: str
    dtype: np.dtype
    unused_bits: int
    shape: tuple[int, int, int]

    @classmethod
    def of(cls, syntax: str, photometric: str, samples: int | None, signed: int | None, allocated: int | None,
           stored: int | None, shape: tuple[int, int, int]) -> NativePixels | None:
        """From the elements of the image group; None for everything out of the ordinary, which is left to pydicom."""
        big = syntax == ExplicitVRBigEndian
        grey = samples == 1 and photometric in ("MONOCHROME1", "MONOCHROME2")
        if (syntax not in SYNTAXES or not grey or signed not in (0, 1)
                or allocated not in ((16, 32) if big else (8, 16, 32)) or not 1 <= (stored or 0) <= allocated):
            return None
        return cls(syntax, np.dtype(f"{'>' if big else '<'}{'ui'[signed]}{allocated // 8}"), allocated - stored, shape)

    def read(self, file: Path, frame: int = 0) -> np.ndarray | None:
        """(rows, columns) stored numbers; None unless the pixels are the last element of the file, and whole."""
        frames, rows, columns = self.shape
        frame_bytes = rows * columns * self.dtype.itemsize
        length = -(-frames * frame_bytes // 2) * 2  # an element has an even number of bytes
        before = self._before(length)
        with open(file, "rb") as stream:
            start = os.fstat(stream.fileno()).st_size - length
            if start < len(before[0]):
                return None
            stream.seek(start - len(before[0]))
            if stream.read(len(before[0])) not in before:
                return None
            stream.seek(start + frame * frame_bytes)
            pixels = np.frombuffer(stream.read(frame_bytes), self.dtype).reshape(rows, columns)
        return pixels << self.unused_bits >> self.unused_bits if self.unused_bits else pixels

    def _before(self, length: int) -> list[bytes]:
        """What may stand right before the pixels: the element's tag, its VR and its length."""
        order = ">" if self.syntax == ExplicitVRBigEndian else "<"
        tag, size = struct.pack(f"{order}HH", 0x7FE0, 0x0010), struct.pack(f"{order}L", length)
        if self.syntax == ImplicitVRLittleEndian:
            return [tag + size]
        return [tag + vr + b"\0\0" + size for vr in (b"OW", b"OB")]
