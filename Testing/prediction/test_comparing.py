"""The grid of the evidence: resumable, paired, honest about what it compares."""
from __future__ import annotations

import shutil
from dataclasses import replace

import numpy as np
import pytest
from Testing.made_up_run import write_run
from Testing.made_up_study import write_study
from Testing.training.conftest import coarse, cohort_folder  # noqa: F401  (fixtures)

from PlaneSSLLib import PlaneSSLError
from PlaneSSLLib.cohort import Cohort, prepare
from PlaneSSLLib.files import read_json, write_json
from PlaneSSLLib.prediction import comparing
from PlaneSSLLib.prediction.comparing import compare, paired_interval, table_text
from PlaneSSLLib.prediction.grid import Grid


def write_grid(path, text):
    path.write_text('cohort = "c"\nevaluate_on = "d"\n' + text)
    return path


@pytest.mark.parametrize("text, words", [
    ("subject = [1]", "subject"),
    ("subjects = [1, 3]\ndraws = [2]", "2 numbers of subjects and 1"),
    ("finetuning = { epoch = 3 }", "epoch"),
    ("finetuning = { epochs = 0 }", "epochs is a whole number, at least 1"),
    ("finetuning = { epochs = 1.5 }", "epochs is a whole number"),
    ("finetuning = { seed = 3 }", "seed"),
    ('task = "guessing"', "task is 'guessing', not one of segmentation, classification"),
    ('subjects = ["1"]\ndraws = [1]', "subjects is .*, not a list of whole numbers"),
    ("subjects = 3\ndraws = 1", "subjects is 3, not a list"),
    ("subjects = [1", "not valid TOML"),
    ('network = "big"', "network is 'big', not one of small, unet, resnet50"),
    ('transfer = "decoder"', "transfer is 'decoder', not one of joint, all, encoder"),
])
def test_a_grid_that_is_wrong_says_where(tmp_path, text, words):
    with pytest.raises(PlaneSSLError, match=words):
        Grid.read(write_grid(tmp_path / "g.toml", text))


def test_every_start_gets_the_same_draws_seed_by_seed(tmp_path):
    text = 'starts = ["scratch", "lines"]\nsubjects = [1, 3]\ndraws = [2, 1]'
    grid = Grid.read(write_grid(tmp_path / "g.toml", text))
    assert grid.cohort == tmp_path / "c"
    assert list(grid.cells()) == [("scratch", 1, 0), ("lines", 1, 0), ("scratch", 3, 0), ("lines", 3, 0),
                                  ("scratch", 1, 1), ("lines", 1, 1)]


def test_starts_are_known_however_they_are_spaced(tmp_path):
    text = 'starts = ["scratch", "lines, location", "lines,location"]'
    assert Grid.read(write_grid(tmp_path / "g.toml", text)).starts == ("scratch", "lines,location")


def test_the_interval_is_that_of_paired_differences():
    assert paired_interval(np.full((3, 10), 0.05)) == pytest.approx((0.05, 0.05))
    low, high = paired_interval(np.random.default_rng(0).normal(0.1, 0.1, (5, 16)))
    assert 0.02 < low < 0.1 < high < 0.18


def test_a_subject_of_whom_no_figure_can_be_taken_is_left_out_of_the_interval():
    """Nothing is outlined in it and nothing was found, in some draws or in all."""
    some = np.array([[0.1, np.nan, 0.2], [0.1, 0.3, 0.2]])
    assert np.isfinite(paired_interval(some)).all()
    none = np.array([[0.1, np.nan, 0.2]])
    assert paired_interval(none) == paired_interval(none[:, [0, 2]])


def test_a_class_that_a_draw_could_not_teach_is_compared_in_the_others_alone():
    """Ten patients may all give one answer to it; the draws are averaged class by class."""
    some, all_ = ({"classes": {name: {"auc": auc} for name, auc in aucs.items()}} for aucs in (
        {"dilated": 0.7}, {"normal": None, "dilated": 0.9, "thick": 0.6}))
    names = ["dilated", "normal", "thick"]
    np.testing.assert_array_equal(comparing._figures(some, names), [0.7, np.nan, np.nan])
    np.testing.assert_array_equal(comparing._figures(all_, names), [0.9, np.nan, 0.6])


