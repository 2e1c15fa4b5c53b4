"""Jobs: events, results, cancelling, lost children, orphans. The children are small Python programs."""
from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from PlaneSSLLib import PlaneSSLError, jobs
from PlaneSSLLib.jobs import CANCELLED, CANCELLING, DONE, FAILED, RUNNING, Job, JobCancelled

DEADLINE_S = 20.0
HOUSE = Path(jobs.__file__).resolve().parents[1]
HEAD = """
import json, os, signal, subprocess, sys, time
def tell(**event): print(json.dumps(event), file=sys.stderr, flush=True)
"""
LISTENING = HEAD + """
from PlaneSSLLib.jobs import end_with_parent
def stop(number, frame): raise KeyboardInterrupt
signal.signal(signal.SIGTERM, stop)
end_with_parent()
"""
DEAF = HEAD + "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"


def job_of(code: str, *arguments: str) -> Job:
    return Job(arguments, program=[sys.executable, "-c", code])


def follow(job: Job, until) -> list[dict]:
    """Poll until a condition of the events and the job holds; everything told so far."""
    events, latest = [], time.monotonic() + DEADLINE_S
    while not until(events, job):
        assert time.monotonic() < latest, (job.state, events, list(job.last_lines))
        events += job.poll()
        time.sleep(0.005)
    return events


def ended(events, job) -> bool:
    return not job.active


def started(events, job) -> bool:
    return any(event["event"] == "started" for event in events)


def alive(pid: int) -> bool:
    """Does a process run (one that has ended and waits for its parent to notice does not)?"""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def wait_for_death(pid: int) -> None:
    latest = time.monotonic() + DEADLINE_S
    while alive(pid):
        assert time.monotonic() < latest
        time.sleep(0.005)


@pytest.fixture
def impatient(monkeypatch):
    monkeypatch.setattr(jobs, "PATIENCE_S", 0.3)


def test_events_come_in_order_and_the_document_at_the_end():
    job = job_of(HEAD + "for i in range(1, 4): tell(event='progress', task='x', step=i, of=3)\n"
                 "print('a warning', file=sys.stderr)\nprint(json.dumps({'arguments': sys.argv[1:]}))",
                 "study", "A b").start()
    events = follow(job, ended)
    assert [event["step"] for event in events] == [1, 2, 3]
    assert (job.state, job.result) == (DONE, {"arguments": ["study", "A b", "--json"]})
    assert job.progress["step"] == 3
    assert list(job.last_lines) == ["a warning"]
    assert job.poll() == []


def test_what_a_child_starts_does_not_share_its_line():
    """On Windows it would hang: reading it is what the child does all the time."""
    job = job_of(LISTENING + "code = 'import os; print(len(os.read(0, 1)))'\n"
                 "print(subprocess.run([sys.executable, '-c', code], stdout=subprocess.PIPE).stdout.decode())")
    assert job.wait(timeout_s=DEADLINE_S) == 0


def test_a_line_is_an_event_only_when_it_is_whole():
    code = HEAD + ("sys.stderr.write('{\"event\": \"not'); sys.stderr.flush()\n"
                   "sys.stdin.readline(); sys.stdin.readline(); sys.stderr.write('ice\"}\\n'); print('[]')")
    job = job_of(code).start()
    follow(job, lambda events, job: job._rest)
    job._process.stdin.write(b"go on\n")
    job._process.stdin.flush()
    assert follow(job, ended) == [{"event": "notice"}]
    assert job.result == []


def test_polling_never_waits_for_a_busy_child():
    job = job_of(HEAD + "tell(event='started')\nwhile True: pass").start()
    follow(job, started)
    slowest = 0.0
    for _ in range(50):
        before = time.perf_counter()
        job.poll()
        slowest = max(slowest, time.perf_counter() - before)
    job.end(grace_s=0)
    assert slowest < 0.1


def test_a_sentence_of_the_command_is_the_error():
    job = job_of("import sys; print('noise\\nplanessl: There is no folder x.', file=sys.stderr); sys.exit(1)")
    with pytest.raises(PlaneSSLError, match=r"^There is no folder x\.$"):
        job.wait(timeout_s=DEADLINE_S)
    assert job.state == FAILED


def test_the_real_command_fails_with_its_sentence(tmp_path):
    with pytest.raises(PlaneSSLError, match="nowhere"):
        Job(["study", tmp_path / "nowhere"]).wait(timeout_s=60)


def test_the_library_is_found_from_any_folder_with_nothing_set(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PYTHONPATH", raising=False)
    assert "heart" in Job(["anatomy", "list"]).wait(timeout_s=60)


@pytest.mark.parametrize(("code", "says"), [
    ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "signal 9"),
    ("import sys; sys.exit(7)", "exit status 7"),
    ("import sys; sys.exit('error: [python-real] exit abnormally - Report the problem.')", "it crashed"),
    ("1 / 0", "ZeroDivisionError"),
    ("print('{')", "cut off"),
])
def test_a_lost_child_is_told_with_its_last_lines(code, says):
    job = job_of(code, "pretrain").start()
    follow(job, ended)
    assert job.state == FAILED
    assert says in job.error and "'pretrain'" in job.error


def test_a_program_that_is_not_there_is_told():
    with pytest.raises(PlaneSSLError, match="cannot be started"):
        Job(["x"], program=["/nowhere/python"]).start()


def test_cancelling_lets_the_child_clean_up(tmp_path):
    mark = tmp_path / "cleaned"
    job = job_of(LISTENING + f"try:\n    tell(event='started')\n    time.sleep(1000)\nexcept KeyboardInterrupt:\n"
                 f"    open({str(mark)!r}, 'w').close()\n    sys.exit(130)").start()
    follow(job, started)
    job.cancel()
    assert job.state == CANCELLING
    follow(job, ended)
    assert job.state == CANCELLED
    assert mark.exists()


