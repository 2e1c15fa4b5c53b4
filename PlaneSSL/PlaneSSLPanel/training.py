"""Train: pretrain on planes, finetune on outlines, watch, resume, compare runs."""
from __future__ import annotations

import ctk
import slicer
from slicer.i18n import tr as _

from PlaneSSLLib.files import ExistsAlready

from . import choices
from .section import Section, allow, chosen, fill_table, remember, shown


class TrainSection(Section):
    def __init__(self, panel) -> None:
        super().__init__(panel)
        ui = self.ui
        for edit in (ui.pretrainingFolder, ui.labelledFolder):
            edit.filters = ctk.ctkPathLineEdit.Dirs
        ui.classesFile.filters, ui.classesFile.nameFilters = ctk.ctkPathLineEdit.Files, ["*.csv"]
        self.keep("trainingAnatomy", "trainingSequence", "network", "device", "task", "startingRun", "labelledView")
        ui.runsTable.itemSelectionChanged.connect(self.refresh)
        self.onClick(ui.devicesButton, _("The devices could not be listed."), self._look_for_devices)
        self.onClick(ui.pretrainButton, _("Pretraining could not be started."), self._pretrain)
        self.onClick(ui.finetuneButton, _("Finetuning could not be started."), self._finetune)
        self.onClick(ui.keepButton, _("The outlines could not be saved."), self._keep)
        self.onClick(ui.curvesButton, _("The curves could not be shown."),
                     lambda: self.logic.showCurves(self._selected().name))
        self.onClick(ui.resumeButton, _("The training could not be resumed."), self._resume)
        self._runs, self._training, self._listed = [], "", ([], "")

    def refresh(self) -> None:
        ui, settings = self.ui, self.settings
        if settings is None:
            return
        self._training = self._training if self.running.busy else ""
        runs = self.panel.runs
        if (runs, self._training) != self._listed:
            self._runs, self._listed = runs, (runs, self._training)
            self._list()
        starts = [(run.name, run.name) for run in runs if run.stage == "pretraining" and run.usable
                  and run.anatomy == settings.trainingAnatomy]
        self.offer(trainingAnatomy=choices.known_anatomies(), network=choices.networks(), device=choices.devices(),
                   task=choices.tasks(), startingRun=[(_("none: from scratch"), ""), *starts],
                   trainingSequence=[(_("all sequences"), ""), *(
                       (name, name) for name in self.logic.sequences(settings.trainingAnatomy))])
        names = [run.name for run in runs]
        packages = self.panel.missingPackages()
        allow(ui.devicesButton, self.running.busy or packages, _("List the devices and their free memory."))
        allow(ui.pretrainButton, self.running.busy or packages or self._lacking(
            settings.pretrainingFolder, settings.pretrainingName, names, settings.taskLines or settings.taskLocation),
            _("Prepare the studies and pretrain on them, in the background."))
        allow(ui.finetuneButton, self.running.busy or packages or self._lacking(
            settings.labelledFolder, settings.finetuningName, names) or (
            "" if settings.task in self.logic.finetuningTasks(settings.trainingAnatomy) else _(
                "The file of the anatomy {anatomy} names nothing that a {task} could tell.").format(
                    anatomy=settings.trainingAnatomy, task=settings.task)),
            _("Prepare the labelled studies and train on them, in the background."))
        drawn = settings.labelledVolume is not None and self.logic.isDrawn(settings.labelledVolume)
        self.offer(labelledView=[(_("as drawn") if drawn else _("view"), ""), *(
            [] if drawn else [(view, view) for view in self.logic.views(settings.trainingAnatomy)])])
        outlined = settings.labelledVolume and settings.labelledSegmentation and settings.labelledFolder
        allow(ui.keepButton, _("Choose a folder, a volume and its segmentation first.") if not outlined else (
            "" if drawn or chosen(ui.labelledView) else _("Choose the view that the volume shows first.")),
              _("Save the volume and its outlines in the folder above, as a labelled study."))
        run = self._selected()
        missing = "" if run else _("Select a run in the table first.")
        allow(ui.curvesButton, missing, _("Show the run's losses and figures over its epochs in a plot."))
        allow(ui.resumeButton, self.running.busy or missing or packages or (
            _("This training is finished.") if run.finished else "" if self.logic.hasCohort(run.name) else
            _("The cohort of this training is gone.")), _("Go on where this training stopped."))

    def _lacking(self, folder: str, name: str, names: list[str], tasks: bool = True) -> str:
        if not folder:
            return _("Choose the folder that holds the studies first.")
        if not tasks:
            return _("Choose a task first.")
        if not name or name in names:
            return _("Give the run a name that no other has.")
        return ""

    def _list(self) -> None:
        fill_table(self.ui.runsTable, [_("Run"), _("Task"), _("Anatomy"), _("Epochs"), _("State"), _("Figures")], [
            [run.name, run.task, run.anatomy, f"{run.epochs} / {run.of_epochs}",
             _("running") if run.name == self._training else _("finished") if run.finished else _("stopped"),
             ", ".join(f"{name} {value:.3g}" for name, value in run.figures.items() if "median" not in name)]
            for run in self._runs])

    def _selected(self):
        row = self.ui.runsTable.currentRow()
        return self._runs[row] if 0 <= row < len(self._runs) else None

    def _look_for_devices(self) -> None:
        def show(results: list) -> None:
            self.ui.devicesLabel.text = "\n".join(
                f"{one['device']}: {one['name']}" + ("" if one["free_gb"] is None else _(
                    ", {free} of {all} GB free").format(free=one["free_gb"], all=one["of_gb"])) for one in results[0])

        self.running.start(_("Looking for devices"), [self.logic.devicesJob()], show)

    def _pretrain(self) -> None:
        settings = self.settings
        remember(self.ui.pretrainingFolder)
        tasks = [name for name, wanted in (("lines", settings.taskLines), ("location", settings.taskLocation))
                 if wanted]
        jobs = self.logic.pretrainingJobs(
            settings.pretrainingFolder, settings.trainingAnatomy, settings.pretrainingName, tasks=tasks,
            network=settings.network, epochs=settings.pretrainingEpochs, device=settings.device,
            sequences=self._sequences())
        self._train(_("Pretraining"), jobs, settings.pretrainingName)

    def _finetune(self) -> None:
        settings, start = self.settings, chosen(self.ui.startingRun) or None  # as it is shown
        remember(self.ui.labelledFolder)
        classes = settings.classesFile if settings.task == "classification" else ""
        if classes:
            remember(self.ui.classesFile)
        jobs = self.logic.finetuningJobs(
            settings.labelledFolder, settings.trainingAnatomy, settings.finetuningName, task=settings.task,
            init=start, subjects=settings.subjects, network=None if start else settings.network,
            epochs=settings.finetuningEpochs, device=settings.device, classes=classes or None,
            sequences=self._sequences(), labels=settings.labelValues)
        self._train(_("Finetuning"), jobs, settings.finetuningName)

    def _sequences(self) -> list[str]:
        """Those to learn from, as it is shown: one that another anatomy has is not offered."""
        return [name] if (name := chosen(self.ui.trainingSequence)) else []

    def _resume(self) -> None:
        run = self._selected()
        self._train(_("Training"), [self.logic.resumingJob(run.name, self.settings.device)], run.name)

    def _train(self, title: str, jobs: list, name: str) -> None:
        """The plot is brought up once; after that the user's choice of layout stands, and it grows where it is."""
        plotted = []
        self._training = name

        def told(event: dict) -> None:
            if event["event"] == "progress" and event.get("metrics"):
                self.panel.refresh()  # a run that has begun is listed with its figures
                if self.logic.showCurves(name, not plotted):
                    plotted.append(name)

        self.running.start(title, jobs, lambda results: self.logic.showCurves(name, not plotted), told=told)

    def _keep(self) -> None:
        settings = self.settings
        what = (settings.labelledVolume, settings.labelledSegmentation, settings.labelledFolder,
                settings.trainingAnatomy, chosen(self.ui.labelledView) or None)
        try:
            with slicer.util.WaitCursor():  # not over the question
                self.logic.keepOutlines(*what)
        except ExistsAlready as kept:
            if slicer.util.confirmOkCancelDisplay(shown(str(kept))):
                with slicer.util.WaitCursor():
                    self.logic.keepOutlines(*what, overwrite=True)
