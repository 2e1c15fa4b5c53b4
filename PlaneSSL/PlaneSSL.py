"""PlaneSSL in 3D Slicer: the module, its panel and its logic. The sections of the panel are in PlaneSSLPanel."""
from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import qt
import slicer
import vtk
from slicer.i18n import tr as _
from slicer.i18n import translate
from slicer.ScriptedLoadableModule import (
    ScriptedLoadableModule, ScriptedLoadableModuleLogic, ScriptedLoadableModuleWidget,
)
from slicer.util import VTKObservationMixin

if sys.version_info < (3, 11):  # noqa: UP036  an older Slicer's
    raise ImportError("PlaneSSL needs Slicer 5.12 or newer.")  # Slicer shows it among its messages

# Installed, the library lies beside this file; in a checkout, one level up.
_LIBRARY = str(next(folder for folder in Path(__file__).resolve().parents if (folder / "PlaneSSLLib").is_dir()))
if _LIBRARY not in sys.path:
    sys.path.append(_LIBRARY)

from PlaneSSLPanel import sources, windows  # noqa: E402
from PlaneSSLPanel.lazily import lazily  # noqa: E402
from PlaneSSLPanel.learning import LearningLogic, reading_options  # noqa: E402
from PlaneSSLPanel.samples import registerSampleData  # noqa: E402
from PlaneSSLPanel.selftest import PlaneSSLTest  # noqa: E402, F401  Slicer looks for it here

from PlaneSSLLib.jobs import Job  # noqa: E402
from PlaneSSLLib.resources import resource_folder  # noqa: E402

if TYPE_CHECKING:
    from PlaneSSLPanel.parameters import PlaneSSLParameterNode

    from PlaneSSLLib.scene import Drawing
    from PlaneSSLLib.study import Study

anatomies, scenes, studies = (lazily(f"PlaneSSLLib.{room}") for room in ("anatomy", "scene", "study"))


class PlaneSSL(ScriptedLoadableModule):
    """What Slicer shows of the module before it is opened."""

    def __init__(self, parent) -> None:
        ScriptedLoadableModule.__init__(self, parent)
        parent.title = "PlaneSSL"
        parent.categories = [translate("qSlicerAbstractCoreModule", "Cardiac"),
                             translate("qSlicerAbstractCoreModule", "Segmentation")]
        parent.dependencies = ["Markups", "Models", "Plots", "Segmentations", "Sequences", "SubjectHierarchy", "Tables",
                               "Volumes"]
        parent.contributors = ["The PlaneSSL contributors"]
        parent.helpText = _(
            "Draws the imaging planes of a cardiac or knee MR study and the lines in which they cut, learns from those "
            "lines without any outline, and segments with what was learned. For research use only.")
        parent.acknowledgementText = _(
            "The method is that of Zhang et al., Self-supervised learning for medical image data with "
            "anatomy-oriented imaging planes, Medical Image Analysis, 2024.")
        icon = resource_folder() / "Icons" / "PlaneSSL.png"
        if icon.is_file():
            parent.icon = qt.QIcon(str(icon))
        slicer.app.connect("startupCompleted()", startedUp)


def startedUp() -> None:
    """What can only be done once all modules are there."""
    slicer.mrmlScene.AddObserver(slicer.vtkMRMLScene.EndImportEvent, openForOurs)
    registerSampleData()  # an application may come without the module of samples


def openForOurs(caller=None, event=None) -> None:
    """A scene with a study of ours was loaded: its textures and lines need the module, which may not be open yet."""
    if any(node.GetAttribute("PlaneSSL.role") for node in slicer.util.getNodesByClass("vtkMRMLScriptedModuleNode")):
        slicer.util.getModuleWidget("PlaneSSL")


