"""Paths (小路) over land: wide at the viewer's feet, narrow in the distance."""

import numpy as np

from recipes.drawing.colour import Colour, mix
from recipes.landscapes.scene import Scene

_LAND = ("地", "草", "花", "雪", "沙")


def path(
    scene: Scene, top: float, x_top: float, x_bottom: float, width: float, bottom: float | None = None,
    stones: bool = False,
) -> None:  # fmt: skip
    """A winding path from the row `top` to `bottom` (the picture's, unless it says less).

    `x_top`, `x_bottom`: its middle there; `width`: below, in pixels; `stones`: slabs of stone in place of earth.
    It lies on land alone, so that it vanishes behind what stands on the land and never crosses water.
    """
    start, end = int(max(0, top)), int(min(scene.height, bottom or scene.height))
    if end - start < 4:
        return
    rows = np.arange(start, end, dtype=np.float32)
    share = np.clip((rows - top) / max(end - top, 1), 0, 1)  # 0 far, 1 near
    phase, turns = scene.between(0, 6.3), scene.between(1.2, 2.2)
    swing = np.sin(phase + turns * 6.3 * np.sqrt(share)) - np.sin(phase)
    middle = x_top + (x_bottom - x_top) * share**0.8 + swing * scene.side * 0.16 * share * (1 - share) * 2
    half = width / 2 * (0.05 + 0.95 * share**1.35)
    wobble = scene.noise(len(rows), scene.width, 2.0) * np.float32(scene.style.roughness)
    across = (scene.columns - middle[:, None]) / half[:, None]
    edge = np.abs(across) + wobble * np.float32(0.07)
    cover = np.clip((1 - edge) * half[:, None] * 0.6 + 0.5, 0, 1)
    cover *= _on_land(scene, start, end)
    dark, light = _inks(scene)
    shade = 0.62 + 0.15 * wobble - 0.25 * np.clip(np.abs(across) - 0.55, 0, 1) + 0.1 * scene.light * across
    if stones:
        shade = shade - _joints(share, across)
    if cover.max() < 0.5:
        return
    with scene.thing("石板路" if stones else "小路", "路"):
        scene.cover((cover * 0.95).astype(np.float32), dark, light, shade.astype(np.float32), start)


def _on_land(scene: Scene, start: int, end: int) -> np.ndarray:
    numbers = np.zeros(len(scene.things) + 1, np.float32)
    for thing in scene.things:
        numbers[thing.number] = float(thing.label in _LAND)
    return numbers[scene.owner[start:end]]


def _inks(scene: Scene) -> tuple[Colour, Colour]:
    palette = scene.palette
    if scene.facts.snow:
        return mix(scene.snow_ink(0.0), palette.near, 0.35), mix(scene.snow_ink(0.4), palette.lit("b8a890"), 0.4)
    earth = scene.material("sand")
    return mix(mix(earth, scene.material("wood"), 0.5), palette.near, 0.25), mix(earth, palette.sky[3], 0.15)


def _joints(share: np.ndarray, across: np.ndarray) -> np.ndarray:
    """Dark lines between slabs, closer in the distance."""
    steps = np.sqrt(share + 0.02) * 16
    row = np.floor(steps)[:, None]
    along = np.abs((steps[:, None] - row) - 0.5) > 0.43
    beside = np.abs(np.mod(across * 1.5 + 0.5 * (row % 2), 1.0) - 0.5) > 0.44
    return 0.35 * (along | beside)
