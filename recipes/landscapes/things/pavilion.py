"""Pavilions: a roof on pillars, with one or two storeys, round or square."""

from recipes.drawing.colour import colour, mix
from recipes.landscapes.scene import Part, Scene
from recipes.landscapes.things.shapes import curved_roof, rectangle


def pavilion(scene: Scene, x: float, y: float, size: float, nearness: float = 1.0) -> None:
    """A pavilion; `size`: about its width in pixels. At dusk and at night a lamp may burn in it."""
    parts = [
        Part(rectangle(-0.62, -0.06, 0.62, 0.03), "old stone"),
        Part(rectangle(-0.56, 0.03, 0.56, 0.08), "stone"),
    ]
    if lamps_burn(scene):
        parts.append(Part(rectangle(-0.4, 0.08, 0.4, 0.52), mix(scene.material("wood"), colour("ffc060"), 0.55)))
        scene.lamp(x, y - 0.3 * size, size * 0.8)
    parts += [Part(rectangle(-0.44, 0.08, 0.44, 0.20), "wood"), Part(rectangle(-0.42, 0.20, 0.42, 0.22), "pillar")]
    parts += [Part(rectangle(at - 0.03, 0.08, at + 0.03, 0.56), "pillar") for at in (-0.42, -0.16, 0.16, 0.42)]
    parts.append(Part(rectangle(-0.48, 0.50, 0.48, 0.58), "wood"))
    parts += _two_storeys() if scene.chance(0.4) else _one_storey()
    with scene.thing("亭子", "房屋"):
        scene.solid(parts, x, y, size, nearness)


def _one_storey() -> list[Part]:
    return [
        Part(curved_roof(0, 0.58, 0.78, 0.50, 0.04, 0.15), "roof"),
        Part(curved_roof(0, 0.62, 0.52, 0.44, 0.02, 0.02), "ridge"),
        Part(rectangle(-0.035, 1.06, 0.035, 1.2, 0.012), "pillar"),
    ]


def _two_storeys() -> list[Part]:
    return [
        Part(curved_roof(0, 0.58, 0.74, 0.24, 0.3), "roof"),
        Part(rectangle(-0.28, 0.76, 0.28, 0.9), "wood"),
        Part(curved_roof(0, 0.88, 0.54, 0.42, 0.03, 0.12), "roof"),
        Part(curved_roof(0, 0.90, 0.40, 0.36, 0.02, 0.02), "ridge"),
        Part(rectangle(-0.03, 1.28, 0.03, 1.42, 0.01), "pillar"),
    ]


def lamps_burn(scene: Scene) -> bool:
    """Whether people have lit their lamps: at night, and in most scenes at dusk."""
    return scene.facts.night or (scene.facts.time == "黄昏" and scene.chance(0.7))
