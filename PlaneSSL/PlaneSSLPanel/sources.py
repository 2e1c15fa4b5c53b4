"""Studies that are in Slicer already, brought to where the reader finds them: a folder of files."""
from __future__ import annotations

import atexit
import hashlib
import os
import shutil
from pathlib import Path
from uuid import uuid4

import slicer

from PlaneSSLLib import PlaneSSLError

FOLDER, DICOM, VOLUMES = "folder", "dicom", "volumes"  # where a study may be

_TOKEN = "PlaneSSL.source"
_gathered: set[Path] = set()  # folders with patients' images that this process has made


def dicomStudies() -> list[tuple[str, str]]:
    """(what it is called, its UID) of every study in Slicer's DICOM database."""
    database = getattr(slicer, "dicomDatabase", None)  # absent where Slicer runs without its DICOM module
    if database is None or not database.isOpen:
        return []
    found = []
    for patient in database.patients():
        for study in database.studiesForPatient(patient):
            name = f"{database.nameForPatient(patient)}: {database.descriptionForStudy(study) or study}"
            found.append((name, study))
    return found


def gatherDicom(study: str) -> Path:
    """A folder with links to all files of a study of the DICOM database.

    PlaneSSLError where images are known from a server, and are not on this computer.
    """
    database = slicer.dicomDatabase
    of_series = {series: database.filesForSeries(series) for series in database.seriesForStudy(study)}
    if absent := sum(not file for files in of_series.values() for file in files):
        raise PlaneSSLError(f"{absent} images of this study are on a server alone: retrieve them in the DICOM module "
                            "first.")
    folder = _empty_folder(study)
    for number, files in enumerate(of_series.values()):
        (folder / str(number)).mkdir()
        for i, file in enumerate(files):
            _link(Path(slicer.util.longPath(file)), folder / str(number) / f"{i}{Path(file).suffix}")
    return folder


def gatherVolumes(volume: slicer.vtkMRMLScalarVolumeNode) -> Path:
    """A folder with a volume of the scene, and all volumes beside it in the subject hierarchy, as NRRD files.

    Each is a stack of its own, as it is a node of its own.
    """
    if not volume.GetAttribute(_TOKEN):  # its id may be another patient's after the scene was closed
        volume.SetAttribute(_TOKEN, uuid4().hex)
    folder = _empty_folder(volume.GetAttribute(_TOKEN))
    for number, node in enumerate(_beside(volume)):
        if node.GetParentTransformNode() is not None:
            raise PlaneSSLError(f"{node.GetName()} lies under a transform: harden it first, so that its planes are "
                                "where they are shown.")
        file = folder / f"{number:02}"  # a folder each: names that differ in numbers would make phases of them
        file.mkdir()
        name = "".join(letter if letter.isalnum() or letter in "-_ " else "_" for letter in node.GetName())
        # Not saveNode: the volume would count as saved there, where it does not stay. The dictionary is its to fill.
        if not slicer.util.exportNode(node, str(file / f"{name.strip() or 'volume'}.nrrd"), {}):
            raise PlaneSSLError(f"The volume {node.GetName()} could not be written to {folder}: is there room?")
    return folder


def _beside(volume) -> list:
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)
    parent = hierarchy.GetItemParent(hierarchy.GetItemByDataNode(volume))
    if parent in (0, hierarchy.GetSceneItemID()):
        return [volume]
    found = slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")  # label maps and colour volumes among them
    return [node for node in found if node.GetClassName() == "vtkMRMLScalarVolumeNode"
            and hierarchy.GetItemParent(hierarchy.GetItemByDataNode(node)) == parent and node.GetImageData()]


def gathered_folder(key: str) -> Path:
    """The same folder for the same study, so that it is known again when it is drawn anew."""
    return Path(slicer.app.temporaryPath, "PlaneSSL-sources", hashlib.sha256(key.encode()).hexdigest()[:12])


def _empty_folder(key: str) -> Path:
    """It goes when Slicer does."""
    folder = gathered_folder(key)
    shutil.rmtree(folder, ignore_errors=True)
    try:
        folder.mkdir(parents=True, mode=0o700)
    except FileExistsError:
        raise PlaneSSLError(f"{folder} is in use: close whatever has its files open, another Slicer perhaps, and read "
                            "the study again.") from None
    atexit.unregister(_remove_folders)
    atexit.register(_remove_folders)
    _gathered.add(folder)
    return folder


def _remove_folders() -> None:
    while _gathered:
        shutil.rmtree(_gathered.pop(), ignore_errors=True)


def _link(file: Path, to: Path) -> None:
    # A second name of a file that may not be written could not be deleted on Windows.
    for make in (os.symlink, *([os.link] if os.name == "posix" else []), shutil.copyfile):
        try:
            make(file, to)
            return
        except OSError:  # not every disk and every user may make links
            continue
    to.touch()  # it is gone, or may not be read: one image that the reader says it could not read
