"""小桥流水: a bridge over a stream with a house on each bank; and a canal of a water town between rows of houses."""

import numpy as np

from recipes.drawing.brushes import fill
from recipes.landscapes.parts import ground, mist, mountains, sky
from recipes.landscapes.parts.water import water
from recipes.landscapes.places.base import Place
from recipes.landscapes.places.layout import shore, sides
from recipes.landscapes.scene import Scene
from recipes.landscapes.things.boat import boat
from recipes.landscapes.things.bridge import bridge, long_bridge
from recipes.landscapes.things.cottage import cottage, village
from recipes.landscapes.things.duck import ducks
from recipes.landscapes.things.farmyard import water_wheel
from recipes.landscapes.things.islet import islet
from recipes.landscapes.things.lamps import lamps_burn
from recipes.landscapes.things.lantern import lantern_string
from recipes.landscapes.things.near_tree import near_tree
from recipes.landscapes.things.pagoda import pagoda
from recipes.landscapes.things.pavilion import pavilion
from recipes.landscapes.things.reeds import reeds
from recipes.landscapes.things.willow import willow


def compose(scene: Scene) -> None:
    if scene.chance(0.45):
        _water_town(scene)
    else:
        _stream(scene)


def _stream(scene: Scene) -> None:
    width, height, unit = scene.width, scene.height, scene.side
    wide, tall = sides(scene)
    horizon = height * (scene.between(0.5, 0.6) if tall < 1.5 else scene.between(0.6, 0.66))
    sky.heaven(scene, horizon)
    kinds = ("range", "karst") if scene.style.chinese else ("range", "hill")
    rise = min(height * scene.between(0.2, 0.3), unit * 0.7)
    mountains.ranges(scene, horizon, int(scene.rng.integers(2, 4)), rise, kinds, 0.05, 0.5, 0.5, int(horizon + 3))
    many = wide > 1.8 and scene.chance(0.6)
    half = unit * (scene.between(0.55, 0.7) if many else scene.between(0.15, 0.22))
    row = horizon + unit * scene.between(0.06, 0.11)
    room = max(width * 0.5 - half * 1.35 - unit * 0.14, 0)
    x = width * 0.5 + scene.between(-1, 1) * room
    lines = []
    for side in (-1.0, 1.0):
        length = (x if side < 0 else width - x) - half * (0.98 if many else 1.12)
        length = max(length, unit * 0.06)
        crest, line = shore(scene, side, length + 0.1 * width, row - horizon, unit * scene.between(0.035, 0.05))
        lines.append(line)
        _bank(scene, crest, side, length)
    water(
        scene,
        np.maximum(lines[0], lines[1]),
        scene.between(0.6, 1.1),
        scene.pick(("河面", "溪流")) if not many else "河面",
    )
    if scene.facts.weather == "雾":
        mist.veil(scene, horizon * 0.3, 0.4)
    if many:
        long_bridge(scene, x, row + unit * 0.012, half, reflected=True)
    else:
        design = scene.pick(("arch", "planks", "covered"), (0.55, 0.25, 0.2))
        bridge(scene, x, row + unit * 0.012, half / 1.12, design=design, reflected=True)
    mist.band(scene, horizon + unit * 0.02, unit * 0.04, 0.2 + 0.5 * scene.facts.fog)
    if scene.facts.season != "冬" and scene.chance(0.35):
        ducks(scene, x + scene.between(-0.2, 0.2) * unit, row + unit * scene.between(0.12, 0.18), unit * 0.05)
    if scene.chance(0.6):
        boat(
            scene,
            width * 0.5 + scene.between(-0.3, 0.3) * width,
            height * scene.between(0.78, 0.86),
            unit * scene.between(0.11, 0.15),
        )
    if tall > 1.5:
        _down_the_water(scene, row)
    if scene.chance(0.5) or tall > 1.5:
        side = 1.0 if x < width / 2 else -1.0
        bank = ground.corner(scene, side, unit * 0.11)
        at = unit * 0.13 if side < 0 else width - unit * 0.13
        tree = willow if scene.facts.season != "冬" and scene.chance(0.6) else near_tree
        tree(scene, at, scene.at(bank, at) + unit * 0.02, unit * scene.between(0.5, 0.66))


