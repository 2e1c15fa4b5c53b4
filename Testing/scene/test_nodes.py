"""What is ours comes and goes without a trace, whatever a user does in between."""
from __future__ import annotations

import random
import subprocess
import sys

import numpy as np
import pytest
import slicer
from Testing.made_up_study import write_study
from vtkmodules.vtkCommonCore import vtkIdList

from PlaneSSLLib import PlaneSSLError, anatomy, scene
from PlaneSSLLib.study import read_study

from .made_up import heart, knee, planes, stack, study, tilted


def everything() -> tuple[int, int]:
    """How many nodes and subject hierarchy items there are."""
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)
    items = vtkIdList()
    hierarchy.GetItemChildren(hierarchy.GetSceneItemID(), items, True)
    return slicer.mrmlScene.GetNumberOfNodes(), items.GetNumberOfIds()


def full_drawing():
    """A heart with all that can be drawn of it."""
    drawing = scene.draw_study(heart(), scene.Look(textures="central"))
    labels = [np.zeros((5, 64, 80), np.uint8) for _ in range(3)]
    for phase in labels:
        phase[1:4, 20:40, 20:50] = 3
    scene.add_segmentation(drawing, "sax", labels, anatomy.load("heart").labels, surface=True)
    scene.draw_pairs(drawing)
    scene.draw_targets(drawing, "sax")
    scene.draw_predictions(drawing, [{"image": {"stack": "sax", "slice": 2}, "plane": {"stack": "two", "slice": 0},
                                      "predicted": {"pixels": [[0, 0], [50, 50]]}}])
    scene.show_views(drawing)
    return drawing


def test_nothing_is_left_after_a_hundred_rounds():
    made = [heart(), knee(), tilted()]
    counts = set()
    for round_ in range(100):
        scene.draw_study(made[round_ % 3], scene.Look(textures="all"))
        scene.clear()
        counts.add(everything())
    assert len(counts) == 1
    full_drawing()  # makes slice views, which belong to Slicer
    scene.clear()
    views = everything()
    for _ in range(3):
        full_drawing()
        scene.clear()
        assert everything() == views


def test_a_study_drawn_twice_is_there_once():
    scene.draw_study(heart())
    once = everything()
    scene.draw_study(heart())
    assert everything() == once and len(scene.drawings()) == 1


def test_clearing_one_study_leaves_the_other_and_what_the_user_made():
    scene.draw_study(study([stack("a", "SAX", planes((1, 0, 0), (0, 1, 0)))], name="first"))
    other = scene.draw_study(study([stack("a", "SAX", planes((1, 0, 0), (0, 1, 0)))], name="second"))
    mine = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLModelNode", "mine")
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)
    hierarchy.CreateItem(hierarchy.GetItemByDataNode(other.node("volume")), mine)
    scene.clear(scene.drawings()[0].key)
    assert [drawing.study.folder.name for drawing in scene.drawings()] == ["second"]
    scene.clear()
    assert scene.drawings() == [] and slicer.mrmlScene.IsNodePresent(mine) and hierarchy.GetItemByDataNode(mine)


def test_a_users_copies_of_our_nodes_are_the_users():
    """Slicer copies attributes, too: a backup must not be measured, replaced or cleared for the original."""
    drawing = full_drawing()
    copies = []
    for role in ("segmentation", "volume"):
        copy = slicer.mrmlScene.CreateNodeByClass(drawing.node(role, "sax").GetClassName())
        copy.UnRegister(None)
        copy.Copy(drawing.node(role, "sax"))
        copy.SetName(f"my {role}")
        copies.append(slicer.mrmlScene.AddNode(copy))
        assert copies[-1].GetAttribute("PlaneSSL.role") == role
    assert len(drawing.nodes("segmentation", "sax")) == len(drawing.nodes("volume", "sax")) == 1
    scene.add_segmentation(drawing, "sax", np.zeros((5, 64, 80), np.uint8), anatomy.load("heart").labels)
    scene.clear()
    assert all(map(slicer.mrmlScene.IsNodePresent, copies))


def test_the_items_of_segments_go_with_their_segmentation():
    """Slicer's own plugin gives every segment an item in a virtual branch; imitated here, slicer-core has it not."""
    before = everything()
    drawing = full_drawing()
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)
    item = hierarchy.GetItemByDataNode(drawing.node("segmentation", "sax"))
    hierarchy.SetItemAttribute(item, "VirtualBranch", "1")
    for name in ("RV", "MYO", "LV"):
        hierarchy.CreateHierarchyItem(item, name, "Segments")
    scene.clear()
    assert everything()[1] == before[1]


def test_a_file_that_cannot_be_decoded_leaves_the_scene_as_it_was():
    class Broken:
        def read(self):
            raise PlaneSSLError("that file is broken")

    made = heart()
    object.__setattr__(made.stacks[1].frames[0][1], "source", Broken())
    before = everything()
    with pytest.raises(PlaneSSLError, match="broken"):
        scene.draw_study(made)
    assert everything() == before


