"""Brushes: dabs that make foliage, strokes of uneven ink, and solids of polygons."""

import math
from collections.abc import Callable, Sequence

import cv2
import numpy as np

from recipes.drawing.canvas import Canvas, Ink, Region
from recipes.drawing.colour import Colour, ramp

Tone = Callable[[np.ndarray], np.ndarray]  # light from 0 to 1, as a style shows it
Polygon = tuple[np.ndarray, Colour]  # points (n, 2), x to the right and y up, and a colour
_FINE = 3  # bits of a pixel's fraction that OpenCV takes


def ellipse(width: float, height: float, degrees: float = 0.0) -> np.ndarray:
    """A dab of these sizes in pixels, turned; long thin ones are leaves with two points."""
    side = int(max(width, height)) | 1
    dab = np.zeros((side + 2, side + 2), np.uint8)
    centre = side // 2 + 1
    if height > 3.2 * width and width > 2.5:
        t, angle = np.linspace(-1, 1, 9), math.radians(degrees)
        x, y = np.r_[1 - t * t, (t * t - 1)] * width * 0.62, np.r_[t, t[::-1]] * height / 2
        points = np.stack([x * math.cos(angle) - y * math.sin(angle), x * math.sin(angle) + y * math.cos(angle)], 1)
        cv2.fillPoly(dab, [np.rint(points + centre).astype(np.int32)], 1)
        return dab
    axes = max(int(width / 2), 0), max(int(height / 2), 0)
    cv2.ellipse(dab, (centre, centre), axes, degrees, 0, 360, 1, -1)
    return dab


def slender(dab: np.ndarray) -> bool:
    """Whether a dab is a blade or a needle, much longer than wide."""
    rows, columns = np.nonzero(dab)
    return bool(len(rows)) and len(rows) < 0.3 * (max(int(np.ptp(rows)), int(np.ptp(columns))) + 1) ** 2


def fir_shape(side: int) -> np.ndarray:
    """A dab like a small fir, as it comes out of a dilation, which mirrors its element."""
    dab = np.zeros((side, side), np.uint8)
    for y in range(side):
        half = side * 0.30 * (y / side) * (0.72 + 0.28 * ((y * 4 / side) % 1))
        dab[y, int(side / 2 - half) : int(side / 2 + half) + 1] = 1
    return dab[::-1, ::-1].copy()


def dabs(
    canvas: Canvas,
    xs: np.ndarray,
    ys: np.ndarray,
    light: np.ndarray,
    shapes: Sequence[np.ndarray],
    inks: Sequence[Colour],
    alpha: float = 1.0,
    soft: bool = True,
    tone: Tone | None = None,
    merge: bool = False,
) -> None:
    """Foliage, stars, flowers: a dab at every point, lighter ones in front.

    `light`: of each point, 0 to 1; it picks a colour between the `inks`, from the first to the last.
    `tone`: what makes of the light what the style shows. `merge`: neighbours flow together into one shape, whose light
    is the mean around a place.
    """
    region = canvas.region(xs, ys, max(shape.shape[0] for shape in shapes) + 2) if len(xs) else None
    if region is None:
        return
    columns, rows = (xs - region.left).astype(int), (ys - region.top).astype(int)
    inside = (columns >= 0) & (columns < region.width) & (rows >= 0) & (rows < region.height)
    columns, rows = columns[inside], rows[inside]
    values = np.clip(light[inside], 0, 1).astype(np.float32)
    toned: np.ndarray = values if tone is None or merge else tone(values)
    levels = (toned * 250 + 5).astype(np.uint8)
    front: np.ndarray = np.zeros((region.height, region.width), np.uint8)
    count = len(shapes)
    for i, shape in enumerate(shapes):
        points = np.zeros((region.height, region.width), np.uint8)
        points[rows[i::count], columns[i::count]] = levels[i::count]
        np.maximum(front, cv2.dilate(points, shape), out=front)
    if merge:
        front = _merged(front, math.sqrt(min(np.count_nonzero(shape) for shape in shapes)), tone)
    cover: np.ndarray = (front > 0).astype(np.float32) * np.float32(alpha)
    if soft:
        cover = cv2.blur(cover, (3, 3))
        front = np.where(front == 0, cv2.dilate(front, np.ones((3, 3), np.uint8)), front)
    table = ramp(inks)
    canvas.blend(cover, [table[i][front] for i in range(3)], region.top, region.left)


