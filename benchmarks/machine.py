"""The machine that a figure was measured on, so that nobody compares two figures of two machines."""
from __future__ import annotations

import os
import platform
from importlib import metadata

PACKAGES = ("numpy", "scipy", "SimpleITK", "pydicom", "torch", "monai", "vtk", "slicer-core", "sympy")


def describe() -> dict:
    """Cores that this process may use, model of the CPU, memory, system, and the versions of what is installed."""
    return {
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "cpu": _line_of("/proc/cpuinfo", "model name") or platform.processor() or platform.machine(),
        "memory": _line_of("/proc/meminfo", "MemTotal"),
        "system": platform.platform(terse=True),
        "python": platform.python_version(),
        "versions": {name: version for name in PACKAGES if (version := _version(name))},
    }


def _line_of(file: str, key: str) -> str | None:
    """What stands behind "key :" in one of Linux's tables; None on other systems."""
    try:
        with open(file, encoding="utf-8") as lines:
            return next((line.partition(":")[2].strip() for line in lines if line.startswith(key)), None)
    except OSError:
        return None


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None
