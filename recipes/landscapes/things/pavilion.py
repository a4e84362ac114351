"""Pavilions: square with one or two roofs, six-sided with an open lattice, and on stilts over water."""

import numpy as np

from recipes.drawing.colour import WHITE, colour, mix
from recipes.landscapes.scene import Part, Scene
from recipes.landscapes.things.lamps import lamps_burn
from recipes.landscapes.things.shapes import curved_roof, disc, polygon, rectangle, roof_rib, stripe

DESIGNS = ("square", "two roofs", "six-sided", "thatched")


def pavilion(scene: Scene, x: float, y: float, size: float, nearness: float = 1.0, design: str = "") -> None:
    """A pavilion; `size`: about its width in pixels. At dusk and at night a lamp may burn in it."""
    design = design or scene.pick(DESIGNS, (0.3, 0.25, 0.3, 0.15))
    burning = lamps_burn(scene)
    parts = [
        Part(rectangle(-0.62, -0.06, 0.62, 0.03), "old stone"),
        Part(rectangle(-0.56, 0.03, 0.56, 0.08), "stone"),
    ]
    if burning:
        parts.append(Part(rectangle(-0.4, 0.08, 0.4, 0.52), _lamplight(scene)))
        scene.lamp(x, y - 0.3 * size, size * 0.8)
    parts += {"square": _square, "two roofs": _two_roofs, "six-sided": _six_sided, "thatched": _thatched}[design](scene)
    with scene.thing("亭子", "房屋"):
        scene.solid(parts, x, y, size, nearness)


def water_pavilion(scene: Scene, x: float, y: float, size: float, nearness: float = 1.0) -> None:
    """A hall on stilts over water; y: the water line; `size`: about half its width."""
    burning = lamps_burn(scene)
    dark = mix(scene.material("wood"), scene.material("dark"), 0.5)
    parts = [Part(rectangle(at - 0.03, -0.06, at + 0.03, 0.2), dark) for at in np.linspace(-0.85, 0.85, 6)]
    parts.append(Part(rectangle(-0.98, 0.16, 0.98, 0.24), "wood"))
    inside = _lamplight(scene) if burning else mix(scene.material("dark"), scene.material("wood"), 0.4)
    parts.append(Part(rectangle(-0.7, 0.24, 0.7, 0.66), inside))
    parts += _lattice(-0.7, 0.24, 0.7, 0.34, 14, "wood")
    parts += [Part(rectangle(at - 0.025, 0.24, at + 0.025, 0.7), "pillar") for at in np.linspace(-0.72, 0.72, 6)]
    parts += _lattice(-0.72, 0.58, 0.72, 0.68, 16, "pillar")
    parts += _lattice(-0.98, 0.24, 0.98, 0.34, 20, "pillar")
    parts += _roof(scene, 0, 0.68, 1.06, 0.42, 0.5, 0.2, 9)
    parts.append(Part(stripe(np.array([[-0.56, 1.12], [-0.46, 1.1], [0.46, 1.1], [0.56, 1.12]]), 0.05), "ridge"))
    if burning:
        scene.lamp(x, y - 0.42 * size, size * 0.9)
    with scene.thing("水榭", "房屋"):
        scene.solid(parts, x, y, size, nearness)


def _lamplight(scene: Scene) -> tuple[float, float, float]:
    return mix(scene.material("wood"), colour("ffc060"), 0.55)


def _roof(
    scene: Scene, x: float, y: float, half: float, height: float, ridge: float, lift: float, ribs: int
) -> list[Part]:
    """A curved roof with ribs of tiles, lighter than its ground."""
    tile = mix(scene.material("roof"), WHITE, 0.12)
    parts = [Part(curved_roof(x, y, half, height, ridge, lift), "roof")]
    for share in np.linspace(-0.86, 0.86, ribs):
        parts.append(Part(roof_rib(x, y, half, height, ridge, lift, float(share), 0.016), tile))
    for share in (-0.99, 0.99):
        parts.append(Part(roof_rib(x, y, half, height, ridge, lift, share, 0.035), "ridge"))
    return parts


def _lattice(left: float, bottom: float, right: float, top: float, count: int, ink: str) -> list[Part]:
    """A low rail or a frieze of thin bars."""
    parts = [
        Part(rectangle(left, top - 0.022, right, top), ink),
        Part(rectangle(left, bottom, right, bottom + 0.02), ink),
    ]
    bars = np.linspace(left, right, count)
    return parts + [Part(rectangle(at - 0.008, bottom, at + 0.008, top), ink) for at in bars]


