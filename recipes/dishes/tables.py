"""What the vessel stands on: wooden planks, a checked cloth, a bamboo mat, a plain colour, slate."""

import itertools
import math

import cv2
import numpy as np

from recipes.dishes.scene import Scene
from recipes.drawing.colour import Colour, colour, colours, mix

_PLAIN = {
    "米色": "efe0c4",
    "浅蓝色": "b4d4e2",
    "浅绿色": "c2dcb8",
    "浅粉色": "f4cfcb",
    "橙黄色": "f5bd62",
    "灰蓝色": "8da3b4",
    "深棕色": "6d4a38",
}
_WOOD = ("b9814e a06a3c", "8a5a38 704628", "d9b183 c49a6a", "5f3f2b 4c3020")
_CLOTH = ("d9534a f6ece0", "4f7fb0 f2f2ee", "7aa260 f5f1e0", "e3a24a fbf2dc")
_MAT = ("d9bd7e c2a262", "c9b27a a98f58")
_SLATE = ("4a4f55", "3c3f46", "585c60")


def lay(scene: Scene) -> None:
    """Paint the table; its name and, of a plain one, its colour become things to say."""
    for channel, value in zip(scene.rgb, scene.style.paper, strict=True):
        channel[:] = value
    if scene.style.table <= 0:
        _paper(scene)
        scene.say_table("")
        return
    _TABLES[scene.facts.table](scene)
    if scene.style.table < 1:
        _fade(scene)


def _laid(scene: Scene, ink: np.ndarray) -> None:
    """Cover the canvas with colours (3, H, W)."""
    scene.rgb[:] = np.clip(ink, 0, 1)


def _light(scene: Scene, strength: float = 0.16) -> np.ndarray:
    """(H, W): brighter towards the light; even in a flat style."""
    if scene.style.flat:
        return np.ones((scene.height, scene.width), np.float32)
    x = np.linspace(-1, 1, scene.width, dtype=np.float32)[None]
    y = np.linspace(-1, 1, scene.height, dtype=np.float32)[:, None]
    return 1 + np.float32(strength) * (x * np.float32(scene.light * 0.6) - y * np.float32(0.8))


def _planes(scene: Scene, ink: Colour, shade: np.ndarray) -> np.ndarray:
    pigment = scene.style.pigment(ink)
    return np.stack([np.float32(value) * shade for value in pigment])


def _wood(scene: Scene) -> None:
    light, dark = colours(str(scene.rng.choice(_WOOD)))
    count = scene.count(3, 5)
    edges = (np.arange(count + 1) + scene.between(-0.3, 0.3)) / count * scene.width
    flat = scene.style.flat
    grain = (
        0
        if flat
        else cv2.resize(scene.noise(64, scene.width, 3.0, 0.5), (scene.width, scene.height)) * np.float32(0.055)
    )
    shade = np.ones((scene.height, scene.width), np.float32)
    for left, right in itertools.pairwise(edges):
        shade[:, max(0, int(left)) : max(0, int(right))] += np.float32(scene.between(-0.06, 0.06))
    k = np.clip(shade + grain, 0.6, 1.3)
    pigment, deep = scene.style.pigment(light), scene.style.pigment(dark)
    blend = np.clip((k - 0.85) / 0.3, 0, 1)
    ink = np.stack([(b + (a - b) * blend) for a, b in zip(pigment, deep, strict=True)]) * _light(scene)
    _laid(scene, ink)
    ways = [np.array([[x, -5.0], [x, scene.height + 5.0]]) for x in edges[1:-1]]
    scene.lines(ways, mix(dark, (0.1, 0.05, 0.03), 0.5), 4 * scene.pixel, 0.8)
    scene.say_table("木桌")


def _cloth(scene: Scene) -> None:
    first, ground = colours(str(scene.rng.choice(_CLOTH)))
    step = scene.side / scene.count(5, 8)
    x, y = scene.columns, scene.rows * np.float32(1 / (0.6 + 0.4 * scene.view.squash))
    turn = scene.between(-0.3, 0.3) + (math.pi / 4 if scene.chance(0.4) else 0)
    c, s = np.float32(math.cos(turn)), np.float32(math.sin(turn))
    across = ((x * c + y * s) % np.float32(2 * step)) < step
    down = ((y * c - x * s) % np.float32(2 * step)) < step
    share = across.astype(np.float32) * np.float32(0.5) + down.astype(np.float32) * np.float32(0.5)
    share = cv2.blur(share, (3, 3)) * np.float32(0.85)
    a, b = scene.style.pigment(ground), scene.style.pigment(first)
    folds: np.ndarray = _light(scene)
    if not scene.style.flat:
        folds = folds + cv2.resize(scene.noise(64, 64, 4), (scene.width, scene.height)) * np.float32(0.03)
    _laid(scene, np.stack([(p + (q - p) * share) * folds for p, q in zip(a, b, strict=True)]))
    scene.say_table("格子桌布")


