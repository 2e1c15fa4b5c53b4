"""Study: choose a study, see its stacks, correct their views, draw."""
from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

import ctk
import qt
import slicer
from slicer.i18n import tr as _

from PlaneSSLLib import PlaneSSLError

from . import choices
from .section import Section, allow, chosen, fill, fill_table, remember, shown
from .sources import DICOM, FOLDER, VOLUMES, gathered_folder

_VIEW, _SURE = 1, 2  # the column that can be corrected, and the one that says how sure it is, and why


class StudySection(Section):
    """`study` is what was read last, None before."""

    def __init__(self, panel) -> None:
        super().__init__(panel)
        self.study, self._read_as, self._kept = None, None, None
        self._shown: list[dict] = []  # the stacks in the table, row by row
        self._database: list | None = None  # the studies in Slicer's DICOM database, listed when they are asked for
        ui = self.ui
        ui.studyFolder.filters = ctk.ctkPathLineEdit.Dirs
        self.keep("source", "dicomStudy", "anatomy")
        self.onClick(ui.readButton, _("The study could not be read."), self.read)
        self.onClick(ui.drawButton, _("The study could not be drawn."), self.draw)
        self.onClick(ui.clearButton, _("The scene could not be cleared."), self._clear)

    def refresh(self) -> None:
        ui, source = self.ui, self.settings.source
        self.offer(source=choices.sources(), anatomy=choices.study_anatomies())
        for widget, of in ((ui.studyFolder, FOLDER), (ui.dicomStudy, DICOM), (ui.sceneVolume, VOLUMES)):
            widget.setVisible(source == of)
            label = ui.studyForm.layout().labelForField(widget)
            if label:
                label.setVisible(source == of)
        if source != DICOM:
            self._database = None
        elif self._database is None:
            self._database = self.logic.dicomStudies()
        self.offer(dicomStudy=self._database or [])
        missing = self.running.busy or ("" if self._source() else {
            FOLDER: _("Choose the folder of a study first."),
            DICOM: _("The DICOM database holds no study: import one in the DICOM module first."),
            VOLUMES: _("Choose a volume first."),
        }[source])
        allow(ui.readButton, missing, _("Read the study anew in the background and list its stacks, with the views "
                                        "that are recognised."))
        allow(ui.drawButton, missing, _("Bring the images into the scene, with a rectangle for every plane and every "
                                        "line in which two planes cut."))
        allow(ui.clearButton, self.running.busy or ("" if self.logic.studies() else _("Nothing was drawn.")),
              _("Take everything that PlaneSSL drew out of the scene; nothing else is touched."))
        for row, stack in enumerate(self._shown):
            box = ui.stackTable.cellWidget(row, _VIEW)
            box.enabled = not self.running.busy
            if not self.running.busy:  # a correction that failed is none
                fill(box, [(box.itemText(i), box.itemData(i)) for i in range(box.count)], stack["view"])

    def entered(self) -> None:
        self._database = None

    def sceneCloses(self) -> None:
        self.study, self._read_as, self._kept, self._shown = None, None, None, []
        self.ui.stackTable.setRowCount(0)
        self._tell([])

    def read(self, views: dict[str, str] | None = None, then: Callable[[], None] | None = None) -> None:
        """Read what is chosen in the background and show its stacks. then: what comes next, and enters the scene."""
        source, read_as = self._source(), self._reading()
        if source[0] == FOLDER:
            remember(self.ui.studyFolder)
        gather = {FOLDER: Path, DICOM: self.logic.gatherDicom, VOLUMES: self.logic.gatherVolumes}
        folder = gather[source[0]](source[1])
        kept = tempfile.TemporaryDirectory(prefix="planessl-", ignore_cleanup_errors=True)
        job = self.logic.readingJob(folder, Path(kept.name, "study"), self.panel.anatomy(), views)

        def done(results: list) -> None:
            self.study, self._read_as, self._kept = self.logic.takeOver(Path(kept.name, "study")), read_as, kept
            self._show()
            if then is not None:
                then()

        self.running.start(_("Reading"), [job], done, entersScene=then is not None)

    def draw(self) -> None:
        """Draw what is chosen, read first if that was not done."""
        any_frame, look = self.settings.anyFrame, self.panel.look()  # now: the user may leave the module meanwhile

        def draw() -> None:
            if not self.mayReplace(study for study in self.logic.studies()
                                   if self.logic.folder(study) == self.study.folder):
                return
            steps = self.logic.drawingSteps(self.study, any_frame, **look)
            self.running.steps(_("Drawing"), steps, lambda: self.logic.showInViews(self.logic.studies()[-1]))

        if self.study is None or self._read_as != self._reading():
            self.read(self._corrections(), then=draw)
        else:
            draw()

    def _clear(self) -> None:
        if self.mayReplace(self.logic.studies()):
            self.logic.clear()

    def _reading(self) -> tuple:
        """What is chosen, and as what it is to be read."""
        return self._source(), self.panel.anatomy()

    def _corrections(self) -> dict[str, str] | None:
        """The views that were corrected when this study was drawn, in a scene that was loaded, say."""
        kind, which = self._source()
        folder = Path(which) if kind == FOLDER else gathered_folder(which) if kind == DICOM else None
        for study in reversed(self.logic.studies()):
            drawn = self.logic.drawing(study).now.acquired
            if drawn.folder == folder and self.panel.anatomy() in (None, drawn.anatomy):
                return drawn.corrected
        return None

    def _source(self) -> tuple[str, object] | None:
        """(kind, which one) of what is chosen, None if nothing is."""
        settings = self.settings
        kind = settings.source if settings else FOLDER
        which = {FOLDER: settings.studyFolder if settings else "", DICOM: chosen(self.ui.dicomStudy),
                 VOLUMES: self.ui.sceneVolume.currentNode()}[kind]
        return (kind, which) if which else None

    def _show(self) -> None:
        table = self.ui.stackTable
        stacks = sorted(self.logic.stacks(self.study), key=lambda stack: stack["localizer"])
        self._shown = []  # until there is a box for each of them
        headings = [_("Stack"), _("View"), _("Sure"), _("Sequence"), _("Slices"), _("Phases"), _("Pixels"),
                    _("Description")]
        fill_table(table, headings, [
            [stack["id"], "", f"{stack['confidence']:.0%}", stack["sequence"], str(stack["slices"]),
             str(stack["phases"]), f"{stack['rows']} x {stack['columns']}", stack["description"]] for stack in stacks])
        views = self.logic.views(self.study.anatomy)
        for row, stack in enumerate(stacks):
            table.setCellWidget(row, _VIEW, self._view_box(stack["id"], stack["view"], views))
            table.item(row, _SURE).setToolTip("\n".join(stack["reasons"]))
        self._shown = stacks
        table.resizeColumnsToContents()
        self._tell(self.logic.problems(self.study))

    def _tell(self, problems: list[str]) -> None:
        self.ui.problemsBox.title = _("Notes and problems ({count})").format(count=len(problems))
        self.ui.problemsText.setPlainText(shown("\n".join(problems)) or _("None."))

    def _view_box(self, stack: str, view: str, views: list[str]):
        box = qt.QComboBox()
        fill(box, [(name, name) for name in dict.fromkeys([view, *views])], view)
        box.toolTip = _("The view that this stack shows. Choose another one to correct it.")
        box.currentIndexChanged.connect(lambda *_index: self._correct(stack, chosen(box)))
        return box

    def _correct(self, stack: str, view: str) -> None:
        with slicer.util.tryWithErrorDisplay(_("The view could not be changed.")):
            if self._read_as != self._reading():
                raise PlaneSSLError(_("Another study is chosen than this table shows: read it first."))
            self.read({**self.study.corrected, stack: view})
