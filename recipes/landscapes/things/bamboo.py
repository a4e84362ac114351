"""Bamboo: culms with nodes, twigs and leaves; a grove beside a house, a stand across the picture."""

from dataclasses import dataclass

import cv2
import numpy as np

from recipes.drawing.brushes import ellipse
from recipes.drawing.colour import Colour, colours
from recipes.landscapes.scene import Scene


@dataclass(frozen=True)
class _Joints:
    """The joints of a culm: columns and rows in pixels, (n,) each, their shares of its height; its width in pixels."""

    columns: np.ndarray
    rows: np.ndarray
    shares: np.ndarray
    width: float


def grove(scene: Scene, x: float, y: float, height: float, nearness: float = 1.0) -> None:
    """A small grove of this height in pixels, culms that fan out from (x, y)."""
    count = int(scene.rng.integers(8, 13))
    offsets = np.linspace(-1, 1, count) + scene.rng.normal(0, 0.12, count)
    order = scene.rng.permutation(count)
    with scene.thing("竹子", "树"):
        for part in (order[: count // 2], order[count // 2 :]):
            culms = []
            for offset in offsets[part]:
                tall = height * scene.between(0.72, 1.0) * (1 - 0.18 * abs(offset))
                lean, foot = offset * 0.16 + scene.between(-0.03, 0.03), y + scene.between(0, 0.02) * height
                culms.append(_culm(scene, x + offset * height * 0.16, foot, tall, lean, nearness, height * 0.022))
            _foliage(scene, culms, nearness, 0.35)


def stand(scene: Scene, count: int, nearness: float, foot: float, leaves: bool = True) -> None:
    """Culms across the whole picture that rise out of it; `foot`: their lowest row."""
    width = (6 + 13 * nearness) * scene.pixel
    places = (np.arange(count) + scene.rng.uniform(0.1, 0.9, count)) / count * scene.width
    culms = []
    for x in places:
        tall = foot + scene.height * scene.between(0.05, 0.15)
        bend = scene.rng.normal(0, 0.05)
        culms.append(_culm(scene, x, foot, tall, bend, nearness, width * scene.between(0.75, 1.2)))
    if leaves:
        _foliage(scene, culms, nearness, 0.38)


def _inks(scene: Scene, nearness: float) -> list[Colour]:
    palette = scene.palette
    codes = "2a5440 5f8f60 bcd09a" if scene.facts.season == "冬" else "1f4f34 4f8f4c b4d07c"
    if scene.facts.season == "秋":
        codes = "34502c 7c9448 d0cc78"
    inks = palette.evergreen if scene.style.chinese else [palette.lit(ink) for ink in colours(codes)]
    return [scene.faded(ink, 0.25 + 0.75 * nearness) for ink in inks]


def _culm(scene: Scene, x: float, foot: float, tall: float, bend: float, nearness: float, width: float) -> _Joints:
    """One culm: joints that grow longer upward and thinner."""
    rng, inks = scene.rng, _inks(scene, nearness)
    joints = max(5, int(tall / (width * scene.between(5.5, 7.5))))
    shares = np.linspace(0, 1, joints + 1) ** 0.92
    rows = foot - tall * shares
    axis = x + bend * tall * shares + bend * tall * 0.9 * shares**2.4
    half = width * 0.5 * (1 - 0.62 * shares**1.6)
    region = scene.region(axis, rows, width + 2)
    culm = _Joints(axis, rows, shares, width)
    if region is None:
        return culm
    mask = np.zeros((region.height, region.width), np.uint8)
    for low, high in zip(range(joints), range(1, joints + 1), strict=True):
        gap = min(1.2 * scene.pixel, width * 0.1)
        step = rows[low] - rows[high]
        ys = np.array([rows[low] - gap, rows[low] - step * 0.12, rows[high] + step * 0.12, rows[high] + gap])
        xs = np.interp(-ys, -rows, axis)
        wide = np.interp(-ys, -rows, half) * np.array([1.14, 0.94, 0.94, 1.14])
        outline = np.concatenate([np.stack([xs - wide, ys], 1), np.stack([xs + wide, ys], 1)[::-1]])
        points = ((outline - [region.left, region.top]) * 8).astype(np.int32)
        cv2.fillPoly(mask, [points], 255, cv2.LINE_AA, 3)
    ys = np.arange(region.top, region.bottom)
    centre, radius = np.interp(-ys, -rows, axis)[:, None], np.interp(-ys, -rows, half)[:, None]
    across = np.clip(scene.light * (scene.columns[:, region.left : region.right] - centre) / radius, -1.2, 1.2)
    shade = 0.50 + 0.42 * across - 0.22 * np.maximum(across - 0.55, 0)
    if scene.style.roughness:
        shade = shade + 0.05 * rng.standard_normal((1, region.width))
    near_node = np.abs(ys[:, None] - rows[None]).min(1)
    shade = shade - 0.32 * np.clip(1 - near_node / max(0.28 * width, 2.0), 0, 1)[:, None]
    cover = mask.astype(np.float32) * np.float32(0.97 / 255)
    scene.cover(cover, inks[0], inks[2], shade.astype(np.float32), region.top, region.left)
    if scene.facts.snow:
        caps = (shares > 0.2) & (rng.random(len(shares)) < 0.6)
        flakes = [ellipse(width * 1.2, width * 0.4)]
        snow = [scene.snow_ink(0.4), scene.snow_ink()]
        scene.dabs(axis[caps], rows[caps], rng.random(int(caps.sum())), flakes, snow, 0.85)
    return culm


def _foliage(scene: Scene, culms: list[_Joints], nearness: float, leafy: float) -> None:
    """Twigs at the joints above the share `leafy` of the culms' heights, with leaves that hang in groups."""
    rng, inks = scene.rng, _inks(scene, nearness)
    starts, reach = [], []
    for culm in culms:
        grows = (culm.shares > leafy) & (rng.random(len(culm.shares)) < 0.6 + 0.4 * culm.shares)
        nodes = np.r_[np.flatnonzero(grows), len(culm.shares) - 1, len(culm.shares) - 1]
        side = np.where(np.arange(len(nodes)) % 2 > 0, 1.0, -1.0) * np.where(rng.random(len(nodes)) < 0.8, 1, -1)
        length = culm.width * rng.uniform(3.0, 7.5, len(nodes))
        starts.append(np.stack([culm.columns[nodes], culm.rows[nodes]], 1))
        reach.append(np.stack([side * length, -length * rng.uniform(0.05, 0.5, len(nodes))], 1))
    roots, twigs = np.concatenate(starts), np.concatenate(reach)
    width = float(np.mean([culm.width for culm in culms]))
    scene.strokes(np.stack([roots, roots + twigs], 1), np.full(len(roots), max(width * 0.10, 1.0)), inks[0], 0.85)
    long = float(np.clip(width * 3.6, 11 * scene.pixel, max(42 * scene.pixel, width * 2.2)))
    count = 12
    along = rng.uniform(0.25, 1.1, (len(roots), count, 1))
    points = roots[:, None] + twigs[:, None] * along + rng.normal(0, long * 0.30, (len(roots), count, 2))
    points[..., 1] += long * 0.3
    points = points.reshape(-1, 2)
    light = np.clip(0.5 + rng.normal(0, 0.26, len(points)), 0, 1)
    thin = max(long * 0.19, 2.8)
    shapes = [ellipse(thin, long * size, turn) for turn, size in ((-52, 1), (-26, 0.85), (18, 1), (42, 0.9), (64, 0.8))]
    scene.dabs(points[:, 0], points[:, 1], light, shapes, inks, 0.93)
    if scene.facts.snow:
        top = light > 0.55
        snow = [scene.snow_ink(0.4), scene.snow_ink()]
        flat = [ellipse(long * 0.5, thin * 0.7, 12), ellipse(long * 0.4, thin * 0.7, -12)]
        scene.dabs(points[top, 0], points[top, 1] - thin, light[top], flat, snow, 0.8)
