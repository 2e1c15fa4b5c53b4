"""The scene: the only place that knows MRML. It draws what it is given, in 3D Slicer and on slicer-core alike."""
from .draw import draw_study, restyle
from .drawing import Drawing, drawings
from .figure import draw_figure, save_figure
from .host import start
from .lines import Lines, crossing_lines, lines_in_scene
from .nodes import clear
from .offscreen import NoOpenGL
from .record import DrawnStudy, Look
from .saving import load_scene, save_scene
from .segmentations import add_segmentation
from .textures import draw_textures

__all__ = [
    "Drawing",
    "DrawnStudy",
    "Lines",
    "Look",
    "NoOpenGL",
    "add_segmentation",
    "clear",
    "crossing_lines",
    "draw_figure",
    "draw_study",
    "draw_textures",
    "drawings",
    "lines_in_scene",
    "load_scene",
    "restyle",
    "save_figure",
    "save_scene",
    "start",
]
