"""What a user does with the panel, for tests."""
from __future__ import annotations


def choose(panel, folder) -> None:
    panel.ui.studyFolder.currentPath = str(folder)


def draw(panel, folder):
    """Draw a study by its button; returns its node."""
    choose(panel, folder)
    panel.ui.drawButton.click()
    panel.running.finish()
    return panel.logic.studies()[-1]