def _down_the_water(scene: Scene, row: float) -> None:
    """What fills the long water of a tall picture below a bridge: an island, reeds on a bank, ducks."""
    width, height, unit = scene.width, scene.height, scene.side
    below = height - row
    side = scene.focus
    islet(scene, width * 0.5 + side * unit * scene.between(0.16, 0.24), row + below * 0.34, unit * 0.2)
    boat(scene, width * 0.5 - side * unit * scene.between(0.1, 0.24), row + below * 0.5, unit * 0.11)
    if scene.facts.season != "冬":
        ducks(scene, width * 0.5 + side * unit * scene.between(0.05, 0.2), row + below * 0.68, unit * 0.06)
    reeds(scene, width * 0.5 - side * (width * 0.5 - unit * 0.1), height + unit * 0.02, unit * scene.between(0.3, 0.4))


def _bank(scene: Scene, crest: np.ndarray, side: float, length: float) -> None:
    """Trees behind, houses in front, as far as the bank is long."""
    unit, width = scene.side, scene.width

    def column(along: float) -> float:
        return along if side < 0 else width - along

    along, last = unit * 0.1, ""
    while along < length - unit * 0.05:
        x = column(along)
        foot = scene.at(crest, x) + unit * 0.012
        room = length - along
        kind = scene.pick(
            [name for name in ("tree", "house", "village", "pavilion", "pagoda", "wheel") if name != last], None
        )
        if kind == "village" and room > unit * 0.5:
            village(scene, column(along + unit * 0.2), foot, unit * 0.085)
            along += unit * 0.5
        elif kind == "house":
            near_tree(scene, column(along - unit * 0.06), foot, unit * scene.between(0.26, 0.36))
            cottage(scene, column(along + unit * 0.06), foot, unit * scene.between(0.10, 0.13))
            along += unit * 0.3
        elif kind == "pavilion":
            pavilion(scene, column(along + unit * 0.05), foot, unit * scene.between(0.14, 0.18))
            along += unit * 0.27
        elif kind == "pagoda" and last != "pagoda":
            pagoda(scene, column(along + unit * 0.04), foot, unit * 0.12)
            along += unit * 0.22
        elif kind == "wheel" and room < unit * 0.35:
            water_wheel(scene, column(along + unit * 0.05), foot + unit * 0.02, unit * 0.17)
            along += unit * 0.24
        else:
            near_tree(scene, x, foot, unit * scene.between(0.3, 0.44))
            along += unit * 0.2
        last = kind


