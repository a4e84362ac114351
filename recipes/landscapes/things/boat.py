"""Boats: with a canopy, rowed, sailed, junks with battened sails, dragon boats, rafts of bamboo."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from recipes.drawing.colour import colour, mix
from recipes.landscapes.scene import Part, Scene
from recipes.landscapes.things.reflection import mirror_image
from recipes.landscapes.things.shapes import arc, disc, polygon, rectangle, stripe


@dataclass(frozen=True)
class _Design:
    """`name`: as captions call it; `build`: its parts; `crew`: how often a fisherman stands in it."""

    name: str
    build: Callable[[Scene], list[Part]]
    crew: float


def boat(scene: Scene, x: float, y: float, size: float, nearness: float = 1.0, design: str = "") -> None:
    """A boat on water; `size`: half its length in pixels. Its mirror image lies below it."""
    design = design or scene.pick(tuple(_USUAL), tuple(_USUAL.values()))
    if design == "sloop" and scene.style.chinese:
        design = "junk"
    kind = _DESIGNS[design]
    face = 1.0 if scene.chance(0.5) else -1.0
    parts = kind.build(scene)
    mirror_image(scene, parts, x, y, size, face)
    if scene.facts.night and design != "dragon":
        scene.lamp(x + (0.14 if design == "canopy" else -0.3) * size * face, y - 0.2 * size, size * 0.6)
    with scene.thing(kind.name, "船"):
        scene.solid(parts, x, y, size, nearness, face)
        if scene.chance(kind.crew):
            with scene.thing("渔翁", "人"):
                scene.solid(_fisherman(scene), x, y, size, nearness, face)


def _hull(high: float = 0.16) -> list[Part]:
    t = np.linspace(-1, 1, 21)
    deck = 0.10 + high * np.abs(t) ** 3
    keel = np.stack([t * 0.8, -0.08 + 0.06 * np.abs(t) ** 3], 1)
    return [Part(np.concatenate([np.stack([t, deck], 1), keel[::-1]]), "hull"), Part(_strip(t, deck), "wood")]


def _strip(t: np.ndarray, deck: np.ndarray) -> np.ndarray:
    return np.concatenate([np.stack([t, deck], 1), np.stack([t, deck - 0.04], 1)[::-1]])


def _canopied(scene: Scene) -> list[Part]:
    """A canopy of mats with ribs of bamboo."""
    bow = arc(-0.22, 0.06, 0.42, 0.42)
    opening = arc(0.12, 0.08, 0.1, 0.3)
    rib = mix(scene.material("canopy"), scene.material("thatch"), 0.45)
    parts = [Part(bow, "canopy"), Part(opening, colour("ffb850") if scene.facts.night else "dark")]
    for at in (-0.5, -0.36, -0.22, -0.08):
        top = 0.06 + 0.42 * math.sqrt(max(0.0, 1 - ((at + 0.22) / 0.42) ** 2))
        parts.append(Part(rectangle(at - 0.014, 0.08, at + 0.014, top), rib))
    return parts + _hull()


def _rowed(scene: Scene) -> list[Part]:
    """An open boat; someone sits at the oars."""
    coat = scene.material(scene.pick(("robe", "red", "roof")))
    parts = [
        Part(polygon((-0.2, 0.08), (-0.18, 0.3), (-0.1, 0.42), (0.03, 0.42), (0.1, 0.28), (0.14, 0.08)), coat),
        Part(disc(-0.03, 0.48, 0.07, 0.08), "skin"),
        Part(polygon((-0.17, 0.5), (-0.03, 0.63), (0.11, 0.5)), "thatch"),
        Part(stripe(np.array([[0.02, 0.34], [0.3, 0.26]]), 0.06), coat),
    ]
    oar = np.array([[0.12, 0.34], [0.32, 0.22], [0.62, -0.1]])
    blade = polygon((0.56, -0.02), (0.62, 0.0), (0.74, -0.14), (0.66, -0.16))
    return [*parts, *_hull(0.1), Part(stripe(oar, 0.03), "thatch"), Part(blade, "thatch")]


def _sloop(scene: Scene) -> list[Part]:
    jib = mix(scene.material("white"), scene.material("red"), 0.25)
    return [
        Part(polygon((0.02, 0.1), (0.02, 1.5), (0.36, 0.9), (0.85, 0.28)), "white"),
        Part(polygon((-0.03, 0.2), (-0.03, 1.35), (-0.36, 0.7), (-0.55, 0.3)), jib),
        Part(rectangle(-0.02, 0.05, 0.02, 1.55), "wood"),
        Part(polygon((-0.02, 1.55), (-0.02, 1.46), (-0.22, 1.5)), "red"),
        *_hull(),
    ]


def _junk(scene: Scene) -> list[Part]:
    """Two sails with battens, a high stern."""
    dyed = mix(scene.material("thatch"), scene.material("red"), scene.between(0.1, 0.6))
    batten = mix(dyed, scene.material("dark"), 0.45)
    parts: list[Part] = []
    for foot, wide, low, high in ((-0.3, 0.9, 0.3, 1.25), (0.5, 0.55, 0.3, 0.95)):
        parts.append(Part(rectangle(foot - 0.02, 0.1, foot + 0.02, high + 0.1), "wood"))
        level = np.linspace(0, 1, 6)
        left = foot - wide * (0.36 - 0.12 * level)
        right = foot + wide * (0.5 - 0.16 * level**2)
        up = low + (high - low) * level
        sail = np.concatenate(
            [np.stack([left, up], 1), [[foot + wide * 0.22, high + 0.1]], np.stack([right, up * 0.97], 1)[::-1]]
        )
        parts.append(Part(sail, dyed))
        for a, b, row in zip(left, right, up, strict=True):
            parts.append(Part(stripe(np.array([[a, row], [b, row * 0.97]]), 0.025), batten))
    t = np.linspace(-1, 1, 21)
    deck = 0.12 + np.where(t < 0, 0.22, 0.12) * np.abs(t) ** 2.2
    keel = np.stack([t * 0.82, -0.1 + 0.06 * np.abs(t) ** 3], 1)
    hull = [Part(np.concatenate([np.stack([t, deck], 1), keel[::-1]]), "hull"), Part(_strip(t, deck), "wood")]
    cabin = Part(polygon((-0.92, 0.26), (-0.86, 0.42), (-0.5, 0.38), (-0.5, 0.14)), "wood")
    return [*parts, cabin, *hull, Part(polygon((0.05, 0.02), (0.05, 0.07), (0.7, 0.1), (0.7, 0.05)), "red")]


def _dragon(scene: Scene) -> list[Part]:
    """A long boat with a dragon's head and tail, and a crew at their paddles."""
    t = np.linspace(-1, 1, 21)
    deck = 0.08 + 0.05 * np.abs(t) ** 3
    keel = np.stack([t * 0.92, -0.06 + 0.04 * np.abs(t) ** 3], 1)
    parts: list[Part] = []
    for i, at in enumerate(np.linspace(-0.66, 0.52, 7)):
        coat = scene.material(("red", "gold")[i % 2])
        parts.append(Part(polygon((at - 0.05, 0.06), (at - 0.03, 0.22), (at + 0.05, 0.22), (at + 0.06, 0.06)), coat))
        parts.append(Part(disc(at + 0.02, 0.26, 0.036, 0.042), "skin"))
        parts.append(Part(stripe(np.array([[at + 0.06, 0.19], [at + 0.13, -0.1]]), 0.02), "thatch"))
    neck = np.concatenate([arc(0.74, 0.34, 0.22, 0.32, -90, 0), polygon((0.98, 0.44), (1.08, 0.45), (1.24, 0.36))])
    jaw = polygon((1.2, 0.3), (1.08, 0.28), (1.08, 0.16), (1.0, 0.06))
    neck = np.concatenate([neck, jaw])
    horn = polygon((0.98, 0.42), (0.88, 0.54), (1.03, 0.46))
    tail = polygon((-0.86, 0.08), (-1.0, 0.2), (-1.02, 0.36), (-1.12, 0.42), (-1.12, 0.26), (-1.2, 0.2), (-1.04, 0.04))
    return [
        *parts,
        Part(neck, "red"),
        Part(horn, "gold"),
        Part(disc(1.08, 0.38, 0.025), "white"),
        Part(polygon((1.02, 0.2), (1.22, 0.34), (1.1, 0.24), (1.04, 0.1)), "gold"),
        Part(tail, "red"),
        Part(np.concatenate([np.stack([t, deck], 1), keel[::-1]]), "red"),
        Part(_strip(t, deck), "gold"),
    ]


