"""Lamps in windows: whether they burn, and the colour of panes."""

from recipes.drawing.colour import Colour, colour, mix
from recipes.landscapes.scene import Scene


def lamps_burn(scene: Scene) -> bool:
    """Whether people have lit their lamps: at night, and in most scenes at dusk."""
    return scene.facts.night or (scene.facts.time == "黄昏" and scene.chance(0.7))


def pane(scene: Scene, burning: bool) -> Colour:
    """The colour of a window: lamplight, or the dark inside."""
    if burning:
        return mix(colour("ffcf70"), scene.material("wood"), 0.2 if scene.style.chinese else 0.0)
    return mix(scene.material("dark"), scene.material("roof"), 0.35)
