"""From what a portrait shows to short Chinese captions."""

from random import Random

CAPTIONS = 10
PORTRAIT_WORDS = ("头像", "人像", "肖像")
PORTRAIT_VERBS = ("穿", "戴", "留", "留着", "长着", "打着")
BALD = ("光头", "秃顶")
_FEELINGS = ("生气", "难过", "惊讶", "害怕", "疲惫", "严肃", "紧张", "困惑", "困倦")
_VERBS = {"领带": "打着领带", "红鼻子": "长着红鼻子", "胡茬": "有胡茬", "红脸蛋": "脸蛋红红", "雀斑": "脸上有雀斑"}
_WORN = {
    "glasses": "戴",
    "hat": "戴",
    "beard": "留着",
    "earrings": "戴",
    "mask": "戴",
    "accessory": "戴",
    "cheeks": "有",
}


def person(attributes: dict[str, str]) -> list[str]:
    """Return the nouns that fit whom a viewer takes the portrait for."""
    if attributes.get("person") == "女":
        return ["女孩", "女人", "女生"]
    if attributes.get("person") == "男":
        grown = "beard" in attributes or attributes.get("hair") == "秃顶"
        return ["男人"] if grown else ["男人", "男孩", "男生"]
    return ["人", "年轻人"]


def phrases(attributes: dict[str, str]) -> list[str]:
    """Return one phrase for each thing that a portrait shows; each may stand before 的 and after a comma."""
    said = []
    for kind, words in attributes.items():
        if kind in _WORN:
            colour = attributes.get("hat_color", "") if kind == "hat" else ""
            said.append(_VERBS.get(words, f"{_WORN[kind]}{colour}{words}"))
        elif kind == "hair":
            said.append(words if words in BALD else f"{attributes.get('hair_color', '')}{words}")
        elif kind == "clothes" and (words != "衣服" or "clothes_color" in attributes):
            said.append(f"穿{attributes.get('clothes_color', '')}{words}")
        elif kind == "expression":
            said.append(f"表情{words}" if words in _FEELINGS else words)
        elif kind in ("skin", "eyes", "lips", "gesture"):
            said.append(words)
    return said


def captions(attributes: dict[str, str], style: str, chance: Random, number: int = CAPTIONS) -> list[str]:
    """Return `number` captions, without repeats where there is enough to say.

    Args:
        attributes: what is seen, by kind, as `recipes.collections.portraits` writes it.
        style: the Chinese phrase of the drawing style, which holds one of `PORTRAIT_WORDS`.
        chance: where the choices come from.

    Each caption says one to five of the things that are seen, and holds one of `PORTRAIT_WORDS`, for a bare 女孩 is an
    emoji.
    """
    said, nouns = phrases(attributes), person(attributes)
    written: dict[str, None] = {}
    for _ in range(4 * number):
        if len(written) == number:
            break
        some = chance.sample(said, min(len(said), chance.choice((1, 2, 2, 3, 3, 4, 5))))
        written[_caption(some, chance.choice(nouns), style, chance)] = None
    return list(written)


def _caption(said: list[str], noun: str, style: str, chance: Random) -> str:
    portrait = chance.choice(PORTRAIT_WORDS)
    first, rest = said[0], said[1:]
    tail = "".join(f"，{phrase}" for phrase in rest)
    form = chance.randrange(6)
    if form == 0:
        return f"{first}的{noun}{portrait}{tail}"
    if form == 1:
        return f"一个{first}的{noun}{tail}，{style}"
    if form == 2:
        return f"{style}，{first}的{noun}{tail}"
    if form == 3:
        return f"{noun}的{portrait}，{first}{tail}"
    if form == 4:
        return f"{style}的{noun}{portrait}，{first}{tail}"
    return f"{'、'.join(said)}的{noun}，{style}"
