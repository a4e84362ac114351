"""A piece of food as a picture of its own: lit lumps over each other, their shadow, their outline."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import cv2
import numpy as np

from recipes.dishes.shapes import Mark, turned
from recipes.drawing.colour import Colour, mix
from recipes.drawing.noise import smoothstep

if TYPE_CHECKING:
    from recipes.dishes.scene import Scene

_FINE = 3  # bits of a pixel's fraction that OpenCV takes
_SHADOW_INK = np.array([0.20, 0.10, 0.07], np.float32)[:, None, None]


class Sprite(NamedTuple):
    """`paint` (3, h, w) is added to what `keep` (3, h, w) leaves of the canvas; `alpha` (h, w) is what it covers.
    `left`, `top`: where its first column and row lie from the place that it is put at."""

    paint: np.ndarray
    keep: np.ndarray
    alpha: np.ndarray
    left: int
    top: int


@dataclass(frozen=True)
class Look:
    """What a lump is made of.

    `dome`: how high it rises, as a share of its half width, with `edge`: the part of the half width that is round;
    `edge_ink`: the colour of thin or browned edges, in the outer part `edge_share`; `patch`: a second colour in soft
    patches over `patched` of it; `bumps`: how rough it is; `clear`: how much of what lies below shows through.
    """

    ink: Colour
    gloss: float = 0.4
    dome: float = 0.9
    edge: float = 1.0
    edge_ink: Colour | None = None
    edge_share: float = 0.5
    patch: Colour | None = None
    patched: float = 0.4
    patch_size: float = 1.0
    bumps: float = 0.0
    sharp: float = 26.0
    clear: float = 0.0
    contour: float = 1.0


class Piece:
    """A square buffer into which lumps are painted; sizes are canvas pixels from its middle."""

    def __init__(self, scene: "Scene", reach: float):
        self.scene = scene
        self.shadow_reach = int(max(3, (scene.style.soft + 6) * scene.pixel))
        self.half = int(reach) + self.shadow_reach + 2
        side = 2 * self.half + 1
        self.paint = np.zeros((3, side, side), np.float32)
        self.alpha = np.zeros((side, side), np.float32)

    def project(self, points: np.ndarray, size: float, angle: float, upright: float) -> np.ndarray:
        """Points in units to pixels: scaled, turned, flattened as the view sees what lies (0) or stands (1)."""
        points = turned(points * size, angle)
        flat = self.scene.view.squash + (1 - self.scene.view.squash) * upright
        return points * [1, flat]

    def lump(
        self,
        outline: np.ndarray,
        look: Look,
        size: float,
        angle: float = 0.0,
        upright: float = 0.4,
        at: tuple[float, float] = (0.0, 0.0),
        marks: Sequence[Mark] = (),
    ) -> "Piece":
        """A rounded, lit form; `at`: its middle in pixels from that of the piece."""
        scene = self.scene
        points = self.project(outline, size, angle, upright) + at + self.half
        box = self._box(points, 3)
        if box is None:
            return self
        left, top, right, bottom = box
        mask = np.zeros((bottom - top, right - left), np.uint8)
        corners = _fixed(points - [left, top])
        cv2.fillPoly(mask, [corners], 255, cv2.LINE_AA, _FINE)
        ink = scene.style.pigment(look.ink)
        albedo = np.empty((3, *mask.shape), np.float32)
        for channel, value in zip(albedo, ink, strict=True):
            channel[:] = value
        depth = cv2.distanceTransform((mask > 100).astype(np.uint8), cv2.DIST_L2, 3)
        deepest = max(float(depth.max()), 1.0)
        if look.edge_ink is not None:
            inner = smoothstep(depth, 0, deepest * look.edge_share)
            _toward(albedo, scene.style.pigment(look.edge_ink), 1 - inner)
        if look.patch is not None:
            noise = scene.noise(*mask.shape, 3.6 / look.patch_size)
            start = 1.1 - 2.2 * look.patched
            hard = 0.12 if scene.style.flat else 0.6
            _toward(albedo, scene.style.pigment(look.patch), smoothstep(noise, start - hard, start + hard))
        if marks:
            albedo = self._marked(albedo, marks, size, angle, upright, (at[0] - left, at[1] - top))
        colour = self._lit(albedo, mask, depth, deepest, look)
        alpha = mask.astype(np.float32) * np.float32(1 / 255)
        self._lay(colour, alpha * np.float32(1 - look.clear) if look.clear else alpha, left, top)
        if scene.style.contour is not None and look.contour:
            self._contour(points, look.ink, look.contour, deepest)
        return self

    def faces(self, polygons: Sequence[tuple[np.ndarray, Colour]], outline: bool = True) -> "Piece":
        """Flat polygons in pixels from the middle, over each other."""
        every = np.concatenate([points for points, _ in polygons]) + self.half
        box = self._box(every, 3)
        if box is None:
            return self
        left, top, right, bottom = box
        mask = np.zeros((bottom - top, right - left), np.uint8)
        colours = np.zeros((bottom - top, right - left, 3), np.uint8)
        for points, ink in polygons:
            corners = _fixed(points + self.half - [left, top])
            cv2.fillPoly(mask, [corners], 255, cv2.LINE_AA, _FINE)
            cv2.fillPoly(colours, [corners], [c * 255 for c in self.scene.style.pigment(ink)], cv2.LINE_AA, _FINE)
        planes = np.ascontiguousarray(colours.transpose(2, 0, 1)).astype(np.float32) * np.float32(1 / 255)
        self._lay(planes, mask.astype(np.float32) * np.float32(1 / 255), left, top)
        if outline and self.scene.style.contour is not None:
            for points, ink in polygons:
                self._contour(points + self.half, ink, 0.8)
        return self

    def lines(self, ways: Sequence[np.ndarray], ink: Colour, width: float, alpha: float = 1.0) -> "Piece":
        """Lines through points in pixels from the middle."""
        box = self._box(np.concatenate(list(ways)) + self.half, width + 2)
        if box is None:
            return self
        left, top, right, bottom = box
        mask = np.zeros((bottom - top, right - left), np.uint8)
        corners = [_fixed(points + self.half - [left, top]) for points in ways]
        cv2.polylines(mask, corners, False, 255, max(1, round(width)), cv2.LINE_AA, _FINE)
        cover = mask.astype(np.float32) * np.float32(alpha / 255)
        colour = np.empty((3, *mask.shape), np.float32)
        for channel, value in zip(colour, self.scene.style.pigment(ink), strict=True):
            channel[:] = value
        self._lay(colour, cover, left, top)
        return self

    def done(self, shadow: float = 1.0) -> Sprite:
        """The sprite with its contact shadow."""
        style, pixel = self.scene.style, self.scene.pixel
        x, y, width, height = cv2.boundingRect((self.alpha > 0).view(np.uint8))
        margin = self.shadow_reach
        side = self.alpha.shape[0]
        left, right = max(0, x - margin), min(side, x + width + margin)
        top, bottom = max(0, y - margin), min(side, y + height + margin)
        paint, alpha = self.paint[:, top:bottom, left:right], self.alpha[top:bottom, left:right]
        strength = style.shadow * shadow
        if not strength:
            return Sprite(paint, np.repeat((1 - alpha)[None], 3, 0), alpha, left - self.half, top - self.half)
        drop, aside = int(4 * pixel + 1), round(-self.scene.light * 3 * pixel)
        fallen: np.ndarray = np.zeros_like(alpha)
        ends = max(aside, 0), alpha.shape[1] + min(aside, 0)
        fallen[drop:, ends[0] : ends[1]] = alpha[:-drop, ends[0] - aside : ends[1] - aside]
        if style.soft:
            k = int(style.soft * pixel) | 1
            fallen = cv2.blur(cv2.blur(fallen, (k, k)), (k, k))
        fallen *= np.float32(strength)
        keep = (1 - alpha) * (1 - fallen * (1 - _SHADOW_INK))
        return Sprite(paint, keep, alpha, left - self.half, top - self.half)

    # How it is painted

    def _box(self, points: np.ndarray, margin: float) -> tuple[int, int, int, int] | None:
        side = self.alpha.shape[0]
        left, top = (max(0, math.floor(v - margin)) for v in points.min(0))
        right, bottom = (min(side, math.ceil(v + margin)) for v in points.max(0))
        return None if right - left < 3 or bottom - top < 3 else (left, top, right, bottom)

    def _lay(self, colour: np.ndarray, alpha: np.ndarray, left: int, top: int) -> None:
        height, width = alpha.shape
        paint = self.paint[:, top : top + height, left : left + width]
        paint += (colour - paint) * alpha
        below = self.alpha[top : top + height, left : left + width]
        below += (1 - below) * alpha

    def _marked(
        self,
        albedo: np.ndarray,
        marks: Sequence[Mark],
        size: float,
        angle: float,
        upright: float,
        at: tuple[float, float],
    ) -> np.ndarray:
        image = (np.clip(albedo, 0, 1) * 255).astype(np.uint8).transpose(1, 2, 0).copy()
        for mark in marks:
            corners = _fixed(self.project(mark.points, size, angle, upright) + at + self.half)
            ink = [channel * 255 for channel in self.scene.style.pigment(mark.ink)]
            if mark.width:
                thick = max(1, round(mark.width * size))
                cv2.polylines(image, [corners], False, ink, thick, cv2.LINE_AA, _FINE)
            else:
                cv2.fillPoly(image, [corners], ink, cv2.LINE_AA, _FINE)
        return np.ascontiguousarray(image.transpose(2, 0, 1)).astype(np.float32) * np.float32(1 / 255)

    def _lit(self, albedo: np.ndarray, mask: np.ndarray, depth: np.ndarray, deepest: float, look: Look) -> np.ndarray:
        scene, style = self.scene, self.scene.style
        reach = max(deepest * look.edge, 1.0)
        slope = np.clip(depth * np.float32(1 / reach), 0, 1)
        height: np.ndarray = slope * (2 - slope) * np.float32(0.85 * reach * look.dome)
        if look.bumps and not style.flat:
            height += scene.noise(mask.shape[0], mask.shape[1], 7.0) * np.float32(look.bumps * deepest * 0.12)
        height = cv2.GaussianBlur(height, (0, 0), max(0.8, 0.16 * reach), borderType=cv2.BORDER_REPLICATE)
        across = cv2.Sobel(height, cv2.CV_32F, 1, 0, ksize=3, scale=1 / 8)
        down = cv2.Sobel(height, cv2.CV_32F, 0, 1, ksize=3, scale=1 / 8)
        inverse = 1 / np.sqrt(1 + across * across + down * down)
        lx, ly, lz = scene.sun
        light = (np.float32(lz) - across * np.float32(lx) - down * np.float32(ly)) * inverse * np.float32(1 / lz)
        hx, hy, hz = scene.halfway
        facing = np.clip((np.float32(hz) - across * np.float32(hx) - down * np.float32(hy)) * inverse, 0, 1)
        tone = style.tone(np.float32(0.44) + np.float32(0.56) * np.maximum(light, 0))
        colour = albedo * tone
        # Shade on food is warm: red keeps more light than blue.
        dark = np.clip(1 - tone, 0, 1) * np.float32(0.34)
        colour[0] *= 1 + dark
        colour[2] *= 1 - dark * np.float32(0.8)
        if style.rim:
            rim = np.clip(1 - depth * np.float32(1 / min(5 * scene.pixel, 0.5 * deepest)), 0, 1)
            colour *= 1 - np.float32(style.rim) * ((rim > 0.3) if style.flat else rim)
        if style.bloom:
            amount = style.bloom * min(1.0, 45 * scene.pixel / deepest)  # large sheets would look dirty
            colour *= 1 + np.float32(amount) * scene.noise(mask.shape[0], mask.shape[1], 2.2)
        if look.gloss:
            level = np.float32(hz**look.sharp)  # what a level face mirrors is no highlight
            mirrored = np.clip((np.power(facing, np.float32(look.sharp)) - level) / (1 - level), 0, 1)
            shine = style.shine(mirrored * np.float32(look.gloss))
            colour += (1 - colour) * shine
        return np.clip(colour, 0, 1)

    def _contour(self, points: np.ndarray, ink: Colour, strength: float, deepest: float = 99.0) -> None:
        """An outline; thinner around thin pieces, of half width `deepest` in pixels, which it would drown."""
        style, pixel = self.scene.style, self.scene.pixel
        if style.contour is None:
            return
        line = mix((ink[0] * 0.35, ink[1] * 0.35, ink[2] * 0.35), style.contour, 0.6)
        closed = np.concatenate([points, points[:1]])
        wide = min(style.line * pixel, max(1.0, 0.22 * deepest))
        self.lines_at([closed], line, wide, 0.85 * strength * min(1.0, 0.45 + deepest / (22 * pixel)))
        if style.pressed and deepest > 9 * pixel:
            step = np.diff(closed, axis=0)
            area = float((closed[:-1, 0] * closed[1:, 1] - closed[1:, 0] * closed[:-1, 1]).sum())
            normal = np.stack([step[:, 1], -step[:, 0]], 1) * math.copysign(1, area)
            lx, ly, _ = self.scene.sun
            away = normal @ np.array([lx, ly]) < -0.35 * np.hypot(step[:, 0], step[:, 1])
            ways = [closed[i : i + 2] for i in np.flatnonzero(away)]
            if ways:
                self.lines_at(ways, line, style.line * pixel * 1.7, 0.8 * strength)

    def lines_at(self, ways: Sequence[np.ndarray], ink: Colour, width: float, alpha: float) -> None:
        """Lines through buffer pixels, in an ink as it is."""
        box = self._box(np.concatenate(list(ways)), width + 2)
        if box is None:
            return
        left, top, right, bottom = box
        mask = np.zeros((bottom - top, right - left), np.uint8)
        cv2.polylines(
            mask, [_fixed(w - [left, top]) for w in ways], False, 255, max(1, round(width)), cv2.LINE_AA, _FINE
        )
        colour = np.empty((3, *mask.shape), np.float32)
        for channel, value in zip(colour, ink, strict=True):
            channel[:] = value
        self._lay(colour, mask.astype(np.float32) * np.float32(alpha / 255), left, top)


def _toward(albedo: np.ndarray, ink: Colour, share: np.ndarray) -> None:
    for channel, value in zip(albedo, ink, strict=True):
        channel += (np.float32(value) - channel) * share


def _fixed(points: np.ndarray) -> np.ndarray:
    return np.rint(points * 2**_FINE).astype(np.int32)
