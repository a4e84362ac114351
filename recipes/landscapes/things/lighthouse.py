"""Lighthouses: banded in red and white, or of stone beside a keeper's house. At dusk and night their beam turns."""

import numpy as np

from recipes.drawing.colour import colour, mix
from recipes.landscapes.scene import Part, Scene
from recipes.landscapes.things.lamps import lamps_burn, pane
from recipes.landscapes.things.shapes import arc, disc, polygon, rectangle


def lighthouse(scene: Scene, x: float, y: float, size: float, nearness: float = 1.0, design: str = "") -> None:
    """A lighthouse; `size`: half its height in pixels, nearly."""
    design = design or scene.pick(("banded", "stone"), (0.55, 0.45))
    burning = lamps_burn(scene)
    parts = _banded(scene) if design == "banded" else _stone(scene, pane(scene, burning))
    if burning:
        _beam(scene, x, y - 1.45 * size)
        scene.lamp(x, y - 1.45 * size, size * 1.1, "ffe0a0")
    with scene.thing("灯塔", "房屋"):
        scene.solid(parts, x, y, size, nearness)


def _banded(scene: Scene) -> list[Part]:
    band = scene.material(scene.pick(("red", "roof"), (0.75, 0.25)))

    def half(up: float) -> float:
        return 0.19 - 0.065 * (up - 0.06) / 1.24

    parts = [
        Part(rectangle(-0.28, -0.08, 0.28, 0.06), "old stone"),
        Part(rectangle(-0.19, 0.06, 0.19, 1.3, 0.065), "white"),
    ]
    for low, high in ((0.28, 0.54), (0.8, 1.06)):
        parts.append(Part(polygon((-half(low), low), (-half(high), high), (half(high), high), (half(low), low)), band))
    parts += [Part(rectangle(-0.05, 0.06, 0.05, 0.22), "wood")]
    parts += [Part(rectangle(-0.025, up, 0.025, up + 0.08), "dark") for up in (0.42, 0.68, 0.92)]
    return parts + _lantern(scene, 1.3, band)


def _stone(scene: Scene, window: tuple[float, float, float]) -> list[Part]:
    """Eight-sided, whitewashed, three faces of it seen; a low house with a red roof at its foot."""
    shade, lit = mix(scene.material("white"), scene.material("roof"), 0.28), scene.material("white")
    parts = [
        Part(rectangle(0.1, -0.06, 0.66, 0.34), mix(lit, scene.material("stone"), 0.3)),
        Part(polygon((0.04, 0.3), (0.14, 0.52), (0.64, 0.52), (0.74, 0.3)), "brick"),
        Part(rectangle(0.32, 0.1, 0.44, 0.24), window),
        Part(rectangle(0.52, -0.04, 0.6, 0.22), "wood"),
    ]
    left, right = (
        polygon((-0.22, -0.06), (-0.15, 1.26), (-0.07, 1.26), (-0.1, -0.06)),
        polygon((0.1, -0.06), (0.07, 1.26), (0.15, 1.26), (0.22, -0.06)),
    )
    parts += [
        Part(left, lit),
        Part(polygon((-0.1, -0.06), (-0.07, 1.26), (0.07, 1.26), (0.1, -0.06)), mix(lit, shade, 0.45)),
        Part(right, shade),
    ]
    parts += [Part(rectangle(-0.24, -0.1, 0.24, 0.02), "old stone")]
    parts += [Part(rectangle(-0.03, up, 0.03, up + 0.1), "dark") for up in (0.24, 0.6, 0.95)]
    return parts + _lantern(scene, 1.26, scene.material("roof"))


def _lantern(scene: Scene, floor: float, roof: tuple[float, float, float]) -> list[Part]:
    """The gallery with its rail, the glass, and the dome."""
    parts = [Part(rectangle(-0.2, floor, 0.2, floor + 0.05), "dark")]
    parts += [
        Part(rectangle(at - 0.006, floor + 0.05, at + 0.006, floor + 0.14), "dark")
        for at in np.linspace(-0.19, 0.19, 9)
    ]
    parts += [Part(rectangle(-0.2, floor + 0.13, 0.2, floor + 0.15), "dark")]
    glass = (
        colour("ffe6a0") if scene.facts.time in ("黄昏", "夜晚") else mix(scene.palette.sky[1], (1.0, 1.0, 1.0), 0.4)
    )
    parts += [Part(rectangle(-0.1, floor + 0.05, 0.1, floor + 0.26), glass)]
    parts += [
        Part(rectangle(at - 0.008, floor + 0.05, at + 0.008, floor + 0.26), "dark") for at in (-0.1, -0.035, 0.035, 0.1)
    ]
    dome = np.concatenate(
        [polygon((-0.14, floor + 0.26)), arc(0, floor + 0.28, 0.13, 0.14), polygon((0.14, floor + 0.26))]
    )
    return [*parts, Part(dome, roof), Part(disc(0, floor + 0.45, 0.03), roof)]


def _beam(scene: Scene, x: float, y: float) -> None:
    """A cone of light towards the wider side of the picture."""
    side = -1.0 if x > scene.width / 2 else 1.0
    ahead = (scene.columns - np.float32(x)) * np.float32(side)
    reach = scene.side * 0.95
    tilt = np.float32(scene.between(-0.02, 0.08))
    aside = np.abs(scene.rows - np.float32(y) + ahead * tilt)
    cone = np.clip(1 - aside / np.maximum(ahead * np.float32(0.11) + 4 * scene.pixel, 1), 0, 1)
    fading = np.clip(1 - ahead * np.float32(1 / reach), 0, 1) * (ahead > 0)
    light = scene.style.tone((cone * fading).astype(np.float32)) * np.float32(0.5)
    scene.tint(light, colour("fff0c0"))
