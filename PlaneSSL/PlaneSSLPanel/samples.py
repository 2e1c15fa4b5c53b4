"""Made-up studies in Slicer's Sample Data module: made on the spot, no network needed."""
from __future__ import annotations

import logging
import tempfile
import time
from pathlib import Path

import slicer
from slicer.i18n import tr as _

from PlaneSSLLib import PlaneSSLError
from PlaneSSLLib.jobs import Job
from PlaneSSLLib.resources import resource_folder

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
            category=_CATEGORY, sampleName=name, nodeNames=[name],
            customDownloader=lambda source, organ=organ: load(organ),
            thumbnailFileName=str(resource_folder() / "Icons" / f"PlaneSSL-{organ}.png"))


def load(organ: str, seed: int = SEED, phases: int = PHASES) -> list[slicer.vtkMRMLScriptedModuleNode]:
    """Make a study of an organ and draw it; returns the study's node."""
    folder = make(organ, seed, phases)
    logic = slicer.util.getModuleLogic("PlaneSSL")
    study = logic.drawStudy(folder)
    logic.showInViews(study)
    logging.info("PlaneSSL: the made-up study is kept in %s.", folder)
    return [study]


def make(organ: str, seed: int, phases: int) -> Path:
    """The folder of a made-up study, made in a child process if it is not there yet."""
    out = Path(tempfile.gettempdir(), "PlaneSSL-samples", f"{organ}-{seed}-{phases}")
    if not out.is_dir():
        job = Job(["phantom", organ, "--studies", "1", "--seed", str(seed), "--phases", str(phases), "--out", out])
        job.start()
        while job.active:
            job.poll()
            slicer.app.processEvents()
            time.sleep(0.01)
        if job.error:
            raise PlaneSSLError(job.error)
    studies = sorted(folder for folder in out.iterdir() if folder.is_dir())
    if not studies:
        raise PlaneSSLError(f"{out} holds no study: delete it and try again.")
    return studies[0]
