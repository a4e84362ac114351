"""特写: one thing drawn large before far hills or water."""

import numpy as np

from recipes.drawing.colour import WHITE, mix
from recipes.landscapes.facts import PlaceRules
from recipes.landscapes.parts import ground, mist, mountains, sky
from recipes.landscapes.parts.water import water
from recipes.landscapes.places.base import Place
from recipes.landscapes.scene import Scene
from recipes.landscapes.things.subjects import SUBJECTS, Subject


def compose(scene: Scene) -> None:
    subject = SUBJECTS[scene.facts.subject or _chosen(scene)]
    height, width = scene.height, scene.width
    foot = height * (scene.between(0.78, 0.85) if subject.stands in ("water", "shallows") else scene.between(0.82, 0.9))
    share = scene.between(0.38, 0.62) if width > 0.8 * height else scene.between(0.5, 0.78)
    size = min(width * share / subject.width, (foot - 0.06 * height) * scene.between(0.86, 0.98) / subject.height)
    horizon = height * scene.between(0.52, 0.66)
    sky.heaven(scene, horizon, disc=0.45)
    kinds = ("range", "karst", "hill") if scene.style.chinese else ("range", "hill")
    count, rise = int(scene.rng.integers(1, 4)), height * scene.between(0.08, 0.18)
    mountains.ranges(scene, horizon + scene.side * 0.02, count, rise, kinds, 0.05, 0.35, bottom=int(horizon + 3))
    room = max(0.0, 0.42 - subject.width * size / width / 2)
    x = width * (0.5 + scene.focus * scene.between(0.0, room))
    foot = _ground(scene, subject, horizon, foot, size, x)
    if subject.stands == "land" and (scene.facts.night or scene.facts.weather == "雾") and not scene.style.chinese:
        _behind(scene, subject, x, foot, size)
    subject.draw(scene, x, foot, size)


def _behind(scene: Scene, subject: Subject, x: float, foot: float, size: float) -> None:
    """Pale mist behind a thing, so that it stands out in the dark and in fog."""
    tall, half = subject.height * size, subject.width * size * 0.5
    pale = mix(scene.palette.mist, WHITE, 0.12)
    mist.patch(scene, x, foot - tall * 0.45, half * 1.25, tall * 0.6, 0.38 if scene.facts.night else 0.25, pale)


def _chosen(scene: Scene) -> str:
    return scene.pick([name for name, subject in SUBJECTS.items() if subject.fits(scene.facts)])


def _ground(scene: Scene, subject: Subject, horizon: float, foot: float, size: float, x: float) -> float:
    """What the subject stands on, or flies over, and the row of its foot."""
    height, fog = scene.height, scene.facts.fog
    flat = np.full(scene.width, horizon, np.float32)
    mist.band(scene, horizon, scene.side * 0.06, 0.25 + 0.5 * fog)
    lake = subject.stands in ("water", "shallows") or scene.chance(0.4)
    if lake:
        water(scene, flat, scene.between(0.5, 1.0))
        mist.band(scene, horizon + scene.side * 0.01, scene.side * 0.04, 0.2 + 0.5 * fog)
    tall = subject.height * size
    if subject.stands in ("water", "shallows"):
        return foot
    if not lake:
        ground.land(scene, scene.outline(horizon + scene.side * 0.03, scene.side * 0.05, "hill"), 0.5, grass=0.4)
        mist.band(scene, horizon + scene.side * 0.04, scene.side * 0.05, 0.5 * fog)
    if subject.stands == "air":
        return float(np.clip(height * scene.between(0.38, 0.5), tall * 0.55, height - tall * 0.55))
    crest = scene.outline(foot + scene.side * 0.03, scene.side * 0.06, "hill")
    ground.land(scene, crest, 1.0, grass=1.2)
    return scene.at(crest, x) + scene.side * 0.02


PLACE = Place("study", ("特写", "近景"), compose, PlaceRules(2.0))