class PlaneSSLWidget(ScriptedLoadableModuleWidget, VTKObservationMixin):
    """The panel. What its sections share is here: logic, widgets by name (ui), settings, and the work under way."""

    def __init__(self, parent=None) -> None:
        ScriptedLoadableModuleWidget.__init__(self, parent)
        VTKObservationMixin.__init__(self)
        self.logic, self.ui, self.running, self.settings, self.sections, self.runs = None, None, None, None, {}, []
        self._tags = ()

    def setup(self) -> None:
        """Build the panel from the .ui files."""
        from PlaneSSLPanel.running import Running
        from PlaneSSLPanel.sections import SECTIONS, Widgets

        ScriptedLoadableModuleWidget.setup(self)
        self.logic, self.ui = PlaneSSLLogic(), Widgets()
        notice = qt.QLabel(_("For research use only. Not for diagnosis or treatment."))
        notice.setWordWrap(True)
        self.layout.addWidget(notice)
        for name in ("PlaneSSLJob", *SECTIONS):
            widget = slicer.util.loadUI(self.resourcePath(f"UI/{name}.ui"))
            self.layout.addWidget(widget)
            if name in SECTIONS:
                widget.setMRMLScene(slicer.mrmlScene)
            self.ui.add(slicer.util.childWidgetVariables(widget))
        self.layout.addStretch(1)
        self.running = Running(self.ui, self.onSettingsChanged)
        self.sections = {name: section(self) for name, section in SECTIONS.items()}
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.StartCloseEvent, self.onSceneStartClose)
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.EndCloseEvent, self.onSceneEndClose)
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.EndImportEvent, self.onSceneEndImport)
        self.useSettings(self.logic.getParameterNode())
        self.logic.restoreViews()

    def onReload(self) -> None:
        """Reload the sections, too. The library stays: what is in the scene is followed by its functions."""
        for name in [name for name in sys.modules if name.partition(".")[0] == "PlaneSSLPanel"]:
            del sys.modules[name]
        ScriptedLoadableModuleWidget.onReload(self)

    def resourcePath(self, filename: str) -> str:
        """Resources lie beside the library, wherever that is."""
        return str(resource_folder() / filename)

    def cleanup(self) -> None:
        """Slicer closes, or the module is reloaded: nothing may stay behind."""
        self.useSettings(None)
        if self.running is not None:
            self.running.end()
            self.logic.releasePlane()
            self.logic.forgetViews()
        self.removeObservers()

    def enter(self) -> None:
        for section in self.sections.values():
            section.entered()
        self.useSettings(self.logic.getParameterNode())

    def exit(self) -> None:
        self.useSettings(None)

    def onSceneStartClose(self, caller, event) -> None:
        """Work whose results would enter the scene ends; a training goes on, since its results are files."""
        self.useSettings(None)
        self.running.drop()
        self.logic.forgetViews()
        for section in self.sections.values():
            section.sceneCloses()

    def onSceneEndClose(self, caller, event) -> None:
        if self.parent.isEntered:
            self.useSettings(self.logic.getParameterNode())

    def onSceneEndImport(self, caller, event) -> None:
        """A scene was loaded."""
        self.logic.restoreViews()
        if self.parent.isEntered:
            self.useSettings(self.logic.getParameterNode())

    def useSettings(self, settings: PlaneSSLParameterNode | None) -> None:
        """Show and keep these settings, or none."""
        if self.settings is not None:
            self.settings.disconnectGui(self._tags[0])
            self.settings.RemoveObserver(self._tags[1])  # the mixin would keep every wrapper until the end
        self.settings = settings
        if settings is not None:
            self._tags = (settings.connectGui(self.ui),
                          settings.AddObserver(vtk.vtkCommand.ModifiedEvent, self.onSettingsChanged))
            self.refresh()

    def onSettingsChanged(self, caller=None, event=None) -> None:
        """A setting was changed, or what had to wait for work under way can be done."""
        if self.settings is not None and not slicer.mrmlScene.IsImporting():  # then all comes at its end
            for section in self.sections.values():
                section.settingsChanged()
            self.refresh()

    def refresh(self) -> None:
        """Bring every section up to date with the settings and the scene."""
        if self.settings is not None:
            self.runs = self.logic.runs()
            for section in self.sections.values():
                section.refresh()

    def anatomy(self) -> str | None:
        """The anatomy that was chosen, None to guess."""
        from PlaneSSLPanel.choices import GUESS

        return None if self.settings.anatomy == GUESS else self.settings.anatomy

    def look(self) -> dict[str, str]:
        """How studies are to be shown."""
        return {name: getattr(self.settings, name) for name in ("localizers", "others", "textures")}

    def missingPackages(self) -> str:
        """What to do where something lacks that training and applying need; empty where all is there."""
        from PlaneSSLPanel.installing import packages

        return "" if all(package.installed for package in packages()) else _("Packages are missing: see Set-up.")


