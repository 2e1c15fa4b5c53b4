"""The part of the logic that trains and applies networks: planessl commands in child processes."""
from __future__ import annotations

import os
import tempfile
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import qt
import slicer

from PlaneSSLLib import PlaneSSLError
from PlaneSSLLib.events import Report, notice, silent
from PlaneSSLLib.files import read_json
from PlaneSSLLib.jobs import Job
from PlaneSSLLib.steps import finish
from PlaneSSLLib.workspace import RunSummary, Workspace, history, summary

from .lazily import lazily

if TYPE_CHECKING:
    from PlaneSSLLib.prediction.results import Results

anatomies, scenes = lazily("PlaneSSLLib.anatomy"), lazily("PlaneSSLLib.scene")
_WORKSPACE = "PlaneSSL/workspace"  # in Slicer's settings


class LearningLogic:
    """Trains and applies networks.

    A method that ends in Job or Jobs returns work that is not started: the panel follows it, a script says
    `job.wait()`. The method without that ending does both.
    """

    @property
    def workspace(self) -> Workspace:
        """Where cohorts and runs are kept."""
        default = Path.home() / "Documents" / "PlaneSSL"
        return Workspace(Path(slicer.util.settingsValue(_WORKSPACE, str(default))))

    def setWorkspace(self, folder: str | os.PathLike) -> None:
        """Keep cohorts and runs in another folder from now on; nothing is moved."""
        qt.QSettings().setValue(_WORKSPACE, str(folder))

    def runs(self) -> list[RunSummary]:
        """The trainings that are kept, the latest first."""
        return self.workspace.runs()

    def pretrainingJobs(self, studies: str | os.PathLike, anatomy: str, name: str, *,
                        tasks: Sequence[str] = ("lines", "location"), network: str = "small", epochs: int = 200,
                        device: str = "auto", seed: int = 0, batch: int | None = None,
                        sequences: Sequence[str] = ()) -> list[Job]:
        """Prepare the studies in a folder as a cohort, then pretrain on it. Both are called `name`.

        sequences: learn from images of these alone, such as "cine"; empty for all.
        """
        self._require_new(name, studies)
        return [self._preparationJob(studies, anatomy, name), Job([
            "pretrain", self.workspace.cohort(name), "--out", self.workspace.run(name), "--tasks", ",".join(tasks),
            *_how(network, epochs, device, seed, batch, sequences)])]

    def finetuningJobs(self, studies: str | os.PathLike, anatomy: str, name: str, *, task: str = "segmentation",
                       init: str | None = None, subjects: int = 0, network: str | None = None, epochs: int = 40,
                       device: str = "auto", seed: int = 0, batch: int | None = None,
                       classes: str | os.PathLike | None = None, sequences: Sequence[str] = (),
                       labels: str = "") -> list[Job]:
        """Prepare labelled studies as a cohort, then train on it. init: the name of a pretrained run, None for scratch.

        classes: a CSV with a column 'subject' and one of 0 and 1 for each class; also what study.json says is taken.
        subjects: train on so many of them, 0 for all but those that validate. network: None for that of `init`.
        sequences: as of `pretrainingJobs`. labels: what the values in label maps stand for, where they are not the
        anatomy's, such as "1=LV,2=MYO,3=RV".
        """
        from PlaneSSLLib.study.meanings import read_values

        self._require_new(name, studies)
        if labels:
            read_values(labels)  # refused here, not by the command
        return [self._preparationJob(studies, anatomy, name, classes, labels), Job([
            "finetune", self.workspace.cohort(name), "--task", task, "--out", self.workspace.run(name),
            "--init", self.workspace.run(init) if init else "none",
            *(["--subjects", str(subjects)] if subjects else []),
            *_how(network, epochs, device, seed, batch, sequences)])]

    def resumingJob(self, name: str, device: str = "auto") -> Job:
        """Go on with a training that was cancelled or lost, from its last checkpoint."""
        folder = self.workspace.run(name)
        config = read_json(folder / "config.json")
        settings = config["settings"]
        how = ["--network", config["network"], "--device", device, "--resume",
               "--sequences", ",".join(config.get("only_sequences", ()))]
        for key in ("epochs", "batch", "coarse", "learning_rate", "precision", "seed"):
            how += [f"--{key.replace('_', '-')}", str(settings[key])]
        if config["stage"] == "pretraining":
            views = ["--views", ",".join(config["views"])] if config["views"] else []
            return Job(["pretrain", self.workspace.cohort(name), "--out", folder, "--tasks", config["task"], *views,
                        *how])
        init = [self.workspace.run(config["init"]), "--transfer", config["transfer"],
                *([] if "guide" in config else ["--no-align"])] if config["init"] else ["none"]
        return Job(["finetune", self.workspace.cohort(name), "--task", config["task"], "--init", *init, "--split",
                    folder / "splits.json", "--out", folder, *how])

    def pretrain(self, studies: str | os.PathLike, anatomy: str, name: str,
                 report: Report = silent, **options) -> Path:
        """Pretrain and wait for it, Slicer's windows being alive; returns the run's folder.

        options: those of `pretrainingJobs`.
        """
        return self._run(self.pretrainingJobs(studies, anatomy, name, **options), name, report)

    def finetune(self, studies: str | os.PathLike, anatomy: str, name: str,
                 report: Report = silent, **options) -> Path:
        """Finetune and wait for it, Slicer's windows being alive; returns the run's folder.

        options: those of `finetuningJobs`.
        """
        return self._run(self.finetuningJobs(studies, anatomy, name, **options), name, report)

    def hasCohort(self, name: str) -> bool:
        """Is the cohort of the run of this name still there?"""
        return name in {folder.name for folder in self.workspace.cohorts()}

    def isDrawn(self, volume: slicer.vtkMRMLScalarVolumeNode) -> bool:
        """Does a volume belong to a drawn study, so that its anatomy and its view are known?"""
        return scenes.is_drawn(volume)

    def finetuningTasks(self, anatomy: str) -> list[str]:
        """What can be learnt from labelled studies of an anatomy: segmentation, classification."""
        known = anatomies.load(anatomy)
        return [task for task, there in (("segmentation", known.labels), ("classification", known.classes)) if there]

    def sequences(self, anatomy: str) -> list[str]:
        """What images of an anatomy can be acquired in."""
        return [sequence.name for sequence in anatomies.load(anatomy).sequences]

    def keepOutlines(self, volume: slicer.vtkMRMLScalarVolumeNode, segmentation: slicer.vtkMRMLSegmentationNode,
                     folder: str | os.PathLike, anatomy: str, view: str | None = None,
                     overwrite: bool = False) -> Path:
        """Save a volume, or the cine that it plays, with outlines made in Slicer as one more study to train on.

        What was kept of other stacks of the same study stays with it. view: what a volume shows that PlaneSSL has not
        drawn. ExistsAlready where this very stack was kept, unless overwrite.
        """
        return scenes.keep_outlines(folder, volume, segmentation, anatomy, view, overwrite)

    def showCurves(self, name: str, bringUp: bool = True) -> slicer.vtkMRMLPlotChartNode | None:
        """Plot a run's losses and figures over its epochs; None where no epoch is done yet.

        bringUp: also change the layout so that the plot is seen, if there are windows.
        """
        rows = history(self.workspace.run(name))
        if not rows:
            return None
        chart = scenes.draw_curves(name, rows)
        if bringUp and slicer.app.layoutManager() is not None:
            slicer.modules.plots.logic().ShowChartInLayout(chart)
        return chart

    def devicesJob(self) -> Job:
        """Ask what networks can run on here: its document is a list of {"device", "name", "free_gb", "of_gb"}."""
        return Job(["devices"])

    def segmentationJob(self, run: str | os.PathLike, study: slicer.vtkMRMLScriptedModuleNode,
                        out: str | os.PathLike, stack: str | None = None, clean: bool = False,
                        device: str = "auto", phase: int | None = None) -> Job:
        """Segment a drawn study, what the run has learnt or one stack. out: as of planessl segment; .npz to show it.

        phase: of a cine, from 0; None for all.
        """
        return Job(["segment", self._run_folder(run), self.folder(study), "--out", Path(out), "--device", device,
                    *self._asDrawn(study), *(["--stack", stack] if stack else []), *(["--clean"] if clean else []),
                    *([] if phase is None else ["--phase", str(phase)])])

    def segmentationSteps(self, run: str | os.PathLike, study: slicer.vtkMRMLScriptedModuleNode,
                          found: str | os.PathLike, surface: bool = True) -> Generator[None, None, dict]:
        """Show what `segmentationJob` wrote as .npz, a phase a step, with its measures.

        Returns those, as planessl measure --json has them.
        """
        from PlaneSSLLib.prediction.results import Results

        drawing = self.drawing(study)
        anatomy = anatomies.load(self._run_folder(run) / "anatomy.toml")
        results = Results.load(Path(found), drawing.now.acquired, anatomy)
        for one in results.stacks:
            yield from scenes.segmentation_steps(drawing, one.stack, one.labels, anatomy.labels, surface, one.phases)
        return _show_measures(drawing, results)

    def segment(self, run: str | os.PathLike, study: slicer.vtkMRMLScriptedModuleNode, stack: str | None = None,
                clean: bool = False, surface: bool = True, device: str = "auto",
                phase: int | None = None) -> list[slicer.vtkMRMLSegmentationNode]:
        """Segment a drawn study, wait for it and show it, with its measures; returns its segmentation nodes."""
        with tempfile.TemporaryDirectory(prefix="planessl-") as folder:
            found = Path(folder, "found.npz")
            self.segmentationJob(run, study, found, stack, clean, device, phase).wait(idle=repaint)
            finish(self.segmentationSteps(run, study, found, surface))
        return self.segmentations(study)

    def segmentations(self, study: slicer.vtkMRMLScriptedModuleNode) -> list[slicer.vtkMRMLSegmentationNode]:
        """What is segmented of a drawn study in the scene."""
        return self.drawing(study).nodes("segmentation")

    def measuringSteps(self, study: slicer.vtkMRMLScriptedModuleNode) -> Generator[None, None, dict]:
        """What `measure` does, an image a step; returns the same."""
        return _show_measures(self.drawing(study), (yield from self._outlined(study)))

    def measure(self, study: slicer.vtkMRMLScriptedModuleNode) -> dict:
        """Measure the segmentations of a drawn study as they are in the scene now, corrected by hand or not.

        Returns what planessl measure --json tells, and puts it into the study's table and plot.
        """
        return finish(self.measuringSteps(study))

    def outliningSteps(self, study: slicer.vtkMRMLScriptedModuleNode,
                       kept: str | os.PathLike) -> Generator[None, None, None]:
        """Keep the segmentations of a drawn study as they are in the scene now, for `exportJob`, an image a step.

        kept: a new .npz file.
        """
        (yield from self._outlined(study)).save(Path(kept))

    def isDicom(self, study: slicer.vtkMRMLScriptedModuleNode) -> bool:
        """Was a drawn study read from DICOM images?"""
        return any(stack.series_uid for stack in self.drawing(study).now.acquired.stacks)

    def exportJob(self, study: slicer.vtkMRMLScriptedModuleNode, kept: str | os.PathLike,
                  out: str | os.PathLike) -> Job:
        """Write what `outliningSteps` has kept; out: as of planessl export."""
        return Job(["export", Path(kept), self.folder(study), "--out", Path(out), *self._asDrawn(study)])

    def export(self, study: slicer.vtkMRMLScriptedModuleNode, out: str | os.PathLike) -> Path:
        """Write the segmentations of a drawn study as they are in the scene now, and wait for it.

        out: a new folder, a name without an ending, for DICOM SEG; or .nii.gz or .seg.nrrd, see planessl export.
        """
        with tempfile.TemporaryDirectory(prefix="planessl-") as folder:
            kept = Path(folder, "kept.npz")
            finish(self.outliningSteps(study, kept))
            self.exportJob(study, kept, out).wait(idle=repaint)
        return Path(out)

    def _outlined(self, study: slicer.vtkMRMLScriptedModuleNode) -> Generator[None, None, Results]:
        """The segmentations of a drawn study as they are in the scene, an image a step."""
        from PlaneSSLLib.prediction.results import Results, SegmentedStack

        drawing = self.drawing(study)
        acquired = drawing.now.acquired
        anatomy = anatomies.load(acquired.anatomy)
        stacks = []
        for stack in acquired.stacks:
            found = {}
            for phase, images in scenes.outlines(drawing, stack, anatomy):
                found.update({(phase, i): image for i, image in images.items()})
                yield
            outlined = {phase for (phase, _), image in found.items() if image.any()}
            found = {(phase, i): image for (phase, i), image in found.items() if phase in outlined}
            if found:
                stacks.append(SegmentedStack.of(stack, found))
        if not stacks:
            raise PlaneSSLError("Nothing is segmented of this study.")
        return Results(acquired, anatomy, tuple(stacks))

    def classificationJob(self, run: str | os.PathLike, study: slicer.vtkMRMLScriptedModuleNode,
                          device: str = "auto") -> Job:
        """Tell how likely each class is for a drawn study; `showClasses` shows its document."""
        return Job(["classify", self._run_folder(run), self.folder(study), "--device", device, *self._asDrawn(study)])

    def showClasses(self, study: slicer.vtkMRMLScriptedModuleNode, document: dict) -> list[slicer.vtkMRMLTableNode]:
        """Put what `classificationJob` found into two tables: the classes, and the slices that weighed most."""
        return scenes.add_classes(self.drawing(study), document)

    def classify(self, run: str | os.PathLike, study: slicer.vtkMRMLScriptedModuleNode,
                 device: str = "auto") -> list[slicer.vtkMRMLTableNode]:
        """Classify a drawn study, wait for it and show it; returns the two table nodes of `showClasses`."""
        return self.showClasses(study, self.classificationJob(run, study, device).wait(idle=repaint))

    def predictionJob(self, run: str | os.PathLike, study: slicer.vtkMRMLScriptedModuleNode,
                      heatmaps: str | os.PathLike | None = None, device: str = "auto") -> Job:
        """Predict the crossing lines of a drawn study. heatmaps: a new .npz file for the heatmaps.

        `showPredictions` draws its document and that file.
        """
        return Job(["lines", self.folder(study), "--run", self._run_folder(run), "--device", device,
                    *self._asDrawn(study),
                    *(["--heatmaps", Path(heatmaps)] if heatmaps else []),
                    *(["--any-frame"] if self.drawing(study).now.any_frame else [])])

    def showPredictions(self, study: slicer.vtkMRMLScriptedModuleNode, lines: list[dict],
                        heatmaps: str | os.PathLike | None = None) -> slicer.vtkMRMLModelNode:
        """Draw predicted lines, dashed, beside the true ones, and heatmaps that `showTargets` lays over the images."""
        from PlaneSSLLib.prediction.heatmaps import load

        drawing = self.drawing(study)
        found = load(Path(heatmaps), drawing.now.acquired) if heatmaps else {}
        scenes.draw_predicted_targets(drawing, found)
        return scenes.draw_predictions(drawing, lines)

    def predictedTargets(self, study: slicer.vtkMRMLScriptedModuleNode, stack: str) -> list[slicer.vtkMRMLVolumeNode]:
        """The heatmaps that `showPredictions` has drawn of a stack; none if the run was not asked about it."""
        return self.drawing(study).nodes("predicted targets", stack)

    def targetsShown(self) -> bool:
        """Are targets, or predicted ones, laid over an image in any slice view?"""
        return scenes.overlaid()

    def predictLines(self, run: str | os.PathLike, study: slicer.vtkMRMLScriptedModuleNode,
                     ) -> slicer.vtkMRMLModelNode:
        """Predict the lines and heatmaps of a drawn study, wait for them and show them; returns the lines' node."""
        with tempfile.TemporaryDirectory(prefix="planessl-") as folder:
            heatmaps = Path(folder, "heatmaps.npz")
            return self.showPredictions(study, self.predictionJob(run, study, heatmaps).wait(idle=repaint), heatmaps)

    def _run(self, jobs: list[Job], name: str, report: Report) -> Path:
        for job in jobs:
            for sentence in reservations(job.wait(report, idle=slicer.app.processEvents)):
                notice(report, sentence)
        return self.workspace.run(name)

    def _asDrawn(self, study: slicer.vtkMRMLScriptedModuleNode) -> list[str]:
        """Let a command read a study as it was drawn: of the same anatomy, with the views that were corrected."""
        drawn = self.drawing(study).now.acquired
        return reading_options(drawn.anatomy if drawn.anatomy in anatomies.available() else None, drawn.corrected)

    def _preparationJob(self, studies: str | os.PathLike, anatomy: str, name: str,
                        classes: str | os.PathLike | None = None, labels: str = "") -> Job:
        return Job(["prepare", Path(studies), "--anatomy", anatomy, "--out", self.workspace.cohort(name),
                    *(["--classes", Path(classes)] if classes else []), *(["--labels", labels] if labels else []),
                    *(["--names-of", other] if (other := self._another(name)) else []),
                    "--jobs", str(max(1, (os.cpu_count() or 2) - 1))])

    def _another(self, name: str) -> Path | None:
        """Another cohort that is kept: who is in both is then known, and is not evaluated on as if unseen."""
        cohort = self.workspace.cohort(name)
        known = [one for one in self.workspace.cohorts() if one != cohort and (one / "private" / "salt.json").is_file()]
        return known[0] if known and not cohort.exists() else None

    def _require_new(self, name: str, studies: str | os.PathLike) -> None:
        if self.workspace.run(name).exists():
            raise PlaneSSLError(f"A run '{name}' exists: choose another name, resume it, or delete it.")
        here = Path(studies).resolve()
        others = [source for source in self.workspace.sources(name) if not source.is_relative_to(here)]
        if others:
            raise PlaneSSLError(f"There is a cohort '{name}' with studies from elsewhere ({others[0]}): choose another "
                                "name, or delete that cohort in Set-up.")

    def _run_folder(self, run: str | os.PathLike) -> Path:
        """A run's folder, given that or its name. PlaneSSLError if there is none."""
        folder = Path(run) if Path(run).is_absolute() else self.workspace.run(str(run))
        try:
            return summary(folder).folder
        except KeyError as error:
            raise PlaneSSLError(f"{folder} is no run: its config.json lacks {error}.") from None