def _raft(scene: Scene) -> list[Part]:
    """Stems of bamboo, turned up at the bow, with a basket on them."""
    t = np.linspace(-1, 1, 15)
    bend = 0.03 + 0.16 * np.clip(t, 0, 1) ** 3
    stem = mix(scene.material("thatch"), scene.palette.evergreen[2], 0.45)
    dark = mix(stem, scene.material("dark"), 0.4)
    parts = [
        Part(stripe(np.stack([t, bend - 0.045 * i], 1), 0.05), stem if i % 2 else mix(stem, dark, 0.3))
        for i in range(3)
    ]
    parts += [Part(rectangle(at - 0.02, -0.08, at + 0.02, 0.06), dark) for at in (-0.75, -0.2, 0.35)]
    basket = polygon((-0.5, 0.04), (-0.56, 0.26), (-0.22, 0.26), (-0.28, 0.04))
    return [*parts, Part(basket, "wood"), Part(rectangle(-0.57, 0.23, -0.21, 0.28), "thatch")]


def _fisherman(scene: Scene) -> list[Part]:
    """In a robe and a straw hat, with a pole."""
    robe = polygon((0.50, 0.10), (0.47, 0.42), (0.53, 0.56), (0.62, 0.56), (0.67, 0.42), (0.68, 0.10))
    shade = mix(scene.material("robe"), scene.material("roof"), 0.45)
    return [
        Part(robe, "robe"),
        Part(polygon((0.6, 0.10), (0.6, 0.54), (0.67, 0.42), (0.68, 0.10)), shade),
        Part(rectangle(0.54, 0.54, 0.62, 0.64), "skin"),
        Part(polygon((0.42, 0.62), (0.58, 0.76), (0.74, 0.62)), "thatch"),
        Part(polygon((0.40, 0.98), (0.43, 0.98), (0.93, -0.15), (0.90, -0.15)), "wood"),
    ]


_DESIGNS = {
    "canopy": _Design("小船", _canopied, 0.7),
    "rowing": _Design("小船", _rowed, 0.0),
    "sloop": _Design("帆船", _sloop, 0.0),
    "junk": _Design("帆船", _junk, 0.0),
    "dragon": _Design("龙舟", _dragon, 0.0),
    "raft": _Design("竹筏", _raft, 1.0),
}
_USUAL = {"canopy": 0.34, "rowing": 0.14, "sloop": 0.16, "junk": 0.16, "dragon": 0.06, "raft": 0.14}
