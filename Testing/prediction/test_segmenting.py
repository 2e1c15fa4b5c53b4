"""What the segmenter does with frames, whatever the network is."""
from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from scipy import ndimage
from scipy.special import softmax
from Testing.prediction.conftest import TruthTeller
from Testing.training import test_guide as laid

from PlaneSSLLib import PlaneSSLError, anatomy
from PlaneSSLLib.cohort.placing import placement, resample
from PlaneSSLLib.geometry import Plane
from PlaneSSLLib.prediction import segmenting
from PlaneSSLLib.prediction.cleaning import largest_pieces
from PlaneSSLLib.prediction.sampling import turned
from PlaneSSLLib.prediction.segmenting import Segmenter
from PlaneSSLLib.training.guide import Guide
from PlaneSSLLib.training.run import Run

HEART = anatomy.load("heart")

HOUSE = Path(__file__).resolve().parents[2]


def disc(plane: Plane, column: float, row: float, radius: float = 12) -> np.ndarray:
    """A disc of label 3 in a ring of 2, as the truth teller wants them; centre and radius in pixels."""
    rows, columns = np.indices(plane.shape)
    away = np.hypot(rows - row, columns - column)
    return np.select([away < radius, away < radius + 6], [1.0, 2 / 3]).astype(np.float32)


def flat(shape=(150, 170), spacing=(2.0, 2.0)) -> Plane:
    return Plane((0, 0, 0), (1, 0, 0), (0, 1, 0), spacing, shape)


class Network(TruthTeller):
    """The truth teller, which counts its batches and has memory for so many images only; on the CPU for any."""

    def __init__(self, at_once: int, message: str = "") -> None:
        super().__init__()
        self.at_once, self.message, self.batches = at_once, message, []

    def forward(self, image):
        self.batches.append(len(image))
        if len(image) > self.at_once:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory.") if not self.message else RuntimeError(self.message)
        return super().forward(image)


def test_values_are_those_of_the_anatomy_and_outside_the_grid_is_background(truthful):
    plane = flat()
    truth = disc(plane, 84.5, 74.5, 80)
    (found,) = truthful.segment([truth], [plane])
    assert found.dtype == np.uint8 and found.shape == plane.shape
    reach = 144 * 1.5 / 2 / 2.0  # half the grid, in pixels
    rows, columns = np.indices(plane.shape)
    outside = (np.abs(rows - 74.5) > reach) | (np.abs(columns - 84.5) > reach)
    assert not found[outside].any()
    assert (found[~outside] == 3).mean() > 0.95


@pytest.mark.parametrize("rows, columns", [((10, 134), (10, 134)), ((70, 95), (60, 80))], ids=["large", "small"])
def test_labels_are_the_likeliest_after_resampling_the_probabilities(run, rows, columns):
    """A smooth random answer, sure of the background around these, brought back channel by channel by scipy."""
    plane, plan = flat((170, 150), (1.7, 1.3)), run.plan
    rng = np.random.default_rng(3)
    answer = 3 * np.stack([ndimage.gaussian_filter(rng.normal(size=plan.size), 4) * 14 for _ in range(4)])
    answer[0] += 60
    answer[0, slice(*rows), slice(*columns)] -= 60

    class Answers(torch.nn.Module):
        def forward(self, image):
            return {"segmentation": torch.from_numpy(answer.astype(np.float32))[None].expand(len(image), -1, -1, -1)}

    segmenter = Segmenter(run, "cpu")
    segmenter.network = Answers()
    found, _ = segmenter.segment([np.zeros(plane.shape, np.float32)] * 2, [plane] * 2)
    back = np.linalg.inv(placement(plane, plan))
    structures = np.stack([resample(p.astype(np.float32), back, plane.shape) for p in softmax(answer, 0)[1:]])
    shares = np.concatenate([1 - structures.sum(0, keepdims=True), structures])
    clear = np.diff(np.sort(shares, 0)[-2:], axis=0)[0] > 1e-5  # no tie within rounding
    np.testing.assert_array_equal(found[clear], shares.argmax(0)[clear])
    assert set(np.unique(found)) == {0, 1, 2, 3}


