"""What the sections of the panel have in common."""
from __future__ import annotations


class Section:
    """A part of the panel. panel: the PlaneSSLWidget; its logic, ui (all widgets by name) and settings are shared."""

    def __init__(self, panel) -> None:
        self.panel = panel
        self.logic, self.ui = panel.logic, panel.ui

    @property
    def settings(self):
        return self.panel.settings

    def settingsChanged(self) -> None:
        """A setting was changed, by the user, a script or a loaded scene."""

    def refresh(self) -> None:
        """Bring texts, and what can be clicked, up to date with the settings and the scene."""


def allow(button, missing: str, tip: str) -> None:
    """Let a button be clicked if nothing is missing; its tooltip says what is, or what it does."""
    button.enabled = not missing
    button.toolTip = missing or tip
