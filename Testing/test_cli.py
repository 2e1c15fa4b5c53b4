"""The command line is a contract: names, JSON, exit statuses, and nothing half-written."""
from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from Testing.made_up_study import write_study

from PlaneSSLLib.cli import main

COMMAND = [sys.executable, "-m", "PlaneSSLLib"]
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(Path(__file__).parents[1])}


def run(*arguments, capsys):
    """Exit status, stdout, stderr of one command."""
    status = main([str(argument) for argument in arguments])
    return status, *capsys.readouterr()


def test_heatmaps_need_a_run_to_predict_them(study, tmp_path, capsys):
    status, out, err = run("lines", study, "--heatmaps", tmp_path / "maps.npz", capsys=capsys)
    assert (status, out) == (1, "") and "--run" in err and not (tmp_path / "maps.npz").exists()


@pytest.fixture
def study(tmp_path):
    return write_study(tmp_path / "study", 1, phases=2)


def test_a_shard_for_which_no_study_is_left_has_done_its_work(study, tmp_path, capsys):
    prepare = ("prepare", study, "--anatomy", "heart", "--out", tmp_path / "c")
    status, out, _ = run(*prepare, "--shard", "1/2", capsys=capsys)
    assert status == 0 and "0 of 0 studies" in out
    status, out, _ = run(*prepare, "--shard", "0/2", capsys=capsys)
    assert status == 0 and "1 of 1 studies" in out


def test_study_is_the_contracts_document(study, capsys):
    status, out, _ = run("study", study, "--json", capsys=capsys)
    document = json.loads(out)
    assert status == 0
    assert set(document) == {"subject", "anatomy", "stacks", "problems", "notes", "labels"}
    sax = next(stack for stack in document["stacks"] if stack["view"] == "SAX")
    assert set(sax) == {
        "id", "series", "description", "view", "sequence", "side", "localizer", "confidence", "slices", "phases",
        "rows", "columns", "spacing", "step", "planes", "notes", "reasons", "dimension"}
    assert (sax["slices"], sax["phases"], sax["rows"], sax["columns"]) == (5, 2, 64, 64)
    assert sax["spacing"] == pytest.approx([2, 2])
    assert sax["step"] == pytest.approx(10)
    assert set(sax["planes"][0]) == {"position", "row", "column"}
    assert next(s for s in document["stacks"] if s["view"] == "2CH")["step"] is None


def test_lines_stand_both_ways(study, capsys):
    status, out, _ = run("lines", study, "--json", capsys=capsys)
    document = json.loads(out)
    assert status == 0
    pairs = {(x["image"]["stack"], x["image"]["slice"], x["plane"]["stack"], x["plane"]["slice"]) for x in document}
    assert {(c, d, a, b) for a, b, c, d in pairs} == pairs
    assert len(pairs) == 2 * (5 + 5 + 1)
    assert set(document[0]) == {"image", "plane", "lps", "pixels", "angle_deg"}


def test_one_stack_is_a_study_without_lines(study, tmp_path, capsys):
    document = json.loads((study / "study.json").read_text())
    document["views"] = {"SAX": document["views"]["SAX"]}
    (study / "study.json").write_text(json.dumps(document))
    status, out, err = run("lines", study, "--json", capsys=capsys)
    assert (status, json.loads(out)) == (0, [])
    assert len(err.strip().splitlines()) == 1
    assert run("scene", study, "--out", tmp_path / "s.mrb", "--json", capsys=capsys)[0] == 0