@pytest.mark.parametrize("radius_px", [1.5, 5, 17])
def test_nothing_is_cut_off_a_structure_with_soft_edges(run, radius_px):
    """On pixels finer than the grid's, a structure reaches past the last grid point at which it is ahead."""
    plane, plan = flat((300, 300), (0.7, 0.7)), run.plan
    rows, columns = np.indices(plan.size) - np.reshape(plan.size, (2, 1, 1)) / 2
    probability = (1 / (1 + np.exp(np.hypot(rows, columns) - radius_px))).astype(np.float32)
    logits = np.log(np.stack([1 - probability, probability, *[np.full_like(probability, 1e-9)] * 2]))

    class Answers(torch.nn.Module):
        def forward(self, image):
            return {"segmentation": torch.from_numpy(logits)[None]}

    segmenter = Segmenter(run, "cpu")
    segmenter.network = Answers()
    found, = segmenter.segment([np.zeros(plane.shape, np.float32)], [plane])
    share = resample(probability, np.linalg.inv(placement(plane, plan)), plane.shape)
    clear = np.abs(share - 0.5) > 1e-4
    np.testing.assert_array_equal(found[clear] > 0, share[clear] > 0.5)


def test_frames_of_several_sizes_come_back_in_order(truthful):
    planes = [flat((80, 90)), flat((80, 90)), flat((70, 60), (1.5, 2.2)), flat((80, 90))] * 5
    images = [disc(plane, 40 + i % 3, 35 - i % 2) for i, plane in enumerate(planes)]
    seen = []
    found = truthful.segment(images, planes, progress=lambda done, of: seen.append((done, of)))
    for labels, image in zip(found, images, strict=True):
        assert (labels == 3 * image).mean() > 0.97
        assert np.abs(np.argwhere(labels == 3).mean(0) - np.argwhere(image == 1).mean(0)).max() < 0.1
    assert seen[-1] == (20, 20) and [done for done, _ in seen] == sorted(done for done, _ in seen)


@pytest.mark.parametrize("message", ["", "MPS backend out of memory (MPS allocated: 1 GB)",
                                     "DefaultCPUAllocator: can't allocate memory: you tried to allocate 1 bytes"])
def test_out_of_memory_batches_are_halved_until_they_fit(run, message):
    said = []
    segmenter = Segmenter(run, "cpu", batch=16, report=said.append)
    segmenter.network = Network(at_once=3, message=message)
    plane = flat((64, 64))
    images = [disc(plane, 20 + k, 32, 8) for k in range(20)]
    found = segmenter.segment(images, [plane] * 20)
    assert segmenter.batch == 2
    assert [np.argwhere(labels == 3).mean(0)[1].round() for labels in found] == [20 + k for k in range(20)]
    assert [event["event"] for event in said] == ["notice"] * 3
    assert "2 images at a time" in said[-1]["text"]
    assert segmenter.network.batches[:3] == [16, 8, 4] and set(segmenter.network.batches[3:]) == {2}


def test_out_of_memory_with_one_image_the_cpu_goes_on(run):
    said = []
    segmenter = Segmenter(run, "cpu", batch=2, report=said.append)
    segmenter.device = torch.device("meta")  # a device that is not the CPU and holds nothing

    class OnDevice(Network):
        def to(self, device):
            self.at_once = 99
            return self

    segmenter.network = OnDevice(at_once=0)
    plane = flat((64, 64))
    (found,) = segmenter.segment([disc(plane, 32, 32)], [plane])
    assert (found == 3).any()
    assert segmenter.device == torch.device("cpu")
    assert "on the CPU" in said[-1]["text"]


def test_what_lays_images_makes_do_with_less_memory_as_well(run):
    class Short(laid.Sees):
        def forward(self, images):
            if len(images) > 3:
                raise torch.OutOfMemoryError("too much")
            return super().forward(images)

    said = []
    segmenter = Segmenter(run, "cpu", batch=16, report=said.append)
    segmenter.network = TruthTeller()
    segmenter.guide = Guide(Short(laid.TWO, laid.FOUR), run.plan, run.anatomy, segmenter.device, report=said.append)
    images, planes = laid.cine(1)
    assert len(segmenter.segment(images, planes, "SAX")) == len(images)
    assert ["images at a time" in event["text"] for event in said] == [True] * 2 and segmenter.guide.batch == 2


def test_where_nothing_fits_one_sentence_says_so(run):
    segmenter = Segmenter(run, "cpu", batch=4)
    segmenter.network = Network(at_once=0)
    with pytest.raises(PlaneSSLError, match="not enough memory"):
        segmenter.segment([np.zeros((64, 64), np.float32)], [flat((64, 64))])


