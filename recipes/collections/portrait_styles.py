"""What the portrait styles can draw, and the Chinese words for it.

A style is a list of features. A feature is a list of choices that exclude each other; a choice sets some of DiceBear's
options and says one thing about the picture. Every phrase was written beside the rendered component, and options whose
components can't be told apart by eye set nothing that is said.
"""

from dataclasses import dataclass, field, replace

Options = dict[str, tuple[str | int, ...]]  # an option and the values that look alike, of which one is drawn

CLOTHES = {
    "红色": "e1322d",
    "橙色": "f59628",
    "黄色": "fad73c",
    "绿色": "46aa50",
    "蓝色": "3c78dc",
    "紫色": "8c50be",
    "粉色": "fab4c8",
    "灰色": "969696",
    "黑色": "2a2a2a",
    "白色": "ffffff",
}
HAIR = {
    "黑色": "1f1a17 26211f",
    "棕色": "6a4326 7a5230 5c3a24",
    "金色": "e8c45c dfb54a",
    "红色": "b5301f",
    "橙色": "d9772b",
    "灰色": "9a9a9a",
    "白色": "f2f2f2",
    "蓝色": "3d7fd0",
    "紫色": "7a4bb0",
    "粉色": "ee8fb0",
}
SKIN = {"浅色皮肤": "ffdbb4 f6cfae", "棕色皮肤": "c68a56 b97a48", "深色皮肤": "7a4a2b 5c3829"}


@dataclass(frozen=True)
class Choice:
    """Options that draw one thing, and what is said of it.

    `attribute` is the kind of thing ("hair"), `phrase` its Chinese words ("长发"); both are empty where nothing is
    said. `person` is "女" or "男" where a viewer takes the drawing for a woman or a man; such choices don't meet.
    `also` holds attributes that come with the thing. `weight` is how often it is drawn beside the other choices.
    """

    attribute: str
    phrase: str
    options: Options
    person: str = ""
    also: dict[str, str] = field(default_factory=dict)
    weight: float = 1.0


Feature = tuple[Choice, ...]


@dataclass(frozen=True)
class Style:
    """A DiceBear package, its phrase in captions, its features, and options that stay the same."""

    package: str
    phrase: str
    features: tuple[Feature, ...]
    fixed: Options = field(default_factory=dict)


def _values(text: str) -> tuple[str, ...]:
    """Split component names; "variant" is dropped from those that have numbers only."""
    return tuple(f"variant{word}" if word[0].isdigit() and len(word) == 2 else word for word in text.split())


def _parts(option: str, attribute: str, phrases: dict[str, str], women: str = "", men: str = "") -> list[Choice]:
    """Choices among the components of one option: phrase to component names; `women` and `men` list phrases."""
    return [
        Choice(attribute, phrase, {option: _values(names)}, _person(phrase, women, men))
        for phrase, names in phrases.items()
    ]


def _person(phrase: str, women: str, men: str) -> str:
    return "女" if phrase in women.split() else "男" if phrase in men.split() else ""


def _maybe(option: str, attribute: str, phrases: dict[str, str], share: float, person: str = "") -> Feature:
    """Choices of an option that draws nothing in all but `share` of the portraits."""
    shown = [
        Choice(
            attribute,
            phrase,
            {option: _values(names), f"{option}Probability": (100,)},
            person,
            weight=share / len(phrases),
        )
        for phrase, names in phrases.items()
    ]
    return (Choice("", "", {f"{option}Probability": (0,)}, weight=1 - share), *shown)


def _colours(option: str, attribute: str, colours: dict[str, str]) -> Feature:
    return tuple(Choice(attribute, phrase, {option: tuple(hexes.split())}) for phrase, hexes in colours.items())


def _plain(**options: str) -> Choice:
    return Choice("", "", {option: _values(names) for option, names in options.items()})


def _look(attribute: str, phrase: str, person: str = "", weight: float = 1.0, **options: str) -> Choice:
    """One choice over several options at once: an expression is mouth, eyes and brows."""
    return Choice(
        attribute, phrase, {option: _values(names) for option, names in options.items()}, person, weight=weight
    )


_FEW = ("秃顶", "寸头", "平头")


