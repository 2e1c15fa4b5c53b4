"""The tasks that the one engine trains."""
from .classification import Classification
from .segmentation import Segmentation
from .task import Batch, Outputs, Task

__all__ = ["Batch", "Classification", "Outputs", "Segmentation", "Task"]
