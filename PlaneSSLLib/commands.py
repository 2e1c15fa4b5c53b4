"""What each command does: it calls a room of the library and shows what comes back."""
from __future__ import annotations

import os
from argparse import Namespace
from pathlib import Path

from . import PlaneSSLError
from .console import Console, counted, table
from .events import notice, progress
from .files import refuse_existing


def study(options: Namespace, console: Console) -> None:
    """One study's document; where a folder holds many, {"studies": [a document with its folder each], "problems"}."""
    from .study import Problem, describe, find_studies, read_studies, read_study

    workers = os.cpu_count() or 1
    folders = find_studies(options.folder)
    if len(folders) > 1:
        read = list(read_studies(folders, anatomy=options.anatomy, workers=workers))
        many = [{"folder": str(one.folder), **describe(one)} for one in read if not isinstance(one, Problem)]
        broken = [{"file": str(one.file), "reason": one.reason} for one in read if isinstance(one, Problem)]

        def listing() -> str:
            rows = [[s["folder"], s["anatomy"], len(s["stacks"]), " ".join(stack["view"] for stack in s["stacks"]),
                     len(s["problems"]), len(s["notes"]) + sum(len(stack["notes"]) for stack in s["stacks"])]
                    for s in many]
            header = ["study", "anatomy", "stacks", "views", "problems", "notes"]
            reasons = [problem["reason"] for problem in broken]
            return "\n".join([counted(len(rows), "study", "studies"), table(header, rows), *reasons])

        console.result({"studies": many, "problems": broken}, listing)
        return
    document = describe(read_study(options.folder, anatomy=options.anatomy, workers=workers))

    def text() -> str:
        rows = [[s["id"], s["view"], f"{s['confidence']:.2f}", s["sequence"], s["slices"],
                 s["phases"] if s["phases"] == 1 or s["dimension"] == "phase" else f"{s['phases']} ({s['dimension']})",
                 f"{s['rows']} x {s['columns']}", " x ".join(f"{mm:.2f}" for mm in s["spacing"]), s["step"],
                 "localizer" if s["localizer"] else s["description"]]
                for s in document["stacks"]]
        header = ["stack", "view", "confidence", "sequence", "slices", "phases", "pixels", "spacing mm", "step mm", ""]
        if options.why:
            header, rows = ["stack", "view", "confidence", "why"], [
                [s["id"], s["view"], s["confidence"], "; ".join(s["reasons"])] for s in document["stacks"]]
        problems = [f"{p['file']}: {p['reason']}" for p in document["problems"]]
        notes = [*document["notes"], *(f"{s['id']}: {note}" for s in document["stacks"] for note in s["notes"])]
        head = f"{document['anatomy']}, {counted(len(rows), 'stack')}"
        return "\n".join([head, table(header, rows), *_outlined(document), *problems, *notes])

    console.result(document, text)


def _outlined(document: dict) -> list[str]:
    """A line that says of which stacks and phases there are labels, if there are any."""
    of_stacks: dict[str, set[int]] = {}
    for label in document["labels"]:
        of_stacks.setdefault(label["stack"], set()).add(label["phase"])
    told = [f"{stack} ({'phase' if len(phases) == 1 else 'phases'} {', '.join(map(str, sorted(phases)))})"
            for stack, phases in of_stacks.items()]
    return [f"labels: {', '.join(told)}"] if told else []


def lines(options: Namespace, console: Console) -> None:
    from . import calls
    from .study import lines_of

    if options.heatmaps:
        if not options.run:
            raise PlaneSSLError("Heatmaps are what a run predicts: name one with --run.")
        _require_suffix(options.heatmaps, ".npz")
        refuse_existing(options.heatmaps, options.overwrite)
    predictor = None
    if options.run:
        from .prediction import heatmaps
        from .prediction.lines import LinePredictor, ask, predict_lines, predicted_targets
        from .training.run import Run

        predictor = LinePredictor(Run.open(options.run), options.device, report=console.event)
    read = calls.read_and_tell(options.folder, **_reading(options), report=console.event,
                               likely=predictor and predictor.anatomy)
    document = lines_of(read, any_frame=options.any_frame)
    if predictor:
        asked = ask(predictor, read)
        document = predict_lines(asked, read, document)
        if options.heatmaps:
            heatmaps.save(predicted_targets(asked, predictor.anatomy.targets), options.heatmaps, options.overwrite)
    if not document:
        notice(console.event, "No plane cuts an image of another stack: there is no line.")

    def text() -> str:
        rows = [[f"{x['image']['stack']} {x['image']['slice']}", f"{x['plane']['stack']} {x['plane']['slice']}",
                 x["angle_deg"], *(f"({c:.1f}, {r:.1f})" for c, r in x["pixels"]),
                 *(x.get("predicted", {}).get(key) for key in ("angle_error_deg", "distance_error_mm"))]
                for x in document]
        header = ["image, slice from 0", "plane, slice from 0", "angle deg", "from (column, row)", "to",
                  "predicted: deg off", "mm off"]
        return table(header, rows) if options.run else table(header[:5], [row[:5] for row in rows])

    console.result(document, text)


