"""The tasks that the one engine trains."""
from .segmentation import Segmentation
from .task import Batch, Outputs, Task

__all__ = ["Batch", "Outputs", "Segmentation", "Task"]
