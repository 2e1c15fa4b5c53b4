"""What the panel's boxes offer: (what is read, what is kept in the scene) of every choice, in the user's language."""
from __future__ import annotations

from slicer.i18n import tr as _

from PlaneSSLLib import anatomy as anatomies
from PlaneSSLLib.scene.record import TEXTURES, VISIBILITIES

from .sources import DICOM, FOLDER, VOLUMES

GUESS = "guess"  # the anatomy that fits a study best
ANATOMIES = anatomies.load_all()[0]  # those that can be read: an own file that is wrong closes no panel
Choices = list[tuple[str, str]]


def values(choices: Choices) -> list[str]:
    """What is kept."""
    return [value for _text, value in choices]


def sources() -> Choices:
    """Where a study may be."""
    return [(_("Folder"), FOLDER), (_("DICOM database"), DICOM), (_("Volumes in the scene"), VOLUMES)]


def known_anatomies() -> Choices:
    """The anatomies that there are files of, by their titles."""
    return [(anatomy.title, name) for name, anatomy in ANATOMIES.items()]


def study_anatomies() -> Choices:
    """What a study may be said to show."""
    return [(_("what fits best"), GUESS), *known_anatomies()]


def visibilities() -> Choices:
    """How planes are shown."""
    return list(zip((_("shown"), _("dim"), _("hidden")), VISIBILITIES, strict=True))


def textures() -> Choices:
    """Which planes carry their image in 3D."""
    return list(zip((_("on no plane"), _("on the central planes"), _("on all planes")), TEXTURES, strict=True))


def networks() -> Choices:
    """What can be trained."""
    return [(_("small, for a CPU"), "small"), (_("U-Net, for a GPU"), "unet"), (_("ResNet-50, for a GPU"), "resnet50")]


def devices() -> Choices:
    """What can be computed on."""
    return [(_("the best that is there"), "auto"), (_("NVIDIA GPU"), "cuda"), (_("Apple GPU"), "mps"), ("CPU", "cpu")]


def tasks() -> Choices:
    """What can be learnt from labelled studies."""
    return [(_("segmentation"), "segmentation"), (_("classification"), "classification")]
