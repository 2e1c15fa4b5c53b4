"""The few CTK widgets that the panel uses, with the properties and signals that it uses."""
from __future__ import annotations

from PySide6.QtCore import Property, Signal
from PySide6.QtWidgets import (
    QComboBox, QDoubleSpinBox, QFileDialog, QGroupBox, QHBoxLayout, QPushButton, QToolButton, QWidget,
)

from .fake_qt import kept, register


class _Collapsing:
    """The content goes away when collapsed."""

    def _collapse(self, collapsed: bool) -> None:
        self._collapsed = collapsed
        for child in self.children():
            if isinstance(child, QWidget) and child is not getattr(self, "_head", None):
                child.setVisible(not collapsed)


@register
class ctkCollapsibleButton(_Collapsing, QWidget):
    contentsCollapsed = Signal(bool)

    def __init__(self, parent=None) -> None:
        super().__init__(parent)
        self._collapsed, self._text = False, ""
        self._head = QPushButton(self)
        self._head.setStyleSheet("text-align: left; font-weight: bold; padding-left: 6px; background: #cfd8e3;")
        self._head.clicked.connect(lambda: self.setCollapsed(not self._collapsed))
        self.setContentsMargins(0, 26, 0, 0)

    def resizeEvent(self, event) -> None:
        self._head.setGeometry(0, 0, self.width, 24)
        super().resizeEvent(event)

    def showEvent(self, event) -> None:
        self._collapse(self._collapsed)
        super().showEvent(event)

    def setText(self, text: str) -> None:
        self._text = text
        self._head.setText(("▸ " if self._collapsed else "▾ ") + text)

    def setCollapsed(self, collapsed: bool) -> None:
        self._collapse(collapsed)
        self.setMaximumHeight(30 if collapsed else 16777215)
        self.setText(self._text)
        self.contentsCollapsed.emit(collapsed)

    text = Property(str, lambda self: self._text, setText)
    collapsed = Property(bool, lambda self: self._collapsed, setCollapsed)


@register
class ctkCollapsibleGroupBox(_Collapsing, QGroupBox):
    def __init__(self, parent=None) -> None:
        super().__init__(parent)
        self._collapsed = False

    def showEvent(self, event) -> None:
        self._collapse(self._collapsed)
        super().showEvent(event)

    def _collapse(self, collapsed: bool) -> None:
        super()._collapse(collapsed)
        self.setMaximumHeight(24 if collapsed else 16777215)

    collapsed = Property(bool, lambda self: self._collapsed, lambda self, value: self._collapse(value))


@register
class ctkPathLineEdit(QWidget):
    """As CTK's, it does not tell by currentPathChanged that it was emptied."""

    Dirs, Files = 1, 2
    currentPathChanged = Signal(str)

    def __init__(self, parent=None) -> None:
        super().__init__(parent)
        self._edit, self._key = QComboBox(self), ""
        self._edit.setEditable(True)
        self._edit.editTextChanged.connect(lambda text: text and self.currentPathChanged.emit(text))
        button = QToolButton(self)
        button.setText("…")
        button.clicked.connect(lambda: self._edit.setEditText(QFileDialog.getExistingDirectory(self)))
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._edit, 1)
        layout.addWidget(button)

    def comboBox(self) -> QComboBox:
        return self._edit

    filters, nameFilters = 0, ()
    currentPath = Property(str, lambda self: self._edit.currentText, lambda self, value: self._edit.setEditText(value))
    settingKey = kept("_key", str)

    def addCurrentPathToHistory(self) -> None:
        """As CTK's, it takes the path out and in again, and its box tells of that."""
        path = self.currentPath
        self._edit.setEditText("")
        self._edit.setEditText(path)


@register
class ctkSliderWidget(QWidget):
    valueChanged = Signal(float)

    def __init__(self, parent=None) -> None:
        super().__init__(parent)
        self._box = QDoubleSpinBox(self)
        self._box.setDecimals(0)
        self._box.valueChanged.connect(self.valueChanged.emit)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._box)

    def _property(name):
        return Property(float, lambda self: self._box.property(name), lambda self, v: self._box.setProperty(name, v))

    value, minimum, maximum, singleStep = map(_property, ("value", "minimum", "maximum", "singleStep"))
    decimals = Property(int, lambda self: self._box.decimals, lambda self, value: self._box.setDecimals(value))


# Named by Slicer's own connectors, not used by the panel.
for _name in ("CheckBox", "CheckablePushButton", "ColorPickerButton", "ComboBox", "DirectoryButton",
              "DoubleRangeSlider", "DoubleSlider", "DoubleSpinBox", "RangeWidget"):
    globals()[f"ctk{_name}"] = type(f"ctk{_name}", (QWidget,), {})