def _hair(women: dict[str, str], men: dict[str, str], anyone: dict[str, str], option: str = "hair") -> list[Choice]:
    """Kinds of hair; where there are fewer for men, each is drawn more often, so that men are not rare.

    Short hair stands for most men; what is shaved, flat or bald is a third as frequent.
    """
    weight = max(1.0, len(women) / len(men))
    weights = {phrase: weight / 3 if phrase in _FEW else weight for phrase in men}
    return [
        *_parts(option, "hair", women, women=" ".join(women)),
        *(replace(choice, weight=weights[choice.phrase]) for choice in _parts(option, "hair", men, men=" ".join(men))),
        *_parts(option, "hair", anyone),
    ]


def _worn(option: str, attribute: str, phrases: dict[str, str]) -> list[Choice]:
    """Things that are drawn in the place of hair: each is as rare as one of many kinds of hair."""
    return [Choice(attribute, phrase, {option: _values(names)}) for phrase, names in phrases.items()]


_CLOTHES = Choice("clothes", "衣服", {})  # what the style puts on everyone; only the colour is worth saying

PERSONAS = Style(
    "personas",
    "几何人像风格",
    (
        (
            *_hair(
                {
                    "长发": "long extraLong",
                    "双马尾": "pigtails",
                    "丸子头": "curlyBun straightBun",
                    "齐刘海": "bobBangs",
                    "短发": "bobCut",
                },
                {"短发": "shortCombover shortComboverChops fade", "寸头": "buzzcut", "秃顶": "balding"},
                {"爆炸头": "curly", "卷发": "curlyHighTop", "光头": "bald"},
            ),
            *_worn("hair", "hat", {"毛线帽": "beanie", "帽子": "cap"}),
        ),
        (
            _look("", "", weight=3, eyes="open"),
            _look("glasses", "眼镜", weight=1.5, eyes="glasses"),
            _look("glasses", "墨镜", eyes="sunglasses"),
            _look("eyes", "闭着眼睛", eyes="sleep"),
            _look("eyes", "眨着眼睛", eyes="wink"),
            _look("eyes", "眯着眼睛", eyes="happy"),
        ),
        (
            _look("expression", "微笑", mouth="smile smirk"),
            _look("expression", "开心地笑", mouth="bigSmile"),
            _look("expression", "难过", mouth="frown"),
            _look("expression", "惊讶", mouth="surprise"),
            _look("lips", "红嘴唇", "女", mouth="lips"),
        ),
        _maybe(
            "facialHair",
            "beard",
            {"大胡子": "beardMustache", "小胡子": "pyramid walrus", "山羊胡": "goatee"},
            0.35,
            "男",
        ),
        (_look("clothes", "格子衬衫", body="checkered"), _look("clothes", "衣服", weight=2, body="squared rounded")),
        _colours("clothingColor", "clothes_color", CLOTHES),
        _colours("hairColor", "hair_color", HAIR),
        _colours(
            "skinColor", "skin", {"浅色皮肤": "eeb4a4 e7a391 e5a07e", "棕色皮肤": "b16a5b", "深色皮肤": "92594b 623d36"}
        ),
        (_plain(nose="mediumRound smallRound"),),
    ),
)

TOON_HEAD = Style(
    "toon-head",
    "卡通人像风格",
    (
        (
            _look("hair", "短发", "男", 2, hair="sideComed undercut"),
            _look("hair", "竖起的短发", "男", 1, hair="spiky"),
            _look("hair", "丸子头", "女", 1, hair="bun"),
            Choice(
                "hair",
                "长发",
                {"hair": ("sideComed",), "rearHair": ("longStraight",), "rearHairProbability": (100,)},
                "女",
            ),
            Choice(
                "hair",
                "长卷发",
                {"hair": ("sideComed",), "rearHair": ("longWavy",), "rearHairProbability": (100,)},
                "女",
            ),
            Choice(
                "hair",
                "齐肩发",
                {"hair": ("sideComed",), "rearHair": ("shoulderHigh", "neckHigh"), "rearHairProbability": (100,)},
                "女",
            ),
        ),
        _maybe(
            "beard",
            "beard",
            {"大胡子": "fullBeard longBeard", "小胡子": "moustacheTwirl", "山羊胡": "chinMoustache"},
            0.5,
            "男",
        ),
        (
            _look("clothes", "高领毛衣", clothes="turtleNeck"),
            _look("clothes", "外套", clothes="openJacket"),
            _look("clothes", "衬衫", clothes="shirt"),
            _look("clothes", "T恤", clothes="tShirt"),
            _look("clothes", "裙子", "女", clothes="dress"),
        ),
        (
            _look("expression", "微笑", mouth="smile", eyebrows="happy neutral", eyes="happy humble"),
            _look("expression", "大笑", mouth="laugh", eyebrows="happy raised", eyes="happy bow"),
            _look("expression", "生气", mouth="angry", eyebrows="angry", eyes="happy wide"),
            _look("expression", "惊讶", mouth="agape", eyebrows="raised", eyes="wide"),
            _look("expression", "难过", mouth="sad", eyebrows="sad", eyes="happy humble"),
            _look("expression", "眨着眼睛", mouth="smile laugh", eyebrows="happy", eyes="wink"),
        ),
        _colours("clothesColor", "clothes_color", CLOTHES),
        _colours("hairColor", "hair_color", HAIR),
        _colours(
            "skinColor", "skin", {"浅色皮肤": "f1c3a5 f6d2b8", "棕色皮肤": "b98e6a c08a60", "深色皮肤": "7a4e35 5c3829"}
        ),
    ),
    {"rearHairProbability": (0,)},
)

