"""What in the scene is ours: made, found, filed in the subject hierarchy, and taken away again.

Every node of ours carries the attributes below; `clear` goes by them, so that it removes exactly our nodes, whether
they were drawn in this session or came with a scene file.
"""
from __future__ import annotations

import hashlib
import itertools
import os

import slicer
from vtkmodules.vtkCommonCore import vtkIdList

from . import host

ROLE = "PlaneSSL.role"
STUDY = "PlaneSSL.study"
STACK = "PlaneSSL.stack"
SLICE = "PlaneSSL.slice"
_OURS = (ROLE, STUDY, STACK, SLICE)
_ONE_OF_A_KIND = {"volume", "segmentation"}  # of a stack, or of one of its slices


def scene():
    """The MRML scene of this process, made if there is none (slicer-core)."""
    host.start()
    return slicer.mrmlScene


def keys_of(folder) -> tuple[str, set[str]]:
    """A new key for a study's folder, which tells our nodes of several studies apart, and those of it in the scene.

    There are several while a study is drawn again: what was there goes when the new drawing is whole.
    """
    name = hashlib.sha256(os.fsencode(folder)).hexdigest()[:12]
    there = {key for node in our_nodes() if (key := node.GetAttribute(STUDY) or "").partition(" ")[0] == name}
    new = (f"{name} {n}" if n else name for n in itertools.count())
    return next(key for key in new if key not in there), there


def add_node(class_name: str, name: str, role: str, study: str, stack: str | None = None, index: int | None = None):
    """Add a node of ours. study: see `keys_of`; stack: a stack's id; index: a slice, for a node that shows only one."""
    node = scene().CreateNodeByClass(class_name)
    node.UnRegister(None)
    node.SetName(_text(name))
    mark(node, role, study, stack, index)
    return scene().AddNode(node)


def _text(name: str) -> str:
    """A name without what is no UTF-8, of which folders' names may be and with which VTK would end the process."""
    return name.encode(errors="replace").decode()


def mark(node, role: str, study: str, stack: str | None = None, index: int | None = None) -> None:
    """Make a node ours; see `add_node`."""
    node.SetAttribute(ROLE, role)
    node.SetAttribute(STUDY, study)
    node.SetAttribute(STACK, stack)
    node.SetAttribute(SLICE, None if index is None else str(index))


def our_nodes(role: str | None = None, study: str | None = None, stack: str | None = None,
              index: int | None = None, class_name: str = "vtkMRMLNode") -> list:
    """Our nodes in the scene, those of a role, of a study, of a stack, of a slice; looked for among a class.

    A user's copy of an image or a segmentation carries our attributes, and is the user's: the first of several is ours.
    """
    wanted = {ROLE: role, STUDY: study, STACK: stack, SLICE: None if index is None else str(index)}
    wanted = {name: value for name, value in wanted.items() if value is not None}
    found: dict = {}
    for node in nodes_of(class_name):
        if node.GetAttribute(ROLE) and all(node.GetAttribute(name) == value for name, value in wanted.items()):
            found.setdefault(_which(node) if node.GetAttribute(ROLE) in _ONE_OF_A_KIND else node.GetID(), node)
    return list(found.values())


def _which(node) -> tuple[str | None, ...]:
    return tuple(node.GetAttribute(name) for name in _OURS)


def nodes_of(class_name: str) -> list:
    """All nodes of a class in the scene, ours or not."""
    found = scene().GetNodesByClass(class_name)
    found.UnRegister(None)
    return [found.GetItemAsObject(i) for i in range(found.GetNumberOfItems())]


