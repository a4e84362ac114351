"""The domains of pictures that version 2 learns, each a way from a seed to a picture with captions.

A new domain is a function here and a line in `DOMAINS`.
"""

import json
import lzma
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image

from pai_modelscope.data.render import render_svg
from pai_modelscope.images.colors import NAMED_COLOURS
from recipes.compositions.art import library
from recipes.compositions.captions import captions as composition_captions
from recipes.compositions.paint import paint as paint_composition
from recipes.dishes.captions import captions as dish_captions
from recipes.dishes.paint import paint as paint_dish
from recipes.landscapes.captions import captions as landscape_captions
from recipes.landscapes.facts import Facts as SceneFacts
from recipes.landscapes.paint import paint as paint_landscape
from recipes.mini.data import SEEN_BY_TOWERS
from recipes.mini.dataset.build import read_records
from recipes.mini.scenes import Record, weights
from recipes.mini_v2.icon_captions import icon_captions

ICONS, COLLECTIONS = "pictures.jsonl.xz", "collections.jsonl.xz"  # in the recipe's folder
_COLOURED = 0.5  # share of drawings that stand on a named colour; the others stand on white
_WAYS = 4  # captions of a drawing


Fact = str | list[str] | dict[str, int]


@dataclass(frozen=True)
class Drawn:
    """`image`: (h, w, 3) uint8; `captions`: by kind, or by a number where all are of one kind; `facts`: what judges
    learn to tell, such as style, time and things; `labels`: (h, w) uint8, classes of landscapes.labels, of scenes."""

    image: np.ndarray
    captions: Mapping[str, str]
    facts: Mapping[str, Fact]
    labels: np.ndarray | None = None


Draw = Callable[[Path, int, tuple[int, int]], Drawn]  # of the recipe's folder, a seed, and width and height


def landscape(work: Path, seed: int, size: tuple[int, int]) -> Drawn:
    """A painted scene."""
    painting = paint_landscape(seed, size)
    facts: dict[str, Fact] = {
        **_scene(painting.facts),
        "place": painting.facts.place,
        "things": sorted(painting.sights),
    }
    captions = landscape_captions(painting, np.random.default_rng([seed, 2]))
    return Drawn(painting.image, captions, facts, painting.labels)


def dish(work: Path, seed: int, size: tuple[int, int]) -> Drawn:
    """A painted dish, which towers and VAE may see, and the base UNet never."""
    painting = paint_dish(seed, size)
    captions = _numbered(dish_captions(painting, np.random.default_rng([seed, 2])))
    return Drawn(painting.image, captions, {"dish": painting.facts.dish, "style": painting.facts.style})


def icon(work: Path, seed: int, size: tuple[int, int]) -> Drawn:
    """An emoji of version 1's pictures that the base UNet may see, on white or on a named colour."""
    return _icon(work, seed, size, icon_records(work, towers=False))


def tower_icon(work: Path, seed: int, size: tuple[int, int]) -> Drawn:
    """The same with food, held-out styles and concepts, and icons among them: for VAE, CLIP and judge alone."""
    return _icon(work, seed, size, icon_records(work, towers=True))


