"""What a plain prompt leaves open, added by rules that one can read: style, season, time and light, composition.

    beautify("山上的亭子", seed=1)  # prompt '山上的亭子,夏天,清晨,晨光,水彩画,远景'

The seed chooses among what fits; a prompt that says all of it stays as it is.
"""

import random
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pai_modelscope.prompting.concepts import CONCEPTS, Kind
from pai_modelscope.prompting.learned_words import LearnedWords
from pai_modelscope.prompting.poem import word_for
from pai_modelscope.prompting.simplified import simplified
from pai_modelscope.text.prompt_schedule import AND

# Where a prompt names one of these, it is of a place, and has a season and an hour.
_OUTDOORS = """
    远山 雪山 瀑布 云海 日出 太阳 落日 明月 弯月 星空 白云 彩霞 彩虹 松树 柳树 绿树 花树 红叶 黄叶 枯树 竹子
    梅花 荷花 荷叶 芦苇 草地 稻田 小路 亭子 寺塔 茅屋 城楼 城墙 小桥 小船 帆船 龙舟 渔翁 牧童 灯塔 蒙古包 炊烟 沙滩 海浪
"""
# What fixes the season, and the time of day.
_SEASONS = {
    "春": "花树 柳树 燕子",
    "夏": "荷花 荷叶 荷塘 蝉 萤火虫",
    "秋": "红叶 黄叶 菊花 芦苇 大雁",
    "冬": "雪 梅花 雪山 雪人 冰",
}
_TIMES = {
    "清晨": "日出 雾",
    "白天": "太阳 晴 彩虹 雨后",
    "黄昏": "落日 彩霞 炊烟",
    "夜晚": "明月 弯月 星空 灯火 灯笼 烟花 萤火虫",
}
# The light of an hour, of any hour, and how a picture may be composed.
LIGHT = {"清晨": "晨光", "白天": "阳光", "黄昏": "夕照", "夜晚": "月光"}
SOFT_LIGHT = "柔和的光线"
COMPOSITIONS = {"scene": ("远景", "全景", "留白"), "thing": ("构图居中", "主体突出", "特写")}
STYLES = ("水墨画", "油画", "水彩画", "版画")  # for a model that lists none
_WEIGHT = re.compile(r"\s*[:：]\s*[-+]?(?:\d+\.?\d*|\.\d+)\s*$")
_TAG = re.compile(r"<[^<>]*+>")  # of a LoRA, whose name says nothing of the picture
_LIGHTS = (*LIGHT.values(), "光线", "光影", "逆光", "侧光", "灯光", "霞光", "月夜")
_FORMATS = ("构图", "主体突出", "特写", "远景", "全景", "近景", "留白", "俯视", "仰视", "鸟瞰")


@dataclass(frozen=True)
class Beautified:
    """A prompt, and the words that were added to it."""

    prompt: str
    added: tuple[str, ...]


def beautify(prompt: str, seed: int, learned: LearnedWords | None = None) -> Beautified:
    """Add what the prompt does not say, in words that the model knows.

    Weights, prompt editing and tags of LoRAs stay as they are; each of the texts that AND joins gets the same words,
    before its weight. A prompt without text stays as it is.
    """
    text = simplified(_TAG.sub("", prompt))
    if not text.strip():
        return Beautified(prompt, ())
    choose = random.Random(seed)
    added = tuple(_missing(text, learned, choose))
    return Beautified(_with(prompt, added), added) if added else Beautified(prompt, ())


def named_concepts(text: str) -> list[str]:
    """The concepts whose words stand in a prompt, the longer words first: 雪山 is no 雪."""
    words = sorted(
        ((word, concept.name) for concept in CONCEPTS.values() for word in concept.words),
        key=lambda pair: len(pair[0]),
        reverse=True,
    )
    names: dict[str, None] = {}
    for word, name in words:
        if word in text:
            names[name] = None
            text = text.replace(word, "\n")
    return list(names)


def _missing(text: str, learned: LearnedWords | None, choose: random.Random) -> Iterable[str]:
    """The words to add, in the order in which they are said."""
    names = named_concepts(text)
    kinds = {CONCEPTS[name].kind for name in names}
    scene_styles = () if learned is None else learned.scene_styles
    scene = bool(kinds & {"place", "season", "time", "weather"}) or any(style in text for style in scene_styles)
    if learned is None or not learned.styles:  # a model of icons takes a bare noun for one
        scene = scene or not set(_OUTDOORS.split()).isdisjoint(names)
    if scene:
        yield from _of_a_scene(text, names, kinds, learned, choose)
    elif learned is None and not any(word in text for word in _LIGHTS):
        yield SOFT_LIGHT
    styles = _styles(scene, learned)
    if styles and "style" not in kinds and not any(style in text for style in (*_all_styles(learned), "风格")):
        yield _pick(choose, styles)
    if not scene and learned is not None and learned.backgrounds and "背景" not in text:
        yield f"{_pick(choose, learned.backgrounds)}背景"
    compositions = [word for word in COMPOSITIONS["scene" if scene else "thing"] if learned is None or word in learned]
    if compositions and not any(word in text for word in _FORMATS):
        yield _pick(choose, compositions)


def _of_a_scene(
    text: str, names: Sequence[str], kinds: set[Kind], learned: LearnedWords | None, choose: random.Random
) -> Iterable[str]:
    """Season, time and light."""
    if "season" not in kinds and (seasons := _fitting(_SEASONS, names, learned)):
        yield word_for(_pick(choose, seasons), learned)
    times = [name for name in names if CONCEPTS[name].kind == "time"]
    if not times and (fitting := _fitting(_TIMES, names, learned)):
        times = [_pick(choose, fitting)]
        yield word_for(times[0], learned)
    if times and not any(word in text for word in _LIGHTS) and (learned is None or LIGHT[times[0]] in learned):
        yield LIGHT[times[0]]


def _fitting(signs: dict[str, str], names: Sequence[str], learned: LearnedWords | None) -> list[str]:
    """What the named concepts are signs of, else all; but none that the model has no word for."""
    signed = [name for name, things in signs.items() if not set(things.split()).isdisjoint(names)]
    return [
        name for name in signed or signs if learned is None or any(word in learned for word in CONCEPTS[name].words)
    ]


def _styles(scene: bool, learned: LearnedWords | None) -> Sequence[str]:
    if learned is None:
        return STYLES
    return (learned.scene_styles or learned.styles) if scene else learned.styles


def _all_styles(learned: LearnedWords | None) -> Sequence[str]:
    return () if learned is None else (*learned.styles, *learned.scene_styles)


def _pick(choose: random.Random, options: Sequence[str]) -> str:
    return options[int(choose.random() * len(options))]  # unlike `choice`, the same in every version of Python


def _with(prompt: str, added: Sequence[str]) -> str:
    """The prompt with words at the end of each of the texts that AND joins."""
    joins = list(AND.finditer(prompt))
    comma = "，" if "，" in prompt and "," not in prompt else ","
    ends = [*(join.start() for join in joins), len(prompt)]
    starts = [0, *(join.end() for join in joins)]
    made = []
    for number, (start, end) in enumerate(zip(starts, ends, strict=True)):
        text = prompt[start:end]
        weight = _WEIGHT.search(text) if joins else None
        cut = weight.start() if weight else len(text.rstrip())
        body, rest = text[:cut].rstrip(" ,，、。"), text[cut:]
        made.append((comma.join([body, *added]) if body.strip() else body) + rest)
        if number < len(joins):
            made.append(joins[number][0])
    return "".join(made)
