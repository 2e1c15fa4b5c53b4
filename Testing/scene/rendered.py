"""Slicer's own views, off screen: what its displayable managers show of the scene, as pictures."""
from __future__ import annotations

import numpy as np
import slicer
from vtkmodules.vtkRenderingCore import (
    vtkActor2D,
    vtkCoordinate,
    vtkImageMapper,
    vtkRenderer,
    vtkRenderWindowInteractor,
)

from PlaneSSLLib.scene.coordinates import array_of, to_ras
from PlaneSSLLib.scene.offscreen import picture_of, render_window

_IN_3D = ("vtkMRMLModelDisplayableManager", "vtkMRMLMarkupsDisplayableManager",
          "vtkMRMLSegmentationsDisplayableManager3D")
_IN_SLICES = ("vtkMRMLModelSliceDisplayableManager", "vtkMRMLMarkupsDisplayableManager",
              "vtkMRMLSegmentationsDisplayableManager2D")


class _View:
    """A view node, its displayable managers, and a window."""

    def __init__(self, node, factory, managers: tuple[str, ...], size: tuple[int, int]) -> None:
        self.node, self.size = node, size
        self.window, self.renderer = render_window(*size), vtkRenderer()
        self.window.AddRenderer(self.renderer)
        self.interactor = vtkRenderWindowInteractor()  # the managers expect one, though nobody clicks
        self.interactor.SetRenderWindow(self.window)
        factory.SetMRMLApplicationLogic(slicer.app.applicationLogic())
        for name in managers:
            if not factory.IsDisplayableManagerRegistered(name):
                factory.RegisterDisplayableManager(name)
        self.group = factory.InstantiateDisplayableManagers(self.renderer)
        self.group.SetMRMLDisplayableNode(node)

    def picture(self) -> np.ndarray:
        return picture_of(self.window)

    def close(self) -> None:
        self.group.SetMRMLDisplayableNode(None)
        self.window.Finalize()
        slicer.mrmlScene.RemoveNode(self.node)


class View3D(_View):
    """A 3D view of Slicer."""

    def __init__(self, size: tuple[int, int] = (700, 600)) -> None:
        node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLViewNode")
        super().__init__(node, slicer.vtkMRMLThreeDViewDisplayableManagerFactory.GetInstance(), _IN_3D, size)
        self.renderer.SetUseDepthPeeling(True)

    def to_pixels(self, points: np.ndarray) -> np.ndarray:
        """(n, 3) LPS -> (n, 2) column and row in the picture."""
        place = vtkCoordinate()
        place.SetCoordinateSystemToWorld()
        found = []
        for point in to_ras(points):
            place.SetValue(*point)
            x, y = place.GetComputedDoubleDisplayValue(self.renderer)
            found.append((x - 0.5, self.size[1] - y - 0.5))
        return np.array(found)


class ViewOfSlice(_View):
    """A slice view of Slicer."""

    def __init__(self, name: str, size: tuple[int, int] = (400, 400)) -> None:
        self.logic = slicer.vtkMRMLSliceLogic()
        self.logic.SetMRMLApplicationLogic(slicer.app.applicationLogic())
        self.logic.SetMRMLScene(slicer.mrmlScene)
        node = self.logic.AddSliceNode(name)
        node.SetDimensions(*size, 1)
        super().__init__(node, slicer.vtkMRMLSliceViewDisplayableManagerFactory.GetInstance(), _IN_SLICES, size)
        self.mapper = vtkImageMapper()
        self.mapper.SetColorWindow(255)
        self.mapper.SetColorLevel(127.5)
        self.image = vtkActor2D()
        self.image.SetMapper(self.mapper)
        self.image.GetProperty().SetDisplayLocationToBackground()
        self.renderer.AddViewProp(self.image)

    def picture(self) -> np.ndarray:
        self.logic.UpdatePipeline()
        self.mapper.SetInputConnection(self.logic.GetImageDataConnection())
        self.image.SetVisibility(self.logic.GetSliceCompositeNode().GetBackgroundVolumeID() is not None)
        return super().picture()

    def to_pixels(self, points: np.ndarray) -> np.ndarray:
        """(n, 3) LPS in the slice -> (n, 2) column and row in the picture."""
        to_xy = np.linalg.inv(array_of(self.node.GetXYToRAS()))
        xy = (np.c_[to_ras(points), np.ones(len(points))] @ to_xy.T)[:, :2]
        return np.column_stack([xy[:, 0], self.size[1] - 1 - xy[:, 1]])

    def close(self) -> None:
        composite = self.logic.GetSliceCompositeNode()
        super().close()
        slicer.mrmlScene.RemoveNode(composite)
