"""PlaneSSL in 3D Slicer: the module, its panel, its logic and its self test."""
from __future__ import annotations

import os
import sys
from pathlib import Path

import qt
import slicer
import vtk
from slicer.i18n import tr as _
from slicer.i18n import translate
from slicer.ScriptedLoadableModule import (
    ScriptedLoadableModule, ScriptedLoadableModuleLogic, ScriptedLoadableModuleTest, ScriptedLoadableModuleWidget,
)
from slicer.util import VTKObservationMixin

# Installed, the library lies beside this file; in a checkout, one level up.
_LIBRARY = str(next(folder for folder in Path(__file__).resolve().parents if (folder / "PlaneSSLLib").is_dir()))
if _LIBRARY not in sys.path:
    sys.path.append(_LIBRARY)

from PlaneSSLLib import anatomy as anatomies  # noqa: E402
from PlaneSSLLib import scene as scenes  # noqa: E402
from PlaneSSLLib.resources import resource_folder  # noqa: E402
from PlaneSSLLib.study import Study, describe, read_study  # noqa: E402


class PlaneSSL(ScriptedLoadableModule):
    """What Slicer shows of the module before it is opened."""

    def __init__(self, parent) -> None:
        ScriptedLoadableModule.__init__(self, parent)
        parent.title = "PlaneSSL"
        parent.categories = [translate("qSlicerAbstractCoreModule", "Cardiac"),
                             translate("qSlicerAbstractCoreModule", "Segmentation")]
        parent.dependencies = []
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


class PlaneSSLWidget(ScriptedLoadableModuleWidget, VTKObservationMixin):
    """The panel: its sections are in PlaneSSLPanel, one a file."""

    def __init__(self, parent=None) -> None:
        ScriptedLoadableModuleWidget.__init__(self, parent)
        VTKObservationMixin.__init__(self)
        self.logic, self.ui, self.settings, self.sections = None, None, None, {}
        self._guiTag = None

    def setup(self) -> None:
        from PlaneSSLPanel import SECTIONS, Widgets

        ScriptedLoadableModuleWidget.setup(self)
        self.logic, self.ui = PlaneSSLLogic(), Widgets()
        notice = qt.QLabel(_("For research use only. Not for diagnosis or treatment."))
        notice.setWordWrap(True)
        self.layout.addWidget(notice)
        for name in SECTIONS:
            widget = slicer.util.loadUI(self.resourcePath(f"UI/{name}.ui"))
            self.layout.addWidget(widget)
            widget.setMRMLScene(slicer.mrmlScene)
            self.ui.add(slicer.util.childWidgetVariables(widget))
        self.layout.addStretch(1)
        self.sections = {name: section(self) for name, section in SECTIONS.items()}
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.StartCloseEvent, self.onSceneStartClose)
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.EndCloseEvent, self.onSceneEndClose)
        self.useSettings(self.logic.getParameterNode())

    def anatomy(self) -> str | None:
        """The anatomy that was chosen, None to guess."""
        from PlaneSSLPanel.parameters import GUESS

        return None if self.settings.anatomy == GUESS else self.settings.anatomy

    def look(self) -> dict[str, str]:
        """How studies are to be shown."""
        return {name: getattr(self.settings, name) for name in ("localizers", "others", "textures")}

    def resourcePath(self, filename: str) -> str:
        """Resources lie beside the library, wherever that is."""
        return str(resource_folder() / filename)

    def cleanup(self) -> None:
        self.useSettings(None)
        self.removeObservers()

    def enter(self) -> None:
        self.useSettings(self.logic.getParameterNode())

    def exit(self) -> None:
        self.useSettings(None)

    def onSceneStartClose(self, caller, event) -> None:
        self.useSettings(None)

    def onSceneEndClose(self, caller, event) -> None:
        if self.parent.isEntered:
            self.useSettings(self.logic.getParameterNode())

    def useSettings(self, settings) -> None:
        """Show and keep these settings, or none."""
        if self.settings is not None:
            self.settings.disconnectGui(self._guiTag)
            self.removeObserver(self.settings, vtk.vtkCommand.ModifiedEvent, self.onSettingsChanged)
        self.settings = settings
        if settings is not None:
            self._guiTag = settings.connectGui(self.ui)
            self.addObserver(settings, vtk.vtkCommand.ModifiedEvent, self.onSettingsChanged)
        self.refresh()

    def onSettingsChanged(self, caller=None, event=None) -> None:
        for section in self.sections.values():
            section.settingsChanged()
        self.refresh()

    def refresh(self) -> None:
        """Bring every section up to date with the settings and the scene."""
        for section in self.sections.values():
            section.refresh()


