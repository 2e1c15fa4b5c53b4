"""Images laid alike by the lines that a pretrained network sees in them."""
from __future__ import annotations

from dataclasses import asdict, replace

import numpy as np
import pytest
import torch
from Testing.made_up_study import planes
from Testing.training.conftest import QUICK, same_weights
from torch import nn

from PlaneSSLLib import PlaneSSLError, anatomy
from PlaneSSLLib.cohort import Plan, Split
from PlaneSSLLib.cohort.placing import placement, resample
from PlaneSSLLib.cohort.samples import Place
from PlaneSSLLib.files import write_json
from PlaneSSLLib.geometry import heatmaps, lines_in_image, move_lines, pose
from PlaneSSLLib.prediction.segmenting import Segmenter
from PlaneSSLLib.training.finetuning import finetune, guiding_run
from PlaneSSLLib.training.guide import Guide
from PlaneSSLLib.training.networks import Head, build
from PlaneSSLLib.training.pictures import draw_predicted_outlines
from PlaneSSLLib.training.run import Run
from PlaneSSLLib.training.tasks.segmentation import MOVES, POSED, Segmentation

HEART = anatomy.load("heart")
PLAN = Plan.of(HEART)
SAX = planes("SAX", (4, -3, 0), 7)
TWO, FOUR = planes("2CH", (0, 5, 0))[0], planes("4CH", (3, 2, 0))[0]


class Sees(nn.Module):
    """Knows by an image's brightness which slice it is, and draws the lines of two planes there; NaN draws none."""

    def __init__(self, two, four):
        super().__init__()
        self.two, self.four = two, four
        self.shown = 0

    def forward(self, images):
        self.shown += len(images)
        maps = torch.zeros(len(images), len(PLAN.targets), *PLAN.size)
        for n, image in enumerate(images):
            plane = SAX[round(float(image.max()))]
            for name, other in (("2CH", self.two), ("4CH", self.four)):
                if other is not None:
                    line = move_lines(lines_in_image(plane, [other]), placement(plane, PLAN))
                    of_line = heatmaps(line, PLAN.size, PLAN.spacing, PLAN.sigma_mm)[0]
                    maps[n, PLAN.targets.index(f"{name}:central")] = torch.from_numpy(of_line)
        return {"lines": maps}


def guide(two=TWO, four=FOUR) -> Guide:
    return Guide(Sees(two, four), PLAN, HEART, torch.device("cpu"))


def cine(phases=3):
    """Phase by phase, as a stack is segmented."""
    return [np.full(SAX[i].shape, i, np.float32) for _ in range(phases) for i in range(7)], SAX * phases


def test_the_pose_is_that_of_the_planes_that_are_seen():
    poses = guide().poses("SAX", *cine())
    assert set(poses) == set(SAX)
    for plane, found in poses.items():
        np.testing.assert_allclose(found, pose(plane, FOUR, TWO), atol=0.3)


@pytest.mark.parametrize(("phases", "looks"), [(1, 1), (2, 2), (3, 2), (40, 2)])
def test_of_a_cine_two_phases_of_every_slice_are_looked_at(phases, looks):
    one = guide()
    assert set(one.poses("SAX", *cine(phases))) == set(SAX)
    assert one.network.shown == looks * len(SAX)


@pytest.mark.parametrize(("view", "two", "four"), [
    ("2CH", TWO, FOUR), ("nonsense", TWO, FOUR), ("SAX", None, FOUR), ("SAX", FOUR, FOUR),
    ("SAX", planes("2CH", (200, 5, 0))[0], planes("4CH", (200, 200, 0))[0])])
def test_what_cannot_be_told_is_not_guessed(view, two, four):
    """No view to lay by, a line that is not seen, lines that do not cross, or far from where any organ would lie."""
    assert guide(two, four).poses(view, *cine()) == {}


def test_a_sample_is_laid_like_its_pose_and_moved_from_there(cohort):
    study = cohort.studies[cohort.pseudonyms[0]]
    place = next(place for place in Segmentation(cohort.plan).places(study) if place.slice == 2)
    plane = study.stacks[place.stack].planes[2]
    turned = np.array([[0.6, -0.8, 7], [0.8, 0.6, -4], [0, 0, 1.0]])
    poses = {(study.pseudonym, place.stack): [turned if i == 2 else np.eye(3) for i in range(5)]}
    task = Segmentation(cohort.plan, poses=poses)
    assert (task.augmentation, Segmentation(cohort.plan).augmentation) == (POSED, MOVES)
    matrix = placement(plane, cohort.plan, turned)
    plain = task.sample(study, place, None)
    image = study.image(study.stacks[place.stack], 2, place.phase)
    np.testing.assert_array_equal(plain["image"][0], resample(image, matrix, cohort.plan.size))
    unposed = Segmentation(cohort.plan).sample(study, place, None)
    assert (plain["labels"] != unposed["labels"]).any()
    other = Place("nobody", place.stack, 2, 0)
    assert task.pose(other) is None


@pytest.fixture
def start(cohort, tmp_path) -> Run:
    """A pretrained run that has learnt nothing, and says that its lines are good."""
    heads = {"lines": Head(len(cohort.plan.targets)), "location": Head(1, "image")}
    run = Run.create(
        tmp_path / "start", {"stage": "pretraining", "task": "lines,location", "network": "small", "views": [],
                             "heads": {name: asdict(head) for name, head in heads.items()}},
        cohort.plan, (cohort.folder / "anatomy.toml").read_text(encoding="utf-8"), Split((), (), ()), overwrite=False)
    run.save_weights(build("small", heads, seed=3).state_dict())
    run.write_metrics([{"epoch": 1, "angle_deg_median": 9.0}, {"epoch": 2}])
    run.finish({})
    return run


