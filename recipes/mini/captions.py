"""The grammar of captions: names, aliases and keywords, styles, backgrounds, pairs, sentences, long descriptions.

A tenth of the captions span two or three 32-token chunks, so that the UNet knows long prompts.
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
QUALITIES = _words(
    "高清 精致 简洁 高质量 细节丰富 插画 图标 表情符号 色彩明快 构图居中 线条清晰 矢量图 干净的画面 专业设计 主体突出 "
    "边缘清晰 轻松愉快 适合做头像 设计感强 层次分明"
)
_NOISE = re.compile(r'[\s"“”「」]')


def clean(name: str) -> str:
    return _NOISE.sub("", name)


class CaptionWriter:
    """Writes one caption after another from a seeded generator."""

    def __init__(self, seed: int, with_style: float = 0.7):
        self.random = np.random.default_rng(seed)
        self.with_style = with_style

    def _chance(self, probability: float) -> bool:
        return bool(self.random.random() < probability)

    def _pick(self, options: Any) -> Any:
        return options[int(self.random.integers(len(options)))]

    def subject(self, record: Record) -> str:
        """The name in four of five cases, else another full name or a keyword."""
        draw = self.random.random()
        if draw < 0.14 and record["aliases"]:
            return clean(self._pick(record["aliases"]))
        if draw < 0.24 and record["keywords"]:
            return clean(self._pick(record["keywords"]))
        if draw < 0.34 and record["keywords"]:
            return clean(record["name"]) + "," + clean(self._pick(record["keywords"]))
        return clean(record["name"])

    def sentence(self, subject: str) -> str:
        """雾蒙蒙的日出在湖面上: words around the subject that the picture does not show."""
        if self._chance(0.35):
            return subject
        opening = self._pick(OPENINGS) if self._chance(0.4) else ""
        modifier = self._pick(MODIFIERS) if self._chance(0.5) else ""
        place = self._pick(PLACES) if self._chance(0.4) else ""
        return f"{opening}{modifier}{subject}{place}"

    def pair(self, left: str, right: str) -> str:
        return self._pick(
            (
                f"{left}和{right}",
                f"{left}与{right}",
                f"左边是{left},右边是{right}",
                f"{left}在左边,{right}在右边",
                f"左边{left}右边{right}",
            )
        )

    def styled(self, text: str, style: str) -> str:
        if not self._chance(self.with_style):
            return text
        return self._pick((f"{style}的{text}", f"{text},{style}", f"{text},{style}", f"{style},{text}"))

    def on_background(self, text: str, colour: str | None) -> str:
        if colour is None:
            return text
        return self._pick(
            (f"{text},{colour}背景", f"{text},{colour}背景", f"{colour}背景上的{text}", f"{text},{colour}的背景")
        )

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
