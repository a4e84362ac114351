"""Sheep (羊群): some near ones with faces and legs, far ones as dots of wool."""

import numpy as np

from recipes.drawing.brushes import ellipse
from recipes.drawing.colour import colours, mix
from recipes.landscapes.scene import Part, Scene
from recipes.landscapes.things.shapes import limb, oval


def sheep(scene: Scene, x: float, y: float, size: float, nearness: float = 1.0, count: int = 0) -> None:
    """A few sheep; `size`: the height of one in pixels; `count`: how many, else two to four."""
    number = count or int(scene.rng.integers(2, 5))
    places = [(0.0, 0.0, 1.0)]
    sides = (1.45, -1.4, 2.7, -2.6)
    places += [(side + scene.between(-0.15, 0.15), -scene.between(0.10, 0.4), scene.between(0.78, 0.95))
               for side in sides[: number - 1]]  # fmt: skip
    with scene.thing("羊群", "动物"):
        for across, up, share in sorted(places, key=lambda place: place[1]):
            _one(scene, x + across * size, y + up * size, size * share, nearness)


def flock(scene: Scene, x: float, crest: np.ndarray, spread: float, count: int, size: float, nearness: float) -> None:
    """A far flock on the land below a crest (W,), around a column."""
    rng = scene.rng
    xs = np.clip(rng.normal(x, spread, count), 4, scene.width - 5)
    ys = crest[xs.astype(int)] + size * 0.4 + rng.uniform(0, 1.6, count) * spread * 0.35
    order = np.argsort(ys)
    xs, ys = xs[order], ys[order]
    wool = scene.faded(scene.palette.lit("f6f0e4", 0.3), nearness)
    face = np.where(rng.random(count) < 0.5, -1.0, 1.0)
    dark = [scene.faded(scene.material(name), nearness) for name in ("dark", "wood")]
    with scene.thing("羊群", "动物"):
        for step in (-0.3, 0.3):
            scene.dabs(
                xs + step * size, ys + size * 0.42, rng.random(count), [ellipse(size * 0.16, size * 0.5)], dark, 0.9
            )
        scene.dabs(xs + face * size * 0.72, ys - size * 0.12, rng.random(count) * 0.3,
                   [ellipse(size * 0.46, size * 0.42)], dark, 0.95)  # fmt: skip
        shadow = mix(wool, scene.palette.near, 0.3)
        scene.dabs(xs, ys, rng.uniform(0.3, 1, count), [ellipse(size * 1.4, size * 0.9)], [shadow, wool], 0.97)
        scene.dabs(
            xs, ys - size * 0.14, rng.uniform(0.7, 1, count), [ellipse(size * 1.1, size * 0.5)], [wool, wool], 0.9
        )


def _one(scene: Scene, x: float, y: float, size: float, nearness: float) -> None:
    rng = scene.rng
    wool, shade, skin = (scene.palette.lit(ink, 0.25) for ink in colours("f8f2e6 cfc4b4 e8d4b8"))
    dark_face = scene.chance(0.4)
    skin = scene.palette.lit("3a3230", 0.1) if dark_face else skin
    leg = mix(skin, scene.material("dark"), 0.35)
    grazes = scene.chance(0.4)
    parts = [Part(limb([(a, 0.45), (a + 0.01, 0.2), (a, 0.0)], [0.13, 0.09, 0.08]), mix(leg, (0, 0, 0), 0.25 * far))
             for a, far in ((-0.28, 1), (0.33, 1), (-0.40, 0), (0.24, 0))]  # fmt: skip
    heaps = 11
    angle = np.linspace(0, 2 * np.pi, heaps, endpoint=False) + rng.uniform(0, 1)
    for turn in angle:
        tone = 0.5 - 0.5 * np.sin(turn)
        parts.append(Part(oval(0.44 * np.cos(turn), 0.60 + 0.22 * np.sin(turn), 0.19, 0.16), mix(wool, shade, tone)))
    parts.append(Part(oval(0, 0.60, 0.52, 0.28), mix(wool, shade, 0.35)))
    for a, b in rng.uniform(-1, 1, (14 if scene.style.contour is None else 3, 2)):
        bright = mix(shade, wool, 0.5 + 0.5 * b)
        parts.append(Part(oval(0.42 * a, 0.64 + 0.20 * b, 0.13, 0.10), bright))
    hx, hy, tilt = (0.72, 0.36, -58) if grazes else (0.64, 0.86, -32)
    parts.append(Part(oval(-0.56, 0.62, 0.08, 0.11), shade))
    parts += [
        Part(oval(hx - 0.10, hy + 0.02, 0.17, 0.17), mix(wool, shade, 0.2)),
        Part(limb([(hx - 0.14, hy + 0.08), (hx - 0.27, hy + 0.02)], [0.09, 0.04]), mix(skin, shade, 0.3)),
        Part(oval(hx, hy, 0.20, 0.12, tilt), skin),
        Part(oval(hx - 0.09, hy + 0.12, 0.13, 0.09), wool),
        Part(limb([(hx - 0.05, hy + 0.10), (hx - 0.17, hy + 0.17)], [0.08, 0.04]), skin),
        Part(oval(hx + 0.02, hy + 0.05, 0.022, 0.025), scene.material("dark") if not dark_face else wool),
    ]
    scene.solid(parts, x, y, size, nearness, 1.0 if scene.chance(0.5) else -1.0)
