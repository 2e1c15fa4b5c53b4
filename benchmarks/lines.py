"""Lines and heatmaps of one short-axis slice, two lines, 224 x 224: at most 2 ms.

The same is done beside it with symbolic algebra, the idea of the published code: a plane's equation in x, y and z is
rewritten in the image's columns and rows, solved for the top and the bottom row, and the distance to the line through
the two points is taken for every pixel. Both must give the same heatmaps, or there is no figure.

    python benchmarks/lines.py      prints one JSON object
"""
from __future__ import annotations

import json
import sys
import timeit

import machine
import numpy as np
import sympy

from PlaneSSLLib.geometry import Plane, heatmaps, lines_in_image

SHAPE, SPACING, SIGMA_MM = (224, 224), (1.26, 1.26), 7.56
LIMIT_MS = 2.0
PUBLISHED_MS = 198.0  # the published code, on two cores


def ours(image: Plane, planes: list[Plane]) -> np.ndarray:
    return heatmaps(lines_in_image(image, planes), image.shape, image.spacing, SIGMA_MM)


def symbolic(image: Plane, planes: list[Plane]) -> np.ndarray:
    """For planes that no row of the image runs along."""
    column, row = sympy.symbols("column row")
    point = [image.position[k] + column * image.spacing[1] * image.row[k] + row * image.spacing[0] * image.column[k]
             for k in range(3)]
    x, y, z = sympy.symbols("x y z")
    maps = []
    for plane in planes:
        equation = sum(n * (s - p) for n, s, p in zip(plane.normal, (x, y, z), plane.position, strict=True))
        in_pixels = equation.subs(dict(zip((x, y, z), point, strict=True)))
        ends = [(float(sympy.solve(in_pixels.subs(row, at), column)[0]), at) for at in (0, image.shape[0] - 1)]
        start, end = np.array(ends) * (image.spacing[1], image.spacing[0])
        along = (end - start) / np.linalg.norm(end - start)
        rows, columns = np.mgrid[:image.shape[0], :image.shape[1]]
        offset = np.stack([columns * image.spacing[1], rows * image.spacing[0]], axis=-1) - start
        distance = offset[..., 0] * along[1] - offset[..., 1] * along[0]
        maps.append(np.exp(-(distance**2) / (2 * SIGMA_MM**2)))
    return np.array(maps)


def milliseconds(function, number: int) -> float:
    """The median of seven runs of `number` calls each."""
    return float(np.median(timeit.repeat(function, number=number, repeat=7))) / number * 1e3


def main() -> None:
    def plane(normal, down, through):
        normal, down = np.array(normal) / np.linalg.norm(normal), np.array(down, dtype=float)
        column = down - (down @ normal) * normal
        column /= np.linalg.norm(column)
        row = np.cross(column, normal)
        corner = np.array(through) - (row * SPACING[1] + column * SPACING[0]) * 111.5
        return Plane(corner, row, column, SPACING, SHAPE)

    middle = (10.0, -30.0, 20.0)
    sax = plane((0.70, -0.63, -0.34), (0, 0, -1), middle)
    views = [plane((0.68, 0.73, 0.05), (0, 0, -1), middle), plane((-0.02, -0.43, 0.90), (0, 1, 0), (14, -26, 17))]
    difference = np.abs(ours(sax, views) - symbolic(sax, views)).max()
    if difference > 1e-5:
        sys.exit(f"The two ways differ by {difference}: there is nothing to compare.")

    ours_ms = milliseconds(lambda: ours(sax, views), 50)
    symbolic_ms = milliseconds(lambda: symbolic(sax, views), 1)
    print(json.dumps({
        "what": "lines and heatmaps of one short-axis slice, 2 lines, 224 x 224",
        "ours_ms": round(ours_ms, 4),
        "limit_ms": LIMIT_MS,
        "within_limit": ours_ms <= LIMIT_MS,
        "symbolic_ms": round(symbolic_ms, 2),
        "ratio": round(symbolic_ms / ours_ms, 1),
        "published_ms": PUBLISHED_MS,
        "largest_difference": float(difference),
        "machine": machine.describe(),
    }, indent=1))


if __name__ == "__main__":
    main()
