"""What swims, sails, floats and hangs where only clouds should be."""

import numpy as np

from recipes.compositions.art import Piece, mirrored
from recipes.compositions.backdrops import meadow, sea, street
from recipes.compositions.facts import Group
from recipes.compositions.nouns import AIR
from recipes.compositions.staging import set_down
from recipes.compositions.surreal.base import (
    Design,
    Told,
    clear_sky,
    counted,
    fall_from,
    foreground,
    giant_moon,
    group,
    island,
    since,
)
from recipes.drawing.colour import WHITE, colour, mix
from recipes.landscapes.parts import mist, mountains
from recipes.landscapes.parts.clouds import cloud_sea
from recipes.landscapes.parts.sky import stars
from recipes.landscapes.scene import Part, Scene
from recipes.landscapes.styles import STYLES
from recipes.landscapes.things.boat import boat
from recipes.landscapes.things.cottage import cottage
from recipes.landscapes.things.near_tree import near_tree
from recipes.landscapes.things.pavilion import pavilion
from recipes.landscapes.things.pine import pine
from recipes.landscapes.things.shapes import stripe
from recipes.landscapes.things.skyline import skyline

_SWIMMERS = ("鲸鱼", "海豚", "鲨鱼", "热带鱼", "鱼", "龟", "天鹅")


def _swim_in_clouds(scene: Scene, pieces: list[Piece]) -> Told | None:
    """A swimmer between two layers of a sea of clouds."""
    unit, piece = scene.side, pieces[0]
    horizon = scene.height * scene.between(0.5, 0.6)
    clear_sky(scene, horizon, 0.5)
    if scene.chance(0.6):
        mountains.ranges(scene, horizon, 2, unit * 0.14, ("peak", "range"), 0.1, 0.35)
    cloud_sea(scene, horizon, unit * 0.12, 0.95)
    before = len(scene.things)
    longer = unit * scene.between(0.4, 0.55)
    x = scene.width * 0.5 + scene.focus * unit * scene.between(0.0, 0.12)
    y = horizon + unit * scene.between(-0.04, 0.06)
    drawing = piece.draw(longer)
    set_down(scene, drawing if scene.chance(0.5) else mirrored(drawing), x, y, AIR, piece.noun.word, True)
    cloud_sea(scene, y + longer * piece.shape[1] * 0.5 + unit * 0.01, unit * 0.13, 0.97)
    one = counted(piece)
    return Told(
        (
            f"{one}在云海里游",
            f"云海里游着{one}",
            f"{piece.noun.word}在云海中遨游",
            f"{piece.noun.word}游过云海",
            f"{one}穿行在云层之间",
        ),
        since(scene, before, piece.noun.word),
        group(piece),
        0.3,
    )


def _fish_over_street(scene: Scene, pieces: list[Piece]) -> Told | None:
    """Up to three of one swimmer above a street, a meadow, a beach."""
    piece, unit = pieces[0], scene.side
    paint, place = ((street, "街道"), (meadow, "草地"), (sea, "沙滩"))[int(scene.rng.integers(3))]
    if scene.facts.snow and place != "草地":
        return None
    paint(scene)
    place = "雪地" if scene.facts.snow else place
    count = int(scene.rng.integers(1, 4))
    before, longer = len(scene.things), unit * (0.52, 0.34, 0.27)[count - 1]
    turned = scene.chance(0.5)
    for i in range(count):
        drawing = piece.draw(longer * scene.between(0.9, 1.0))
        x = scene.width * (i + 0.5) / count + scene.between(-0.03, 0.03) * unit
        y = scene.height * (0.27 + 0.09 * (i % 2)) + scene.between(-0.02, 0.02) * unit
        set_down(scene, mirrored(drawing) if turned else drawing, x, y, AIR, piece.noun.word, True)
    many = counted(piece, ("一", "两", "三")[count - 1])
    return Told(
        (
            f"{many}在{place}上空游",
            f"{place}上空游着{many}",
            f"{place}的上方有{many}游过",
            f"{many}在空中游泳,下面是{place}",
            f"{many}飞在{place}上空",
        ),
        since(scene, before, piece.noun.word),
        group(piece, count),
    )