def remove(node) -> None:
    """Take a node out of the scene with its display and storage nodes, and its place in the subject hierarchy."""
    if node is None or not scene().IsNodePresent(node):
        return
    attached = []
    if node.IsA("vtkMRMLDisplayableNode"):
        attached += [node.GetNthDisplayNode(i) for i in range(node.GetNumberOfDisplayNodes())]
    if node.IsA("vtkMRMLStorableNode"):
        attached += [node.GetNthStorageNode(i) for i in range(node.GetNumberOfStorageNodes())]
    hierarchy = _hierarchy()
    item = hierarchy.GetItemByDataNode(node)
    if item:
        # Only the item: what a user has put under our node stays, and moves up. The items of its segments go with it.
        children = vtkIdList()
        if not hierarchy.IsItemVirtualBranchParent(item):
            hierarchy.GetItemChildren(item, children)
        for i in range(children.GetNumberOfIds()):
            hierarchy.SetItemParent(children.GetId(i), hierarchy.GetItemParent(item))
        hierarchy.RemoveItem(item, False, False)
    if node.GetAttribute(ROLE) in _ONE_OF_A_KIND:  # copies that a user has made of it are not to be taken for the next
        for copy in nodes_of(node.GetClassName()):
            if copy is not node and _which(copy) == _which(node):
                for name in _OURS:
                    copy.RemoveAttribute(name)
    scene().RemoveNode(node)
    for other in attached:
        if other is not None and scene().IsNodePresent(other):
            scene().RemoveNode(other)


def clear(study: str | None = None) -> None:
    """Remove everything of ours, or of one study: nodes, their display and storage nodes, and emptied folders."""
    # Browsers first: they would otherwise put proxies back or warn about missing sequences.
    nodes = sorted(our_nodes(study=study), key=lambda node: not node.IsA("vtkMRMLSequenceBrowserNode"))
    for node in nodes:
        remove(node)
    for item in reversed(_our_folders(study)):
        if not _hierarchy().GetNumberOfItemChildren(item):
            _hierarchy().RemoveItem(item, False, False)


def folder(study: str, subject: str, description: str, series: str | None = None, name: str = "") -> int:
    """The subject hierarchy item of a study, or of a series in it, made with its parents if it is not there."""
    hierarchy = _hierarchy()
    patient = _folder(study, "patient", hierarchy.GetSceneItemID(), hierarchy.CreateSubjectItem, subject)
    exam = _folder(study, "exam", patient, hierarchy.CreateStudyItem, description)
    if series is None:
        return exam
    return _folder(study, f"series {series}", exam, hierarchy.CreateFolderItem, name)


def file_under(node, parent: int) -> None:
    """Put a node into a folder of the subject hierarchy; slicer-core does not list nodes there by itself."""
    hierarchy = _hierarchy()
    item = hierarchy.GetItemByDataNode(node) or hierarchy.CreateItem(parent, node)
    hierarchy.SetItemParent(item, parent)


def of_one_study(volume) -> list:
    """The volumes that lie under the same study in the subject hierarchy; none where this one lies under none."""
    hierarchy, items = _hierarchy(), vtkIdList()
    study = hierarchy.GetItemAncestorAtLevel(
        hierarchy.GetItemByDataNode(volume), slicer.vtkMRMLSubjectHierarchyConstants.GetDICOMLevelStudy())
    if study == hierarchy.GetInvalidItemID():
        return []
    hierarchy.GetItemChildren(study, items, True)
    found = [hierarchy.GetItemDataNode(items.GetId(i)) for i in range(items.GetNumberOfIds())]
    return [node for node in found if node is not None and node.IsA("vtkMRMLScalarVolumeNode")]


def _folder(study: str, kind: str, parent: int, create, name: str) -> int:
    hierarchy = _hierarchy()
    for item in _our_folders(study):
        if hierarchy.GetItemAttribute(item, ROLE) == kind:
            return item
    item = create(parent, _text(name))
    hierarchy.SetItemAttribute(item, ROLE, kind)
    hierarchy.SetItemAttribute(item, STUDY, study)
    return item


def _our_folders(study: str | None) -> list[int]:
    """Items of ours without a node, parents before children."""
    hierarchy = _hierarchy()
    items = vtkIdList()
    hierarchy.GetItemChildren(hierarchy.GetSceneItemID(), items, True)
    found = [items.GetId(i) for i in range(items.GetNumberOfIds())]
    return [item for item in found if hierarchy.GetItemAttribute(item, ROLE)
            and study in (None, hierarchy.GetItemAttribute(item, STUDY))]


def _hierarchy():
    return slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene())
