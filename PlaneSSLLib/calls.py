"""PlaneSSL in one call each, for scripts and consoles: plain Python, slicer-core and 3D Slicer alike.

    from PlaneSSLLib import calls
    found = calls.segment("runs/heart", "studies/patient7")              label maps of all stacks of the run's views
    calls.segment("runs/heart", "studies/patient7", "patient7.mrb")      the same, and written
    calls.segment("runs/heart", "studies/patient7", views={"s06-4CH": "SAX"})   a view is known better
    calls.show(found)                                                    into the scene, with tables and plots
    calls.export("found.npz", "studies/patient7", "seg")                 what segment kept as .npz, as DICOM SEG, say
    calls.measure(found)                                                 volumes, ejection fractions, masses
    calls.measure("studies/patient7")                                    of a study that has labels
    calls.classify("runs/knee", "studies/patient7")                      classes, and the slices that weighed most
    calls.show_predictions("runs/lines", "studies/patient7")             lines and heatmaps that a pretrained run sees

Paths may be text. PlaneSSLError says in a sentence what cannot be done, and then nothing is written.
"""
from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from . import PlaneSSLError
from .events import Report, notice, progress, silent
from .files import refuse_existing, replacing_folder

if TYPE_CHECKING:
    from .anatomy import Anatomy
    from .prediction.dicom_seg import Author
    from .prediction.results import Results, SegmentedStack
    from .scene import Drawing
    from .study import Stack, Study
    from .training.run import Run


def read_and_tell(folder: Path, anatomy: str | None, views: dict[str, str] | None, report: Report,
                  likely: Anatomy | None = None) -> Study:
    """`study.read_patient`, and a notice for every kind of problem with its files."""
    from .study import problem_sentences, read_patient

    study = read_patient(folder, anatomy, views, likely=likely)
    for text in problem_sentences(study):
        notice(report, text)
    return study


def segment(run: str | Path, source: str | Path, out: str | Path | None = None, *, stack: str | Sequence[str] = (),
            phase: int | None = None, clean: bool = False, anatomy: str | None = None,
            views: dict[str, str] | None = None, device: str = "auto", overwrite: bool = False,
            report: Report = silent) -> Results:
    """Segment a study's folder or an image file with a finetuned run, and write it where `out` is given.

    out: .nii.gz or .seg.nrrd (one stack: the one named, or the best; of it, the phases that all slices have),
    .mrb (all stacks, in the scene of this process), .npz (the same as bare arrays, for `Results.load`), or a folder, a
    name without an ending, of DICOM SEG. stack: the id of the only one wanted, or several; else those of the views and
    sequences that the run has learnt, see `prediction.studies.stacks_to_segment`. phase: the only one, from 0. clean:
    keep the largest pieces of every structure. anatomy, views (stack id -> view): where they are known better than the
    study reads, see `study.read_study`. report: gets progress and notice events. What can be checked beforehand is
    checked before the network runs.
    """
    from .prediction.dicom_seg import Author
    from .prediction.results import Results
    from .prediction.segmenting import Segmenter
    from .prediction.studies import segment_stack, with_phase
    from .prediction.suiting import SEGMENTATION, require_head
    from .training.run import Run

    run, source, out = Run.open(Path(run)), Path(source), None if out is None else Path(out)
    require_head(run, SEGMENTATION)
    if out is not None:
        refuse_existing(out, overwrite)
    if not run.finished:
        notice(report, f"The training of {run.folder} has not ended: its best weights so far are "
                       "used.")
    study = read_and_tell(source, anatomy, views, report, run.anatomy)
    if out is not None:
        _require_other(out, study)
    stacks = _chosen(study, run, stack, out, report)
    if phase is None and any(one.dimension == "channel" for one in stacks):
        phase = 0
        notice(report, "The files are channels of one image, not phases of a cycle: the first one, "
                       "to which labels belong, is segmented.")
    if phase is None and len(stacks) == 1 and len(of_file := _phases_in(source, stacks[0])) == 1 < stacks[0].phases:
        phase = of_file[0]
        notice(report, f"{source.name} is one of its case's {stacks[0].phases} phases: it alone is "
                       "segmented.")
    stacks = with_phase(stacks, phase, report)
    _tell_unsided(stacks, run.anatomy, report)
    wanted = None if phase is None else (phase,)
    write, phases = _writer(out, stacks, wanted, run.anatomy, lambda: Author.network(run), overwrite, report)
    segmenter = Segmenter(run, device, report=report)
    counts = [sum(len(one.imaged_at(k)) for k in range(one.phases) if phase in (None, k)) for one in stacks]
    found = []
    for i, one in enumerate(stacks):
        def count_up(done: int, of: int, before: int = sum(counts[:i])) -> None:
            progress(report, "segment", before + done, sum(counts))

        try:
            segmented = segment_stack(segmenter, one, phase, clean, count_up)
        except PlaneSSLError as error:
            if stack or (not found and one is stacks[-1]):
                raise
            notice(report, f"{one.id} is not segmented: {error}")
            continue
        found.append(segmented if phases is None else segmented.take(phases))
        if not any(found[-1].voxels(label.value) for label in run.anatomy.labels):
            notice(report, f"Nothing was found in {one.id}.")
    results = Results(study, run.anatomy, tuple(found))
    write(results)
    return results