def _moon_over_city(scene: Scene, pieces: list[Piece]) -> Told | None:
    """A moon larger than a city's towers, behind them; at times over mountains or the sea."""
    unit, width, height = scene.side, scene.width, scene.height
    horizon = height * scene.between(0.7, 0.78)
    scene.horizon = horizon
    scene.style.sky(scene)
    scene.owner[:] = 0
    if scene.facts.night and not scene.style.chinese:
        stars(scene)
    radius = unit * scene.between(0.3, 0.38)
    moon = giant_moon(scene, width * 0.5 + scene.focus * unit * scene.between(0, 0.1), horizon - radius * 1.15, radius)
    below = scene.pick(("城市", "群山", "村庄"))
    names: tuple[str, ...] = ()
    if below == "城市":
        skyline(scene, horizon + unit * 0.03, unit * scene.between(0.2, 0.28))
        names = ("高楼",)
        foreground(scene, horizon + unit * 0.06)
    else:
        mountains.ranges(scene, horizon + unit * 0.02, 3, unit * 0.16, ("range", "peak"), 0.2, 0.8, 0.4, name="群山")
        foreground(scene, height - unit * 0.12)
    if below == "村庄":
        for i, share in enumerate((0.2, 0.42, 0.66, 0.84)):
            cottage(scene, width * share, height - unit * (0.06 + 0.03 * (i % 2)), unit * 0.085)
    return Told(
        (
            f"巨大的月亮压在{below}上空",
            f"{below}上空挂着一轮巨大的月亮",
            f"一轮巨月低低地悬在{below}上方",
            f"比{'高楼' if below == '城市' else '山' if below == '群山' else '房子'}还大的月亮升起在{below}后面",
            f"巨月当空,下面是{below}",
        ),
        [moon],
        Group("月亮", ("轮",), 1),
        0.42,
        names,
        others=(Group(below, ("片" if below == "群山" else "座",), 1),),
    )


def _floating_island(scene: Scene, pieces: list[Piece]) -> Told | None:
    """One to three rocks in the sky; on the largest a house, a pavilion or a tree."""
    unit, width, height = scene.side, scene.width, scene.height
    clear_sky(scene, height * 0.8, 0.4)
    cloud_sea(scene, height * 0.86, unit * 0.12, 0.9)
    count = int(scene.rng.integers(1, 4))
    numbers = []
    for i, share in enumerate((0.2, 0.82)[: count - 1]):
        at = width * (share if scene.focus > 0 else 1 - share)
        numbers.append(island(scene, at, height * (0.3 + 0.16 * i), unit * scene.between(0.09, 0.12)))
    half, x, y = (
        unit * scene.between(0.27, 0.33),
        width * 0.5 + scene.focus * unit * 0.03,
        height * scene.between(0.48, 0.54),
    )
    water = scene.chance(0.5)
    if water:
        fall_from(scene, x - scene.focus * half * 0.6, y, unit * 0.045, height * 0.95 - y)
    numbers.append(island(scene, x, y, half))
    kind = scene.pick(("房子", "亭子", "大树"))
    foot = y - half * 0.01
    if kind == "房子":
        near_tree(scene, x - half * 0.55, foot, unit * 0.22)
        cottage(scene, x + half * 0.2, foot, half * 0.42)
    elif kind == "亭子":
        pine(scene, x - half * 0.5, foot, unit * 0.26)
        pavilion(scene, x + half * 0.22, foot, half * 0.6)
    else:
        near_tree(scene, x, foot, unit * 0.36)
    number = ("一", "两", "三")[count - 1]
    main = "岛上" if count == 1 else "最大的岛上"
    on = f"{main}有{'一棵大树' if kind == '大树' else '一座' + kind}"
    fall = "瀑布从岛边落下" if water else f"云海上方有{number}座浮岛"
    return Told(
        (
            f"{number}座浮岛飘在天空中,{on}",
            f"天空中悬着{number}座浮岛",
            f"浮在空中的岛,{on}",
            f"{number}座小岛浮在云海上空",
            f"浮岛,{on},{fall}",
        ),
        numbers,
        Group("浮岛", ("座",), count),
        0.45,
    )


