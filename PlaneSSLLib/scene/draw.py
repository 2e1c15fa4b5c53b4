"""A study into the scene in one call."""
from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from ..study import Study
from . import nodes
from .drawing import Drawing, keep
from .lines import draw_lines, update_lines
from .planes import draw_planes, update_planes
from .record import Look
from .textures import draw_textures
from .volumes import volumes_in_steps


def draw_study(study: Study, look: Look | None = None, any_frame: bool = False, volumes: bool = True) -> Drawing:
    """Draw a study: its volumes and cines, a rectangle for every plane, and every line in which two planes cut.

    It takes the place of one of the same folder that is in the scene already, and of its segmentations. any_frame: also
    cut planes of different frames of reference. volumes=False leaves the pixels unread. `Drawing.notes` says why where
    there is no line. PlaneSSLError where a file cannot be decoded; then the scene is as it was.
    """
    *_, drawing = draw_in_steps(study, look, any_frame, volumes)
    return drawing


def draw_in_steps(study: Study, look: Look | None = None, any_frame: bool = False,
                  volumes: bool = True) -> Iterator[Drawing]:
    """What `draw_study` does, one stack a step, for a program whose windows must not stand still meanwhile.

    Yields the drawing after every step. Where a step fails, or the iterator is closed before its end, the scene is as
    it was: what was drawn of the study before goes when all of it is there anew.
    """
    key, before = nodes.keys_of(study.folder.absolute())
    try:
        drawing = keep(study, key, look or Look(), any_frame)
        if volumes:
            for _ in volumes_in_steps(study, drawing):
                yield drawing
        planes = draw_planes(drawing)
        lines = draw_lines(drawing)
        draw_textures(drawing)
        for node, stack in zip(planes, study.stacks, strict=True):
            nodes.file_under(node, drawing.folder(stack.id))
        nodes.file_under(lines, drawing.folder())
    except BaseException:
        nodes.clear(key)
        raise
    for old in before:
        nodes.clear(old)
    yield drawing


def restyle(drawing: Drawing, **changes) -> None:
    """Change what is shown: `restyle(drawing, textures="all")`; see Look."""
    drawing.set_look(replace(drawing.look, **changes))
    update_planes(drawing)
    update_lines(drawing)
    draw_textures(drawing)