@pytest.mark.parametrize("make", ["absent", "empty", "text", "truncated"])
def test_what_cannot_be_read_is_one_sentence(study, tmp_path, capsys, make):
    folder = tmp_path / "bad"
    if make != "absent":
        folder.mkdir()
    if make == "text":
        (folder / "notes.txt").write_text("hello")
    if make == "truncated":
        image = (study / "sax_0.nii.gz").read_bytes()
        (folder / "sax_0.nii.gz").write_bytes(image[: len(image) // 2])
    for arguments in (["study", folder], ["lines", folder], ["scene", folder, "--out", tmp_path / "s.mrb"]):
        status, out, err = run(*arguments, capsys=capsys)
        assert (status, out) == (1, "")
        [line] = err.strip().splitlines()
        assert str(folder) in line
    assert not (tmp_path / "s.mrb").exists()


def test_one_bad_file_among_good_ones_is_listed(study, capsys):
    (study / "2ch_0.nii.gz").write_bytes(b"no image")
    status, out, _ = run("study", study, "--json", capsys=capsys)
    document = json.loads(out)
    assert status == 0
    assert {stack["view"] for stack in document["stacks"]} == {"SAX", "4CH"}
    [problem] = document["problems"]
    assert problem["file"].endswith("2ch_0.nii.gz")
    assert problem["reason"]


def test_what_a_reader_should_know_stands_in_the_document_and_in_the_text(tmp_path, capsys):
    folder = write_study(tmp_path / "uneven", 1)
    document = json.loads((folder / "study.json").read_text())
    (folder / "study.json").write_text(json.dumps({**document, "anatomy": "knee", "views": {
        "sagittal": document["views"]["SAX"], "SHORT": document["views"]["2CH"]}}))
    found = json.loads(run("study", folder, "--json", capsys=capsys)[1])
    [note] = found["notes"]
    text = run("study", folder, capsys=capsys)[1]
    assert "side is unknown" in note and note in text
    assert found["problems"][0]["reason"] in text


def test_commands_for_one_patient_refuse_a_folder_of_two(tmp_path, capsys):
    for seed in (1, 2):
        write_study(tmp_path / "both" / f"p{seed}", seed)
    for arguments in (["lines", tmp_path / "both"], ["measure", tmp_path / "both"]):
        status, out, err = run(*arguments, capsys=capsys)
        assert (status, out) == (1, "")
        assert "both holds images of 2 studies" in err and "name the folder" in err
    assert "2 studies" in run("study", tmp_path / "both", capsys=capsys)[1]
    status, _, err = run("scene", tmp_path / "both", "--out", tmp_path / "s.mrb", capsys=capsys)
    assert status == 1 and "2 studies, each with a study.json of its own" in err
    assert not (tmp_path / "s.mrb").exists()


def test_output_that_exists_is_kept(study, tmp_path, capsys):
    (tmp_path / "s.mrb").write_text("precious")
    status, _, err = run("scene", study, "--out", tmp_path / "s.mrb", capsys=capsys)
    assert status == 1
    assert "--overwrite" in err
    assert (tmp_path / "s.mrb").read_text() == "precious"


@pytest.mark.parametrize("arguments", [[], ["nonsense"], ["study"], ["finetune", "c", "--out", "r"],
                                       ["prepare", "x", "--anatomy", "heart", "--out", "c", "--shard", "3/2"]])
def test_wrong_use_is_status_two(arguments, capsys):
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    assert stopped.value.code == 2


def test_anatomies_are_listed_shown_and_checked(tmp_path, capsys):
    status, out, _ = run("anatomy", "list", "--json", capsys=capsys)
    assert status == 0
    assert {"heart", "knee", "prostate", "generic"} <= set(json.loads(out))
    assert json.loads(run("anatomy", "show", "knee", "--json", capsys=capsys)[1])["views"][0]["name"] == "sagittal"
    (tmp_path / "own.toml").write_text("name = 3")
    status, _, err = run("anatomy", "check", tmp_path / "own.toml", capsys=capsys)
    assert status == 1
    assert "own.toml, line 1" in err


def test_ctrl_c_ends_with_130_and_a_run_that_can_go_on(tmp_path):
    for seed in range(2):
        write_study(tmp_path / "studies" / f"s{seed}", seed)
    cohort, out = tmp_path / "c", tmp_path / "run"
    subprocess.run([*COMMAND, "prepare", str(tmp_path / "studies"), "--anatomy", "heart", "--out", str(cohort)],
                   env=ENVIRONMENT, check=True, capture_output=True)
    arguments = ["pretrain", str(cohort), "--out", str(out), "--epochs", "3", "--batch", "1", "--json"]
    training = subprocess.Popen([*COMMAND, *arguments], env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    deadline = time.monotonic() + 120
    while not (out / "state.pt").exists():
        assert training.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.01)
    training.send_signal(signal.SIGINT)
    stdout, stderr = training.communicate(timeout=60)
    assert training.returncode == 130
    assert stdout == b""
    assert b"cancelled" in stderr
    resumed = subprocess.run([*COMMAND, *arguments, "--resume"], env=ENVIRONMENT, capture_output=True, check=True)
    assert json.loads(resumed.stdout)["epochs"] == 3


@pytest.mark.usefixtures("short_epochs")
def test_the_demo_tells_what_it_measured(tmp_path, capsys):
    from PlaneSSLLib import demo
    from PlaneSSLLib.prediction.evaluating import evaluate

    small = demo.Size(pool=2, unseen=1, labelled=1, phases=1, pretraining_epochs=1, finetuning_epochs=1, batch=2)
    told = demo.run_demo("heart", tmp_path / "demo", size=small)
    for name in ("scene.mrb", "report.html", "pretraining.png", "finetuning.png"):
        assert (tmp_path / "demo" / name).stat().st_size > 1000, name
    measured = evaluate(tmp_path / "demo/runs/from-pretrained", tmp_path / "demo/cohorts/unseen")["structures"]
    assert told["rows"][0][2] == measured["RV"]["dice"]["mean"]
    assert told["rows"][-1][2] == pytest.approx(sum(row[2] for row in told["rows"][:3]) / 3)
    page = (tmp_path / "demo" / "report.html").read_text()
    assert f"{told['rows'][-1][2]:.3f}" in page
    assert "PHANTOM" not in page
    shutil.rmtree(tmp_path / "demo" / "studies")


def test_the_demo_spares_a_folder_that_is_none_of_its_own(tmp_path, capsys):
    (tmp_path / "thesis.txt").write_text("precious")
    status, _, err = run("demo", "--out", tmp_path, "--overwrite", capsys=capsys)
    assert status == 1
    assert "holds no demo" in err
    assert (tmp_path / "thesis.txt").exists()


def test_what_the_disk_refuses_is_one_line(tmp_path, capsys):
    status, out, err = run("study", tmp_path / ("x" * 300), capsys=capsys)
    assert (status, out) == (1, "")
    assert err.startswith("planessl: ") and err.count("\n") == 1 and "too long" in err


def test_a_preparation_that_finds_nothing_leaves_nothing(tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    status, _, err = run("prepare", tmp_path / "empty", "--anatomy", "heart", "--out", tmp_path / "cohort",
                         capsys=capsys)
    assert status == 1 and "No study" in err
    assert not (tmp_path / "cohort").exists()