MICAH = Style(
    "micah",
    "粗线人像风格",
    (
        tuple(
            _hair(
                {"长卷发": "full", "短发": "pixie"},
                {"短发": "fonze"},
                {"莫西干头": "mrT", "光头": "mrClean", "短发": "dannyPhantom"},
            )
        ),
        (
            _look("expression", "微笑", mouth="smile smirk"),
            _look("expression", "大笑", mouth="laughing"),
            _look("expression", "惊讶", mouth="surprised"),
            _look("expression", "紧张", mouth="nervous"),
            _look("expression", "难过", mouth="sad frown"),
            _look("expression", "嘟着嘴", mouth="pucker"),
        ),
        _maybe("facialHair", "beard", {"大胡子": "beard", "胡茬": "scruff"}, 0.35, "男"),
        _maybe("glasses", "glasses", {"眼镜": "round square"}, 0.3),
        _maybe("earrings", "earrings", {"耳环": "hoop"}, 0.25),
        (_look("clothes", "衬衫", shirt="collared"), _look("clothes", "T恤", shirt="crew open")),
        _colours("shirtColor", "clothes_color", CLOTHES),
        _colours("hairColor", "hair_color", HAIR),
        _colours(
            "baseColor", "skin", {"浅色皮肤": "f9c9b6 f6d2b0", "棕色皮肤": "b8754f ac6651", "深色皮肤": "77311d 6b3a22"}
        ),
        (_plain(eyes="eyes round", eyebrows="up"),),
        (_plain(nose="curve pointed"),),
    ),
    {
        "glassesColor": ("141414",),
        "facialHairColor": ("1f1a17",),
        "earringColor": ("f4b400",),
        "hairProbability": (100,),
    },
)

_BLACK = {"hair_color": "黑色"}


def _black(choices: list[Choice]) -> list[Choice]:
    """Heads whose hair the style always inks black."""
    return [replace(choice, also=_BLACK) for choice in choices]


