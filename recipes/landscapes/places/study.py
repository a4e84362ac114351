"""特写: one thing drawn large before far hills or water."""

from dataclasses import dataclass

import numpy as np

from recipes.drawing.colour import WHITE, mix
from recipes.landscapes.facts import PlaceRules
from recipes.landscapes.parts import ground, mist, mountains, sky
from recipes.landscapes.parts.water import water
from recipes.landscapes.places.base import Place
from recipes.landscapes.scene import Scene
from recipes.landscapes.things.subjects import SUBJECTS, Subject


@dataclass(frozen=True)
class _Extent:
    """How far a thing reaches from its foot, in units of its size."""

    left: float
    right: float
    up: float
    down: float


def compose(scene: Scene) -> None:
    subject = SUBJECTS[scene.facts.subject or _chosen(scene)]
    height, width = scene.height, scene.width
    foot = height * (scene.between(0.78, 0.85) if subject.stands in ("water", "shallows") else scene.between(0.82, 0.9))
    share = scene.between(0.38, 0.62) if width > 0.8 * height else scene.between(0.5, 0.78)
    horizon = height * scene.between(0.52, 0.66)
    sky.heaven(scene, horizon, disc=0.45)
    kinds = ("range", "karst", "hill") if scene.style.chinese else ("range", "hill")
    count, rise = int(scene.rng.integers(1, 4)), height * scene.between(0.08, 0.18)
    mountains.ranges(scene, horizon + scene.side * 0.02, count, rise, kinds, 0.05, 0.35, bottom=int(horizon + 3))
    crest = _ground(scene, subject, horizon, foot)
    x = width * (0.5 + scene.focus * 0.02)
    state = scene.rng.bit_generator.state
    extent = _sketched(scene, subject, x)
    scene.rng.bit_generator.state = state
    size = min(width * share / (extent.left + extent.right), (foot - 0.07 * height) * 0.94 / max(extent.up, 0.1))
    if subject.stands == "edge":
        size = scene.side * share * 1.5
    elif subject.stands == "air":
        size = min(size, 0.8 * height / (extent.up + extent.down))
    x = _column(scene, extent, size)
    row = _row(scene, subject, crest, x, foot, extent, size)
    dim = scene.facts.night or scene.facts.weather == "雾"
    if subject.stands == "land" and dim and not scene.style.chinese and not scene.style.flat:
        _behind(scene, extent, x, row, size)
    scene.rng.bit_generator.state = state
    subject.draw(scene, x, row, size)


def _sketched(scene: Scene, subject: Subject, x: float) -> _Extent:
    """How far the thing will reach: it is drawn small, measured, and undone."""
    size = 0.42 * min(scene.width / subject.width, scene.height / subject.height)
    row = scene.height * 0.72 if subject.stands != "air" else scene.height * 0.5
    colours, owner, glows, things = scene.rgb.copy(), scene.owner.copy(), len(scene.glows), len(scene.things)
    subject.draw(scene, x, row, size)
    numbers = [thing.number for thing in scene.things[things:] if thing.name in subject.names]
    rows, columns = np.nonzero(np.isin(scene.owner, numbers))
    scene.rgb[:], scene.owner[:] = colours, owner
    del scene.things[things:], scene.glows[glows:]
    if not len(rows):
        return _Extent(subject.width / 2, subject.width / 2, subject.height, 0.0)
    return _Extent(
        float(x - columns.min()) / size,
        float(columns.max() - x) / size,
        float(row - rows.min()) / size,
        float(rows.max() - row) / size,
    )


def _column(scene: Scene, extent: _Extent, size: float) -> float:
    """Where it stands, on the side of the main mass, whole."""
    width = scene.width
    low, high = 0.05 * width + extent.left * size, 0.95 * width - extent.right * size
    middle = width * 0.5 - (extent.right - extent.left) * size * 0.35
    x = middle + scene.focus * width * scene.between(0.0, 0.14)
    return float(np.clip(x, low, high)) if low <= high else (low + high) / 2


def _row(
    scene: Scene, subject: Subject, crest: np.ndarray | None, x: float, foot: float, extent: _Extent, size: float
) -> float:
    """The row of its foot; of its middle, where it flies."""
    if crest is not None:
        return scene.at(crest, x) + scene.side * 0.02
    if subject.stands == "air":
        low, high = 0.08 * scene.height + extent.up * size, 0.92 * scene.height - extent.down * size
        return float(np.clip(scene.height * scene.between(0.38, 0.5), min(low, high), max(low, high)))
    if subject.stands == "edge":
        return scene.height * scene.between(0.35, 0.5)
    return foot


def _behind(scene: Scene, extent: _Extent, x: float, foot: float, size: float) -> None:
    """Pale mist behind a thing, so that it stands out in the dark and in fog."""
    half, tall = (extent.left + extent.right) / 2 * size, extent.up * size
    middle = x + (extent.right - extent.left) / 2 * size
    strength = 0.38 if scene.facts.night else 0.25
    mist.patch(
        scene, middle, foot - tall * 0.45, half * 1.25, tall * 0.6, strength, mix(scene.palette.mist, WHITE, 0.12)
    )


def _chosen(scene: Scene) -> str:
    return scene.pick([name for name, subject in SUBJECTS.items() if subject.fits(scene.facts)])


def _ground(scene: Scene, subject: Subject, horizon: float, foot: float) -> np.ndarray | None:
    """What lies below the horizon; the crest of the near land, where the thing stands on land."""
    fog, side = scene.facts.fog, scene.side
    mist.band(scene, horizon, side * 0.06, 0.25 + 0.5 * fog)
    wet = subject.stands in ("water", "shallows")
    if wet or scene.chance(0.4):
        water(scene, np.full(scene.width, horizon, np.float32), scene.between(0.5, 1.0))
        mist.band(scene, horizon + side * 0.01, side * 0.04, 0.2 + 0.5 * fog)
    else:
        ground.land(scene, scene.outline(horizon + side * 0.03, side * 0.05, "hill"), 0.5, grass=0.4)
        mist.band(scene, horizon + side * 0.04, side * 0.05, 0.5 * fog)
    if wet or subject.stands in ("air", "edge"):
        return None
    crest = scene.outline(foot + side * 0.03, side * 0.06, "hill")
    ground.land(scene, crest, 1.0, grass=1.2)
    return crest


PLACE = Place("study", ("特写", "近景"), compose, PlaceRules(2.0))
