"""Camels of the desert, alone or in a train behind their leader."""

import numpy as np

from recipes.drawing.colour import mix
from recipes.landscapes.scene import Part, Scene
from recipes.landscapes.things.shapes import disc, polygon, stripe

_BODY = np.array(
    [[-0.5, 0.46], [-0.5, 0.62], [-0.4, 0.7], [-0.34, 0.98], [-0.24, 1.02], [-0.14, 0.74], [0.0, 0.68], [0.08, 0.98]]
)
_FRONT = np.array(
    [[0.17, 1.02], [0.26, 0.72], [0.4, 0.64], [0.5, 0.66], [0.56, 0.82], [0.57, 0.98], [0.62, 1.06], [0.7, 1.08]]
)
_HEAD = np.array(
    [[0.84, 1.02], [0.86, 0.95], [0.76, 0.92], [0.69, 0.92], [0.68, 0.76], [0.62, 0.56], [0.5, 0.46], [0.36, 0.42]]
)


def camel_train(
    scene: Scene, x: float, crest: np.ndarray, size: float, count: int, face: float = 1.0, nearness: float = 1.0
) -> None:
    """A train along a crest (W,) around column x, its leader on foot; `size`: a camel's height in pixels, nearly."""
    ink = mix(scene.material("hull"), scene.palette.near, 0.3)
    steps = size * 1.65
    with scene.thing("驼队", "动物"):
        for i in range(count):
            at = x + (i - count / 2) * steps * face
            if size < at < scene.width - size:
                foot = scene.at(crest, at) + size * 0.05
                scene.solid(_camel(scene, ink, bool(i % 2)), at, foot, size, nearness, face)
        at = x + (count / 2 + 0.02) * steps * face
        if size < at < scene.width - size:
            scene.solid(_leader(scene), at, scene.at(crest, at) + size * 0.05, size, nearness, face)


def camel(scene: Scene, x: float, y: float, size: float, nearness: float = 1.0) -> None:
    """One camel at rest with its rider; `size`: its height in pixels."""
    face = 1.0 if scene.chance(0.5) else -1.0
    with scene.thing("骆驼", "动物"):
        scene.solid(
            _camel(scene, mix(scene.material("thatch"), scene.material("hull"), 0.45), True), x, y, size, nearness, face
        )


def _camel(scene: Scene, ink: tuple[float, float, float], ridden: bool) -> list[Part]:
    dark = mix(ink, scene.material("dark"), 0.4)
    stride = scene.between(-0.05, 0.05)
    parts: list[Part] = []
    for at, lean, tone in ((-0.44, 0.05, dark), (0.4, -0.05, dark), (-0.34, -0.06, ink), (0.46, 0.06, ink)):
        knee = at + lean * 0.2 + stride * 0.5
        parts.append(Part(stripe(np.array([[at, 0.52], [knee, 0.26], [at + lean + stride, 0.0]]), 0.085), tone))
    parts.append(Part(stripe(np.array([[-0.49, 0.62], [-0.57, 0.5], [-0.57, 0.36]]), 0.035), dark))
    parts += [
        Part(np.concatenate([_BODY, _FRONT, _HEAD]), ink),
        Part(polygon((0.64, 1.05), (0.62, 1.12), (0.68, 1.08)), ink),
    ]
    parts.append(Part(polygon((-0.26, 0.74), (-0.22, 0.5), (0.14, 0.5), (0.18, 0.74), (-0.04, 0.67)), "red"))
    parts.append(Part(polygon((-0.24, 0.56), (-0.23, 0.52), (0.14, 0.52), (0.15, 0.56)), "gold"))
    if ridden:
        robe = scene.material(scene.pick(("white", "robe", "roof")))
        parts += [
            Part(polygon((-0.16, 0.72), (-0.12, 1.04), (-0.04, 1.14), (0.03, 1.04), (0.06, 0.72)), robe),
            Part(disc(-0.03, 1.19, 0.06, 0.075), "skin"),
            Part(polygon((-0.12, 1.14), (-0.12, 1.24), (-0.04, 1.3), (0.04, 1.25), (0.0, 1.22), (-0.08, 1.2)), robe),
        ]
    return parts


def _leader(scene: Scene) -> list[Part]:
    return [
        Part(polygon((-0.12, 0.0), (-0.1, 0.4), (-0.06, 0.6), (0.06, 0.6), (0.1, 0.4), (0.12, 0.0)), "robe"),
        Part(disc(0.01, 0.66, 0.06, 0.07), "skin"),
        Part(polygon((-0.08, 0.66), (-0.05, 0.76), (0.06, 0.76), (0.08, 0.68)), "red"),
        Part(stripe(np.array([[0.2, 0.0], [0.17, 0.62]]), 0.025), "wood"),
    ]