OPEN_PEEPS = Style(
    "open-peeps",
    "手绘人像风格",
    (
        (
            *_black(
                _hair(
                    {
                        "丸子头": "bun bun2",
                        "长发": "long longBangs mediumStraight",
                        "长卷发": "longCurly",
                        "中长发": "medium1 medium2 medium3 mediumBangs",
                        "齐刘海": "bangs2",
                    },
                    {"短发": "short1 short2 short5 pomp shaved2", "平头": "flatTop flatTopLong"},
                    {"爆炸头": "afro longAfro", "脏辫": "dreads1 dreads2"},
                    "head",
                )
            ),
            *_parts("head", "hair", {"光头": "noHair1", "秃顶": "noHair2 noHair3", "莫西干头": "mohawk"}, men="秃顶"),
            *_worn("head", "hat", {"毛线帽": "hatBeanie", "礼帽": "hatHip", "头巾": "hijab turban"}),
        ),
        (
            _look("expression", "微笑", face="smile calm cute", weight=2),
            _look("expression", "大笑", face="smileBig smileLOL smileTeethGap"),
            _look("expression", "生气", face="veryAngry rage angryWithFang"),
            _look("expression", "害怕", face="fear concernedFear"),
            _look("expression", "疲惫", face="tired"),
            _look("expression", "严肃", face="serious"),
            _look("expression", "难过", face="solemn"),
        ),
        _maybe(
            "facialHair",
            "beard",
            {
                "大胡子": "full full2 full3",
                "山羊胡": "goatee1 goatee2",
                "小胡子": "moustache2 moustache3 moustache5 moustache6 moustache7",
            },
            0.35,
            "男",
        ),
        (
            Choice("", "", {"accessoriesProbability": (0,), "maskProbability": (0,)}, weight=3),
            Choice(
                "glasses",
                "眼镜",
                {"accessories": _values("glasses2 glasses3 glasses5"), "accessoriesProbability": (100,)},
            ),
            Choice(
                "glasses", "墨镜", {"accessories": _values("sunglasses sunglasses2"), "accessoriesProbability": (100,)}
            ),
            Choice("accessory", "眼罩", {"accessories": ("eyepatch",), "accessoriesProbability": (100,)}, weight=0.5),
            Choice("mask", "口罩", {"mask": ("medicalMask",), "maskProbability": (100,)}, weight=0.7),
        ),
        _colours("clothingColor", "clothes_color", CLOTHES),
        _colours("skinColor", "skin", SKIN),
        (_CLOTHES,),
        (_plain(headContrastColor="b5301f 3d7fd0 e8c45c"),),
    ),
    {"accessoriesProbability": (0,), "maskProbability": (0,)},
)

BIG_SMILE = Style(
    "big-smile",
    "大嘴人像风格",
    (
        tuple(
            _hair(
                {
                    "丸子头": "bunHair froBun",
                    "辫子": "braids",
                    "齐刘海": "bangs",
                    "长发": "straightHair",
                    "卷发": "wavyBob curlyBob",
                },
                {"短发": "shortHair shavedHead"},
                {"莫西干头": "mohawk", "锅盖头": "bowlCutHair", "短卷发": "curlyShortHair"},
            )
        ),
        (
            _look("expression", "大笑", weight=2, mouth="openedSmile teethSmile gapSmile", eyes="cheery normal"),
            _look("expression", "难过", mouth="openSad", eyes="sad"),
            _look("expression", "生气", mouth="openSad unimpressed", eyes="angry"),
            _look("expression", "微笑", mouth="kawaii", eyes="cheery normal"),
            _look("expression", "困倦", mouth="unimpressed", eyes="sleepy"),
            _look("expression", "眨着眼睛", mouth="openedSmile kawaii", eyes="winking"),
            _look("expression", "星星眼", mouth="openedSmile teethSmile", eyes="starstruck"),
            _look("expression", "面无表情", mouth="unimpressed", eyes="normal"),
        ),
        (
            Choice("", "", {"accessoriesProbability": (0,)}, weight=4),
            *(
                Choice(attribute, phrase, {"accessories": (name,), "accessoriesProbability": (100,)}, person)
                for attribute, phrase, name, person in (
                    ("glasses", "眼镜", "glasses", ""),
                    ("glasses", "墨镜", "sunglasses", ""),
                    ("mask", "口罩", "faceMask", ""),
                    ("accessory", "猫耳朵发箍", "catEars", ""),
                    ("accessory", "红鼻子", "clownNose", ""),
                    ("accessory", "紫色眼罩", "sleepMask", ""),
                    ("beard", "小胡子", "mustache", "男"),
                )
            ),
        ),
        _colours("hairColor", "hair_color", HAIR),
        _colours(
            "skinColor", "skin", {"浅色皮肤": "ffe4c0 f5d7b1", "棕色皮肤": "c08a50 b07a42", "深色皮肤": "8c5a2b 643d19"}
        ),
    ),
)

