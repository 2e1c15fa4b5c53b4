"""Enhanced multi-frame files: each frame has a place, a time and a scale of its own."""
from __future__ import annotations

import numpy as np
from made_images import image
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence


def sequence(**elements) -> Sequence:
    """One item of these elements."""
    item = Dataset()
    for name, value in elements.items():
        setattr(item, name, value)
    return Sequence([item])


def enhanced(frames: list[dict[str, Sequence]]) -> Dataset:
    """A multi-frame file of sagittal 2 x 2 images; the pixels of frame k are k."""
    made = image(1, ImagePositionPatient=None, ImageOrientationPatient=None, PixelSpacing=None, SliceThickness=None,
                 NumberOfFrames=len(frames), Rows=2, Columns=2)
    made.PixelData = np.repeat(np.arange(len(frames), dtype="<u2"), 4).tobytes()
    made.SharedFunctionalGroupsSequence = sequence(
        PlaneOrientationSequence=sequence(ImageOrientationPatient=[0, 1, 0, 0, 0, -1]),
        PixelMeasuresSequence=sequence(PixelSpacing=[2, 1], SliceThickness=7))
    made.PerFrameFunctionalGroupsSequence = Sequence([sequence(**groups)[0] for groups in frames])
    return made


def test_each_frame_of_an_enhanced_file_has_its_own_geometry_time_and_rescale(study_of):
    stack, = study_of([enhanced([{
        "PlanePositionSequence": sequence(ImagePositionPatient=[5.0 * (k % 2), 0, 0]),
        "CardiacSynchronizationSequence": sequence(NominalCardiacTriggerDelayTime=90.0 - 40 * (k // 2)),
        "PixelValueTransformationSequence": sequence(RescaleSlope=10 + k, RescaleIntercept=0.5)}
        for k in range(4)])]).stacks
    assert (len(stack.planes), stack.phases, stack.dimension, stack.thickness_mm) == (2, 2, "phase", 7)
    assert [[frame.frame_number for frame in place] for place in stack.frames] == [[3, 1], [4, 2]]
    assert [frame.time_ms for frame in stack.frames[0]] == [50, 90]
    assert stack.pixels(1, 0)[0, 0] == 3 * 13 + 0.5
    assert stack.planes[0].spacing == (2, 1)


def test_inversion_times_of_an_enhanced_file(study_of):
    stack, = study_of([enhanced([{
        "PlanePositionSequence": sequence(ImagePositionPatient=[0, 0, 0]),
        "MRModifierSequence": sequence(InversionRecovery="YES", InversionTimes=[time])}
        for time in (180.0, 100.0, 2600.0)])]).stacks
    assert (stack.phases, stack.dimension) == (3, "inversion")
    assert [frame.frame_number for frame in stack.frames[0]] == [2, 1, 3]


def test_private_positions_move_no_frame(study_of):
    """Philips repeats position and scale in a private sequence, where they are half a pixel off."""
    made = enhanced([{"PlanePositionSequence": sequence(ImagePositionPatient=[10.0 * k, 0, 0]),
                      "PixelValueTransformationSequence": sequence(RescaleSlope=2, RescaleIntercept=0)}
                     for k in range(3)])
    for groups in made.PerFrameFunctionalGroupsSequence:
        private = groups.private_block(0x2005, "Philips MR Imaging DD 005", create=True)
        private.add_new(0x0F, "SQ", sequence(ImagePositionPatient=[0.5, 0.5, 0], RescaleSlope=1))
    stack, = study_of([made]).stacks
    assert [plane.position.tolist() for plane in stack.planes] == [[0, 0, 0], [10, 0, 0], [20, 0, 0]]
    assert stack.pixels(2)[0, 0] == 4
