"""Label maps made as rough as what a person draws with a mouse: `python -m recipes.mini_v2.sketches sheet.png`.

A sketch has the classes of a label map (pai_modelscope/images/sketch_palette.py) and bare paper. The backdrop loses its
detail, things become blobs, boxes or polygons that are a little off, small ones are left out, and colours are filled in
carelessly. How much of that is drawn by chance, from the exact map on.
"""

import argparse
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from pai_modelscope.images.sketch_palette import BLANK, SKETCH_COLOURS, fill_holes, paint_classes
from recipes.landscapes.paint import paint

_BACKDROP = ("天", "山", "水", "地", "沙", "路")  # what things stand before; the others are drawn on top
_EXACT = 0.12  # share of the sketches that are the label map itself
_LARGE = 0.03  # of the picture: what is larger is never left out
_GAP = 6
Points = np.ndarray  # (n, 2) float32 corners of a polygon, in pixels
_NUMBER = {name: number for number, name in enumerate(SKETCH_COLOURS)}


def sketch(labels: np.ndarray, rng: np.random.Generator, roughness: float | None = None) -> np.ndarray:
    """The sketch (h, w) uint8 of a label map (h, w) uint8.

    `roughness`: 0 is exact, 1 as a small child draws; None: by chance.
    """
    if roughness is None:
        roughness = 0.0 if rng.random() < _EXACT else float(rng.uniform(0.1, 1.0))
    if not roughness:
        return labels.copy()
    things = ~np.isin(labels, [_NUMBER[name] for name in _BACKDROP])
    drawn = _backdrop(_filled(labels, things), rng, roughness)
    for number, polygons in _shapes(labels, things, rng, roughness):
        cv2.fillPoly(drawn, [np.round(polygon * 8).astype(np.int32) for polygon in polygons], number, shift=3)
    drawn = _trembling(drawn, rng, roughness)
    return _careless(drawn, rng, roughness)


def with_meadow(labels: np.ndarray, picture: np.ndarray) -> np.ndarray:
    """A label map whose ground, where the picture (h, w, 3) shows it green, is grass, as most people would paint it."""
    ground = labels == _NUMBER["地"]
    if not ground.any():
        return labels
    red, green, blue = np.median(picture[ground], 0)
    return np.where(ground, np.uint8(_NUMBER["草"]), labels) if green > max(red, blue) + 5 else labels


def _filled(labels: np.ndarray, holes: np.ndarray) -> np.ndarray:
    """A map whose holes (h, w) have the class of the nearest pixel outside them."""
    if not holes.any():
        return labels.copy()
    if holes.all():
        return np.full_like(labels, BLANK)
    return fill_holes(labels, holes)


def _backdrop(labels: np.ndarray, rng: np.random.Generator, roughness: float) -> np.ndarray:
    """The large areas, with round borders or as polygons with few corners, without the small ones."""
    side = min(labels.shape)
    sigma = side * roughness * rng.uniform(0.01, 0.035)
    present = np.unique(labels)
    blurred = [cv2.GaussianBlur((labels == number).astype(np.float32), (0, 0), sigma) for number in present]
    smooth = present[np.argmax(blurred, 0)]
    drawn: np.ndarray = smooth.astype(np.uint8)
    if rng.random() < 0.5:
        for number in present:
            for outline in _outlines(smooth == number, least=(side * 0.08 * roughness) ** 2):
                corners = cv2.approxPolyDP(outline, side * roughness * rng.uniform(0.01, 0.03), True)
                cv2.fillPoly(drawn, [corners], int(number))
    return drawn


def _outlines(mask: np.ndarray, least: float) -> list[np.ndarray]:
    """The outer contours (n, 1, 2) int32 of the parts of a mask (h, w) that have `least` pixels or more."""
    return [contours[0] for contours in _parts(mask, least)]


