"""What the sections of the panel have in common."""
from __future__ import annotations

from collections.abc import Iterable

import qt
import slicer
from slicer.i18n import tr as _

from PlaneSSLLib import PlaneSSLError


class Section:
    """A part of the panel. panel: the PlaneSSLWidget; its logic, widgets by name (ui) and running work are shared."""

    def __init__(self, panel) -> None:
        self.panel, self.logic, self.ui, self.running = panel, panel.logic, panel.ui, panel.running

    @property
    def settings(self):
        return self.panel.settings

    def settingsChanged(self) -> None:
        """A setting was changed, by the user, a script or a loaded scene."""

    def entered(self) -> None:
        """The user comes to the panel: what lies outside the scene may have changed meanwhile."""

    def sceneCloses(self) -> None:
        """All that is in the scene is about to go."""

    def refresh(self) -> None:
        """Bring texts, and what can be clicked, up to date with the settings and the scene."""

    def keep(self, *names: str) -> None:
        """Keep what is chosen in combo boxes that `fill`, or `offer`, fills as the settings of their names."""
        for name in names:
            box = getattr(self.ui, name)
            box.currentIndexChanged.connect(lambda *_index, name=name, box=box: self._kept(name, chosen(box) or ""))

    def _kept(self, name: str, value: str) -> None:
        if self.settings is not None:
            setattr(self.settings, name, value)

    def offer(self, **choices: list[tuple[str, str]]) -> None:
        """Fill kept combo boxes, by name, with (text, value) items, and show what the settings say."""
        for name, items in choices.items():
            fill(getattr(self.ui, name), items, getattr(self.settings, name))

    def mayReplace(self, studies: Iterable) -> bool:
        """May the segmentations of these studies go? Where there are any, the user is asked: they may be corrected."""
        if not any(self.logic.segmentations(study) for study in studies):
            return True
        return slicer.util.confirmOkCancelDisplay(_(
            "The segmentation that is in the scene, with all that was corrected in it by hand, is taken away. Export "
            "or save it first if it is to be kept."))

    def onClick(self, button, failed: str, action) -> None:
        """Connect a button: an error in the action is shown under `failed`, and the panel is brought up to date."""

        def clicked() -> None:
            try:
                with slicer.util.tryWithErrorDisplay(failed):
                    try:
                        action()
                    except PlaneSSLError as error:
                        raise PlaneSSLError(shown(str(error))) from error
            finally:
                self.panel.refresh()

        button.clicked.connect(clicked)


def shown(text: str) -> str:
    """A text without what is no UTF-8, of which names of files may be, and which PythonQt cannot hand to Qt."""
    return text.encode(errors="replace").decode()


def allow(button, missing: str, tip: str) -> None:
    """Let a button be clicked if nothing is missing; its tooltip says what is, or what it does."""
    button.enabled = not missing
    button.toolTip = shown(missing or tip)


def fill(box, items: list[tuple[str, object]], current: object) -> None:
    """Offer (text, value) items in a combo box, without telling anybody; the current value stays chosen if it can."""
    items = [(shown(text), value) for text, value in items]
    if [(box.itemText(i), box.itemData(i)) for i in range(box.count)] == items and chosen(box) == current:
        return
    blocked = box.blockSignals(True)
    box.clear()
    for text, value in items:
        box.addItem(text, value)
    box.setCurrentIndex(max(0, next((i for i, (_, value) in enumerate(items) if value == current), 0)))
    box.blockSignals(blocked)


def chosen(box):
    """The value of a combo box's current item; None if it is empty."""
    return box.itemData(box.currentIndex) if box.count else None


REMEMBERING = "PlaneSSL.remembering"  # a property of a path's edit, while its text is none that the user has given


def remember(edit) -> None:
    """Put the path of an edit among those that it offers.

    CTK takes it out of them and in again, and tells of every text that its box has meanwhile: of none, or of another
    study's folder. See `parameters.PathText`, which does not listen then.
    """
    edit.setProperty(REMEMBERING, True)
    try:
        edit.addCurrentPathToHistory()
    finally:
        edit.setProperty(REMEMBERING, False)


def fill_table(table, headings: list[str], rows: list[list[str]]) -> None:
    """Show rows of text in a table."""
    table.setColumnCount(len(headings))
    table.setHorizontalHeaderLabels(headings)
    table.verticalHeader().setVisible(False)
    table.setRowCount(len(rows))
    for row, texts in enumerate(rows):
        for column, text in enumerate(texts):
            table.setItem(row, column, qt.QTableWidgetItem(shown(text)))
    table.resizeColumnsToContents()
