"""Losses, masks and metrics of the tasks, against values worked out by hand or by plain arithmetic."""
from __future__ import annotations

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn import functional
from torch.utils.data import default_collate
from Testing.made_up_study import write_knee

from PlaneSSLLib import PlaneSSLError
from PlaneSSLLib.anatomy import load
from PlaneSSLLib.cohort import Cohort, Plan, Split, prepare
from PlaneSSLLib.cohort.samples import RandomFrames, FrameList, Interleaved, Place, some_of
from PlaneSSLLib.cohort.store import PreparedStudy
from PlaneSSLLib.geometry import heatmaps
from PlaneSSLLib.training.pretraining import pretext_task
from PlaneSSLLib.training.starting import free_places_of
from PlaneSSLLib.training.tasks import Joint, Segmentation
from PlaneSSLLib.training.tasks.baselines import Masked, Position
from PlaneSSLLib.training.tasks.planes import Planes


def batch_of(task, cohort, n=6, seed=0):
    places = [place for study in cohort.studies.values() for place in task.places(study)]
    drawn = RandomFrames(cohort, places, task.sample, seed, n)
    return default_collate([drawn[i] for i in range(n)])


def test_the_lines_loss_is_the_mean_over_valid_maps_alone(cohort):
    task = Planes(cohort.plan, cohort.anatomy)
    batch = batch_of(task, cohort)
    outputs = {"lines": torch.rand_like(batch["maps"]), "location": torch.rand(6, 1)}
    valid = batch["lines_mask"]
    assert 0 < valid.sum() < valid.numel()
    expected = np.mean([float((outputs["lines"][i, t] - batch["maps"][i, t]).square().mean())
                        for i, t in valid.nonzero().tolist()])
    found = task.sums(outputs, batch)["lines"] / task.counts(batch)["lines"]
    assert float(found) == pytest.approx(expected, rel=1e-5)


def test_what_is_masked_does_not_matter(cohort):
    """A network may say anything of a line or a location that is not there."""
    task = Planes(cohort.plan, cohort.anatomy)
    batch = batch_of(task, cohort, n=12)
    assert not batch["location_mask"].all()
    outputs = {"lines": torch.rand_like(batch["maps"]), "location": torch.rand(12, 1)}
    before = task.sums(outputs, batch)
    wild = {"lines": torch.where(batch["lines_mask"][..., None, None], outputs["lines"], 1e3),
            "location": torch.where(batch["location_mask"][:, None], outputs["location"], 1e3)}
    after = task.sums(wild, batch)
    assert {k: float(v) for k, v in before.items()} == pytest.approx({k: float(v) for k, v in after.items()})


def test_targets_are_geometrys(cohort):
    task = Planes(cohort.plan, cohort.anatomy)
    batch, plan = batch_of(task, cohort), cohort.plan
    for i, t in batch["lines_mask"].nonzero().tolist():
        ideal = heatmaps(batch["lines"][i, t][None].numpy(), plan.size, plan.spacing, plan.sigma_mm)
        np.testing.assert_allclose(batch["maps"][i, t], ideal[0], atol=1e-6)
        assert 0.99 < float(batch["maps"][i, t].max()) <= 1


def test_perfect_heatmaps_measure_no_error(cohort):
    task = Planes(cohort.plan, cohort.anatomy)
    batch = batch_of(task, cohort)
    measured = task.measure({"lines": batch["maps"], "location": batch["location"][:, None]}, batch)
    assert np.median(measured["angle_deg"]) < 0.01
    assert np.median(measured["distance_mm"]) < 0.01
    assert np.median(measured["offset_mm"]) < 0.01
    assert max(measured["location_error_slices"]) == 0


def test_a_line_that_is_not_found_is_not_flattered(cohort):
    task = Planes(cohort.plan, cohort.anatomy, location=False)
    batch = batch_of(task, cohort)
    measured = task.measure({"lines": torch.zeros_like(batch["maps"])}, batch)
    assert set(measured["angle_deg"]) == {90.0}
    assert set(measured["distance_mm"]) == {32.0} == set(measured["offset_mm"])


