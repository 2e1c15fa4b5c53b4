"""Images as scanners lay them, however a file has turned or mirrored them."""
from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np

from ..anatomy import Anatomy, View
from ..geometry import Plane, scanner_axes
from ..study import Stack
from .placing import placement
from .plan import Plan

ALONG_AXES = 0.9999  # the cosine of what a direction may be off: less than a degree
_TURNS = np.array([np.diag(signs) @ order  # by quarters, and mirrored
                   for order in (np.eye(2), np.eye(2)[::-1]) for signs in product((1, -1), repeat=2)])


@dataclass(frozen=True, eq=False)
class Upright:
    """An image turned by quarters, and mirrored, to lie as its view usually does. No pixel changes its value.

    plane: where the turned pixels lie. matrix: (3, 3), from its pixels (column, row, 1) to those of the acquired image.
    """

    plane: Plane
    matrix: np.ndarray

    def placement(self, plan: Plan) -> np.ndarray:
        """(3, 3) matrix from pixels of the working grid, which lies on the upright image, to those as acquired."""
        return self.matrix @ placement(self.plane, plan)

    def turn(self, image: np.ndarray) -> np.ndarray:
        """(rows, columns) as acquired -> (rows, columns) upright."""
        rows, columns = self._steps
        return (image.T if self._swapped else image)[::rows, ::columns]

    def back(self, image: np.ndarray) -> np.ndarray:
        """(rows, columns) upright -> (rows, columns) as acquired."""
        rows, columns = self._steps
        turned = image[::rows, ::columns]
        return turned.T if self._swapped else turned

    @property
    def _swapped(self) -> bool:
        return self.matrix[0, 0] == 0

    @property
    def _steps(self) -> tuple[int, int]:
        (a, b), (c, d) = self.matrix[:2, :2].astype(int).tolist()
        return (b, c) if self._swapped else (d, a)


def upright_slices(stack: Stack, anatomy: Anatomy, plan: Plan) -> list[Upright]:
    """Every slice of a stack, upright for its view; if the plan says so, a right organ's as a left one in a mirror."""
    mirrored = plan.mirrored and anatomy.mirrors(stack.side)
    return [upright(plane, anatomy.view(stack.view), mirrored) for plane in stack.planes]


def upright(plane: Plane, view: View | None, mirrored: bool = False) -> Upright:
    """Turn an image so that its rows and columns run as near as can be to those of its view's typical plane.

    What scanners write lies so already, nearly always. Converters to NIfTI mirror images, and some are stored turned by
    a quarter; the header says so, and a network need not learn it. Where the view has no typical normal, or the plane
    is far from it, as in data whose header is made up, a plane along the patient's axes is laid as scanners lay one,
    so that programs that bring files to other axes change nothing; any other is left as it is.

    mirrored: lay it as the plane that it would be with the patient's left and right exchanged: medial is then on the
    same side of the images of both knees, and a network can tell medial from lateral.
    """
    axes = _axes(plane, view, mirrored)
    matrix = np.eye(3)
    matrix[:2, :2] = axes.T
    matrix[:2, 2] = np.where(axes.sum(0) < 0, np.array(plane.shape[::-1]) - 1, 0)
    swapped = axes[0, 0] == 0
    return Upright(Plane(
        plane.to_lps(matrix[:2, 2]), *(axes @ [plane.row, plane.column]),
        plane.spacing[::-1] if swapped else plane.spacing, plane.shape[::-1] if swapped else plane.shape), matrix)


def _axes(plane: Plane, view: View | None, mirrored: bool) -> np.ndarray:
    """(2, 2), row k: the acquired direction (1, 0 is that of the rows) that becomes the k-th, with its sign."""
    exchange = np.array([-1, 1, 1]) if mirrored else np.ones(3)
    normal, row, column = exchange * [plane.normal, plane.row, plane.column]
    if view is not None and view.lies_as_usual(normal):
        usual = scanner_axes(view.normal)
    elif min(np.abs(row).max(), np.abs(column).max()) > ALONG_AXES:
        usual = scanner_axes(normal)
    else:
        return np.eye(2)
    likeness = np.array(usual) @ np.array([row, column]).T
    return _TURNS[(_TURNS * likeness).sum((1, 2)).argmax()]
