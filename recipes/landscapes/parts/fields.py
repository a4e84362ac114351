"""Fields in strips, whose furrows run to one point of the horizon."""

import numpy as np

from recipes.drawing.colour import Colour, colour, mix
from recipes.landscapes.scene import Scene

_CROPS = {
    "春": (("油菜花", "花", "c89a1c", "f8dc3c"), ("田野", "地", "5a8a3c", "a8cc68")),
    "夏": (("田野", "地", "2f6a34", "7fb850"), ("田野", "地", "4a8038", "a8cc60")),
    "秋": (("田野", "地", "a87428", "eccc60"), ("田野", "地", "8a6a30", "d8b058")),
    "冬": (("田野", "地", "6a5a44", "a89878"), ("田野", "地", "74644c", "b4a484")),
}


def fields(scene: Scene, crest: np.ndarray, horizon: float, depth: float, nearness: float) -> None:
    """Fields below a crest (W,), `depth` pixels deep. `horizon`: the row to which the furrows run."""
    top, bottom = int(max(0, crest.min() - 2)), int(min(scene.height, crest.max() + depth))
    if bottom - top < 4 or scene.facts.snow:
        return
    below = scene.rows[top:bottom] - crest[None]
    away = np.maximum(scene.rows[top:bottom] - np.float32(horizon - scene.side * 0.06), scene.side * 0.04)
    middle = scene.width * (0.5 - scene.focus * 0.2)
    across = (scene.columns - np.float32(middle)) / away
    strip = np.floor(across * np.float32(0.55) + np.float32(scene.between(0, 1)))
    furrow = np.sin(across * np.float32(9.0))
    noise = scene.noise(bottom - top, scene.width, 2.0, 3.0) * np.float32(scene.style.roughness)
    edge = np.clip(below + np.float32(0.5), 0, 1) * np.clip(
        (np.float32(depth) - below) * np.float32(0.2 / scene.pixel), 0, 1
    )
    border = np.clip(np.abs(across * np.float32(0.55) - np.rint(across * np.float32(0.55))) * 12, 0, 1)
    for i, (name, label, dark, light) in enumerate(_CROPS[scene.facts.season]):
        inside = edge * ((strip % 2) == i)
        shade = np.float32(0.62) + furrow * np.float32(0.24) + noise * np.float32(0.10) - (1 - border) * np.float32(0.3)
        inks: list[Colour] = [scene.faded(_season_ink(scene, code), nearness) for code in (dark, light)]
        with scene.thing(name, label):
            scene.cover(inside.astype(np.float32), inks[0], inks[1], shade.astype(np.float32), top)


def _season_ink(scene: Scene, code: str) -> Colour:
    ink = scene.palette.lit(colour(code))
    # Chinese painting washes colours over paper or ink: fields keep half of its ground
    return mix(scene.palette.grass_light, ink, 0.45) if scene.style.chinese else ink
