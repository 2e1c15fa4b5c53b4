"""Planes and lines: how a drawn study is shown, its pairs of planes, a plane moved by hand, the training targets."""
from __future__ import annotations

from pathlib import Path

import qt
import slicer
from slicer.i18n import tr as _

from . import choices
from .section import Section, allow, chosen, fill_table


class PlanesSection(Section):
    def __init__(self, panel) -> None:
        super().__init__(panel)
        self._pairs: list[dict] = []
        self._shown_for = None  # the study that the table shows
        self._look: dict[str, str] | None = None
        ui = self.ui
        self.keep("localizers", "others", "textures", "planeStack")
        self.onClick(ui.takeButton, _("The plane cannot be moved."), self._take)
        self.onClick(ui.resetButton, _("The plane could not be put back."), self.logic.resetPlane)
        self.onClick(ui.releaseButton, _("The handles could not be removed."), self._release)
        for button, other in ((ui.targetsButton, ui.predictedButton), (ui.predictedButton, ui.targetsButton)):
            self.onClick(button, _("The targets could not be shown."), lambda other=other: self._targets(other))
        self.onClick(ui.allPairsButton, _("The planes could not be shown."), self._show_all)
        self.onClick(ui.savePairsButton, _("The table could not be saved."), self._save)
        ui.pairsTable.itemSelectionChanged.connect(self._show_pair)

    @property
    def study(self):
        """The study drawn last, None if none is in the scene."""
        studies = self.logic.studies()
        return studies[-1] if studies else None

    def settingsChanged(self) -> None:
        """Show the studies in the scene as the settings say."""
        look = self.panel.look()
        if self.running.drawing or look == self._look:
            return
        self._look = look
        with slicer.util.tryWithErrorDisplay(_("The planes could not be shown so.")):
            for study in self.logic.studies():
                self.logic.restyle(study, **look)

    def sceneCloses(self) -> None:
        self._shown_for = None  # the next scene's study may have the same node's id
        self.ui.targetsButton.checked = self.ui.predictedButton.checked = False

    def refresh(self) -> None:
        ui, study = self.ui, self.study
        if self.settings is None:
            return
        if self._look is None:  # what a script has drawn keeps its look until the user chooses another
            self._look = self.panel.look()
        stacks = self.logic.drawnStacks(study) if study else []
        if not self.logic.targetsShown():  # they go with a study that is drawn again, say
            ui.targetsButton.checked = ui.predictedButton.checked = False
        self.offer(localizers=choices.visibilities(), others=choices.visibilities(), textures=choices.textures(),
                   planeStack=[(f"{stack['view']}  {stack['id']}", stack["id"]) for stack in stacks])
        slices = next((stack["slices"] for stack in stacks if stack["id"] == chosen(ui.planeStack)), 1)
        ui.planeSlice.setMaximum(slices)
        missing = self.running.busy if self.running.drawing else "" if study else _("Draw a study first.")
        taken = self.logic.planeInHand() is not None
        allow(ui.takeButton, missing or (_("Let go of the plane that you move first.") if taken else ""),
              _("Put handles on the plane in the 3D view: drag them, and its lines follow."))
        for button, tip in ((ui.resetButton, _("Put the plane back where it was acquired.")),
                            (ui.releaseButton, _("Take the handles away; the plane stays where it is."))):
            allow(button, "" if taken else _("No plane is being moved."), tip)
        allow(ui.targetsButton, missing, _("Lay over the images what the pretext task asks a network to find in them."))
        stack = chosen(ui.planeStack)
        predicted = study and stack and self.logic.predictedTargets(study, stack)
        allow(ui.predictedButton, missing or ("" if predicted else _(
            "Nothing is predicted of this stack: predict lines under Apply, with a run that has seen its view.")),
              _("Lay over the images what the run answered."))
        allow(ui.allPairsButton, missing, _("Show all planes again after one pair was chosen."))
        allow(ui.savePairsButton, missing, _("Write the table as a CSV file."))
        shown_for = study.GetID() if study else None
        if shown_for != self._shown_for and not self.running.drawing:
            self._shown_for = shown_for
            self._list_pairs()

    def _list_pairs(self) -> None:
        """Those of localizers last."""
        study = self.study
        localizers = {stack["id"] for stack in (self.logic.drawnStacks(study) if study else ()) if stack["localizer"]}
        self._pairs = sorted(self.logic.pairs(study) if study else (),
                             key=lambda pair: not localizers.isdisjoint((pair["first stack"], pair["second stack"])))
        blocked = self.ui.pairsTable.blockSignals(True)
        fill_table(self.ui.pairsTable, [_("Plane"), _("Cut by"), _("Angle"), _("Length")], [
            [pair["first"], pair["second"], f"{pair['angle']:.1f}°", f"{pair['length']:.0f} mm"]
            for pair in self._pairs])
        self.ui.pairsTable.blockSignals(blocked)

    def _show_pair(self) -> None:
        row = self.ui.pairsTable.currentRow()
        if self.study and 0 <= row < len(self._pairs):
            self.logic.showPair(self.study, self._pairs[row])

    def _show_all(self) -> None:
        self.ui.pairsTable.clearSelection()
        self.logic.showAll(self.study)

    def _save(self) -> None:
        path = qt.QFileDialog.getSaveFileName(self.panel.parent, _("Save the pairs of planes"), "pairs.csv", "*.csv")
        path = path if isinstance(path, str) else path[0]
        if path and not Path(path).suffix:  # some dialogs add none, and have not asked about that file
            path += ".csv"
            if Path(path).exists() and not slicer.util.confirmOkCancelDisplay(
                    _("{file} is there already. Replace it?").format(file=path)):
                return
        if path:
            self.logic.savePairs(self.study, path)

    def _take(self) -> None:
        self.logic.takePlane(self.study, chosen(self.ui.planeStack), self.ui.planeSlice.value - 1)

    def _release(self) -> None:
        self.logic.releasePlane()
        self._list_pairs()

    def _targets(self, other) -> None:
        """What is asked or what is answered, one at a time."""
        other.checked = False
        predicted = self.ui.predictedButton.checked
        stack = chosen(self.ui.planeStack) if predicted or self.ui.targetsButton.checked else None
        self.logic.showTargets(self.study, stack, predicted)
