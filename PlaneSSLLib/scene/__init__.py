"""The scene: the only place that knows MRML. It draws what it is given, in 3D Slicer and on slicer-core alike."""
from .curves import draw_curves
from .draw import draw_in_steps, draw_study, restyle
from .drawing import Drawing, drawing_of, drawings
from .figure import draw_figure, save_figure
from .host import start
from .inhand import PlaneInHand, let_go
from .labelling import is_drawn, keep_outlines, outlines, save_labelled_study
from .lines import Lines, crossing_lines, lines_in_scene
from .nodes import clear
from .offscreen import NoOpenGL
from .pairs import draw_pairs, pairs, show_all, show_pair, write_pairs
from .predictions import draw_predictions
from .record import DrawnStudy, Look
from .saving import load_scene, save_scene
from .segmentations import add_segmentation, segmentation_steps
from .tables import add_classes, add_measures, add_table
from .targets import Target, draw_predicted_targets, draw_targets, overlaid, overlay, overlay_all, targets_of
from .textures import CineTextures, draw_textures, restore_textures
from .viewlines import ViewLines, draw_view_lines, show_views
from .views import show_image, view_named

__all__ = [
    "CineTextures", "Drawing", "DrawnStudy", "Lines", "Look", "NoOpenGL", "PlaneInHand", "Target", "ViewLines",
    "add_classes", "add_measures", "add_segmentation", "add_table", "clear", "crossing_lines", "draw_curves",
    "draw_figure", "draw_in_steps", "draw_pairs", "draw_predicted_targets", "draw_predictions", "draw_study",
    "draw_targets", "draw_textures", "draw_view_lines", "drawing_of", "drawings", "is_drawn", "keep_outlines",
    "let_go", "lines_in_scene", "load_scene", "outlines", "overlaid", "overlay", "overlay_all", "pairs",
    "restore_textures", "restyle", "save_figure", "save_labelled_study", "save_scene", "segmentation_steps", "show_all",
    "show_image", "show_pair", "show_views", "start", "targets_of", "view_named", "write_pairs",
]