def scene(options: Namespace, console: Console) -> None:
    from . import scene as scenes
    from .study import problem_sentences, read_patient

    _require_suffix(options.out, ".mrb")
    if options.figure:
        _require_suffix(options.figure, ".png")
    for path in filter(None, (options.out, options.figure)):
        refuse_existing(path, options.overwrite)
    read = read_patient(options.folder, **_reading(options))
    scenes.start()
    drawing = scenes.draw_study(read, any_frame=options.any_frame)
    scenes.show_views(drawing)
    scenes.save_scene(options.out, overwrite=options.overwrite)
    notes = [*problem_sentences(read), *drawing.notes]
    if options.figure:
        try:
            scenes.save_figure(drawing, options.figure, overwrite=options.overwrite)
        except scenes.NoOpenGL as error:
            notes.append(str(error))
    for note in notes:
        notice(console.event, note)
    console.result({"scene": str(options.out), "stacks": len(read.stacks), "notes": notes},
                   f"{options.out}: {counted(len(read.stacks), 'stack')} drawn.")


def phantom(options: Namespace, console: Console) -> None:
    from .phantom import write_phantoms

    def report(done: int, of: int) -> None:
        progress(console.event, "phantom", done, of)

    folders = write_phantoms(options.anatomy, options.studies, options.seed, options.out, phases=options.phases,
                             overwrite=options.overwrite, report=report, jobs=options.jobs)
    console.result({"studies": [str(folder) for folder in folders]},
                   f"{counted(len(folders), 'study', 'studies')} in {options.out}")


def prepare(options: Namespace, console: Console) -> None:
    from .anatomy import load
    from .cohort import prepare as prepare_cohort
    from .cohort.classes import read_classes

    classes = read_classes(options.classes, load(options.anatomy).classes) if options.classes else None
    document = prepare_cohort(options.folders, options.anatomy, options.out, jobs=options.jobs, shard=options.shard,
                              classes=classes, unnamed=options.unnamed, label_values=options.labels,
                              names_of=options.names_of, report=console.event)

    def text() -> str:
        left = [f"left out: {item['study']}: {item['reason']}" for item in document["left_out"]]
        head = (f"{document['prepared']} of {document['studies']} studies prepared, {document['labelled']} with label "
                f"maps, {document['classified']} with classes")
        return "\n".join([head, *left, *document["notes"]])

    console.result(document, text)
    if document["studies"] and not document["prepared"]:  # of few studies, a shard of many has none, and is done
        raise PlaneSSLError(f"Not one of {counted(document['studies'], 'study', 'studies')} could be prepared.")


def pretrain(options: Namespace, console: Console) -> None:
    from .cohort import Cohort, read_split
    from .training.pretraining import pretrain as train

    _tell_if_new(options, console)
    split = read_split(options.split, Cohort(options.cohort)) if options.split else None
    document = train(
        options.cohort, options.out, tasks=_names(options.tasks), views=_names(options.views),
        sequences=_names(options.sequences), split=split, network=options.network or "small",
        settings=_settings(options), overwrite=options.overwrite, resume=options.resume, report=console.event)
    _tell_of_training(document, options, console)


def finetune(options: Namespace, console: Console) -> None:
    from .cohort import Cohort, fold_split, read_split
    from .training.finetuning import finetune as train
    from .training.subjects import labelled_subjects

    split = None
    if options.split:
        split = read_split(options.split, Cohort(options.cohort))
    elif options.fold:
        cohort = Cohort(options.cohort, _names(options.sequences))
        split = fold_split(cohort.by_patient(labelled_subjects(cohort, options.task)), options.seed, *options.fold)
    _tell_if_new(options, console)
    document = train(
        options.cohort, options.out, options.task,
        init=None if options.init in {"none", "scratch"} else Path(options.init), transfer=options.transfer,
        subjects=options.subjects, split=split, network=options.network, settings=_settings(options),
        align=options.align, sequences=_names(options.sequences), overwrite=options.overwrite, resume=options.resume,
        report=console.event)
    _tell_of_training(document, options, console)


