"""Ribbons over land: paths (小路) and streams (溪流), wide at the viewer's feet, narrow in the distance."""

from dataclasses import dataclass

import numpy as np

from recipes.drawing.colour import WHITE, Colour, mix
from recipes.drawing.noise import smoothstep
from recipes.landscapes.scene import Scene

_LAND = ("地", "草", "花", "雪", "沙")


@dataclass(frozen=True)
class _Ribbon:
    """From the row `start` on, (h, W) each: `across` from -1 to 1 between the edges, `cover` 0 to 1, `noise` of
    deviation 1; `share`: (h,) 0 far to 1 near."""

    start: int
    across: np.ndarray
    cover: np.ndarray
    noise: np.ndarray
    share: np.ndarray


def path(
    scene: Scene, top: float, x_top: float, x_bottom: float, width: float, bottom: float | None = None,
    stones: bool = False,
) -> None:  # fmt: skip
    """A winding path from the row `top` to `bottom` (the picture's, unless it says less).

    `x_top`, `x_bottom`: its middle there; `width`: below, in pixels; `stones`: slabs of stone in place of earth.
    It lies on land alone, so that it vanishes behind what stands on the land and never crosses water.
    """
    ribbon = _ribbon(scene, top, x_top, x_bottom, width, bottom or scene.height, 0.16)
    if ribbon is None:
        return
    dark, light = _earth(scene)
    across, noise = ribbon.across, ribbon.noise
    shade = 0.62 + 0.15 * noise - 0.25 * np.clip(np.abs(across) - 0.55, 0, 1) + 0.1 * scene.light * across
    if stones:
        shade = shade - _joints(ribbon.share, across)
    with scene.thing("石板路" if stones else "小路", "路"):
        scene.cover(ribbon.cover * np.float32(0.95), dark, light, shade.astype(np.float32), ribbon.start)


def stream(scene: Scene, top: float, x_top: float, x_bottom: float, width: float, bottom: float | None = None) -> None:
    """A winding stream over land, which mirrors the sky; its arguments are those of `path`."""
    ribbon = _ribbon(scene, top, x_top, x_bottom, width, bottom or scene.height, 0.42)
    if ribbon is None:
        return
    palette = scene.palette
    dark, light = mix(palette.water, palette.sky[1], 0.4), mix(palette.sky[3], palette.sky[2], 0.4)
    shade = 0.9 - 0.45 * ribbon.share[:, None] + 0.10 * ribbon.noise - 0.3 * np.clip(np.abs(ribbon.across) - 0.6, 0, 1)
    with scene.thing("溪流", "水"):
        scene.cover(ribbon.cover * np.float32(0.97), dark, light, shade.astype(np.float32), ribbon.start)
    bank = smoothstep(np.abs(ribbon.across), 0.86, 0.97) * ribbon.cover
    scene.tint((bank * np.float32(0.5)).astype(np.float32), mix(palette.sky[3], WHITE, 0.3), ribbon.start)


def _ribbon(
    scene: Scene, top: float, x_top: float, x_bottom: float, width: float, bottom: float, swing: float
) -> _Ribbon | None:
    """A ribbon that swings to both sides by the share `swing` of the picture's side; None where no land is below it."""
    start, end = int(max(0, top)), int(min(scene.height, bottom))
    if end - start < 4:
        return None
    rows = np.arange(start, end, dtype=np.float32)
    share = np.clip((rows - top) / max(bottom - top, 1), 0, 1)
    phase, turns = scene.between(0, 6.3), scene.between(1.2, 2.2)
    wave = np.sin(phase + turns * 6.3 * np.sqrt(share)) - np.sin(phase)
    middle = x_top + (x_bottom - x_top) * share**0.8 + wave * scene.side * swing * share * (1 - share) * 2
    half = width / 2 * (0.05 + 0.95 * share**1.35)
    noise = scene.noise(len(rows), scene.width, 2.0) * np.float32(scene.style.roughness)
    across = (scene.columns - middle[:, None]) / half[:, None]
    edge = np.abs(across) + noise * np.float32(0.07)
    cover = np.clip((1 - edge) * half[:, None] * 0.6 + 0.5, 0, 1) * _on_land(scene, start, end)
    return _Ribbon(start, across, cover.astype(np.float32), noise, share) if cover.max() > 0.5 else None


def _on_land(scene: Scene, start: int, end: int) -> np.ndarray:
    numbers = np.zeros(len(scene.things) + 1, np.float32)
    for thing in scene.things:
        numbers[thing.number] = float(thing.label in _LAND)
    return numbers[scene.owner[start:end]]


def _earth(scene: Scene) -> tuple[Colour, Colour]:
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