ADVENTURER = Style(
    "adventurer",
    "漫画头像风格",
    (
        (
            *_hair(
                {
                    "长发": "long09 long07 long04 long20",
                    "长卷发": "long22",
                    "卷发": "long17 long24",
                    "马尾辫": "long19",
                    "麻花辫": "long16",
                    "双马尾": "long15 long14",
                    "双丸子头": "long13 long23",
                    "丸子头": "long10 long11",
                    "齐肩发": "long05 long01 long21",
                },
                {"短发": "short01 short02 short10 short11 short14 short08 short07", "寸头": "short04"},
                {"刺猬头": "short16", "莫西干头": "short15", "短卷发": "short03 short17 short18", "光头": "short19"},
            ),
            Choice("hat", "花环", {"hair": ("long08",)}, "女", {"hair": "长发"}),
        ),
        (
            _look("expression", "大笑", weight=2, mouth="28 27 26 25 30"),
            _look("expression", "微笑", mouth="29"),
            _look("expression", "咧着嘴笑", mouth="23"),
            _look("expression", "吐着舌头", mouth="16 12"),
            _look("expression", "惊讶", mouth="18"),
            _look("expression", "嘟着嘴", mouth="17"),
            _look("expression", "面无表情", mouth="09"),
        ),
        (
            _look("", "", weight=4, eyes="26 25 24 03 02"),
            _look("eyes", "闭着眼睛", eyes="20 19"),
            _look("eyes", "眨着眼睛", eyes="22 21"),
        ),
        _maybe("glasses", "glasses", {"眼镜": "02 04 05", "墨镜": "01"}, 0.4),
        (
            Choice("", "", {"featuresProbability": (0,)}, weight=6),
            Choice("beard", "小胡子", {"features": ("mustache",), "featuresProbability": (100,)}, "男"),
            Choice("cheeks", "红脸蛋", {"features": ("blush",), "featuresProbability": (100,)}),
        ),
        _colours("hairColor", "hair_color", HAIR),
        _colours(
            "skinColor", "skin", {"浅色皮肤": "f2d3b1 f6dcc0", "棕色皮肤": "b97a48 a96a3a", "深色皮肤": "763900 6b3d1f"}
        ),
        (_plain(eyebrows="10 09"),),
    ),
    {"earringsProbability": (0,), "hairProbability": (100,)},
)

LORELEI = Style(
    "lorelei",
    "线描头像风格",
    (
        tuple(
            _hair(
                {
                    "长发": "40 41 15 16 21 23",
                    "长卷发": "24 35 32",
                    "齐肩发": "13 10 19",
                    "马尾辫": "31 33",
                    "丸子头": "46 38 14",
                    "双丸子头": "26",
                },
                {"短发": "47 43 12 08 07 06 03 02 01 04", "秃顶": "25"},
                {"短卷发": "44 39 09", "莫西干头": "27"},
            )
        ),
        (
            _look("expression", "微笑", mouth="happy01 happy02 happy14", eyebrows="09 07 05"),
            _look("expression", "大笑", mouth="happy05 happy16", eyebrows="09 07 05"),
            _look("expression", "难过", mouth="sad04 sad05", eyebrows="01"),
            _look("expression", "生气", mouth="sad04 sad05", eyebrows="13 11 04"),
            _look("expression", "惊讶", mouth="sad01", eyebrows="09 07 05"),
        ),
        (
            _look("", "", weight=4, eyes="24 23 21 18 10 02"),
            _look("eyes", "闭着眼睛", eyes="01"),
        ),
        _maybe("glasses", "glasses", {"眼镜": "01 03 04 05", "墨镜": "02"}, 0.4),
        _maybe("beard", "beard", {"大胡子": "01 02"}, 0.35, "男"),
        _maybe("hairAccessories", "accessory", {"头花": "flowers"}, 0.1, "女"),
        _maybe("freckles", "cheeks", {"雀斑": "01"}, 0.12),
        _colours("hairColor", "hair_color", HAIR),
        _colours("skinColor", "skin", SKIN),
    ),
    {"earringsProbability": (0,), "hairAccessoriesColor": ("e1322d",)},
)

PIXEL_ART = Style(
    "pixel-art",
    "像素头像风格",
    (
        (
            *_hair(
                {"长发": "long01 long03 long07 long08 long09 long12 long13 long20", "双辫子": "long18"},
                {"秃顶": "short07 short18"},
                {
                    "短发": "short01 short02 short03 short06 short08 short10 short14 short15 short16 short17",
                    "蓬乱的头发": "short11 short13",
                },
            ),
        ),
        (
            _look("expression", "微笑", mouth="happy09"),
            _look("expression", "难过", mouth="sad01"),
            _look("", "", mouth="sad06 sad07"),
        ),
        _maybe("glasses", "glasses", {"眼镜": "light01 light02 light03 light05 light06"}, 0.35),
        _maybe("hat", "hat", {"帽子": "02 03 04 07 08 10"}, 0.3),
        _maybe("accessories", "earrings", {"耳环": "01 03"}, 0.15),
        _colours("hatColor", "hat_color", CLOTHES),
        _colours("clothingColor", "clothes_color", CLOTHES),
        _colours("hairColor", "hair_color", HAIR),
        _colours("skinColor", "skin", SKIN),
        (_CLOTHES,),
        (_plain(clothing="01 03 04 05 11 23", eyes="01 03 04 07 08"),),
    ),
    {"beardProbability": (0,), "accessoriesColor": ("ffc107",), "glassesColor": ("191919",), "eyesColor": ("5b4636",)},
)

