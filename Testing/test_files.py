from __future__ import annotations

import errno
import os
import stat
import subprocess
import sys
import threading

import numpy as np
import pytest

from PlaneSSLLib import PlaneSSLError, files
from PlaneSSLLib.files import (
    beginning_folder,
    read_json,
    refuse_existing,
    replacing,
    replacing_folder,
    write_json,
    write_text,
)

needs_permissions = pytest.mark.skipif(
    os.name == "nt" or os.geteuid() == 0, reason="the administrator may write everywhere")


class Interrupted(BaseException):
    """As KeyboardInterrupt: not an Exception."""


def names(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.skipif(os.name == "nt", reason="there are no such modes")
def test_what_a_library_makes_for_its_user_alone_is_as_readable_as_any_file(tmp_path):
    with replacing(tmp_path / "x.bin") as side:
        side.unlink()
        os.close(os.open(side, os.O_CREAT | os.O_WRONLY, 0o600))
    (tmp_path / "y.bin").touch()
    assert (tmp_path / "x.bin").stat().st_mode == (tmp_path / "y.bin").stat().st_mode


# Files

def test_a_file_is_written_whole(tmp_path):
    write_text(tmp_path / "new" / "deep" / "text.txt", "hëllo")
    assert (tmp_path / "new" / "deep" / "text.txt").read_text(encoding="utf-8") == "hëllo"
    assert names(tmp_path / "new" / "deep") == ["text.txt"]


@pytest.mark.parametrize("error", [RuntimeError, Interrupted, KeyboardInterrupt])
def test_an_interrupted_write_leaves_the_old_content_and_no_side_file(tmp_path, error):
    target = tmp_path / "a.nii.gz"
    target.write_text("old")
    with pytest.raises(error), replacing(target) as side:
        side.write_text("half")
        assert target.read_text() == "old"
        raise error
    assert target.read_text() == "old"
    assert names(tmp_path) == ["a.nii.gz"]


def test_the_side_file_has_the_same_ending_and_is_hidden(tmp_path):
    for name, ending in (("a.nii.gz", ".nii.gz"), ("b.seg.nrrd", ".seg.nrrd"), ("c.mrb", ".mrb"), ("d", "")):
        with replacing(tmp_path / name) as side:
            assert side.parent == tmp_path
            assert side.name.startswith(".")
            assert side.name.endswith(ending)
            side.write_text(name)
        assert (tmp_path / name).read_text() == name


def test_a_killed_process_leaves_the_old_content(tmp_path):
    """A kill gives no time to tidy up: the old file stands, and what is left beside it is hidden."""
    (tmp_path / "a.json").write_text("[1]")
    code = ("import os, sys; from PlaneSSLLib.files import replacing\n"
            "with replacing(sys.argv[1]) as side: side.write_text('[2'); os.kill(os.getpid(), 9)")
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path / "a.json")], check=False)
    assert done.returncode != 0
    assert read_json(tmp_path / "a.json") == [1]
    assert [name for name in names(tmp_path) if not name.startswith(".")] == ["a.json"]


def test_two_writers_at_once_leave_one_whole_file(tmp_path):
    target = tmp_path / "a.txt"
    texts = [letter * 200_000 for letter in "abcd"]
    writers = [threading.Thread(target=write_text, args=(target, text)) for text in texts]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert target.read_text() in texts
    assert names(tmp_path) == ["a.txt"]


@pytest.mark.parametrize(("platform", "held", "tries"), [("win32", 2, 3), ("win32", 99, 5), ("linux", 1, 1)])
def test_on_windows_a_file_that_somebody_reads_is_replaced_when_that_ends(tmp_path, monkeypatch, platform, held, tries):
    path = tmp_path / "a.txt"
    path.write_text("old")
    calls, pauses, replace = [], [], os.replace

    def busy(side, there):
        calls.append(there)
        if len(calls) <= held:
            raise PermissionError(errno.EACCES, "used by another process", str(there))
        replace(side, there)

    monkeypatch.setattr(files.sys, "platform", platform)
    monkeypatch.setattr(files.os, "replace", busy)
    monkeypatch.setattr(files.time, "sleep", pauses.append)
    if held < tries:
        files.write_text(path, "new")
    else:
        with pytest.raises(PlaneSSLError, match=r"a\.txt"):
            files.write_text(path, "new")
    assert path.read_text() == ("new" if held < tries else "old")
    assert len(calls) == tries and sum(pauses) < 2
    assert [one.name for one in tmp_path.iterdir()] == ["a.txt"]


