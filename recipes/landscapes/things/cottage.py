"""Houses of villages: under straw, white walls under black tiles, of logs; and a few of them together."""

import numpy as np

from recipes.drawing.brushes import ellipse
from recipes.drawing.colour import mix
from recipes.landscapes.parts import mist
from recipes.landscapes.scene import Part, Scene
from recipes.landscapes.things.lamps import lamps_burn, pane
from recipes.landscapes.things.shapes import polygon, rectangle, stripe

NAMES = {"thatched": "茅屋", "white": "民居", "log": "木屋", "tiled": "民居"}

ROW = 0.72  # between two rows of a village, in units of its size


def cottage(
    scene: Scene, x: float, y: float, size: float, nearness: float = 1.0, design: str = "", face: float = 0.0
) -> None:
    """A house; `size`: half its length in pixels; `face`: 1 with its gable to the left, -1 to the right."""
    design = design or _usual(scene)
    face = face or (1.0 if scene.chance(0.5) else -1.0)
    burning = lamps_burn(scene)
    build = {"thatched": _thatched, "white": _white, "log": _log, "tiled": _tiled}[design]
    if burning:
        scene.lamp(x + 0.1 * size * face, y - 0.22 * size, size * 0.8)
    with scene.thing(NAMES[design], "房屋"):
        scene.solid(build(scene, pane(scene, burning)), x, y, size, nearness, face)


def _usual(scene: Scene) -> str:
    """Logs in the north in winter; straw and tiles elsewhere."""
    shares = (0.3, 0.2, 0.4, 0.1) if scene.facts.snow else (0.45, 0.3, 0.0, 0.25)
    return scene.pick(tuple(NAMES), shares)


def village(
    scene: Scene, x: float, y: float, size: float, nearness: float = 1.0, design: str = "", rows: int = 1
) -> None:
    """Three to five houses close together; `size`: half the length of the largest. Further `rows` stand behind, higher
    up a slope, which is there already."""
    design = design or _usual(scene)
    count = int(scene.rng.integers(3, 6)) if rows == 1 else 3
    side = 1.0 if scene.chance(0.5) else -1.0
    with scene.thing("村庄", "房屋"):
        for row in range(rows - 1, -1, -1):
            share = 1 - 0.13 * row
            at = x + (0.6 if row % 2 else 0.0) * side * size
            _row(scene, at, y - row * ROW * size, size * share, nearness * (1 - 0.06 * row), design, count, side)
    if not scene.facts.rain:
        smoke(scene, x + scene.between(-0.5, 0.5) * size, y - size * (1.15 + ROW * (rows - 1)), size * 1.7)


def _row(scene: Scene, x: float, y: float, size: float, nearness: float, design: str, count: int, side: float) -> None:
    """Houses beside each other, every second one a little behind, with bushes between them."""
    for i in range(count):
        across = (i - (count - 1) / 2) * size * 1.35 + scene.between(-0.15, 0.15) * size
        back = (i % 2) * size * 0.12
        part = size * scene.between(0.72, 1.0) * (0.88 if i % 2 else 1.0)
        if i % 2:
            _house(scene, x + across, y - back, part, nearness * 0.93, design, side)
    for i in range(0, count, 2):
        across = (i - (count - 1) / 2) * size * 1.35 + scene.between(-0.15, 0.15) * size
        _house(scene, x + across, y, size * scene.between(0.78, 1.0), nearness, design, -side if i == 2 else side)
    _bushes(scene, x, y, size * count * 0.62, size, nearness)


def _house(scene: Scene, x: float, y: float, size: float, nearness: float, design: str, face: float) -> None:
    burning = lamps_burn(scene)
    build = {"thatched": _thatched, "white": _white, "log": _log, "tiled": _tiled}[design]
    if burning:
        scene.lamp(x + 0.1 * size * face, y - 0.22 * size, size * 0.7)
    scene.solid(build(scene, pane(scene, burning)), x, y, size, nearness, face)


def _bushes(scene: Scene, x: float, y: float, half: float, size: float, nearness: float) -> None:
    """Low green between the houses, which hides where the ones behind stand."""
    count = int(half / size * 34)
    xs = x + scene.rng.uniform(-1, 1, count) * half
    ys = y - np.abs(scene.rng.normal(0, 0.09, count)) * size + 0.03 * size
    dab = max(size * 0.11, 2 * scene.pixel)
    inks = [scene.faded(ink, nearness) for ink in scene.palette.evergreen]
    if scene.facts.snow:
        inks = [inks[1], scene.snow_ink(0.4), scene.snow_ink()]
    scene.dabs(xs, ys, scene.rng.random(count), [ellipse(dab * 1.3, dab), ellipse(dab, dab)], inks)


