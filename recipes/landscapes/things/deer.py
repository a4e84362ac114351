"""Deer (鹿): stags with antlers, does and fawns with spots."""

import numpy as np

from recipes.drawing.colour import colours, mix
from recipes.landscapes.scene import Part, Scene
from recipes.landscapes.things.quadruped import Build, Coat, Pose, ears, quadruped
from recipes.landscapes.things.shapes import curve, limb, oval, oval_at, shifted

_BUILD = Build(1.00, 0.40, 0.15, 0.055, (0.31, 0.29, 0.17), (0.33, 0.18, 0.09), 0.52)
_POSES = {
    "standing": Pose(46, -28, (0.05, -0.04, -0.03, 0.05)),
    "walking": Pose(40, -30, (0.16, -0.12, -0.10, 0.14), (0.06, 0.0, 0.0, 0.04)),
    "grazing": Pose(-48, -66, (0.10, -0.04, -0.02, 0.05), stretch=1.55),
}


def deer(scene: Scene, x: float, y: float, height: float, nearness: float = 1.0, stag: bool | None = None) -> None:
    """A deer of this height at the shoulder in pixels, with antlers where it is a stag (chosen, if not said)."""
    antlers = scene.chance(0.6) if stag is None else stag
    pose = _POSES[scene.pick(list(_POSES), (0.5, 0.3, 0.2 if not antlers else 0.05))]
    coat, belly, pale = (scene.palette.lit(ink, 0.25) for ink in colours("a8683a d8b088 f4e8d4"))
    spots = []
    if scene.facts.season in ("春", "夏") or not antlers:
        places = [(a, b + 0.03 * (k % 2)) for b in (0.80, 0.87) for k, a in enumerate(np.linspace(-0.36, 0.22, 7))]
        spots = [Part(oval(a, b, 0.020, 0.015), pale) for a, b in places]
    animal = quadruped(_BUILD, pose, Coat(coat, belly, mix(coat, scene.palette.ink, 0.7), spots))
    rump, flag = shifted(animal.tail, (0.02, -0.08))[0], shifted(animal.tail, (0, 0), (-0.09, -0.06), (-0.02, -0.12))
    tail = [Part(oval_at(rump, 0.06, 0.10, -15), pale), Part(curve(flag, closed=True), coat)]
    front = ears(animal.poll, 0.17, coat, 1.3)
    if antlers:
        front = _antlers(animal.poll, mix(scene.palette.lit("8a6a48"), scene.palette.bark, 0.3)) + front
    face = 1.0 if scene.chance(0.5) else -1.0
    with scene.thing("鹿", "动物"):
        scene.solid(animal.with_more([], [*tail, *front]), x, y, height, nearness, face)


def _antlers(poll: np.ndarray, ink: tuple[float, float, float]) -> list[Part]:
    """Two beams that sweep back and up, three tines each."""
    parts = []
    for lean, tone in ((0.10, 0.75), (-0.10, 1.0)):
        beam = np.array([(0, 0.04), (-0.10 + lean, 0.22), (-0.06 + lean * 2.2, 0.42), (0.04 + lean * 2.6, 0.56)]) + poll
        shade = (ink[0] * tone, ink[1] * tone, ink[2] * tone)
        parts.append(Part(limb(beam, [0.045, 0.04, 0.032, 0.012]), shade))
        for start, reach in ((1, (0.16, 0.10)), (2, (0.15, 0.12)), (2, (-0.13, 0.12))):
            root = beam[start]
            tip = root + reach
            tine = [root, (root + tip) / 2 + [0.02 * np.sign(reach[0]), -0.01], tip]
            parts.append(Part(limb(tine, [0.032, 0.026, 0.010]), shade))
    return parts
