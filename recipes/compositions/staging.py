"""Art on a painted scene: lit by its light, with a shadow on land, a water line and a mirror image on water."""

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

from recipes.compositions.art import Piece, mirrored
from recipes.compositions.nouns import AIR, LAND, WATER
from recipes.drawing.canvas import Canvas
from recipes.drawing.colour import BLACK, WHITE, mix
from recipes.landscapes.scene import Scene

# Classes of label maps on which a thing can be.
UNDER = {LAND: ("地", "沙", "雪", "路", "草", "花"), WATER: ("水",), AIR: ("天", "云")}
_DAYLIGHT = {"清晨": 0.6, "白天": 1.0, "黄昏": 0.62, "夜晚": 0.52}
_SUNK = {True: 0.10, False: 0.05}  # share of a swimmer's, of a hull's height below the water line


@dataclass(frozen=True)
class Actor:
    """Something that can be set on a scene.

    `draw`: takes the scene, the pixel (x, y) of its foot, of its water line or, in the air, of its middle, and its
    longer side in pixels; `shape`: its width and height, the longer of them 1;
    `names`: of the things that it is in the scene; `size`: its longer side as a share of the picture's shorter one."""

    word: str
    measures: tuple[str, ...]
    place: str
    alive: bool
    size: float
    shape: tuple[float, float]
    names: tuple[str, ...]
    draw: Callable[[Scene, float, float, float], None]


def actor(piece: Piece, place: str, turned: bool = False) -> Actor:
    """A picture of the art as an actor."""
    noun = piece.noun

    def draw(scene: Scene, x: float, y: float, longer: float) -> None:
        drawing = piece.draw(longer)
        set_down(scene, mirrored(drawing) if turned else drawing, x, y, place, noun.word, noun.alive)

    return Actor(noun.word, noun.measures, place, noun.alive, noun.size, piece.shape, (noun.word,), draw)


def set_down(
    scene: Scene, drawing: np.ndarray, x: float, y: float, place: str, word: str, alive: bool, label: str = "动物"
) -> None:
    """A drawing (h, w, 4) at canvas pixel (x, y), with what joins it to the scene."""
    drawing = lit(scene, drawing)
    height, width = drawing.shape[:2]
    left = round(x - width / 2)
    if place == AIR:
        lay(scene, drawing, left, round(y - height / 2), word, label)
        return
    if place == WATER:
        drawing = drawing[: round(height * (1 - _SUNK[alive]))]
        height = drawing.shape[0]
        _mirror_image(scene, drawing, left, round(y))
    else:
        _shadow(scene, x, y, width)
    lay(scene, drawing, left, round(y - height), word, label)
    if place == WATER:
        _cut_by_water(scene, drawing, left, round(y))


def lit(scene: Scene, drawing: np.ndarray) -> np.ndarray:
    """A drawing under the scene's light and in its air."""
    facts, palette = scene.facts, scene.palette
    light = np.array(mix(palette.ambient, WHITE, _DAYLIGHT[facts.time]), np.float32)
    haze = 0.35 * facts.fog * (0.6 if facts.night else 1.0)
    colours = drawing[..., :3] * light
    colours = colours + (np.array(palette.haze, np.float32) - colours) * np.float32(haze * 0.7)
    return np.concatenate([colours, drawing[..., 3:]], -1)


def lay(scene: Scene, drawing: np.ndarray, left: int, top: int, word: str, label: str) -> None:
    """Lay a drawing on the canvas as a thing of its own; what is outside is cut."""
    region = _visible(scene, drawing, left, top)
    with scene.thing(word, label):
        if region is not None:
            part, x, y = region
            Canvas.blend(scene, part[..., 3], [part[..., i] for i in range(3)], y, x)


def _visible(scene: Scene, drawing: np.ndarray, left: int, top: int) -> tuple[np.ndarray, int, int] | None:
    x, y = max(left, 0), max(top, 0)
    part = drawing[y - top : scene.height - top, x - left : scene.width - left]
    return (part, x, y) if part.size else None