def smoke(scene: Scene, x: float, y: float, height: float) -> None:
    """Smoke that rises from a chimney at (x, y), bends with the wind and thins out."""
    ink = mix(scene.palette.mist, (1.0, 1.0, 1.0), 0.25) if not scene.facts.night else scene.palette.mist
    wind = scene.light * height * 0.5
    for share in np.linspace(0, 1, 15):
        puff = height * (0.06 + 0.17 * share)
        mist.patch(
            scene,
            x + wind * share**1.7 + np.sin(share * 7) * puff * 0.4,
            y - height * share,
            puff,
            puff * 0.8,
            0.42 * (1 - share * 0.8),
            ink,
        )
    scene.say("炊烟")


def _thatched(scene: Scene, window: tuple[float, float, float]) -> list[Part]:
    """Mud walls, a shaded gable, a round roof of straw that hangs over."""
    shade, straw = mix(scene.material("wall"), scene.material("dark"), 0.28), scene.material("thatch")
    dark = mix(straw, scene.material("dark"), 0.4)
    parts = [
        Part(rectangle(-0.62, -0.02, 0.3, 0.42), "wall"),
        Part(rectangle(0.3, -0.02, 0.66, 0.42), shade),
        Part(rectangle(-0.14, -0.02, 0.1, 0.32), "wood"),
        Part(rectangle(-0.48, 0.13, -0.27, 0.31), window),
        Part(rectangle(0.4, 0.14, 0.54, 0.30), window),
    ]
    parts += [Part(rectangle(at - 0.015, 0.13, at + 0.015, 0.31), "wood") for at in (-0.375,)]
    left = [[-0.84, 0.32], [-0.77, 0.46], [-0.54, 0.84], [-0.42, 0.92]]
    right = [[0.30, 0.92], [0.46, 0.86], [0.76, 0.46], [0.86, 0.31]]
    roof = np.array([*left, *right, [0.5, 0.36], [0.28, 0.31], [-0.1, 0.35], [-0.45, 0.31]])
    parts.append(Part(roof, "thatch"))
    for at in np.linspace(-0.7, 0.22, 12):
        parts.append(Part(polygon((at - 0.01, 0.36), (at * 0.72 - 0.05, 0.86), (at + 0.012, 0.36)), dark))
    parts.append(
        Part(
            polygon((0.3, 0.92), (0.46, 0.86), (0.76, 0.46), (0.86, 0.31), (0.5, 0.36), (0.28, 0.31)),
            mix(straw, scene.material("dark"), 0.22),
        )
    )
    return [*parts, Part(rectangle(-0.47, 0.86, 0.35, 0.96, 0.04), dark)]


def _white(scene: Scene, window: tuple[float, float, float]) -> list[Part]:
    """Jiangnan: a stepped gable that rises over the roof, white walls, black tiles, small windows high up."""
    black = mix(scene.material("roof"), scene.material("dark"), 0.55)
    shade = mix(scene.material("white"), scene.material("roof"), 0.2)
    parts = [
        Part(rectangle(-0.3, -0.02, 0.92, 0.6), "white"),
        Part(polygon((-0.34, 0.56), (-0.2, 0.92), (0.88, 0.92), (1.0, 0.56)), "roof"),
    ]
    parts += [
        Part(stripe(np.array([[at, 0.57], [at * 0.94 + 0.0, 0.91]]), 0.014), black)
        for at in np.linspace(-0.22, 0.94, 13)
    ]
    parts += [Part(rectangle(-0.22, 0.89, 0.9, 0.95), black), Part(rectangle(-0.34, 0.53, 1.0, 0.575), black)]
    parts += [
        Part(rectangle(0.16, -0.02, 0.38, 0.36), "wood"),
        Part(rectangle(0.12, 0.38, 0.42, 0.42), black),
        Part(rectangle(0.56, 0.16, 0.78, 0.36), window),
        Part(rectangle(0.655, 0.16, 0.685, 0.36), "wood"),
        Part(rectangle(0.53, 0.37, 0.81, 0.4), black),
        Part(rectangle(-0.14, 0.22, 0.0, 0.36), window),
    ]
    steps = np.array([[-0.95, 0.66], [-0.82, 0.66], [-0.82, 0.84], [-0.68, 0.84], [-0.68, 1.02]])
    other = steps[::-1] * [-1, 1] + [-1.2, 0]
    gable = np.concatenate([[[-0.95, -0.02]], steps, other, [[-0.25, -0.02]]])
    parts.append(Part(gable, shade))
    for left, right, top in (
        (-1.02, -0.78, 0.66),
        (-0.88, -0.64, 0.84),
        (-0.74, -0.46, 1.02),
        (-0.56, -0.32, 0.84),
        (-0.42, -0.18, 0.66),
    ):
        parts.append(
            Part(
                polygon(
                    (left, top + 0.03),
                    (left + 0.05, top + 0.0),
                    (right - 0.05, top),
                    (right, top + 0.03),
                    (right - 0.06, top + 0.07),
                    (left + 0.06, top + 0.07),
                ),
                black,
            )
        )
    return [*parts, Part(rectangle(-0.66, 0.42, -0.54, 0.56), window)]


