"""The scene: the only place that knows MRML. It draws what it is given, in 3D Slicer and on slicer-core alike."""
from .draw import draw_study, restyle
from .drawing import Drawing, Look, drawings
from .host import start
from .lines import Lines, crossing_lines, lines_in_scene
from .nodes import clear
from .saving import load_scene, save_scene

__all__ = [
    "Drawing", "Lines", "Look", "clear", "crossing_lines", "draw_study", "drawings", "lines_in_scene", "load_scene",
    "restyle", "save_scene", "start",
]