class PlaneSSLLogic(LearningLogic, ScriptedLoadableModuleLogic):
    """Everything that PlaneSSL does, for the panel, the Python console and scripts alike.

    A study in the scene is known by its vtkMRMLScriptedModuleNode, which `drawStudy` returns. Whatever cannot be done
    raises PlaneSSLError with a sentence that says what to do. Training and applying networks is in LearningLogic.
    """

    def __init__(self) -> None:
        ScriptedLoadableModuleLogic.__init__(self)
        self._inHand, self._followers = None, []

    def getParameterNode(self) -> PlaneSSLParameterNode:
        """The panel's settings in the present scene."""
        from PlaneSSLPanel.parameters import wrap

        return wrap(super().getParameterNode())

    def readStudy(self, folder: str | os.PathLike, anatomy: str | None = None,
                  views: dict[str, str] | None = None) -> Study:
        """Read the headers of a study's folder. anatomy: a name, None to guess; views: stack id -> corrected view."""
        return studies.read_patient(folder, anatomy=anatomy, views=views)

    def readingJob(self, folder: str | os.PathLike, kept: str | os.PathLike, anatomy: str | None = None,
                   views: dict[str, str] | None = None) -> Job:
        """Read a study with all its pixels in a child process, into a new folder from which `takeOver` has it."""
        return Job(["handover", Path(folder), "--out", Path(kept), *reading_options(anatomy, views)])

    def takeOver(self, kept: str | os.PathLike) -> Study:
        """The study that a reading job has read; its pixels stay in that folder."""
        return studies.take_over(Path(kept))

    def stacks(self, study: Study) -> list[dict]:
        """The stacks of a study: view, confidence, slices, phases, planes ... as in `planessl study --json`."""
        return studies.describe(study)["stacks"]

    def problems(self, study: Study) -> list[str]:
        """A sentence for every file that could not be used, and for all that a reader should know."""
        return [*(f"{problem.file}: {problem.reason}" for problem in study.problems), *study.notes,
                *(f"{stack.id}: {note}" for stack in study.stacks for note in stack.notes)]

    def views(self, anatomy: str) -> list[str]:
        """The views that a stack of this anatomy can show."""
        return [view.name for view in anatomies.load(anatomy).views]

    def dicomStudies(self) -> list[tuple[str, str]]:
        """(what it is called, its UID) of every study in Slicer's DICOM database."""
        return sources.dicomStudies()

    def gatherDicom(self, study: str) -> Path:
        """A folder with links to all files of a study of the DICOM database, to be read and drawn; it goes with Slicer.

        study: its UID.
        """
        return sources.gatherDicom(study)

    def gatherVolumes(self, volume: slicer.vtkMRMLScalarVolumeNode) -> Path:
        """The same of a volume of the scene, and of all volumes beside it in the subject hierarchy."""
        return sources.gatherVolumes(volume)

    def drawStudy(self, study: Study | str | os.PathLike, anyFrame: bool = False, **look: str,
                  ) -> slicer.vtkMRMLScriptedModuleNode:
        """Draw a study, or the study in a folder: images and cines, planes, crossing lines.

        anyFrame: also cut planes of different frames of reference. look: localizers, others, textures; see `restyle`.
        """
        if not isinstance(study, studies.Study):
            study = self.readStudy(study)
        return scenes.draw_study(study, scenes.Look(**look), any_frame=anyFrame).record

    def drawingSteps(self, study: Study, anyFrame: bool = False, **look: str) -> Iterator:
        """What `drawStudy` does, one stack a step, so that nothing freezes meanwhile; `showInViews` comes after it."""
        self.forgetViews()
        try:
            yield from scenes.draw_in_steps(study, scenes.Look(**look), any_frame=anyFrame)
        except BaseException:  # cancelled, or it failed: the studies that were there are followed again
            self.followViews()
            raise

    def showInViews(self, study: slicer.vtkMRMLScriptedModuleNode) -> None:
        """Show the foremost images in the slice views, with their lines, which follow what the views show."""
        scenes.show_views(self.drawing(study))
        self.followViews()
        windows.bringUp(self.drawing(study))

    def showImage(self, study: slicer.vtkMRMLScriptedModuleNode, stack: str, index: int,
                  phase: int | None = None) -> None:
        """Show one image in the first slice view: a stack's id, a slice and a phase from 0."""
        scenes.show_image(scenes.view_named("Red"), self.drawing(study), stack, index, phase)

    def forgetViews(self) -> None:
        """Follow the slice views no longer."""
        for follower in self._followers:
            follower.stop()
        self._followers = []

    def followViews(self) -> None:
        """Let the lines in all slice views, and the images in 3D, follow what is shown of the studies in the scene."""
        self.forgetViews()
        drawings = scenes.drawings()
        if drawings:
            self._followers = [scenes.ViewLines(), *map(scenes.CineTextures, drawings)]

    def restoreViews(self) -> None:
        """After a scene was loaded: images in 3D, which MRML does not save, come back; handles, held by none, go."""
        self.releasePlane()
        scenes.let_go()
        scenes.restore_textures()
        self.followViews()

    def studies(self) -> list[slicer.vtkMRMLScriptedModuleNode]:
        """The drawn studies in the scene, the last one drawn last."""
        return [drawing.record for drawing in scenes.drawings()]

    def drawing(self, study: slicer.vtkMRMLScriptedModuleNode) -> Drawing:
        """What the library's scene functions take for a drawn study."""
        return scenes.drawing_of(study)

    def folder(self, study: slicer.vtkMRMLScriptedModuleNode) -> Path:
        """The folder that a drawn study was read from."""
        return self.drawing(study).now.acquired.folder

    def anatomy(self, study: slicer.vtkMRMLScriptedModuleNode) -> str:
        """The name of the anatomy that a drawn study shows."""
        return self.drawing(study).now.acquired.anatomy

    def drawnStacks(self, study: slicer.vtkMRMLScriptedModuleNode) -> list[dict]:
        """The stacks of a drawn study, as in `stacks`, planes as they lie now; localizers last."""
        return sorted(studies.describe(self.drawing(study).study)["stacks"], key=lambda stack: stack["localizer"])

    def restyle(self, study: slicer.vtkMRMLScriptedModuleNode, **look: str) -> None:
        """Change how a study is shown: localizers and others are show, dim or hide; textures none, central or all."""
        scenes.restyle(self.drawing(study), **look)

    def pairs(self, study: slicer.vtkMRMLScriptedModuleNode) -> list[dict]:
        """One row for every two planes that cut: their names, angle, length of the line, and its offsets."""
        return scenes.pairs(self.drawing(study))

    def pairsTable(self, study: slicer.vtkMRMLScriptedModuleNode) -> slicer.vtkMRMLTableNode:
        """The same as a table node in the scene."""
        return scenes.draw_pairs(self.drawing(study))

    def savePairs(self, study: slicer.vtkMRMLScriptedModuleNode, file: str | os.PathLike) -> Path:
        """The same as a CSV file, in place of one of that name."""
        return scenes.write_pairs(self.drawing(study), file, overwrite=True)

    def showPair(self, study: slicer.vtkMRMLScriptedModuleNode, pair: dict) -> None:
        """Show two planes and their line alone; pair: a row of `pairs`."""
        scenes.show_pair(self.drawing(study), *((pair[f"{which} stack"], pair[f"{which} slice"])
                                                for which in ("first", "second")))

    def showAll(self, study: slicer.vtkMRMLScriptedModuleNode) -> None:
        """Show all planes again after `showPair`."""
        scenes.show_all(self.drawing(study))

    def takePlane(self, study: slicer.vtkMRMLScriptedModuleNode, stack: str, index: int,
                  ) -> slicer.vtkMRMLMarkupsPlaneNode:
        """Put handles on a plane (a stack's id, a slice from 0), whose lines then follow; returns the markups plane."""
        self.releasePlane()
        self._inHand = scenes.PlaneInHand(self.drawing(study), stack, index)
        return self._inHand.handle

    def planeInHand(self) -> slicer.vtkMRMLMarkupsPlaneNode | None:
        """The handles of the plane that is being moved, None if none is."""
        here = self._inHand is not None and slicer.mrmlScene.IsNodePresent(self._inHand.handle)
        return self._inHand.handle if here else None

    def resetPlane(self) -> None:
        """Put the plane that is being moved back where it was acquired."""
        if self.planeInHand() is not None:
            self._inHand.reset()

    def releasePlane(self) -> None:
        """Take the handles away; the plane stays where it is now."""
        if self.planeInHand() is not None:
            self._inHand.release()
        self._inHand = None

    def showTargets(self, study: slicer.vtkMRMLScriptedModuleNode, stack: str | None,
                    predicted: bool = False) -> list[slicer.vtkMRMLVolumeNode]:
        """Lay a stack's training targets over its images in the slice views; None takes them away.

        predicted: what a run answered instead, see `showPredictions`.
        """
        if stack is None:
            scenes.overlay_all([])  # those of a study drawn before, too
            return []
        drawing = self.drawing(study)
        made = self.predictedTargets(study, stack) if predicted else scenes.draw_targets(drawing, stack)
        scenes.overlay_all(made, drawing)
        return made

    def clear(self, study: slicer.vtkMRMLScriptedModuleNode | None = None) -> None:
        """Take a drawn study, or all that PlaneSSL drew, out of the scene."""
        self.forgetViews()
        self.releasePlane()
        drawing = None if study is None else self.drawing(study)
        scenes.overlay_all([], drawing)
        scenes.clear(drawing and drawing.key)
        self.followViews()
