"""Modules that are read when they are first used: Slicer imports this module's file whenever it starts."""
from __future__ import annotations

import importlib.util
import sys


def lazily(name: str):
    """The module of this name, whose code runs when something of it is first asked for."""
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.find_spec(name)
    spec.loader = importlib.util.LazyLoader(spec.loader)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module