def _parts(mask: np.ndarray, least: float) -> list[list[np.ndarray]]:
    """Of each part of a mask (h, w) its outer contour (n, 1, 2) int32 and those of its holes, if of `least` pixels."""
    contours, tree = cv2.findContours(mask.astype(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    large = [cv2.contourArea(contour) + len(contour) / 2 >= max(least, 1) for contour in contours]
    parents = [] if tree is None else tree[0, :, 3]
    parts: dict[int, list[np.ndarray]] = {}
    for i in sorted(range(len(contours)), key=lambda i: parents[i]):  # the outer ones, whose parent is -1, are first
        if parents[i] < 0 and large[i]:
            parts[i] = [contours[i]]
        elif large[i] and parents[i] in parts:
            parts[parents[i]].append(contours[i])
    return list(parts.values())


def _shapes(
    labels: np.ndarray, things: np.ndarray, rng: np.random.Generator, roughness: float
) -> list[tuple[int, list[Points]]]:
    """Class and polygons, of outline and holes, of each thing that is drawn; large ones first."""
    side = min(labels.shape)
    reach = side * roughness * rng.uniform(0.005, 0.025)  # what is nearer becomes one
    least = (side * roughness * rng.uniform(0.02, 0.06)) ** 2
    shapes = []
    for number in np.unique(labels[things]):
        close = 2 * round(reach * (3 if number == _NUMBER["树"] else 1)) + 1  # a crown is drawn as one
        pen = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (close, close))
        mask = cv2.morphologyEx((labels == number).astype(np.uint8), cv2.MORPH_CLOSE, pen)
        for contours in _parts(mask, least * rng.uniform(0.3, 1)):
            if rng.random() >= 0.15 * roughness or cv2.contourArea(contours[0]) > _LARGE * labels.size:
                outlines = [contour[:, 0].astype(np.float32) for contour in contours]
                shapes.append((int(number), _shape(int(number), outlines, rng, roughness, side)))
    return sorted(shapes, key=lambda shape: -cv2.contourArea(shape[1][0]))


def _shape(number: int, outlines: list[Points], rng: np.random.Generator, roughness: float, side: int) -> list[Points]:
    """A thing's outline, and its holes', as a hand draws them: simpler, a little off in place and size."""
    outer = outlines[0]
    size = float(np.sqrt(np.prod(np.ptp(outer, 0) + 1)))
    fullness = cv2.contourArea(outer) / max(cv2.contourArea(cv2.convexHull(outer)), 1)
    simple = fullness > 0.4 and len(outlines) == 1 and np.ptp(outer, 0).max() < side / 2  # a forest is no triangle
    if simple and rng.random() < 0.25 + 0.6 * roughness:
        name = list(SKETCH_COLOURS)[number]
        drawn = [_PRIMITIVES[rng.choice(_WAYS.get(name, ("hull", "polygon")))](outer)]
    else:
        tolerance = size * roughness * rng.uniform(0.01, 0.06)
        drawn = [polygon for polygon in (_polygon(line, tolerance) for line in outlines) if len(polygon) > 2]
        drawn = drawn or [outer]
    low, high = drawn[0].min(0), drawn[0].max(0)
    thin = side * roughness * 0.02  # a mouse draws no finer lines
    scale = np.exp(rng.normal(0, 0.12 * roughness, 2)) * np.maximum(1, thin / np.maximum(high - low, 1))
    moved = rng.normal(0, 0.07 * roughness * size, 2)
    shaken = [line + rng.normal(0, 0.03 * roughness * size, line.shape) * (len(line) < 16) for line in drawn]
    return [((line - (low + high) / 2) * scale + (low + high) / 2 + moved).astype(np.float32) for line in shaken]


def _polygon(outline: Points, tolerance: float) -> Points:
    corners: Points = cv2.approxPolyDP(outline[:, None], tolerance, True)[:, 0]
    return corners


def _hull(outline: Points) -> Points:
    hull: Points = cv2.convexHull(outline)[:, 0]
    return _polygon(hull, float(np.ptp(hull, 0).max()) * 0.03)


def _ellipse(outline: Points) -> Points:
    low, high = outline.min(0), outline.max(0)
    angles = np.linspace(0, 2 * np.pi, 32, endpoint=False)
    circle = np.stack([np.cos(angles), np.sin(angles)], 1)
    ellipse: Points = ((low + high) / 2 + circle * (high - low) / 2).astype(np.float32)
    return ellipse


def _in_box(*corners: tuple[float, float]) -> Callable[[Points], Points]:
    """A polygon within the outline's box: 0 to 1, to the right and down."""

    def draw(outline: Points) -> Points:
        low, high = outline.min(0), outline.max(0)
        drawn: Points = low + np.array(corners, np.float32) * (high - low)
        return drawn

    return draw


_PRIMITIVES: dict[str, Callable[[Points], Points]] = {
    "hull": _hull,
    "polygon": lambda outline: _polygon(outline, float(np.ptp(outline, 0).max()) * 0.06),
    "ellipse": _ellipse,
    "box": _in_box((0, 0), (1, 0), (1, 1), (0, 1)),
    "house": _in_box((0.5, 0), (1, 0.4), (0.88, 0.4), (0.88, 1), (0.12, 1), (0.12, 0.4), (0, 0.4)),
    "triangle": _in_box((0.5, 0), (1, 1), (0, 1)),
    "hull of a boat": _in_box((0, 0.5), (0.4, 0.5), (0.45, 0), (0.8, 0.5), (1, 0.5), (0.85, 1), (0.15, 1)),
}
_WAYS = {
    "日月": ("ellipse", "polygon"),
    "云": ("ellipse", "hull"),
    "石": ("ellipse", "hull"),
    "树": ("ellipse", "hull", "triangle", "polygon"),
    "花": ("ellipse", "hull"),
    "草": ("ellipse", "hull"),
    "房屋": ("house", "box", "polygon"),
    "船": ("hull of a boat", "hull"),
    "印章": ("box",),
}


def _trembling(classes: np.ndarray, rng: np.random.Generator, roughness: float) -> np.ndarray:
    """Borders that a hand has drawn: everything a little off, in long waves and in short ones."""
    height, width = classes.shape
    side = min(height, width)
    across, down = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    for cells, amplitude in ((3, 0.035), (14, 0.009)):
        shape = (2, round(cells * height / side) + 1, round(cells * width / side) + 1)
        waves = rng.normal(0, amplitude * side * roughness, shape).astype(np.float32)
        across += cv2.resize(waves[0], (width, height), interpolation=cv2.INTER_CUBIC)
        down += cv2.resize(waves[1], (width, height), interpolation=cv2.INTER_CUBIC)
    moved: np.ndarray = cv2.remap(classes, across, down, cv2.INTER_NEAREST, borderMode=cv2.BORDER_REPLICATE)
    return moved


def _careless(classes: np.ndarray, rng: np.random.Generator, roughness: float) -> np.ndarray:
    """Paper that shows: areas that are not filled in, hatched or only outlined, and gaps between colours."""
    side = min(classes.shape)
    paper = np.zeros(classes.shape, bool)
    backdrop = [_NUMBER[name] for name in _BACKDROP]
    for number in np.unique(classes):
        chance, here = rng.random(), classes == number
        if number in backdrop and chance < (0.25 if number == _NUMBER["天"] else 0.08) * (0.4 + roughness):
            paper |= here
        elif number in backdrop and chance > 1 - 0.12 * roughness:
            paper |= here & ~_hatching(classes.shape, rng)
        elif 0.5 < chance < 0.5 + 0.08 * roughness and here.mean() > 0.02:
            pen = np.ones((round(side * rng.uniform(0.03, 0.06)),) * 2, np.uint8)
            paper |= cv2.erode(here.astype(np.uint8), pen, borderValue=1) > 0
    if rng.random() < 0.2 * roughness:
        pen = np.ones((max(2, round(side * rng.uniform(0.006, 0.018))),) * 2, np.uint8)
        paper |= cv2.dilate(classes, pen) != cv2.erode(classes, pen)
    return np.where(paper, np.uint8(BLANK), classes)


def _hatching(shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    """Where thick parallel strokes cover (h, w) most of the paper."""
    height, width = shape
    side = min(height, width)
    step = side * rng.uniform(0.05, 0.11)
    angle = rng.uniform(-0.5, 0.5) + rng.choice([0, np.pi / 4])
    drawn = np.zeros(shape, np.uint8)
    along, across = np.array([np.cos(angle), np.sin(angle)]), np.array([-np.sin(angle), np.cos(angle)])
    middle, reach = np.array([width, height]) / 2, (width + height) / 2
    offsets = np.arange(-reach, reach, step)
    ends = np.array([middle + across * o + along * reach * way for o in offsets for way in (-1, 1)])
    ends += rng.normal(0, step * 0.25, ends.shape)
    thickness = max(1, round(step * rng.uniform(0.6, 1.0)))
    cv2.polylines(drawn, [np.round(ends).astype(np.int32).reshape(-1, 2)], False, 1, thickness)
    return drawn > 0


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m recipes.mini_v2.sketches")
    parser.add_argument("out", type=Path, help="a sheet: landscapes, their label maps, and sketches from fine to rough")
    parser.add_argument("--count", type=int, default=12)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    cells = []
    for seed in range(args.seed, args.seed + args.count):
        painting = paint(seed)
        sketches = [
            sketch(painting.labels, np.random.default_rng([seed, number]), roughness)
            for number, roughness in enumerate((0.25, 0.6, 1.0))
        ]
        maps = [paint_classes(classes) for classes in (painting.labels, *sketches)]
        row = [np.pad(picture, ((0, _GAP), (0, _GAP), (0, 0))) for picture in (painting.image, *maps)]
        cells.append(np.concatenate(row, 1))
    columns = 2
    cells += [np.zeros_like(cells[0])] * (-len(cells) % columns)
    rows = [np.concatenate(cells[start : start + columns], 1) for start in range(0, len(cells), columns)]
    Image.fromarray(np.concatenate(rows)).save(args.out)


if __name__ == "__main__":
    main()