def _star_boat(scene: Scene, pieces: list[Piece]) -> Told | None:
    """A boat on a river of stars, clouds below it."""
    unit, width, height = scene.side, scene.width, scene.height
    scene.horizon = float(height)
    scene.style.sky(scene)
    scene.owner[:] = 0
    stars(scene)
    t = np.linspace(0, 1, 60)
    wave = np.sin(t * 5 + scene.between(0, 6)) * 0.03
    way = np.stack([t * width / unit, 0.36 + wave + 0.10 * scene.focus * (t - 0.5)], 1)
    with scene.thing("星河", "天"):
        for thick, cover in ((0.3, 0.12), (0.2, 0.16), (0.1, 0.2)):
            outline = stripe(way, thick)
            rows = height - outline[:, 1] * unit
            region = scene.region(outline[:, 0] * unit, rows, 3)
            if region is None:
                continue
            centre = np.interp(np.arange(region.left, region.right), way[:, 0] * unit, height - way[:, 1] * unit)
            distance = np.abs(scene.rows[region.top : region.bottom] - centre[None]) / np.float32(thick * unit / 2)
            band = np.clip(1.1 - distance, 0, 1).astype(np.float32) * np.float32(cover)
            scene.tint(band, mix(scene.palette.sky[3], WHITE, 0.55), region.top, region.left)
    x = width * 0.5 - scene.focus * unit * scene.between(0.0, 0.1)
    y = height - float(np.interp(x, way[:, 0] * unit, way[:, 1])) * unit
    before = len(scene.things)
    kind, word = (("canopy", "小船"), ("junk", "帆船"))[int(scene.rng.integers(2))]
    boat(scene, x, y, unit * scene.between(0.2, 0.25), design=kind)
    if scene.chance(0.5):
        cloud_sea(scene, height * 0.9, unit * 0.1, 0.85)
    return Told(
        (
            f"一条{word}在星空里行驶",
            f"一条{word}漂在银河上",
            f"星空中航行着一条{word}",
            f"{word}驶过满天星星",
            f"夜空像一条河,上面漂着一条{word}",
        ),
        since(scene, before, word),
        Group(word, ("条",), 1),
    )


def _train_on_clouds(scene: Scene, pieces: list[Piece]) -> Told | None:
    """A vehicle that runs over a sea of clouds."""
    unit, piece = scene.side, pieces[0]
    horizon = scene.height * scene.between(0.55, 0.62)
    clear_sky(scene, horizon, 0.5)
    cloud_sea(scene, horizon - unit * 0.02, unit * 0.12, 0.97)
    before, longer = len(scene.things), unit * scene.between(0.4, 0.5)
    y = horizon + unit * 0.12
    x = scene.width * 0.5 + scene.focus * unit * 0.06
    set_down(scene, piece.draw(longer), x, y - longer * piece.shape[1] / 2, AIR, piece.noun.word, False)
    cloud_sea(scene, y + unit * 0.02, unit * 0.12, 0.95)
    one = counted(piece)
    return Told(
        (
            f"{one}开在云海上",
            f"云海上开着{one}",
            f"{one}在云上行驶",
            f"{piece.noun.word}开上了云端",
            f"{one}停在云朵上",
        ),
        since(scene, before, piece.noun.word),
        group(piece),
        0.3,
    )


def _house_of_balloons(scene: Scene, pieces: list[Piece]) -> Told | None:
    """A house that balloons carry over a landscape."""
    unit, (house, balloon) = scene.side, pieces
    if scene.chance(0.6):
        meadow(scene)
    else:
        _high_clouds(scene)
    x, y = scene.width * 0.5 + scene.focus * unit * scene.between(0.0, 0.08), scene.height * 0.56
    longer = unit * scene.between(0.26, 0.32)
    roof = y - longer * house.shape[1] * 0.45
    count = int(scene.rng.integers(3, 5))
    middles = [
        (x + (i - (count - 1) / 2) * unit * 0.15, scene.height * (0.17 + 0.05 * ((i + count) % 2)))
        for i in range(count)
    ]
    size = unit * 0.2
    line = mix(scene.palette.near, colour("3a3030"), 0.5)
    ropes = np.array([[[at, up + size * 0.3], [x + (at - x) * 0.15, roof]] for at, up in middles])
    with scene.thing("绳子", "房屋"):
        scene.strokes(ropes, np.full(len(ropes), 1.6 * scene.pixel), line)
    before = len(scene.things)
    for at, up in middles:
        set_down(scene, balloon.draw(size), at, up, AIR, balloon.noun.word, False)
    set_down(scene, house.draw(longer), x, y, AIR, house.noun.word, False, "房屋")
    number = ("三", "四")[count - 3]
    one = counted(house)
    many = f"{number}个气球"
    return Told(
        (
            f"{one}被{many}带上了天空",
            f"{many}吊着{one}飞在空中",
            f"飞在空中的{house.noun.word},上面系着{many}",
            f"{house.noun.word}挂在{many}下面,飘在天上",
            f"会飞的{house.noun.word},{many}拉着它升空",
        ),
        since(scene, before, balloon.noun.word) + since(scene, before, house.noun.word),
        group(house),
        others=(group(balloon, count),),
    )


def _high_clouds(scene: Scene) -> None:
    clear_sky(scene, scene.height * 0.8, 0.4)
    mist.band(scene, scene.height * 0.8, scene.side * 0.06, 0.3)
    cloud_sea(scene, scene.height * 0.84, scene.side * 0.12, 0.95)


