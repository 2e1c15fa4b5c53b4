"""One view in several MR sequences: each is named, none is a phase of another, none stands for the organ by chance."""
from __future__ import annotations

import json
from dataclasses import replace

import pytest
from made_images import image, volume, write
from Testing.scene import made_up

from PlaneSSLLib.anatomy import load
from PlaneSSLLib.study import Frame, read_study, take_over
from PlaneSSLLib.study.handover import hand_over
from PlaneSSLLib.study.sequences import with_sequences

HEART, KNEE = load("heart"), load("knee")
SHAPE = (6, 20, 22)


def of(description: str, phases: int = 1, **more):
    return made_up.stack(description, "SAX", made_up.planes((1, 0, 0), (0, 1, 0), slices=2), phases, **more)


@pytest.mark.parametrize(("description", "phases", "sequence"), [
    ("TF Cine Retro_iPAT SAO", 25, "cine"), ("sBTFE_BH_sa", 30, "cine"), ("sa stack", 1, ""),
    ("de_high-res_psir_sa", 1, "LGE"), ("2D MDE SA", 1, "LGE"), ("réhaussement tardif PA", 1, "LGE"),
    ("eje corto de cine", 20, "cine"), ("Dyn_perf_stress_SAX", 60, "perfusion"), ("T1map_MOLLI_3(3)5", 8, "map"),
    ("t2_map_trufi_sax_T2", 1, "map"), ("t2_tirm_sa_dark-blood", 1, "dark-blood"), ("fl_pc_throughplane", 30, "flow"),
    ("tagging_sa_mid", 20, "tagging"), ("TI scout cine IR", 25, "TI-scout"),
    # A cine is one whatever came before it, is to follow, or is said besides:
    ("SA CINE post perfusion", 25, "cine"), ("SAX CINE post LGE", 25, "cine"), ("cine_trufi_sa_BB", 25, "cine"),
    ("SAX TSE cine navigator", 25, "cine"), ("Kino SA Tag 1", 25, "cine"), ("RV out-flow cine", 25, "cine")])
def test_hearts_are_told_by_words_or_by_their_phases(description, phases, sequence):
    timeless = replace(of(description, phases), frames=((Frame(None),) * phases,) * 2)
    (found,) = with_sequences([timeless], HEART, {})
    assert found.sequence == sequence
    assert found.is_cine == (phases > 1 and sequence in ("cine", "flow", "tagging"))
    assert bool(found.notes) == (phases > 1 and not found.is_cine)  # why it has no phases is told


@pytest.mark.parametrize(("step_ms", "sequence"), [(40, "cine"), (2, "LGE"), (900, "LGE")])
def test_times_of_a_cycle_outweigh_words(step_ms, sequence):
    frames = (tuple(Frame(None, float(step_ms * k)) for k in range(20)),) * 2
    (found,) = with_sequences([replace(of("delayed enhancement sa", 20), frames=frames)], HEART, {})
    assert (found.sequence, found.is_cine) == (sequence, sequence == "cine")


def test_who_says_that_it_is_a_cine_gives_its_phases_back():
    dynamic = of("perf", 20, dimension="time")
    assert with_sequences([dynamic], HEART, {"perf": "cine"})[0].is_cine
    assert not with_sequences([of("cine", 20)], HEART, {"cine": "perfusion"})[0].is_cine


@pytest.mark.parametrize("prefix", ["DB01", "map_001", "PC7", "pilot_01"])
def test_names_of_files_are_no_descriptions(tmp_path, prefix):
    """Initials of a patient, the name of a study."""
    names = [f"{prefix}_sax_{phase}.nii.gz" for phase in ("ed", "es")]
    for name in names:
        volume(tmp_path / name, shape=SHAPE)
    (tmp_path / "study.json").write_text(json.dumps({"anatomy": "heart", "views": {"SAX": names}}), encoding="utf-8")
    (stack,) = read_study(tmp_path).stacks
    assert (stack.sequence, stack.phases, stack.is_cine, stack.localizer) == ("cine", 2, True, False)