def test_the_offset_does_not_grow_with_the_angle(cohort):
    """A line turned about the middle of the image that cuts is far off at its ends, and not at all in the middle."""
    task = Planes(cohort.plan, cohort.anatomy, location=False)
    batch = batch_of(task, cohort)
    turned = torch.zeros_like(batch["maps"])
    for i, t in batch["lines_mask"].nonzero().tolist():
        a, b, _ = batch["lines"][i, t].numpy()
        middle = batch["middles"][i, t].numpy()
        normal = np.array([a - 0.2 * b, b + 0.2 * a])  # by 11.3 degrees: the working grid's pixels are square
        line = np.array([[*normal, -normal @ middle]])
        turned[i, t] = torch.from_numpy(heatmaps(line, cohort.plan.size, cohort.plan.spacing, cohort.plan.sigma_mm)[0])
    measured = task.measure({"lines": turned}, batch)
    assert np.median(measured["angle_deg"]) == pytest.approx(11.31, abs=0.1)
    assert np.median(measured["distance_mm"]) > 3
    assert np.median(measured["offset_mm"]) < 0.05


def test_a_map_of_all_lines_of_a_stack_is_learnt_and_not_measured_as_one(cohort, tmp_path):
    text = cohort.anatomy.file.read_text(encoding="utf-8")
    (tmp_path / "all.toml").write_text(text.replace('"SAX"]', '"SAX:all"]'), encoding="utf-8")
    anatomy = load(str(tmp_path / "all.toml"))
    task = Planes(Plan.of(anatomy), anatomy, views=("4CH",))
    study = next(iter(cohort.studies.values()))
    batch = default_collate([task.sample(study, place, None) for place in task.places(study)])
    t = task.plan.targets.index("SAX:all")
    assert batch["lines_mask"][:, t].all()  # several ridges, which the loss looks at
    outputs = {"lines": batch["maps"], "location": batch["location"][:, None]}
    asked = int(batch["lines_mask"].sum()) - int(batch["lines_mask"][:, t].sum())
    measured = task.line_measures(task.seen_lines(outputs, batch), batch)
    assert len(measured["angle_deg"]) == asked > 0
    assert max(measured["offset_mm"]) < 0.5


def test_location_error_is_in_slices(cohort):
    task = Planes(cohort.plan, cohort.anatomy, lines=False)
    batch = batch_of(task, cohort)
    measured = task.measure({"location": batch["location"][:, None] + 0.25}, batch)
    np.testing.assert_allclose(measured["location_error_slices"], 1.0, atol=1e-5)  # a quarter of four steps


@pytest.fixture
def joint(cohort):
    """One labelled subject among all."""
    return Joint(Segmentation(cohort.plan), Planes(cohort.plan, cohort.anatomy), cohort.pseudonyms[:1])


OUTLINED, FREE = [0, 1, 2, 3, 5, 6, 7, 8], [4, 9]  # of ten samples


def joint_batch(joint, cohort, seed=0):
    """Ten samples, every fifth one from subjects whose labels may not be seen."""
    labelled = joint.places(cohort.studies[cohort.pseudonyms[0]])
    free = [place for name in cohort.pseudonyms[1:] for place in joint.free_places(cohort.studies[name])]
    drawn = Interleaved(*(RandomFrames(cohort, places, joint.sample, seed, 10) for places in (labelled, free)))
    return default_collate([drawn[i] for i in range(len(drawn))])


def test_joint_losses_are_those_of_both_tasks_each_on_what_it_knows(joint, cohort):
    batch = joint_batch(joint, cohort)
    outputs = {"segmentation": torch.randn(10, 4, *cohort.plan.size), "lines": torch.rand_like(batch["maps"]),
               "location": torch.rand(10, 1)}
    sums, counts = joint.sums(outputs, batch), joint.counts(batch)
    of_known = {"labels": batch["labels"][OUTLINED]}
    alone = joint.segmentation.sums({"segmentation": outputs["segmentation"][OUTLINED]}, of_known)
    for name in ("cross_entropy", "dice"):
        assert float(sums[name] / counts[name]) == pytest.approx(
            float(alone[name] / joint.segmentation.counts(of_known)[name]), rel=1e-6)
    for name, value in joint.planes.sums(outputs, batch).items():
        assert float(sums[name]) == float(value)
    unlabelled = {name: values[FREE] for name, values in batch.items()}
    nothing = joint.sums({name: values[FREE] for name, values in outputs.items()}, unlabelled)
    assert float(nothing["dice"]) == float(nothing["cross_entropy"]) == 0  # a piece of a cut-up batch


