"""Study: choose a folder, see its stacks, correct their views, draw."""
from __future__ import annotations

import ctk
import qt
import slicer
from slicer.i18n import tr as _

from .section import Section, allow

_VIEW = 1  # the column that can be corrected


class StudySection(Section):
    """`study` is what was read last, None before."""

    def __init__(self, panel) -> None:
        super().__init__(panel)
        self.study = None
        ui = self.ui
        ui.studyFolder.filters = ctk.ctkPathLineEdit.Dirs
        headings = [_("Stack"), _("View"), _("Confidence"), _("Slices"), _("Phases"), _("Pixels")]
        ui.stackTable.setColumnCount(len(headings))
        ui.stackTable.setHorizontalHeaderLabels(headings)
        ui.stackTable.verticalHeader().setVisible(False)
        ui.readButton.clicked.connect(self.read)
        ui.drawButton.clicked.connect(self.draw)
        ui.clearButton.clicked.connect(self.clear)

    def refresh(self) -> None:
        missing = "" if self.settings and self.settings.studyFolder else _("Choose the folder of a study first.")
        allow(self.ui.readButton, missing, _("Read the study and list its stacks."))
        allow(self.ui.drawButton, missing, _("Bring the images into the scene, with a rectangle for every plane and "
                                             "every line in which two planes cut."))
        allow(self.ui.clearButton, "" if self.logic.studies() else _("Nothing of PlaneSSL is in the scene."),
              _("Take everything that PlaneSSL drew out of the scene; nothing else is touched."))

    def read(self, views: dict[str, str] | None = None) -> None:
        with slicer.util.tryWithErrorDisplay(_("The study could not be read."), waitCursor=True):
            self.study = self.logic.readStudy(self.settings.studyFolder, self.panel.anatomy(), views)
            self._show()
        self.panel.refresh()

    def draw(self) -> None:
        with slicer.util.tryWithErrorDisplay(_("The study could not be drawn."), waitCursor=True):
            if self.study is None or str(self.study.folder) != self.settings.studyFolder:
                self.read()
            self.logic.drawStudy(self.study, **self.panel.look(), anyFrame=self.settings.anyFrame)
        self.panel.refresh()

    def clear(self) -> None:
        self.logic.clear()
        self.panel.refresh()

    def _show(self) -> None:
        table, stacks = self.ui.stackTable, self.logic.stacks(self.study)
        table.setRowCount(len(stacks))
        for row, stack in enumerate(stacks):
            texts = [stack["id"], "", f"{stack['confidence']:.2f}", str(stack["slices"]), str(stack["phases"]),
                     f"{stack['rows']} x {stack['columns']}"]
            for column, text in enumerate(texts):
                item = qt.QTableWidgetItem(text)
                item.setToolTip(stack["description"])
                table.setItem(row, column, item)
            table.setCellWidget(row, _VIEW, self._view_box(stack["id"], stack["view"]))
        table.resizeColumnsToContents()
        problems = self.logic.problems(self.study)
        self.ui.problemsBox.title = _("Problems ({count})").format(count=len(problems))
        self.ui.problemsText.setPlainText("\n".join(problems) or _("None."))

    def _view_box(self, stack: str, view: str):
        box = qt.QComboBox()
        for name in dict.fromkeys([view, *self.logic.views(self.study)]):
            box.addItem(name)
        box.toolTip = _("The view that this stack shows. Choose another one to correct it.")
        box.currentTextChanged.connect(lambda text: self._correct(stack, text))
        return box

    def _correct(self, stack: str, view: str) -> None:
        views = {one["id"]: one["view"] for one in self.logic.stacks(self.study)}
        self.read({**views, stack: view})