def test_permissions_are_those_of_any_new_file(tmp_path):
    before = os.umask(0o027)
    try:
        write_text(tmp_path / "a.txt", "x")
        with replacing_folder(tmp_path / "folder") as side:
            (side / "b.txt").write_text("y")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "a.txt").stat().st_mode) == 0o640
    assert stat.S_IMODE((tmp_path / "folder").stat().st_mode) == 0o750


# Folders

def test_a_folder_takes_the_place_of_the_old_one(tmp_path):
    target = tmp_path / "cohort"
    for i in range(2):
        with replacing_folder(target) as side:
            (side / f"{i}.txt").write_text(str(i))
        assert names(target) == [f"{i}.txt"]
    assert names(tmp_path) == ["cohort"]


@pytest.mark.parametrize("error", [RuntimeError, Interrupted])
def test_an_interrupted_folder_leaves_the_old_one(tmp_path, error):
    target = tmp_path / "cohort"
    target.mkdir()
    (target / "old.txt").write_text("old")
    with pytest.raises(error), replacing_folder(target) as side:
        (side / "new.txt").write_text("half")
        raise error
    assert names(target) == ["old.txt"]
    assert names(tmp_path) == ["cohort"]


def test_a_folder_that_cannot_be_swapped_is_put_back(tmp_path):
    target = tmp_path / "cohort"
    target.mkdir()
    (target / "old.txt").write_text("old")
    with pytest.raises(PlaneSSLError, match="cohort cannot be written"), replacing_folder(target) as side:
        side.rmdir()
    assert names(target) == ["old.txt"]
    assert names(tmp_path) == ["cohort"]


def test_a_link_to_a_folder_is_replaced_and_what_it_points_to_is_kept(tmp_path):
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious" / "old.txt").write_text("old")
    (tmp_path / "cohort").symlink_to(tmp_path / "precious")
    with replacing_folder(tmp_path / "cohort") as side:
        (side / "new.txt").write_text("new")
    assert names(tmp_path / "precious") == ["old.txt"]
    assert names(tmp_path / "cohort") == ["new.txt"]
    assert names(tmp_path) == ["cohort", "precious"]


def test_a_folder_may_take_the_place_of_a_file(tmp_path):
    (tmp_path / "out").write_text("old")
    with replacing_folder(tmp_path / "out") as side:
        (side / "new.txt").write_text("new")
    assert names(tmp_path / "out") == ["new.txt"]
    assert names(tmp_path) == ["out"]


# What cannot be written is a sentence

def test_a_folder_in_the_place_of_the_file(tmp_path):
    (tmp_path / "a.json").mkdir()
    with pytest.raises(PlaneSSLError, match=r"a\.json cannot be written: Is a directory"):
        write_json(tmp_path / "a.json", 1)
    assert names(tmp_path) == ["a.json"]


def test_a_file_in_the_place_of_the_folder(tmp_path):
    (tmp_path / "file").write_text("old")
    for write in (replacing, replacing_folder):
        with pytest.raises(PlaneSSLError, match=r"b\.txt cannot be written"), write(tmp_path / "file" / "b.txt"):
            pytest.fail("nothing can be written there")
    assert (tmp_path / "file").read_text() == "old"


def test_a_name_that_is_too_long(tmp_path):
    with pytest.raises(PlaneSSLError, match="File name too long"):
        write_text(tmp_path / ("a" * 300), "x")
    assert names(tmp_path) == []


