"""Compositions on painted scenes: things stand on land, swim on water and fly in the sky."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from recipes.compositions.art import MONOCHROME, Library, measured
from recipes.compositions.backdrops import BACKDROPS, Backdrop, Rows
from recipes.compositions.facts import Facts, Group, Wish
from recipes.compositions.nouns import AIR, BUILDINGS, LAND, NOUNS, WATER
from recipes.compositions.painted import ACTORS
from recipes.compositions.placed import MOST_COVERED, Seen
from recipes.compositions.plain import apart
from recipes.compositions.staging import UNDER, Actor, actor
from recipes.drawing.canvas import OVERSAMPLING
from recipes.landscapes.captions.lexicon import WORDS
from recipes.landscapes.facts import TIMES
from recipes.landscapes.facts import Facts as SceneFacts
from recipes.landscapes.parts import finish, weather
from recipes.landscapes.scene import Scene
from recipes.landscapes.styles import STYLES
from recipes.landscapes.visible import sights

_PAINTED = 0.35  # share of the scenes whose things are painted with them
_WEATHERS = {"晴": 0.55, "雾": 0.15, "雨": 0.12, "雪": 0.3}
# Which scenes go with which hand: flat art on flat scenes, shaded art on painterly ones.
_FLAT = ("twemoji", "fluent-emoji-flat", "emojione", "fxemoji", "openclipart")
FLAT_STYLES, SHADED_STYLES = ("扁平风景",), ("动漫风景", "动漫风景", "水彩画")
PAINTED_NOUNS = frozenset(noun for word in WORDS.values() for noun in word.nouns)
_GAP = 0.03  # between two things, of the picture's shorter side
_TRIES = 14


@dataclass(frozen=True)
class Made:
    """`image`: (h, w, 3) float32; `things`: of the groups of `facts`."""

    image: np.ndarray
    things: list[Seen]
    facts: Facts


def compose(wish: Wish, size: tuple[int, int], art: Library, rng: np.random.Generator) -> Made | None:
    """A scene that shows what is wished; None where these things don't fit so."""
    drop = BACKDROPS[str(rng.choice(list(BACKDROPS)))]
    source = "" if rng.random() < _PAINTED else _source(art, rng)
    style = scene_style(source, rng)
    cast = _cast(wish, drop, source, art, rng)
    if cast is None:
        return None
    facts = scene_facts(style, drop.seasons, drop.weathers, rng)
    if any("骆驼" in one.word for one in cast) and facts.snow:
        return None
    scene = Scene(facts, size, STYLES[style], rng)
    rows = drop.paint(scene)
    staged = _stage(scene, cast, wish.counts, rows)
    if staged is None:
        return None
    image = finished(scene)
    things = seen_in(scene, staged)
    if things is None or not stand_out(scene, image, cast, wish.counts):
        return None
    words = {place: drop.word(place, facts.snow, rng) for place in drop.words}
    groups = tuple(group_of(one, count, words[one.place]) for one, count in zip(cast, wish.counts, strict=True))
    hand = "" if not source else art.pieces[source][art.names(source)[0]][0].style
    name = "雪地" if facts.snow and drop.name == "草地" else drop.name
    return Made(image, things, Facts(wish.kind, hand, name, groups, scene=facts, disc=disc_seen(scene, image)))


def _source(art: Library, rng: np.random.Generator) -> str:
    names = [
        name
        for name in art.sources
        if name not in MONOCHROME and name != "sweethome3d" and len(art.placed(name, LAND)) > 1
    ]
    return names[int(rng.integers(len(names)))] if names else ""


def scene_style(source: str, rng: np.random.Generator) -> str:
    """A style of painting that goes with a hand; any, where the things are painted with the scene."""
    styles = list(STYLES) if not source else FLAT_STYLES if source in _FLAT else SHADED_STYLES
    return styles[int(rng.integers(len(styles)))]


def scene_facts(
    style: str, seasons: Sequence[str], weathers: Sequence[str], rng: np.random.Generator, times: Sequence[str] = TIMES
) -> SceneFacts:
    """Times evenly, weathers by their shares, and a season that has them."""
    shares = np.array([_WEATHERS[air] for air in weathers])
    air = weathers[int(rng.choice(len(weathers), p=shares / shares.sum()))]
    time, season = times[int(rng.integers(len(times)))], seasons[int(rng.integers(len(seasons)))]
    return SceneFacts(style, time, "冬" if air == "雪" else season, air, "")


def _cast(wish: Wish, drop: Backdrop, source: str, art: Library, rng: np.random.Generator) -> list[Actor] | None:
    """An actor for each group, each of another name, the places of the backdrop drawn evenly."""
    cast: list[Actor] = []
    for _ in wish.counts:
        place = list(drop.words)[int(rng.integers(len(drop.words)))]
        if source:
            one = from_art(source, place, art, drop, [actor.word for actor in cast], rng)
        else:
            options = [one for one in ACTORS if one.place == place and _suits(one.word, one.measures, drop)]
            options = [one for one in options if all(apart(one.word, other.word) for other in cast)]
            one = options[int(rng.integers(len(options)))] if options else None
        if one is None:
            return None
        cast.append(one)
    return cast


