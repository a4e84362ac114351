"""The palette of colour sketches (涂鸦成山水): which colour of a rough drawing stands for what in a landscape.

The colours are swatches of Windows' Paint and two more, so that nobody need mix any. White is paper, where the model
decides; thin black lines are outlines, which separate colours and mean nothing. Hour, season and weather are said in
the prompt: the sky is light blue at night, too.
"""

from collections.abc import Mapping

import numpy as np

Rgb = tuple[int, int, int]

SKETCH_COLOURS: Mapping[str, Rgb] = {
    "天": (153, 217, 234),
    "云": (200, 191, 231),
    "日月": (255, 242, 0),
    "山": (127, 127, 127),
    "水": (0, 162, 232),
    "地": (185, 122, 87),
    "沙": (239, 228, 176),
    "路": (195, 195, 195),
    "石": (112, 146, 190),
    "树": (34, 177, 76),
    "花": (255, 174, 201),
    "草": (181, 230, 29),
    "房屋": (237, 28, 36),
    "桥": (255, 127, 39),
    "船": (136, 0, 21),
    "人": (163, 73, 164),
    "动物": (0, 90, 90),
    "印章": (80, 0, 80),
    "留白": (255, 255, 255),
}
"""Class to sRGB, 0 to 255 a channel. Class numbers are places in this order; the last one, 留白, is bare paper."""

BLANK = len(SKETCH_COLOURS) - 1
_ALSO: Mapping[str, tuple[Rgb, ...]] = {  # what people take for a class, too
    "日月": ((255, 201, 14),),
    "水": ((63, 72, 204), (0, 0, 255)),
    "花": ((255, 105, 180), (255, 0, 255)),
    "树": ((0, 128, 0),),
    "草": ((0, 255, 0),),
}
_LINE = (0, 0, 0)
_SURE = 8.0  # CIELAB units to the nearest colour: JPEG moves a flat colour less
_THICK = 1 / 16  # of the shorter side: black areas wider than this are no lines

_SWATCHES: list[tuple[int, Rgb]] = [
    *((number, colour) for number, colour in enumerate(SKETCH_COLOURS.values())),
    *((list(SKETCH_COLOURS).index(name), colour) for name, colours in _ALSO.items() for colour in colours),
    (BLANK, _LINE),  # the last: black that is no line is paper
]


def paint_classes(classes: np.ndarray) -> np.ndarray:
    """The picture (h, w, 3) uint8 of a map of classes (h, w) uint8, in the colours of the palette."""
    picture: np.ndarray = np.array(list(SKETCH_COLOURS.values()), np.uint8)[classes]
    return picture


def read_sketch(rgb: np.ndarray) -> np.ndarray:
    """The classes (h, w) uint8 of a drawing (h, w, 3) uint8: of each pixel the one whose colour is nearest in CIELAB.

    Pixels between two colours, as brushes and JPEG make them at borders, and outlines take the class that is around
    them. A picture in just the palette's colours is read exactly.
    """
    import cv2

    lab = _lab(rgb)
    nearest, distance = np.zeros(rgb.shape[:2], np.uint8), np.full(rgb.shape[:2], np.inf, np.float32)
    for place, ink in enumerate(_lab(np.array([[colour for _, colour in _SWATCHES]]))[0]):
        difference = np.linalg.norm(lab - ink, axis=-1)
        nearest[difference < distance] = place
        distance = np.minimum(distance, difference)
    classes = np.array([number for number, _ in _SWATCHES], np.uint8)[nearest]
    line = _thin(nearest == len(_SWATCHES) - 1)
    border = (cv2.dilate(lab, np.ones((3, 3))) - cv2.erode(lab, np.ones((3, 3)))).max(-1) > 2 * _SURE
    trust = np.exp(-distance / _SURE) * np.where(border, 0.1, 1)  # a blend of two colours may look like a third
    return _settled(classes, trust.astype(np.float32), (distance < 1) | ((distance < _SURE) & ~border), line)


def fill_holes(classes: np.ndarray, holes: np.ndarray) -> np.ndarray:
    """A map (h, w) whose holes (h, w), which are not all of it, have the class of the nearest pixel outside them."""
    import cv2

    _, place = cv2.distanceTransformWithLabels(
        holes.astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_5, labelType=cv2.DIST_LABEL_PIXEL
    )
    filled: np.ndarray = classes[~holes][place - 1]
    return filled


def _lab(rgb: np.ndarray) -> np.ndarray:
    import cv2

    lab: np.ndarray = cv2.cvtColor((rgb / 255).astype(np.float32), cv2.COLOR_RGB2LAB)
    return lab


def _thin(black: np.ndarray) -> np.ndarray:
    """Where black (h, w) is narrow enough for a line, and the pixel beside it, in which the line's colour blends."""
    import cv2

    side = max(3, round(min(black.shape) * _THICK))
    pen = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))
    framed = cv2.copyMakeBorder(black.astype(np.uint8), side, side, side, side, cv2.BORDER_REPLICATE)
    thick = cv2.morphologyEx(framed, cv2.MORPH_OPEN, pen)[side:-side, side:-side]
    thin = (black & (thick == 0)).astype(np.uint8)
    lines: np.ndarray = cv2.dilate(thin, np.ones((3, 3), np.uint8)) > 0
    return lines


def _settled(classes: np.ndarray, trust: np.ndarray, sure: np.ndarray, line: np.ndarray) -> np.ndarray:
    """Give the pixels that are not sure, or lines, the class that has most trust around them."""
    import cv2

    if not (line | ~sure).any():
        return classes
    filled = classes
    if line.any() and not line.all():
        filled = fill_holes(classes, line)
        trust = np.where(line, np.float32(0.1), trust)
    side = 2 * max(2, round(min(classes.shape) / 128)) + 1
    present = np.unique(filled)
    votes = [cv2.boxFilter(np.where(filled == number, trust, 0), -1, (side, side)) for number in present]
    voted = present[np.argmax(votes, 0)].astype(np.uint8)
    return np.where(sure & ~line, filled, voted)
