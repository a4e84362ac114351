"""Captions of one composition, of every kind that fits it. They say nothing that it does not show."""

from collections.abc import Sequence

import numpy as np

from recipes.compositions.facts import NUMBERS, Group
from recipes.compositions.paint import Composition
from recipes.landscapes.captions.lexicon import ADJECTIVES, MOONLIT, TIMES
from recipes.landscapes.styles import STYLES
from recipes.mini.captions import MONOCHROME, STYLED

KINDS = ("short", "position", "ground", "style", "sentence", "tags")
_GROUNDS = (
    *("{text},{ground}背景", "{ground}背景的{text}", "{ground}背景上的{text}", "{ground}背景,{text}"),
    *("{ground}背景上有{text}", "{text},背景是{ground}", "{text},背景为{ground}", "在{ground}背景上的{text}"),
)
_STYLE_SHARE = 0.5
_OPPOSITE = {"左边": "右边", "右边": "左边", "上面": "下面", "下面": "上面"}
OTHER_WORDS = {  # of relations
    "上面": ("上方", "上边"),
    "下面": ("下方", "下边"),
    "里面": ("里",),
    "前面": ("前方",),
    "旁边": ("边上",),
}


def captions(composition: Composition, rng: np.random.Generator) -> dict[str, str]:
    """By kind, Chinese captions. A painted scene's all hold a place; a plain ground's name its colour unless it is
    white."""
    if composition.facts.kind == "surreal":
        return SurrealWriter(composition, rng).write()
    writer = SceneWriter(composition, rng) if composition.facts.scene else Writer(composition, rng)
    return {kind: text for kind, text in writer.write().items() if text}


