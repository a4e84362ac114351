"""What a surreal design is, and what several of them are made of: a giant moon, a floating island, clouds in front."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from recipes.compositions.art import Piece
from recipes.compositions.facts import Group
from recipes.drawing.colour import WHITE, colour, mix
from recipes.drawing.noise import smoothstep
from recipes.landscapes.facts import SEASONS, TIMES
from recipes.landscapes.parts import ground, sky
from recipes.landscapes.scene import Disc, Part, Scene


@dataclass(frozen=True)
class Told:
    """What a design came to show. `texts`: several captions of it; `things`: the numbers in the scene of what must be
    seen; `most`: how much of it may be hidden, 0 to 1; `names`: things of the scene that must be seen, too."""

    texts: tuple[str, ...]
    things: Sequence[int]
    group: Group
    most: float = 0.15
    names: tuple[str, ...] = ()
    cut: bool = False  # it may go on beyond the picture
    others: tuple[Group, ...] = ()  # what is there beside the group that the design is of


@dataclass(frozen=True)
class Design:
    """`paint`: paints a whole scene with these pictures; `art`: for each of them, the records' names it may be of;
    `styles`: of painting, all that go with the art unless it says less."""

    name: str
    paint: Callable[[Scene, list[Piece]], Told | None]
    art: tuple[tuple[str, ...], ...] = ()
    times: tuple[str, ...] = TIMES
    weathers: tuple[str, ...] = ("晴", "雾")
    seasons: tuple[str, ...] = SEASONS
    styles: tuple[str, ...] = field(default=())


def counted(piece: Piece, number: str = "一") -> str:
    """一头鲸鱼."""
    return f"{number}{piece.noun.measures[0]}{piece.noun.word}"


def group(piece: Piece, count: int = 1) -> Group:
    return Group.of(piece.noun, count)


def since(scene: Scene, before: int, word: str) -> list[int]:
    """The numbers of the things of this name that were drawn after there were `before` of them."""
    return [thing.number for thing in scene.things[before:] if thing.name == word]


def clear_sky(scene: Scene, horizon: float, disc: float = 0.0) -> None:
    """A sky without birds, and without a sun or moon unless a share `disc` says so."""
    sky.heaven(scene, horizon, disc=disc, cloud=0.3, flock=0.0)


def giant_moon(scene: Scene, x: float, y: float, radius: float, name: str = "巨月") -> int:
    """A moon of this radius in canvas pixels with its seas; its number among the things."""
    palette = scene.palette
    scene.style.halo(scene, Disc(x, y, radius), 0.55)
    region = scene.region([x - radius, x + radius], [y - radius, y + radius], 2)
    with scene.thing(name, "日月") as moon:
        if region is not None:
            across, down = scene.offsets(region, x, y)
            distance = np.sqrt(across**2 + down**2)
            cover = np.clip(radius - distance + np.float32(0.5), 0, 1)
            shade = np.float32(1.0) - np.clip(distance / np.float32(radius) - 0.72, 0, 1) * np.float32(0.9)
            for _ in range(int(scene.rng.integers(5, 9))):
                angle, far = scene.between(0, 6.28), scene.between(0.0, 0.72) * radius
                half = radius * scene.between(0.08, 0.24)
                sea = np.hypot(
                    (across - far * np.cos(angle)) / np.float32(half * scene.between(1.0, 1.4)),
                    (down - far * np.sin(angle)) / np.float32(half),
                )
                shade = shade - smoothstep(1 - sea.astype(np.float32), 0.0, 0.25) * np.float32(0.36)
            light = mix(colour("fff3cf"), palette.sun, 0.35)
            scene.cover(
                cover.astype(np.float32), mix(light, colour("a88f6a"), 0.55), light, shade, region.top, region.left
            )
    return moon.number


def island(scene: Scene, x: float, y: float, half: float, name: str = "浮岛") -> int:
    """A rock that floats: grass at row `y`, a jagged root below, of this half width in pixels; its number."""
    rng = scene.rng
    t = np.linspace(-1, 1, 17)
    depth = (1 - np.abs(t) ** 1.4) * (0.85 + 0.3 * rng.random(17)) * 1.15 + 0.06
    depth[[0, -1]] = 0.02
    top = np.stack([t, 0.05 * (1 - t**2)], 1)
    root = np.stack([t, -depth], 1)[::-1]
    stone = scene.palette.lit(colour("8a7a6c"), 0.15)
    lit_side = mix(stone, WHITE, 0.16)
    lit_root = np.stack([t[5:12] * 0.8 + 0.14 * scene.light, -depth[5:12] * 0.8], 1)[::-1]
    grass = scene.snow_ink(0.9) if scene.facts.snow else mix(scene.palette.grass_light, scene.palette.grass_dark, 0.25)
    fringe = np.stack([t, -0.06 - 0.09 * rng.random(17)], 1)[::-1]
    fringe[[0, -1], 1] = -0.01
    parts = [
        Part(np.concatenate([top, root]), stone),
        Part(np.concatenate([np.stack([t[5:12] * 0.7, np.full(7, -0.05)], 1), lit_root]), lit_side),
        Part(np.concatenate([top, fringe]), grass),
    ]
    with scene.thing(name, "石") as thing:
        scene.solid(parts, x, y, half, snow=False)
    return thing.number


def foreground(scene: Scene, row: float) -> None:
    """Near land up to about this row."""
    ground.land(scene, scene.outline(row, scene.side * 0.05, "hill"), 0.95, grass=0.8)


def fall_from(scene: Scene, x: float, y: float, width: float, height: float) -> None:
    """Water that falls from an edge and turns to spray."""
    region = scene.region([x - width, x + width], [y, y + height], 2)
    if region is None:
        return
    across, down = scene.offsets(region, x, y)
    share = np.clip(down / np.float32(height), 0, 1)
    half = np.float32(width) * (np.float32(0.35) + share * np.float32(0.35))
    strands = 0.75 + 0.25 * np.sin(across * np.float32(14 / width) + np.float32(1.5))
    cover = np.clip(1 - (across / half) ** 2, 0, 1) * (1 - share**2) * strands
    with scene.thing("瀑布", "水"):
        scene.blend(
            scene.style.cut((cover * np.float32(0.95)).astype(np.float32)),
            mix(scene.palette.mist, WHITE, 0.7),
            region.top,
            region.left,
        )
