"""Classes of studies: figures worked out by hand, bags without a favourite stack, and the slice that tells is named."""
from __future__ import annotations

import json
from collections import Counter
from contextlib import nullcontext
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from Testing.made_up_study import write_study

from PlaneSSLLib import PlaneSSLError, calls
from PlaneSSLLib.cohort import Cohort, Split, prepare
from PlaneSSLLib.cohort.samples import frames
from PlaneSSLLib.prediction.classifying import Classifier, _spread, class_figures
from PlaneSSLLib.prediction.evaluating import evaluate
from PlaneSSLLib.training.finetuning import finetune
from PlaneSSLLib.training.networks import Attention, build
from PlaneSSLLib.training.processes import Processes
from PlaneSSLLib.training.run import Run
from PlaneSSLLib.training.settings import Settings
from PlaneSSLLib.training.tasks import Classification
from PlaneSSLLib.training.tasks.classification import told_by_acquisition


def test_figures_by_hand():
    """Of 2 x 3 pairs, the positives 0.9 and 0.4 rank above the negatives 0.1, 0.4, 0.6 in 3 + 1.5."""
    found = class_figures(np.array([0.9, 0.4, 0.1, 0.4, 0.6]), np.array([1, 1, 0, 0, 0], dtype=bool))
    assert found["auc"] == pytest.approx(4.5 / 6)
    assert found["sensitivity"] == 0.5
    assert found["specificity"] == pytest.approx(2 / 3)
    assert found["brier"] == pytest.approx((0.01 + 0.36 + 0.01 + 0.16 + 0.36) / 5)
    assert found["n_positive"] == 2


def test_figures_that_need_an_answer_nobody_gives_are_none():
    found = class_figures(np.array([0.2, 0.3]), np.array([False, False]))
    assert found["auc"] is None
    assert found["sensitivity"] is None
    assert found["specificity"] == 1.0


def test_attention_is_a_weighted_mean_that_can_look_at_one_slice():
    head = Attention(4, 2)
    bag = torch.randn(3, 7, 4)
    weights = head.weights(bag)
    torch.testing.assert_close(weights.sum(1), torch.ones(3))
    centred = (bag - bag.mean((0, 1))) / bag.std((0, 1), unbiased=False)
    torch.testing.assert_close(head(bag), head.answer(torch.einsum("ni,nif->nf", weights, centred)), atol=1e-4, rtol=0)
    torch.testing.assert_close(head(bag), head(bag.flip(1)))  # the order of the slices does not matter


def test_what_all_studies_share_does_not_drown_what_tells_them_apart():
    """Hearts look alike: in training the features' differences count, and a trained head answers study by study."""
    head, bag = Attention(4, 2), torch.randn(3, 7, 4)
    alike = torch.tensor([5.0, -40.0, 0.3, 8.0]) + 0.02 * bag
    torch.testing.assert_close(head(alike), head(bag), atol=0.05, rtol=0.05)
    for _ in range(200):
        head(alike)
    head.eval()
    torch.testing.assert_close(head(alike[:1]), head(alike)[:1])


@pytest.fixture(scope="module")
def classified(tmp_path_factory):
    """Eight studies; in four of them the class is written into the pixels of one view alone."""
    root = tmp_path_factory.mktemp("classes")
    for seed in range(8):
        folder = write_study(root / "studies" / f"s{seed}", seed)
        document = json.loads((folder / "study.json").read_text())
        ill = seed % 2
        document["classes"] = {"normal": 1 - ill, "dilated": ill, "hypertrophied": int(seed < 4)}
        (folder / "study.json").write_text(json.dumps(document))
    prepare([root / "studies"], "heart", root / "cohort")
    return root


def test_bags_take_every_stack_in_turn(classified):
    cohort = Cohort(classified / "cohort")
    task = Classification.of(cohort, cohort.pseudonyms)
    study = next(iter(cohort.studies.values()))
    taken = Counter(place.stack for place in task.bag(study, np.random.default_rng(0)))
    assert set(taken.values()) == {4}  # 12 slices of three stacks, repeated where a stack has one slice
    assert task.bag(study, None) == task.bag(study, None)


def test_no_stack_of_many_is_never_seen(classified):
    one = SimpleNamespace(view="SAX", localizer=False, pixels_at=((0,), (0,)))
    study = SimpleNamespace(pseudonym="many", stacks=(one,) * 20)
    cohort, rng = Cohort(classified / "cohort"), np.random.default_rng(0)
    task = Classification.of(cohort, cohort.pseudonyms)
    assert {place.stack for _ in range(30) for place in task.bag(study, rng)} == set(range(20))