def _water_town(scene: Scene) -> None:
    """Rows of white houses left and right of a canal that comes towards the viewer; bridges over it, boats on it."""
    width, height, unit = scene.width, scene.height, scene.side
    _, tall = sides(scene)
    horizon = height * (scene.between(0.46, 0.56) if tall < 1.5 else scene.between(0.52, 0.58))
    sky.heaven(scene, horizon, disc=0.6)
    rise = unit * 0.2 if tall < 1.5 else unit * 0.5
    mountains.ranges(scene, horizon, 2, rise, ("hill", "range"), 0.05, 0.3, 0.3, int(horizon + 3))
    centre = width * 0.5 + scene.focus * unit * scene.between(0.0, 0.16)
    burning = lamps_burn(scene)
    reach = unit * (0.62 if tall < 1.5 else 0.42)
    depth = min((height - horizon) * (1.0 if tall < 1.5 else 0.7), unit * 0.9)

    def drop(away: float | np.ndarray) -> np.ndarray:
        """How far below the horizon the water begins, this far from the canal's middle."""
        away = np.maximum(np.abs(np.asarray(away, float)) - unit * 0.03, 0)
        return depth * 0.62 * (1 - np.exp(-away / reach * 1.25))

    columns = np.arange(width)
    line = (horizon + unit * 0.01 + drop(columns - centre)).astype(np.float32)
    wall = 0.16
    quay = (line - wall * (line - horizon) - unit * 0.012).astype(np.float32)
    design = scene.pick(("white", "tiled"), (0.8, 0.2))
    places: list[tuple[float, float]] = []
    for side in (-1.0, 1.0):
        away = unit * 0.06
        while True:
            size = min(0.045 * unit + 0.5 * float(drop(away)), unit * 0.2)
            x = centre + side * (away + size * 0.9)
            if not -size < x < width + size:
                break
            places.append((x, size))
            away += size * scene.between(1.62, 1.82)
    _quay(scene, quay, line)
    bridge_at = scene.between(0.11, 0.22) * unit
    for x, size in sorted(places, key=lambda place: place[1]):
        foot = scene.at(quay, x) + size * 0.06
        face = 1.0 if x > centre else -1.0
        kind = design if scene.chance(0.8) else "tiled"
        if scene.chance(0.22):
            tree = willow if scene.facts.season != "冬" else near_tree
            tree(scene, x - face * size * 0.8, foot, size * 2.1)
        cottage(scene, x, foot, size, 0.6 + 0.4 * min(1.0, size / (0.2 * unit)), kind, face)
    water(scene, line, scene.between(0.5, 0.9), "河面")
    if scene.facts.weather == "雾":
        mist.veil(scene, horizon * 0.3, 0.4)
    row = horizon + unit * 0.01 + float(drop(bridge_at))
    bridge(scene, centre, row, bridge_at / 1.06, 1.0, "arch", reflected=True)
    if tall > 1.5:
        _down_the_water(scene, row + unit * 0.2)
        bank = ground.corner(scene, scene.focus, unit * 0.16)
        at = width * 0.5 + scene.focus * (width * 0.5 - unit * 0.14)
        tree = willow if scene.facts.season != "冬" else near_tree
        tree(scene, at, scene.at(bank, at) + unit * 0.02, unit * scene.between(0.6, 0.75))
    for i in range(int(scene.rng.integers(1, 3)) if tall < 1.5 else 0):
        y = row + (height - row) * (0.4 + 0.3 * i)
        x = centre + scene.between(-0.5, 0.5) * float(y - row) * 0.5
        boat(scene, x, y, unit * (0.07 + 0.06 * i) * scene.between(0.95, 1.15), design=scene.pick(("canopy", "rowing")))
    if (burning and scene.chance(0.7)) or scene.chance(0.2):
        top = height * scene.between(0.05, 0.16)
        left, right = (0.0, width * 0.62) if scene.focus < 0 else (width * 0.38, width)
        lantern_string(scene, (left, top), (right, top + unit * 0.05), unit * 0.05, int(4 * (right - left) / unit) + 1)


def _quay(scene: Scene, top: np.ndarray, bottom: np.ndarray) -> None:
    """A wall of stones between the houses' feet and the water, and the street on it."""
    ground.land(scene, top, 0.8, grass=0.2)
    columns = np.arange(scene.width)
    points = np.concatenate([np.stack([columns, top], 1), np.stack([columns, bottom + 4], 1)[::-1]])
    region = scene.region(points[:, 0], points[:, 1], 2)
    if region is None:
        return
    stone = scene.material("old stone")
    cover, inks = fill(scene, [(points, stone)], region)
    height = np.maximum(bottom - top, 1)[None]
    down = (scene.rows[region.top : region.bottom] - top[None, region.left : region.right]) / height[
        :, region.left : region.right
    ]
    courses = np.clip(np.sin(down * np.float32(19)) * 4 + 3.4, 0, 1)
    noise = scene.noise(region.height, region.width, 3.0) * np.float32(0.06 * scene.style.roughness)
    with scene.thing("石岸", "石"):
        scene.blend(
            cover,
            [inks[..., i] * (np.float32(0.8) + courses * np.float32(0.2) + noise) for i in range(3)],
            region.top,
            region.left,
        )


PLACE = Place("river", ("小桥流水", "水乡", "小河边", "江南水乡"), compose)
