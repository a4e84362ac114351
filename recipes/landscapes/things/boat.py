"""Small boats: with a canopy, with a fisherman, with a sail."""

import math

import numpy as np

from recipes.drawing.colour import colour, mix
from recipes.landscapes.scene import Part, Scene
from recipes.landscapes.things.shapes import rectangle


def boat(scene: Scene, x: float, y: float, size: float) -> None:
    """A boat on water; `size`: half its length in pixels. Its mirror image lies below it."""
    face = 1.0 if scene.chance(0.5) else -1.0
    sails = not scene.style.chinese and scene.chance(0.35)
    hull = _hull()
    above = _sails(scene) if sails else _canopy(scene, x, y, size, face) if scene.chance(0.6) else []
    parts = above + hull
    fisher = not sails and scene.chance(0.8)
    _mirror(scene, parts, x, y, size, face)
    with scene.thing("帆船" if sails else "小船", "船"):
        scene.solid(parts, x, y, size, face=face)
        if fisher:
            with scene.thing("渔翁", "人"):
                scene.solid(_fisherman(scene), x, y, size, face=face)


def _hull() -> list[Part]:
    t = np.linspace(-1, 1, 21)
    deck = 0.10 + 0.16 * np.abs(t) ** 3
    keel = np.stack([t * 0.8, -0.08 + 0.06 * np.abs(t) ** 3], 1)
    rail = np.concatenate([np.stack([t, deck], 1), np.stack([t, deck - 0.04], 1)[::-1]])
    return [Part(np.concatenate([np.stack([t, deck], 1), keel[::-1]]), "hull"), Part(rail, "wood")]


def _canopy(scene: Scene, x: float, y: float, size: float, face: float) -> list[Part]:
    arc = np.linspace(math.pi, 0, 13)
    mat = np.stack([-0.22 + 0.42 * np.cos(arc), 0.06 + 0.42 * np.sin(arc)], 1)
    opening = np.stack([0.12 + 0.1 * np.cos(arc), 0.08 + 0.3 * np.sin(arc)], 1)
    if scene.facts.night:
        scene.lamp(x + 0.14 * size * face, y - 0.2 * size, size * 0.7)
    return [Part(mat, "canopy"), Part(opening, colour("ffb850") if scene.facts.night else "dark")]


def _sails(scene: Scene) -> list[Part]:
    jib = mix(scene.material("white"), scene.material("red"), 0.25)
    return [
        Part(np.array([[0.02, 0.1], [0.02, 1.5], [0.85, 0.28]]), "white"),
        Part(np.array([[-0.03, 0.2], [-0.03, 1.35], [-0.55, 0.3]]), jib),
        Part(rectangle(-0.02, 0.05, 0.02, 1.55), "wood"),
    ]


def _fisherman(scene: Scene) -> list[Part]:
    """In a robe and a straw hat, with a pole."""
    robe = np.array([[0.50, 0.10], [0.47, 0.42], [0.53, 0.56], [0.62, 0.56], [0.67, 0.42], [0.68, 0.10]])
    head = rectangle(0.54, 0.54, 0.62, 0.64)
    hat = np.array([[0.42, 0.62], [0.58, 0.76], [0.74, 0.62]])
    pole = np.array([[0.40, 0.98], [0.43, 0.98], [0.93, -0.15], [0.90, -0.15]])
    return [Part(robe, "robe"), Part(head, "skin"), Part(hat, "thatch"), Part(pole, "wood")]


def _mirror(scene: Scene, parts: list[Part], x: float, y: float, size: float, face: float) -> None:
    """A dim, rippled image upside down."""
    upside_down = []
    for part in parts[:3]:
        across = part.points[:, 0] + 0.02 * np.sin(part.points[:, 1] * 40)
        ink = mix(scene.material(part.ink), scene.palette.water, 0.62)
        upside_down.append(Part(np.stack([across, -0.14 - part.points[:, 1] * 0.8], 1), ink))
    owner = scene.owner.copy()
    scene.solid(upside_down, x, y, size, scene.style.reflection, face)
    scene.owner[:] = owner
