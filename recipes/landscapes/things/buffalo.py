"""Water buffalo (水牛), alone or with a herd boy on its back (牧童), who plays the flute or wears a straw hat."""

import numpy as np

from recipes.drawing.colour import Colour, colours, mix
from recipes.landscapes.scene import Part, Scene
from recipes.landscapes.things.quadruped import Animal, Build, Coat, Pose, ears, quadruped
from recipes.landscapes.things.shapes import blob, limb, oval, shifted

_BUILD = Build(1.34, 0.56, 0.24, 0.11, (0.34, 0.46, 0.32), (0.40, 0.29, 0.18), 0.44)
_POSES = {
    "standing": Pose(8, -38, (0.05, -0.04, -0.03, 0.05)),
    "walking": Pose(6, -34, (0.18, -0.14, -0.12, 0.16), (0.05, 0.0, 0.0, 0.03)),
    "grazing": Pose(-38, -62, (0.12, -0.04, -0.02, 0.05), stretch=1.15),
}


def buffalo(scene: Scene, x: float, y: float, height: float, nearness: float = 1.0, boy: bool | None = None) -> None:
    """A buffalo of this height at the shoulder in pixels; a boy rides it, if so said or chosen."""
    rider = scene.chance(0.6) if boy is None else boy
    pose = _POSES[scene.pick(list(_POSES), (0.4, 0.4, 0.2))]
    coat, belly, horn = (scene.palette.lit(ink, 0.15) for ink in colours("54504e 6c6460 c8bca0"))
    animal = quadruped(_BUILD, pose, Coat(coat, belly, mix(coat, scene.palette.ink, 0.5)))
    tail = animal.tail
    whip = Part(limb(shifted(tail, (0, 0), (-0.10, -0.16), (-0.08, -0.42)), [0.07, 0.035, 0.03]), coat)
    tuft = Part(oval(tail[0] - 0.08, tail[1] - 0.48, 0.04, 0.09), mix(coat, scene.palette.ink, 0.5))
    face = 1.0 if scene.chance(0.5) else -1.0
    front = [*_horns(animal, horn), *ears(shifted(animal.poll, (-0.06, -0.06))[0], 0.16, coat, 1.4)]
    with scene.thing("水牛", "动物"):
        scene.solid(animal.with_more([whip, tuft], front), x, y, height, nearness, face)
    if rider:
        with scene.thing("牧童", "人"):
            scene.solid(_boy(scene, animal), x, y, height, nearness, face)


def _horns(animal: Animal, ink: Colour) -> list[Part]:
    """Wide crescents that sweep back."""
    poll = animal.poll
    far = limb(shifted(poll, (0.03, 0.10), (0.12, 0.26), (-0.02, 0.42), (-0.2, 0.46)), [0.10, 0.09, 0.06, 0.015])
    near = limb(shifted(poll, (-0.06, 0.10), (-0.16, 0.24), (-0.34, 0.33), (-0.52, 0.30)), [0.11, 0.10, 0.06, 0.015])
    return [Part(far, mix(ink, (0.2, 0.18, 0.16), 0.45)), Part(near, mix(ink, (0.2, 0.18, 0.16), 0.2))]


def _boy(scene: Scene, animal: Animal) -> list[Part]:
    """A boy who sits on the back, in units of the buffalo."""
    seat = shifted(animal.withers, (-0.10, -0.02))[0]
    jacket = scene.palette.lit(scene.pick(("c8483a", "3f74a8", "d89a34", "4f8a5c")), 0.2)
    skin, hair = scene.material("skin"), scene.material("dark")
    trousers = mix(jacket, scene.material("dark"), 0.55)
    x, y = float(seat[0]), float(seat[1])
    parts = [
        Part(limb([(x, y + 0.08), (x + 0.14, y + 0.05), (x + 0.12, y - 0.20)], [0.15, 0.13, 0.09]), trousers),
        Part(oval(x + 0.15, y - 0.24, 0.06, 0.035), skin),
        Part(blob((x - 0.13, y), (x - 0.12, y + 0.22), (x - 0.04, y + 0.36), (x + 0.07, y + 0.34), (x + 0.12, y + 0.16),
                  (x + 0.10, y)), jacket),
        Part(oval(x + 0.01, y + 0.46, 0.10, 0.11), skin),
    ]  # fmt: skip
    if scene.chance(0.5) or scene.facts.rain:
        parts.append(Part(np.array([[x - 0.24, y + 0.50], [x + 0.01, y + 0.68], [x + 0.26, y + 0.50]]), "thatch"))
        parts.append(Part(oval(x + 0.01, y + 0.50, 0.25, 0.035), mix(scene.material("thatch"), hair, 0.3)))
    else:
        parts.append(Part(blob((x - 0.11, y + 0.46), (x - 0.07, y + 0.58), (x + 0.04, y + 0.59), (x + 0.09, y + 0.51),
                               (x, y + 0.52)), hair))  # fmt: skip
        parts.append(Part(oval(x - 0.03, y + 0.61, 0.035, 0.035), hair))
    if scene.chance(0.6):
        parts.append(Part(limb([(x + 0.07, y + 0.42), (x + 0.36, y + 0.40)], [0.025, 0.025]), "thatch"))
        parts.append(
            Part(limb([(x + 0.02, y + 0.28), (x + 0.14, y + 0.30), (x + 0.20, y + 0.40)], [0.09, 0.07, 0.05]), jacket)
        )
    else:
        parts.append(
            Part(limb([(x + 0.02, y + 0.28), (x + 0.14, y + 0.16), (x + 0.22, y + 0.14)], [0.09, 0.07, 0.05]), jacket)
        )
    return parts