@pytest.mark.usefixtures("short_epochs")
def test_a_run_keeps_what_lays_its_images_and_hands_it_on(start, cohort_folder, cohort, tmp_path):
    told = []
    finetune(cohort_folder, tmp_path / "laid", init=start.folder, subjects=2,
             settings=replace(QUICK, epochs=1, batch=2), report=lambda event: told.append(event.get("text", "")))
    assert any("In 2 of 2 outlined stacks" in text for text in told)  # it sees nothing
    run = Run.open(tmp_path / "laid")
    for kept in (run.guide().state_dict(), run.guiding_network().state_dict()):
        assert kept.keys() == start.weights().keys()
        assert all(torch.equal(kept[name], tensor) for name, tensor in start.weights().items())
    assert run.guide_config == start.guide_config == {"network": "small", "heads": start.config["heads"]}
    segmenter = Segmenter(run, "cpu")
    study = cohort.studies[cohort.pseudonyms[-1]]
    stack = next(stack for stack in study.stacks if stack.view == "SAX")
    images, of = [study.image(stack, i, 0) for i in range(5)], list(stack.planes)
    assert [found.shape for found in segmenter.segment(images, of, "SAX")] == [plane.shape for plane in of]
    (tmp_path / "laid" / "guide.safetensors").unlink()
    with pytest.raises(PlaneSSLError, match=r"guide\.safetensors is missing: copy the whole folder"):
        Segmenter(run, "cpu")


def test_lines_that_are_far_off_lay_no_images(start, cohort):
    told, split = [], Split(cohort.pseudonyms[:2], (), ())
    assert guiding_run(start, cohort, split, told.append) is start and not told
    start.write_metrics([{"epoch": 1, "angle_deg_median": 12.0}, {"epoch": 3, "angle_deg_median": 41.0}])
    assert guiding_run(start, cohort, split, told.append) is None
    assert "start are off by a median of 41 degrees" in told[0]["text"].replace(str(start.folder.parent) + "/", "")


def test_a_finetuned_run_lays_images_only_if_it_was_laid_itself(start, cohort):
    """Of one that was not, because its lines were far off perhaps, nobody has measured them since."""
    split = Split(cohort.pseudonyms[:2], (), ())
    for more, guides in (({}, False), ({"guide": start.guide_config}, True)):
        write_json(start.folder / "config.json", {**start.config, "stage": "finetuning", **more})
        told = []
        assert (guiding_run(start, cohort, split, told.append) is start) == guides
        assert ["without alignment" in event["text"] for event in told] == [True] * (not guides)


@pytest.mark.usefixtures("short_epochs")
def test_what_is_not_to_be_laid_is_not(start, cohort_folder, tmp_path):
    finetune(cohort_folder, tmp_path / "plain", init=start.folder, subjects=2, align=False,
             settings=replace(QUICK, epochs=1, batch=2))
    assert Run.open(tmp_path / "plain").guide() is None and not (tmp_path / "plain" / "guide.safetensors").exists()


@pytest.mark.usefixtures("short_epochs")
def test_a_resumed_training_is_laid_as_it_was_begun(start, cohort_folder, tmp_path, monkeypatch):
    """The pretraining whose weights were taken over may have gone on meanwhile, and even got worse."""
    def go(name: str, **more) -> None:
        finetune(cohort_folder, tmp_path / name, init=start.folder, subjects=2,
                 settings=replace(QUICK, batch=1), **more)

    def stopped(run: Run, state: dict) -> None:
        save_state(run, state)
        raise KeyboardInterrupt

    go("whole")
    save_state = Run.save_state
    with monkeypatch.context() as interrupted, pytest.raises(KeyboardInterrupt):
        interrupted.setattr(Run, "save_state", stopped)
        go("cut")
    start.save_weights({name: 2 * tensor for name, tensor in start.weights().items()})
    start.write_metrics([{"epoch": 1, "angle_deg_median": 41.0}])
    go("cut", resume=True)
    assert same_weights(tmp_path / "whole", tmp_path / "cut")
    whole, cut = (Run.open(tmp_path / name).guide().state_dict() for name in ("whole", "cut"))
    assert all(torch.equal(whole[name], cut[name]) for name in whole)


@pytest.mark.usefixtures("short_epochs")
def test_the_report_shows_images_as_the_run_sees_them(start, cohort_folder, cohort, tmp_path, monkeypatch):
    settings = replace(QUICK, epochs=1, batch=2)
    finetune(cohort_folder, tmp_path / "laid", init=start.folder, subjects=2, settings=settings)
    run, shown = Run.open(tmp_path / "laid"), []
    network = run.network()
    network.register_forward_pre_hook(lambda module, given: shown.extend(given[0][:, 0].numpy()))
    monkeypatch.setattr(Run, "network", lambda run: network)
    turned = np.array([[0.6, -0.8, 7], [0.8, 0.6, -4], [0, 0, 1.0]])
    monkeypatch.setattr(Guide, "poses", lambda guide, view, images, planes: dict.fromkeys(planes, turned))
    draw_predicted_outlines(run, cohort, tmp_path / "outlines.png")
    study = cohort.studies[next(name for name in cohort.pseudonyms if name not in run.split.train)]
    expected = []
    for place in Segmentation(cohort.plan).places(study):
        stack = study.stacks[place.stack]
        matrix = placement(stack.planes[place.slice], cohort.plan, turned)
        expected.append(resample(study.image(stack, place.slice, place.phase), matrix, cohort.plan.size))
    assert any(np.array_equal(shown[0], image) for image in expected)
