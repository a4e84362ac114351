"""How pieces lie: heaped, in a ring, in rows, strewn; what is behind or below is put first."""

import math
from collections.abc import Sequence

import numpy as np

from recipes.dishes.piece import Look, Sprite
from recipes.dishes.scene import Scene, Stock, Surface
from recipes.dishes.shapes import blob
from recipes.drawing.colour import Colour

Spot = tuple[float, float, float]  # a place in the unit disc, and its height in units


def sunflower(scene: Scene, count: int, radius: float, jitter: float = 0.25) -> list[tuple[float, float]]:
    """Places all over a disc, evenly, shaken a little."""
    turn, gap = scene.angle(), radius / math.sqrt(max(count, 1))
    spots = []
    for i in range(count):
        r, angle = radius * math.sqrt((i + 0.5) / count), turn + i * math.pi * (3 - math.sqrt(5))
        spots.append(
            (
                r * math.cos(angle) + scene.rng.normal(0, jitter * gap),
                r * math.sin(angle) + scene.rng.normal(0, jitter * gap),
            )
        )
    return spots


def circle(scene: Scene, count: int, radius: float, turn: float | None = None) -> list[tuple[float, float]]:
    """Places on a circle."""
    start = scene.angle() if turn is None else turn
    return [
        (radius * math.cos(start + 2 * math.pi * i / count), radius * math.sin(start + 2 * math.pi * i / count))
        for i in range(count)
    ]


def grid(columns: int, rows: int, across: float, down: float) -> list[tuple[float, float]]:
    """Places in rows, from back to front."""
    us = np.linspace(-across, across, columns) if columns > 1 else np.zeros(1)
    vs = np.linspace(-down, down, rows) if rows > 1 else np.zeros(1)
    return [(float(u), float(v)) for v in vs for u in us]


def lay(scene: Scene, surface: Surface, stock: Stock, spots: Sequence[tuple[float, ...]], height: float = 0.0) -> None:
    """One piece at every place, those behind first; nothing of what the scene omits."""
    if stock.name in scene.omitted:
        return
    order = sorted(spots, key=lambda spot: spot[1])
    for i, spot in enumerate(order):
        x, y = surface.at(spot[0], spot[1], height + (spot[2] if len(spot) > 2 else 0))
        scene.stamp(stock.sprites[(i * 5 + i // 3) % len(stock.sprites)], x, y, stock.name)


def heap(
    scene: Scene,
    surface: Surface,
    stocks: Sequence[tuple[Stock, int]],
    radius: float = 0.78,
    height: float = 0.3,
    bed: Colour | None = None,
    jitter: float = 0.25,
) -> None:
    """Pieces of several ingredients mixed in a mound; `bed`: what shows between them."""
    if bed is not None:
        mound(scene, surface, stocks[0][0].name, bed, radius * 0.92, height * 0.6)
    names = [stock for stock, count in stocks for _ in range(count)]
    scene.rng.shuffle(names)  # type: ignore[arg-type]
    spots = sunflower(scene, len(names), radius, jitter)
    pieces = []
    for (u, v), stock in zip(spots, names, strict=True):
        z = height * max(0.0, 1 - (u * u + v * v) / (radius * radius) * 0.95)
        pieces.append((v * (1.15 - scene.view.squash) * 2 + z * 2.2 + scene.rng.normal(0, 0.05), u, v, z, stock))
    pieces.sort(key=lambda piece: piece[0])
    used: dict[str, int] = {}
    for _, u, v, z, stock in pieces:
        x, y = surface.at(u, v, z)
        k = used[stock.name] = used.get(stock.name, scene.count(0, 5)) + 1
        scene.stamp(stock.sprites[k % len(stock.sprites)], x, y, stock.name)


def strew(
    scene: Scene,
    surface: Surface,
    stock: Stock,
    count: int,
    radius: float = 0.7,
    height: float = 0.0,
    inner: float = 0.0,
) -> None:
    """Pieces on top, here and there, on a mound of this height."""
    spots = []
    for u, v in sunflower(scene, count, radius, 0.45):
        r = math.hypot(u, v)
        if r < inner:
            continue
        if r > radius:
            u, v, r = u * radius / r, v * radius / r, radius
        spots.append((u, v, height * max(0.0, 1 - (r / max(radius * 1.1, 0.1)) ** 2)))
    lay(scene, surface, stock, spots)


def mound(
    scene: Scene,
    surface: Surface,
    name: str,
    ink: Colour,
    radius: float,
    height: float,
    look: Look | None = None,
    rough: float = 0.1,
) -> None:
    """A low, soft mass."""
    outline = blob(scene.rng, rough, surface.stretch if surface.stretch > 1 else 1.0, 1.0)
    upright = min(0.9, height * 1.2)
    sprite = scene.piece(
        outline, look or Look(ink, gloss=0.25, dome=0.35, edge=0.6), surface.unit * radius, 0.0, upright, shadow=0.8
    )
    x, y = surface.at(0, 0, height * 0.45)
    scene.stamp(sprite, x, y, name)


def top(scene: Scene, surface: Surface, sprite: Sprite, name: str, u: float, v: float, height: float = 0.0) -> None:
    """One piece at a place."""
    x, y = surface.at(u, v, height)
    scene.stamp(sprite, x, y, name)