class Writer:
    """Captions of things on a plain ground."""

    def __init__(self, composition: Composition, rng: np.random.Generator):
        self.rng, self.facts, self.composition = rng, composition.facts, composition

    def write(self) -> dict[str, str]:
        alone = len(self._all()) == 1 and self.facts.groups[0].count == 1
        return {
            # one thing, counted and no more, is told from an icon by its style
            "short": self.in_style(self.grounded(self.short(), styled=False)) if alone else self.grounded(self.short()),
            "position": self.grounded(self.position()),
            "ground": self.styled(self.pick(_GROUNDS).format(text=self.listing(), ground=self.facts.ground)),
            "style": self.in_style(self.grounded(self.listing(), styled=False)),
            "sentence": self.sentence(),
            "tags": self.tags(),
        }

    # Words

    def pick(self, words: Sequence[str]) -> str:
        return words[int(self.rng.integers(len(words)))]

    def chance(self, share: float) -> bool:
        return bool(self.rng.random() < share)

    def phrase(self, group: Group, size: bool = True) -> str:
        """两只猫, 一座小小的房子."""
        return f"{NUMBERS[group.count]}{self.pick(group.measures)}{group.size if size else ''}{group.word}"

    def listing(self, groups: Sequence[Group] | None = None) -> str:
        """两只猫和一棵树."""
        phrases = [self.phrase(group) for group in groups or self._all()]
        if len(phrases) == 1:
            return phrases[0]
        return "、".join(phrases[:-1]) + self.pick(("和", "和", "与")) + phrases[-1]

    def _all(self) -> tuple[Group, ...]:
        holder = self.facts.holder
        return (*self.facts.groups, holder) if holder else self.facts.groups

    def name(self, group: Group) -> str:
        """The bare noun of one thing, the phrase of several."""
        return self.phrase(group) if group.count > 1 or (group.size and self.chance(0.7)) else group.size + group.word

    def styled(self, text: str) -> str:
        """With the style at times; black and white is always said."""
        if self.facts.style and (self.facts.style in MONOCHROME or self.chance(_STYLE_SHARE)):
            return self.in_style(text)
        return text

    def in_style(self, text: str) -> str:
        """With the style's name: of what is no more than a name in all ways, else beside it."""
        sentence = text.endswith("。") or any(verb in text for verb in "在是有画")
        if not sentence:
            return self.pick(STYLED).format(text=text, style=self.facts.style)
        text = text.rstrip("。")
        return self.pick((f"{text},{self.facts.style}", f"{self.facts.style},{text}", f"{text}({self.facts.style})"))

    def grounded(self, text: str, styled: bool = True) -> str:
        """With the ground's colour, unless it is white; with the style at times, where `styled` is true."""
        if not text:
            return ""
        ground = self.facts.ground
        if ground != "白色":
            text = self.pick((f"{text},{ground}背景", f"{ground}背景,{text}", f"{text},背景是{ground}"))
        return self.styled(text) if styled else text

    # Kinds

    def short(self) -> str:
        """两只猫和一棵树; of a relation 猫在狗左边."""
        if self.facts.relation and self.chance(0.5):
            return self.related()
        return self.listing()

    def related(self) -> str:
        """What the picture was made for: 猫在狗左边, 桌子上有两只猫."""
        first, relation = self.facts.groups[0], self.facts.relation
        second = self.facts.holder or self.facts.groups[1]
        where = self.pick((relation, *OTHER_WORDS.get(relation, ())))
        of = self.name(second)
        ways = [
            f"{self.name(first)}在{of}{self.pick(('的', ''))}{where}",
            f"{of}{self.pick(('的', ''))}{where}有{self.phrase(first)}",
            f"{of}{where}是{self.phrase(first)}",
        ]
        if self.facts.holder and relation == "上面":
            ways += [f"{of}上有{self.phrase(first)}", f"{self.name(first)}在{of}上"]
        if self.facts.holder and relation == "里面":
            ways += [f"{of}里的{self.phrase(first)}", f"{of}里有{self.phrase(first)}"]
        if relation in _OPPOSITE and not self.facts.holder:
            other = _OPPOSITE[relation]
            ways += [
                f"{of}在{self.name(first)}的{other}",
                f"{relation}是{self.phrase(first)},{other}是{self.phrase(second)}",
                f"{self.phrase(first)}在{relation},{self.phrase(second)}在{other}",
            ]
        return self.pick(ways)

    def position(self) -> str:
        """Where things are, as far as their boxes say it."""
        if self.facts.relation:
            return self.related()
        sides = self.sides()
        if sides:
            (first, where), (second, there) = sides
            return self.pick(
                (
                    f"{where}是{self.phrase(first)},{there}是{self.phrase(second)}",
                    f"{where}有{self.phrase(first)},{there}有{self.phrase(second)}",
                    f"{self.phrase(first)}在{self.name(second)}的{where}",
                    f"{self.name(second)}在{self.phrase(first)}的{there}",
                )
            )
        return self.arrangement()

    def sides(self) -> list[tuple[Group, str]]:
        """Two groups and the side of the other on which each one is; empty where that can't be said."""
        if len(self.facts.groups) != 2:
            return []
        boxes = [self.box(number) for number in range(2)]
        (a, b), groups = boxes, self.facts.groups
        if a[2] <= b[0] or b[2] <= a[0]:
            first = 0 if a[2] <= b[0] else 1
            return [(groups[first], "左边"), (groups[1 - first], "右边")]
        if a[3] <= b[1] or b[3] <= a[1]:
            first = 0 if a[3] <= b[1] else 1
            return [(groups[first], "上面"), (groups[1 - first], "下面")]
        return []

    def box(self, number: int) -> tuple[int, int, int, int]:
        """Around all things of a group."""
        boxes = [placed.box for placed in self.composition.things if placed.group == number]
        return (
            min(box[0] for box in boxes),
            min(box[1] for box in boxes),
            max(box[2] for box in boxes),
            max(box[3] for box in boxes),
        )

    def arrangement(self) -> str:
        """Of things of one name: 排成一排, 排成一列."""
        things = [placed for placed in self.composition.things if placed.group == 0]
        if len(self.facts.groups) > 1 or len(things) < 2:
            return ""
        (left, top, right, bottom), count = self.box(0), len(things)
        widths = sum(placed.box[2] - placed.box[0] for placed in things)
        heights = sum(placed.box[3] - placed.box[1] for placed in things)
        listing = self.listing()
        if right - left >= widths and bottom - top < 1.6 * heights / count:
            return self.pick((f"{listing}排成一排", f"排成一排的{listing}", f"{listing}并排"))
        if bottom - top >= heights and right - left < 1.6 * widths / count:
            return self.pick((f"{listing}排成一列", f"排成一列的{listing}", f"{listing}从上到下"))
        return ""

    def sentence(self) -> str:
        ground, style = self.facts.ground, self.facts.style
        named = style in MONOCHROME or self.chance(0.6)
        kind = f"{style}的{self.pick(('画', '插画', '图'))}" if named else self.pick(("画", "插画", "图"))
        shown = f"有{self.listing()}"
        if self.facts.relation and self.chance(0.5):
            shown = self.related()
        return self.pick(
            (
                f"这是一幅{kind},画面里{shown},背景是{ground}。",
                f"一幅{kind},{ground}的背景,画面上{shown}。",
                f"画一幅{kind}:{self.listing()},{ground}背景。",
                f"请画一幅{kind},{shown},用{ground}作背景。",
            )
        )

    def tags(self) -> str:
        words = [self.phrase(group) if self.chance(0.6) or group.count > 1 else group.word for group in self._all()]
        if self.facts.ground != "白色" or self.chance(0.3):
            words.append(f"{self.facts.ground}背景")
        if len(words) < 2 or self.facts.style in MONOCHROME or self.chance(0.7):
            words.append(self.facts.style)
        self.rng.shuffle(words)
        return self.pick((",", "、", " ")).join(words)