def from_art(
    source: str, place: str, art: Library, drop: Backdrop | None, taken: Sequence[str], rng: np.random.Generator
) -> Actor | None:
    """A thing of one hand that can be in a place, and whose name the painter of landscapes gives to nothing."""
    names = [
        name
        for name in art.placed(source, place)
        if NOUNS[name].word not in PAINTED_NOUNS
        and all(apart(NOUNS[name].word, other) for other in taken)
        and (drop is None or _suits(NOUNS[name].word, NOUNS[name].measures, drop))
    ]
    if not names:
        return None
    pieces = art.pieces[source][names[int(rng.integers(len(names)))]]
    piece = measured(pieces[int(rng.integers(len(pieces)))])
    return None if piece is None else actor(piece, place, turned=piece.noun.alive and bool(rng.random() < 0.5))


def _suits(word: str, measures: tuple[str, ...], drop: Backdrop) -> bool:
    """Whether a thing would be on such a backdrop."""
    if drop.name == "马路":
        return "辆" in measures or word in (
            "猫",
            "黑猫",
            "狗",
            "贵宾犬",
            "鸽子",
            "飞机",
            "小飞机",
            "气球",
            "飞碟",
            "降落伞",
            "热气球",
        )
    if word in ("骆驼",):
        return drop.name == "沙漠"
    if drop.name == "沙漠":
        return word not in (
            "亭子",
            "松树",
            "杉树",
            "圣诞树",
            "仙鹤",
            "鹿",
            "水牛",
            "邮筒",
            "海狸",
            "河狸",
            "鹅",
            "火烈鸟",
            "公交车",
            "救护车",
            "喷泉",
            "教堂",
        )
    if "辆" in measures:
        return drop.vehicles
    if word in BUILDINGS or measures[0] == "座":
        return drop.buildings or (drop.name == "湖边" and word in ("亭子", "房子"))
    if drop.name == "海边":
        return word not in (
            "水牛",
            "鹿",
            "奶牛",
            "公牛",
            "斑马",
            "犀牛",
            "河狸",
            "圣诞树",
            "杉树",
            "松树",
            "邮筒",
            "鸭子",
            "天鹅",
        )
    if word in ("鲸鱼", "喷水的鲸鱼", "轮船"):
        return drop.name in ("海边",)
    return True


def _stage(scene: Scene, cast: Sequence[Actor], counts: Sequence[int], rows: dict[str, Rows]) -> list[list[int]] | None:
    """Set everything down; by group, the numbers of its things in the scene. None where there is no room."""
    numbers: list[list[int]] = [[] for _ in cast]
    plan = [
        (group, x, y, longer)
        for place in (AIR, WATER, LAND)
        if place in rows
        for group, x, y, longer in _spots(scene, cast, counts, place, rows[place])
    ]
    if _crossing(cast, plan):
        return None
    for group, x, y, longer in sorted(plan, key=lambda spot: (cast[spot[0]].place != AIR, spot[2])):
        one = cast[group]
        spot = _free(scene, one, x, y, longer)
        if spot is None:
            return None
        before = len(scene.things)
        one.draw(scene, spot[0], spot[1], longer)
        numbers[group] += [thing.number for thing in scene.things[before:] if thing.name in one.names]
    return numbers if [len(group) for group in numbers] == list(counts) else None


def _crossing(cast: Sequence[Actor], plan: Sequence[tuple[int, float, float, float]]) -> bool:
    """Whether something in the air would cross something below it."""
    flying: list[tuple[float, float, float, float]] = []
    others: list[tuple[float, float, float, float]] = []
    for group, x, y, longer in plan:
        width, height = (longer * share for share in cast[group].shape)
        in_air = cast[group].place == AIR
        bottom = y + height / 2 if in_air else y
        (flying if in_air else others).append((x - width / 2, bottom - height, x + width / 2, bottom))
    return any(min(a[2], b[2]) > max(a[0], b[0]) and min(a[3], b[3]) > max(a[1], b[1]) for a in flying for b in others)