def evaluate(options: Namespace, console: Console) -> None:
    from .prediction.evaluating import evaluate as measure

    document = measure(options.run, options.cohort, part=options.split, clean=options.clean, device=options.device,
                       report=console.event)

    def text() -> str:
        if "metrics" in document:
            rows = [[name.replace("_", " "), *figures.values()] for name, figures in document["metrics"].items()]
            text = f"{counted(document['subjects'], 'subject')}, {counted(document['frames'], 'frame')}\n"
            text += table(["error", "median", "mean", "n"], rows)
            return text if "offset_mm" not in document["metrics"] else (
                f"{text}\ndistance: of a predicted line from the true one, the mean along the image; offset: the same "
                "at the middle of the image that cuts, where an operator would read it. agreed: of the lines on which "
                "a subject's images of all phases agree (planessl lines asks those of the first); plane: of the planes "
                "in which these lie.")
        if "classes" in document:
            keys = ("auc", "sensitivity", "specificity", "brier", "n_positive")
            rows = [[name, *(figures[key] for key in keys)] for name, figures in document["classes"].items()]
            return f"{counted(document['subjects'], 'subject')}\n{table(['class', *keys], rows)}"
        rows = [[name, s["dice"]["mean"], s["dice"]["sd"], s["hd95_mm"]["mean"], s["assd_mm"]["mean"], s["missing"]]
                for name, s in document["structures"].items()]
        text = f"{counted(document['subjects'], 'subject')}\n"
        text += table(["structure", "Dice", "sd", "HD95 mm", "ASSD mm", "missing"], rows)
        return text if not any(s["missing"] for s in document["structures"].values()) else (
            f"{text}\nmissing: outlined and not found at all, in so many stacks and phases. These count with Dice 0 "
            "and, as distance, the diagonal of the image; so does what is found where nothing is outlined.")

    console.result(document, text)


def compare(options: Namespace, console: Console) -> None:
    from .prediction.comparing import compare as run_grid
    from .prediction.comparing import table_text
    from .prediction.grid import Grid

    document = run_grid(Grid.read(options.grid), options.out, devices=_names(options.devices), report=console.event)
    console.result(document, lambda: table_text(document["table"]))


def classify(options: Namespace, console: Console) -> None:
    from . import calls

    document = calls.classify(options.run, options.folder, **_reading(options), device=options.device,
                              report=console.event)

    def text() -> str:
        heaviest = [[s["stack"], s["slice"], s["phase"], s["weight"]] for s in document["slices"][:5]]
        return "\n\n".join([table(["class", "probability"], [list(item) for item in document["classes"].items()]),
                            table(["stack", "slice, from 0", "phase, from 0", "weight"], heaviest)])

    console.result(document, text)


def segment(options: Namespace, console: Console) -> None:
    from . import calls

    found = calls.segment(
        options.run, options.input, options.out, stack=options.stack, phase=options.phase, clean=options.clean,
        **_reading(options), device=options.device, overwrite=options.overwrite, report=console.event)
    console.result(_written(options.out, found), lambda: f"{options.out}\n{_measures(calls.measure(found))}")


def export(options: Namespace, console: Console) -> None:
    from . import calls

    found = calls.export(options.found, options.folder, options.out, stack=options.stack, phase=options.phase,
                         **_reading(options), overwrite=options.overwrite, report=console.event)
    console.result(_written(options.out, found), str(options.out))


def _written(out: Path, found) -> dict:
    return {"out": str(out), "stacks": [{
        "stack": one.stack.id, "view": one.stack.view, "slices": len(one.stack.planes), "phases": list(one.phases),
        "voxels": {label.name: one.voxels(label.value) for label in found.anatomy.labels}} for one in found.stacks]}


def measure(options: Namespace, console: Console) -> None:
    from . import calls

    document = calls.measure(options.input, options.out, anatomy=options.anatomy, label_values=options.labels,
                             overwrite=options.overwrite)
    console.result(document, lambda: _measures(document))


def _measures(document: dict) -> str:
    from .prediction.measuring import rows

    single = {s["stack"] for s in document["stacks"] if not s["cavities"]}
    shown = [[r["stack"], r["structure"], r["measure"], r["phase"], r["value"], r["unit"]]
             for r in rows(document) if r["measure"] != "volume" or r["stack"] in single]
    notes = [f"{s['stack']}: {note}" for s in document["stacks"] for note in s["notes"]]
    return "\n".join([table(["stack", "structure", "measure", "phase, from 0", "value", "unit"], shown), *notes])