def _log(scene: Scene, window: tuple[float, float, float]) -> list[Part]:
    """A cabin: a gable of logs in front, a steep roof, a chimney of stones."""
    dark, roof = (
        mix(scene.material("wood"), scene.material("dark"), 0.4),
        mix(scene.material("wood"), scene.material("roof"), 0.6),
    )
    parts = [Part(rectangle(0.44, 0.5, 0.6, 1.12), "old stone"), Part(rectangle(0.42, 1.08, 0.62, 1.15), "stone")]
    parts += [Part(rectangle(-0.1, -0.02, 0.86, 0.46), dark), Part(rectangle(-0.66, -0.02, 0.1, 0.46), "wood")]
    parts.append(Part(polygon((-0.66, 0.46), (-0.28, 0.98), (0.1, 0.46)), "wood"))
    for level in np.arange(0.06, 0.9, 0.085):
        reach = 0.38 * (1 if level < 0.46 else (0.98 - level) / 0.52)
        parts.append(Part(rectangle(-0.28 - reach, level, -0.28 + reach, level + 0.015), dark))
    for level in np.arange(0.06, 0.44, 0.085):
        parts.append(Part(rectangle(0.1, level, 0.86, level + 0.014), scene.material("dark")))
    parts += [Part(polygon((-0.28, 1.06), (0.76, 1.0), (1.02, 0.38), (0.16, 0.4)), roof)]
    parts += [
        Part(
            stripe(np.array([[-0.78, 0.38], [-0.28, 1.05], [0.2, 0.38]]), 0.09), mix(roof, scene.material("dark"), 0.3)
        )
    ]
    parts += [
        Part(rectangle(-0.52, -0.02, -0.3, 0.36), dark),
        Part(rectangle(-0.2, 0.16, 0.0, 0.36), window),
        Part(rectangle(-0.11, 0.16, -0.09, 0.36), dark),
        Part(rectangle(-0.36, 0.56, -0.2, 0.7), window),
        Part(rectangle(0.42, 0.14, 0.64, 0.32), window),
    ]
    return parts


def _tiled(scene: Scene, window: tuple[float, float, float]) -> list[Part]:
    """A farmhouse: walls of clay, a roof of grey tiles with a straight ridge, a door with a red couplet."""
    clay, dark = (
        mix(scene.material("wall"), scene.material("thatch"), 0.55),
        mix(scene.material("roof"), scene.material("dark"), 0.4),
    )
    parts = [Part(rectangle(-0.8, -0.02, 0.8, 0.44), clay), Part(rectangle(-0.8, -0.02, 0.8, 0.06), "old stone")]
    parts += [
        Part(rectangle(-0.16, 0.02, 0.16, 0.36), "wood"),
        Part(rectangle(-0.005, 0.02, 0.005, 0.36), "dark"),
        Part(rectangle(-0.23, 0.06, -0.18, 0.36), "red"),
        Part(rectangle(0.18, 0.06, 0.23, 0.36), "red"),
    ]
    for at in (-0.52, 0.52):
        parts += [
            Part(rectangle(at - 0.13, 0.16, at + 0.13, 0.34), window),
            Part(rectangle(at - 0.012, 0.16, at + 0.012, 0.34), "wood"),
        ]
    parts.append(Part(polygon((-0.98, 0.4), (-0.8, 0.8), (0.8, 0.8), (0.98, 0.4)), "roof"))
    parts += [
        Part(stripe(np.array([[at, 0.41], [at * 0.84, 0.79]]), 0.014), dark) for at in np.linspace(-0.92, 0.92, 19)
    ]
    return [
        *parts,
        Part(polygon((-0.92, 0.86), (-0.84, 0.77), (0.84, 0.77), (0.92, 0.86), (0.8, 0.83), (-0.8, 0.83)), dark),
    ]