class SceneWriter(Writer):
    """Captions of things on a painted scene: all of them say where that is."""

    def __init__(self, composition: Composition, rng: np.random.Generator):
        super().__init__(composition, rng)
        assert self.facts.scene is not None
        self.scene = self.facts.scene
        style = STYLES[self.scene.style]
        self.painting = self.pick([self.scene.style, *style.words])
        self.time = self.scene.time if style.shows_time or self.facts.disc or self.scene.night else ""

    def write(self) -> dict[str, str]:
        return {
            "short": self.short(),
            "position": self.position(),
            "ground": self.in_air(self.happening()),
            "style": self.all_styles(self.happening()),
            "sentence": self.sentence(),
            "tags": self.tags(),
        }

    # Words

    def adjective(self) -> str:
        """Of the weather, else of the time, as far as they are seen."""
        key = self.scene.weather if self.scene.weather != "晴" else self.time
        words = [word for word in ADJECTIVES.get(key, ()) if word != MOONLIT or self.facts.disc in ("明月", "弯月")]
        return self.pick(words) if words else ""

    def when(self) -> str:
        return self.pick(TIMES[self.time]) if self.time else ""

    def happening(self) -> str:
        """天上飞着一只老鹰,草地上站着两只猫: each place with what is there."""
        places: dict[str, list[Group]] = {}
        for group in self.facts.groups:
            places.setdefault(group.where, []).append(group)
        parts = []
        for where, groups in places.items():
            verb = self.pick(groups[0].doing) if len({group.doing for group in groups}) == 1 else "有"
            parts.append(f"{where}{verb}{self.listing(groups)}")
        self.rng.shuffle(parts)
        text = ",".join(parts)
        return text if self.ground_said(text) else f"{self.facts.ground},{text}"

    def ground_said(self, text: str) -> bool:
        """Whether a caption says what the scene is of: 天上 alone does not."""
        return any(word in text for word in ("草地", "雪地", "湖", "岸", "海", "沙", "马路", "街"))

    def in_air(self, text: str) -> str:
        """With time, weather or painting style at times."""
        draw = self.rng.random()
        if draw < 0.35 and self.adjective():
            return f"{self.adjective()}{text}" if self.ground_said(text[:4]) else f"{self.when() or '画面里'},{text}"
        if draw < 0.6 and self.when():
            return f"{self.when()},{text}"
        return f"{text},{self.painting}" if draw < 0.85 else text

    def all_styles(self, text: str) -> str:
        """With the hand of the things and the style of the scene."""
        if not self.facts.style:
            return self.pick((f"{self.painting},{text}", f"{text},{self.painting}", f"一幅{self.painting},{text}"))
        return self.pick(
            (
                f"{text},{self.facts.style},背景是{self.painting}",
                f"{self.facts.style},{text},{self.painting}",
                f"{text},使用{self.facts.style},背景为{self.painting}",
                f"{self.painting}里{text},{self.facts.style}",
            )
        )

    # Kinds

    def short(self) -> str:
        """雾蒙蒙的草地上的两只猫."""
        wheres = {group.where for group in self.facts.groups}
        if len(wheres) > 1 or self.chance(0.3):
            return self.happening()
        where = wheres.pop()
        adjective = self.adjective() if self.chance(0.5) else ""
        if not self.ground_said(where):
            return f"{adjective}{self.facts.ground},{where}的{self.listing()}"
        return self.pick((f"{adjective}{where}的{self.listing()}", f"{self.listing()}在{adjective}{where}"))

    def position(self) -> str:
        """What is left of what, above what, among what."""
        sides = self.sides()
        if not sides:
            return ""
        (first, where), (second, there) = sides
        ground = self.facts.ground
        ways = [
            f"{ground},{where}是{self.phrase(first)},{there}是{self.phrase(second)}",
            f"{self.phrase(first)}在{self.name(second)}的{where},{self.adjective()}{ground}",
            f"{first.where}的{self.phrase(first)}在{second.where}的{self.name(second)}{where}",
        ]
        if where == "上面":
            verb = self.pick(("飞着", "有")) if "飞着" in first.doing else "有"
            ways = [
                f"{second.where}{self.phrase(second)}的上方{verb}{self.phrase(first)}",
                f"{ground},上面是{self.phrase(first)},下面是{self.phrase(second)}",
            ]
        text = self.pick([way for way in ways if self.ground_said(way)])
        return f"{text},{self.painting}" if self.chance(0.4) else text

    def sides(self) -> list[tuple[Group, str]]:
        """As on plain grounds; what flies over the others is above, not beside."""
        sides = super().sides()
        if len(self.facts.groups) == 2:
            a, b = self.box(0), self.box(1)
            flies = [group.where in ("天上", "空中") for group in self.facts.groups]
            if flies[0] != flies[1]:
                upper = 0 if flies[0] else 1
                (high, low) = (a, b) if upper == 0 else (b, a)
                first, second = self.facts.groups[upper], self.facts.groups[1 - upper]
                over = min(high[2], low[2]) - max(high[0], low[0])
                return [(first, "上面"), (second, "下面")] if high[3] < low[1] and over > 0 else []
        return [pair for pair in sides if pair[1] in ("左边", "右边")]

    def sentence(self) -> str:
        when = self.when()
        happening = self.happening()
        style = f"{self.facts.style}的" if self.facts.style and self.chance(0.5) else ""
        return self.pick(
            (
                f"这是一幅{self.painting},{happening}。",
                f"{when + ',' if when else ''}{happening}。{self.painting}",
                f"一幅画,画的是{self.adjective()}{self.facts.ground}:{happening}。",
                f"请画{self.adjective()}{self.facts.ground},{happening},{style}画。"
                if style
                else f"请画{happening},{self.painting}。",
            )
        )

    def tags(self) -> str:
        words = [
            self.phrase(group) if group.count > 1 or self.chance(0.4) else group.word for group in self.facts.groups
        ]
        words.append(self.facts.ground)
        if self.when() and self.chance(0.5):
            words.append(self.when())
        words.append(self.painting)
        if self.facts.style and self.chance(0.5):
            words.append(self.facts.style)
        self.rng.shuffle(words)
        return self.pick((",", "、", " ")).join(words)


class SurrealWriter(SceneWriter):
    """Captions of what cannot be: what happens in it is said by its design."""

    def write(self) -> dict[str, str]:
        texts = list(self.facts.texts)
        self.rng.shuffle(texts)
        style = f",{self.facts.style}" if self.facts.style and self.chance(0.4) else ""
        first, second, third = (texts * 3)[:3]
        when = self.when()
        return {
            "short": first,
            "style": self.pick((f"{second},{self.painting}{style}", f"{self.painting},{second}{style}")),
            "surreal": self.pick(
                (f"魔幻现实,{third}", f"{third},魔幻现实风格", f"超现实的画面,{third}", f"{third},奇幻")
            ),
            "sentence": self.pick(
                (
                    f"这是一幅{self.painting},画的是{first}。",
                    f"一幅想象的画:{second}。",
                    f"请画{third},{self.painting}{style}。",
                    f"梦里的景象,{first}。",
                )
            ),
            "air": f"{when},{second}" if when else f"{self.painting}:{third}",
        }
