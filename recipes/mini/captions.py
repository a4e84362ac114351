"""The grammar of captions: names, aliases and keywords, styles, backgrounds, pairs, sentences, long descriptions.

People ask in many words, and most of the words show nothing (请帮我, 画面里有): only a model that met many of them
learns to read past them. Names, styles and colours are asked for by the evaluation in forms that occur here among
others; half of its sentences are worded as none of these.
"""

import re
from typing import Any

import numpy as np

Record = dict[str, Any]


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


MODIFIERS = _words(
    "可爱的 漂亮的 美丽的 雾蒙蒙的 安静的 明亮的 小小的 巨大的 古老的 神秘的 温暖的 清晨的 夜晚的 快乐的 孤独的 梦幻的 "
    "阳光下的 精致的 简单的 有趣的 远处的 安详的 新鲜的 复古的 浪漫的 朦胧的 金色阳光里的 生动的 干净的 迷人的"
)
PLACES = _words(
    "在湖面上 在草地上 在山顶 在海边 在城市里 在森林里 在天空中 在房间里 在桌子上 在雪地里 在月光下 在雨中 在街道上 "
    "在花园里 在云端 在窗前 在夕阳下 在春天里 在微风中 在晨雾中"
)
OPENINGS = _words("一个 一只 一张 一幅 画一个 请画一个 画 我想要一个 一张图片:")
ASKING = _words(
    "请 帮我 麻烦 能不能 您好,请 我要 给我 我想看 来 生成 绘制 设计 做 想要 谢谢,请 画出 描绘 需要 展示 显示"
)
# What stands around a subject without being seen. "{}" is the subject with its modifier and place.
FRAMES = _words(
    "{}的图标 {}的图片 {}的插画 {}的小图 {}的画 {}的贴纸 {}的标志 画面里有{} 画面中间是{} 里面有{} 上面画着{} "
    "图中是{} 画的是{} 主题是{} 一张有{}的图 一幅画着{}的画 以{}为主题 关于{}的图画 图上有{} 这是{} 这里有{} 中央有{} "
    "一幅插图:{} 内容是{}"
)
STYLED = (
    *("{style}的{text}", "{text},{style}", "{text},{style}", "{style},{text}"),
    *("{text},风格是{style}", "用{style}画{text}", "{text},使用{style}", "{style}的图,{text}", "{style}:{text}"),
    *("{text}({style})", "一幅{style}的作品,{text}"),
)
GROUNDS = _words(
    "{text},{colour}背景 {text},{colour}背景 {colour}背景的{text} {colour}背景上的{text} {text},{colour}的背景 "
    "{colour}背景,{text} {text},背景为{colour} {text},背景是{colour} {text},背景颜色是{colour} {text},底色{colour} "
    "在{colour}背景上的{text} {colour}底的{text} {colour}背景里的{text}"
)
PAIRS = (
    *("{left}和{right}", "{left}和{right}", "{left}与{right}", "左边是{left},右边是{right}"),
    *("左边是{left},右边是{right}", "{left}在左边,{right}在右边", "左边{left}右边{right}"),
    *("{left},旁边是{right}", "左边有{left},右边有{right}", "{left}在{right}的左边"),
)
# Nobody who names no style expects black and white.
MONOCHROME = ("黑白剪影风格", "单色图标风格")
QUALITIES = _words(
    "高清 精致 简洁 高质量 细节丰富 插画 图标 表情符号 色彩明快 构图居中 线条清晰 矢量图 干净的画面 专业设计 主体突出 "
    "边缘清晰 轻松愉快 适合做头像 设计感强 层次分明"
)
_NOISE = re.compile(r'[\s"“”「」]')


def clean(name: str) -> str:
    return _NOISE.sub("", name)


class CaptionWriter:
    """Writes one caption after another from a seeded generator."""

    def __init__(
        self,
        seed: int,
        with_style: float = 0.7,
        modifiers: tuple[str, ...] = MODIFIERS,
        places: tuple[str, ...] = PLACES,
        openings: tuple[str, ...] = OPENINGS,
    ):
        """`modifiers`, `places`: words around a subject that its picture does not show; `openings`: words before it."""
        self.random = np.random.default_rng(seed)
        self.with_style, self.modifiers, self.places, self.openings = with_style, modifiers, places, openings

    def _chance(self, probability: float) -> bool:
        return bool(self.random.random() < probability)

    def _pick(self, options: Any) -> Any:
        return options[int(self.random.integers(len(options)))]

    def subject(self, record: Record) -> str:
        """The name in six of ten cases, else another full name, a keyword, or name and keyword."""
        draw = self.random.random()
        if draw < 0.14 and record["aliases"]:
            return clean(self._pick(record["aliases"]))
        if draw < 0.32 and record["keywords"]:
            return clean(self._pick(record["keywords"]))
        if draw < 0.4 and record["keywords"]:
            return clean(record["name"]) + "," + clean(self._pick(record["keywords"]))
        return clean(record["name"])

    def sentence(self, subject: str) -> str:
        """雾蒙蒙的日出在湖面上: words around the subject that the picture does not show."""
        if self._chance(0.35):
            return subject
        modifier = self._pick(self.modifiers) if self._chance(0.4) else ""
        place = self._pick(self.places) if self._chance(0.3) else ""
        text = f"{modifier}{subject}{place}"
        if self._chance(0.4):
            text = self._pick(self.openings) + text
        if self._chance(0.4):
            text = self._pick(FRAMES).format(text)
        if self._chance(0.25):
            text = self._pick(ASKING) + text
        return text

    def pair(self, left: str, right: str) -> str:
        return str(self._pick(PAIRS)).format(left=left, right=right)

    def styled(self, text: str, style: str) -> str:
        if style not in MONOCHROME and not self._chance(self.with_style):
            return text
        return str(self._pick(STYLED)).format(text=text, style=style)

    def on_background(self, text: str, colour: str | None) -> str:
        return text if colour is None else str(self._pick(GROUNDS)).format(text=text, colour=colour)

    def lengthened(self, text: str, record: Record, tokens: int) -> str:
        """More keywords and qualities, until the caption spans a second or third chunk."""
        words = [clean(word) for word in record["keywords"]] + list(QUALITIES)
        order = self.random.permutation(len(words))
        extra = [words[i] for i in order]
        while extra and len(text) < tokens:
            text = f"{text},{extra.pop()}"
        return text

    def write(self, record: Record, partner: Record | None, colour: str | None, long: bool = False) -> str:
        """A caption of `record`, alone or left of `partner`, on white (`colour` None) or on a named colour."""
        if partner is not None:
            text = self.pair(clean(record["name"]), clean(partner["name"]))
        else:
            text = self.sentence(self.subject(record))
        text = self.on_background(self.styled(text, record["style"]), colour)
        return self.lengthened(text, record, int(self.random.integers(36, 84))) if long else text