NOTIONISTS = Style(
    "notionists",
    "黑白人像风格",
    (
        (
            *_hair(
                {"长发": "41 58 36 28 23", "双丸子头": "59", "丸子头": "48 57", "马尾辫": "47 46 45"},
                {"短发": "56 55 54 53 35 34 32 27 25 24 16 15 13 07 05"},
                {"刺猬头": "51 50"},
            ),
            *_worn("hair", "hat", {"鸭舌帽": "hat", "头巾": "61"}),
            Choice("hat", "头巾", {"hair": _values("63 62")}, "女"),
        ),
        _maybe("glasses", "glasses", {"眼镜": "11 08 03", "墨镜": "10 09 07 06 05 04 02 01"}, 0.4),
        _maybe("beard", "beard", {"大胡子": "02", "小胡子": "10 05 03"}, 0.3, "男"),
        _maybe(
            "gesture",
            "gesture",
            {"挥着手": "waveLongArm", "比着OK手势": "okLongArm", "指向上方": "pointLongArm", "拿着手机": "handPhone"},
            0.35,
        ),
        (
            Choice("clothes", "衬衫", {"body": _values("20")}, "", {"accessory": "领带"}),
            _look("clothes", "外套", body="17 18 16"),
            _look("clothes", "连帽衫", body="23"),
            _look("clothes", "波点上衣", body="15"),
            Choice("clothes", "衣服", {"body": _values("02 04 08")}, "", {"clothes_color": "黑色"}),
            _look("", "", weight=2, body="01 03 14"),
        ),
        (_plain(eyes="05 04 03 02 01", brows="13 12 11 10", lips="03 05 06", nose="01 02 03 04 05"),),
    ),
    {"bodyIconProbability": (0,)},
)

MINIAVS = Style(
    "miniavs",
    "色块人像风格",
    (
        tuple(
            _hair(
                {"马尾辫": "ponyTail", "长发": "long"},
                {"短发": "stylish elvis classic01 classic02", "秃顶": "balndess slaughter"},
                {"卷发": "curly"},
            )
        ),
        _maybe("glasses", "glasses", {"眼镜": "normal"}, 0.35),
        _maybe("mustache", "beard", {"小胡子": "pencilThin freddy horshoe"}, 0.35, "男"),
        _colours("bodyColor", "clothes_color", CLOTHES),
        _colours("hairColor", "hair_color", HAIR),
        _colours("skinColor", "skin", {"浅色皮肤": "f5d0c5 f6d8b8", "棕色皮肤": "c68a56", "深色皮肤": "836055 6b4433"}),
        (_CLOTHES,),
        (_plain(body="tShirt golf", head="normal wide", eyes="normal happy", mouth="default"),),
    ),
    {"blushesProbability": (0,)},
)

DYLAN = Style(
    "dylan",
    "简笔头像风格",
    (
        tuple(
            _hair(
                {"长发": "roundBob", "长卷发": "longCurls", "齐刘海": "bangs"},
                {"平头": "flatTop"},
                {"短发": "plain wavy", "短卷发": "shortCurls", "中分头": "parting", "刺猬头": "spiky"},
            )
        ),
        (
            _look("expression", "微笑", mood="happy"),
            _look("expression", "大笑", mood="superHappy"),
            _look("expression", "生气", mood="angry"),
            _look("expression", "难过", mood="sad"),
            _look("expression", "面无表情", mood="neutral"),
            _look("expression", "困惑", mood="confused"),
        ),
        _maybe("facialHair", "beard", {"胡茬": "default"}, 0.2, "男"),
        _colours("hairColor", "hair_color", HAIR),
        _colours("skinColor", "skin", SKIN),
    ),
)

STYLES = (PERSONAS, TOON_HEAD, MICAH, OPEN_PEEPS, BIG_SMILE, ADVENTURER, LORELEI, PIXEL_ART, NOTIONISTS, MINIAVS, DYLAN)
