"""City walls with battlements, and the gate towers that stand on them."""

import numpy as np

from recipes.drawing.colour import WHITE, Colour, colour, mix
from recipes.landscapes.scene import Part, Scene
from recipes.landscapes.things.lamps import lamps_burn
from recipes.landscapes.things.shapes import curved_roof, doorway, moved, polygon, rectangle, roof_rib, stripe


def city_wall(
    scene: Scene, left: float, right: float, top: float, foot: float, nearness: float = 1.0, warm: bool = False
) -> None:
    """A wall between two columns and two rows: courses of brick, and battlements on top."""
    size = foot - top
    half = (right - left) / 2 / size
    brick = mix(scene.material("brick"), scene.material("old stone"), 0.35 if warm else 0.8)
    joint = mix(brick, scene.material("dark"), 0.22)
    parts = [Part(rectangle(-half, -0.02, half, 1.0), brick)]
    for row in np.arange(0.1, 0.95, 0.13):
        parts.append(Part(rectangle(-half, row, half, row + 0.014), joint))
    parts.append(Part(rectangle(-half, 0.94, half, 0.985), mix(brick, WHITE, 0.18)))
    teeth = np.arange(-half + 0.05, half, 0.2)
    parts += [Part(rectangle(at, 1.0, at + 0.12, 1.13), brick) for at in teeth]
    parts += [Part(rectangle(at - 0.01, 1.12, at + 0.13, 1.15), mix(brick, WHITE, 0.18)) for at in teeth]
    with scene.thing("城墙", "房屋"):
        scene.solid(parts, (left + right) / 2, foot, size, nearness)


def gate_tower(scene: Scene, x: float, y: float, size: float, nearness: float = 1.0, warm: bool | None = None) -> None:
    """A gate in a bastion, a hall of two roofs on it; `size`: half the bastion's width, the whole is 2.4 of it high."""
    burning = lamps_burn(scene)
    warm = scene.chance(0.5) if warm is None else warm
    brick = mix(scene.material("brick"), scene.material("old stone"), 0.35 if warm else 0.8)
    joint, pale = mix(brick, scene.material("dark"), 0.22), mix(brick, WHITE, 0.18)
    glow = mix(scene.material("wood"), colour("ffc060"), 0.6)
    inside = glow if burning else mix(scene.material("dark"), scene.material("pillar"), 0.4)
    parts = [Part(rectangle(-1.06, -0.04, 1.06, 0.9, 0.1), brick)]
    for row in np.arange(0.1, 0.85, 0.12):
        reach = 1.06 - 0.1 * row / 0.9
        parts.append(Part(rectangle(-reach, row, reach, row + 0.012), joint))
    parts += [Part(doorway(0, -0.04, 0.27, 0.66), pale), Part(doorway(0, -0.04, 0.22, 0.6), "dark")]
    if burning:
        parts.append(Part(doorway(0, -0.04, 0.15, 0.42), mix(scene.material("dark"), colour("ffb050"), 0.5)))
    parts += [Part(rectangle(-0.3, 0.68, 0.3, 0.8), "roof"), Part(rectangle(-0.26, 0.7, 0.26, 0.78), "gold")]
    parts.append(Part(rectangle(-0.98, 0.86, 0.98, 0.92), pale))
    parts += [Part(rectangle(at, 0.92, at + 0.1, 1.02), brick) for at in np.arange(-0.97, 0.9, 0.17)]
    for floor, half, height in ((0.94, 0.7, 0.34), (1.52, 0.54, 0.28)):
        parts.append(Part(rectangle(-half, floor, half, floor + height), inside))
        parts.append(Part(rectangle(-half, floor, half, floor + 0.1), "pillar"))
        parts += [
            Part(rectangle(at - 0.022, floor, at + 0.022, floor + height), "pillar")
            for at in np.linspace(-half, half, 8)
        ]
        parts.append(
            Part(
                rectangle(-half - 0.02, floor + height - 0.06, half + 0.02, floor + height),
                scene.palette.lit(colour("2f6a68"), 0.12),
            )
        )
    lower, upper = (0.0, 1.27, 0.98, 0.26, 0.6, 0.34), (0.0, 1.79, 0.84, 0.44, 0.42, 0.22)
    tile = mix(scene.material("roof"), WHITE, 0.12)
    for eaves in (lower, upper):
        parts.append(Part(curved_roof(*eaves), "roof"))
        parts += [Part(roof_rib(*eaves, share, 0.012), tile) for share in np.linspace(-0.85, 0.85, 13)]
    parts.append(Part(polygon((-0.5, 2.3), (-0.44, 2.2), (0.44, 2.2), (0.5, 2.3), (0.4, 2.26), (-0.4, 2.26)), "ridge"))
    if burning:
        scene.lamp(x, y - 1.12 * size, size * 0.9)
        scene.lamp(x, y - 0.15 * size, size * 0.5)
    with scene.thing("城楼", "房屋"):
        scene.solid(parts, x, y, size, nearness)


def roofs(scene: Scene, top: float, bottom: float, size: float, lamps: bool) -> None:
    """Tiled roofs in rows from a far row to a near one; `size`: half a near house's width in pixels."""
    rows = max(5, int((bottom - top) / (size * 0.5)))
    with scene.thing("屋顶", "房屋"):
        for row in np.linspace(0, 1, rows) ** 1.35:
            part = size * (0.3 + 0.7 * row)
            y = top + (bottom - top) * row
            parts: list[Part] = []
            x = -part * scene.between(0.0, 1.6)
            while x < scene.width + part:
                half = part * scene.between(0.6, 1.35)
                up = scene.between(-0.22, 0.22)
                lamp = lamps and scene.chance(0.6)
                parts += _roofed_house(scene, (x + half) / part, up, half / part, half > 14 * scene.pixel, lamp)
                if lamp and scene.chance(0.5):
                    scene.lamp(x + half, y - up * part + 0.2 * half, half * 0.6)
                x += half * scene.between(1.5, 2.1)
            scene.solid(parts, 0, y, part, 0.35 + 0.65 * row)


def _roofed_house(scene: Scene, x: float, up: float, half: float, tiled: bool, lamp: bool) -> list[Part]:
    """One house, seen above its eaves, that stands at (x, up) and is `half` wide to either side."""
    roof = mix(scene.material("roof"), scene.material("wood"), scene.between(0.0, 0.25))
    tile = mix(roof, WHITE, 0.14)
    wall = mix(scene.material("wall"), scene.material("wood"), scene.between(0.3, 0.8))
    shapes: list[tuple[np.ndarray, Colour | str]] = [(rectangle(-0.86, -0.9, 0.86, 0.06), wall)]
    if lamp:
        shapes.append((rectangle(-0.16, -0.3, 0.16, -0.04), colour("ffc868")))
    eaves = polygon((-1.06, 0.03), (-0.86, 0.2), (-0.78, 0.52), (0.78, 0.52), (0.86, 0.2), (1.06, 0.03))
    shapes.append((eaves, roof))
    if tiled:
        shapes += [
            (stripe(np.array([[at * 1.12, 0.05], [at * 0.9, 0.5]]), 0.024), tile) for at in np.linspace(-0.8, 0.8, 9)
        ]
    ridge = polygon((-0.92, 0.6), (-0.8, 0.5), (0.8, 0.5), (0.92, 0.6), (0.8, 0.57), (-0.8, 0.57))
    shapes.append((ridge, "ridge"))
    return [Part(moved(points * half, x, up), ink) for points, ink in shapes]
