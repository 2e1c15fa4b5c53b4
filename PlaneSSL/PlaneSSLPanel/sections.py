"""The sections of the PlaneSSL panel, top to bottom. They show and ask; what is done is in PlaneSSLLogic."""
from .applying import ApplySection
from .planes import PlanesSection
from .setup import SetUpSection
from .study import StudySection
from .training import TrainSection

# .ui file -> the section that it shows.
SECTIONS = {
    "PlaneSSLStudy": StudySection,
    "PlaneSSLPlanes": PlanesSection,
    "PlaneSSLTrain": TrainSection,
    "PlaneSSLApply": ApplySection,
    "PlaneSSLSetUp": SetUpSection,
}


class Widgets:
    """All widgets of the panel by their names, over all .ui files."""

    def add(self, more) -> None:
        """Take over the widgets of one .ui file."""
        vars(self).update(vars(more))
