"""Ducks on water (鸭子): white ones, mallards, mandarin ducks, with their mirror images and ripples."""

import numpy as np

from recipes.drawing.colour import Colour, colours, mix
from recipes.landscapes.scene import Part, Scene
from recipes.landscapes.things.shapes import blob, limb, oval

# Body, wing, breast, head, bill.
_PLUMAGE = {
    "white": "f8f6ee dcd8cc fbfaf4 fbfaf4 f0a030",
    "mallard": "b8b0a4 8a7c6c 6a3c28 1f6a4c e0b040",
    "brown": "a07c54 7a5c40 b08c62 8a6a48 b88a44",
    "mandarin": "c89a68 d87a34 5c3a6c d8884c c8402f",
}


def ducks(scene: Scene, x: float, y: float, size: float, nearness: float = 1.0, count: int = 0) -> None:
    """One to four ducks; `size`: the length of the first in pixels; (x, y): where it floats."""
    kinds = (
        ("white", "white")
        if scene.chance(0.4)
        else ("mallard", "brown")
        if scene.chance(0.6)
        else ("mandarin", "brown")
    )
    face = 1.0 if scene.chance(0.5) else -1.0
    number = count or int(scene.rng.integers(1, 5))
    places = [(0.0, 0.0), (-1.15, -0.16), (-0.7, 0.30), (1.2, -0.2)][:number]
    x += face * size * 0.55 * (number in (2, 3))
    for order, (across, down) in sorted(enumerate(places), key=lambda item: item[1][1]):
        share = (1.0 if order == 0 else scene.between(0.75, 0.9)) * (1 + 0.4 * down)
        _one(scene, x + face * across * size, y + down * size, size * share, nearness, kinds[order % 2], face)


def _one(scene: Scene, x: float, y: float, size: float, nearness: float, kind: str, face: float) -> None:
    body, wing, breast, head, bill = (scene.palette.lit(ink, 0.25) for ink in colours(_PLUMAGE[kind]))
    parts = _parts(scene, body, wing, breast, head, bill, kind, face)
    owner = scene.owner.copy()
    mirror = [
        Part(part.points * [1, -0.75], mix(scene.material(part.ink), scene.palette.water, 0.55)) for part in parts
    ]
    scene.solid(mirror, x, y, size, scene.style.reflection, face)
    scene.owner[:] = owner
    with scene.thing("鸭子", "动物"):
        scene.solid(parts, x, y, size, nearness, face)
    _ripples(scene, x, y, size, face)


def _parts(
    scene: Scene, body: Colour, wing: Colour, breast: Colour, head: Colour, bill: Colour, kind: str, face: float
) -> list[Part]:
    light = mix(wing, (1.0, 1.0, 1.0), 0.25)
    dark = scene.material("dark")
    trunk = np.array(blob((-0.50, 0.24), (-0.34, 0.17), (-0.1, 0.25), (0.18, 0.25), (0.33, 0.16), (0.32, 0.02),
                          (0.2, -0.04), (-0.2, -0.04), (-0.40, 0.02)))  # fmt: skip
    front = np.array(blob((0.10, 0.22), (0.28, 0.20), (0.35, 0.10), (0.30, 0.0), (0.12, -0.02)))
    for points in (trunk, front):
        points[:, 1] = np.maximum(points[:, 1], 0)
    parts = [
        Part(trunk, body),
        Part(front, breast),
        Part(blob((-0.44, 0.20), (-0.20, 0.23), (0.10, 0.22), (0.16, 0.12), (-0.02, 0.05), (-0.28, 0.08)), wing),
        Part(blob((-0.46, 0.19), (-0.20, 0.14), (0.04, 0.10), (-0.10, 0.07), (-0.30, 0.09)), light),
        Part(
            limb([(0.24, 0.14), (0.30, 0.28), (0.28, 0.38)], [0.17, 0.11, 0.11]), head if kind != "mandarin" else bill
        ),
        Part(oval(0.31, 0.40, 0.105, 0.09), head),
        Part(blob((0.38, 0.42), (0.52, 0.37), (0.51, 0.34), (0.38, 0.36)), bill),
    ]
    if kind == "mallard":
        parts.append(Part(limb([(0.22, 0.25), (0.37, 0.24)], [0.035, 0.03]), mix(body, (1.0, 1.0, 1.0), 0.7)))
    if kind == "mandarin":
        white = scene.palette.lit("f8f0e0", 0.3)
        parts.append(Part(blob((0.27, 0.41), (0.36, 0.47), (0.40, 0.41), (0.32, 0.38)), white))
        parts.append(
            Part(blob((0.36, 0.47), (0.28, 0.52), (0.12, 0.40), (0.20, 0.34), (0.27, 0.43)), mix(bill, dark, 0.4))
        )
        parts.append(Part(blob((-0.12, 0.18), (-0.20, 0.40), (-0.02, 0.30), (0.02, 0.18)), wing))
    parts.append(Part(oval(0.34, 0.425, 0.016, 0.016), dark))
    return parts


def _ripples(scene: Scene, x: float, y: float, size: float, face: float) -> None:
    """Lines of light on the water around the breast and behind."""
    t = np.linspace(-1, 1, 9)
    ways = []
    for reach, down in ((0.62, 0.03), (0.82, 0.09), (1.02, 0.17)):
        middle = x - face * size * 0.12
        points = np.stack([middle + t * size * reach, y + size * (down + 0.03 * (1 - t**2))], 1)
        ways.append(np.stack([points[:-1], points[1:]], 1))
    owner = scene.owner.copy()
    ink = mix(scene.palette.sky[3], (1.0, 1.0, 1.0), 0.35)
    scene.strokes(np.concatenate(ways), np.full(24, max(1.0, size * 0.012)), ink, 0.55)
    scene.owner[:] = owner