def export(found: str | Path, source: str | Path, out: str | Path, *, stack: str | Sequence[str] = (),
           phase: int | None = None, anatomy: str | None = None, views: dict[str, str] | None = None,
           overwrite: bool = False, report: Report = silent) -> Results:
    """Write label maps that `segment`, or the panel, has kept as .npz in another form; source: the same study.

    out, stack, phase, views, report: as of `segment`. anatomy: its file, where it is none of those that are known by
    name. A DICOM SEG says that a person has seen the outlines.
    """
    from . import anatomy as anatomies
    from .prediction.dicom_seg import Author
    from .prediction.results import Results, kept_anatomy

    found, source, out = Path(found), Path(source), Path(out)
    refuse_existing(out, overwrite)
    anatomy = anatomy or kept_anatomy(found)
    study = read_and_tell(source, anatomy, views, report)
    _require_other(out, study)
    results = Results.load(found, study, anatomies.load(anatomy))
    if unknown := [name for name in _ids(stack) if name not in {one.stack.id for one in results.stacks}]:
        raise PlaneSSLError(f"{found} holds no label map of a stack '{unknown[0]}'; it holds those of "
                            f"{', '.join(one.stack.id for one in results.stacks)}.")
    kept = {one.stack.id: one if phase is None else one.take((phase,)) for one in results.stacks
            if (not stack or one.stack.id in _ids(stack)) and (phase is None or phase in one.phases)}
    if not kept:
        there = "; ".join(f"{one.stack.id}, phases {', '.join(map(str, one.phases))}" for one in results.stacks)
        raise PlaneSSLError(f"{found} holds no such label map. It holds: {there or 'none at all'} (phases from 0).")
    stacks = _that_fit([one.stack for one in kept.values()], out, report)
    phases = kept[stacks[0].id].phases
    wanted = None if len(stacks) > 1 or phases == tuple(range(stacks[0].phases)) else phases
    write, phases = _writer(out, stacks, wanted, results.anatomy, lambda: Author.person(results.anatomy), overwrite,
                            report)
    written = [kept[one.id] if phases is None else kept[one.id].take(phases) for one in stacks]
    for one in written:
        _tell_empty(one, report)
    results = Results(study, results.anatomy, tuple(written))
    write(results)
    return results


def _phases_in(file: Path, stack: Stack) -> list[int]:
    """The phases of a stack that one file holds."""
    return [k for k in range(stack.phases) if any(
        stack.has(i, k) and stack.frames[i][k].source.file == file for i in range(len(stack.planes)))]


def _require_other(out: Path, study: Study) -> None:
    """PlaneSSLError if what is to be written is an image or a label map of the study, or would be taken for one."""
    from .study import would_be_read

    images = {frame.source.file for stack in study.stacks for frame in stack.every_frame}
    if out.resolve() in {file.resolve() for file in (study.folder, *images)}:
        raise PlaneSSLError(f"{out} is the image itself: choose another name for what is found in it.")
    if out.resolve() in {label.file.resolve() for label in study.labels}:
        raise PlaneSSLError(f"{out} is a label map of the study: choose another name for what is found.")
    if would_be_read(study, out):
        raise PlaneSSLError(f"{out} would be taken for an image of the study when it is read again: choose another "
                            "folder.")


