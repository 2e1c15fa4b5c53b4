"""Set-up: what is installed, what is missing, where models and cohorts are kept and how to delete them."""
from __future__ import annotations

from pathlib import Path

import ctk
import qt
import slicer
from slicer.i18n import tr as _

from . import installing
from .section import Section, allow, fill_table, remember


TYPING_MS = 700


class SetUpSection(Section):
    def __init__(self, panel) -> None:
        super().__init__(panel)
        ui = self.ui
        ui.workspace.filters = ctk.ctkPathLineEdit.Dirs
        ui.workspace.currentPath = str(self.logic.workspace.folder)
        self._typing = qt.QTimer()  # every letter of a path that is typed is another path
        self._typing.setSingleShot(True)
        self._typing.setInterval(TYPING_MS)
        self._typing.timeout.connect(self._move)
        ui.workspace.currentPathChanged.connect(lambda *_path: self._typing.start())
        ui.keptTable.itemSelectionChanged.connect(self._allow)
        ui.setUpSection.contentsCollapsed.connect(self._opened)
        self.onClick(ui.installButton, _("The packages could not be installed."), installing.installPackages)
        self.onClick(ui.torchButton, _("PyTorch could not be installed."), installing.installTorch)
        self.onClick(ui.deleteButton, _("It could not be deleted."), self._delete)
        self._kept, self._weighed = [], None

    def refresh(self) -> None:
        if self.ui.setUpSection.collapsed:  # sizes of folders take time to add up
            return
        fill_table(self.ui.packagesTable, [_("Package"), _("Wanted"), _("Installed")], [
            [one.name, one.wanted, one.installed or _("missing")] for one in installing.packages()])
        workspace = self.logic.workspace
        self._kept = [*workspace.cohorts(), *(run.folder for run in self.panel.runs)]
        if (self._kept, self.running.busy) != self._weighed:
            self._weighed = list(self._kept), self.running.busy
            fill_table(self.ui.keptTable, [_("Kind"), _("Name"), _("MB")], [
                [_("run") if folder.parent.name == "runs" else _("cohort"), folder.name,
                 f"{workspace.size_mb(folder):.1f}"] for folder in self._kept])
        self._allow()

    def _allow(self) -> None:
        ui = self.ui
        missing = [one.name for one in installing.packages() if not one.installed]
        torch = "torch" in missing
        allow(ui.installButton, self.running.busy or (_("Install PyTorch first.") if torch else "") or (
            "" if missing else _("Nothing is missing.")),
            _("Install the missing packages into Slicer's Python, after asking."))
        allow(ui.torchButton, self.running.busy or ("" if torch else _("PyTorch is installed.")),
              _("Install PyTorch through the PyTorch extension, which chooses the right build for this computer."))
        allow(ui.deleteButton, self.running.busy or (
            "" if 0 <= ui.keptTable.currentRow() < len(self._kept) else _("Select a cohort or a run first.")),
            _("Delete the selected cohort or run from the disk, after asking."))

    def _opened(self, *_collapsed) -> None:
        installing.lookAgain()
        self._weighed = None
        self.panel.refresh()

    def _move(self) -> None:
        folder = Path(self.ui.workspace.currentPath)
        if folder.is_absolute() and folder != self.logic.workspace.folder:
            self.logic.setWorkspace(folder)
            remember(self.ui.workspace)
            self.panel.refresh()

    def _delete(self) -> None:
        folder = self._kept[self.ui.keptTable.currentRow()]
        if slicer.util.confirmOkCancelDisplay(_("Delete {folder} from the disk?").format(folder=folder)):
            self.logic.workspace.delete(folder)
