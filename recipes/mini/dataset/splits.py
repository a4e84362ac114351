"""Who may see which picture: food, a held-out style, held-out concepts, held-out (family, style) pairs, the rest."""

import hashlib
import re
from collections import defaultdict

from recipes.mini.dataset.sources import STYLE_FAMILIES, Record

SEED = "pai-diffusion-mini-zh/1"
FOOD_TEST_SHARE = 0.25
HELD_PAIR_SHARE = 0.06
MIN_TRAINED_STYLES = 3
HELD_STYLE = "streamline-emojis"
# Twelve things that every collection draws and that no other name contains.
HELD_CONCEPTS = {
    "1F418": "大象",
    "1F680": "火箭",
    "1F3B8": "吉他",
    "1F33B": "向日葵",
    "1F427": "企鹅",
    "1F451": "皇冠",
    "1F335": "仙人掌",
    "1F419": "章鱼",
    "26C4": "雪人",
    "1F40C": "蜗牛",
    "1F681": "直升机",
    "1F992": "长颈鹿",
}
_CONCEPT_WORDS = re.compile("|".join(HELD_CONCEPTS.values()))


def chance(*parts: str) -> float:
    """A number in [0, 1) that depends on the parts and the seed only."""
    digest = hashlib.sha256("\n".join((SEED, *parts)).encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64


def is_held_concept(record: Record) -> bool:
    return record["family"] in HELD_CONCEPTS or bool(_CONCEPT_WORDS.search(record["name"]))


def assign(records: list[Record]) -> None:
    """Write `split` and `food_test` into every record, and take held-out names out of other keywords.

    `food_test` marks (family, style family) pairs too: continued pretraining is judged on foods that it has seen
    in other styles, never on names that no training picture bears.
    """
    food = {record["family"] for record in records if record["is_food"]}
    for record in records:
        record["is_food"] = record["family"] in food
    concepts = {record["family"] for record in records if is_held_concept(record)}
    pairs = held_pairs(records, food | concepts)
    food_pairs = held_pairs([record for record in records if record["is_food"]], set(), FOOD_TEST_SHARE)
    for record in records:
        record["split"] = _split(record, concepts, pairs)
        record["food_test"] = record["is_food"] and _pair(record) in food_pairs
        if record["split"] != "held_concept" and record["family"] not in concepts:
            record["keywords"] = [word for word in record["keywords"] if not _CONCEPT_WORDS.search(word)]


def _pair(record: Record) -> tuple[str, str]:
    return record["family"], STYLE_FAMILIES[record["source"]]


def _split(record: Record, concepts: set[str], pairs: set[tuple[str, str]]) -> str:
    if record["is_food"]:
        return "food"
    if record["source"] == HELD_STYLE:
        return "held_style"
    if record["family"] in concepts:
        return "held_concept"
    return "held_pair" if _pair(record) in pairs else "train"


def held_pairs(records: list[Record], excluded: set[str], share: float = HELD_PAIR_SHARE) -> set[tuple[str, str]]:
    """About `share` of the (family, style family) pairs, each family keeping at least three other style families.

    Flags and the families in `excluded` are left alone.
    """
    styles: dict[str, set[str]] = defaultdict(set)
    for record in records:
        if record["base"] and record["source"] != HELD_STYLE and not record["is_flag"]:
            styles[record["family"]].add(STYLE_FAMILIES[record["source"]])
    held: set[tuple[str, str]] = set()
    for family in sorted(set(styles) - excluded):
        ranked = sorted(styles[family], key=lambda style: chance("pair", family, style))
        spare = max(len(ranked) - MIN_TRAINED_STYLES, 0)
        held.update((family, style) for style in ranked[:spare] if chance("pair", family, style) < share)
    return held
