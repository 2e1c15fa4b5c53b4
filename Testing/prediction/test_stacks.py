"""Which stacks of a study a run segments: those of the sequences that it has learnt."""
from __future__ import annotations

from types import SimpleNamespace

import pytest
from Testing.scene import made_up

from PlaneSSLLib import PlaneSSLError
from PlaneSSLLib.cohort import PreparedStack
from PlaneSSLLib.cohort.samples import RandomFrames, frames
from PlaneSSLLib.prediction.evaluating import _taken
from PlaneSSLLib.prediction.studies import stacks_to_segment, with_phase
from PlaneSSLLib.prediction.volumes import best_stack
from PlaneSSLLib.training.finetuning import labelled_sequences

AXES = (1, 0, 0), (0, 1, 0)


def of(name, view="SAX", slices=8, phases=1, **more):
    return made_up.stack(name, view, made_up.planes(*AXES, slices=slices), phases, **more)


CINE, LGE = of("cine", phases=5, sequence="cine"), of("lge", sequence="LGE", slices=12)
PERFUSION = of("perfusion", slices=3, phases=20, dimension="time", sequence="perfusion")
STILL, SCOUT, LONG = of("still"), of("scout", localizer=True), of("long", "4CH", 1, 5, sequence="cine")


def chosen(stacks, learnt, **more):
    said = []
    found = stacks_to_segment(made_up.study(stacks), learnt, report=said.append, **more)
    return [stack.id for stack in found], [event["text"] for event in said]


@pytest.mark.parametrize(("learnt", "stacks", "taken", "said"), [
    ({"SAX": ["cine"]}, [SCOUT, CINE, LGE, PERFUSION, LONG], ["cine"],
     ["Not segmented, since the run has learnt SAX of cine: lge (LGE), perfusion (perfusion)"]),
    ({"SAX": ["cine"], "4CH": ["cine"]}, [CINE, LONG], ["cine", "long"], []),
    ({"SAX": ["LGE", "cine"]}, [CINE, LGE, STILL], ["cine", "lge"], ["Not segmented"]),
    ({"SAX": ["cine"]}, [SCOUT, LGE], ["lge"], ["The run has learnt SAX of cine, and is tried on others"]),
    ({"SAX": ["cine"]}, [STILL], ["still"], []),  # of what nothing tells, nothing is said
    ({"SAX": [""]}, [STILL, CINE, LGE], ["cine"], ["SAX of a sequence that nothing tells: still (still), lge (LGE)"]),
    ({"SAX": [""]}, [STILL, LGE], ["still", "lge"], ["is tried on others"] * 0),
    ({"SAX": []}, [CINE, LGE], ["cine", "lge"], []),
    ({"SAX": ["cine"]}, [SCOUT], ["scout"], [])])
def test_what_is_segmented_is_what_was_learnt(learnt, stacks, taken, said):
    found, notices = chosen(stacks, learnt)
    assert found == taken
    assert len(notices) == len(said) and all(words in text for words, text in zip(said, notices, strict=True))


def prepared(stack, outlined=True):
    """What a cohort holds of a stack."""
    at = ((0,) * stack.phases,) * len(stack.planes)
    return PreparedStack(stack.id, stack.view, stack.localizer, stack.sequence, "", 0, stack.planes, at,
                         at if outlined else ((-1,) * stack.phases,) * len(stack.planes))


@pytest.mark.parametrize("learnt", [{"SAX": ["cine"]}, {"SAX": ["LGE", "cine"]}, {"SAX": [""]}, {"SAX": []},
                                    {"SAX": ["cine"], "4CH": ["cine"]}, {"4CH": [""]}])
@pytest.mark.parametrize("stacks", [
    [SCOUT, CINE, LGE, LONG], [SCOUT, LGE, LONG], [STILL, LGE, LONG], [CINE, STILL, LGE, LONG], [SCOUT, LONG]])
def test_a_run_is_measured_on_what_it_would_segment(learnt, stacks):
    taken, _ = chosen(stacks, learnt)
    measured, _ = _taken(learnt, SimpleNamespace(stacks=[*map(prepared, stacks), prepared(PERFUSION, outlined=False)]))
    assert {stack.id for stack in measured} == set(taken)


def test_whoever_names_stacks_has_them():
    assert chosen([CINE, LGE, LONG], {"SAX": ["cine"]}, chosen=["long", "lge", "long"]) == (["long", "lge"], [])
    with pytest.raises(PlaneSSLError, match="no stack 'map'; it has cine, lge"):
        chosen([CINE, LGE], {"SAX": ["cine"]}, chosen=["lge", "map"])


def test_a_phase_is_that_of_the_stacks_that_have_it():
    said = []
    assert with_phase([CINE, LGE], 3, said.append) == [CINE] and "lge (LGE)" in said[0]["text"]
    assert with_phase([CINE, LGE], None, said.append) == [CINE, LGE] and len(said) == 1
    with pytest.raises(PlaneSSLError, match="cine has the phases 0 to 4"):
        with_phase([CINE, LGE], 7, said.append)


def test_a_file_holds_the_cine_even_where_only_others_are_regular():
    tilted = made_up.stack("tilted", "SAX", made_up.planes(*AXES, slices=9, shear=3), 5)
    made = [tilted, of("few", slices=2, phases=5), of("still", slices=20), of("cine", slices=6, phases=3), PERFUSION]
    for order in (made, made[::-1]):
        assert best_stack(order).id == "cine"
    assert best_stack([LGE, tilted]).id == "tilted"  # that it fits no file is then said
    assert best_stack([of("screen", slices=1), tilted]).id == "tilted"
    assert best_stack([LONG, STILL]).id == "still"  # of more slices than one


def test_a_run_knows_the_sequences_that_were_outlined(cohort):
    assert labelled_sequences(cohort, cohort.pseudonyms) == {"SAX": ["cine"]}


def test_each_view_is_drawn_as_often_however_many_stacks_it_has(cohort, monkeypatch):
    (study, *_), drawn = cohort.studies.values(), []
    sax = next(stack for stack in study.stacks if stack.view == "SAX")
    monkeypatch.setattr(study, "stacks", (*study.stacks, sax, sax, sax))

    def make(of_it, place, rng):
        drawn.append(of_it.stacks[place.stack].view)

    samples = RandomFrames(cohort, frames(study), make, seed=0, count=600)
    for n in range(600):
        samples[n]
    share = {view: drawn.count(view) / 600 for view in set(drawn)}
    assert all(abs(of_view - 1 / len(share)) < 0.06 for of_view in share.values())
