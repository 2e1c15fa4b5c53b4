"""Typed settings in a parameter node, bound to widgets: the part of Slicer's wrapper that the panel uses."""
from __future__ import annotations

import typing
from dataclasses import dataclass, field

import ctk
import qt
import slicer
import vtk


@dataclass
class Choice:
    choices: list

    def validate(self, value) -> None:
        if value not in self.choices:
            raise ValueError(f"{value} is not one of {self.choices}")


@dataclass
class WithinRange:
    minimum: float
    maximum: float

    def validate(self, value) -> None:
        if not self.minimum <= value <= self.maximum:
            raise ValueError(f"{value} is not within {self.minimum} and {self.maximum}")


class GuiConnector:
    def __init__(self) -> None:
        self._callback = None

    def onChanged(self, callback) -> None:
        self._callback = callback
        self._connect() if callback else self._disconnect()

    def changed(self, *_) -> None:
        if self._callback:
            self._callback()


_connectors: list[type[GuiConnector]] = []


def parameterNodeGuiConnector(cls):
    _connectors.append(cls)
    return cls


class _Property(GuiConnector):
    """A widget whose value is one of its properties."""

    def __init__(self, widget, name: str, signal: str, convert) -> None:
        super().__init__()
        self._widget, self._name, self._signal, self._convert = widget, name, getattr(widget, signal), convert

    def _connect(self) -> None:
        self._signal.connect(self.changed)

    def _disconnect(self) -> None:
        self._signal.disconnect(self.changed)

    def read(self):
        return self._convert(getattr(self._widget, self._name))

    def write(self, value) -> None:
        if getattr(self._widget, self._name) != value:
            setattr(self._widget, self._name, value)


class _Node(GuiConnector):
    def __init__(self, widget) -> None:
        super().__init__()
        self._widget = widget

    def _connect(self) -> None:
        self._widget.currentNodeChanged.connect(self.changed)

    def _disconnect(self) -> None:
        self._widget.currentNodeChanged.disconnect(self.changed)

    def read(self):
        return self._widget.currentNode()

    def write(self, value) -> None:
        self._widget.setCurrentNode(value)


def _connector(widget, kind: _Kind) -> GuiConnector:
    for cls in _connectors:
        if cls.canRepresent(widget, kind.plain):
            return cls.create(widget, kind.plain)
    if isinstance(widget, slicer.qMRMLNodeComboBox):
        return _Node(widget)
    if isinstance(widget, qt.QComboBox):
        choices = next(check for check in kind.checks if isinstance(check, Choice)).choices
        widget.clear()
        widget.addItems([str(choice) for choice in choices])
        return _Property(widget, "currentText", "currentTextChanged", kind.plain)
    if isinstance(widget, qt.QCheckBox):
        return _Property(widget, "checked", "toggled", bool)
    if isinstance(widget, qt.QSpinBox | ctk.ctkSliderWidget):
        bounds = next(check for check in kind.checks if isinstance(check, WithinRange))
        widget.minimum, widget.maximum = bounds.minimum, bounds.maximum
        return _Property(widget, "value", "valueChanged", kind.plain)
    if isinstance(widget, qt.QLineEdit):
        return _Property(widget, "text", "textChanged", str)
    raise RuntimeError(f"No connector for {type(widget)}")


@dataclass
class _Kind:
    plain: type
    default: object
    checks: tuple = ()

    def is_node(self) -> bool:
        return issubclass(self.plain, slicer.vtkMRMLNode)

    def read(self, node, name: str):
        if self.is_node():
            return node.GetNodeReference(name)
        text = node.GetParameter(name)
        return text == "True" if self.plain is bool else self.plain(text)

    def write(self, node, name: str, value) -> None:
        for check in self.checks:
            check.validate(value)
        if self.is_node():
            node.SetNodeReferenceID(name, value.GetID() if value else None)
        else:
            node.SetParameter(name, str(value))


@dataclass
class _Default:
    value: object


@dataclass
class _Binding:
    connectors: dict[str, GuiConnector] = field(default_factory=dict)
    tag: int = 0
    busy: bool = False


class _Wrapper:
    def __init__(self, node) -> None:
        self.parameterNode, self._bindings = node, {}
        for name, kind in self.allParameters.items():
            if not kind.is_node() and name not in node.GetParameterNames():
                kind.write(node, name, kind.default)
            kind.read(node, name)

    def default(self, name: str) -> _Default:
        return _Default(self.allParameters[name].default)

    def getValue(self, name: str):
        return self.allParameters[name].read(self.parameterNode, name)

    def setValue(self, name: str, value) -> None:
        self.allParameters[name].write(self.parameterNode, name, value)

    def connectGui(self, gui) -> int:
        widgets = {w.property("SlicerParameterName"): w for w in vars(gui).values()}
        binding = _Binding({name: _connector(widget, self.allParameters[name])
                            for name, widget in widgets.items() if name})

        def to_widgets(*_) -> None:
            if not binding.busy:
                binding.busy = True
                for name, connector in binding.connectors.items():
                    connector.write(self.getValue(name))
                binding.busy = False

        to_widgets()
        for name, connector in binding.connectors.items():
            connector.onChanged(lambda name=name, connector=connector: None if binding.busy else self.setValue(
                name, connector.read()))
        binding.tag = self.AddObserver(vtk.vtkCommand.ModifiedEvent, to_widgets)
        tag = len(self._bindings)
        self._bindings[tag] = binding
        return tag

    def disconnectGui(self, tag: int) -> None:
        binding = self._bindings.pop(tag)
        for connector in binding.connectors.values():
            connector.onChanged(None)
        self.RemoveObserver(binding.tag)

    def AddObserver(self, event, callback, priority: float = 0.0) -> int:
        return self.parameterNode.AddObserver(event, callback, priority)

    def RemoveObserver(self, tag: int) -> None:
        self.parameterNode.RemoveObserver(tag)

    def StartModify(self) -> int:
        return self.parameterNode.StartModify()

    def EndModify(self, was: int) -> None:
        self.parameterNode.EndModify(was)


def parameterNodeWrapper(cls):
    kinds = {}
    for name, hint in typing.get_type_hints(cls, include_extras=True).items():
        plain, *checks = typing.get_args(hint) if typing.get_origin(hint) is typing.Annotated else (hint,)
        default = getattr(cls, name, None if issubclass(plain, slicer.vtkMRMLNode) else plain())
        kinds[name] = _Kind(plain, default, tuple(checks))
    members = {name: property(lambda self, name=name: self.getValue(name),
                              lambda self, value, name=name: self.setValue(name, value)) for name in kinds}
    return type(cls.__name__, (_Wrapper,), {**members, "allParameters": kinds, "__doc__": cls.__doc__})
