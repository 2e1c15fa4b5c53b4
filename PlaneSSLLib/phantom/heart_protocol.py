"""A cardiac study as it is run: localizers first, long-axis cines, then the short-axis stack."""
from __future__ import annotations

import numpy as np

from .heart import VIEW_ANGLES, Heart
from .prescription import Series, field_of_view, oriented, stack, unsteady

# How scanners and people call them; several manufacturers and several habits.
HABITS = (
    {"loc": "localizer", "2CH": "TF Cine Retro_iPAT 2C", "3CH": "TF Cine Retro_iPAT LVOT",
     "4CH": "TF Cine Retro_iPAT 4C", "SAX": "TF Cine Retro_iPAT SAO",
     "l2": "trufi_2-chamber", "l4": "trufi_4-chamber", "ls": "trufi_short-axis"},
    {"loc": "3-plane loc", "2CH": "FIESTA CINE 2CH", "3CH": "FIESTA CINE 3CH", "4CH": "FIESTA CINE 4CH",
     "SAX": "FIESTA CINE SAX", "l2": "LOC 2CH", "l4": "LOC 4CH", "ls": "LOC SAX"},
    {"loc": "survey", "2CH": "sBTFE_BH 2 chamber", "3CH": "sBTFE_BH 3 chamber", "4CH": "sBTFE_BH 4 chamber",
     "SAX": "sBTFE_BH short axis", "l2": "survey 2ch", "l4": "survey 4ch", "ls": "survey short axis"},
    {"loc": "localizer_tra_cor_sag", "2CH": "cine_vla", "3CH": "cine_lvot", "4CH": "cine_hla", "SAX": "cine_sa_stack",
     "l2": "scout_vla", "l4": "scout_hla", "ls": "scout_sa"},
    {"loc": "Uebersicht", "2CH": "tfi_2-Kammer_retro", "3CH": "tfi_3-Kammer_retro", "4CH": "tfi_4-Kammer_retro",
     "SAX": "tfi_Kurzachse_retro", "l2": "tfi_2-Kammer_loc", "l4": "tfi_4-Kammer_loc", "ls": "tfi_Kurzachse_loc"},
)
SEEN_FROM_THE_FEET = ("3CH", "4CH")  # however steep the heart lies
TILT_DEG, SHIFT_MM = 2.5, 2.0  # how far an experienced operator is off in a cine
TURN_DEG = 5.0  # and about the long axis, in any image along it
SCOUT_TILT_DEG, SCOUT_SHIFT_MM = 7.0, 5.0  # and in a localizer


def heart_series(heart: Heart, phases: int, rng: np.random.Generator) -> tuple[Series, ...]:
    """Three-plane, 2CH, 4CH and SAX localizers; 2CH, 4CH, 3CH cines of one slice; the SAX cine stack."""
    words = HABITS[rng.integers(len(HABITS))]
    pixel, long = rng.uniform(1.45, 1.9), heart.parameters.length
    turn = rng.normal(0, 6)
    tall, flat = ((285, 255), (325, 310)), ((255, 300), (290, 340))
    grids = {view: field_of_view(rng, *rng.uniform(*mm), pixel)
             for view, mm in (("SAX", tall), ("2CH", tall), ("3CH", flat), ("4CH", flat))}
    thick = rng.uniform(6, 8)

    def plane(view: str, tilt: float, shift: float):
        along = rng.uniform(0.40, 0.55) * long
        if view == "SAX":
            normal = heart.frame.axes[2]
        else:
            angle = np.radians(VIEW_ANGLES[view] + rng.normal(0, TURN_DEG))
            normal = heart.frame.axes.T @ np.array([-np.sin(angle), np.cos(angle), 0])
        centre = heart.frame.to_lps([0, 0, along]) + rng.normal(0, shift, 3)
        normal = unsteady(rng, normal, tilt)
        if view != "SAX":  # the image is centred on the whole heart, not on the ventricle: slide within the plane
            slide = heart.frame.to_lps([0.3 * heart.parameters.right_width, 0, along - 15]) - centre
            centre = centre + slide - normal * (slide @ normal) + _within(rng, normal, 8)
        like = 2 if view in SEEN_FROM_THE_FEET else None
        return oriented(centre, normal, *grids[view], turn_deg=turn + rng.normal(0, 3), like=like)

    survey_grid = field_of_view(rng, 380, 380, 380 / rng.choice([192, 208]))
    survey = tuple(
        p for normal in np.eye(3)[rng.permutation(3)]
        for p in stack(oriented(heart.middle + rng.normal(0, 8, 3), normal, *survey_grid), 20.0, 1))
    scout = {"tilt": SCOUT_TILT_DEG, "shift": SCOUT_SHIFT_MM}
    scouts = stack(plane("SAX", **scout), 12.0, int(rng.integers(5, 8)), reverse=rng.random() < 0.5)
    series = [
        Series(1, words["loc"], None, survey, 8.0, "bSSFP", 20.0, localizer=True),
        Series(2, words["l2"], "2CH", (plane("2CH", **scout),), 8.0, "bSSFP", localizer=True),
        Series(3, words["l4"], "4CH", (plane("4CH", **scout),), 8.0, "bSSFP", localizer=True),
        Series(4, words["ls"], "SAX", scouts, 8.0, "bSSFP", 12.0, localizer=True),
    ]
    for number, view in enumerate(("4CH", "2CH", "3CH"), start=5):
        series.append(Series(number, words[view], view, (plane(view, TILT_DEG, SHIFT_MM),), thick, "bSSFP",
                             phases=phases, labelled=True))
    step = thick + rng.choice([0.0, 1.0, 2.0])
    count = int(np.clip(round((long + 22) / step), 8, 13))
    step = max(step, (long + 12) / count)
    sax = stack(plane("SAX", TILT_DEG, SHIFT_MM), round(float(step), 3), count, reverse=rng.random() < 0.5)
    series.append(Series(8, words["SAX"], "SAX", sax, thick, "bSSFP", round(float(step), 3), phases, labelled=True))
    return tuple(series)


def _within(rng: np.random.Generator, normal: np.ndarray, mm: float) -> np.ndarray:
    step = rng.normal(0, mm, 3)
    return step - normal * (normal @ step)
