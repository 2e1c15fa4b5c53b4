"""Every anatomy that ships, and a made-up one with four views at odd angles, through the geometry."""
from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from PlaneSSLLib import anatomy
from PlaneSSLLib.geometry import Plane, Relation, fit_lines, heatmaps, intersect, line_errors, lines_in_image
from PlaneSSLLib.resources import resource_folder

SHIPPED = sorted(path.stem for path in (resource_folder() / "Anatomies").glob("*.toml"))


def odd_anatomy(folder) -> anatomy.Anatomy:
    normals = {"one": (1, 0.2, 0.1), "two": (-0.3, 1, 0.4), "three": (0.2, -0.5, 1), "four": (1, 1, -0.6)}
    views = [f'[[view]]\nname = "{name}"\ncolor = [1, 0, 0]\nnormal = {list(normal)}\n'
             f"lines = {[other for other in normals if other != name]}\n" for name, normal in normals.items()]
    file = folder / "odd.toml"
    file.write_text('name = "odd"\ntitle = "Odd"\nsigma_mm = 6\n[grid]\nspacing = [1.2, 1.8]\nsize = [144, 96]\n\n'
                    + "\n".join(views))
    return anatomy.load(file)


@pytest.mark.parametrize("name", [*SHIPPED, "odd"])
@pytest.mark.parametrize("turn", [(0, 0, 0), (20, -15, 10)])
def test_every_line_that_a_view_regresses_is_drawn_and_found_again(name, turn, tmp_path, monkeypatch):
    monkeypatch.setenv("PLANESSL_ANATOMIES", str(tmp_path / "none"))
    model = odd_anatomy(tmp_path) if name == "odd" else anatomy.load(name)
    grid, middle = model.grid, np.array([12.0, -40, 25])
    planes = {}
    for i, view in enumerate(view for view in model.views if view.normal is not None):
        normal = Rotation.from_euler("zyx", turn, degrees=True).apply(view.normal)
        down = np.eye(3)[np.abs(normal).argmin()]
        column = np.cross(np.cross(normal, down), normal)
        column /= np.linalg.norm(column)
        row = np.cross(column, normal)
        half_row, half_column = (np.subtract(grid.size, 1) / 2) * grid.spacing
        corner = middle + i * normal - row * half_column - column * half_row
        planes[view.name] = Plane(corner, row, column, grid.spacing, grid.size)
    assert len(planes) >= 3
    for view in model.views:
        wanted = [planes[line.view] for line in view.lines if view.name in planes and line.view in planes]
        image = planes.get(view.name)
        for other in wanted:
            crossing = intersect(image, other)
            assert crossing.relation is Relation.CROSSING
            assert max(np.abs(plane.distance(crossing.segment)).max() for plane in (image, other)) < 1e-6
            line = lines_in_image(image, [other])
            fitted = fit_lines(heatmaps(line, grid.size, grid.spacing, model.sigma_mm), grid.spacing, model.sigma_mm)
            angle, distance = line_errors(fitted, line, grid.size, grid.spacing)
            assert angle[0] < 0.01
            assert distance[0] < 0.01