def icon_pair(work: Path, seed: int, size: tuple[int, int]) -> Drawn:
    """Two icons of one style that the base UNet may see, each as large as its half of the picture allows.

    Compositions show things that are smaller, and where they stand is said of the things, not of the picture.
    """
    records, shares = icon_records(work, towers=False)
    rng = np.random.default_rng(seed)
    left = records[int(rng.choice(len(records), p=shares))]
    sources, names = _icon_sources(work)
    others = (sources == left["source"]) & (names != left["name"])
    right = records[int(rng.choice(len(records), p=shares * others / (shares * others).sum()))]
    half = (size[0] // 2, size[1])
    canvas, colour = _ground(size, rng)
    for record, x in ((left, 0), (right, half[0])):
        drawing = _icon_drawing(work, record, int(min(half) * rng.choice([0.86, 0.94, 1.0])))
        free = half[0] - drawing.width, (size[1] - drawing.height) * 0.3  # side by side, not one up and one down
        shift = [int(space / 2 * (1 + rng.uniform(-1, 1))) for space in free]
        canvas.alpha_composite(drawing, (x + shift[0], int((size[1] - drawing.height) * 0.35) + shift[1]))
    captions = [icon_captions(seed * _WAYS + way).write(left, right, colour) for way in range(_WAYS)]
    facts: dict[str, Fact] = {"style": left["style"], "colour": colour or "白色"}
    return Drawn(np.asarray(canvas.convert("RGB")), _numbered(captions), facts)


def _icon(work: Path, seed: int, size: tuple[int, int], choice: tuple[list[Record], np.ndarray]) -> Drawn:
    records, shares = choice
    rng = np.random.default_rng(seed)
    record = records[int(rng.choice(len(records), p=shares))]
    drawing = _icon_drawing(work, record, int(min(size) * rng.choice([0.8, 0.92, 1.0])))
    image, colour = _on_ground(drawing, size, rng, bottom=False)
    captions = [icon_captions(seed * _WAYS + way).write(record, None, colour) for way in range(_WAYS)]
    return Drawn(image, _numbered(captions), _icon_facts(record, colour))


def _icon_drawing(work: Path, record: Record, side: int) -> Image.Image:
    if record.get("svg"):
        return render_svg(record["svg"], side)
    with Image.open(work / record["raster"]) as raster:
        return raster.convert("RGBA").resize((side, side), Image.Resampling.LANCZOS)


def thing(work: Path, seed: int, size: tuple[int, int]) -> Drawn:
    """A thing of another collection, on white or on a named colour."""
    records = [record for record in collected_records(work) if not record["captions"]]
    rng = np.random.default_rng(seed)
    record = records[int(rng.integers(len(records)))]
    image, colour = _on_ground(_collection_drawing(record, size, rng), size, rng, bottom=False)
    writers = [icon_captions(seed * _WAYS + way, with_style=0.7 if record["bare"] else 1.0) for way in range(_WAYS)]
    captions = _numbered([writer.write(record, None, colour) for writer in writers])
    return Drawn(image, captions, _icon_facts(record, colour))


def portrait(work: Path, seed: int, size: tuple[int, int]) -> Drawn:
    """A portrait that stands on the lower edge, before white or a named colour."""
    records = [record for record in collected_records(work) if record["captions"]]
    rng = np.random.default_rng(seed)
    record = records[int(rng.integers(len(records)))]
    image, colour = _on_ground(_collection_drawing(record, size, rng), size, rng, bottom=True)
    ground = f",{colour}背景" if colour else ""
    facts = {"style": record["style"], **record.get("attributes", {}), "colour": colour or "白色"}
    return Drawn(image, _numbered([text + ground for text in record["captions"]]), facts)


def composition(work: Path, seed: int, size: tuple[int, int]) -> Drawn:
    """Two to four things of the art that the base UNet may see, on plain grounds, on scenes, in surreal ones."""
    made = paint_composition(seed, size, library(work))
    seen, scene = made.facts, made.facts.scene
    things: dict[str, int] = {}
    for group in (*seen.groups, *([seen.holder] if seen.holder else [])):
        things[group.word] = things.get(group.word, 0) + group.count  # a large cat and a small one are two
    facts: dict[str, Fact] = {"kind": seen.kind, "style": seen.style, "ground": seen.ground, "things": things}
    facts |= {"relation": seen.relation, "design": seen.design, **({"scene": scene.style} if scene else {})}
    return Drawn(made.image, composition_captions(made, np.random.default_rng([seed, 2])), facts)


def _scene(facts: SceneFacts) -> dict[str, Fact]:
    return {"style": facts.style, "time": facts.time, "season": facts.season, "weather": facts.weather}


def _icon_facts(record: Record, colour: str | None) -> dict[str, Fact]:
    return {"name": record["name"], "style": record["style"], "colour": colour or "白色"}


def _collection_drawing(record: Record, size: tuple[int, int], rng: np.random.Generator) -> Image.Image:
    return render_svg(record["svg"], int(min(size) * rng.choice([0.86, 0.94, 1.0])))


def _on_ground(
    drawing: Image.Image, size: tuple[int, int], rng: np.random.Generator, bottom: bool
) -> tuple[np.ndarray, str | None]:
    """A transparent drawing on white (no name) or on a named colour; on the lower edge where `bottom` is true."""
    canvas, colour = _ground(size, rng)
    x, y = (int((free - drawing.width) / 2 * (1 + rng.uniform(-1, 1))) for free in size)
    canvas.alpha_composite(drawing, (x, size[1] - drawing.height if bottom else y))
    return np.asarray(canvas.convert("RGB")), colour


def _ground(size: tuple[int, int], rng: np.random.Generator) -> tuple[Image.Image, str | None]:
    """A canvas of a named colour, or white, which has no name."""
    name = str(rng.choice(list(NAMED_COLOURS))) if rng.random() < _COLOURED else "白色"
    return Image.new("RGBA", size, (*NAMED_COLOURS[name], 255)), None if name == "白色" else name


def _numbered(texts: list[str]) -> dict[str, str]:
    return {str(number): text for number, text in enumerate(dict.fromkeys(texts))}


@cache
def icon_records(work: Path, towers: bool) -> tuple[list[Record], np.ndarray]:
    """Version 1's pictures and how often each is drawn; what the base UNet may not see only where `towers` is true."""
    records = read_records(work / ICONS)
    if towers:
        seen = [record for record in records if record["split"] in SEEN_BY_TOWERS and not record["food_test"]]
    else:
        seen = [record for record in records if record["split"] == "train" and record["base"]]
    return seen, weights(seen)


@cache
def _icon_sources(work: Path) -> tuple[np.ndarray, np.ndarray]:
    """Source and name of each picture that the base UNet may see."""
    records = icon_records(work, towers=False)[0]
    return np.array([record["source"] for record in records]), np.array([record["name"] for record in records])


@cache
def collected_records(work: Path) -> list[Record]:
    """The drawings of other collections; portraits are those that bring captions."""
    with lzma.open(work / COLLECTIONS, "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


DOMAINS: dict[str, Draw] = {
    "landscapes": landscape,
    "icons": icon,
    "icon_pairs": icon_pair,
    "tower_icons": tower_icon,
    "things": thing,
    "portraits": portrait,
    "compositions": composition,
    "dishes": dish,
}
