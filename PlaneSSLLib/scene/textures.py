"""Images on the rectangles in 3D: one model node a stack, whose texture is an atlas of its slices.

MRML does not save textures. They are made from the volumes in the scene, so that `draw_textures` brings them back after
a scene was loaded, and follows a cine from phase to phase.
"""
from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np
from vtkmodules.util.numpy_support import numpy_to_vtk, vtk_to_numpy
from vtkmodules.vtkCommonDataModel import vtkImageData, vtkPolyData
from vtkmodules.vtkCommonExecutionModel import vtkTrivialProducer

from ..geometry import Plane
from . import nodes
from .coordinates import to_ras
from .drawing import Drawing, drawings
from .meshes import mesh
from .observing import Observers
from .volumes import image_data


def draw_textures(drawing: Drawing, only: Collection[str] | None = None) -> list:
    """Put the present images on the rectangles that the look wants textured; returns the nodes.

    only: the ids of the stacks that may have changed, None for all. Nodes that are no longer wanted, or whose volume a
    user has deleted, go away.
    """
    now, made = drawing.now, []
    for stack in now.acquired.stacks:  # a plane in hand leaves its image where it was taken
        if only is not None and stack.id not in only:
            continue
        images = {i: slice_image(drawing, stack.id, i) for i in np.flatnonzero(now.textured(stack))}
        images = {i: image for i, image in images.items() if image is not None}
        node = drawing.node("texture", stack.id)
        if not images:
            nodes.remove(node)
            continue
        shape, image = atlas([stack.planes[i] for i in images], list(images.values()))
        if node is None:
            name = f"{now.names[stack.id]} images"
            node = nodes.add_node("vtkMRMLModelNode", name, "texture", drawing.key, stack.id)
            node.CreateDefaultDisplayNodes()
        _show(node, shape, image)
        made.append(node)
    return made


def slice_image(drawing: Drawing, stack: str, index: int) -> np.ndarray | None:
    """(rows, columns) uint8 of a slice as its volume shows it now (phase, window and level); None without a volume."""
    volume = drawing.volume_of(stack, index)
    if volume is None or volume.GetImageData() is None:
        return None
    index = index if volume.GetAttribute(nodes.SLICE) is None else 0
    data = volume.GetImageData()
    columns, rows, slices = data.GetDimensions()
    pixels = vtk_to_numpy(data.GetPointData().GetScalars()).reshape(slices, rows, columns)[index]
    display = volume.GetDisplayNode()
    window, level = (display.GetWindow(), display.GetLevel()) if display else (np.ptp(pixels) or 1, pixels.mean())
    return np.clip((pixels - level) / window * 255 + 127.5, 0, 255).astype(np.uint8)


def atlas(planes: Sequence[Plane], images: Sequence[np.ndarray]) -> tuple[vtkPolyData, vtkImageData]:
    """Rectangles with texture coordinates, and one picture that holds all their (rows, columns) uint8 images."""
    high, wide = np.max([image.shape for image in images], axis=0) + 2
    across = int(np.ceil(np.sqrt(len(images))))
    down = -(-len(images) // across)
    picture = np.zeros((down * high, across * wide), np.uint8)
    places = []
    for n, image in enumerate(images):
        top, left = n // across * high, n % across * wide
        rows, columns = image.shape
        # Neighbours in the atlas must not shine through where the texture is interpolated at an image's border.
        picture[top:top + rows + 2, left:left + columns + 2] = np.pad(image, 1, mode="edge")
        near, far = (left + 1, top + 1), (left + 1 + columns, top + 1 + rows)
        places += [near, (far[0], near[1]), far, (near[0], far[1])]
    corners = np.array([plane.corners() for plane in planes]).reshape(-1, 3)
    made = mesh(to_ras(corners), faces=4 * np.arange(len(planes))[:, None] + [0, 1, 2, 3])
    coordinates = numpy_to_vtk(np.array(places, np.float32) / np.array(picture.shape[::-1], np.float32), deep=True)
    coordinates.SetName("TextureCoordinates")
    made.GetPointData().SetTCoords(coordinates)
    return made, image_data(np.repeat(picture[None, ..., None], 3, axis=-1))


def _show(node, shape: vtkPolyData, image: vtkImageData) -> None:
    node.SetAndObservePolyData(shape)
    display = node.GetDisplayNode()
    display.SetColor(1.0, 1.0, 1.0)
    display.LightingOff()
    display.BackfaceCullingOff()
    display.ScalarVisibilityOff()
    display.Visibility2DOff()
    producer = vtkTrivialProducer()
    producer.SetOutput(image)
    display.SetTextureImageDataConnection(producer.GetOutputPort())


class CineTextures:
    """Lets the images in 3D follow a playing cine. Call `stop` when done; closing the scene does so, too."""

    def __init__(self, drawing: Drawing) -> None:
        self._observers = Observers()
        self._observers.add(nodes.scene(), nodes.scene().StartCloseEvent, self.stop)
        for browser in drawing.nodes("browser"):
            played = {volume.GetAttribute(nodes.STACK) for volume in drawing.nodes("volume")
                      if browser.GetSequenceNode(volume)}
            self._observers.add(browser, browser.ProxyNodeModifiedEvent,
                                lambda played=played: draw_textures(drawing, played))

    def stop(self) -> None:
        """Follow no longer."""
        self._observers.stop()


def restore_textures() -> None:
    """Put the images of all studies in the scene back; MRML does not save them. Call after a scene was loaded."""
    for drawing in drawings():
        draw_textures(drawing)
