"""The planessl command: names, options and exit statuses. What a command does is in commands.py."""
from __future__ import annotations

import argparse
import signal
import sys
from pathlib import Path

from . import PlaneSSLError, __version__
from .console import Console

DONE, COULD_NOT, WRONG_USE, CANCELLED = 0, 1, 2, 130


def main(arguments: list[str] | None = None) -> int:
    """Run one command; returns 0 done, 1 could not, 2 wrong use, 130 cancelled."""
    options = _parser().parse_args(arguments)
    from . import commands  # here, so that --help and wrong use answer at once

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _interrupt)
    try:
        getattr(commands, options.command)(options, Console(options.json))
    except PlaneSSLError as error:
        print(f"planessl: {error}", file=sys.stderr)
        return COULD_NOT
    except KeyboardInterrupt:
        more = " The same command with --resume goes on from the last checkpoint." if "resume" in options else ""
        print(f"planessl: cancelled.{more}", file=sys.stderr)
        return CANCELLED
    except BrokenPipeError:  # the reader of our output has gone: nothing is left to say
        sys.stderr.close()
        return COULD_NOT
    except OSError as error:  # a folder without rights, a name that is too long: the disk says it well enough
        print(f"planessl: {error.filename or 'The disk'}: {error.strerror or error}.", file=sys.stderr)
        return COULD_NOT
    return DONE