@pytest.mark.parametrize("stacks", [2, 7, 12, 25])
def test_of_a_stack_of_which_few_images_are_looked_at_these_are_not_its_ends(classified, stacks):
    """An exam has many cines: what is seen of the short axis must not be the most basal slice alone."""
    sax, cine = (SimpleNamespace(view="SAX", localizer=False, pixels_at=((0,) * 25,) * n) for n in (10, 1))
    others = stacks // 2
    study = SimpleNamespace(pseudonym="many", stacks=(*[cine] * others, sax, *[cine] * (stacks - others - 1)))
    cohort = Cohort(classified / "cohort")
    looked_at = Classification.of(cohort, cohort.pseudonyms).bag(study, None)
    assert len(looked_at) == 12 and len({place.stack for place in looked_at}) == min(stacks, 12)
    of_study = [[place for place in frames(study) if place.stack == s] for s in range(stacks)]
    for seen in (looked_at, [place for places in of_study for place in _spread(places, stacks)]):
        of_sax = [place for place in seen if place.stack == others]
        assert np.mean([place.slice for place in of_sax]) == pytest.approx(4.5, abs=0.6)
        assert 0 < np.mean([place.phase for place in seen]) < 24


def test_a_study_alone_in_its_batch_is_refused(classified, tmp_path):
    """What tells it from others would be normalised away, and the loss would fall all the same."""
    with pytest.raises(PlaneSSLError, match="at least two"):
        finetune(classified / "cohort", tmp_path / "run", "classification", settings=Settings(1, batch=1))
    assert not (tmp_path / "run").exists()


def test_a_batch_of_studies_is_not_cut_up(classified, tmp_path, monkeypatch):
    def short_of_memory(task, outputs, batch):
        raise torch.OutOfMemoryError("too much")

    monkeypatch.setattr(Classification, "sums", short_of_memory)
    with pytest.raises(PlaneSSLError, match=r"A batch of 2 studies.*--batch"):
        finetune(classified / "cohort", tmp_path / "run", "classification", settings=Settings(1, batch=2))
    monkeypatch.setattr("PlaneSSLLib.training.starting.joined", lambda kind: nullcontext(Processes(0, 2)))
    with pytest.raises(PlaneSSLError, match="without torchrun"):
        finetune(classified / "cohort", tmp_path / "several", "classification", settings=Settings(1, batch=2))
    assert not (tmp_path / "several").exists()


def test_a_class_to_which_all_give_one_answer_decides_nothing(classified):
    """Not which weights are kept, either: a study that alone has it would."""
    cohort = Cohort(classified / "cohort")
    four = tuple(cohort.studies_of(f"subject-{seed:03d}")[0] for seed in range(4))  # all of them hypertrophied
    task = Classification.of(cohort, four)
    for name in cohort.pseudonyms:
        (place,) = task.places(cohort.studies[name])
        assert task.sample(cohort.studies[name], place, None)["known"].tolist() == [True, True, False]
    told = SimpleNamespace(classes={"hypertrophied": 1})
    assert task.places(told) == []


def test_unknown_classes_are_masked(classified):
    cohort = Cohort(classified / "cohort")
    task = Classification.of(cohort, cohort.pseudonyms)
    batch = {"classes": torch.tensor([[1.0, 0.0, 0.0]]), "known": torch.tensor([[True, False, True]])}
    one = task.sums({"classes": torch.tensor([[0.3, 5.0, -1.0]])}, batch)["classes"]
    other = task.sums({"classes": torch.tensor([[0.3, -9.0, -1.0]])}, batch)["classes"]
    assert float(one) == float(other)
    assert int(task.counts(batch)["classes"]) == 2


def test_rare_answers_weigh_more(classified):
    cohort = Cohort(classified / "cohort")
    names = [cohort.studies_of(f"subject-{seed:03d}")[0] for seed in (0, 2, 4, 5)]  # one of four is dilated
    task = Classification.of(cohort, tuple(names))
    assert task._weight[cohort.plan.classes.index("dilated")] == 3


