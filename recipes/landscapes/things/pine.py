"""Chinese pines: a bent trunk, level boughs, flat pads of needles."""

import math

import numpy as np

from recipes.drawing.brushes import ellipse, path
from recipes.drawing.colour import mix
from recipes.landscapes.scene import Scene


def pine(scene: Scene, x: float, y: float, height: float, nearness: float = 1.0) -> None:
    """A pine of this height in pixels, leaning away from the light."""
    palette = scene.palette
    lean = -scene.light
    t = np.linspace(0, 1, 12)
    bend = 0.22 * np.sin(t * 2.6) * t + 0.03 * np.sin(t * 9 + scene.between(0, 6))
    trunk = np.stack([x + lean * height * bend, y - height * t * 0.95], 1)
    ways, widths = [path(trunk)], [height * 0.05 * (1 - 0.78 * t[:-1])]
    pads = [(trunk[-1, 0], trunk[-1, 1], height * 0.15)]
    side = lean
    for share in np.linspace(0.36, 0.95, 8):
        start = np.array([np.interp(share * 11, range(12), trunk[:, i]) for i in range(2)])
        side = -side
        length = height * scene.between(0.24, 0.42) * (1.2 - 0.6 * share)
        q = np.linspace(0, 1, 6)
        rise = height * (0.05 * np.sin(q * 3) - 0.05 * q * scene.between(-0.6, 1.4))
        bough = np.stack([start[0] + side * length * q, start[1] + rise], 1)
        ways.append(path(bough))
        widths.append(height * 0.02 * (1.1 - q[:-1]) * (1.2 - 0.5 * share))
        for along in (0.55, 1.0):
            centre = [float(np.interp(along, q, bough[:, i])) for i in range(2)]
            pads.append(
                (centre[0], centre[1] - height * 0.02, height * scene.between(0.09, 0.14) * (1.1 - 0.25 * share))
            )
    with scene.thing("雪松" if scene.facts.snow else "松树", "树"):
        scene.strokes(np.concatenate(ways), np.concatenate(widths), scene.faded(palette.bark, nearness))
        needle_pads(scene, np.array(pads), height, nearness)


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