def _interrupt(number, frame) -> None:
    raise KeyboardInterrupt


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="planessl",
        description="Learn an organ from the planes in which its MR was acquired. For research use only.")
    parser.add_argument("--version", action="version", version=f"planessl {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def command(name: str, about: str, writes: bool = False) -> argparse.ArgumentParser:
        sub = commands.add_parser(name, help=about, description=about)
        sub.add_argument("--json", action="store_true", help="one JSON document on stdout, and nothing else")
        if writes:
            sub.add_argument("--overwrite", action="store_true", help="replace what is at the output")
        return sub

    def reading(sub: argparse.ArgumentParser) -> None:
        sub.add_argument("--anatomy", help="the study's anatomy, where it is not to be guessed: a name, or its file")
        sub.add_argument("--view", type=_named_view, action="append", default=[], metavar="STACK=VIEW",
                         help="the view of a stack, where it is known better, e.g. s06-4CH=3CH; may be given again")

    def label_maps(sub: argparse.ArgumentParser, stacks: str) -> None:
        sub.add_argument("--out", type=Path, required=True,
                         help=".nii.gz, .seg.nrrd, .mrb, .npz, or a folder (no ending) of DICOM SEG")
        sub.add_argument("--stack", action="append", default=[],
                         help=f"this stack only, by its id in planessl study; may be given again (default: {stacks})")
        sub.add_argument("--phase", type=int, help="this phase only, counted from 0 (default: all)")

    def values_of_labels(sub: argparse.ArgumentParser) -> None:
        sub.add_argument("--labels", type=_label_values, default={}, metavar="VALUE=NAME,...",
                         help="what the values in label maps stand for, where they are numbered otherwise than the "
                              "anatomy's (planessl anatomy show), e.g. 1=LV,2=MYO,3=RV; several may stand for one")

    def device(sub: argparse.ArgumentParser) -> None:
        sub.add_argument("--device", default="auto", help="cpu, cuda or mps (default: what is there)")

    def training(sub: argparse.ArgumentParser, epochs: int, coarse: float, batch: str) -> None:
        sub.add_argument("--sequences", default="", help="learn from images of these MR sequences only, e.g. cine, as "
                                                         "planessl study names them (default: all)")
        sub.add_argument("--network", help="small (default), unet or resnet50")
        sub.add_argument("--out", type=Path, required=True, help="the run's folder")
        sub.add_argument("--epochs", type=_positive,
                         help=f"how long: an epoch is 50 steps, whatever the cohort (default {epochs})")
        sub.add_argument("--batch", type=_positive,
                         help=f"images in a step, over all processes (default {batch})")
        sub.add_argument("--coarse", type=float, metavar="SHARE",
                         help="share of the training, at its start, that runs at half resolution, where a step takes "
                              f"about half the time (default {coarse})")
        sub.add_argument("--learning-rate", type=float, default=1e-3,
                         help="peak learning rate, after warm-up (default 0.001)")
        sub.add_argument("--seed", type=int, default=0,
                         help="seed of the weight initialisation, the split and the sampling (default 0)")
        sub.add_argument("--precision", choices=("auto", "float32", "bfloat16"), default="auto",
                         help="bfloat16 halves the time of large networks (default: on GPUs that have it)")
        device(sub)
        sub.add_argument("--workers", type=int, default=0, help="processes that load data (default: none of their own)")
        sub.add_argument("--resume", action="store_true", help="go on from the run's last checkpoint")

    sub = command("demo", "Make phantoms, pretrain, finetune, segment, and show it all.", writes=True)
    sub.add_argument("--anatomy", choices=("heart", "knee"), default="heart", help="heart (default) or knee")
    sub.add_argument("--out", type=Path, default=Path("demo"), help="the folder for all of it (default demo)")

    sub = command("phantom", "Write made-up studies with exact labels and lines.", writes=True)
    sub.add_argument("anatomy", choices=("heart", "knee"), help="heart or knee")
    sub.add_argument("--studies", type=_positive, default=1, help="how many (default 1)")
    sub.add_argument("--seed", type=int, default=0, help="a number; the same one makes the same studies (default 0)")
    sub.add_argument("--phases", type=_positive, default=4, help="of a heart's cycle (default 4); a knee has one")
    sub.add_argument("--jobs", type=_positive, default=1, help="processes at work (default 1)")
    sub.add_argument("--out", type=Path, required=True, help="the folder that gets a folder for every study")

    sub = command("study", "List a study's stacks, views, planes and problems.")
    sub.add_argument("folder", type=Path, help="of a study (DICOM, or NIfTI with or without study.json), or of many")
    sub.add_argument("--anatomy", help="the studies' anatomy, where it is not to be guessed: a name, or its file")
    sub.add_argument("--why", action="store_true", help="say why each stack was given its view")

    sub = command("lines", "List every line in which one plane cuts another image.", writes=True)
    sub.add_argument("folder", type=Path, help="of one study")
    sub.add_argument("--run", type=Path, help="put beside them what this run sees in the images: a pretrained one, or "
                                              "one finetuned from it with --transfer joint")
    sub.add_argument("--heatmaps", type=Path, help="with --run: also write the predicted heatmaps, as .npz")
    sub.add_argument("--any-frame", action="store_true", help="also between different frames of reference")
    reading(sub)
    device(sub)

    sub = command("scene", "Draw a study into a scene that opens in 3D Slicer.", writes=True)
    sub.add_argument("folder", type=Path, help="of one study")
    sub.add_argument("--out", type=Path, required=True, help="a .mrb file")
    sub.add_argument("--figure", type=Path, help="also render a picture, as PNG")
    sub.add_argument("--any-frame", action="store_true", help="also lines between different frames of reference")
    reading(sub)

    sub = command("prepare", "Make a cohort of studies: pixels and planes ready for training.")
    sub.add_argument("folders", type=Path, nargs="+", metavar="folder", help="of a study, or of many")
    sub.add_argument("--anatomy", required=True, help="the name of an anatomy, or its file")
    sub.add_argument("--out", type=Path, required=True, help="the cohort's folder; what it holds already is kept")
    sub.add_argument("--classes", type=Path, help="a CSV: a column 'subject', and one of 0 and 1 for each class")
    sub.add_argument("--unnamed", metavar="VIEW", help="what volume files show whose headers tell no view, e.g. SAX")
    values_of_labels(sub)
    sub.add_argument("--names-of", type=Path, metavar="COHORT",
                     help="give subjects the pseudonyms that they have in this cohort, so that it is known who is in "
                          "both")
    sub.add_argument("--jobs", type=_positive, default=1, help="processes at work (default 1)")
    sub.add_argument("--shard", type=_shard, default=(0, 1), metavar="i/n", help="the i-th of n parts, from 0")

    sub = command("pretrain", "Learn from crossing lines and slice locations.", writes=True)
    sub.add_argument("cohort", type=Path, help="made by prepare")
    sub.add_argument("--tasks", default="lines,location", help="lines,location (default), either, masked, position")
    sub.add_argument("--views", default="", help="take images of these views only, e.g. SAX,4CH (default: all)")
    sub.add_argument("--split", type=Path, help="a JSON file with the subjects under train, validation and test, to "
                                                "keep those of a test from all training")
    training(sub, epochs=200, coarse=0.55, batch="16")

    sub = command("finetune", "Learn to segment or classify from labelled studies.", writes=True)
    sub.add_argument("cohort", type=Path, help="made by prepare, some of its studies labelled")
    sub.add_argument("--task", choices=("segmentation", "classification"), required=True)
    sub.add_argument("--init", required=True, help="a pretrained run's folder, or none (or scratch)")
    sub.add_argument("--transfer", choices=("joint", "all", "encoder"), default="joint",
                     help="joint (default): all its weights, and beside a segmentation its lines and locations go on "
                          "being learnt, from unlabelled studies, too; all: its weights alone; encoder: a part of them")
    sub.add_argument("--no-align", dest="align", action="store_false",
                     help="leave images as they lie: do not turn them by the lines that the pretrained run sees")
    which = sub.add_mutually_exclusive_group()
    which.add_argument("--subjects", type=_positive, help="train on so many labelled subjects, drawn by the seed")
    which.add_argument("--split", type=Path, help="a JSON file with the subjects under train, validation and test")
    which.add_argument("--fold", type=_shard, metavar="i/n", help="validate on the i-th of n parts, from 0")
    training(sub, epochs=40, coarse=0.5, batch="8; whole studies, to classify them: 4")

    sub = command("evaluate", "Measure a run against a cohort's labels.")
    sub.add_argument("run", type=Path, help="the folder of a run, pretrained or finetuned")
    sub.add_argument("cohort", type=Path, help="made by prepare, with the labels that the run was trained for")
    sub.add_argument("--split", choices=("train", "validation", "test"),
                     help="only that part of the run's own split (default: all of the cohort)")
    sub.add_argument("--clean", action="store_true", help="measure the largest pieces of every structure, as "
                                                          "segment --clean keeps them")
    device(sub)

    sub = command("compare", "Finetune from several starts with few labels: a grid, resumable.")
    sub.add_argument("grid", type=Path, help="a TOML file; see benchmarks/")
    sub.add_argument("--out", type=Path, required=True, help="the folder of all its runs; what is done there is kept")
    sub.add_argument("--devices", default="auto", help="one training at a time on each, e.g. cuda:0,cuda:1")

    sub = command("classify", "Say which classes a study belongs to, and which slices weighed most.")
    sub.add_argument("run", type=Path, help="the folder of a run finetuned for classification")
    sub.add_argument("folder", type=Path, help="of one study")
    reading(sub)
    device(sub)

    sub = command("segment", "Segment an image file or a study.", writes=True)
    sub.add_argument("run", type=Path, help="the folder of a run finetuned for segmentation")
    sub.add_argument("input", type=Path, help="an image file or a study's folder")
    label_maps(sub, stacks="the run's views")
    sub.add_argument("--clean", action="store_true", help="of every structure, keep the largest piece, or as many as "
                                                          "the anatomy says it has")
    reading(sub)
    device(sub)

    sub = command("export", "Write label maps that were kept as .npz in another form.", writes=True)
    sub.add_argument("found", type=Path, help="an .npz file, of segment or of the panel")
    sub.add_argument("folder", type=Path, help="of the study that was segmented")
    label_maps(sub, stacks="all that are kept")
    reading(sub)

    sub = command("measure", "Volumes, ejection fractions and masses of label maps.", writes=True)
    sub.add_argument("input", type=Path, help="a study's folder with labels, a label map (.nii.gz, .seg.nrrd, ...), or "
                                              "DICOM SEG: a file, or a folder of them")
    sub.add_argument("--anatomy", help="what the labels mean, where the input does not say: a name, or its file")
    values_of_labels(sub)
    sub.add_argument("--out", type=Path, help="also write the measures there: .json, or .csv with a row for each")

    sub = command("handover", "Read a study and keep it with its pixels for another process, such as 3D Slicer.")
    sub.add_argument("folder", type=Path, help="a study: DICOM, or NIfTI with or without study.json")
    reading(sub)
    sub.add_argument("--out", type=Path, required=True, help="a new folder")

    command("devices", "List what networks can run on here, and its free memory.")

    sub = command("anatomy", "List, show or check anatomy files.")
    sub.add_argument("what", choices=("list", "show", "check"),
                     help="list all, show one's views and labels, or check a file for mistakes")
    sub.add_argument("name", nargs="?", help="of an anatomy to show or check: a name, or a .toml file")
    return parser


def _positive(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError("must be a whole number, 1 or more")
    return int(text)


def _named_view(text: str) -> tuple[str, str]:
    stack, _, view = text.partition("=")
    if not (stack and view):
        raise argparse.ArgumentTypeError("expected STACK=VIEW, such as s06-4CH=3CH")
    return stack, view


def _label_values(text: str) -> dict[int, str]:
    from .study.meanings import read_values

    try:
        return read_values(text)
    except PlaneSSLError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _shard(text: str) -> tuple[int, int]:
    index, _, count = text.partition("/")
    if not (index.isdigit() and count.isdigit() and int(index) < int(count)):
        raise argparse.ArgumentTypeError("expected i/n with 0 <= i < n, such as 0/8")
    return int(index), int(count)
