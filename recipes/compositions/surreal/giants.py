"""What is far too large, too small, or where it should not be: giants, doors, bottles, a moon in a lake."""

import numpy as np

from recipes.compositions.art import Piece
from recipes.compositions.backdrops import desert, meadow, open_water, sea
from recipes.compositions.facts import Group
from recipes.compositions.nouns import AIR, LAND
from recipes.compositions.staging import lay, lit, set_down, water_line
from recipes.compositions.surreal.base import Design, Told, clear_sky, counted, foreground, giant_moon, group, since
from recipes.drawing.colour import WHITE, colour, mix
from recipes.landscapes.paint import paint as paint_landscape
from recipes.landscapes.parts import mountains
from recipes.landscapes.parts.water import water
from recipes.landscapes.scene import Scene
from recipes.landscapes.things.near_tree import near_tree

_LOOKERS = (
    *("猫", "黑猫", "狗", "兔子", "熊猫", "泰迪熊", "狐狸", "考拉", "北极熊", "熊", "狮子", "霸王龙", "猫头鹰", "青蛙"),
    *("猴子", "公鸡", "老虎", "机器人"),
)


def _behind_mountains(scene: Scene, pieces: list[Piece]) -> Told | None:
    """A giant behind a range of mountains, whose feet the range hides."""
    unit, piece = scene.side, pieces[0]
    horizon = scene.height * scene.between(0.62, 0.7)
    clear_sky(scene, horizon)
    mountains.ranges(scene, horizon - unit * 0.02, 1, unit * 0.16, ("range",), 0.08, 0.1)
    before, longer = len(scene.things), unit * scene.between(0.52, 0.62)
    x = scene.width * 0.5 + scene.focus * unit * scene.between(0.0, 0.14)
    foot = horizon + longer * piece.shape[1] * 0.15
    set_down(scene, piece.draw(longer), x, foot - longer * piece.shape[1] / 2, AIR, piece.noun.word, True)
    mountains.ranges(scene, horizon + unit * 0.03, 2, unit * 0.11, ("range", "hill"), 0.45, 0.85, 0.6, name="群山")
    foreground(scene, scene.height - unit * 0.1)
    word, one = piece.noun.word, f"一{piece.noun.measures[0]}巨大的{piece.noun.word}"
    return Told(
        (
            f"{one}从山后面探出身子",
            f"群山后面有{one}",
            f"比山还高的{word}站在群山背后",
            f"山的那边出现了{one}",
            f"{one}在山后面看着我们",
        ),
        since(scene, before, word),
        group(piece),
        0.4,
        ("群山",),
    )


def _giant_flower(scene: Scene, pieces: list[Piece]) -> Told | None:
    """A flower that is higher than a house."""
    unit, (flower, house) = scene.side, pieces
    rows = meadow(scene)
    before, side = len(scene.things), scene.focus
    foot = rows[LAND][0] + unit * 0.14
    set_down(
        scene,
        flower.draw(unit * scene.between(0.56, 0.66)),
        scene.width * 0.5 + side * unit * 0.2,
        foot,
        LAND,
        flower.noun.word,
        False,
        "花",
    )
    small = unit * scene.between(0.2, 0.24)
    set_down(
        scene,
        house.draw(small),
        scene.width * 0.5 - side * unit * 0.27,
        foot + unit * 0.04,
        LAND,
        house.noun.word,
        False,
    )
    ground = "雪地" if scene.facts.snow else "草地"
    one = f"一{flower.noun.measures[0]}巨大的{flower.noun.word}"
    other = house.noun.word
    where = "右边" if side > 0 else "左边"
    return Told(
        (
            f"{ground}上长着{one},比{other}还高",
            f"{one}立在{other}旁边",
            f"{other}的{where}有{one}",
            f"比{other}还大的{flower.noun.word}开在{ground}上",
            f"{counted(house)}在{one}旁边显得很小",
        ),
        since(scene, before, flower.noun.word) + since(scene, before, house.noun.word),
        group(flower),
        others=(group(house),),
    )


