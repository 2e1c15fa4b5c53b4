"""A training that is killed, short of memory, or cut up for several processes is the same training."""
from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from PlaneSSLLib import PlaneSSLError
from PlaneSSLLib.training.pretraining import pretrain
from PlaneSSLLib.training.run import Run
from PlaneSSLLib.training.tasks.planes import Planes

from .conftest import QUICK, rows_of, same_weights

ONE_THREAD = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(Path(__file__).parents[2])}
COMMAND = [sys.executable, "-m", "PlaneSSLLib", "pretrain"]


def test_killed_and_resumed_is_as_if_nothing_had_happened(cohort_folder, tmp_path):
    options = [str(cohort_folder), "--epochs", "4", "--batch", "1", "--json"]
    whole = subprocess.run([*COMMAND, *options, "--out", str(tmp_path / "whole")], env=ONE_THREAD,
                           capture_output=True, text=True, check=False)
    assert whole.returncode == 0, whole.stderr
    killed = subprocess.Popen([*COMMAND, *options, "--out", str(tmp_path / "killed")], env=ONE_THREAD,
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_for(tmp_path / "killed" / "state.pt", killed)
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    assert not (tmp_path / "killed" / "results.json").exists()
    resumed = subprocess.run([*COMMAND, *options, "--out", str(tmp_path / "killed"), "--resume"], env=ONE_THREAD,
                             capture_output=True, text=True, check=False)
    assert resumed.returncode == 0, resumed.stderr
    assert same_weights(tmp_path / "whole", tmp_path / "killed")
    assert rows_of(tmp_path / "whole") == rows_of(tmp_path / "killed")


def wait_for(path: Path, process: subprocess.Popen, seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not path.exists():
        assert process.poll() is None, "the training ended before its first checkpoint"
        assert time.monotonic() < deadline, f"{path} did not appear"
        time.sleep(0.01)


def test_two_processes_train_as_one(cohort_folder, tmp_path):
    # A low learning rate: at a high one, training makes much of the last digit, in which sums of sums differ.
    options = [str(cohort_folder), "--epochs", "1", "--batch", "4", "--learning-rate", "1e-4", "--json"]
    one = subprocess.run([*COMMAND, *options, "--out", str(tmp_path / "one")], env=ONE_THREAD, capture_output=True,
                         text=True, check=False)
    assert one.returncode == 0, one.stderr
    two = subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m", "PlaneSSLLib",
         "pretrain", *options, "--device", "cpu", "--out", str(tmp_path / "two")],
        env=ONE_THREAD, capture_output=True, text=True, check=False)
    assert two.returncode == 0, two.stderr
    assert json.loads(two.stdout)["epochs"] == 1  # one document, however many processes
    first, second = rows_of(tmp_path / "one")[0], rows_of(tmp_path / "two")[0]
    for loss in ("loss_lines", "loss_location"):
        assert float(first[loss]) == pytest.approx(float(second[loss]), rel=1e-3)
    one, two = Run.open(tmp_path / "one").weights(), Run.open(tmp_path / "two").weights()
    difference = max(float((one[name] - two[name]).abs().max()) for name in one)
    assert difference < 2e-3


@pytest.mark.usefixtures("short_epochs")
def test_out_of_memory_works_the_batch_in_pieces_to_the_same_end(cohort_folder, tmp_path, monkeypatch):
    settings = replace(QUICK, epochs=1, batch=8, learning_rate=1e-4)  # at which rounding stays rounding
    pretrain(cohort_folder, tmp_path / "whole", settings=settings)
    sums = Planes.sums

    def short_of_memory(task, outputs, batch):
        if len(batch["image"]) > 2:
            raise torch.OutOfMemoryError("too much")
        return sums(task, outputs, batch)

    monkeypatch.setattr(Planes, "sums", short_of_memory)
    heard = []
    pretrain(cohort_folder, tmp_path / "pieces", settings=settings, report=heard.append)
    assert [event["text"] for event in heard if event["event"] == "notice"] == [
        f"Out of memory on cpu: going on with the batch in {n} pieces, whose gradients are added up." for n in (2, 4)]
    first, second = rows_of(tmp_path / "whole")[0], rows_of(tmp_path / "pieces")[0]
    assert float(first["loss_lines"]) == pytest.approx(float(second["loss_lines"]), rel=1e-3)


@pytest.mark.usefixtures("short_epochs")
def test_validation_makes_do_with_as_little_memory_as_training(cohort_folder, tmp_path, monkeypatch):
    """In single precision, a validation may need more than the training that had just enough."""
    measure, sizes = Planes.measure, []

    def short_of_memory(task, outputs, batch):
        sizes.append(len(batch["image"]))
        if sizes[-1] > 3:
            raise RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`")
        return measure(task, outputs, batch)

    pretrain(cohort_folder, tmp_path / "whole", settings=replace(QUICK, epochs=1, batch=8))
    monkeypatch.setattr(Planes, "measure", short_of_memory)
    pretrain(cohort_folder, tmp_path / "pieces", settings=replace(QUICK, epochs=1, batch=8))
    assert sizes[:2] == [8, 4] and set(sizes[2:]) <= {1, 2}
    first, second = (float(rows_of(tmp_path / name)[0]["location_error_slices"]) for name in ("whole", "pieces"))
    assert first == pytest.approx(second, rel=1e-4)


def test_memory_that_never_suffices_ends_in_a_sentence(cohort_folder, tmp_path, monkeypatch):
    def never(task, outputs, batch):
        raise torch.OutOfMemoryError("too much")

    monkeypatch.setattr(Planes, "sums", never)
    with pytest.raises(PlaneSSLError, match="smaller network"):
        pretrain(cohort_folder, tmp_path / "run", settings=QUICK)


@pytest.mark.usefixtures("short_epochs")
def test_a_loss_that_is_no_number_stops_and_keeps_the_checkpoint(cohort_folder, tmp_path, monkeypatch):
    sums, calls = Planes.sums, []

    def breaks(task, outputs, batch):
        calls.append(1)
        found = sums(task, outputs, batch)
        return {name: value * float("nan") for name, value in found.items()} if len(calls) > 14 else found

    monkeypatch.setattr(Planes, "sums", breaks)
    with pytest.raises(PlaneSSLError, match="no longer a number at step 14"):
        pretrain(cohort_folder, tmp_path / "run", settings=QUICK)
    assert Run.open(tmp_path / "run").state()["step"] == 10
    monkeypatch.undo()
    pretrain(cohort_folder, tmp_path / "run", settings=QUICK, resume=True)
    assert Run.open(tmp_path / "run").finished
