"""Every setting of the panel, kept in the scene, so that a saved scene brings the panel back."""
from __future__ import annotations

from typing import Annotated

import ctk
import slicer
from slicer.parameterNodeWrapper import (
    Choice, GuiConnector, WithinRange, parameterNodeGuiConnector, parameterNodeWrapper,
)

from . import choices
from .choices import ANATOMIES, GUESS, values
from .section import REMEMBERING
from .sources import FOLDER

_LABELLED = [name for name, anatomy in ANATOMIES.items() if anatomy.labels]
Epochs = Annotated[int, WithinRange(1, 1000)]


@parameterNodeWrapper
class PlaneSSLParameterNode:
    """Names are those of the widgets (SlicerParameterName in the .ui files, or `Section.keep`). Empty text is none."""

    source: Annotated[str, Choice(values(choices.sources()))] = FOLDER
    studyFolder: str = ""
    dicomStudy: str = ""
    sceneVolume: slicer.vtkMRMLScalarVolumeNode
    anatomy: Annotated[str, Choice(values(choices.study_anatomies()))] = GUESS

    localizers: Annotated[str, Choice(values(choices.visibilities()))] = "dim"
    others: Annotated[str, Choice(values(choices.visibilities()))] = "dim"
    textures: Annotated[str, Choice(values(choices.textures()))] = "none"
    anyFrame: bool = False
    planeStack: str = ""
    planeSlice: Annotated[int, WithinRange(1, 10000)] = 1

    trainingAnatomy: Annotated[str, Choice(values(choices.known_anatomies()))] = [*_LABELLED, *ANATOMIES][0]
    trainingSequence: str = ""
    network: Annotated[str, Choice(values(choices.networks()))] = "small"
    device: Annotated[str, Choice(values(choices.devices()))] = "auto"
    pretrainingFolder: str = ""
    taskLines: bool = True
    taskLocation: bool = True
    pretrainingEpochs: Epochs = 200
    pretrainingName: str = "pretrained"
    labelledFolder: str = ""
    classesFile: str = ""
    labelValues: str = ""
    labelledVolume: slicer.vtkMRMLScalarVolumeNode
    labelledSegmentation: slicer.vtkMRMLSegmentationNode
    labelledView: str = ""
    task: Annotated[str, Choice(values(choices.tasks()))] = "segmentation"
    startingRun: str = ""
    subjects: Annotated[int, WithinRange(0, 1000)] = 0
    finetuningEpochs: Epochs = 40
    finetuningName: str = "finetuned"

    run: str = ""
    applyStudy: str = ""
    applyStack: str = ""
    phase: Annotated[int, WithinRange(0, 10000)] = 0
    clean: bool = False
    surface: bool = True
    exportFolder: str = ""


@parameterNodeGuiConnector
class PathText(GuiConnector):
    """A path line edit for a text parameter: the built-in connector would show an unset Path as '.'.

    currentPathChanged says nothing of a field that is emptied; its box tells of every text.
    """

    @staticmethod
    def canRepresent(widget, datatype) -> bool:
        return type(widget) is ctk.ctkPathLineEdit and datatype is str

    @staticmethod
    def create(widget, datatype):
        return PathText(widget) if PathText.canRepresent(widget, datatype) else None

    def __init__(self, widget) -> None:
        super().__init__()
        self._widget = widget

    def _connect(self) -> None:
        self._widget.comboBox().editTextChanged.connect(self.changed)

    def _disconnect(self) -> None:
        self._widget.comboBox().editTextChanged.disconnect(self.changed)

    def changed(self, *_text) -> None:
        if not self._widget.property(REMEMBERING):
            super().changed()

    def widget(self):
        return self._widget

    def read(self) -> str:
        return self._widget.currentPath

    def write(self, value: str) -> None:
        if value != self._widget.currentPath:
            self._widget.currentPath = value


def wrap(node) -> PlaneSSLParameterNode:
    """The settings in a vtkMRMLScriptedModuleNode; what this version cannot read (an older scene) gets its default."""
    try:
        settings = PlaneSSLParameterNode(node)
    except Exception:  # a value of another type: which one cannot be told
        _drop_unreadable(node)
        settings = PlaneSSLParameterNode(node)
    for name in settings.allParameters:
        try:
            settings.setValue(name, settings.getValue(name))
        except (TypeError, ValueError):  # of another kind, no longer offered, or out of range
            settings.setValue(name, settings.default(name).value)
    return settings


def _drop_unreadable(node) -> None:
    """Try every value on its own, in a node outside the scene."""
    with slicer.util.NodeModify(node):
        for name in node.GetParameterNames():
            alone = slicer.vtkMRMLScriptedModuleNode()
            alone.SetParameter(name, node.GetParameter(name))
            try:
                PlaneSSLParameterNode(alone)
            except Exception:  # whatever the wrapper's reader raises
                node.UnsetParameter(name)
