"""Bridges: a stone arch, planks on piles, a zigzag over a pond, a long one of many arches."""

import numpy as np

from recipes.drawing.colour import mix
from recipes.landscapes.scene import Part, Scene
from recipes.landscapes.things.reflection import mirror_image
from recipes.landscapes.things.shapes import arc, moved, polygon, rectangle, stripe

NAMES = {"arch": "小桥", "planks": "木桥", "covered": "廊桥"}


def bridge(
    scene: Scene, x: float, y: float, size: float, nearness: float = 1.0, design: str = "", reflected: bool = False
) -> None:
    """A bridge across water whose surface is at row y; `size`: half its span in pixels, its ends reach 1.3 of it.

    `reflected`: with its mirror image, where the water is painted already.
    """
    design = design or scene.pick(tuple(NAMES), (0.5, 0.3, 0.2))
    parts = {"arch": _arch, "planks": _planks, "covered": _covered}[design](scene)
    if scene.facts.night:
        top = float(max(part.points[:, 1].max() for part in parts))
        for at in (-1.1, -0.55, 0.0, 0.55, 1.1):
            level = 0.5 if design == "covered" else 0.1 + (top - 0.1) * (1 - at * at / 1.69)
            scene.lamp(x + at * size, y - level * size, size * 0.26)
    if reflected:
        mirror_image(scene, parts, x, y, size, line=-0.22)
    with scene.thing(NAMES[design], "桥"):
        scene.solid(parts, x, y, size, nearness)


def long_bridge(scene: Scene, x: float, y: float, size: float, nearness: float = 1.0, reflected: bool = False) -> None:
    """A bridge of seven to eleven arches, highest in the middle; `size`: half its length."""
    count = int(scene.rng.integers(3, 6)) * 2 + 1
    t = np.linspace(-1, 1, 41)
    deck = 0.10 + 0.13 * (1 - t * t)
    width = 2 / count
    under = [polygon((1, -0.07), (1 - width * 0.12, -0.07))]
    for i in range(count):
        middle = 1 - width * (i + 0.5)
        rise = (0.05 + 0.13 * (1 - middle * middle)) * 0.92
        under += [arc(middle, -0.03, width * 0.38, rise, 0, 180)]
        under += [polygon((middle - width * 0.38, -0.07), (middle - width * 0.62, -0.07))]
    body = np.concatenate([np.stack([t, deck], 1), *under])
    rail = stripe(np.stack([t, deck + 0.045], 1), 0.014)
    parts = [Part(body, "stone"), Part(stripe(np.stack([t, deck], 1), 0.018), "old stone"), Part(rail, "stone")]
    for at in np.linspace(-0.97, 0.97, 27):
        level = 0.10 + 0.13 * (1 - at * at)
        parts.append(Part(rectangle(at - 0.006, level, at + 0.006, level + 0.06), "old stone"))
    if reflected:
        mirror_image(scene, parts, x, y, size, line=-0.1)
    with scene.thing("长桥", "桥"):
        scene.solid(parts, x, y, size, nearness)


def cable_bridge(scene: Scene, x: float, y: float, size: float, nearness: float = 1.0) -> None:
    """A modern bridge that hangs from two pylons by cables; `size`: half its length in pixels."""
    steel = mix(scene.material("white"), scene.material("roof"), 0.35)
    dark = mix(steel, scene.material("dark"), 0.45)
    parts: list[Part] = [
        Part(rectangle(at - 0.012, -0.05, at + 0.012, 0.12), dark) for at in (-0.9, -0.68, 0.0, 0.68, 0.9)
    ]
    for pylon in (-0.42, 0.42):
        for share in np.linspace(0.12, 0.92, 8):
            for side in (-1, 1):
                foot = pylon + side * 0.44 * share
                cable = np.array([[pylon, 0.2 + 0.3 * share], [foot, 0.13]])
                parts.append(Part(stripe(cable, 0.005), steel))
        parts.append(
            Part(
                polygon((pylon - 0.035, -0.06), (pylon - 0.012, 0.54), (pylon + 0.012, 0.54), (pylon + 0.035, -0.06)),
                steel,
            )
        )
        parts.append(Part(polygon((pylon, -0.06), (pylon, 0.54), (pylon + 0.012, 0.54), (pylon + 0.035, -0.06)), dark))
    parts += [Part(rectangle(-1.05, 0.105, 1.05, 0.135), dark), Part(rectangle(-1.05, 0.125, 1.05, 0.14), steel)]
    mirror_image(scene, parts, x, y, size, line=-0.1)
    with scene.thing("大桥", "桥"):
        scene.solid(parts, x, y, size, nearness)
    if scene.facts.night:
        for at in np.linspace(-1, 1, 25):
            scene.lamp(x + at * size, y - 0.15 * size, size * 0.02)
        for pylon in (-0.42, 0.42):
            scene.lamp(x + pylon * size, y - 0.54 * size, size * 0.04, "ff5040")