def _giant_on_meadow(scene: Scene, pieces: list[Piece]) -> Told | None:
    """An animal that is larger than houses or trees."""
    unit, (giant, small) = scene.side, pieces
    rows = meadow(scene)
    before, side = len(scene.things), scene.focus
    foot = rows[LAND][0] + unit * 0.16
    longer = unit * scene.between(0.54, 0.62)
    set_down(scene, giant.draw(longer), scene.width * 0.5 + side * unit * 0.16, foot, LAND, giant.noun.word, True)
    set_down(
        scene,
        small.draw(unit * 0.21),
        scene.width * 0.5 - side * unit * 0.32,
        foot + unit * 0.06,
        LAND,
        small.noun.word,
        False,
    )
    ground = "雪地" if scene.facts.snow else "草地"
    one = f"一{giant.noun.measures[0]}巨大的{giant.noun.word}"
    return Told(
        (
            f"{ground}上站着{one},比{small.noun.word}还大",
            f"{one}站在{counted(small)}旁边",
            f"小小的{small.noun.word}旁边是{one}",
            f"比{small.noun.word}大得多的{giant.noun.word}站在{ground}上",
            f"{one}和一{small.noun.measures[0]}小小的{small.noun.word}在{ground}上",
        ),
        since(scene, before, giant.noun.word) + since(scene, before, small.noun.word),
        group(giant),
        others=(group(small),),
    )


def _door_alone(scene: Scene, pieces: list[Piece]) -> Told | None:
    """A thing of a house, alone in a wide land."""
    unit, piece = scene.side, pieces[0]
    paint, place = ((desert, "沙漠"), (meadow, "草地"), (sea, "沙滩"))[int(scene.rng.integers(3))]
    if scene.facts.snow and place != "草地":
        return None
    rows = paint(scene)
    before = len(scene.things)
    low, high = rows[LAND]
    foot = low + (high - low) * (0.4 if place != "沙滩" else 0.9)
    x = scene.width * 0.5 + scene.focus * unit * scene.between(0.0, 0.16)
    longer = unit * scene.between(0.4, 0.48)
    set_down(scene, piece.draw(longer), x, foot, LAND, piece.noun.word, False, "房屋")
    place = "雪地" if scene.facts.snow else place
    one = counted(piece)
    return Told(
        (
            f"{place}中央立着{one}",
            f"{one}孤零零地立在{place}上",
            f"空旷的{place}上只有{one}",
            f"{place}上凭空出现了{one}",
            f"{one}在{place}上,四周没有房子",
        ),
        since(scene, before, piece.noun.word),
        group(piece),
    )


_BOTTLED = {
    "modern city": ("一座城市", "城市"),
    "sea": ("一片大海", "大海"),
    "peaks": ("一片群山", "群山"),
    "village": ("一座村庄", "村庄"),
    "forest": ("一片森林", "森林"),
    "desert": ("一片沙漠", "沙漠"),
}