def test_other_errors_of_a_network_are_not_taken_for_a_lack_of_memory(run):
    segmenter = Segmenter(run, "cpu")
    segmenter.network = Network(at_once=0, message="mat1 and mat2 shapes cannot be multiplied")
    with pytest.raises(RuntimeError, match="mat1"):
        segmenter.segment([np.zeros((64, 64), np.float32)], [flat((64, 64))])


def test_an_organ_off_the_middle_is_looked_at_again_in_the_middle_of_the_grid(run):
    said = []
    segmenter = Segmenter(run, "cpu", report=said.append)
    segmenter.network = Network(at_once=99)
    plane = flat((200, 200))  # 400 mm, of which the grid sees 216
    planes, truth = [plane] * 3, [disc(plane, 148 + k, 110, 14) for k in range(3)]  # cut by the grid's border at 153.5
    found = segmenter.segment(truth, planes)
    for labels, image in zip(found, truth, strict=True):
        overlap = 2 * ((labels == 3) & (image == 1)).sum() / ((labels == 3).sum() + (image == 1).sum())
        assert overlap > 0.98
    assert len(segmenter.network.batches) == 2
    assert [event["event"] for event in said] == ["notice"]


def test_an_organ_within_the_grid_is_looked_at_once(run):
    segmenter = Segmenter(run, "cpu")
    segmenter.network = Network(at_once=99)
    segmenter.segment([disc(flat((200, 200)), 110, 90)], [flat((200, 200))])
    small = flat((60, 60), (1.0, 1.0))  # the image ends before the grid does: nothing can be cut off
    segmenter.segment([disc(small, 30, 30, 60)], [small])
    assert len(segmenter.network.batches) == 2


def test_the_first_look_is_kept_where_the_second_cuts_no_less(run):
    segmenter = Segmenter(run, "cpu")
    segmenter.network = TruthTeller()
    everywhere = np.ones((200, 200), np.float32)
    (found,) = segmenter.segment([everywhere], [flat((200, 200))])
    rows, columns = np.nonzero(found)
    assert rows.min() + rows.max() == columns.min() + columns.max() == 199


def test_a_run_that_does_not_segment_is_refused(run, monkeypatch):
    heads = {"lines": {"channels": 2, "per": "pixel"}}
    config = {**run.config, "stage": "pretraining", "task": "lines", "heads": heads}
    monkeypatch.setattr(Run, "config", config)
    with pytest.raises(PlaneSSLError, match="pretrained on lines, not for segmentation: finetune it first"):
        Segmenter(run, "cpu")


def test_cleaning_keeps_the_largest_piece_of_every_structure():
    labels = np.zeros((3, 20, 20), np.uint8)
    labels[0:2, 2:8, 2:8] = 3  # two slices of one piece
    labels[0, 10:18, 10:16] = 3  # larger in its slice, smaller as a whole
    labels[2, 8, 8] = 3  # touches by a corner only
    labels[1, 15, 2:4], labels[2, 19, 19] = 1, 1
    cleaned = largest_pieces(labels, HEART.labels)
    expected = np.zeros_like(labels)
    expected[0:2, 2:8, 2:8], expected[1, 15, 2:4] = 3, 1
    np.testing.assert_array_equal(cleaned, expected)
    assert not largest_pieces(np.zeros((2, 3, 4), np.uint8), HEART.labels).any()


@pytest.mark.parametrize(("pieces", "kept"), [(1, 36), (2, 36 + 16), (0, 36 + 16 + 1)])
def test_cleaning_keeps_as_many_pieces_as_a_structure_has(pieces, kept):
    """Of two kidneys the smaller one is no island, and what may be torn can be in any number of pieces."""
    structure = replace(HEART.labels[0], pieces=pieces)
    labels = np.zeros((3, 20, 20), np.uint8)
    labels[0, 0:6, 0:6] = labels[0, 8:12, 8:12] = labels[2, 15, 15] = structure.value
    cleaned = largest_pieces(labels, [structure])
    assert np.count_nonzero(cleaned) == kept
    assert set(np.unique(cleaned)) == {0, structure.value}


def test_cleaning_takes_nothing_from_torn_menisci():
    knee = anatomy.load("knee")
    soft = [label.value for label in knee.labels if label.name not in ("femur", "tibia", "patella")]
    labels = np.random.default_rng(0).choice([0, *soft], (3, 20, 20))
    np.testing.assert_array_equal(largest_pieces(labels, knee.labels), labels)


