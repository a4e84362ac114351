"""A scene: a canvas with its facts, its view, its light and the style that it is painted in."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from recipes.dishes.facts import VIEWS, Facts
from recipes.dishes.piece import Look, Piece, Sprite
from recipes.dishes.shapes import Mark
from recipes.dishes.style import Style
from recipes.drawing.canvas import Canvas, Thing
from recipes.drawing.colour import Colour

OPTIONAL = ("葱花", "香菜", "芝麻", "桂花", "杞子")  # what is strewn on dishes that are the same without
Outline = tuple[np.ndarray, Sequence[Mark]]


@dataclass(frozen=True)
class Stock:
    """Pieces of one ingredient, drawn several times, to be laid out. `name`: its plain noun in captions."""

    name: str
    sprites: Sequence[Sprite]


@dataclass
class Surface:
    """Where food lies: an ellipse in canvas pixels. `unit`: its half width; `deep`: it holds soup."""

    x: float
    y: float
    unit: float
    squash: float
    lift: float
    deep: bool = False
    stretch: float = 1.0  # the half width over `unit`, of oval dishes
    rim: float = 0.0  # height of the wall around it, in units
    face: float = 1.0  # -1: laid out as in a mirror
    turn: float = 0.0  # by which a layout is turned, in radians

    def at(self, u: float, v: float, height: float = 0.0) -> tuple[float, float]:
        """Canvas pixels of a place in the unit disc, `height` units above the surface."""
        if self.turn or self.face < 0:
            c, s = math.cos(self.turn), math.sin(self.turn)
            u, v = self.face * (u * c - v * s), u * s + v * c
        return (
            self.x + u * self.unit * self.stretch,
            self.y + v * self.unit * self.squash - height * self.unit * self.lift,
        )


class Scene(Canvas):
    """What tables, vessels and ingredients paint on.

    `light`: 1 where light comes from the right, -1 from the left; `sun`, `halfway`: unit vectors to the light, and
    between it and the eye; x to the right, y down, z to the eye. `omitted`: what is not strewn on this dish.
    """

    def __init__(self, facts: Facts, size: tuple[int, int], style: Style, rng: np.random.Generator):
        super().__init__(size, rng)
        self.facts, self.style, self.view = facts, style, VIEWS[facts.view]
        self.light = float(rng.choice([-1, 1]))
        self.sun = _unit(self.light * 0.42, -0.55, 0.72)
        self.halfway = _unit(self.sun[0], self.sun[1], self.sun[2] + 1)
        self.table = ""  # what captions call the table; a plain one by its colour
        # Now and then a dish comes without them, so that captions that name them say something.
        self.omitted = {name for name in OPTIONAL if self.chance(0.3)}
        self._numbers: dict[str, Thing] = {}

    def say_table(self, name: str) -> None:
        """Note what the table is, or that the style paints none."""
        self.table = name

    # Chance

    def between(self, low: float, high: float) -> float:
        """A number between two, all alike."""
        return float(self.rng.uniform(low, high))

    def chance(self, share: float) -> bool:
        """True in this share of the cases."""
        return bool(self.rng.random() < share)

    def count(self, low: int, high: int) -> int:
        """A whole number from `low` to `high`."""
        return int(self.rng.integers(low, high + 1))

    def angle(self) -> float:
        """Any direction, in radians."""
        return self.between(0, 2 * math.pi)

    # Things

    def named(self, name: str) -> Thing:
        """The thing of a name: all pieces of one ingredient are one thing."""
        if name not in self._numbers:
            thing = Thing(name, name, len(self.things) + 1)
            self.things.append(thing)
            self._numbers[name] = thing
        return self._numbers[name]

    def stamp(self, sprite: Sprite, x: float, y: float, name: str) -> None:
        """Put a piece with its middle at (x, y)."""
        height, width = sprite.alpha.shape
        left, top = round(x) + sprite.left, round(y) + sprite.top
        a, b = max(0, -left), max(0, -top)
        c, d = min(width, self.width - left), min(height, self.height - top)
        if c - a < 2 or d - b < 2:
            return
        canvas = self.rgb[:, top + b : top + d, left + a : left + c]
        canvas *= sprite.keep[:, b:d, a:c]
        canvas += sprite.paint[:, b:d, a:c]
        owner = self.owner[top + b : top + d, left + a : left + c]
        np.copyto(owner, np.int16(self.named(name).number), where=sprite.alpha[b:d, a:c] > 0.45)

    def piece(
        self,
        outline: np.ndarray,
        look: Look,
        size: float,
        angle: float = 0.0,
        upright: float = 0.4,
        marks: Sequence[Mark] = (),
        shadow: float = 1.0,
    ) -> Sprite:
        """One lump as a sprite; `size`: canvas pixels a unit."""
        reach = float(np.hypot(outline[:, 0], outline[:, 1]).max()) * size
        return Piece(self, reach).lump(outline, look, size, angle, upright, marks=marks).done(shadow)

    def stock(
        self,
        name: str,
        outline: Callable[[], Outline],
        look: Look | Callable[[], Look],
        size: float,
        kinds: int = 6,
        upright: float = 0.4,
        angles: tuple[float, float] = (0.0, 2 * math.pi),
        shadow: float = 1.0,
    ) -> Stock:
        """Several pieces of an ingredient; `size`: canvas pixels a unit, varied by a tenth."""
        sprites = []
        for i in range(kinds):
            points, marks = outline()
            # Directions are spread evenly, so that few pieces show many.
            angle = angles[0] + (angles[1] - angles[0]) * (i + self.between(0, 1)) / kinds
            this = look if isinstance(look, Look) else look()
            sprites.append(self.piece(points, this, size * self.between(0.9, 1.1), angle, upright, marks, shadow))
        return Stock(name, sprites)

    # Layers

    def wash(self, mask: np.ndarray, ink: Colour, name: str, shade: np.ndarray | float = 1.0) -> None:
        """Cover `mask` (H, W), 0 to 1, with a colour as the style lays it, times `shade`: (H, W), (1, W) or (H, 1)."""
        x, y, width, height = cv2.boundingRect((mask > 0).view(np.uint8))
        rows, columns = slice(y, y + height), slice(x, x + width)
        cut = mask[rows, columns]
        if isinstance(shade, np.ndarray):
            shade = shade[rows if shade.shape[0] > 1 else slice(None), columns if shade.shape[1] > 1 else slice(None)]
        for channel, value in zip(self.rgb[:, rows, columns], self.style.pigment(ink), strict=True):
            step = np.float32(value) * shade - channel
            step *= cut
            channel += step
        np.copyto(self.owner[rows, columns], np.int16(self.named(name).number), where=cut > 0.45)

    def tinge(self, mask: np.ndarray, ink: Colour) -> None:
        """As `tint`, for a `mask` (H, W) that is empty in most places."""
        x, y, width, height = cv2.boundingRect((mask > 0).view(np.uint8))
        if width and height:
            self.tint(mask[y : y + height, x : x + width], ink, y, x)

    def ellipse(self, x: float, y: float, across: float, down: float) -> np.ndarray:
        """(H, W) from 0 to 1: a smooth-edged ellipse."""
        mask = np.zeros((self.height, self.width), np.uint8)
        axes = max(1, round(across * 8)), max(1, round(down * 8))
        cv2.ellipse(mask, (round(x * 8), round(y * 8)), axes, 0, 0, 360, 255, -1, cv2.LINE_AA, 3)
        return mask.astype(np.float32) * np.float32(1 / 255)

    def polygon(self, points: np.ndarray) -> np.ndarray:
        """(H, W) from 0 to 1: a smooth-edged polygon in canvas pixels."""
        mask = np.zeros((self.height, self.width), np.uint8)
        cv2.fillPoly(mask, [np.rint(points * 8).astype(np.int32)], 255, cv2.LINE_AA, 3)
        return mask.astype(np.float32) * np.float32(1 / 255)

    def lines(
        self, ways: Sequence[np.ndarray], ink: Colour, width: float, alpha: float = 1.0, clip: np.ndarray | None = None
    ) -> None:
        """Lines in canvas pixels, which leave the owner; `clip` (H, W): where they may show."""
        points = np.concatenate(list(ways))
        region = self.region(points[:, 0], points[:, 1], width + 2)
        if region is None:
            return
        mask = np.zeros((region.height, region.width), np.uint8)
        corners = [np.rint((way - [region.left, region.top]) * 8).astype(np.int32) for way in ways]
        cv2.polylines(mask, corners, False, 255, max(1, round(width)), cv2.LINE_AA, 3)
        cover = mask.astype(np.float32) * np.float32(alpha / 255)
        if clip is not None:
            cover *= clip[region.top : region.bottom, region.left : region.right]
        self.tint(cover, ink, region.top, region.left)

    def contour(self, points: np.ndarray, ink: Colour, width: float = 1.0) -> None:
        """The outline of a vessel, in styles that have outlines."""
        if self.style.contour is None:
            return
        line = [a * 0.25 * 0.4 + b * 0.6 for a, b in zip(ink, self.style.contour, strict=True)]
        closed = np.concatenate([points, points[:1]])
        self.lines([closed], (line[0], line[1], line[2]), self.style.line * self.pixel * width, 0.85)

    def shadow(self, mask: np.ndarray, strength: float, dx: float, dy: float, blur: float) -> None:
        """The shadow of `mask` (H, W) on what was painted, moved by pixels."""
        moved = cv2.warpAffine(mask, np.array([[1, 0, dx], [0, 1, dy]], np.float32), (self.width, self.height))
        if self.style.soft:
            small = cv2.resize(moved, (self.width // 4, self.height // 4), interpolation=cv2.INTER_AREA)
            small = cv2.GaussianBlur(small, (0, 0), max(0.6, blur / 4))
            moved = cv2.resize(small, (self.width, self.height), interpolation=cv2.INTER_LINEAR)
        self.soak(moved * np.float32(strength * self.style.shadow), (0.22, 0.12, 0.10))


def _unit(x: float, y: float, z: float) -> tuple[float, float, float]:
    length = math.sqrt(x * x + y * y + z * z)
    return x / length, y / length, z / length