def _in_a_bottle(scene: Scene, pieces: list[Piece]) -> Told | None:
    """A whole landscape inside a glass bottle that stands on a beach, a meadow or sand."""
    unit = scene.side
    paint, ground = ((desert, "沙漠"), (meadow, "草地"), (sea, "沙滩"))[int(scene.rng.integers(3))]
    if scene.facts.snow:
        return None
    rows = paint(scene)
    place = scene.pick([name for name, (_, word) in _BOTTLED.items() if word != ground])
    tall = int(unit * scene.between(0.66, 0.76))
    wide = int(tall * 0.31) * 2
    inner = paint_landscape(
        int(scene.rng.integers(1 << 30)),
        (wide // 2, wide // 2),
        style=scene.facts.style,
        place=place,
        time=scene.pick(("白天", "清晨", "夜晚")),
        weather="晴",
    )
    drawing = _bottle(np.repeat(np.repeat(inner.image, 2, 0), 2, 1).astype(np.float32) / 255, wide, tall, scene)
    before = len(scene.things)
    foot = min(rows[LAND][1], scene.height - unit * 0.08)
    x = scene.width * 0.5 + scene.focus * unit * scene.between(0.0, 0.12)
    set_down(scene, drawing, x, foot, LAND, "玻璃瓶", False, "石")
    whole, word = _BOTTLED[place]
    return Told(
        (
            f"玻璃瓶里装着{whole}",
            f"{ground}上有一个玻璃瓶,瓶里是{whole}",
            f"瓶子里的{word}",
            f"{whole}在玻璃瓶里",
            f"一个大玻璃瓶立在{ground}上,里面藏着{whole}",
        ),
        since(scene, before, "玻璃瓶"),
        Group("玻璃瓶", ("个",), 1),
        others=(Group(word, (whole[1],), 1),),
    )


def _bottle(inner: np.ndarray, wide: int, tall: int, scene: Scene) -> np.ndarray:
    """(tall, wide, 4): a bottle with a cork, and a picture (w, w, 3) in its belly."""
    y, x = np.mgrid[0:tall, 0:wide].astype(np.float32)
    across = np.abs(x - (wide - 1) / 2) / (wide / 2)
    up = y / tall
    neck, shoulder, belly = 0.34, 0.16, 0.40
    share = np.clip((up - shoulder) / (belly - shoulder), 0, 1)
    share = share * share * (3 - 2 * share)
    half = neck + (0.98 - neck) * share
    corner = np.clip((up - 0.93) / 0.07, 0, 1)
    half = half - 0.16 * corner**2
    body = np.clip((half - across) * wide / 2 + 0.5, 0, 1) * (up > 0.075)
    inside = np.clip((half - 0.055 - across) * wide / 2 + 0.5, 0, 1) * (up > 0.09) * np.clip((0.972 - up) * tall, 0, 1)
    glass = np.array(scene.palette.lit(mix(colour("bfe0e6"), WHITE, 0.2), 0.4), np.float32)
    image = np.zeros((tall, wide, 4), np.float32)
    image[..., :3] = glass * 0.62
    image[..., 3] = body * 0.95
    air = np.array(mix(colour("dff0f2"), WHITE, 0.3), np.float32)
    image[..., :3] += (air - image[..., :3]) * inside[..., None]
    top = tall - wide
    level = np.clip((y - (top + 0.04 * tall)) / (0.08 * tall), 0, 1)
    picture = np.zeros((tall, wide, 3), np.float32)
    picture[top:] = inner[:wide, :wide]
    image[..., :3] += (picture - image[..., :3]) * (inside * level)[..., None]
    image[..., 3] = np.maximum(image[..., 3], inside)
    cork = (across < neck + 0.02) * (up < 0.085)
    image[..., :3] = np.where(cork[..., None], np.array(scene.palette.lit("b98a5a", 0.3), np.float32), image[..., :3])
    image[..., 3] = np.maximum(image[..., 3], cork)
    shine = np.clip(1 - np.abs((x / wide) - 0.14) * 22, 0, 1) * (up > 0.42) * (up < 0.86)
    image[..., :3] += (1 - image[..., :3]) * (shine * inside * 0.65)[..., None]
    return image


def _moon_in_water(scene: Scene, pieces: list[Piece]) -> Told | None:
    """A giant moon that lies in a lake, half of it above the water."""
    unit, width, height = scene.side, scene.width, scene.height
    horizon = height * scene.between(0.42, 0.5)
    clear_sky(scene, horizon)
    mountains.ranges(scene, horizon, 2, unit * 0.1, ("range", "hill"), 0.1, 0.35, bottom=int(horizon + 3))
    water(scene, np.full(width, horizon, np.float32), 0.7, "湖面")
    radius = unit * scene.between(0.24, 0.3)
    x, line = width * 0.5 + scene.focus * unit * scene.between(0, 0.12), horizon + (height - horizon) * 0.42
    moon = giant_moon(scene, x, line - radius * 0.25, radius)
    scene.sun = None
    # the water comes back over the lower part of the moon, with the moon's image in it
    water(scene, np.full(width, line, np.float32), 0.8, "湖面")
    return Told(
        (
            "一轮巨大的月亮泡在湖水里",
            "月亮落进了湖里,一半露出水面",
            "巨大的月亮浮在湖面上",
            "湖面上浮着一轮巨月",
            "湖里躺着一轮巨大的月亮",
        ),
        [moon],
        Group("月亮", ("轮",), 1),
        0.55,
        ("湖面",),
    )


def _house_on_turtle(scene: Scene, pieces: list[Piece]) -> Told | None:
    """A turtle or another broad back that carries a house."""
    unit, (back, house) = scene.side, pieces
    paint, place = ((desert, "沙漠"), (meadow, "草地"))[int(scene.rng.integers(2))]
    rows = paint(scene)
    place = "雪地" if scene.facts.snow else place
    before = len(scene.things)
    longer = unit * scene.between(0.46, 0.54)
    drawing = back.draw(longer)
    low, high = rows[LAND]
    foot, x = low + (high - low) * 0.75, scene.width * 0.5 + scene.focus * unit * scene.between(0, 0.08)
    top = _back_of(drawing)
    set_down(scene, drawing, x, foot, LAND, back.noun.word, True)
    small = lit(scene, house.draw(longer * 0.48))
    left = round(x - drawing.shape[1] / 2 + top[0] - small.shape[1] / 2)
    lay(
        scene,
        small,
        left,
        round(foot - drawing.shape[0] + top[1] - small.shape[0] + longer * 0.035),
        house.noun.word,
        "房屋",
    )
    one, other = counted(back), counted(house)
    return Told(
        (
            f"{one}背着{other}",
            f"{one}驮着{other}走在{place}上",
            f"{back.noun.word}的背上有{other}",
            f"{other}建在{back.noun.word}背上",
            f"{place}上,{one}的背上驮着{other}",
        ),
        since(scene, before, back.noun.word) + since(scene, before, house.noun.word),
        group(back),
        0.2,
        others=(group(house),),
    )


def _back_of(drawing: np.ndarray) -> tuple[float, float]:
    """The middle of the highest broad part of an animal's back: column and row in its drawing."""
    solid = drawing[..., 3] > 0.5
    height, width = solid.shape
    tops = np.where(solid.any(0), solid.argmax(0), height)
    half = max(2, int(width * 0.17))
    columns = np.arange(int(width * 0.3), int(width * 0.7))
    levels = np.array([tops[max(0, c - half) : c + half].max() for c in columns])
    best = int(np.argmin(levels))
    return float(columns[best]), float(levels[best])


def _tree_in_water(scene: Scene, pieces: list[Piece]) -> Told | None:
    """A tree that grows out of the middle of a lake."""
    unit = scene.side
    open_water(scene)
    before = len(scene.things)
    row = scene.height * 0.78
    x = scene.width * 0.5 + scene.focus * unit * scene.between(0, 0.12)
    near_tree(scene, x, row, unit * scene.between(0.5, 0.58), without=("banana", "bamboo"))
    things = [thing for thing in scene.things[before:] if thing.label == "树"]
    if not things:
        return None
    _, columns = np.nonzero(scene.owner[int(row - unit * 0.02) : int(row)] == things[0].number)
    if len(columns):
        water_line(scene, float(columns.min()), float(columns.max()), row)
    return Told(
        (
            "一棵大树长在湖水中央",
            "湖面上长出了一棵大树",
            "大树立在湖心,四周都是水",
            "湖水中央孤零零的一棵大树",
            "一棵树从湖水里长出来",
        ),
        [things[0].number],
        Group("大树", ("棵",), 1),
        0.5,
    )


GIANTS = (
    Design("山后的巨兽", _behind_mountains, (_LOOKERS,)),
    Design("比房子高的花", _giant_flower, (("郁金香", "玫瑰", "红玫瑰"), ("房子", "教堂", "帐篷", "汽车"))),
    Design(
        "草地上的巨兽",
        _giant_on_meadow,
        (
            ("猫", "黑猫", "狗", "兔子", "小鸡", "公鸡", "松鼠", "龟", "刺猬", "鹅", "泰迪熊", "老鼠"),
            ("房子", "教堂", "帐篷", "汽车", "公交车"),
        ),
    ),
    Design("旷野里的门", _door_alone, (("门", "电话", "椅子", "床", "座钟", "三角钢琴", "梯子"),)),
    Design(
        "瓶中天地",
        _in_a_bottle,
        weathers=("晴",),
        seasons=("春", "夏", "秋"),
        styles=("动漫风景", "扁平风景"),
    ),
    Design("湖里的月亮", _moon_in_water, times=("夜晚", "黄昏"), weathers=("晴",)),
    Design("背着房子的乌龟", _house_on_turtle, (("龟", "犀牛", "河马"), ("房子", "教堂", "欧洲城堡", "帐篷"))),
    Design("湖心的树", _tree_in_water, times=("清晨", "白天", "黄昏")),
)