def _merged(front: np.ndarray, side: float, tone: Tone | None) -> np.ndarray:
    """Levels (h, w) of dabs that flow together; `side`: of a square as large as the smallest dab, in pixels."""
    radius = max(1, round(side / 2))
    element = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))
    shape = cv2.morphologyEx((front > 0).astype(np.uint8), cv2.MORPH_CLOSE, element)
    if radius > 2:
        shape = cv2.threshold(cv2.blur(shape * 255, (radius, radius)), 127, 1, cv2.THRESH_BINARY)[1]
    window = (4 * radius + 1, 4 * radius + 1)
    weight = cv2.blur((front > 0).astype(np.float32), window)
    mean = cv2.blur(front.astype(np.float32), window) / np.maximum(weight, np.float32(1e-3))
    light = np.clip((mean - 5) / 250, 0, 1)
    toned = light if tone is None else tone(light)
    return np.where(shape > 0, toned * 250 + 5, 0).astype(np.uint8)


def strokes(
    canvas: Canvas,
    segments: np.ndarray,
    widths: np.ndarray,
    ink: Colour,
    alpha: float = 1.0,
    dry: float = 0.0,
    texture: float = 0.16,
) -> None:
    """Straight pieces of a brush's way: segments (n, 2, 2) from point to point, widths (n,) in pixels.

    `dry`: how much the bristles leave bare; `texture`: how much the colour varies where they leave nothing.
    """
    region = canvas.region(segments[..., 0], segments[..., 1], float(widths.max()) + 3) if len(segments) else None
    if region is None:
        return
    mask = np.zeros((region.height, region.width), np.uint8)
    points = ((segments - [region.left, region.top]) * 2**_FINE).astype(np.int32)
    thickness = np.maximum(np.rint(widths), 1).astype(int)
    for width in np.unique(thickness):
        cv2.polylines(mask, list(points[thickness == width]), False, 255, int(width), cv2.LINE_AA, _FINE)
    cover = mask.astype(np.float32) * np.float32(alpha / 255)
    colours: Ink = ink
    if dry or texture:
        noise = canvas.noise(region.height, region.width, 2.2, 0.9)
        if dry:
            cover *= 1 - np.float32(dry) * np.clip((noise + 0.1) / 1.4, 0, 1)
        else:
            colours = [channel * (1 + np.float32(texture) * noise) for channel in ink]
    canvas.blend(cover, colours, region.top, region.left)


def path(points: np.ndarray) -> np.ndarray:
    """Points (n, 2), or several ways (m, n, 2), as the segments between neighbours: (k, 2, 2)."""
    pairs = np.stack([points[..., :-1, :], points[..., 1:, :]], -2)
    return pairs.reshape(-1, 2, 2)


def fill(
    canvas: Canvas, polygons: Sequence[Polygon], region: Region, outline: Colour | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Polygons in canvas pixels, y down, over each other: cover (h, w) from 0 to 1, colours (h, w, 3) from 0 to 1."""
    mask = np.zeros((region.height, region.width), np.uint8)
    colours = np.zeros((region.height, region.width, 3), np.uint8)
    for points, ink in polygons:
        corners = ((points - [region.left, region.top]) * 2**_FINE).astype(np.int32)
        cv2.fillPoly(mask, [corners], 255, cv2.LINE_AA, _FINE)
        cv2.fillPoly(colours, [corners], [channel * 255 for channel in ink], cv2.LINE_AA, _FINE)
        if outline is not None:
            cv2.polylines(colours, [corners], True, [channel * 255 for channel in outline], 1, cv2.LINE_AA, _FINE)
    return mask.astype(np.float32) * np.float32(1 / 255), colours.astype(np.float32) * np.float32(1 / 255)
