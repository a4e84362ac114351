"""Chinese pines: bent, leaning over a cliff, tall and straight, with two trunks."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from recipes.drawing.brushes import ellipse, path
from recipes.drawing.colour import mix
from recipes.landscapes.scene import Scene
from recipes.landscapes.things.shapes import curve


@dataclass(frozen=True)
class Frame:
    """The wood, `ways` (n, 2, 2) in pixels with `widths` (n,), and `pads` (m, 3): x, y, half width of needles."""

    ways: np.ndarray
    widths: np.ndarray
    pads: np.ndarray


class _Growth:
    """Collects trunk, boughs and pads."""

    def __init__(self) -> None:
        self.ways: list[np.ndarray] = []
        self.widths: list[np.ndarray] = []
        self.pads: list[tuple[float, float, float]] = []

    def wood(self, points: np.ndarray, thick: float, thin: float) -> None:
        self.ways.append(path(points))
        self.widths.append(np.linspace(thick, thin, len(points) - 1))

    def frame(self) -> Frame:
        return Frame(np.concatenate(self.ways), np.concatenate(self.widths), np.array(self.pads))


def pine(scene: Scene, x: float, y: float, height: float, nearness: float = 1.0, design: str = "") -> None:
    """A pine of this height in pixels. `design`: one of `DESIGNS`, else chosen."""
    frame = DESIGNS[design or scene.pick(list(DESIGNS), (0.34, 0.18, 0.26, 0.22))](scene, x, y, height)
    with scene.thing("雪松" if scene.facts.snow else "松树", "树"):
        scene.strokes(frame.ways, frame.widths, scene.faded(scene.palette.bark, nearness))
        needle_pads(scene, frame.pads, height, nearness)


def _bent(scene: Scene, x: float, y: float, height: float) -> Frame:
    """A bent trunk that leans away from the light, level boughs on both sides."""
    return _bend(scene, x, y, height, -scene.light, 8).frame()


def _bend(scene: Scene, x: float, y: float, height: float, lean: float, boughs: int) -> _Growth:
    growth, t = _Growth(), np.linspace(0, 1, 12)
    bend = 0.22 * np.sin(t * 2.6) * t + 0.03 * np.sin(t * 9 + scene.between(0, 6))
    trunk = np.stack([x + lean * height * bend, y - height * t * 0.95], 1)
    growth.wood(trunk, height * 0.05, height * 0.012)
    growth.pads.append((trunk[-1, 0], trunk[-1, 1], height * 0.15))
    side = lean
    for share in np.linspace(0.36, 0.95, boughs):
        side = -side
        start = [float(np.interp(share * 11, range(12), trunk[:, i])) for i in range(2)]
        _bough(scene, growth, start, side, height * scene.between(0.24, 0.42) * (1.2 - 0.6 * share), height, share)
    return growth


def _bough(
    scene: Scene, growth: _Growth, start: list[float], side: float, length: float, height: float, share: float
) -> None:
    """A level bough with two pads; `share`: how high it is on the tree."""
    q = np.linspace(0, 1, 6)
    rise = height * (0.05 * np.sin(q * 3) - 0.05 * q * scene.between(-0.6, 1.4))
    bough = np.stack([start[0] + side * length * q, start[1] + rise], 1)
    growth.wood(bough, height * 0.022 * (1.2 - 0.5 * share), height * 0.004)
    for along in (0.55, 1.0):
        centre = [float(np.interp(along, q, bough[:, i])) for i in range(2)]
        half = height * scene.between(0.09, 0.14) * (1.1 - 0.25 * share)
        growth.pads.append((centre[0], centre[1] - height * 0.02, half))


def _welcoming(scene: Scene, x: float, y: float, height: float) -> Frame:
    """It leans far to the middle of the picture and stretches its boughs that way, as over a cliff (迎客松)."""
    growth, side = _Growth(), 1.0 if x < scene.width / 2 else -1.0
    reach, wave = scene.between(0.36, 0.5), scene.between(-0.03, 0.03)
    knots = [(0, 0), (0.03, 0.2), (reach * 0.3, 0.38), (reach * 0.5 + wave, 0.62), (reach, 0.84)]
    trunk = np.array([[x + side * height * a, y - height * b] for a, b in knots])
    trunk = curve(trunk, 5)
    growth.wood(trunk, height * 0.062, height * 0.016)
    growth.pads.append((trunk[-1, 0], trunk[-1, 1], height * 0.17))
    growth.pads.append((trunk[-4, 0] - side * height * 0.06, trunk[-4, 1] - height * 0.07, height * 0.13))
    for share, out, long in ((0.5, 1, 0.5), (0.62, -1, 0.24), (0.7, 1, 0.42), (0.8, -1, 0.26), (0.88, 1, 0.3)):
        at = trunk[int(share * (len(trunk) - 1))]
        _bough(
            scene,
            growth,
            [float(at[0]), float(at[1])],
            side * out,
            height * long * scene.between(0.85, 1.2),
            height,
            share,
        )
    return growth.frame()


def _tall(scene: Scene, x: float, y: float, height: float) -> Frame:
    """A straight bare trunk, and a few broad pads in its upper half."""
    growth, t = _Growth(), np.linspace(0, 1, 10)
    sway = height * scene.between(0.02, 0.05) * scene.light
    trunk = np.stack([x - sway * np.sin(t * 3.1) - sway * t, y - height * 0.95 * t], 1)
    growth.wood(trunk, height * 0.042, height * 0.014)
    growth.pads += [(trunk[-1, 0], trunk[-1, 1] + height * 0.01, height * 0.13)]
    side = scene.light
    for share in np.linspace(scene.between(0.44, 0.56), 0.92, int(scene.rng.integers(5, 8))):
        side = -side
        start = [float(np.interp(share * 9, range(10), trunk[:, i])) for i in range(2)]
        length = height * scene.between(0.16, 0.27) * (1.25 - 0.6 * share)
        _bough(scene, growth, start, side, length, height * 0.9, share * 0.9)
    # stubs of boughs that broke off
    for share in scene.rng.uniform(0.2, 0.42, 3):
        root = np.array([np.interp(share * 9, range(10), trunk[:, i]) for i in range(2)])
        side = -side
        stub = np.stack([root, np.add(root, (side * height * 0.05, -height * 0.012))])
        growth.wood(stub, height * 0.012, height * 0.006)
    return growth.frame()


def _twin(scene: Scene, x: float, y: float, height: float) -> Frame:
    """Two trunks from one root, one lower, which part."""
    lean = -scene.light
    first = _bend(scene, x, y, height, lean, 6)
    second = _bend(scene, x - lean * height * 0.03, y, height * scene.between(0.62, 0.76), -lean * 1.25, 5)
    frames = [first.frame(), second.frame()]
    return Frame(*(np.concatenate([getattr(frame, part) for frame in frames]) for part in ("ways", "widths", "pads")))


DESIGNS: dict[str, Callable[[Scene, float, float, float], Frame]] = {
    "bent": _bent,
    "welcoming": _welcoming,
    "tall": _tall,
    "twin": _twin,
}


def needle_pads(scene: Scene, pads: np.ndarray, height: float, nearness: float, count: int = 85) -> None:
    """Flat pads of needles at (m, 3): x, y, half width in pixels; snow lies on them in snow."""
    rng = scene.rng
    needles = [scene.faded(ink, nearness) for ink in scene.palette.evergreen]
    angle, radius = rng.uniform(0, 2 * math.pi, (len(pads), count)), np.sqrt(rng.uniform(0, 1, (len(pads), count)))
    up = np.sin(angle) * radius
    xs = (pads[:, :1] + np.cos(angle) * radius * pads[:, 2:] * 1.15).ravel()
    ys = (pads[:, 1:2] + np.where(up > 0, up * 0.16, up * 0.5) * pads[:, 2:]).ravel()
    light = np.clip(0.42 - 0.5 * up + 0.12 * scene.light * np.cos(angle) + rng.normal(0, 0.16, up.shape), 0, 1).ravel()
    size = max(height * 0.042, 5 * scene.pixel)
    shaded = [mix(needles[0], scene.palette.near, 0.3), needles[0], needles[1]]
    under = [ellipse(size * 1.1, size * 0.6)]
    scene.dabs(xs[::3], ys[::3] + height * 0.006, light[::3], under, shaded, scene.style.undergrowth)
    shapes = [ellipse(1.6 * scene.pixel, size, lean) for lean in (-62, -35, -10, 12, 38, 60)]
    scene.dabs(xs, ys, light, shapes, needles, 0.93)
    if scene.facts.snow:
        on_top = (up < -0.25).ravel()
        shapes = [ellipse(size * 0.9, size * 0.35), ellipse(size * 0.7, size * 0.3)]
        inks = [scene.snow_ink(0.3), scene.snow_ink()]
        scene.dabs(xs[on_top], ys[on_top] - height * 0.008, rng.random(int(on_top.sum())), shapes, inks, 0.85)
