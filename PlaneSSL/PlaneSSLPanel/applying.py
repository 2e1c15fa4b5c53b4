"""Apply: use a trained run on a drawn study, and export what it found."""
from __future__ import annotations

import tempfile
from datetime import datetime
from pathlib import Path

import ctk
import slicer
from slicer.i18n import tr as _

from .section import Section, allow, chosen, fill_table, remember


class ApplySection(Section):
    def __init__(self, panel) -> None:
        super().__init__(panel)
        ui = self.ui
        ui.exportFolder.filters = ctk.ctkPathLineEdit.Dirs
        self.keep("run", "applyStudy", "applyStack")
        self.onClick(ui.segmentButton, _("The study could not be segmented."), self._segment)
        self.onClick(ui.measureButton, _("The segmentation could not be measured."), self._measure)
        self.onClick(ui.classifyButton, _("The study could not be classified."), self._classify)
        self.onClick(ui.predictButton, _("The lines could not be predicted."), self._predict)
        self.onClick(ui.exportButton, _("The segmentation could not be exported."), self._export)
        ui.weightsTable.itemSelectionChanged.connect(self._show_weighty)
        ui.weightsTable.setVisible(False)
        self._runs = {}
        self._weighty: tuple = (None, [])  # a study's node, and the slices that weighed most in it

    def refresh(self) -> None:
        ui = self.ui
        if self.settings is None:
            return
        self._runs = {run.name: run for run in self.panel.runs if run.usable}
        self.offer(
            run=[(f"{run.name} ({run.task}, {run.anatomy})", run.name) for run in self._runs.values()],
            applyStudy=[(study.GetName(), study.GetID()) for study in reversed(self.logic.studies())])
        study = self._study()
        if study is None or study is not self._weighty[0]:
            ui.weightsTable.setVisible(False)
        stacks = self.logic.drawnStacks(study) if study else []
        self.offer(applyStack=[(_("what the run has learnt"), ""), *(
            (f"{stack['view']} {stack['sequence']}".rstrip() + f"  {stack['id']}", stack["id"]) for stack in stacks)])
        ui.phase.setMaximum(max((stack["phases"] for stack in stacks
                                 if chosen(ui.applyStack) in ("", stack["id"])), default=0))
        segments = self._lacking(_("segments"), "segmentation")
        allow(ui.segmentButton, segments,
              _("Segment the study in the background, with volumes and ejection fraction."))
        segmented = bool(study and self.logic.segmentations(study))
        outlined = self.running.busy or ("" if segmented else _("Nothing is segmented of this study."))
        allow(ui.measureButton, outlined,
              _("Measure the segmentation as it is now, after it was corrected: volumes, masses, ejection fraction."))
        allow(ui.classifyButton, self._lacking(_("classifies"), "classes"),
              _("Tell how likely each class is for this study."))
        allow(ui.predictButton, self._lacking(_("predicts lines"), "lines"),
              _("Draw where the network sees the crossing lines, dashed beside the true ones."))
        allow(ui.exportButton, outlined or self.panel.missingPackages() or self._gone(study) or (
            "" if self.logic.isDicom(study) else _("DICOM SEG refers to DICOM images, and this study has none.")) or (
            "" if self.settings.exportFolder else _("Choose a folder to export to first.")),
            _("Write the segmentation, as it is in the scene now, as DICOM SEG, into a new folder in this one."))

    def _lacking(self, does: str, head: str) -> str:
        from PlaneSSLLib.study.recognition import FALLBACK

        run = self._runs.get(chosen(self.ui.run))
        if missing := self.running.busy or self.panel.missingPackages():
            return missing
        if run is None or head not in run.heads:
            return _("Choose a run that {does} first; the Train section makes one.").format(does=does)
        study = self._study()
        if study is None:
            return _("Draw a study first.")
        if gone := self._gone(study):
            return gone
        anatomy = self.logic.anatomy(study)
        if anatomy not in (run.anatomy, FALLBACK):
            return _("The run knows the anatomy {known}, and the study shows {shown}; if that is wrong, choose another "
                     "anatomy under Study and draw it again.").format(known=run.anatomy, shown=anatomy)
        return ""

    def _gone(self, study) -> str:
        there = self.logic.folder(study).exists()
        return "" if there else _("The files of this study are no longer there: read it again, under Study.")

    def _study(self):
        return next((study for study in self.logic.studies() if study.GetID() == chosen(self.ui.applyStudy)), None)

    def _segment(self) -> None:
        settings, study, run = self.settings, self._study(), chosen(self.ui.run)
        if not self.mayReplace([study]):
            return
        folder = tempfile.TemporaryDirectory(prefix="planessl-", ignore_cleanup_errors=True)
        found = Path(folder.name, "found.npz")
        job = self.logic.segmentationJob(run, study, found, chosen(self.ui.applyStack) or None, settings.clean,
                                         settings.device, settings.phase - 1 if settings.phase else None)

        def show(results: list) -> None:
            def steps():
                self._tell((yield from self.logic.segmentationSteps(run, study, found, settings.surface)))

            self.running.steps(_("Showing the segmentation"), steps(), folder.cleanup)

        self.running.start(_("Segmenting"), [job], show, entersScene=True)

    def _measure(self) -> None:
        study = self._study()

        def steps():
            self._tell((yield from self.logic.measuringSteps(study)))

        self.running.steps(_("Measuring"), steps(), lambda: None)

    def _tell(self, measures: dict) -> None:
        """What hearts are measured for; all volumes are in the table."""
        views = [stack["view"] for stack in measures["stacks"] if stack["cavities"]]
        self.ui.answer.text = "\n".join(
            _("{view} {name}: {full:.0f} to {empty:.0f} ml, ejection fraction {ejected:.0f} %").format(
                view=stack["view"] if views.count(stack["view"]) == 1 else stack["stack"], name=name,
                full=cavity["edv_ml"], empty=cavity["esv_ml"], ejected=cavity["ef_percent"])
            for stack in measures["stacks"] for name, cavity in stack["cavities"].items()
            if cavity["ef_percent"] is not None) or _("All volumes are in the table of measures.")

    def _classify(self) -> None:
        study = self._study()

        def show(results: list) -> None:
            self.logic.showClasses(study, results[0])
            self.ui.answer.text = "\n".join(
                f"{name}: {probability:.0%}" for name, probability in results[0]["classes"].items())
            self._list_weights(study, results[0]["slices"])

        self.running.start(_("Classifying"), [self.logic.classificationJob(
            chosen(self.ui.run), study, self.settings.device)], show, entersScene=True)

    def _list_weights(self, study, slices: list[dict]) -> None:
        self._weighty = study, slices
        table = self.ui.weightsTable
        blocked = table.blockSignals(True)
        fill_table(table, [_("Stack"), _("Slice"), _("Phase"), _("Weight")], [
            [one["stack"], str(one["slice"] + 1), str(one["phase"] + 1), f"{one['weight']:.0%}"] for one in slices])
        table.blockSignals(blocked)
        table.setVisible(True)

    def _show_weighty(self) -> None:
        study, slices = self._weighty
        row = self.ui.weightsTable.currentRow()
        if study in self.logic.studies() and 0 <= row < len(slices):
            with slicer.util.tryWithErrorDisplay(_("The image could not be shown.")):
                self.logic.showImage(study, *(slices[row][key] for key in ("stack", "slice", "phase")))

    def _predict(self) -> None:
        study = self._study()
        folder = tempfile.TemporaryDirectory(prefix="planessl-", ignore_cleanup_errors=True)
        heatmaps = Path(folder.name, "heatmaps.npz")

        def show(results: list) -> None:
            with folder:
                self.logic.showPredictions(study, results[0], heatmaps)
            found = [line["predicted"] for line in results[0] if line.get("predicted", {}).get("pixels")]
            off, away = ([line[error] for line in found if line[error] is not None]
                         for error in ("angle_error_deg", "distance_error_mm"))
            self.ui.answer.text = _("{count} lines predicted, {off:.1f}° and {away:.1f} mm off in the mean.").format(
                count=len(found), off=sum(off) / len(off), away=sum(away) / len(away),
            ) if off and away else _("The run predicts no line of these images.")

        job = self.logic.predictionJob(chosen(self.ui.run), study, heatmaps, self.settings.device)
        self.running.start(_("Predicting lines"), [job], show, entersScene=True)

    def _export(self) -> None:
        study = self._study()
        remember(self.ui.exportFolder)
        out = Path(self.settings.exportFolder, f"PlaneSSL {datetime.now():%Y-%m-%d %H-%M-%S}")
        folder = tempfile.TemporaryDirectory(prefix="planessl-", ignore_cleanup_errors=True)
        kept = Path(folder.name, "kept.npz")

        def write() -> None:
            self.running.start(_("Exporting"), [self.logic.exportJob(study, kept, out)], tell)

        def tell(results: list) -> None:
            folder.cleanup()
            self.ui.answer.text = _("Written to {folder}.").format(folder=out)

        self.running.steps(_("Exporting"), self.logic.outliningSteps(study, kept), write)