def _show_measures(drawing, results) -> dict:
    """Measure what was found, and put it into the study's table and plot; returns the measures."""
    from PlaneSSLLib.prediction import measuring

    measures = measuring.measure(results)
    scenes.add_measures(drawing, list(measuring.rows(measures)), results.anatomy.labels)
    return measures


def reservations(document: object) -> list[str]:
    """A sentence for each study that a preparation left out, and for all else that it noted."""
    if not isinstance(document, dict) or "left_out" not in document:
        return []
    return [*(f"{left['study']}: left out. {left['reason']}" for left in document["left_out"]), *document["notes"]]


def repaint() -> None:
    """Let Slicer draw its windows, but nobody click in them: what is worked on stays as it is."""
    slicer.app.processEvents(qt.QEventLoop.ExcludeUserInputEvents)


def reading_options(anatomy: str | None, views: dict[str, str] | None) -> list[str]:
    """The options of commands that read a study. views: stack id -> view."""
    return [*(["--anatomy", anatomy] if anatomy else []),
            *(text for stack, view in (views or {}).items() for text in ("--view", f"{stack}={view}"))]


def _how(network: str | None, epochs: int, device: str, seed: int, batch: int | None,
         sequences: Sequence[str]) -> list[str]:
    return [*(["--network", network] if network else []), "--epochs", str(epochs), "--device", device,
            "--seed", str(seed), *(["--batch", str(batch)] if batch else []),
            *(["--sequences", ",".join(sequences)] if sequences else [])]
