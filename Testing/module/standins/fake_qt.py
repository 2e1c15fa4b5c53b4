"""PySide6 made to look like PythonQt: one flat module, and properties that are read and written as attributes."""
from __future__ import annotations

import inspect

from PySide6 import QtCore, QtGui, QtUiTools, QtWidgets
from PySide6.QtCore import *  # noqa: F403
from PySide6.QtGui import *  # noqa: F403
from PySide6.QtWidgets import *  # noqa: F403

_CUSTOM: list[type] = []


class QUiLoader(QtUiTools.QUiLoader):
    """Knows the widgets that were registered with `register`."""

    def __init__(self, *arguments) -> None:
        super().__init__(*arguments)
        for widget in _CUSTOM:
            self.registerCustomWidget(widget)


def register(widget: type) -> type:
    """Let .ui files name this class."""
    _CUSTOM.append(widget)
    return widget


def kept(name: str, kind: type) -> QtCore.Property:
    """A Qt property that is only kept, in an attribute of this name."""
    return QtCore.Property(kind, lambda self: getattr(self, name), lambda self, value: setattr(self, name, value))


def properties_as_attributes(cls: type) -> None:
    """Give a class an attribute for every property of its own; the setters stay."""
    meta = cls.staticMetaObject
    for i in range(meta.propertyOffset(), meta.propertyCount()):
        name = meta.property(i).name()
        setattr(cls, name, property(lambda self, name=name: self.property(name),
                                    lambda self, value, name=name: self.setProperty(name, value)))


def _strict(self, name: str, value) -> None:
    """As in PythonQt, what a widget does not have cannot be set. (PySide's loader sets children by their names.)"""
    known = inspect.getattr_static(type(self), name, None)
    if isinstance(known, QtCore.Property):
        self.setProperty(name, value)
    elif hasattr(known, "__set__"):
        known.__set__(self, value)
    elif known is not None or name.startswith("_") or isinstance(value, QtCore.QObject):
        self.__dict__[name] = value
    else:
        raise AttributeError(f"{type(self).__name__} has no attribute '{name}'")


for _module in (QtCore, QtGui, QtWidgets):
    for _cls in list(vars(_module).values()):
        if isinstance(_cls, type) and issubclass(_cls, QtCore.QObject):
            properties_as_attributes(_cls)
QtCore.QObject.name = property(lambda self: self.objectName, lambda self, value: self.setObjectName(value))
QtWidgets.QWidget.__setattr__ = _strict
