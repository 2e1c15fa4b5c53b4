"""A scene for every test: empty before, and empty of everything of ours after."""
from __future__ import annotations

import pytest

slicer = pytest.importorskip("slicer")


@pytest.fixture(autouse=True)
def mrml():
    """The MRML scene, cleared of what an earlier test left."""
    from PlaneSSLLib import scene

    def empty() -> None:
        slicer.mrmlScene.Clear(0)
        for name in ("vtkMRMLSliceNode", "vtkMRMLSliceCompositeNode"):  # singletons, which stay
            while (node := slicer.mrmlScene.GetFirstNodeByClass(name)) is not None:
                slicer.mrmlScene.RemoveNode(node)

    scene.start()
    empty()
    yield slicer.mrmlScene
    empty()