class PlaneSSLLogic(ScriptedLoadableModuleLogic):
    """Everything that PlaneSSL does, for the panel, the Python console and scripts alike.

    A study in the scene is known by its vtkMRMLScriptedModuleNode, which `drawStudy` returns. Whatever cannot be done
    raises PlaneSSLError with a sentence that says what to do.
    """

    def getParameterNode(self):
        """The panel's settings in the present scene."""
        from PlaneSSLPanel.parameters import wrap

        return wrap(super().getParameterNode())

    def readStudy(self, folder: str | os.PathLike, anatomy: str | None = None,
                  views: dict[str, str] | None = None) -> Study:
        """Read the headers of a study's folder. anatomy: a name, None to guess; views: stack id -> corrected view."""
        return read_study(folder, anatomy=anatomy, views=views)

    def stacks(self, study: Study) -> list[dict]:
        """The stacks of a study: view, confidence, slices, phases, planes ... as in `planessl study --json`."""
        return describe(study)["stacks"]

    def problems(self, study: Study) -> list[str]:
        """A sentence for every file that could not be used, and for all that a reader should know."""
        return [*(f"{problem.file}: {problem.reason}" for problem in study.problems), *study.notes,
                *(f"{stack.id}: {note}" for stack in study.stacks for note in stack.notes)]

    def views(self, study: Study) -> list[str]:
        """The views that a stack of this study can show."""
        return [view.name for view in anatomies.load(study.anatomy).views]

    def drawStudy(self, study: Study | str | os.PathLike, anyFrame: bool = False, **look: str,
                  ) -> slicer.vtkMRMLScriptedModuleNode:
        """Draw a study, or the study in a folder: images and cines, planes, crossing lines.

        anyFrame: also cut planes of different frames of reference. look: localizers, others, textures; see `restyle`.
        """
        if not isinstance(study, Study):
            study = self.readStudy(study)
        return scenes.draw_study(study, scenes.Look(**look), any_frame=anyFrame).record

    def studies(self) -> list[slicer.vtkMRMLScriptedModuleNode]:
        """The drawn studies in the scene."""
        return [drawing.record for drawing in scenes.drawings()]

    def restyle(self, study: slicer.vtkMRMLScriptedModuleNode, **look: str) -> None:
        """Change how a study is shown: localizers and others are show, dim or hide; textures none, central or all."""
        drawing = drawingOf(study)
        scenes.restyle(drawing, **look)
        scenes.draw_textures(drawing)

    def pairs(self, study: slicer.vtkMRMLScriptedModuleNode) -> list[dict]:
        """One row for every two planes that cut: their names, angle, length of the line, and its offsets."""
        return scenes.pairs(drawingOf(study))

    def clear(self, study: slicer.vtkMRMLScriptedModuleNode | None = None) -> None:
        """Take a drawn study, or all that PlaneSSL drew, out of the scene."""
        scenes.clear(None if study is None else drawingOf(study).key)


def drawingOf(study: slicer.vtkMRMLScriptedModuleNode) -> scenes.Drawing:
    """The drawing that a study's node stands for; KeyError if it stands for none."""
    return {drawing.record.GetID(): drawing for drawing in scenes.drawings()}[study.GetID()]


class PlaneSSLTest(ScriptedLoadableModuleTest):
    """The self test: python code of the same kind as a user's, on made-up studies."""

    def setUp(self) -> None:
        slicer.mrmlScene.Clear(0)

    def runTest(self) -> None:
        for name in [name for name in dir(self) if name.startswith("test_")]:
            self.setUp()
            getattr(self, name)()