def test_a_draw_of_which_no_figure_can_be_taken_does_not_take_the_others_with_it(tmp_path):
    """It could be taught one class, of which the evaluated subjects have none."""
    grid = Grid(tmp_path, tmp_path, task="classification", starts=("scratch",), subjects=(10,), draws=(3,))
    write_json(tmp_path / "grid.json", {})

    def evaluated(seed: int, **aucs) -> None:
        folder = comparing._finetuned(tmp_path, ("scratch", 10, seed))
        write_run(folder, task="classification")
        write_json(folder / "evaluation.json", {"classes": {name: {"auc": auc} for name, auc in aucs.items()}})

    evaluated(2, thick=None)
    with pytest.raises(PlaneSSLError, match="No figure can be computed"):
        comparing.summarise(grid, tmp_path)
    evaluated(0, dilated=0.8)
    evaluated(1, dilated=0.7)
    (row,) = comparing.summarise(grid, tmp_path)["table"]
    assert (row["draws"], row["mean"]) == (2, pytest.approx(0.75))


def test_the_table_says_when_pretraining_loses():
    rows = [{"start": "scratch", "subjects": 1, "draws": 1, "mean": 0.5, "sd": 0.0},
            {"start": "lines", "subjects": 1, "draws": 3, "mean": 0.45, "sd": 0.02, "gain": -0.05,
             "gain_interval": (-0.08, -0.02)}]
    assert "0.450 ± 0.020 (-0.050, -0.080 to -0.020)" in table_text(rows)
    assert "| scratch | 0.500, 1 of 3 draws |" in table_text(rows), "one draw has no deviation, and may be an easy one"


@pytest.fixture(scope="module")
def others(coarse, tmp_path_factory):  # noqa: F811
    """A cohort of two who are not in the other one."""
    root = tmp_path_factory.mktemp("others")
    for seed in (20, 21):
        write_study(root / f"s{seed}", seed, phases=2)
    prepare([root], str(coarse), root / "c")
    return root / "c"


@pytest.mark.usefixtures("short_epochs")
def test_nobody_is_evaluated_on_whom_a_network_was_trained(cohort_folder, tmp_path):  # noqa: F811
    grid = Grid(cohort_folder, cohort_folder / ".", subjects=(1,), draws=(1,))
    with pytest.raises(PlaneSSLError, match="very cohort that it trains on"):
        compare(grid, tmp_path / "same")
    shutil.copytree(cohort_folder, tmp_path / "copy")
    with pytest.raises(PlaneSSLError, match="are among those that are drawn"):
        compare(replace(grid, evaluate_on=tmp_path / "copy"), tmp_path / "copied")
    assert not (tmp_path / "copied").exists()


def test_nobody_is_evaluated_on_whose_other_visit_trained(cohort_folder, tmp_path):  # noqa: F811
    names = Cohort(cohort_folder).pseudonyms
    for part, kept in (("one", names[:4]), ("other", names[4:])):
        shutil.copytree(cohort_folder, tmp_path / part)
        for name in set(names) - set(kept):
            shutil.rmtree(tmp_path / part / "studies" / name)
    for part, name in (("one", names[0]), ("other", names[4])):
        file = tmp_path / part / "studies" / name / "study.json"
        write_json(file, {**read_json(file), "patient": "somebody"})
    with pytest.raises(PlaneSSLError, match="are among those that are drawn"):
        compare(Grid(tmp_path / "one", tmp_path / "other", subjects=(4,), draws=(1,)), tmp_path / "out")


def answering(cohort, folder, answer):
    """A copy of a cohort in which the n-th subject, of those in order, has these classes."""
    shutil.copytree(cohort, folder)
    for n, name in enumerate(Cohort(folder).pseudonyms):
        file = folder / "studies" / name / "study.json"
        write_json(file, {**read_json(file), "classes": answer(n)})
    return folder