def test_joint_labels_and_lines_belong_to_one_image(joint, cohort):
    """Each task makes of it what it makes alone: where nothing is outlined planes, else both, moved alike."""
    study = cohort.studies[cohort.pseudonyms[0]]
    place = joint.places(study)[3]
    both = joint.sample(study, place, np.random.default_rng(4))
    planes = Planes(cohort.plan, cohort.anatomy, augmentation=joint.segmentation.augmentation)
    for task in (joint.segmentation, planes):
        alone = task.sample(study, place, np.random.default_rng(4))
        for name, values in alone.items():
            np.testing.assert_array_equal(both[name], values)
    other = cohort.studies[cohort.pseudonyms[1]]
    place = joint.free_places(other)[3]
    free = joint.sample(other, place, np.random.default_rng(4))
    for name, values in joint.planes.sample(other, place, np.random.default_rng(4)).items():
        np.testing.assert_array_equal(free[name], values)
    assert (free["labels"] == -1).all()


def test_joint_on_other_pixels_leaves_the_first_as_it_was(joint, cohort):
    coarse = copy.copy(joint)
    coarse.plan = joint.plan.coarser(16)
    study = cohort.studies[cohort.pseudonyms[0]]
    place = joint.places(study)[0]
    for task, size in ((coarse, (32, 32)), (joint, (64, 64))):
        sample = task.sample(study, place, np.random.default_rng(0))
        assert sample["image"].shape[1:] == sample["labels"].shape == sample["maps"].shape[1:] == size


def test_joint_never_opens_the_labels_of_others(joint, cohort, monkeypatch):
    opened = []
    labels = PreparedStudy.labels
    monkeypatch.setattr(PreparedStudy, "labels",
                        lambda study, *place: opened.append(study.pseudonym) or labels(study, *place))
    batch = joint_batch(joint, cohort)
    assert set(opened) == {cohort.pseudonyms[0]}
    assert (batch["labels"][FREE] == -1).all()


def test_planes_are_learnt_beside_from_nobody_who_validates_or_tests(joint, cohort):
    names = cohort.pseudonyms
    free = free_places_of(joint, cohort, Split(names[:1], names[1:3], names[3:4]))
    assert {place.study for place in free} == {names[0], *names[4:]}


def test_every_sample_follows_from_its_number_alone(cohort):
    task = Planes(cohort.plan, cohort.anatomy)
    places = [place for study in cohort.studies.values() for place in task.places(study)]
    one, other = (RandomFrames(cohort, places, task.sample, 5, 40) for _ in range(2))
    list(map(other.__getitem__, range(7)))
    for name, value in one[7].items():
        np.testing.assert_array_equal(value, other[7][name])
    assert not np.array_equal(one[7]["image"], RandomFrames(cohort, places, task.sample, 6, 40)[7]["image"])


def test_validation_frames_are_not_augmented(cohort):
    task = Segmentation(cohort.plan)
    places = task.places(next(iter(cohort.studies.values())))
    first, again = (FrameList(cohort, places, task.sample)[3] for _ in range(2))
    np.testing.assert_array_equal(first["image"], again["image"])


def test_every_phase_is_used(cohort):
    study = next(iter(cohort.studies.values()))
    assert {place.phase for place in Planes(cohort.plan, cohort.anatomy).places(study)} == {0, 1}


def test_some_of_the_frames_are_of_all_phases_and_always_the_same():
    places = [Place("p", 0, i, k) for i in range(200) for k in range(2)]
    some = some_of(places, 100)
    assert some == some_of(places, 100) == sorted(some, key=places.index) and len(set(some)) == 100
    assert min(sum(place.phase == k for place in some) for k in range(2)) > 30
    assert some_of(places, 400) == places


def test_views_choose_the_input(cohort):
    study = next(iter(cohort.studies.values()))
    places = Planes(cohort.plan, cohort.anatomy, views=("SAX",)).places(study)
    assert {study.stacks[place.stack].view for place in places} == {"SAX"}
    # Location alone: one-slice stacks teach nothing.
    places = Planes(cohort.plan, cohort.anatomy, lines=False).places(study)
    assert {study.stacks[place.stack].view for place in places} == {"SAX"}