def _tell_unsided(stacks: Sequence[Stack], anatomy: Anatomy, report: Report) -> None:
    unsided = [one.id for one in stacks if anatomy.sided and not one.side]
    if unsided:
        notice(report, (
            f"The side of {', '.join(unsided)} is unknown: taken as of a left "
            f'{anatomy.title.lower()}. A study.json can say it ("side": "right"), and so can the name of a file.'))


def _tell_empty(one: SegmentedStack, report: Report) -> None:
    """A slice that nobody has outlined at a phase is written as one in which there is nothing."""
    for phase, labels in zip(one.phases, one.labels, strict=True):
        lacking = [i for i, image in enumerate(labels) if image is None and one.stack.has(i, phase)]
        if lacking:
            notice(report, f"{one.stack.id}, phase {phase}: written as empty, since nobody has "
                           f"outlined them: slices {', '.join(map(str, lacking))} (from 0).")


def classify(run: str | Path, folder: str | Path, *, anatomy: str | None = None, views: dict[str, str] | None = None,
             device: str = "auto", report: Report = silent) -> dict:
    """The probability of each of a run's classes for a study, and the slices that weighed most.

    anatomy, views, report: as of `segment`. See `prediction.classifying.classify`; `scene.add_classes(drawing,
    document)` makes tables of the document.
    """
    from .prediction.classifying import Classifier
    from .prediction.classifying import classify as answer
    from .training.run import Run

    classifier = Classifier(Run.open(Path(run)), device, report=report)
    study = read_and_tell(Path(folder), anatomy, views, report, classifier.anatomy)
    _tell_unsided(study.stacks, classifier.anatomy, report)
    return answer(classifier, study)


def measure(source: Results | str | Path, out: str | Path | None = None, *, anatomy: str | None = None,
            label_values: Mapping[int, str] | None = None, overwrite: bool = False) -> dict:
    """Volumes, ejection fractions and masses, see `prediction.measuring`; also written where `out` is given.

    source: what `segment` returned; a study's folder with labels; a label map (.nii.gz, .nrrd), a .seg.nrrd, a DICOM
    SEG or a folder of them. out: .json or .csv. anatomy: its name or file, where the source does not tell.
    label_values: value in label maps (of a file or a folder) -> structure, where they are numbered otherwise.
    """
    from .prediction import labelled, measuring

    if out is not None:
        refuse_existing(Path(out), overwrite)
        measuring.require_form(Path(out))
    results = labelled.read(Path(source), anatomy, label_values or {}) if isinstance(source, str | Path) else source
    document = measuring.measure(results)
    if out is not None:
        measuring.write(document, Path(out))
    return document


def show(found: Results, surface: bool = True) -> Drawing:
    """Show segmentations in the scene, cines as sequences, with a table and a plot of the measures.

    The study is drawn if it is not in the scene yet. surface: also make closed surfaces.
    """
    from . import scene
    from .prediction import measuring

    drawing = _drawing_of(found.study)
    for one in found.stacks:
        scene.add_segmentation(drawing, one.stack, one.labels, found.anatomy.labels, surface, one.phases)
    scene.add_measures(drawing, list(measuring.rows(measuring.measure(found))), found.anatomy.labels)
    return drawing


def show_predictions(run: str | Path, folder: str | Path, *, anatomy: str | None = None,
                     views: dict[str, str] | None = None, device: str = "auto") -> Drawing:
    """Show what a pretrained run sees in a study: its lines, dashed beside the true ones, and its heatmaps.

    The study is drawn if it is not in the scene yet. The heatmaps are colour volumes with the role "predicted targets",
    one for each volume of the stacks that were asked; `scene.overlay` lays them over an image. anatomy, views: as of
    `segment`.
    """
    from . import scene
    from .prediction.lines import LinePredictor, ask, predict_lines, predicted_targets
    from .study import lines_of, read_patient
    from .training.run import Run

    predictor = LinePredictor(Run.open(Path(run)), device)
    study = read_patient(Path(folder), anatomy, views, likely=predictor.anatomy)
    asked = ask(predictor, study)
    drawing = _drawing_of(study)
    scene.draw_predictions(drawing, predict_lines(asked, study, lines_of(study)))
    scene.draw_predicted_targets(drawing, predicted_targets(asked, predictor.anatomy.targets))
    return drawing


