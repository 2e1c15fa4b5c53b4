"""Lines on which images agree, and how they are measured."""
from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from Testing.made_up_study import planes
from torch import nn

from PlaneSSLLib.geometry import agree, angle_between, heatmaps, line_errors, lines_in_image
from PlaneSSLLib.prediction.pretext import evaluate_pretext
from PlaneSSLLib.training.pretraining import pretext_task

REACH_MM = 32.0
SAX, FOUR = planes("SAX", (0, 0, 0), 7), planes("4CH", (3, 2, 0))[0]
TWO = planes("2CH", (0, 0, 0))[0]


def lines_of(images, plane):
    return np.array([lines_in_image(image, [plane]) for image in images])


def turned(line, middle, degrees):
    """A line turned about a pixel (column, row), on square pixels."""
    angle = np.radians(degrees)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    normal = turn @ line[:2]
    return np.array([*normal, line[2] + line[:2] @ middle - normal @ middle])


def test_lines_of_one_plane_stay_where_they_are():
    seen = lines_of(SAX, FOUR)
    together, agreed = agree(SAX, [[FOUR]] * len(SAX), seen, REACH_MM)
    assert angle_between(agreed[FOUR].normal, FOUR.normal) < 1e-6
    angle, distance = line_errors(together[:, 0], seen[:, 0], SAX[0].shape, SAX[0].spacing)
    assert angle.max() < 1e-6
    assert distance.max() < 1e-6


def test_a_slice_that_errs_or_sees_nothing_follows_the_others():
    seen = lines_of(SAX, FOUR)
    seen[2, 0] = turned(seen[2, 0], SAX[2].to_pixels(SAX[2].centre), 70)
    seen[4, 0] = np.nan
    together, _ = agree(SAX, [[FOUR]] * len(SAX), seen, REACH_MM)
    angle, distance = line_errors(together[:, 0], lines_of(SAX, FOUR)[:, 0], SAX[0].shape, SAX[0].spacing)
    assert angle.max() < 3
    assert distance.max() < 1.5


def test_images_of_several_stacks_that_are_asked_for_one_plane_agree_on_it():
    """Two slices alone say nothing; with the two-chamber image, which sees the same plane, there are three."""
    images = [SAX[0], SAX[-1], TWO]
    seen = lines_of(images, FOUR)
    _, agreed = agree(images, [[FOUR]] * 3, seen, REACH_MM)
    assert angle_between(agreed[FOUR].normal, FOUR.normal) < 1e-6
    together, agreed = agree(images[:2], [[FOUR]] * 2, seen[:2], REACH_MM)
    assert not agreed
    np.testing.assert_array_equal(together, seen[:2])


def test_what_was_not_asked_for_is_left_alone_and_pulls_nothing():
    seen = np.concatenate([lines_of(SAX, FOUR), lines_of(SAX, TWO) + [0, 0, 9]], axis=1)
    together, agreed = agree(SAX, [[FOUR, None]] * len(SAX), seen, REACH_MM)
    assert list(agreed) == [FOUR]
    np.testing.assert_array_equal(together[:, 1], seen[:, 1])


class Knows(nn.Module):
    """Answers every image of a cohort with its true lines, but in one short-axis slice turned by so many degrees."""

    def __init__(self, task, cohort, wrong_slice, degrees):
        super().__init__()
        self.answers = {}
        for study in cohort.studies.values():
            for place in task.places(study):
                sample = task.sample(study, place, None)
                lines = sample["lines"].copy()
                if study.stacks[place.stack].view == "SAX" and place.slice == wrong_slice:
                    middle = (np.array(task.plan.size) - 1) / 2
                    lines = np.array([turned(line, middle, degrees) for line in lines])
                maps = heatmaps(lines, task.plan.size, task.plan.spacing, task.plan.sigma_mm)
                self.answers[sample["image"].tobytes()] = torch.from_numpy(maps), float(sample["location"])

    def forward(self, images):
        found = [self.answers[image.numpy().tobytes()] for image in images]
        return {"lines": torch.stack([maps for maps, _ in found]),
                "location": torch.tensor([[location] for _, location in found])}


@pytest.mark.parametrize("degrees", [0, 60])
def test_errors_are_told_of_each_image_of_what_they_agree_on_and_of_its_plane(cohort, degrees):
    task = pretext_task(("lines", "location"), cohort, ())
    network = Knows(task, cohort, 1, degrees)
    run = SimpleNamespace(config={"task": "lines,location", "views": []}, network=lambda: network)
    found = evaluate_pretext(run, cohort, cohort.pseudonyms)
    metrics = found["metrics"]
    assert found["frames"] == sum(len(task.places(study)) for study in cohort.studies.values())
    assert metrics["angle_deg"]["n"] == metrics["agreed_angle_deg"]["n"]
    assert metrics["plane_angle_deg"]["n"] == 2 * len(cohort.studies)  # 2CH and 4CH; SAX is seen in two images alone
    assert metrics["location_error_slices"]["mean"] < 1e-4
    wrong = 2 * 2 * len(cohort.studies)  # of each study two lines, in two phases
    assert metrics["angle_deg"]["mean"] == pytest.approx(degrees * wrong / metrics["angle_deg"]["n"], abs=0.1)
    assert metrics["agreed_angle_deg"]["mean"] < 0.1 + degrees / 30
    assert metrics["plane_angle_deg"]["mean"] < 0.1 + degrees / 30
    assert metrics["agreed_offset_mm"]["mean"] < 0.1 + degrees / 30
