"""Small studies with known planes and pixels, written as NIfTI with study.json, for tests that need no heart."""
from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from PlaneSSLLib.anatomy import load
from PlaneSSLLib.geometry import Plane, scanner_axes

# A heart's directions, square to each other: slices along z; 2CH and 4CH contain the z axis.
AXES = {"SAX": ((1, 0, 0), (0, 1, 0)), "2CH": ((0.6, 0.8, 0), (0, 0, 1)), "4CH": ((0.8, -0.6, 0), (0, 0, 1))}


def planes(view: str, centre, slices: int = 1, step: float = 10.0, spacing=(2.0, 2.0), shape=(64, 64)) -> list[Plane]:
    """Planes of a view whose middle one has its image's centre at `centre`."""
    row, column = (np.array(axis, dtype=float) for axis in AXES[view])
    normal = np.cross(row, column)
    corner = np.asarray(centre) - row * spacing[1] * (shape[1] - 1) / 2 - column * spacing[0] * (shape[0] - 1) / 2
    return [Plane(corner + (k - slices // 2) * step * normal, row, column, spacing, shape) for k in range(slices)]


def write_volume(path: Path, of: list[Plane], pixels: np.ndarray, step: float = 10.0) -> None:
    """pixels: (slices, rows, columns)."""
    first = of[0]
    image = sitk.GetImageFromArray(pixels)
    image.SetSpacing((first.spacing[1], first.spacing[0], step))
    image.SetDirection(np.stack([first.row, first.column, first.normal], axis=1).ravel().tolist())
    image.SetOrigin(first.position.tolist())
    path.parent.mkdir(parents=True, exist_ok=True)
    sitk.WriteImage(image, str(path))


def write_study(folder: Path, seed: int, phases: int = 1, labelled: bool = True, slices: int = 5) -> Path:
    """A bright cone (label 3) in a grey one (label 2), wide at its base, beside it a dark rod (label 1)."""
    rng = np.random.default_rng(seed)
    centre = rng.uniform(-12, 12, 3)
    views: dict[str, list[str]] = {}
    for view in AXES:
        of = planes(view, centre, slices if view == "SAX" else 1)
        count = phases if view == "SAX" else 1
        views[view] = [f"{view.lower()}_{k}.nii.gz" for k in range(count)]
        for k, name in enumerate(views[view]):
            pixels, labels = _expose(of, centre, 1 - 0.1 * k / max(1, count - 1), rng)
            write_volume(folder / name, of, pixels)
            if labelled and view == "SAX":
                write_volume(folder / "labels" / name, of, labels)
    document = {"subject": f"subject-{seed:03d}", "anatomy": "heart", "views": views}
    (folder / "study.json").write_text(json.dumps(document))
    return folder


def _expose(of: list[Plane], centre, size: float, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    pixels, labels = [], []
    for plane in of:
        rows, columns = plane.shape
        points = plane.to_lps(np.stack(np.meshgrid(np.arange(columns), np.arange(rows)), axis=-1))
        away = points - centre
        cone = np.hypot(away[..., 0], away[..., 1]) / np.clip(1 - 0.025 * away[..., 2], 0.1, 2)
        rod = np.hypot(away[..., 0] + 34, away[..., 1] - 10)
        within = np.abs(away[..., 2]) < 30
        label = np.zeros(plane.shape, np.uint8)
        label[within & (rod < 8)] = 1
        label[within & (cone < 20 * size)] = 2
        label[within & (cone < 13 * size)] = 3
        image = np.choose(label, [200, 90, 420, 800]) + rng.normal(0, 20, plane.shape)
        pixels.append(image + 60 * np.sin(points[..., 0] / 25))
        labels.append(label)
    return np.stack(pixels).astype(np.float32), np.stack(labels)


def smooth(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    noise = sitk.GetImageFromArray(rng.normal(size=shape).astype(np.float32))
    return 1000 * sitk.GetArrayFromImage(sitk.SmoothingRecursiveGaussian(noise, 1.5))


def write_knee(folder: Path, side: str) -> Path:
    """Three stacks of one made-up left knee, or of its mirror image, stored as scanners lay them."""
    rng = np.random.default_rng(2)
    views = {}
    for view in load("knee").views:
        row, column = scanner_axes(view.normal)
        normal = np.cross(row, column)
        corners = [np.array([15.0, -8, 4]) - 20 * row - 16 * column + 5 * k * normal for k in (-2, -1, 0, 1, 2)]
        pixels = smooth(rng, (5, 32, 32))
        if side == "right":
            across = np.abs(row[0])  # 1 for an image with left and right in it: its last column becomes its first
            corners = [(corner + across * 31 * 1.25 * row) * [-1, 1, 1] for corner in corners]
            pixels = pixels[..., ::-1] if across else pixels[::-1]
            corners = corners if across else corners[::-1]
        of = [Plane(corner, row, column, (1, 1.25), (32, 32)) for corner in corners]
        write_volume(folder / f"{view.name}.nii.gz", of, pixels, 5.0)
        write_volume(folder / "labels" / f"{view.name}.nii.gz", of, (pixels > np.median(pixels)).astype(np.uint8), 5.0)
        views[view.name] = f"{view.name}.nii.gz"
    (folder / "study.json").write_text(json.dumps({"anatomy": "knee", "side": side, "views": views}))
    return folder
