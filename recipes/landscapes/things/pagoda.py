"""Pagodas: of stone in tiers, of wood with wide eaves, and the white dagoba."""

import numpy as np

from recipes.drawing.colour import WHITE, Colour, mix
from recipes.landscapes.scene import Part, Scene
from recipes.landscapes.things.lamps import lamps_burn, pane
from recipes.landscapes.things.shapes import arc, curved_roof, disc, doorway, polygon, rectangle, roof_rib

DESIGNS = ("stone", "wooden", "dagoba")


def pagoda(scene: Scene, x: float, y: float, size: float, nearness: float = 1.0, design: str = "") -> None:
    """A pagoda; `size`: about its width in pixels; it is two to three times as high."""
    design = design or scene.pick(DESIGNS, (0.42, 0.38, 0.2))
    burning = design != "dagoba" and lamps_burn(scene)
    window = pane(scene, burning)
    parts = {"stone": _stone, "wooden": _wooden, "dagoba": _dagoba}[design](scene, window)
    if burning:
        scene.lamp(x, y - 0.9 * size, size * 0.9)
    with scene.thing("白塔" if design == "dagoba" else "寺塔", "房屋"):
        scene.solid(parts, x, y, size, nearness)


def _stone(scene: Scene, window: tuple[float, float, float]) -> list[Part]:
    """Plain walls, short eaves, each storey a little smaller."""
    parts, half, floor = [Part(rectangle(-0.5, -0.06, 0.5, 0.04), "old stone")], 0.36, 0.04
    wall = "wall" if scene.chance(0.6) else "brick"
    for storey in range(int(scene.rng.integers(5, 8))):
        height = 0.30 - 0.012 * storey
        parts.append(Part(rectangle(-half, floor, half, floor + height, 0.02), wall))
        places = (-0.55, 0.0, 0.55) if half > 0.2 else (0.0,)
        parts += [Part(doorway(at * half, floor + 0.05, 0.045, height * 0.6), window) for at in places]
        parts.append(Part(curved_roof(0, floor + height - 0.02, half * 1.55, 0.15, half * 0.78, 0.42), "roof"))
        parts.append(Part(rectangle(-half * 1.2, floor + height - 0.04, half * 1.2, floor + height), "old stone"))
        floor += height + 0.09
        half *= 0.86
    return parts + _finial(half, floor - 0.09)


def _wooden(scene: Scene, window: tuple[float, float, float]) -> list[Part]:
    """Red posts and galleries under eaves that reach far out."""
    parts, half, floor = [Part(rectangle(-0.6, -0.06, 0.6, 0.05), "stone")], 0.34, 0.05
    tile = mix(scene.material("roof"), WHITE, 0.12)
    for _ in range(int(scene.rng.integers(3, 6))):
        parts.append(Part(rectangle(-half, floor, half, floor + 0.3), "wall"))
        parts += [
            Part(rectangle(at * half - 0.055, floor + 0.08, at * half + 0.055, floor + 0.24), window)
            for at in (-0.5, 0.0, 0.5)
        ]
        posts = np.linspace(-half, half, 5)
        parts += [Part(rectangle(at - 0.022, floor, at + 0.022, floor + 0.3), "pillar") for at in posts]
        parts.append(Part(rectangle(-half - 0.06, floor + 0.03, half + 0.06, floor + 0.07), "wood"))
        parts.append(
            Part(
                polygon(
                    (-half, floor + 0.26), (-half * 1.4, floor + 0.34), (half * 1.4, floor + 0.34), (half, floor + 0.26)
                ),
                "wood",
            )
        )
        eaves = (0.0, floor + 0.32, half * 2.05, 0.2, half * 0.86, 0.5)
        parts.append(Part(curved_roof(*eaves), "roof"))
        parts += [Part(roof_rib(*eaves, share, 0.012), tile) for share in np.linspace(-0.8, 0.8, 7)]
        floor += 0.5
        half *= 0.87
    return parts + _finial(half * 1.3, floor - 0.1)


def _finial(half: float, floor: float) -> list[Part]:
    """The last roof, with rings on a mast."""
    parts = [Part(curved_roof(0, floor, half * 1.75, 0.32, 0.02, 0.2), "roof")]
    parts.append(Part(rectangle(-0.022, floor + 0.24, 0.022, floor + 0.72, 0.015), "ridge"))
    rings = [Part(disc(0, floor + 0.36 + 0.08 * i, 0.065 - 0.012 * i, 0.025), "gold") for i in range(4)]
    return [*parts, *rings]


def _dagoba(scene: Scene, window: tuple[float, float, float]) -> list[Part]:
    """Steps, a round white body with a niche, thirteen rings, a gilded canopy."""
    shade = mix(scene.material("white"), scene.material("roof"), 0.22)
    steps: tuple[Colour | str, ...] = ("stone", "white", shade, "white")
    parts = [
        Part(rectangle(-0.62 + 0.07 * i, -0.06 + 0.13 * i, 0.62 - 0.07 * i, 0.08 + 0.13 * i), ink)
        for i, ink in enumerate(steps)
    ]
    body = np.concatenate([polygon((-0.34, 0.46)), arc(0, 0.86, 0.46, 0.34), polygon((0.34, 0.46))])
    parts += [Part(body, "white"), Part(rectangle(-0.36, 0.45, 0.36, 0.5), "gold")]
    parts += [Part(doorway(0, 0.62, 0.13, 0.34), "red"), Part(doorway(0, 0.62, 0.09, 0.27), "gold")]
    parts += [Part(rectangle(-0.18, 1.17, 0.18, 1.3), "white"), Part(rectangle(-0.15, 1.3, 0.15, 1.92, 0.09), shade)]
    rungs = np.linspace(1.32, 1.88, 9)
    parts += [
        Part(rectangle(-0.17 + 0.09 * (r - 1.3) / 0.62, r, 0.17 - 0.09 * (r - 1.3) / 0.62, r + 0.03), "white")
        for r in rungs
    ]
    parts += [Part(polygon((-0.2, 1.9), (0.2, 1.9), (0.12, 1.99), (-0.12, 1.99)), "gold")]
    return [*parts, Part(disc(0, 2.05, 0.06), "gold"), Part(polygon((-0.03, 2.08), (0, 2.26), (0.03, 2.08)), "gold")]
