"""The tasks that the one engine trains."""
from .classification import Classification
from .joint import Joint
from .segmentation import Segmentation
from .task import Batch, Outputs, Task

__all__ = ["Batch", "Classification", "Joint", "Outputs", "Segmentation", "Task"]
