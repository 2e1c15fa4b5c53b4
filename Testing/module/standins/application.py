"""slicer.app, slicer.util's dialogs and Slicer's own widgets, as far as the panel uses them."""
from __future__ import annotations

from types import SimpleNamespace

from PySide6.QtCore import QCoreApplication, Signal
from PySide6.QtWidgets import QApplication, QComboBox, QWidget

from .fake_qt import kept, register


@register
class qMRMLWidget(QWidget):
    mrmlSceneChanged = Signal(object)
    isEntered = True

    def setMRMLScene(self, scene) -> None:
        self.mrmlSceneChanged.emit(scene)
        for box in self.findChildren(qMRMLNodeComboBox):  # .ui connections of C++ signatures are not made here
            box.setMRMLScene(scene)


@register
class qMRMLNodeComboBox(QComboBox):
    """Lists the nodes of some classes; filled anew when it is opened or asked."""

    currentNodeChanged = Signal(object)
    def __init__(self, parent=None) -> None:
        super().__init__(parent)
        self._scene, self._node, self._types = None, None, []
        self._none, self._add, self._remove = False, True, True

    nodeTypes = kept("_types", list)
    noneEnabled, addEnabled, removeEnabled = kept("_none", bool), kept("_add", bool), kept("_remove", bool)

    def setMRMLScene(self, scene) -> None:
        self._scene = scene

    def currentNode(self):
        return self._node

    def setCurrentNode(self, node) -> None:
        if node is not self._node:
            self._node = node
            self.clear()
            self.addItem(node.GetName() if node else "None")
            self.currentNodeChanged.emit(node)


class _Signals:
    """What connects and never fires."""

    def connect(self, *_) -> bool:
        return True

    def disconnect(self, *_) -> bool:
        return True


class _Database:
    """A DICOM database that nobody has filled."""

    isOpen = False


class _Application(_Signals):
    applicationName = "Slicer"

    def __init__(self, core) -> None:
        self.applicationLogic = core.applicationLogic
        self.temporaryFolder, self.temporaryPath = core.temporaryFolder, core.temporaryFolder.name

    def testingEnabled(self) -> bool:
        return True

    def translate(self, context: str, text: str) -> str:
        return text

    def layoutManager(self):
        return None

    def topLevelWidgets(self) -> list:
        return []

    def moduleManager(self):
        return _Signals()

    def setOverrideCursor(self, cursor) -> None:
        pass

    def restoreOverrideCursor(self) -> None:
        pass

    def processEvents(self, *_) -> None:
        QCoreApplication.processEvents()


def complete(slicer) -> None:
    """Add what slicer-core's `slicer` lacks. A QApplication is made if there is none."""
    slicer.app = _Application(slicer.app)
    slicer.app.qt = QApplication.instance() or QApplication([])
    slicer.qMRMLWidget, slicer.qMRMLNodeComboBox = qMRMLWidget, qMRMLNodeComboBox
    for name in ("qMRMLSliderWidget", "qMRMLSpinBox", "qMRMLRangeWidget"):
        setattr(slicer, name, type(name, (QWidget,), {}))  # named by Slicer's own connectors
    slicer.dicomDatabase = _Database()
    slicer.modules.planessl = SimpleNamespace(path="")
