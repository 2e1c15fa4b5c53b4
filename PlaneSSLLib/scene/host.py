"""The scene outside 3D Slicer: what slicer-core lacks, made once, so that the same code runs in both hosts."""
from __future__ import annotations

import tempfile
from pathlib import Path
from types import SimpleNamespace

import slicer
from vtkmodules.vtkCommonCore import vtkCollection, vtkObject

from .. import PlaneSSLError

# The logics that the scene and its displayable managers need, by the names of their modules.
_LOGICS = {
    "Colors": "vtkSlicerColorLogic",
    "Volumes": "vtkSlicerVolumesLogic",
    "Models": "vtkSlicerModelsLogic",
    "Markups": "vtkSlicerMarkupsLogic",
    "Segmentations": "vtkSlicerSegmentationsModuleLogic",
    "Sequences": "vtkSlicerSequencesLogic",
    "SubjectHierarchy": "vtkSlicerSubjectHierarchyModuleLogic",
    "Tables": "vtkSlicerTablesLogic",
    "Plots": "vtkSlicerPlotsLogic",
}


def start() -> None:
    """Make `slicer.mrmlScene`, `slicer.app.applicationLogic()` and `slicer.modules.<name>.logic()` where absent.

    Inside 3D Slicer, and on a second call, this does nothing. PlaneSSLError where the modules' logics are missing, as
    in PythonSlicer.
    """
    if hasattr(slicer, "mrmlScene"):
        return
    missing = [name for name in _LOGICS.values() if not hasattr(slicer, name)]
    if missing:
        raise PlaneSSLError(f"This Python can make no scene: it lacks slicer.{missing[0]}, as PythonSlicer does. There "
                            "is one in Slicer itself, and slicer-core makes one.")
    scene = slicer.vtkMRMLScene()
    application = slicer.vtkSlicerApplicationLogic()
    application.SetHomeDirectory(str(Path(slicer.__file__).parent))
    application.SetShareDirectory(".")
    application.SetMRMLScene(scene)
    application.SetSliceLogics(vtkCollection())
    application.SetViewLogics(vtkCollection())
    files = slicer.vtkDataIOManager()  # sequences of segmentations are bundles, unpacked in the cache's folder
    cache = slicer.vtkCacheManager()
    folder = tempfile.TemporaryDirectory(prefix="planessl-")  # goes when the process ends
    Path(folder.name, ".slicer-cache").touch()
    cache.SetRemoteCacheDirectory(folder.name)
    cache.SetMRMLScene(scene)
    files.SetCacheManager(cache)
    scene.SetCacheManager(cache)
    scene.SetDataIOManager(files)
    slicer.mrmlScene = scene
    slicer.app = SimpleNamespace(applicationLogic=lambda: application, temporaryFolder=folder)
    slicer.modules = SimpleNamespace()
    # slicer-core ships no colour files; that is no reason to warn the user, who cannot add them.
    warnings = vtkObject.GetGlobalWarningDisplay()
    vtkObject.GlobalWarningDisplayOff()
    for module, name in _LOGICS.items():
        logic = getattr(slicer, name)()
        logic.SetMRMLApplicationLogic(application)
        logic.SetMRMLScene(scene)
        application.SetModuleLogic(module, logic)
        setattr(slicer.modules, module.lower(), SimpleNamespace(logic=lambda logic=logic: logic))
    vtkObject.SetGlobalWarningDisplay(warnings)
    slicer.vtkMRMLSliceNode.AddDefaultSliceOrientationPresets(scene, True)
