"""What a cohort keeps of a study's stacks."""
from __future__ import annotations

import json

import pytest
from Testing.made_up_study import write_study

from PlaneSSLLib import PlaneSSLError
from PlaneSSLLib.cohort import Cohort, prepare
from PlaneSSLLib.study.volumes import VolumeSlice


@pytest.fixture
def damaged(monkeypatch):
    """damaged(*names): files of which only the headers can be read."""
    def damage(*names):
        read = VolumeSlice.read

        def fails(image):
            if image.file.name in names:
                raise PlaneSSLError(f"The pixels of {image.file} cannot be read: it is damaged.")
            return read(image)

        monkeypatch.setattr(VolumeSlice, "read", fails)

    return damage


def test_a_stack_keeps_its_sequence_and_one_that_cannot_be_decoded_costs_no_other(tmp_path, damaged):
    folder = write_study(tmp_path / "s", 0, phases=2)
    (folder / "2ch_0.nii.gz").rename(folder / "lge_2ch.nii.gz")
    document = json.loads((folder / "study.json").read_text(encoding="utf-8"))
    document["views"]["2CH"] = ["lge_2ch.nii.gz"]
    (folder / "study.json").write_text(json.dumps(document), encoding="utf-8")
    damaged("4ch_0.nii.gz")
    told = prepare([folder], "heart", tmp_path / "c")
    (study,) = Cohort(tmp_path / "c").studies.values()
    assert {(stack.view, stack.sequence) for stack in study.stacks} == {("SAX", "cine"), ("2CH", "LGE")}
    assert study.labelled and any("4CH is left out: The pixels of" in note for note in told["notes"])


def test_a_stack_that_can_be_read_later_comes_with_the_next_call(tmp_path, damaged, monkeypatch):
    """A decoder was not installed."""
    folder = write_study(tmp_path / "s", 0)
    damaged("4ch_0.nii.gz")
    prepare([folder], "heart", tmp_path / "c")
    assert any("4CH is left out" in note for note in prepare([folder], "heart", tmp_path / "c")["notes"])
    monkeypatch.undo()
    assert not any("left out" in note for note in prepare([folder], "heart", tmp_path / "c")["notes"])
    (study,) = Cohort(tmp_path / "c").studies.values()
    assert {stack.view for stack in study.stacks} == {"SAX", "2CH", "4CH"}


def test_a_study_of_which_nothing_can_be_decoded_is_left_out(tmp_path, damaged):
    folder = write_study(tmp_path / "s", 0)
    damaged("sax_0.nii.gz", "2ch_0.nii.gz", "4ch_0.nii.gz")
    told = prepare([folder], "heart", tmp_path / "c")
    assert told["prepared"] == 0 and "it is damaged" in told["left_out"][0]["reason"]
