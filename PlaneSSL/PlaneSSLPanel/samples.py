"""Made-up studies in Slicer's Sample Data module: made on the spot, no network needed."""
from __future__ import annotations

import logging
from pathlib import Path

import slicer
from slicer.i18n import tr as _

from PlaneSSLLib.jobs import Job
from PlaneSSLLib.resources import resource_folder

from .learning import repaint

_CATEGORY = "PlaneSSL"
ORGANS = ("heart", "knee")  # of which planessl phantom makes studies
SEED, PHASES = 2024, 8


def registerSampleData() -> None:
    """Add one study of every organ that phantoms are made of."""
    import SampleData

    register = SampleData.SampleDataLogic
    if hasattr(register, "registerCustomSampleDataCategory"):
        register.registerCustomSampleDataCategory(_CATEGORY, title=_("PlaneSSL: made-up MR studies"))
    for organ in ORGANS:
        name = f"PlaneSSL {organ} phantom"
        register.registerCustomSampleDataSource(
            category=_CATEGORY, sampleName=name, uris=f"planessl:{organ}", fileNames=name, nodeNames=name,
            customDownloader=lambda source, organ=organ: offer(organ),
            thumbnailFileName=str(resource_folder() / "Icons" / f"PlaneSSL-{organ}.png"))


def offer(organ: str) -> list[slicer.vtkMRMLScriptedModuleNode]:
    """What the button does: `load`, and what goes wrong is shown."""
    with slicer.util.tryWithErrorDisplay(_("The made-up study could not be made."), waitCursor=True):
        return load(organ)


def load(organ: str, seed: int = SEED, phases: int = PHASES) -> list[slicer.vtkMRMLScriptedModuleNode]:
    """Make a study of an organ, draw it, and let the panel know its folder; returns the study's node."""
    folder = make(organ, seed, phases)
    logic = slicer.util.getModuleLogic("PlaneSSL")
    study = logic.drawStudy(folder)
    logic.showInViews(study)
    logic.getParameterNode().studyFolder = str(folder)
    logging.info("PlaneSSL: the made-up study is kept in %s.", folder)
    return [study]


def make(organ: str, seed: int, phases: int) -> Path:
    """The folder of a made-up study, made in a child process if it is not there yet."""
    out = Path(slicer.app.temporaryPath, "PlaneSSL-samples", f"{organ}-{seed}-{phases}")
    if not _studies(out):
        job = Job(["phantom", organ, "--studies", "1", "--seed", str(seed), "--phases", str(phases), "--out", out])
        job.wait(idle=repaint)
    return _studies(out)[0]


def _studies(folder: Path) -> list[Path]:
    """Whole ones: what is still being written, or was when somebody pulled the plug, has a hidden name."""
    return sorted(path for path in folder.glob("[!.]*") if path.is_dir())