def _posts(places: tuple[float, ...]) -> list[Part]:
    return [Part(rectangle(at - 0.03, 0.08, at + 0.03, 0.56), "pillar") for at in places]


def _square(scene: Scene) -> list[Part]:
    parts = [Part(rectangle(-0.44, 0.08, 0.44, 0.20), "wood"), Part(rectangle(-0.42, 0.20, 0.42, 0.22), "pillar")]
    parts += [*_posts((-0.42, -0.16, 0.16, 0.42)), Part(rectangle(-0.48, 0.50, 0.48, 0.58), "wood")]
    parts += _roof(scene, 0, 0.58, 0.78, 0.50, 0.04, 0.15, 7)
    return [*parts, Part(rectangle(-0.035, 1.06, 0.035, 1.2, 0.012), "pillar")]


def _two_roofs(scene: Scene) -> list[Part]:
    parts = [Part(rectangle(-0.44, 0.08, 0.44, 0.20), "wood"), Part(rectangle(-0.42, 0.20, 0.42, 0.22), "pillar")]
    parts += [*_posts((-0.42, -0.16, 0.16, 0.42)), Part(rectangle(-0.48, 0.50, 0.48, 0.58), "wood")]
    parts += _roof(scene, 0, 0.58, 0.74, 0.24, 0.3, 0.16, 9)
    parts.append(Part(rectangle(-0.28, 0.76, 0.28, 0.9), "wood"))
    parts += _roof(scene, 0, 0.88, 0.54, 0.42, 0.03, 0.12, 5)
    return [*parts, Part(rectangle(-0.03, 1.28, 0.03, 1.42, 0.01), "pillar")]


def _six_sided(scene: Scene) -> list[Part]:
    """Two posts near, two at the sides, one sees through; a frieze of lattice under the eaves; a gourd on top."""
    back = mix(scene.material("pillar"), scene.material("dark"), 0.45)
    parts = [Part(rectangle(at - 0.02, 0.1, at + 0.02, 0.6), back) for at in (-0.2, 0.2)]
    parts += [Part(polygon((-0.34, -0.06), (-0.26, 0.08), (0.26, 0.08), (0.34, -0.06)), "stone")]
    parts += _lattice(-0.5, 0.08, -0.24, 0.22, 7, "wood") + _lattice(0.24, 0.08, 0.5, 0.22, 7, "wood")
    parts += _lattice(-0.52, 0.52, 0.52, 0.62, 17, "wood")
    parts += [Part(rectangle(at - 0.028, 0.08, at + 0.028, 0.64), "pillar") for at in (-0.52, -0.25, 0.25, 0.52)]
    parts += _roof(scene, 0, 0.62, 0.86, 0.62, 0.02, 0.24, 5)
    for share in (-0.42, 0.42):
        parts.append(Part(roof_rib(0, 0.62, 0.86, 0.62, 0.02, 0.24, share, 0.034), "ridge"))
    return [*parts, Part(disc(0, 1.26, 0.05), "gold"), Part(disc(0, 1.35, 0.03, 0.05), "gold")]


def _thatched(scene: Scene) -> list[Part]:
    """A hut of posts under straw, as scholars build it."""
    straw = mix(scene.material("thatch"), scene.material("dark"), 0.35)
    parts = [Part(rectangle(at - 0.025, 0.08, at + 0.025, 0.56), "wood") for at in (-0.42, -0.14, 0.14, 0.42)]
    parts += _lattice(-0.44, 0.08, -0.14, 0.2, 6, "wood") + _lattice(0.14, 0.08, 0.44, 0.2, 6, "wood")
    parts.append(
        Part(
            polygon((-0.72, 0.5), (-0.3, 0.88), (-0.06, 1.08), (0.06, 1.08), (0.3, 0.88), (0.72, 0.5), (0, 0.46)),
            "thatch",
        )
    )
    for at in np.linspace(-0.62, 0.62, 9):
        parts.append(Part(polygon((at - 0.012, 0.5), (at * 0.12, 1.04), (at + 0.012, 0.5)), straw))
    return [*parts, Part(rectangle(-0.09, 1.03, 0.09, 1.13, 0.03), straw)]