def _mat(scene: Scene) -> None:
    light, dark = colours(str(scene.rng.choice(_MAT)))
    step = 15 * scene.pixel
    phase = (scene.rows / np.float32(step)) % 1
    shade = (
        np.clip(1.5 - np.abs(phase - 0.45) * 2.1, 0, 1) if not scene.style.flat else (phase < 0.8).astype(np.float32)
    )
    tone = scene.rng.uniform(-0.07, 0.07, int(scene.height / step) + 2).astype(np.float32)
    rows = 1 + tone[(scene.rows[:, 0] / step).astype(int)][:, None]
    a, b = scene.style.pigment(light), scene.style.pigment(mix(dark, (0.3, 0.2, 0.1), 0.35))
    glow = _light(scene) * rows
    _laid(scene, np.stack([(q + (p - q) * shade) * glow for p, q in zip(a, b, strict=True)]))
    for share in (0.12, 0.5, 0.88):
        x = scene.width * (share + scene.between(-0.02, 0.02))
        scene.lines(
            [np.array([[x, -5.0], [x, scene.height + 5.0]])], mix(dark, (0.45, 0.25, 0.12), 0.6), 6 * scene.pixel, 0.7
        )
    scene.say_table("竹席")


def _plain(scene: Scene) -> None:
    name = str(scene.rng.choice(list(_PLAIN)))
    _laid(scene, _planes(scene, colour(_PLAIN[name]), _light(scene, 0.12)))
    scene.say_table(name)


def _slate(scene: Scene) -> None:
    ink = colour(str(scene.rng.choice(_SLATE)))
    shade = _light(scene, 0.2)
    if not scene.style.flat:
        shade = shade + cv2.resize(scene.noise(128, 128, 5), (scene.width, scene.height)) * np.float32(0.07)
    _laid(scene, _planes(scene, ink, shade))
    scene.say_table("石板")


def _paper(scene: Scene) -> None:
    """A sheet of old paper with a wash of thin ink where the dish will stand."""
    shade = 1 + cv2.resize(scene.noise(64, 64, 3), (scene.width, scene.height)) * np.float32(0.012)
    _laid(scene, np.stack([np.float32(value) * shade for value in scene.style.paper]))
    x, y = np.linspace(-1, 1, 128, dtype=np.float32)[None], np.linspace(-1, 1, 128, dtype=np.float32)[:, None]
    ragged = scene.noise(128, 128, 4) * np.float32(0.16)
    wash = np.clip((0.92 + ragged - np.hypot(x, (y - 0.15) * 1.25)) / 0.4, 0, 1) * np.float32(0.20)
    scene.tint(cv2.resize(wash, (scene.width, scene.height)), (0.42, 0.47, 0.47))


def seal(scene: Scene) -> None:
    """A red seal in a corner of the paper, where nothing else lies."""
    side = scene.side * 0.085
    low, high = side * 0.55, side * 1.55
    corners = [(x, y) for y in (scene.height - high, low) for x in (low, scene.width - high)]
    owner, margin = scene.owner, side * 0.3
    free = [
        (x, y)
        for x, y in corners
        if not owner[int(y - margin) : int(y + side + margin), int(x - margin) : int(x + side + margin)].any()
    ]
    if not free:
        return
    x, y = free[int(scene.rng.integers(len(free)))]
    outline = np.array([[0, 0], [1, 0.02], [0.98, 1], [0.01, 0.98]]) * side + [x, y]
    red = colour("b3261e")
    with scene.thing("印章"):
        scene.blend(scene.polygon(outline) * np.float32(0.92), red)
    ways = []
    for i in range(2):
        for k in range(2):
            cx, cy = x + side * (0.28 + 0.44 * i), y + side * (0.28 + 0.44 * k)
            arm = side * 0.13
            ways.append(
                np.array([[cx - arm, cy - arm * scene.between(0.2, 1)], [cx + arm, cy - arm * scene.between(0.2, 1)]])
            )
            ways.append(np.array([[cx - arm, cy + arm], [cx + arm, cy + arm * scene.between(0.3, 1)]]))
            ways.append(np.array([[cx + arm * scene.between(-0.6, 0.6), cy - arm], [cx, cy + arm]]))
    scene.lines(ways, scene.style.paper, 5 * scene.pixel, 0.95)


def _fade(scene: Scene) -> None:
    """The table is a light wash that leaves the corners of the paper."""
    x = np.linspace(-1, 1, 128, dtype=np.float32)[None]
    y = np.linspace(-1, 1, 128, dtype=np.float32)[:, None]
    ragged = scene.noise(128, 128, 5) * np.float32(0.05)
    kept = np.clip((1.06 + ragged - (np.abs(x) ** 4 + np.abs(y) ** 4) ** 0.25) / 0.05, 0, 1)
    share = cv2.resize(kept, (scene.width, scene.height)) * np.float32(0.35 + scene.style.table)
    for channel, value in zip(scene.rgb, scene.style.paper, strict=True):
        channel *= share
        channel += (1 - share) * np.float32(value)


_TABLES = {"木桌": _wood, "格子桌布": _cloth, "竹席": _mat, "纯色": _plain, "石板": _slate}