@needs_permissions
def test_a_folder_without_permission(tmp_path):
    tmp_path.chmod(0o500)
    try:
        for write in (replacing, replacing_folder):
            with pytest.raises(PlaneSSLError, match="out cannot be written: Permission denied"), \
                    write(tmp_path / "out"):
                pytest.fail("nothing can be written there")
    finally:
        tmp_path.chmod(0o700)


@pytest.mark.skipif(not os.path.isdir("/proc/1"), reason="needs a file system that takes no files")
def test_a_file_system_that_takes_no_files():
    for write in (replacing, replacing_folder):
        with pytest.raises(PlaneSSLError, match="out cannot be written"), write("/proc/out"):
            pytest.fail("nothing can be written there")


def test_a_full_disk_is_said_and_leaves_nothing(tmp_path):
    for write in (replacing, replacing_folder):
        with pytest.raises(PlaneSSLError, match="out cannot be written: No space left"), write(tmp_path / "out"):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert names(tmp_path) == []


def test_errors_of_the_caller_stay_the_callers(tmp_path):
    for write in (replacing, replacing_folder):
        with pytest.raises(FileNotFoundError, match="input"), write(tmp_path / "out"):
            (tmp_path / "input").read_text()
    assert names(tmp_path) == []


def test_what_exists_is_refused_unless_it_may_be_replaced(tmp_path):
    refuse_existing(tmp_path / "new", overwrite=False)
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    (tmp_path / "file").touch()
    for path in (tmp_path, tmp_path / "file", tmp_path / "dangling"):
        with pytest.raises(PlaneSSLError, match=rf"{path.name} exists already.*--overwrite"):
            refuse_existing(path, overwrite=False)
        refuse_existing(path, overwrite=True)


# JSON

@pytest.mark.parametrize("number", [float("nan"), float("inf"), np.nan])
def test_numbers_that_json_lacks_are_refused_before_anything_is_written(tmp_path, number):
    write_json(tmp_path / "a.json", {"dice": 0.9})
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "a.json", {"dice": [number]})
    assert read_json(tmp_path / "a.json") == {"dice": 0.9}
    assert names(tmp_path) == ["a.json"]


def test_json_comes_back_as_it_went(tmp_path):
    document = {"name": "Größe", "values": [1, 2.5, None, True], "deep": {"list": []}}
    write_json(tmp_path / "a.json", document)
    assert read_json(tmp_path / "a.json") == document
    assert (tmp_path / "a.json").read_text(encoding="utf-8").endswith("}\n")


@pytest.mark.parametrize("content", [b"", b'{"a": 1', b"\xff\xfe\x00", b"[" * 100_000, b"9" * 5000])
def test_damaged_json_is_a_sentence_with_its_file(tmp_path, content):
    (tmp_path / "study.json").write_bytes(content)
    with pytest.raises(PlaneSSLError, match=r"study\.json cannot be read as JSON"):
        read_json(tmp_path / "study.json")


def test_missing_json_is_a_sentence_with_its_file(tmp_path):
    with pytest.raises(PlaneSSLError, match=r"study\.json is missing\."):
        read_json(tmp_path / "study.json")
    with pytest.raises(PlaneSSLError, match="cannot be read: Is a directory"):
        read_json(tmp_path)


def test_json_with_a_byte_order_mark_is_read(tmp_path):
    (tmp_path / "study.json").write_bytes(b'\xef\xbb\xbf{"subject": "1"}')
    assert read_json(tmp_path / "study.json") == {"subject": "1"}


def test_of_two_that_begin_a_folder_the_first_one_stays(tmp_path):
    target = tmp_path / "folder"
    with beginning_folder(target) as slow:
        (slow / "who").write_text("slow")
        with beginning_folder(target) as quick:
            (quick / "who").write_text("quick")
    assert (target / "who").read_text() == "quick"
    assert list(tmp_path.iterdir()) == [target]


def test_a_folder_begun_in_an_empty_one_takes_its_place(tmp_path):
    (tmp_path / "folder").mkdir()
    with beginning_folder(tmp_path / "folder") as side:
        (side / "what").write_text("new")
    assert (tmp_path / "folder" / "what").read_text() == "new"
