"""The lines in which other planes cut an image, with their names, as one mesh that lies in the image."""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from vtkmodules.vtkCommonDataModel import vtkPolyData

from ..geometry import Plane, crossings
from .coordinates import to_ras
from .lettering import place_names, signs
from .meshes import mesh
from .record import STRENGTHS, DrawnStudy

NO_DASHES = (np.zeros((0, 2, 3)), np.zeros((0, 4)))
LABEL = (0.0, 0.0, 0.0, 0.45)  # behind a name, so that it can be read on bright tissue


@dataclass(frozen=True, eq=False)
class ImageLines:
    """n lines in one image: by which plane (stack id, slice) each was cut, and (n, 2, 3) LPS mm where."""

    planes: tuple[tuple[str, int], ...]
    segments: np.ndarray

    def take(self, which: Sequence[bool]) -> ImageLines:
        """Some of the lines, n times yes or no."""
        planes = tuple(plane for plane, yes in zip(self.planes, which, strict=True) if yes)
        return ImageLines(planes, self.segments[np.array(which, bool)])


@dataclass(frozen=True, eq=False)
class Sheet:
    """How an image lies on the screen: its upper left corner, (3,) LPS mm, unit directions right and down, and size.

    size: (height, width) mm of the part on which names may stand.
    """

    corner: np.ndarray
    right: np.ndarray
    down: np.ndarray
    size: tuple[float, float]

    @classmethod
    def of(cls, image: Plane) -> Sheet:
        """An image shown with its rows running to the right and its columns down."""
        return cls(image.corners()[0], image.row, image.column, image.size)

    def to_sheet(self, points: np.ndarray) -> np.ndarray:
        """(..., 3) LPS -> (..., 2) mm to the right and down from the corner."""
        offset = np.asarray(points) - self.corner
        return np.stack([offset @ self.right, offset @ self.down], axis=-1)

    def to_lps(self, points: np.ndarray) -> np.ndarray:
        """(..., 2) mm on the sheet -> (..., 3) LPS."""
        return self.corner + points[..., :1] * self.right + points[..., 1:] * self.down


def lines_on(now: DrawnStudy, images: Sequence[tuple[Plane, str]]) -> list[ImageLines]:
    """Where the planes of a study, as they lie now, cut images; each lies like those of the stack that is named.

    All at once, which for a few images takes as long as for one.
    """
    cutting = [(stack, int(i)) for stack in now.study.stacks for i in np.flatnonzero(now.strength(stack))]
    segments = crossings([image for image, _ in images], [stack.planes[i] for stack, i in cutting]).segments
    hit = np.isfinite(segments).all((-1, -2))
    lines = []
    for (_, like), inside, there in zip(images, hit, segments, strict=True):
        partners = {stack.id for stack in now.partners(like)}
        found = [k for k in np.flatnonzero(inside).tolist() if cutting[k][0].id in partners]
        lines.append(ImageLines(tuple((cutting[k][0].id, cutting[k][1]) for k in found), there[found]))
    return lines


def lines_mesh(now: DrawnStudy, lines: ImageLines, sheet: Sheet, letter_mm: float,
               dashes: tuple[np.ndarray, np.ndarray] = NO_DASHES) -> vtkPolyData:
    """The lines of an image in the colours of the planes that cut it, and their names in letters of this height.

    dashes: (n, 2, 3) LPS segments without a name, and their (n, 4) colours. The lines come first among the cells.
    """
    colors = image_line_colors(now, lines)
    names = [now.label(stack, i) for stack, i in lines.planes]
    places = place_names(sheet.to_sheet(lines.segments), names, _order(now, lines, colors[:, 3]),
                         int((colors[:, 3] == 1).sum()), sheet.size, letter_mm)
    written = [k for k, place in enumerate(places) if place is not None]
    written_at = np.array([places[k] for k in written]).reshape(-1, 2)
    written_as = signs(tuple(names[k] for k in written))
    extra, extra_colors = dashes
    ends = np.concatenate([lines.segments, extra]).reshape(-1, 3)
    outlines = sheet.to_lps(written_at[written_as.of_point] + letter_mm * written_as.points)
    ink = np.column_stack([colors[written, :3], np.ones(len(written))])[written_as.of_triangle]
    ink[written_as.is_label] = LABEL
    return mesh(to_ras(np.concatenate([ends, outlines])), lines=np.arange(len(ends)).reshape(-1, 2),
                faces=len(ends) + written_as.triangles, color=np.concatenate([colors, extra_colors, ink]))


def image_line_colors(now: DrawnStudy, lines: ImageLines) -> np.ndarray:
    """(n, 4) colours of the planes that cut an image; weak ones stay legible on it."""
    stacks = {stack for stack, _ in lines.planes}
    strength = {stack: _in_image(now.strength(now.study.stack(stack))) for stack in stacks}
    return np.array([(*now.colors[stack], strength[stack][i]) for stack, i in lines.planes]).reshape(-1, 4)


def image_strength() -> tuple[float, ...]:
    """The opacities that lines can have in an image."""
    return tuple(_in_image(np.array(STRENGTHS)))


def _in_image(strength: np.ndarray) -> np.ndarray:
    return strength**0.5


def _order(now: DrawnStudy, lines: ImageLines, strength: np.ndarray) -> list[int]:
    """Whose name matters: strong lines first; within a stack its ends, then every fifth slice, then the others."""
    def rank(k: int) -> tuple:
        stack, i = lines.planes[k]
        last = len(now.study.stack(stack).planes) - 1
        return -strength[k], i not in (0, last), i % 5 != 0

    return sorted(range(len(lines.planes)), key=rank)
