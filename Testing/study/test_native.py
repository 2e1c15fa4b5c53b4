"""Headers and pixels that are read without pydicom are what pydicom reads, or are left to it."""
from __future__ import annotations

import random
import struct
from contextlib import suppress
from pathlib import Path

import numpy as np
import pydicom
import pytest
from made_images import image, write
from pydicom.dataset import Dataset
from pydicom.pixels import pixel_array
from pydicom.sequence import Sequence
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian, RLELossless

from PlaneSSLLib import PlaneSSLError
from PlaneSSLLib.study import read_study
from PlaneSSLLib.study.dicom import TAGS, HeaderReader
from PlaneSSLLib.study.elements import read_elements
from PlaneSSLLib.study.scanning import files_below, scan

SYNTAXES = (ImplicitVRLittleEndian, ExplicitVRLittleEndian, ExplicitVRBigEndian)


def encoded(path: Path, syntax: str = ExplicitVRLittleEndian, allocated: int = 16, stored: int = 16, signed: int = 0,
            frames: int = 1, shape: tuple[int, int] = (5, 7), **changes) -> Path:
    """An image of random bits, unused ones as well."""
    made = image(1, BitsAllocated=allocated, BitsStored=stored, HighBit=stored - 1, PixelRepresentation=signed,
                 NumberOfFrames=frames, Rows=shape[0], Columns=shape[1], **changes)
    made.file_meta.TransferSyntaxUID = syntax
    made.PixelData = random.Random(7).randbytes((frames * shape[0] * shape[1] * allocated // 8 + 1) // 2 * 2)
    made["PixelData"].VR = "OW" if allocated > 8 else "OB"
    return write(made, path)


def pydicoms(source) -> np.ndarray:
    if source.frame is not None:
        return pixel_array(source.file, index=source.frame)
    return pydicom.dcmread(source.file, force=True).pixel_array


@pytest.mark.parametrize("syntax", SYNTAXES, ids=["implicit", "explicit", "big-endian"])
@pytest.mark.parametrize(("allocated", "stored", "signed"), [
    (16, 16, 0), (16, 16, 1), (16, 12, 0), (16, 12, 1), (8, 8, 0), (8, 7, 1), (32, 32, 1), (32, 20, 0)])
@pytest.mark.parametrize("frames", [1, 3])
def test_every_encoding_is_decoded_as_pydicom_does(tmp_path, syntax, allocated, stored, signed, frames):
    """Five times seven pixels of one byte leave a byte that belongs to none, and frames that start at odd bytes."""
    file = encoded(tmp_path / "x.dcm", syntax, allocated, stored, signed, frames,
                   RescaleSlope=0.3, RescaleIntercept=-7.5)
    images = HeaderReader().images(file)
    assert len(images) == frames
    for one in images:
        expected = pydicoms(one.source)
        if allocated > 8 or syntax != ExplicitVRBigEndian:
            stored_pixels = one.source.native.read(file, one.source.frame or 0)
            np.testing.assert_array_equal(stored_pixels, expected)
        np.testing.assert_array_equal(
            one.source.read(), expected.astype(np.float32) * np.float32(0.3) + np.float32(-7.5))


@pytest.mark.filterwarnings("ignore:The pixel data is")
@pytest.mark.parametrize("what", ["padded", "excess", "elements behind", "two frames in place of one", "float"])
def test_what_is_out_of_the_ordinary_is_left_to_pydicom(tmp_path, what):
    file = encoded(tmp_path / "x.dcm")
    made = pydicom.dcmread(file)
    if what == "padded":
        file.write_bytes(file.read_bytes() + bytes(16))
    elif what == "excess":
        made.PixelData += bytes(6)
    elif what == "two frames in place of one":
        del made.NumberOfFrames
        made.PixelData *= 2
    elif what == "elements behind":
        made.add_new(0xFFFCFFFC, "OB", bytes(10))
    else:
        made.BitsAllocated = made.BitsStored = 32
        made.FloatPixelData = np.linspace(0, 1, 35, dtype="<f4").tobytes()
        del made.PixelData
    if what != "padded":
        write(made, file)
    source, = (one.source for one in HeaderReader().images(file))
    assert source.native is not None
    assert source.native.read(file) is None
    if what in ("excess", "elements behind", "float"):
        np.testing.assert_array_equal(source.read().squeeze(), pydicoms(source).squeeze().astype(np.float32))


def test_headers_that_pydicom_refuses_are_refused(tmp_path):
    for name, changes in (("a", {"PhotometricInterpretation": None}), ("b", {"BitsStored": 17}),
                          ("c", {"SamplesPerPixel": None}), ("d", {"PixelRepresentation": 2})):
        source, = (one.source for one in HeaderReader().images(write(image(1, **changes), tmp_path / f"{name}.dcm")))
        assert source.native is None
        with pytest.raises(PlaneSSLError, match=rf"{name}\.dcm cannot be decoded"):
            source.read()


@pytest.mark.parametrize("cut", [1, 40, 4000])
def test_a_file_that_shrinks_after_it_was_looked_at_is_named(tmp_path, cut):
    file = encoded(tmp_path / "x.dcm")
    source, = (one.source for one in HeaderReader().images(file))
    file.write_bytes(file.read_bytes()[:-cut])
    with pytest.raises(PlaneSSLError, match=r"x\.dcm cannot be decoded"):
        source.read()


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("folder", "every"), [
    ("odd-dicom", 4), ("knee-sagittal", 4), ("heart-multiview", 9), ("heart-sunnybrook", 40), ("heart-pig", 40),
    ("prostate", 10)])
def test_real_images_are_decoded_as_pydicom_does(data, folder, every):
    images, _, _ = scan(files_below(data(folder))[0])
    straight = 0
    for one in images[::every]:
        pixels = one.source.native and one.source.native.read(one.source.file, one.source.frame or 0)
        if pixels is not None:
            straight += 1
            np.testing.assert_array_equal(pixels, pydicoms(one.source))
    assert straight > 0.9 * len(images[::every])


@pytest.mark.filterwarnings("ignore")
def test_damaged_pixels_and_headers_are_never_read_otherwise_than_by_pydicom(tmp_path):
    whole = encoded(tmp_path / "x.dcm", stored=12).read_bytes()
    drawn = random.Random(2026)
    straight = others = 0
    for _ in range(300):
        damaged = bytearray(whole)
        damaged[drawn.randrange(132, len(damaged) - 70)] = drawn.randrange(256)
        (tmp_path / "x.dcm").write_bytes(damaged)
        try:
            images = HeaderReader().images(tmp_path / "x.dcm")
        except ValueError:
            continue
        for one in images or ():
            pixels = one.source.native and one.source.native.read(one.source.file, one.source.frame or 0)
            with suppress(Exception):  # what pydicom does not read at all cannot be compared
                expected = pydicoms(one.source)
                straight += pixels is not None
                others += pixels is not None and not np.array_equal(pixels, expected)
    assert straight > 100
    assert others == 0


@pytest.mark.parametrize("syntax", SYNTAXES, ids=["implicit", "explicit", "big-endian"])
@pytest.mark.parametrize("undefined", [True, False])
def test_elements_are_those_that_pydicom_finds(tmp_path, syntax, undefined):
    """Sequences within sequences before them, of known length and up to a delimiter."""
    made = image(1, SpecificCharacterSet="ISO_IR 192", PatientID="Müller")
    made.file_meta.TransferSyntaxUID = syntax
    inner = Dataset()
    inner.ReferencedSOPInstanceUID, inner.PurposeOfReferenceCodeSequence = "1.2.3", Sequence([Dataset(), Dataset()])
    made.ReferencedImageSequence = Sequence([inner, Dataset(), inner])
    made.add_new(0x00090010, "LO", "PRIVATE")
    made.add_new(0x00091001, "UN", b"\xfe\xff\xdd\xe0\0\0\0\0")  # looks like the end of a sequence
    made["ReferencedImageSequence"].is_undefined_length = undefined
    inner["PurposeOfReferenceCodeSequence"].is_undefined_length = undefined
    inner.is_undefined_length_sequence_item = undefined
    file = write(made, tmp_path / "x.dcm")
    head = file.read_bytes()
    delimiter = struct.pack(">HH" if syntax == ExplicitVRBigEndian else "<HH", 0xFFFE, 0xE00D)
    assert (delimiter in head) == undefined
    at = 144 + struct.unpack_from("<L", head, 140)[0]  # behind the file meta information, which tells its length
    found, end = read_elements(head, at, 0x0028, TAGS, syntax == ImplicitVRLittleEndian, syntax != ExplicitVRBigEndian)
    expected = pydicom.dcmread(file)
    assert set(found) == set(expected.keys()) & set(TAGS)
    for tag, element in found.items():
        theirs = expected.get_item(tag).value
        assert element.value == (theirs.encode() if isinstance(theirs, str) else theirs)  # they decode character sets
    assert end == len(head) - 48 * 2 - (8 if syntax == ImplicitVRLittleEndian else 12)
    assert HeaderReader().images(file)[0].series.subject == "Müller"


def test_compressed_images_have_no_native_pixels(tmp_path):
    made = image(1)
    made.compress(RLELossless, generate_instance_uid=False)
    one, = HeaderReader().images(write(made, tmp_path / "x.dcm"))
    assert one.source.native is None
    np.testing.assert_array_equal(one.source.read(), pydicoms(one.source))


@pytest.mark.parametrize("rescale", [{}, {"RescaleSlope": 2.0, "RescaleIntercept": -7.0}])
@pytest.mark.parametrize("stored", [{}, {"BitsStored": 12, "HighBit": 11}, {"PixelRepresentation": 1}])
def test_where_the_least_is_white_pixels_are_turned_round(tmp_path, rescale, stored):
    values = np.arange(48).reshape(8, 6) + 1
    whole = 2 ** stored.get("BitsStored", 16) - 1
    turned = (-1 - values if "PixelRepresentation" in stored else whole - values).astype("<i4").astype("<u2")
    for name, kind, pixels in (("usual", "MONOCHROME2", values.astype("<u2")), ("turned", "MONOCHROME1", turned)):
        write(image(PhotometricInterpretation=kind, PixelData=pixels.tobytes(), **rescale, **stored),
              tmp_path / name / "1.dcm")
    usual, inverted = (read_study(tmp_path / name).stacks[0].pixels(0) for name in ("usual", "turned"))
    np.testing.assert_array_equal(usual, inverted)