def _drawing_of(study: Study) -> Drawing:
    """A study as it is in the scene; it is drawn if it is not there, or was read otherwise and has other stacks."""
    from . import scene

    scene.start()
    ids = {stack.id for stack in study.stacks}
    for drawing in scene.drawings():
        drawn = drawing.now.acquired
        if drawn.folder == study.folder.absolute() and {stack.id for stack in drawn.stacks} == ids:
            return drawing
    return scene.draw_study(study)


def _chosen(study: Study, run: Run, stack: str | Sequence[str], out: Path | None, report: Report) -> list[Stack]:
    """The stacks to segment: those that are named, the only one of a file, else those that the run has learnt."""
    from .prediction.studies import stacks_to_segment
    from .prediction.suiting import other_anatomy
    from .prediction.volumes import ENDINGS, says_no_direction

    if study.folder.is_file() and not stack and len(study.stacks) == 1:
        if study.folder.name.endswith(ENDINGS) and says_no_direction(study.folder):
            notice(report, f"{study.folder} does not say how it lies in the patient: the result "
                           "has its voxels, and the axes that readers assume for both.")
        return [study.stacks[0]]
    if not stack and study.anatomy != run.plan.anatomy:
        raise PlaneSSLError(f"{other_anatomy(run.plan, study)}. Name a stack with --stack to segment it all the same; "
                            "if it reads wrongly, name its anatomy with --anatomy.")
    return _that_fit(stacks_to_segment(study, run.learnt, _ids(stack), report), out, report)


def _ids(stack: str | Sequence[str]) -> Sequence[str]:
    return [stack] if isinstance(stack, str) else stack


def _that_fit(stacks: list[Stack], out: Path | None, report: Report) -> list[Stack]:
    """A volume file holds one stack: the best."""
    from .prediction.volumes import best_stack, is_volume_file

    if out is not None and is_volume_file(out) and len(stacks) > 1:
        stacks = [best_stack(stacks)]
        notice(report, f"{out.name} holds one stack: {stacks[0].id} is taken (see --stack).")
    return stacks


def _writer(out: Path | None, stacks: list[Stack], wanted: tuple[int, ...] | None, anatomy: Anatomy,
            author: Callable[[], Author], overwrite: bool, report: Report,
            ) -> tuple[Callable[[Results], None], tuple[int, ...] | None]:
    """What writes the results, and the phases that it can hold (None: all); PlaneSSLError if it cannot hold these.

    wanted: the phases that are asked for, None for all.
    """
    from .prediction import volumes

    ending = "" if out is None else out.suffix.lower()
    if out is None:
        return lambda results: None, wanted
    if volumes.is_volume_file(out):
        phases = volumes.whole_phases(stacks[0]) if wanted is None else wanted
        volumes.require_fit(out, stacks[0], phases)
        if len(phases) > 1 and phases != tuple(range(len(phases))):
            notice(report, f"{out.name} counts its phases from 0: they are the phases "
                           f"{', '.join(map(str, phases))} of {stacks[0].id}.")
        if wanted is None and len(phases) < stacks[0].phases:
            notice(report, f"{out.name} {volumes.what_is_left_out(stacks[0])}")
        return lambda results: volumes.write_stack(results.stacks[0], anatomy.labels, out, overwrite), phases
    if ending == ".npz":
        return lambda results: results.save(out, overwrite), wanted
    if ending == ".mrb":
        return lambda results: _save_scene(results, out, overwrite), wanted
    if not ending:
        return _dicom_writer(out, stacks, author()), wanted
    raise PlaneSSLError(f"{out} has an ending that says nothing here: choose .nii.gz, .seg.nrrd, .mrb, .npz, or a name "
                        "without an ending for a folder of DICOM SEG.")


def _save_scene(results: Results, out: Path, overwrite: bool) -> None:
    from . import scene

    there = {drawing.key for drawing in scene.drawings()}
    drawing = show(results)
    try:
        scene.save_scene(out, overwrite=overwrite)
    except BaseException:
        if drawing.key not in there:
            scene.clear(drawing.key)
        raise


def _dicom_writer(out: Path, stacks: list[Stack], author: Author) -> Callable[[Results], None]:
    from .prediction.dicom_seg import Source, require_replaceable, write_dicom_seg

    require_replaceable(out)
    sources = {stack.id: Source(stack) for stack in stacks}

    def write(results: Results) -> None:
        with replacing_folder(out) as folder:
            for segmented in results.stacks:
                write_dicom_seg(segmented, sources[segmented.stack.id], author, folder)

    return write