def test_cancelling_a_child_that_does_not_listen_ends_it_and_its_children(impatient):
    job = job_of(DEAF + "child = subprocess.Popen([sys.executable, '-c', 'import signal, time; "
                 "signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(1000)'])\n"
                 "tell(event='started', pids=[os.getpid(), child.pid])\ntime.sleep(1000)").start()
    pids = follow(job, started)[-1]["pids"]
    job.cancel()
    follow(job, ended)
    assert job.state == CANCELLED
    for pid in pids:
        wait_for_death(pid)


def test_cancelling_at_once_works():
    job = job_of(LISTENING + "time.sleep(1000)").start()
    job.cancel()
    follow(job, ended)
    assert job.state == CANCELLED


def test_a_child_that_outlives_its_launcher_is_waited_for_and_cancelled_with_it(impatient):
    """As PythonSlicer may end before the Python that it launched."""
    launched = "import time; time.sleep(1000)"
    job = job_of(HEAD + f"child = subprocess.Popen([sys.executable, '-c', {launched!r}])\n"
                 "tell(event='started', pid=child.pid)").start()
    pid = follow(job, started)[-1]["pid"]
    job.cancel()
    follow(job, ended)
    wait_for_death(pid)


def test_ending_leaves_nothing():
    job = job_of(DEAF + "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(1000)'])\n"
                 "tell(event='started', pids=[os.getpid(), child.pid])\ntime.sleep(1000)").start()
    pids = follow(job, started)[-1]["pids"]
    folder = job._folder
    job.end(grace_s=0.1)
    assert job.state == CANCELLED
    for pid in pids:
        wait_for_death(pid)
    assert not folder.exists()


def test_ending_lets_the_child_clean_up_if_it_is_quick(tmp_path):
    mark = tmp_path / "cleaned"
    job = job_of(LISTENING + f"try:\n    tell(event='started')\n    time.sleep(1000)\nexcept KeyboardInterrupt:\n"
                 f"    open({str(mark)!r}, 'w').close()\n    sys.exit(130)").start()
    follow(job, started)
    job.end(grace_s=DEADLINE_S)
    assert job.state == CANCELLED
    assert mark.exists()


def test_a_job_ends_when_its_parent_is_killed(tmp_path):
    child = LISTENING + "tell(event='started', pid=os.getpid())\ntime.sleep(1000)"
    parent = (f"import sys, time\nsys.path.insert(0, {str(HOUSE)!r})\nfrom PlaneSSLLib.jobs import Job\n"
              f"job = Job([], program=[sys.executable, '-c', {child!r}]).start()\n"
              "while not (events := job.poll()): time.sleep(0.005)\n"
              "print(events[0]['pid'], flush=True)\ntime.sleep(1000)")
    with subprocess.Popen([sys.executable, "-c", parent], stdout=subprocess.PIPE, text=True) as process:
        pid = int(process.stdout.readline())
        assert alive(pid)
        process.kill()
    wait_for_death(pid)


def test_a_child_whose_line_was_not_handed_on_is_not_ended():
    done = subprocess.run(
        [sys.executable, "-c", LISTENING + "time.sleep(0.2); print('done')"], stdin=subprocess.DEVNULL, cwd=HOUSE,
        env={**os.environ, "PLANESSL_JOB": "1"}, capture_output=True, text=True, timeout=DEADLINE_S, check=False)
    assert (done.returncode, done.stdout) == (0, "done\n")


def test_waiting_reports_and_raises(impatient):
    told = []
    assert job_of(HEAD + "tell(event='notice', text='x'); print(json.dumps(3))").wait(told.append, DEADLINE_S) == 3
    assert told == [{"event": "notice", "text": "x"}]
    job = job_of("import time; time.sleep(1000)")
    with pytest.raises(TimeoutError):
        job.wait(timeout_s=0.1)
    assert job.state == RUNNING
    job.cancel()
    with pytest.raises(JobCancelled):
        job.wait(timeout_s=DEADLINE_S)


def test_a_job_starts_once_and_is_resumed_by_another():
    job = Job(["pretrain", "c", "--out", "r", "--overwrite"], program=[sys.executable, "-c", "print(1)"])
    job.wait(timeout_s=DEADLINE_S)
    with pytest.raises(PlaneSSLError, match="started before"):
        job.start()
    again = job.resumed()
    assert again.arguments == ["pretrain", "c", "--out", "r", "--resume"]
    assert again.resumed().arguments == again.arguments
    assert again.wait(timeout_s=DEADLINE_S) == 1


def test_paths_are_made_absolute(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert Job(["study", Path("here"), "heart"]).arguments == ["study", str(tmp_path / "here"), "heart"]


def test_python_is_pythonslicer_in_slicer(tmp_path, monkeypatch):
    monkeypatch.delenv("SLICER_HOME", raising=False)
    assert jobs.python_executable() == sys.executable
    program = tmp_path / "bin" / "PythonSlicer"
    program.parent.mkdir()
    program.touch(mode=0o755)
    monkeypatch.setenv("SLICER_HOME", str(tmp_path))
    assert jobs.python_executable() == str(program)


def test_cancelling_a_real_command_leaves_no_half_file(tmp_path):
    out = tmp_path / "studies"
    job = Job(["phantom", "heart", "--studies", "30", "--seed", "1", "--phases", "1", "--out", out]).start()
    follow(job, lambda events, job: any(event["event"] == "progress" for event in events))
    job.cancel()
    follow(job, ended)
    assert job.state == CANCELLED
    assert not list(tmp_path.rglob(".*"))