@pytest.mark.skipif(not Path("/proc/self/status").is_file(), reason="only Linux tells the memory of a process this way")
def test_a_long_cine_of_many_slices_takes_little_memory(run):
    """15 slices x 30 phases of 256 x 256: under 2 GB on top of the libraries and the weights."""
    code = f"""
import re
import numpy as np
from pathlib import Path
from types import SimpleNamespace
from Testing.prediction.conftest import TruthTeller
from Testing.scene.made_up import Pixels, planes
from PlaneSSLLib.prediction.sampling import turned
from PlaneSSLLib.prediction.segmenting import Segmenter
from PlaneSSLLib.prediction.studies import segment_stack
from PlaneSSLLib.study import Frame, Naming, Stack
from PlaneSSLLib.training.run import Run

class Read(Pixels):
    def read(self):
        return np.random.default_rng(0).integers(0, 4, (256, 256)).astype(np.float32)

def largest_gb():
    return int(re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1]) / 2**20

segmenter = Segmenter(Run.open(Path({str(run.folder)!r})), "cpu")
segmenter.network = TruthTeller()
held = largest_gb()
stack = Stack("sax", planes((1, 0, 0), (0, 1, 0), (256, 256), slices=15),
              tuple(tuple(Frame(Read(None)) for _ in range(30)) for _ in range(15)), Naming("SAX", 1.0))
found = segment_stack(segmenter, stack)
assert len(found.labels) == 30 and len(found.labels[0]) == 15
print(largest_gb() - held)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=HOUSE)
    assert 0 < float(done.stdout) < 2.0


def test_images_that_are_laid_alike_get_their_labels_on_their_own_pixels(truthful):
    """A grid turned and moved for each slice: what is found goes back to where it was seen."""
    planes = [flat(), flat((140, 160))]
    truth = [disc(planes[0], 70, 90), disc(planes[1], 95.5, 60, 20)]
    poses = {planes[0]: np.array([[0.8, -0.6, -25], [0.6, 0.8, 20], [0, 0, 1.0]]),
             planes[1]: np.array([[0.6, 0.8, 30], [-0.8, 0.6, -15], [0, 0, 1.0]])}
    truthful.guide = SimpleNamespace(poses=lambda view, images, planes: poses if view == "SAX" else {})
    notices = []
    truthful.report = lambda event: notices.append(event["text"])
    for shown, found in zip(truth, truthful.segment(truth, planes, "SAX"), strict=True):
        assert (found == np.rint(3 * shown)).mean() > 0.995 and (found == 3).any()
    assert not notices
    laid = truthful.segment(truth, planes, "SAX")
    for one, other in zip(laid, truthful.segment(truth, planes, "oblique"), strict=True):  # the run knows SAX alone
        np.testing.assert_array_equal(one, other)
    truthful.guide = SimpleNamespace(poses=lambda view, images, planes: {})
    truthful.segment(truth, planes, "SAX")
    assert "are segmented without alignment" in notices[0]


def test_of_images_that_are_laid_alike_only_the_part_with_something_in_it_is_sampled_back(truthful, monkeypatch):
    plane = flat()
    turn = np.array([[0.8, -0.6, -25], [0.6, 0.8, 20], [0, 0, 1.0]])
    truthful.guide = SimpleNamespace(poses=lambda view, images, planes: {plane: turn})
    sizes = []
    monkeypatch.setattr(segmenting, "turned", lambda images, matrices, size: sizes.append(size) or turned(
        images, matrices, size))
    found, nothing = truthful.segment([disc(plane, 60, 100), np.zeros(plane.shape, np.float32)], [plane] * 2, "SAX")
    assert sizes[1][0] < plane.shape[0] / 2 and sizes[1][1] < plane.shape[1] / 2 and not nothing.any()
    monkeypatch.setattr(segmenting, "_open_to", lambda probabilities: (slice(0, 144), slice(0, 144)))
    everywhere, _ = truthful.segment([disc(plane, 60, 100), np.zeros(plane.shape, np.float32)], [plane] * 2, "SAX")
    np.testing.assert_array_equal(found, everywhere)
    monkeypatch.undo()
    sizes.clear()
    assert not truthful.segment([np.zeros(plane.shape, np.float32)], [plane], "SAX")[0].any()