def handover(options: Namespace, console: Console) -> None:
    from .study import describe, hand_over, read_patient

    if os.path.lexists(options.out):
        raise PlaneSSLError(f"{options.out} exists already; name a new folder.")
    read = read_patient(options.folder, **_reading(options), workers=os.cpu_count() or 1)
    hand_over(read, options.out, lambda done, of: progress(console.event, "reading", done, of))
    console.result(describe(read), f"{options.out}: {counted(len(read.stacks), 'stack')} kept.")


def devices(options: Namespace, console: Console) -> None:
    from .training.settings import describe_devices

    document = describe_devices()
    console.result(document, lambda: table(["device", "what it is", "memory free GB", "of GB"], [
        [one["device"], one["name"], one["free_gb"], one["of_gb"]] for one in document]))


def anatomy(options: Namespace, console: Console) -> None:
    from . import anatomy as anatomies

    if options.what == "list":
        there, wrong = anatomies.load_all()
        known = {name: one.title for name, one in there.items()}
        for text in wrong:
            notice(console.event, text)
        console.result(known, lambda: table(["name", "title"], [list(item) for item in known.items()]))
        return
    if not options.name:
        raise PlaneSSLError(f"Name the anatomy to {options.what}, or its file.")
    found = anatomies.load(options.name)
    document = {
        "name": found.name, "title": found.title, "file": str(found.file), "grid": {
            "spacing": found.grid.spacing, "size": found.grid.size}, "sigma_mm": found.sigma_mm,
        "views": [{"name": v.name, "title": v.title, "lines": [str(line) for line in v.lines], "pose": v.pose}
                  for v in found.views],
        "sequences": [sequence.name for sequence in found.sequences],
        "labels": [{"value": label.value, "name": label.name, "code": label.code.value,
                    "also": [name for name in (label.title, *label.words) if name != label.name]}
                   for label in found.labels],
        "classes": found.classes}

    def text() -> str:
        if options.what == "check":
            return f"{found.file}: {len(found.views)} views, {len(found.labels)} labels, nothing wrong."
        rows = [[view["name"], view["title"], ", ".join(view["lines"]), ", ".join(view["pose"])]
                for view in document["views"]]
        views = table(["view", "", "regresses", "is aligned by"], rows)
        labels = table(["value", "label", "code", "also called"], [
            [*list(label.values())[:3], ", ".join(label["also"])] for label in document["labels"]])
        sequences = f"acquired in: {', '.join(document['sequences'])}\n\n" if document["sequences"] else ""
        return f"{found.title} ({found.file})\n\n{views}\n\n{sequences}{labels}"

    console.result(document, text)


def demo(options: Namespace, console: Console) -> None:
    from .demo import run_demo

    document = run_demo(options.anatomy, options.out, overwrite=options.overwrite, report=console.event)
    console.result(document, lambda: document["table"])


def _settings(options: Namespace):
    from dataclasses import replace

    from .training.settings import USUAL

    given = {name: value for name in ("epochs", "batch", "coarse") if (value := getattr(options, name)) is not None}
    return replace(USUAL[getattr(options, "task", "pretraining")], learning_rate=options.learning_rate,
                   precision=options.precision, seed=options.seed, device=options.device, workers=options.workers,
                   **given)


def _reading(options: Namespace) -> dict:
    return {"anatomy": options.anatomy, "views": dict(options.view)}


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())


def _require_suffix(path: Path, suffix: str) -> None:
    if path.suffix.lower() != suffix:
        raise PlaneSSLError(f"{path} should end in {suffix}.")


def _tell_if_new(options: Namespace, console: Console) -> None:
    if options.resume and not (options.out / "config.json").is_file():
        notice(console.event, f"There is nothing to resume in {options.out}: a new run begins.")


def _tell_of_training(document: dict, options: Namespace, console: Console) -> None:
    from .reports import write_report

    if os.environ.get("RANK", "0") != "0":
        return  # one of several processes of torchrun: the first one tells
    document["report"] = str(write_report(options.out, options.cohort))
    measured = ", ".join(f"{name} {value:.3g}" for name, value in document["validation"].items())
    losses = ", ".join(f"{name.removeprefix('loss_')} {value:.3g}" for name, value in document["losses"].items())
    taken = f"; {document['taken_over']} tensors taken over" if "taken_over" in document else ""
    console.result(document, "\n".join([
        f"{document['run']}: {counted(document['epochs'], 'epoch')} on {counted(document['train'], 'subject')}{taken}",
        f"training losses: {losses}", f"validation: {measured or 'nobody was left to validate on'}",
        document["report"]]))
