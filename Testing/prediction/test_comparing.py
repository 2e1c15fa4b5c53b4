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
from PlaneSSLLib.prediction.comparing import Grid, compare, paired_interval, table_text


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
    ('task = "guessing"', "the tasks are segmentation and classification"),
    ('subjects = ["1"]\ndraws = [1]', "subjects is .*, not a list of whole numbers"),
    ("subjects = 3\ndraws = 1", "subjects is 3, not a list"),
    ("subjects = [1", "not valid TOML"),
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


def test_the_interval_is_that_of_paired_differences():
    assert paired_interval(np.full((3, 10), 0.05)) == pytest.approx((0.05, 0.05))
    low, high = paired_interval(np.random.default_rng(0).normal(0.1, 0.1, (5, 16)))
    assert 0.02 < low < 0.1 < high < 0.18


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
    with pytest.raises(PlaneSSLError, match="tells right from wrong"):
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
    short = {"epochs": 1, "batch": 2, "validate_every": 1}
    everybody = len(Cohort(cohort_folder).pseudonyms)
    grid = Grid(cohort_folder, tmp_path / "copy", starts=("scratch",), subjects=(everybody,), draws=(1,),
                views=("SAX",), finetuning=short)
    with pytest.raises(PlaneSSLError, match="are among those that"):
        compare(grid, tmp_path / "copied")


def trains_on(device, report):
    while True:
        report({"event": "progress"})


def fails(device, report):
    raise PlaneSSLError(f"{device} is too small")


def test_an_error_on_one_device_ends_what_the_others_do():
    """A training of an hour would go on before anybody is told; stopped between two steps it loses nothing."""
    with pytest.raises(PlaneSSLError, match="cpu is too small"):
        comparing._each([(trains_on,), (fails,), (trains_on,)], ("cpu", "cpu"), lambda event: None)


def test_a_draw_in_which_all_answer_alike_is_left_out_and_told(cohort_folder, others, tmp_path, monkeypatch):  # noqa: F811
    shutil.copytree(cohort_folder, tmp_path / "c")
    for n, name in enumerate(Cohort(tmp_path / "c").pseudonyms):  # in the order of the subjects that are drawn from
        file = tmp_path / "c" / "studies" / name / "study.json"
        write_json(file, {**read_json(file), "classes": {"dilated": n % 2}})
    grid = Grid(tmp_path / "c", others, task="classification", starts=("scratch",), subjects=(1, 2), draws=(1, 6))
    monkeypatch.setattr(comparing, "finetune", lambda cohort, run, *a, **k: write_run(run, task="classification"))
    monkeypatch.setattr(comparing, "evaluate", lambda *a, **k: {"classes": {"dilated": {"auc": 0.5}}, "trained_on": 0})
    told = []
    compare(grid, tmp_path / "out", report=lambda event: told.append(event.get("text", "")))
    assert "Draw 0 of 1 is left out" in told[0]
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
