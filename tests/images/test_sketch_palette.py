"""Colour sketches: what is painted in the palette is read again, also through JPEG, brushes and outlines."""

import io
from itertools import combinations

import cv2
import numpy as np
import pytest
from PIL import Image

from pai_modelscope.images.sketch_palette import BLANK, SKETCH_COLOURS, paint_classes, read_sketch

NAMES = list(SKETCH_COLOURS)


def scene(side: int = 128) -> np.ndarray:
    """Sky with a sun, mountains, water with a boat, sand, and a tree."""
    classes = np.full((side, side), NAMES.index("天"), np.uint8)
    unit = side / 128

    def fill(name: str, *corners: tuple[int, int]) -> None:
        cv2.fillPoly(classes, [np.round(np.array(corners) * unit).astype(np.int32)], NAMES.index(name))

    fill("日月", (90, 10), (106, 10), (106, 26), (90, 26))
    fill("山", (0, 70), (30, 30), (60, 60), (90, 40), (127, 70))
    fill("水", (0, 70), (127, 70), (127, 127), (0, 127))
    fill("船", (50, 85), (80, 85), (74, 96), (56, 96))
    fill("沙", (0, 110), (127, 100), (127, 127), (0, 127))
    fill("树", (8, 60), (28, 60), (28, 118), (8, 118))
    return classes


def test_every_map_in_the_palette_is_read_exactly():
    noise = np.random.default_rng(0).integers(0, len(NAMES), (40, 56)).astype(np.uint8)
    assert np.array_equal(read_sketch(paint_classes(noise)), noise)
    assert NAMES[BLANK] == "留白" and noise.max() == BLANK


def test_colours_are_far_apart():
    """The least distance in CIELAB is four times what JPEG moves a flat colour."""
    lab = cv2.cvtColor(np.array([list(SKETCH_COLOURS.values())], np.float32) / 255, cv2.COLOR_RGB2LAB)[0]
    assert min(np.linalg.norm(one - other) for one, other in combinations(lab, 2)) > 20


@pytest.mark.parametrize("quality", [95, 60])
def test_jpeg_changes_little(quality):
    classes, file = scene(), io.BytesIO()
    Image.fromarray(paint_classes(classes)).save(file, "JPEG", quality=quality)
    read = read_sketch(np.asarray(Image.open(file)))
    assert (read == classes).mean() > 0.985
    assert np.isin(read, classes).mean() > 0.997, "hardly any class appears at a border"


def test_soft_brushes_and_outlines_leave_the_classes():
    classes = scene(256)
    soft = cv2.GaussianBlur(paint_classes(classes), (0, 0), 1.5)
    read = read_sketch(soft)
    assert (read == classes).mean() > 0.98 and np.isin(read, classes).mean() > 0.997
    pen = np.ones((5, 5), np.uint8)
    lines = cv2.dilate(classes, pen) != cv2.erode(classes, pen)
    assert lines.mean() > 0.05
    outlined = np.where(lines[..., None], np.uint8(0), paint_classes(classes))
    assert (read_sketch(outlined) == classes).mean() > 0.98
    blended = read_sketch(cv2.GaussianBlur(outlined, (0, 0), 0.8))
    assert (blended == classes).mean() > 0.97


@pytest.mark.parametrize(
    ("colour", "name"),
    [
        ((135, 206, 235), "天"),
        ((0, 0, 255), "水"),
        ((30, 144, 255), "水"),
        ((34, 139, 34), "树"),
        ((124, 252, 0), "草"),
        ((255, 0, 0), "房屋"),
        ((255, 215, 0), "日月"),
        ((255, 192, 203), "花"),
        ((139, 69, 19), "地"),
        ((245, 222, 179), "沙"),
        ((128, 128, 128), "山"),
        ((250, 250, 250), "留白"),
        ((0, 0, 0), "留白"),
    ],
)
def test_what_people_pick_elsewhere_is_taken_for_the_nearest(colour, name):
    assert set(np.unique(read_sketch(np.full((24, 40, 3), colour, np.uint8)))) == {NAMES.index(name)}


def test_large_black_areas_are_paper_and_lines_are_not():
    drawing = paint_classes(np.full((96, 96), NAMES.index("山"), np.uint8)).copy()
    drawing[:40], drawing[60:63] = 0, 0
    read = read_sketch(drawing)
    assert (read[:38] == BLANK).all() and (read[44:] == NAMES.index("山")).all()
