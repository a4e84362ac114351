"""Horses (马): standing, grazing, trotting; bay, chestnut, black, white, grey."""

import numpy as np

from recipes.drawing.colour import Colour, colours, mix
from recipes.landscapes.scene import Part, Scene
from recipes.landscapes.things.quadruped import Animal, Build, Coat, Pose, ears, quadruped
from recipes.landscapes.things.shapes import limb, shifted

_BUILD = Build(1.06, 0.42, 0.20, 0.07, (0.54, 0.38, 0.20), (0.40, 0.20, 0.12), 0.54)
_POSES = {
    "standing": Pose(52, -48, (0.04, -0.03, -0.02, 0.05)),
    "grazing": Pose(-46, -66, (0.12, -0.05, -0.02, 0.06), stretch=1.2),
    "trotting": Pose(48, -40, (0.26, -0.16, -0.12, 0.22), (0.12, 0.03, 0.0, 0.10)),
}
_COATS = ("7a4426 2a1a14", "a8622c c88c4c", "3c3430 1c1818", "e8e2d6 c8beb0", "9a9894 4c4a4a", "5c3420 1c1412")


def horse(scene: Scene, x: float, y: float, height: float, nearness: float = 1.0, pose: str = "") -> None:
    """A horse of this height at the withers in pixels. `pose`: one of three, else chosen."""
    pose = pose or scene.pick(list(_POSES), (0.4, 0.35, 0.25))
    codes = scene.pick(_COATS)
    coat, mane = (scene.palette.lit(ink, 0.3) for ink in colours(codes))
    body = Coat(coat, mix(coat, mane, 0.25), mix(mane, scene.palette.near, 0.4))
    animal = quadruped(_BUILD, _POSES[pose], body)
    face = 1.0 if scene.chance(0.5) else -1.0
    parts = animal.with_more(_tail(animal, mane, pose), [*_mane(animal, mane, pose), *ears(animal.poll, 0.12, coat)])
    with scene.thing("马", "动物"):
        scene.solid(parts, x, y, height, nearness, face)


def _tail(animal: Animal, ink: Colour, pose: str) -> list[Part]:
    back = -0.30 if pose == "trotting" else -0.10
    knots = shifted(animal.tail, (0, 0), (back * 0.6, -0.06), (back, -0.28), (back * 0.9, -0.52))
    return [Part(limb(knots, [0.06, 0.12, 0.13, 0.03]), ink)]


def _mane(animal: Animal, ink: Colour, pose: str) -> list[Part]:
    root, poll = np.array([animal.withers[0] + 0.16, animal.withers[1] + 0.02]), animal.poll
    along = poll - root
    over = np.array([-along[1], along[0]]) / np.hypot(*along)
    if over[1] < 0:
        over = -over
    middle = (root + poll) / 2 + over * (0.13 if pose == "grazing" else 0.11)
    mane = limb([root, middle, poll + over * 0.07], [0.05, 0.13, 0.09])
    forelock = limb([poll + over * 0.09, *shifted(poll, (0.05, 0.02), (0.09, -0.05))], [0.05, 0.06, 0.01])
    return [Part(mane, ink), Part(forelock, ink)]
