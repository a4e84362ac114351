"""Small trees in the distance, all of a group at once: round ones, slender ones, firs."""

import numpy as np

from recipes.drawing.brushes import ellipse, fir_shape
from recipes.drawing.colour import mix
from recipes.landscapes.scene import Scene
from recipes.landscapes.things.broadleaf import NAMES

_DABS = 46  # of leaves for each crown


def copse(scene: Scene, xs: np.ndarray, ys: np.ndarray, heights: np.ndarray, nearness: float = 0.8) -> None:
    """Trees at their feet (xs, ys), of these heights in pixels."""
    if not len(xs):
        return
    rng, foliage = scene.rng, scene.palette.foliage
    firs = rng.random(len(xs)) < (0.85 if not foliage or scene.facts.snow else 0.2)
    if firs.any():
        _firs(scene, xs[firs], ys[firs], heights[firs], nearness)
    if not firs.all():
        _crowns(scene, xs[~firs], ys[~firs], heights[~firs], nearness)


def _firs(scene: Scene, xs: np.ndarray, ys: np.ndarray, heights: np.ndarray, nearness: float) -> None:
    inks = [scene.faded(ink, nearness) for ink in scene.palette.evergreen]
    with scene.thing("杉树", "树"):
        for side in np.unique((heights / 4).astype(int)) * 4 + 4:
            same = (heights / 4).astype(int) * 4 + 4 == side
            light = scene.rng.uniform(0.1, 0.9, int(same.sum()))
            scene.dabs(xs[same], ys[same] - side / 2, light, [fir_shape(int(side))], inks)
        if scene.facts.snow:
            tops = [ellipse(max(3, float(heights.mean()) * 0.16), max(2, float(heights.mean()) * 0.1))]
            snow = [scene.snow_ink(0.3), scene.snow_ink()]
            for up in (0.42, 0.68, 0.88):
                scene.dabs(xs, ys - heights * up, scene.rng.random(len(xs)), tops, snow, 0.8)


def _crowns(scene: Scene, xs: np.ndarray, ys: np.ndarray, heights: np.ndarray, nearness: float) -> None:
    rng, palette = scene.rng, scene.palette
    leaves = palette.leaves if palette.foliage else palette.evergreen
    inks = [scene.faded(mix(ink, palette.near, 0.1), nearness) for ink in leaves]
    slender = rng.random(len(xs)) < 0.3
    wide = heights * np.where(slender, 0.17, rng.uniform(0.3, 0.42, len(xs)))
    high, middle = heights * np.where(slender, 0.42, 0.33), ys - heights * np.where(slender, 0.56, 0.64)
    with scene.thing(NAMES[palette.foliage], "树"):
        trunks = np.stack([np.stack([xs, ys + 1], 1), np.stack([xs, middle], 1)], 1)
        scene.strokes(trunks, np.maximum(heights * 0.05, 1.2 * scene.pixel), scene.faded(palette.bark, nearness))
        angle = rng.uniform(0, 2 * np.pi, (len(xs), _DABS))
        radius = np.sqrt(rng.uniform(0, 1, angle.shape))
        x = (xs[:, None] + np.cos(angle) * radius * wide[:, None]).ravel()
        y = (middle[:, None] + np.sin(angle) * radius * high[:, None]).ravel()
        light = 0.5 - 0.36 * np.sin(angle) * radius + 0.2 * scene.light * np.cos(angle) * radius
        light = (light + rng.normal(0, 0.13, angle.shape)).ravel()
        size = max(float(np.median(heights)) * 0.13, 2.5 * scene.pixel)
        shapes = [ellipse(size, size * 0.8, 20), ellipse(size * 0.8, size), ellipse(size * 1.2, size * 0.7, -25)]
        scene.dabs(x, y, light, shapes, inks)


def copse_along(
    scene: Scene, crest: np.ndarray, spacing: float, low: float, high: float, nearness: float, sunk: float = 0.0
) -> None:
    """Trees along a whole crest (W,), about `spacing` pixels apart, `low` to `high` pixels high, in groups."""
    count = max(2, int(scene.width / spacing))
    xs = (np.arange(count) + scene.rng.uniform(0, 1, count)) * scene.width / count
    xs = xs[scene.noise(1, scene.width, 1.5)[0][xs.astype(int)] > -0.5]
    ys = crest[xs.astype(int)] + sunk
    copse(scene, xs, ys, scene.rng.uniform(low, high, len(xs)), nearness)
