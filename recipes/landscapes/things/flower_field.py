"""Fields of flowers down to the viewer: rape (油菜花), lavender, tulips, poppies, wild flowers of many colours."""

from dataclasses import dataclass

import numpy as np

from recipes.drawing.brushes import ellipse
from recipes.drawing.colour import Colour, colours, mix
from recipes.landscapes.parts.ground import land
from recipes.landscapes.scene import Scene
from recipes.landscapes.things.blossoms import dyed


@dataclass(frozen=True)
class Crop:
    """What grows: its `name`, the colours of its flowers (`inks`, several beds), `rows`: planted in rows; `spike`: how
    much taller than wide a head is; `seasons`: when it is in flower."""

    name: str
    inks: tuple[str, ...]
    rows: bool
    spike: float
    seasons: tuple[str, ...]


_TULIPS = ("a81c34 e0404c f8908c", "c88a10 f4c838 fff0a0", "a83a78 e87ab0 fcd0e4")
_WILD = ("b83a60 f080a0 fcd4dc", "c89a18 f8d048 fff4b0", "5a48a8 8f80d8 d0c8f8", "c8c4bc f8f4ec ffffff")
_COSMOS = ("a0306c e070a8 fcd0e4", "c8a8b8 f8e8f0 ffffff", "8a1c4c c84880 f0a0c0")
CROPS = {
    "rape": Crop("油菜花", ("c89a10 f4cc28 fff08c",), True, 1.0, ("春",)),
    "lavender": Crop("薰衣草", ("5a3a90 8f6cc8 ccb4f0",), True, 2.4, ("夏",)),
    "tulips": Crop("郁金香", _TULIPS, True, 1.4, ("春",)),
    "poppies": Crop("虞美人", ("a81c18 e0402c f88c60",), False, 0.9, ("春", "夏")),
    "wild": Crop("野花", _WILD, False, 1.0, ("春", "夏", "秋")),
    "cosmos": Crop("格桑花", _COSMOS, False, 0.9, ("夏", "秋")),
    "daisies": Crop("雏菊", ("b8b4a8 f4f0e8 ffffff",), False, 0.8, ("春", "夏")),
}


def flower_field(scene: Scene, crest: np.ndarray, crop: Crop, near: float = 1.0) -> None:
    """Ground below a crest (W,) that flowers cover to the bottom, in bands that grow towards the viewer."""
    rng, height = scene.rng, scene.height
    land(scene, crest, near * 0.85, grass=0.0)
    beds = [dyed(scene, code, 0.25) for code in crop.inks]
    green = _greens(scene)
    top = float(crest.min())
    lean = scene.focus * scene.between(0.2, 0.7)
    with scene.thing(crop.name, "花"):
        _carpet(scene, crest, crop, beds, green, lean)
        bands = 9
        for band in range(1, bands + 1):
            share = band / bands
            size = max(1.6, (2.2 + 15 * share**1.7)) * scene.pixel
            low, high = (top + (height * 1.03 - top) * ((band - k) / bands) ** 1.5 for k in (1, 0))
            count = int(0.8 * scene.width * max(high - low, 4) / (size * size * (2.2 + 1.2 * share)))
            xs, ys = rng.uniform(0, scene.width, count), rng.uniform(low, high, count)
            ys = ys[ys > crest[xs.astype(int)] + size * 0.2]
            xs = xs[: len(ys)] if len(ys) == count else rng.uniform(0, scene.width, len(ys))
            ys = np.maximum(ys, crest[xs.astype(int)] + size * 0.3)
            order = np.argsort(ys)
            _tufts(scene, xs[order], ys[order], size, share, crop, beds, green, lean, top)


def _greens(scene: Scene) -> list[Colour]:
    palette = scene.palette
    if scene.style.chinese:
        return [palette.evergreen[0], palette.evergreen[2]]
    return [mix(palette.lit(ink), palette.near, 0.1) for ink in colours("2f5c30 7fae4c")]