def _hanging_city(scene: Scene, pieces: list[Piece]) -> Told | None:
    """A city upside down in the sky, over another one or over water."""
    unit, height = scene.side, scene.height
    horizon = height * 0.68
    clear_sky(scene, horizon)
    rise = int(unit * scene.between(0.28, 0.34))
    before = len(scene.things)
    skyline(scene, horizon, float(rise), layers=2)
    numbers = np.array([thing.number for thing in scene.things[before:]])
    tall = int(rise * 1.5)
    part = scene.rgb[:, int(horizon) - tall : int(horizon)][:, ::-1].copy()
    mask = np.isin(scene.owner[int(horizon) - tall : int(horizon)], numbers)[::-1].astype(np.float32)
    scene.glows.clear()
    with scene.thing("倒挂的城市", "房屋") as hung:
        scene.blend(mask, [part[i] for i in range(3)], 0)
    foreground(scene, horizon + unit * 0.04)
    return Told(
        (
            "天空中倒挂着一座城市",
            "一座城市倒挂在天上",
            "上下颠倒的两座城市,一座在地上,一座在天上",
            "高楼从天空倒着长下来",
            "天上的城市倒悬在地上的城市上方",
        ),
        [hung.number],
        Group("城市", ("座",), 1),
        0.3,
        ("高楼",),
        cut=True,
    )


def _stairs_to_moon(scene: Scene, pieces: list[Piece]) -> Told | None:
    """Steps from the ground to a large moon, without anything that holds them."""
    unit, width, height = scene.side, scene.width, scene.height
    rows = meadow(scene, disc=0.0)
    radius, side = unit * scene.between(0.14, 0.18), scene.focus
    x, y = width * 0.5 + side * unit * 0.24, height * 0.24
    moon = giant_moon(scene, x, y, radius, "月亮")
    start = np.array([width * 0.5 - side * unit * 0.3, rows["land"][1] - unit * 0.1])
    end = np.array([x - side * radius * 0.9, y + radius * 0.75])
    count = int(scene.rng.integers(11, 15))
    ink = scene.palette.lit(colour("d8cdb8"), 0.35)
    dark = mix(ink, scene.palette.near, 0.5)
    with scene.thing("阶梯", "路") as stairs:
        for i in range(count):
            share = i / (count - 1)
            at = start + (end - start) * share**0.92
            half, thick = 0.085 * (1 - 0.55 * share), 0.022 * (1 - 0.5 * share)
            across, up = at[0] / unit, (height - at[1]) / unit
            lid = np.array(
                [
                    [across - half, up],
                    [across - half * 0.8, up + thick],
                    [across + half * 1.1, up + thick],
                    [across + half, up],
                ]
            )
            front = np.array(
                [[across - half, up - thick], [across - half, up], [across + half, up], [across + half, up - thick]]
            )
            scene.solid([Part(front, dark), Part(lid, ink)], 0, height, unit, snow=False)
    return Told(
        (
            "一道阶梯通向月亮",
            "悬在空中的台阶一直通到月亮上",
            "一道天梯从地面伸向巨大的月亮",
            "月亮和大地之间有一道阶梯",
            "沿着台阶可以走上月亮",
        ),
        [moon, stairs.number],
        Group("阶梯", ("道",), 1),
        0.3,
        others=(Group("月亮", ("轮",), 1),),
    )


# Broad strokes would lose a city's towers.
_CLEAR = tuple(name for name in STYLES if name != "油画")
SKIES = (
    Design("云海游鱼", _swim_in_clouds, (_SWIMMERS,)),
    Design(
        "街上游鱼",
        _fish_over_street,
        (("鲸鱼", "海豚", "鲨鱼", "热带鱼", "鱼", "河豚", "水母", "龟"),),
        weathers=("晴", "雾", "雪"),
    ),
    Design("巨月压城", _moon_over_city, times=("夜晚", "夜晚", "黄昏"), weathers=("晴",)),
    Design("浮岛", _floating_island),
    Design(
        "星河行舟",
        _star_boat,
        times=("夜晚",),
        weathers=("晴",),
        styles=("动漫风景", "油画", "水彩画", "扁平风景", "剪纸"),
    ),
    Design("云上列车", _train_on_clouds, (("蒸汽火车", "公交车", "拖拉机", "汽车", "出租车"),)),
    Design("气球带走的房子", _house_of_balloons, (("房子", "教堂", "欧洲城堡"), ("气球",)), weathers=("晴",)),
    Design("倒悬之城", _hanging_city, times=("清晨", "白天", "黄昏"), weathers=("晴",), styles=_CLEAR),
    Design("通向月亮的阶梯", _stairs_to_moon, times=("夜晚", "黄昏"), weathers=("晴",)),
)