def test_segmentation_labels_are_channels_and_the_loss_is_torchs(cohort):
    gap = replace(cohort.plan, labels=((3, "LV"), (1, "RV"), (2, "MYO")))  # a map with another order
    task = Segmentation(gap)
    batch = batch_of(task, cohort)
    assert set(batch["labels"].unique().tolist()) <= {0, 1, 2, 3}
    logits = torch.randn(6, 4, *gap.size)
    sums, counts = task.sums({"segmentation": logits}, batch), task.counts(batch)
    expected = functional.cross_entropy(logits, batch["labels"])
    assert float(sums["cross_entropy"] / counts["cross_entropy"]) == pytest.approx(float(expected), rel=1e-5)
    perfect = functional.one_hot(batch["labels"], 4).permute(0, 3, 1, 2) * 50.0
    sums = task.sums({"segmentation": perfect}, batch)
    assert float(sums["dice"] / counts["dice"]) == pytest.approx(0, abs=1e-4)
    assert min(task.measure({"segmentation": perfect}, batch)["dice"]) == 1.0


def test_masked_counts_hidden_pixels_alone(cohort):
    task = Masked(cohort.plan)
    batch = batch_of(task, cohort)
    assert (batch["image"][batch["hidden"]] == 0).all()
    outputs = {"pixels": torch.where(batch["hidden"], batch["pixels"] + 2, 1e3)}
    assert float(task.sums(outputs, batch)["pixels"] / task.counts(batch)["pixels"]) == pytest.approx(4, rel=1e-4)


def test_position_boxes_lie_along_the_lines(cohort):
    task = Position(cohort.plan, cohort.anatomy, views=("SAX",))
    lines = np.array([[2.0, 0.0, -64.0], [0.0, 2.0, -60.0]])  # column 32 and row 30, on pixels of 2 mm
    boxes = task._boxes(lines)
    assert boxes[30, 32] == 1
    on_vertical = {int(boxes[row, 32]) for row in range(64)} - {0}
    on_horizontal = {int(boxes[30, column]) for column in range(64)} - {0}
    assert on_vertical == {1, 2, 3, 4, 5}
    assert on_horizontal == {1, 6, 7, 8, 9}


def test_position_boxes_are_those_of_the_same_two_views_whatever_was_acquired(cohort, monkeypatch):
    """A 3CH in place of a 4CH crosses the 2CH, too, and would have given other boxes under the same numbers."""
    task, (study, *_) = Position(cohort.plan, cohort.anatomy, views=("SAX",)), cohort.studies.values()
    place = task.places(study)[0]
    expected = task.sample(study, place, None)["position"]
    four = next(stack for stack in study.stacks if stack.view == "4CH")
    monkeypatch.setattr(study, "stacks", (*study.stacks, replace(four, view="3CH", planes=tuple(
        replace(plane, position=plane.position + 25 * plane.normal) for plane in four.planes))))
    task = Position(cohort.plan, cohort.anatomy, views=("SAX",))
    np.testing.assert_array_equal(task.sample(study, place, None)["position"], expected)
    monkeypatch.setattr(study, "stacks", tuple(stack for stack in study.stacks if stack.view != "4CH"))
    assert Position(cohort.plan, cohort.anatomy, views=("SAX",)).places(study) == []


def test_position_boxes_are_counted_alike_in_both_knees(tmp_path):
    knees = load("knee")
    found = []
    for side in ("left", "right"):
        prepare([write_knee(tmp_path / side, side)], "knee", tmp_path / "cohorts" / side)
        cohort = Cohort(tmp_path / "cohorts" / side)
        task, (study,) = Position(cohort.plan, knees), cohort.studies.values()
        found.append([task.sample(study, place, None)["position"] for place in task.places(study)])
    assert len(found[0]) == len(found[1]) == 15
    for one, other in zip(*found, strict=True):
        assert len(np.unique(one)) > 3
        np.testing.assert_array_equal(other, one)


@pytest.mark.parametrize("names", [(), ("line",), ("masked", "lines")])
def test_tasks_that_do_not_exist_or_go_together(cohort, names):
    with pytest.raises(PlaneSSLError):
        pretext_task(names, cohort, ())
