"""A folder of DICOM or NIfTI becomes a Study: stacks of planes with named views, pixels read when asked for."""
from .crossings import lines_of
from .description import describe, problem_sentences
from .dicom_segmentations import is_segmentation
from .finding import find_studies, label_folders, not_looked_into, read_studies
from .handover import hand_over, take_over
from .labels import read_all_labels, read_labels
from .meanings import odd_arrangement, require_known
from .model import Frame, LabelFile, Naming, PixelSource, Problem, Stack, Study
from .reading import read_patient, read_study, would_be_read

__all__ = [
    "Frame", "LabelFile", "Naming", "PixelSource", "Problem", "Stack", "Study", "describe", "find_studies", "hand_over",
    "is_segmentation", "label_folders", "lines_of", "not_looked_into", "odd_arrangement", "problem_sentences",
    "read_all_labels", "read_labels", "read_patient", "read_studies", "read_study", "require_known", "take_over",
    "would_be_read",
]