@pytest.mark.parametrize(("positive", "of"), [(2, 12), (9, 10), (1, 2)])
def test_the_best_answer_without_a_clue_is_how_often_a_class_stands(classified, positive, of):
    """Though the rarer answer weighs more: the loss is least at the share, and the head starts there."""
    plan = Cohort(classified / "cohort").plan
    task = Classification(plan, {"dilated": (of - positive) / positive})
    c = plan.classes.index("dilated")
    answers = torch.zeros(of, 3)
    answers[:positive, c] = 1
    known = torch.zeros(of, 3, dtype=torch.bool)
    known[:, c] = True
    shares = np.linspace(0.01, 0.99, 99)
    losses = []
    for share in shares:
        outputs = {"classes": torch.full((of, 3), float(np.log(share / (1 - share))))}
        losses.append(float(task.sums(outputs, {"classes": answers, "known": known})["classes"]))
    assert shares[np.argmin(losses)] == pytest.approx(positive / of, abs=0.011)
    network = build("small", task.heads, 0)
    start = torch.sigmoid(network.heads["classes"].answer[-1].bias)[c]
    assert float(start.detach()) == pytest.approx(positive / of, abs=1e-5)


def test_where_no_class_can_be_told_apart_nothing_is_trained(classified):
    cohort = Cohort(classified / "cohort")
    with pytest.raises(PlaneSSLError, match="normal, dilated, hypertrophied"):
        Classification.of(cohort, (cohort.pseudonyms[0],))


@pytest.mark.usefixtures("short_epochs")
def test_a_class_with_one_answer_is_named_and_stops_no_other(classified, tmp_path):
    cohort, said = Cohort(classified / "cohort"), []
    four = tuple(cohort.studies_of(f"subject-{seed:03d}")[0] for seed in range(4))  # all of them hypertrophied
    finetune(classified / "cohort", tmp_path / "run", "classification", split=Split(four, (), ()), report=said.append,
             settings=Settings(epochs=1, batch=2))
    assert "for hypertrophied: these classes" in next(event["text"] for event in said if event["event"] == "notice")
    answer = calls.classify(tmp_path / "run", classified / "studies" / "s1")
    assert set(answer["classes"]) == set(evaluate(tmp_path / "run", classified / "cohort")["classes"]) == {
        "normal", "dilated"}


@pytest.mark.usefixtures("short_epochs")
def test_a_class_that_goes_with_what_was_acquired_is_told(classified):
    """Late enhancement of those who are ill alone, or of those alone who are not."""
    cohort = Cohort(classified / "cohort")
    stack = next(iter(cohort.studies.values())).stacks[0]

    class Study:
        def __init__(self, ill, late):
            self.classes = {} if ill is None else {"dilated": ill, "normal": 1}
            self.stacks = (stack, replace(stack, view="2CH", sequence="LGE")) if late else (stack,)

    def told(*of):
        cohort.studies = {str(n): Study(*one) for n, one in enumerate(of)}
        return told_by_acquisition(cohort, tuple(cohort.studies))

    ill, well = [(1, True)] * 3, [(0, False)] * 3
    assert told(*ill, *well, (None, True)) == [("dilated", "2CH", "LGE")]
    assert told(*[(1, False)] * 3, *[(0, True)] * 3) == [("dilated", "2CH", "LGE")]
    assert told(*ill, *well[:2], (0, True)) == []  # a correlation of 0.71
    assert told(*ill, *[(0, True)] * 3) == told(*ill) == []


def test_from_labels_to_an_answer(classified, tmp_path):
    finetune(classified / "cohort", tmp_path / "run", "classification", subjects=8,
             settings=replace(Settings(epochs=1, batch=2), validate_every=1))
    found = evaluate(tmp_path / "run", classified / "cohort")
    assert found["subjects"] == 8
    assert found["classes"]["dilated"]["n_positive"] == 4
    answer = calls.classify(tmp_path / "run", classified / "studies" / "s1")
    assert set(answer["classes"]) == {"normal", "dilated", "hypertrophied"}
    assert sum(item["weight"] for item in answer["slices"]) == pytest.approx(1, abs=1e-4)
    cohort = Cohort(classified / "cohort")  # what is evaluated is what a user is told
    measured = Classifier(Run(tmp_path / "run")).prepared(cohort.studies[cohort.studies_of("subject-001")[0]])
    np.testing.assert_allclose(measured, list(answer["classes"].values()), atol=1e-4)
    assert {item["stack"].rpartition("-")[2] for item in answer["slices"]} <= {"SAX", "2CH", "4CH"}
    with pytest.raises(PlaneSSLError, match="not for segmentation"):
        calls.segment(tmp_path / "run", classified / "studies" / "s1")
