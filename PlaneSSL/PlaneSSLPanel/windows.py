"""What Slicer's windows show of a study once it is drawn, beside its slice views."""
from __future__ import annotations

from typing import TYPE_CHECKING

import slicer

if TYPE_CHECKING:
    from PlaneSSLLib.scene import Drawing


def bringUp(drawing: Drawing) -> None:
    """The planes in the middle of the 3D views, and the controls that play a cine, which nobody else brings up."""
    layouts = slicer.app.layoutManager()
    for i in range(layouts.threeDViewCount if layouts else 0):
        layouts.threeDWidget(i).threeDView().resetFocalPoint()
    cine = drawing.node("browser")
    if cine is not None and slicer.util.mainWindow():  # without it the controls would be a window of their own
        slicer.modules.sequences.showSequenceBrowser(cine)
