"""A waterfall between rocks, above a pool: a ribbon, a broad curtain, or a cascade."""

import numpy as np

from recipes.drawing.colour import WHITE, mix
from recipes.landscapes.facts import PlaceRules
from recipes.landscapes.parts import ground, mist, mountains, sky
from recipes.landscapes.parts.water import water
from recipes.landscapes.places.base import Place
from recipes.landscapes.places.layout import sides
from recipes.landscapes.scene import Scene
from recipes.landscapes.things.near_tree import near_tree
from recipes.landscapes.things.pavilion import pavilion
from recipes.landscapes.things.pine import pine
from recipes.landscapes.things.rock import rocks
from recipes.landscapes.things.waterfall import waterfall


def compose(scene: Scene) -> None:
    width, height, unit = scene.width, scene.height, scene.side
    wide, tall = sides(scene)
    sky.heaven(scene, height * 0.5 if tall < 1.5 else height * 0.36, disc=0.4)
    kinds = ("karst",) if scene.style.chinese else ("range",)
    mountains.ranges(scene, height * (0.5 if tall < 1.5 else 0.3), 2, unit * 0.32, kinds, 0.05, 0.35)
    x = width * 0.5 + scene.focus * unit * scene.between(0.04, 0.2)
    pool = height * scene.between(0.74, 0.82)
    design = scene.pick(("ribbon", "curtain", "cascade"))
    crest, lip = _cliff(scene, x, pool, design)
    forest = scene.between(0.5, 1.0)
    with scene.thing("雪山" if scene.facts.snow else "群山", "山"):
        mountains.ridge(scene, crest, 0.66, (pool - crest.min()) * 1.6, int(pool + 4), kind="rock", forest=forest)
        fall = pool - lip
        half = {"ribbon": unit * scene.between(0.04, 0.06), "curtain": unit * scene.between(0.17, 0.24)}
        waterfall(scene, x, pool, fall, half.get(design, unit * scene.between(0.09, 0.12)), design, spray=False)
        if wide > 1.6:
            for side in (-1, 1):
                at = x + side * unit * scene.between(0.75, 1.1)
                if unit * 0.2 < at < width - unit * 0.2:
                    top = scene.at(crest, at) + unit * 0.02
                    waterfall(scene, at, pool, pool - top, unit * 0.03, "ribbon", spray=False)
        banks = _banks(scene, x, pool, half.get(design, unit * 0.12))
    if scene.chance(0.5):
        side = 1 if scene.chance(0.5) else -1
        at = x + side * unit * scene.between(0.34, 0.42)
        if unit * 0.12 < at < width - unit * 0.12:
            foot = scene.at(banks[side], at) + unit * 0.02
            pavilion(scene, at, foot, unit * scene.between(0.12, 0.15))
    mist.band(scene, pool - unit * 0.02, unit * 0.10, 0.7 if scene.style.chinese else 0.45)
    water(scene, np.full(width, pool, np.float32), 1.3, "潭水")
    spray = mix(scene.palette.mist, WHITE, 0.0 if scene.facts.night else 0.3)
    reach = half.get(design, unit * 0.12) + unit * 0.08
    mist.patch(scene, x, pool, reach * 1.2, unit * 0.05, 0.8, spray)
    mist.patch(scene, x, pool - unit * 0.05, reach, unit * 0.09, 0.35, spray)
    if scene.facts.weather == "雾":
        mist.veil(scene, 0, 0.4)
    _foreground(scene, x)


def _cliff(scene: Scene, x: float, pool: float, design: str) -> tuple[np.ndarray, float]:
    """The rocks' crest (W,) with a notch where the water leaves it, and the row of its lip."""
    unit = scene.side
    columns = np.arange(scene.width)
    _, tall = sides(scene)
    drop = min(pool - unit * 0.28, unit * (0.44 if tall < 1.5 else 0.6 + 0.42 * tall)) * scene.between(0.92, 1.06)
    lip = pool - drop
    half = {"ribbon": 0.05, "curtain": 0.22, "cascade": 0.09}[design] * unit
    rough = scene.outline(0, unit * 0.17, "range") + unit * 0.05
    away = np.abs(columns - x)
    beside = np.clip((away - half) / (unit * 0.08), 0, 1)
    shoulders = np.zeros(scene.width)
    for side in (-1, 1):
        centre = x + side * (half + unit * scene.between(0.13, 0.2))
        shoulders += unit * scene.between(0.12, 0.26) * np.exp(-((np.abs(columns - centre) / (unit * 0.19)) ** 3))
    # far from the water the rocks come down again, in waves where the picture is wide
    falling = np.clip(away / unit - 0.45, 0, 0.9) * drop * 0.35
    crest = lip + beside * (rough - shoulders) + falling * beside - unit * 0.01
    crest = np.minimum(crest, pool - unit * 0.1)
    soft = unit * 0.07  # the highest tops bend below the picture's edge
    crest = unit * 0.04 + soft * np.logaddexp(0, (crest - unit * 0.04) / soft)
    return crest.astype(np.float32), lip


def _banks(scene: Scene, x: float, pool: float, half: float) -> dict[int, np.ndarray]:
    """Lower rocks in front, left (-1) and right (1) of the water; their crests (W,)."""
    crests = {}
    unit, columns = scene.side, np.arange(scene.width)
    for side in (-1, 1):
        away = np.abs(columns - x - side * (unit * 0.36 + half))
        rise = unit * 0.22 * np.clip(1 - away / (unit * 0.34), 0, 1) ** 0.8
        outer = np.where((columns - x) * side > unit * 0.4, unit * 0.1, 0)
        crest = (pool - np.maximum(rise, outer) + scene.outline(0, unit * 0.04, "range") + unit * 0.03).astype(
            np.float32
        )
        mountains.ridge(scene, crest, 0.82, unit * 0.34, int(pool + 4), kind="rock", forest=0.5)
        crests[side] = crest
    return crests


def _foreground(scene: Scene, x: float) -> None:
    """Boulders in the pool; a tree on a bank in a corner."""
    unit, width, height = scene.side, scene.width, scene.height
    for _ in range(int(scene.rng.integers(1, 4) * width / unit)):
        at = x + scene.between(-0.9, 0.9) * width * 0.5
        if abs(at - x) > unit * 0.16:
            rocks(scene, at, height * scene.between(0.86, 0.93), unit * scene.between(0.035, 0.08))
    side = -scene.focus
    bank = ground.corner(scene, side, unit * scene.between(0.12, 0.17))
    at = unit * scene.between(0.10, 0.2)
    at = at if side < 0 else width - at
    tree = near_tree if scene.chance(0.7) else pine
    tree(scene, at, scene.at(bank, at) + unit * 0.02, unit * scene.between(0.38, 0.56))


PLACE = Place(
    "waterfall", ("瀑布", "瀑布下", "飞瀑", "山中瀑布"), compose, PlaceRules(weathers=("晴", "雾", "雨", "雪"))
)