def _spots(
    scene: Scene, cast: Sequence[Actor], counts: Sequence[int], place: str, rows: Rows
) -> list[tuple[int, float, float, float]]:
    """Group, column, row and longer side of everything in one place: beside each other over the width, the groups
    apart, what is large farther away."""
    here = [group for group, one in enumerate(cast) if one.place == place]
    if not here:
        return []
    here = [here[i] for i in scene.rng.permutation(len(here))]
    unit, width, rng = scene.side, scene.width, scene.rng
    number = sum(counts[group] for group in here)
    grown = {1: 1.45, 2: 1.25, 3: 1.1}.get(sum(counts), 1.0)
    wanted = [(group, cast[group].size * unit * grown) for group in here for _ in range(counts[group])]
    across = [longer * cast[group].shape[0] for group, longer in wanted]
    room = width - unit * 0.1 - unit * _GAP * (number - 1)
    shrink = min(1.0, room / sum(across))
    free = room - sum(across) * shrink
    gaps = rng.dirichlet(np.full(number + 1, 2.0)) * free
    spots, x = [], unit * 0.05
    for i, (group, longer) in enumerate(wanted):
        longer *= shrink * float(rng.uniform(0.9, 1.0))
        longer = min(longer, scene.height * 0.5 / cast[group].shape[1])
        span = across[i] * shrink
        x += gaps[i]
        spots.append((group, x + span / 2, _row(scene, cast[group], rows, longer), longer))
        x += span + unit * _GAP
    return spots


def _row(scene: Scene, one: Actor, rows: Rows, longer: float) -> float:
    """The row of a foot, a hull, a middle: what is large stands farther away."""
    far, near = rows
    if one.place == AIR:
        half = longer * one.shape[1] / 2 + scene.side * 0.04
        return float(np.clip(scene.between(far, max(near, far + 1)), half, max(near, half)))
    share = float(np.clip(1.25 - 2.4 * one.size + scene.between(-0.25, 0.25), 0.0, 1.0))
    return max(far + (near - far) * share, longer * one.shape[1] + scene.side * 0.03)


def _free(scene: Scene, one: Actor, x: float, y: float, longer: float) -> tuple[float, float] | None:
    """A place near (x, y) where a thing's foot is on its ground by the label map, and it hides no other thing."""
    known = np.array([one.place == AIR, *(thing.label in UNDER[one.place] for thing in scene.things)])
    for attempt in range(_TRIES):
        row = y + scene.between(-1, 1) * attempt * scene.side * 0.008
        across, tall = longer * one.shape[0] / 2, longer * one.shape[1]
        left, right = int(x - across * 0.8), int(x + across * 0.8)
        top, bottom = (row - tall / 2, row + tall / 2) if one.place == AIR else (row - 4, row + 3)
        if left < 0 or right >= scene.width or top < 0 or bottom >= scene.height - 1:
            continue
        if known[scene.owner[int(top) : int(bottom) + 1, left : right + 1]].mean() > 0.97:
            return x, row
    return None


# What came of it


def finished(scene: Scene) -> np.ndarray:
    """The picture (h, w, 3), 0 to 1, with the weather."""
    weather.fall(scene)
    image: np.ndarray = np.clip(scene.style.finish(scene, finish.picture(scene)), 0, 1)
    return image


def seen_in(
    scene: Scene, staged: Sequence[Sequence[int]], most: float = MOST_COVERED, cut: bool = False
) -> list[Seen] | None:
    """Where the things are; None where more than `most` of one is hidden, or one is cut and may not be."""
    things = []
    by_number = {thing.number: thing for thing in scene.things}
    margin = 2 * OVERSAMPLING
    for group, numbers in enumerate(staged):
        for number in numbers:
            rows, columns = np.nonzero(scene.owner == number)
            whole = scene.covered(by_number[number])
            if not len(rows) or not whole:
                return None
            box = (int(columns.min()), int(rows.min()), int(columns.max()) + 1, int(rows.max()) + 1)
            inside = (
                box[0] >= margin
                and box[1] >= margin
                and box[2] <= scene.width - margin
                and box[3] <= scene.height - margin
            )
            covered = 1 - len(rows) / whole
            if not (inside or cut) or covered > most:
                return None
            left, top, right, bottom = (side // OVERSAMPLING for side in box)
            things.append(Seen(group, (left, top, right, bottom), covered))
    return things


def stand_out(scene: Scene, image: np.ndarray, cast: Sequence[Actor], counts: Sequence[int]) -> bool:
    """Whether the picture shows as many of each thing as there are."""
    shown = sights(scene, image)
    totals = {one.names: sum(shown[name].count for name in one.names if name in shown) for one in cast}
    return all(totals[one.names] == count for one, count in zip(cast, counts, strict=True))


def disc_seen(scene: Scene, image: np.ndarray) -> str:
    """The name of the sun or moon that the picture shows, or ''."""
    return next((name for name, sight in sights(scene, image).items() if sight.label == "日月"), "")


def group_of(one: Actor, count: int, where: str) -> Group:
    """What captions say of an actor."""
    group = Group(one.word, one.measures, count, where=where, alive=one.alive)
    return replace(group, doing=_doing(one))


def _doing(one: Actor) -> tuple[str, ...]:
    first = one.measures[0]
    if one.place == AIR:
        return ("飞着", "有") if one.alive or first == "架" or one.word == "飞碟" else ("飘着", "有")
    if one.place == WATER:
        return ("游着", "有") if one.alive else ("漂着", "有", "停着")
    if one.alive:
        return "站着", "有"
    return ("停着", "有") if first == "辆" else ("有", "立着") if first in ("座", "顶", "棵") else ("有",)