def zigzag_bridge(
    scene: Scene, x: float, y: float, size: float, face: float = 1.0, reach: float = 1.0, rise: float = 0.72
) -> None:
    """A low bridge that turns three times on its way into the distance; y: its near end; `size`: half its width.

    `face`: 1 with the near end on the left, -1 on the right; `reach`: how far that lies from x; `rise`: how far the far
    end lies above y, both in sizes.
    """
    corners = np.array([[-reach, -0.06], [0.15, 0.16], [-0.35, 0.42], [0.5, 0.55], [0.2, 0.72]])
    corners[:, 1] *= rise / 0.72
    broad = np.array([0.2, 0.16, 0.11, 0.08, 0.055])
    parts: list[Part] = []
    for i in range(len(corners) - 2, -1, -1):
        (ax, ay), (bx, by) = corners[i], corners[i + 1]
        a, b = broad[i], broad[i + 1]
        parts += [Part(rectangle(bx - b * 0.3, by - b * 0.9, bx - b * 0.12, by), "old stone")]
        parts.append(
            Part(polygon((ax - a * 0.6, ay), (bx - b * 0.6, by), (bx + b * 0.6, by), (ax + a * 0.6, ay)), "stone")
        )
        parts.append(
            Part(
                polygon(
                    (ax - a * 0.6, ay - a * 0.3), (ax - a * 0.6, ay), (bx - b * 0.6, by), (bx - b * 0.6, by - b * 0.3)
                ),
                "old stone",
            )
        )
        for side in (0.6, -0.6):
            rail = np.array([[ax + a * side, ay + a * 0.7], [bx + b * side, by + b * 0.7]])
            parts.append(Part(stripe(rail, (a + b) * 0.06), "pillar"))
            for share in np.linspace(0, 1, 6):
                wide = a + (b - a) * share
                px, py = ax + (bx - ax) * share + wide * side, ay + (by - ay) * share
                parts.append(Part(rectangle(px - wide * 0.05, py, px + wide * 0.05, py + wide * 0.8), "pillar"))
    with scene.thing("曲桥", "桥"):
        scene.solid(parts, x, y, size, face=face)


def _arch(scene: Scene) -> list[Part]:
    q = np.linspace(-1, 1, 25)
    high = scene.between(0.36, 0.56)
    top = high * (1 - q**2) + 0.05
    hole = arc(0, -0.12, 0.50, high + 0.0)
    ring = np.concatenate([arc(0, -0.12, 0.57, high + 0.06), hole[::-1]])
    body = np.concatenate([np.stack([q * 1.3, top], 1), [[1.3, -0.12]], hole[::-1], [[-1.3, -0.12]]])
    parts = [Part(body, "stone"), Part(ring, "old stone")]
    parts.append(Part(stripe(np.stack([q * 1.3, top], 1), 0.05), "old stone"))
    for v in np.linspace(-0.95, 0.95, 11):
        level = high * (1 - v * v)
        parts.append(Part(rectangle(v * 1.3 - 0.018, level + 0.06, v * 1.3 + 0.018, level + 0.21), "old stone"))
    return [*parts, Part(stripe(np.stack([q * 1.3, top + 0.14], 1), 0.04), "stone")]


def _planks(scene: Scene) -> list[Part]:
    """Planks on crossed piles, slightly bent upward, with a rail."""
    q = np.linspace(-1, 1, 17)
    deck = np.stack([q * 1.3, 0.2 + 0.12 * (1 - q * q)], 1)
    dark = mix(scene.material("wood"), scene.material("dark"), 0.45)
    parts: list[Part] = []
    for at in (-0.85, -0.3, 0.3, 0.85):
        level = 0.2 + 0.12 * (1 - at * at / 1.69)
        for lean in (-0.06, 0.06):
            parts.append(Part(stripe(np.array([[at + lean, -0.14], [at - lean * 0.3, level]]), 0.045), dark))
    parts += [Part(stripe(deck, 0.08), "wood"), Part(stripe(moved(deck, 0, 0.03), 0.02), "thatch")]
    for at in np.linspace(-1.25, 1.25, 9):
        level = 0.2 + 0.12 * (1 - at * at / 1.69)
        parts.append(Part(rectangle(at - 0.02, level, at + 0.02, level + 0.24), "wood"))
    return [*parts, Part(stripe(moved(deck, 0, 0.22), 0.03), "wood"), Part(stripe(moved(deck, 0, 0.13), 0.02), "wood")]


def _covered(scene: Scene) -> list[Part]:
    """A gallery with a roof on two stone piers."""
    black = mix(scene.material("roof"), scene.material("dark"), 0.4)
    parts = [Part(rectangle(at - 0.14, -0.14, at + 0.14, 0.24, 0.04), "old stone") for at in (-0.62, 0.62)]
    parts += [
        Part(rectangle(-1.3, 0.2, 1.3, 0.28), "wood"),
        Part(rectangle(-1.3, -0.14, -1.1, 0.28), "stone"),
        Part(rectangle(1.1, -0.14, 1.3, 0.28), "stone"),
    ]
    inside = mix(scene.material("dark"), scene.material("wood"), 0.4)
    parts += [Part(rectangle(-1.2, 0.28, 1.2, 0.42), "wood"), Part(rectangle(-1.2, 0.42, 1.2, 0.44), inside)]
    parts += [Part(rectangle(at - 0.03, 0.28, at + 0.03, 0.66), "pillar") for at in np.linspace(-1.18, 1.18, 9)]
    parts.append(
        Part(
            polygon(
                (-1.42, 0.66),
                (-1.24, 0.7),
                (-1.14, 0.86),
                (1.14, 0.86),
                (1.24, 0.7),
                (1.42, 0.66),
                (1.2, 0.62),
                (-1.2, 0.62),
            ),
            "roof",
        )
    )
    parts.append(Part(rectangle(-1.18, 0.84, 1.18, 0.9), black))
    parts.append(Part(rectangle(-0.3, 0.86, 0.3, 0.98), "wood"))
    return [
        *parts,
        Part(polygon((-0.5, 0.98), (-0.34, 1.02), (-0.12, 1.2), (0.12, 1.2), (0.34, 1.02), (0.5, 0.98)), "roof"),
    ]