def _bed(scene: Scene, crop: Crop, xs: np.ndarray, ys: np.ndarray, lean: float, top: float) -> np.ndarray:
    """Which row of a planted field points lie in, as a real number: rows meet at the horizon."""
    depth = (ys - top) / max(scene.height - top, 1) + 0.06
    return (xs / scene.width - 0.5 - 0.4 * lean) / depth * 5.0 * scene.width / scene.side + 40


def _carpet(
    scene: Scene, crest: np.ndarray, crop: Crop, beds: list[list[Colour]], green: list[Colour], lean: float
) -> None:
    """The far flowers, which melt into one colour; rows of planted ones with green between."""
    top = int(max(0, crest.min() - 2))
    height = scene.height - top
    depth = scene.rows[top:] - crest[None]
    cover = np.clip(depth, 0, 1)
    fade = 1 - np.clip(depth / (scene.height * 0.35), 0, 1) * np.float32(0.45)
    shade = 0.55 + 0.16 * scene.noise(height, scene.width, 1.6, 4.0) * np.float32(scene.style.roughness)
    if crop.rows:
        lane = _bed(scene, crop, scene.columns, scene.rows[top:], lean, float(crest.min()))
        wave = np.cos(lane * np.float32(2 * np.pi))
        shade = shade + 0.12 * wave
        cover = cover * np.clip(0.75 + wave * np.float32(0.55), 0.1, 1)
    if len(beds) == 1 or not crop.rows:
        ink = beds[0]
        scene.cover((cover * fade).astype(np.float32), mix(ink[0], green[1], 0.35), ink[1], shade, top)
        return
    lane = np.floor(lane + 0.5).astype(int) % len(beds)
    for order, ink in enumerate(beds):
        part = cover * fade * (lane == order)
        scene.cover(part.astype(np.float32), mix(ink[0], green[1], 0.25), ink[1], shade, top)


def _tufts(
    scene: Scene, xs: np.ndarray, ys: np.ndarray, size: float, share: float, crop: Crop, beds: list[list[Colour]],
    green: list[Colour], lean: float, top: float,
) -> None:  # fmt: skip
    rng = scene.rng
    haze = 0.45 * (1 - share)
    greens = [mix(ink, scene.palette.haze, haze * 0.6) for ink in green]
    if crop.rows:
        lane = _bed(scene, crop, xs, ys, lean, top)
        grows = np.cos(lane * 2 * np.pi) > -0.45
        xs, ys, lane = xs[grows], ys[grows], np.floor(lane[grows] + 0.5).astype(int) % len(beds)
    else:
        patch = scene.noise(64, 64, 0.4)
        at = patch[(ys * 63 / scene.height).astype(int).clip(0, 63), (xs * 63 / scene.width).astype(int).clip(0, 63)]
        lane = np.floor((at * 0.5 + rng.normal(0, 0.5, len(xs))) * 2 + 20).astype(int) % len(beds)
    if not len(xs):
        return
    stems = [ellipse(max(1.4, size * 0.22), size * 1.9, turn) for turn in (-16, 4, 20)]
    scene.dabs(xs, ys + size * 0.9, rng.random(len(xs)), stems, greens, 0.9)
    wide, tall = size * (0.9 if crop.spike < 2 else 0.6), size * 0.75 * crop.spike
    shapes = [ellipse(wide, tall, 0), ellipse(wide * 0.85, tall * 0.9, 25), ellipse(wide, tall * 0.8, -25)]
    for order, inks in enumerate(beds):
        chosen = lane == order
        spread = 3 if size > 7 * scene.pixel else 1
        px = np.repeat(xs[chosen], spread) + rng.normal(0, size * 0.35 * (spread > 1), spread * int(chosen.sum()))
        py = np.repeat(ys[chosen], spread) + rng.normal(0, size * 0.30 * (spread > 1), spread * int(chosen.sum()))
        shown = [mix(ink, scene.palette.haze, haze * 0.5) for ink in inks]
        scene.dabs(px, py, rng.uniform(0.1, 1, len(px)), shapes, shown, 0.95)