@pytest.mark.parametrize(("changes", "words"), [
    ({"subjects": (99,)}, "99 labelled subjects were asked for"),
    ({"starts": ("scratch", "line")}, "The pretext tasks are"),
    ({"views": ("SHORT",), "starts": ("lines",)}, "no view 'SHORT'"),
    ({"task": "classification"}, "No study in the cohort .* has labels for classification"),
])
def test_what_cannot_be_compared_is_refused_before_any_work(cohort_folder, others, tmp_path, changes, words,  # noqa: F811
                                                            monkeypatch):
    monkeypatch.setattr(comparing, "_each", lambda *a: pytest.fail("work was begun"))
    with pytest.raises(PlaneSSLError, match=words):
        compare(replace(Grid(cohort_folder, others, subjects=(1,), draws=(1,)), **changes), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_nobody_who_tells_right_from_wrong_is_said_before_any_work(cohort_folder, others, tmp_path):  # noqa: F811
    pool = answering(cohort_folder, tmp_path / "c", lambda n: {"dilated": n % 2})
    alike = answering(others, tmp_path / "o", lambda n: {"dilated": 1})
    grid = Grid(pool, alike, task="classification", subjects=(2,), draws=(1,))
    with pytest.raises(PlaneSSLError, match="no class has subjects"):
        compare(grid, tmp_path / "out")


def test_labels_that_came_or_changed_since_are_another_comparison(cohort_folder, others, tmp_path, monkeypatch):  # noqa: F811
    """One start would be drawn from, or measured on, other subjects or other answers than the one before."""
    pool = answering(cohort_folder, tmp_path / "c", lambda n: {"dilated": n % 2} if n else {})
    of = answering(others, tmp_path / "o", lambda n: {"dilated": n % 2})
    grid = Grid(pool, of, task="classification", starts=("scratch",), subjects=(3,), draws=(2,))
    monkeypatch.setattr(comparing, "finetune", lambda cohort, run, *a, **k: write_run(run, task="classification"))
    monkeypatch.setattr(comparing, "evaluate", lambda *a, **k: {"classes": {"dilated": {"auc": 0.5}}})
    compare(grid, tmp_path / "out")
    compare(replace(grid, draws=(3,)), tmp_path / "out")
    for folder, number, key in ((pool, 0, "cohort"), (of, 1, "evaluate_on")):
        file = folder / "studies" / Cohort(folder).pseudonyms[number] / "study.json"
        before = read_json(file)
        write_json(file, {**before, "classes": {**before["classes"], "hypertrophied": 1}})
        with pytest.raises(PlaneSSLError, match=f"another comparison .the labels of {key} have changed"):
            compare(grid, tmp_path / "out")
        write_json(file, before)
    compare(grid, tmp_path / "out")


def test_a_prepared_study_knows_when_its_outlines_have_changed(others, tmp_path):
    shutil.copytree(others, tmp_path / "c")
    one, other = Cohort(others).studies.values(), Cohort(tmp_path / "c").studies.values()
    assert [study.outlines() for study in one] == [study.outlines() for study in other]
    changed = next(iter(other))
    labels = np.load(changed.folder / "labels.npy")
    labels[labels == 3] = 2
    np.save(changed.folder / "labels.npy", labels)
    assert [a.outlines() == b.outlines() for a, b in zip(one, other, strict=True)] == [False, True]


def test_a_cell_that_fails_does_not_take_the_table_of_the_others_with_it(cohort_folder, others, tmp_path,  # noqa: F811
                                                                         monkeypatch):
    grid = Grid(cohort_folder, others, starts=("scratch",), subjects=(1, 2), draws=(1, 1))

    def finetune(cohort, run, *a, subjects, **k):
        if subjects == 2:
            raise PlaneSSLError("The disk is full.")
        write_run(run)

    monkeypatch.setattr(comparing, "finetune", finetune)
    monkeypatch.setattr(comparing, "evaluate", lambda *a, **k: {"per_subject": [0.5, 0.7]})
    with pytest.raises(PlaneSSLError, match="The disk is full"):
        compare(grid, tmp_path)
    assert "| scratch | 0.600 |" in (tmp_path / "table.md").read_text()


def test_cells_of_different_subjects_are_not_paired(tmp_path):
    grid = Grid(tmp_path, tmp_path, starts=("scratch", "lines"), subjects=(1,), draws=(1,))
    write_json(tmp_path / "grid.json", {})
    for start, train, dice in (("scratch", ("a",), [0.5, 0.7]), ("lines", ("a",), [0.6])):
        folder = comparing._finetuned(tmp_path, (start, 1, 0))
        write_run(folder)
        write_json(folder / "splits.json", {"train": train, "validation": [], "test": []})
        write_json(folder / "evaluation.json", {"per_subject": dice})
    with pytest.raises(PlaneSSLError, match="trained or evaluated on different subjects"):
        comparing.summarise(grid, tmp_path)
    write_json(folder / "evaluation.json", {"per_subject": [0.6, 0.8]})
    assert comparing.summarise(grid, tmp_path)["table"][1]["gain"] == pytest.approx(0.1)
    write_json(folder / "splits.json", {"train": ["b"], "validation": [], "test": []})
    with pytest.raises(PlaneSSLError, match="trained or evaluated on different subjects"):
        comparing.summarise(grid, tmp_path)


def trains_on(device, report):
    while True:
        report({"event": "progress"})


def fails(device, report):
    raise PlaneSSLError(f"{device} is too small")


def test_an_error_on_one_device_ends_what_the_others_do():
    """A training of an hour would go on before anybody is told; stopped between two steps it loses nothing."""
    with pytest.raises(PlaneSSLError, match="cpu is too small"):
        comparing._each([(trains_on,), (fails,), (trains_on,)], ("cpu", "cpu"), lambda event: None)


def notices(name, device, report):
    for text in ("Images cannot be laid alike.", f"Of {name}."):
        report({"event": "notice", "text": text})
    report({"event": "progress", "step": 1})
    return name


@pytest.mark.parametrize("devices", [("cpu",), ("cpu", "cpu")])
def test_what_runs_say_is_told_once(devices):
    told = []
    comparing._each([(notices, "a"), (notices, "b")], devices, told.append)
    texts = [event["text"] for event in told if event["event"] == "notice"]
    assert sorted(text.partition(": ")[2] for text in texts) == ["Images cannot be laid alike.", "Of a.", "Of b."]
    assert [event["step"] for event in told if event["event"] == "progress"] == [1, 2]


def test_a_draw_in_which_all_answer_alike_is_left_out_and_told(cohort_folder, others, tmp_path, monkeypatch):  # noqa: F811
    pool = answering(cohort_folder, tmp_path / "c", lambda n: {"dilated": n % 2})
    of = answering(others, tmp_path / "o", lambda n: {"dilated": n % 2})
    grid = Grid(pool, of, task="classification", starts=("scratch",), subjects=(1, 2), draws=(1, 6))
    monkeypatch.setattr(comparing, "finetune", lambda cohort, run, *a, **k: write_run(run, task="classification"))
    monkeypatch.setattr(comparing, "evaluate", lambda *a, **k: {"classes": {"dilated": {"auc": 0.5}}})
    told = []
    compare(grid, tmp_path / "out", report=lambda event: told.append(event.get("text", "")))
    assert any("cannot be told" in text for text in told) and any("Draw 0 of 1 is left out" in text for text in told)
    left = [text for text in told if "left out" in text]
    finetuned = list((tmp_path / "out" / "finetuning").iterdir())
    assert len(left) + len(finetuned) == 7 and len(left) > 1 and len(finetuned) > 1
    with pytest.raises(PlaneSSLError, match="No draw"):
        compare(replace(grid, subjects=(1,), draws=(2,)), tmp_path / "none")


@pytest.mark.usefixtures("short_epochs")
def test_a_grid_is_done_once_and_goes_on_where_it_stopped(cohort_folder, others, tmp_path, monkeypatch):  # noqa: F811
    short = {"epochs": 1, "batch": 2, "validate_every": 1}
    grid = Grid(cohort_folder, others, starts=("scratch", "lines"), subjects=(1,), draws=(1,), views=("SAX",),
                pretraining=short, finetuning=short)
    results = compare(grid, tmp_path)
    assert [row["start"] for row in results["table"]] == ["scratch", "lines"]
    assert results["table"][1]["gain"] == pytest.approx(results["table"][1]["mean"] - results["table"][0]["mean"])
    for name in ("table.md", "curve.png", "results.json"):
        assert (tmp_path / name).stat().st_size > 0
    splits = [read_json(tmp_path / "finetuning" / f"{start}-1-0" / "splits.json") for start in ("scratch", "lines")]
    assert splits[0]["train"] == splits[1]["train"] == splits[0]["seen"]
    assert len(splits[0]["train"]) == 1
    assert set(splits[1]["seen"]) > set(splits[1]["train"])  # pretraining has seen the images of others

    trained = []
    monkeypatch.setattr(comparing, "pretrain", lambda *a, **k: pytest.fail("pretrained twice"))
    monkeypatch.setattr(comparing, "finetune", lambda cohort, run, *a, **k: trained.append(run.name))
    assert compare(grid, tmp_path)["table"] == results["table"]
    (tmp_path / "finetuning" / "lines-1-0" / "evaluation.json").unlink()
    assert compare(grid, tmp_path)["table"] == results["table"]  # evaluated again, not trained again
    (tmp_path / "finetuning" / "lines-1-0" / "evaluation.json").unlink()
    (tmp_path / "finetuning" / "lines-1-0" / "results.json").unlink()
    compare(grid, tmp_path)
    assert trained == ["lines-1-0"]
    with pytest.raises(PlaneSSLError, match=r"another comparison .*epochs"):
        compare(replace(grid, finetuning={"epochs": 2}), tmp_path)