def test_a_still_beside_a_cine_has_the_frame_that_is_its_own(tmp_path):
    volume(tmp_path / "cine.nii.gz", shape=(4, *SHAPE))
    volume(tmp_path / "late.nii.gz", shape=SHAPE)
    document = {"anatomy": "heart", "views": {"SAX": ["cine.nii.gz", "late.nii.gz"]},
                "frames_of_reference": {"cine.nii.gz": "a", "late.nii.gz": "b"}}
    (tmp_path / "study.json").write_text(json.dumps(document), encoding="utf-8")
    assert [(stack.phases, stack.frame_of_reference) for stack in read_study(tmp_path).stacks] == [(4, "a"), (1, "b")]


@pytest.mark.parametrize(("description", "sequence"), [
    ("pd_tse_fs_sag_384", "PD-FS"), ("SAG PD FAT SAT", "PD-FS"), ("pd_tse_dixon_W", "PD-FS"), ("PD_TSE_SAG", "PD"),
    ("t2_tse_fs_cor", "T2-FS"), ("COR T1", "T1"), ("t1_tirm_sag", "STIR"), ("STIR cor", "STIR"), ("t2map_sag", "map"),
    ("Sag 3D DESS WE", "DESS"), ("sagittal", "")])
def test_knees_are_told_by_weighting_and_fat_suppression(description, sequence):
    assert with_sequences([of(description)], KNEE, {})[0].sequence == sequence


def test_what_does_not_beat_keeps_its_phases():
    """A contrast agent's course through a knee has no other name."""
    (found,) = with_sequences([of("t1 dynamic", 10)], KNEE, {})
    assert (found.sequence, found.dimension) == ("T1", "phase")


def test_who_knows_better_says_so_in_a_study_json(tmp_path):
    for name in ("a", "b"):
        volume(tmp_path / f"{name}.nii.gz", shape=SHAPE, origin=(0, 0, 0 if name == "a" else 3))
    document = {"anatomy": "heart", "views": {"SAX": [["a.nii.gz"], ["b.nii.gz"]]},
                "sequences": {"SAX": "LGE", "SAX-2": "T9", "4CH": "cine"}}
    (tmp_path / "study.json").write_text(json.dumps(document), encoding="utf-8")
    study = read_study(tmp_path)
    assert [stack.sequence for stack in study.stacks] == ["LGE", ""]
    assert sorted(problem.reason.partition(";")[0] for problem in study.problems) == [
        "says that '4CH' is of the sequence cine", "says that 'SAX-2' is of the sequence T9"]


def test_a_sequence_outlives_the_way_to_another_process(tmp_path):
    volume(tmp_path / "s" / "sax_lge.nii.gz", shape=SHAPE)
    study = read_study(tmp_path / "s", anatomy="heart")
    hand_over(study, tmp_path / "kept")
    assert [stack.sequence for stack in take_over(tmp_path / "kept").stacks] == ["LGE"]


@pytest.mark.parametrize("named", [True, False])
def test_a_still_on_a_cine_s_grid_is_no_phase_of_it(tmp_path, named):
    """In whichever order they come; and two cines are not one of twice the phases."""
    volume(tmp_path / "1_sax.nii.gz", shape=SHAPE)
    for n in (2, 3):
        volume(tmp_path / f"{n}_sax.nii.gz", shape=(4, *SHAPE))
    if named:
        document = {"anatomy": "heart", "views": {"SAX": ["1_sax.nii.gz", "2_sax.nii.gz", "3_sax.nii.gz"]}}
        (tmp_path / "study.json").write_text(json.dumps(document), encoding="utf-8")
    study = read_study(tmp_path, anatomy="heart")
    assert sorted((stack.phases, stack.sequence) for stack in study.stacks) == [(1, ""), (4, "cine"), (4, "cine")]
    assert sum("is no phase of" in problem.reason for problem in study.problems) == 2