def _shadow(scene: Scene, x: float, y: float, width: float) -> None:
    """A soft dark oval on the land below something, drawn a little away from the light."""
    half, flat = width * 0.5, max(3.0, width * 0.075)
    region = scene.region([x - half * 1.5, x + half * 1.5], [y - flat * 3, y + flat * 3], 0)
    if region is None:
        return
    across, down = scene.offsets(region, x - scene.light * half * 0.16, y - flat * 0.2)
    distance = (across / np.float32(half)) ** 2 + (down / np.float32(flat)) ** 2
    cover = np.clip(1.15 - distance, 0, 1) * np.float32(0.2 if scene.facts.night else 0.42)
    land = _labelled(scene, UNDER[LAND])[region.top : region.bottom, region.left : region.right]
    scene.glaze((cover * land).astype(np.float32), mix(scene.palette.near, BLACK, 0.45), region.top, region.left)


def _labelled(scene: Scene, labels: tuple[str, ...]) -> np.ndarray:
    """(H, W) bool: where the scene shows one of these classes."""
    known = np.array(["天" in labels, *(thing.label in labels for thing in scene.things)])
    return known[scene.owner]


def _mirror_image(scene: Scene, drawing: np.ndarray, left: int, line: int) -> None:
    """A dim, rippled image upside down below the water line."""
    height, width = drawing.shape[:2]
    tall = max(2, round(height * 0.55))
    image = cv2.resize(drawing[::-1], (width, tall), interpolation=cv2.INTER_AREA)
    rows = np.arange(tall, dtype=np.float32)
    sway = np.sin(rows / np.float32(2.6 * scene.pixel)) * (1 + rows * np.float32(0.03)) * np.float32(1.6 * scene.pixel)
    columns = np.arange(width, dtype=np.float32)[None] + sway[:, None]
    image = cv2.remap(image, columns, np.broadcast_to(rows[:, None], columns.shape).copy(), cv2.INTER_LINEAR)
    visible = _visible(scene, image, left, line)
    if visible is None:
        return
    part, x, y = visible
    fading = np.linspace(0.42, 0.0, tall, dtype=np.float32)[: part.shape[0], None]
    water = _labelled(scene, UNDER[WATER])[y : y + part.shape[0], x : x + part.shape[1]]
    inks = [part[..., i] * np.float32(0.75) + np.float32(0.25 * scene.palette.water[i]) for i in range(3)]
    scene.glaze(part[..., 3] * fading * water, inks, y, x)


def _cut_by_water(scene: Scene, drawing: np.ndarray, left: int, line: int) -> None:
    """Foam where a drawing meets the water."""
    wet = np.flatnonzero(drawing[-3:, :, 3].max(0) > 0.5)
    if len(wet):
        water_line(scene, left + float(wet[0]), left + float(wet[-1]), line)


def water_line(scene: Scene, start: float, end: float, line: float) -> None:
    """Foam along a row of water between two columns, and a ripple beyond."""
    pixel = scene.pixel
    foam = mix(scene.palette.sky[3], WHITE, 0.5)
    for reach, below, cover in ((6, 0.0, 0.75), (16, 5.0, 0.35)):
        region = scene.region([start - reach * pixel, end + reach * pixel], [line - 4 * pixel, line + 12 * pixel], 0)
        if region is None:
            continue
        middle, half = (start + end) / 2, (end - start) / 2 + reach * pixel
        across, down = scene.offsets(region, middle, line + below * pixel)
        bow = np.sqrt(np.clip(1 - (across / np.float32(half)) ** 2, 0, 1))
        stripe = np.clip(1.6 * pixel - np.abs(down - bow * np.float32(1.5 * pixel)) + 0.5, 0, 1) * (bow > 0)
        scene.glaze((stripe * np.float32(cover)).astype(np.float32), foam, region.top, region.left)
