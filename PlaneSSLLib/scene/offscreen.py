"""Rendering without a display: is it possible here, and how to get at the picture."""
from __future__ import annotations

import ctypes

import numpy as np
from vtkmodules import vtkRenderingOpenGL2
from vtkmodules.util.numpy_support import vtk_to_numpy
from vtkmodules.vtkRenderingCore import vtkRenderWindow, vtkWindowToImageFilter

from .. import PlaneSSLError


class NoOpenGL(PlaneSSLError):
    """This machine cannot render; the message names what to install."""


_INSTALL = "install the Debian packages libegl1 and libgl1-mesa-dri (apt-get install libegl1 libgl1-mesa-dri)"


_PLATFORM_DEVICE = 0x313F  # EGL_PLATFORM_DEVICE_EXT


def require_rendering() -> None:
    """NoOpenGL, with the package to install, where VTK would find no OpenGL (it would end the whole process).

    EGL itself is asked, without VTK. Where VTK does not draw through EGL (Windows, macOS), OpenGL is always there.
    """
    if not hasattr(vtkRenderingOpenGL2, "vtkEGLRenderWindow"):
        return
    try:
        egl = ctypes.CDLL("libEGL.so.1")
    except OSError:
        raise NoOpenGL(f"Pictures cannot be drawn: libEGL.so.1 is missing; {_INSTALL}.") from None
    displays = [_call(egl.eglGetDisplay, None), *_device_displays(egl)]
    if not any(_call(egl.eglInitialize, display, None, None, result=ctypes.c_uint) for display in displays if display):
        raise NoOpenGL(f"Pictures cannot be drawn: EGL finds no OpenGL driver; {_INSTALL}.")


def _device_displays(egl: ctypes.CDLL) -> list[int]:
    """The displays of all rendering devices, graphics cards and software: where EGL draws without a screen."""
    query = _call(egl.eglGetProcAddress, b"eglQueryDevicesEXT")
    display_of = _call(egl.eglGetProcAddress, b"eglGetPlatformDisplayEXT")
    if not query or not display_of:
        return []
    handles, count = (ctypes.c_void_p * 16)(), ctypes.c_int(0)
    query = ctypes.CFUNCTYPE(ctypes.c_uint, ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)(query)
    query(16, ctypes.addressof(handles), ctypes.addressof(count))
    display_of = ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_uint, ctypes.c_void_p, ctypes.c_void_p)(display_of)
    return [display_of(_PLATFORM_DEVICE, handles[i], None) for i in range(count.value)]


def _call(function, *arguments, result=ctypes.c_void_p):
    """Call a function of C whose arguments are all pointers."""
    function.restype, function.argtypes = result, [ctypes.c_void_p] * len(arguments)
    return function(*arguments)


def render_window(width: int, height: int) -> vtkRenderWindow:
    """A window that no screen shows. NoOpenGL as `require_rendering`."""
    require_rendering()
    window = getattr(vtkRenderingOpenGL2, "vtkEGLRenderWindow", vtkRenderWindow)()
    window.SetOffScreenRendering(True)
    window.SetMultiSamples(0)  # with multi-sampling, depth peeling drops translucent props
    window.SetSize(width, height)
    return window


def picture_of(window: vtkRenderWindow) -> np.ndarray:
    """(height, width, 3) uint8, top row first."""
    window.Render()
    grab = vtkWindowToImageFilter()
    grab.SetInput(window)
    grab.ReadFrontBufferOff()
    grab.Update()
    image = grab.GetOutput()
    width, height, _ = image.GetDimensions()
    return vtk_to_numpy(image.GetPointData().GetScalars()).reshape(height, width, -1)[::-1, :, :3].copy()