def perfusion(times, **changes):
    """Twelve images at each of two places; times: of the n-th of them."""
    return [image(12 * i + k, ImagePositionPatient=[10.0 * i, 0, 0], TriggerTime=times(k), AcquisitionNumber=k,
                  SeriesDescription="sa", **changes) for i in range(2) for k in range(12)]


@pytest.mark.parametrize(("times", "dimension"), [
    (lambda k: 620.0 + 3 * (k % 2), "time"),  # one time of every beat, which scatters
    (lambda k: 850.0 * k, "time"),  # counted on from beat to beat
    (lambda k: 70.0 * k, "phase"),  # a cycle
    (lambda k: 290.0 * k, "phase")])  # several, as a real-time cine has them
def test_images_of_many_beats_are_no_phases(tmp_path, times, dimension):
    for n, made in enumerate(perfusion(times)):
        write(made, tmp_path / f"{n}.dcm")
    (stack,) = read_study(tmp_path, anatomy="heart").stacks
    assert (stack.dimension, stack.phases, stack.is_cine) == (dimension, 12, dimension == "phase")


def test_maps_of_t1_and_t2_are_not_joined_crosswise(tmp_path):
    """One series a slice; at one place T2 came first."""
    for n, (name, place) in enumerate([("T1 map SAX", 0), ("T2 map SAX", 0), ("T2 map SAX", 1), ("T1 map SAX", 1),
                                       ("T1 map SAX", 2), ("T2 map SAX", 2)]):
        write(image(n, SeriesInstanceUID=f"1.9.{n}", SeriesNumber=5 + n, SeriesDescription=name,
                    ImagePositionPatient=[8.0 * place, 0, 0]), tmp_path / f"{n}.dcm")
    stacks = read_study(tmp_path, anatomy="heart").stacks
    numbers = [[int(frames[0].source.file.stem) for frames in stack.frames] for stack in stacks]
    assert sorted(sorted(one) for one in numbers) == [[0, 3, 4], [1, 2, 5]]


@pytest.mark.parametrize("name", ["cine_sa_pos", "kino_sa_schnitt", "coupe ", "cut8_"])
def test_slices_of_a_series_each_are_joined_whatever_number_they_have(tmp_path, name):
    for n in range(3):
        write(image(n, SeriesInstanceUID=f"1.9.{n}", SeriesNumber=5 + n, SeriesDescription=f"{name}{n + 9}",
                    ImagePositionPatient=[8.0 * n, 0, 0]), tmp_path / f"{n}.dcm")
    assert [len(stack.planes) for stack in read_study(tmp_path, anatomy="heart").stacks] == [3]


def test_a_map_before_the_first_cine_is_no_localizer(tmp_path):
    for number, name, phases in ((1, "sa", 1), (2, "T1map_MOLLI_sa", 1), (3, "cine sa", 4)):
        for k in range(phases):
            write(image(10 * number + k, SeriesInstanceUID=f"1.9.{number}", SeriesNumber=number, TriggerTime=50 * k,
                        SeriesDescription=name, ImagePositionPatient=[0, 0, 0]), tmp_path / f"{number}-{k}.dcm")
    assert [(stack.description, stack.localizer) for stack in read_study(tmp_path, anatomy="heart").stacks] == [
        ("sa", True), ("T1map_MOLLI_sa", False), ("cine sa", False)]


def test_prominent_is_the_cine_whatever_has_more_images():
    of_cine = of("cine", 20)
    others = [of("still"), of("perfusion", 60, dimension="time"),
              made_up.stack("whole", "SAX", made_up.planes((1, 0, 0), (0, 1, 0), slices=30))]
    assert max([*others, of_cine], key=lambda stack: stack.prominence) is of_cine
    assert max(others, key=lambda stack: stack.prominence).id == "whole"
