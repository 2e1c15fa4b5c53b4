"""Planes and lines: how a drawn study is shown."""
from __future__ import annotations

import slicer
from slicer.i18n import tr as _

from .section import Section


class PlanesSection(Section):
    def settingsChanged(self) -> None:
        """Show the studies in the scene as the settings say."""
        with slicer.util.tryWithErrorDisplay(_("The planes could not be shown so.")):
            for study in self.logic.studies():
                self.logic.restyle(study, **self.panel.look())