def test_a_study_that_cannot_be_drawn_again_stays_as_it_is_with_what_was_corrected_by_hand():
    drawing = full_drawing()
    before = everything()
    steps = scene.draw_in_steps(heart())
    next(steps)
    steps.close()  # cancelled
    broken = heart()
    object.__setattr__(broken.stacks[0].frames[0][1], "source", None)
    with pytest.raises(AttributeError):
        scene.draw_study(broken)
    assert everything() == before and scene.drawings() == [drawing]
    assert drawing.node("segmentation", "sax").GetSegmentation().GetNumberOfSegments() == 3
    again = scene.draw_study(heart())
    assert scene.drawings() == [again] and not drawing.nodes() and again.node("segmentation") is None


@pytest.mark.parametrize("seed", range(4))
def test_any_node_of_ours_may_be_deleted_by_hand(seed):
    drawing = full_drawing()
    hand, live, cine = scene.PlaneInHand(drawing, "two", 0), scene.ViewLines(), scene.CineTextures(drawing)
    ours = [node for node in drawing.nodes() if node.GetAttribute("PlaneSSL.role") != "study"]
    for node in random.Random(seed).sample(ours, len(ours)):
        if slicer.mrmlScene.IsNodePresent(node):  # deleting a sequence takes its proxy along
            slicer.mrmlScene.RemoveNode(node)
        scene.restyle(drawing, others="show")
        live.update()
    for stop in (hand.release, live.stop, cine.stop):
        stop()
    scene.clear()
    assert scene.drawings() == []


def test_deleting_the_record_itself_says_to_draw_the_study_again():
    drawing = scene.draw_study(heart())
    slicer.mrmlScene.RemoveNode(drawing.record)
    with pytest.raises(PlaneSSLError, match="draw it again"):
        scene.restyle(drawing, others="show")
    scene.clear()
    assert drawing.nodes() == []


def test_the_scene_may_be_closed_while_a_plane_is_in_hand():
    drawing = full_drawing()
    hand, live = scene.PlaneInHand(drawing, "sax", 1), scene.ViewLines()
    slicer.mrmlScene.Clear(0)
    hand.release()
    live.update()
    live.stop()
    assert scene.drawings() == []


def test_series_lie_in_folders_under_the_patient():
    drawing = scene.draw_study(heart())
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)

    def path(node) -> list[str]:
        item, names = hierarchy.GetItemByDataNode(node), []
        while item != hierarchy.GetSceneItemID():
            names.append(hierarchy.GetItemName(item))
            item = hierarchy.GetItemParent(item)
        return names

    assert path(drawing.node("volume", "two")) == ["2: two", "2: two", "made-up", "nobody"]
    assert path(drawing.node("planes", "two")) == ["2CH planes", "2: two", "made-up", "nobody"]
    assert path(drawing.node("lines")) == ["Crossing lines", "made-up", "nobody"]


def test_a_folder_whose_name_is_no_text_is_drawn():
    """In a child process, since VTK ends it when it is given such a name."""
    made = """
from dataclasses import replace
from pathlib import Path
from PlaneSSLLib import scene
from Testing.scene.made_up import heart
name = b"J\\xfcrgen".decode(errors="surrogateescape")
scene.start()
scene.draw_study(replace(heart(), folder=Path(name), subject=name))
print(len(scene.nodes.our_nodes()))
"""
    done = subprocess.run([sys.executable, "-c", made], capture_output=True, text=True, check=False)
    assert done.returncode == 0 and int(done.stdout.split()[-1]) > 10, done.stderr


def test_starting_again_changes_nothing():
    before = slicer.mrmlScene
    scene.start()
    assert slicer.mrmlScene is before


def test_a_study_by_another_way_to_its_folder_is_the_same_study(tmp_path, monkeypatch):
    folder = write_study(tmp_path / "s", 0)
    monkeypatch.chdir(tmp_path)
    scene.draw_study(read_study("s"), volumes=False)
    scene.draw_study(read_study(folder), volumes=False)
    (drawing,) = scene.drawings()
    assert drawing.study.folder == folder


def test_a_study_of_an_anatomy_that_is_known_by_its_file_alone_is_drawn(tmp_path):
    file = tmp_path / "mine.toml"
    file.write_text(anatomy.load("heart").file.read_text(encoding="utf-8").replace('name = "heart"', 'name = "mine"'))
    folder = write_study(tmp_path / "s", 0)
    (folder / "study.json").write_text((folder / "study.json").read_text().replace('"heart"', f'"{file}"'))
    drawing = scene.draw_study(read_study(folder), volumes=False)
    assert drawing.study.anatomy == "mine" and drawing.node("lines") is not None
