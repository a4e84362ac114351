"""Animals on four legs, built of a body, limbs, neck and head, in units of their height at the shoulder."""

import math
from dataclasses import dataclass, field

import numpy as np

from recipes.drawing.colour import BLACK, WHITE, Colour, mix
from recipes.landscapes.scene import Part
from recipes.landscapes.things.shapes import blob, limb, oval_at


@dataclass(frozen=True)
class Build:
    """Proportions. `length`, `depth`: of the body; `hips`, `leg`: widths of a leg above and below; `neck`, `head`:
    length and widths at both ends; `low`: how far the belly is above the ground."""

    length: float
    depth: float
    hips: float
    leg: float
    neck: tuple[float, float, float]
    head: tuple[float, float, float]
    low: float


@dataclass(frozen=True)
class Pose:
    """How it stands.

    `neck`, `head`: angles in degrees from the horizontal; `steps`: how far each foot is forward, far fore, far hind,
    near fore, near hind; `lifted`: how far it is off the ground; `stretch`: how much longer the neck is.
    """

    neck: float
    head: float
    steps: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0)
    lifted: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0)
    stretch: float = 1.0


@dataclass(frozen=True)
class Coat:
    """Colours of body, belly and feet; `stripes` that are drawn over the body."""

    body: Colour
    belly: Colour
    feet: Colour
    stripes: list[Part] = field(default_factory=list)


@dataclass(frozen=True)
class Animal:
    """What it is made of: `behind` is drawn before its body, `front` after it.

    `poll`, `muzzle`, `withers`: points where ears, horns, bridles and riders go; `tail`: where a tail begins.
    """

    behind: list[Part]
    front: list[Part]
    poll: np.ndarray
    muzzle: np.ndarray
    withers: np.ndarray
    tail: np.ndarray

    def with_more(self, behind: list[Part], front: list[Part]) -> list[Part]:
        """All parts, more of them behind the body and in front of all."""
        return [*self.behind[:2], *behind, *self.behind[2:], *self.front, *front]


def quadruped(build: Build, pose: Pose, coat: Coat) -> Animal:
    """An animal that looks to the right and stands on y = 0 around x = 0."""
    half, top = build.length / 2, build.low + build.depth
    shade = mix(coat.body, BLACK, 0.28)
    fore, hind = half * 0.72, -half * 0.78
    legs = [
        _leg(fore - 0.06, build, pose.steps[0], pose.lifted[0], False, shade, coat.feet),
        _leg(hind + 0.07, build, pose.steps[1], pose.lifted[1], True, shade, coat.feet),
    ]
    near = [
        _leg(fore, build, pose.steps[2], pose.lifted[2], False, coat.body, coat.feet),
        _leg(hind, build, pose.steps[3], pose.lifted[3], True, coat.body, coat.feet),
    ]
    body = blob(
        (-half, top - 0.22 * build.depth), (-half * 0.8, top - 0.01), (-half * 0.25, top - 0.07 * build.depth),
        (half * 0.4, top), (half * 0.85, top - 0.1 * build.depth), (half, top - 0.45 * build.depth),
        (half * 0.8, build.low + 0.18 * build.depth), (half * 0.2, build.low),
        (-half * 0.4, build.low + 0.06 * build.depth),
        (-half * 0.8, build.low + 0.3 * build.depth),
    )  # fmt: skip
    belly = blob(
        (-half * 0.7, build.low + 0.30 * build.depth), (0, build.low + 0.22 * build.depth),
        (half * 0.8, build.low + 0.32 * build.depth), (half * 0.6, build.low + 0.1 * build.depth),
        (0.05, build.low + 0.01), (-half * 0.45, build.low + 0.08 * build.depth),
    )  # fmt: skip
    root = np.array([half * 0.72, top - 0.22 * build.depth])
    neck_angle, head_angle = math.radians(pose.neck), math.radians(pose.head)
    poll = root + build.neck[0] * pose.stretch * np.array([math.cos(neck_angle), math.sin(neck_angle)])
    bend = (root + poll) / 2 + np.array([0.02, 0.02])
    neck = limb(
        [root - np.array([0.12, 0.04]), bend, poll], [build.neck[1], (build.neck[1] + build.neck[2]) / 2, build.neck[2]]
    )
    muzzle = poll + build.head[0] * np.array([math.cos(head_angle), math.sin(head_angle)])
    backward = poll - 0.16 * build.head[0] * np.array([math.cos(head_angle), math.sin(head_angle)])
    head = limb([backward, (poll + muzzle) / 2, muzzle], [build.head[1] * 0.75, build.head[1], build.head[2]])
    nose = oval_at(muzzle, build.head[2] * 0.55, build.head[2] * 0.5, pose.head)
    across = np.array([-math.sin(head_angle), math.cos(head_angle)])
    eye = poll + 0.30 * (muzzle - poll) + across * build.head[1] * 0.16
    front = [
        Part(neck, coat.body),
        *(part for leg in near for part in leg),
        Part(head, coat.body),
        Part(nose, mix(coat.body, coat.feet, 0.5)),
        Part(oval_at(eye, build.head[1] * 0.09, build.head[1] * 0.09), mix(coat.feet, BLACK, 0.6)),
    ]
    behind = [*(part for leg in legs for part in leg), Part(body, coat.body), Part(belly, coat.belly), *coat.stripes]
    withers, tail = np.array([half * 0.1, top - 0.04]), np.array([-half * 0.97, top - 0.12 * build.depth])
    return Animal(behind, front, poll, muzzle, withers, tail)


def _leg(x: float, build: Build, step: float, lifted: float, hind: bool, ink: Colour, foot: Colour) -> list[Part]:
    """One leg with its hoof. Hind legs bend back at the hock."""
    high = build.low + build.depth * 0.34
    knee = np.array([x + step * 0.5 - (0.05 if hind else -0.02), build.low * 0.55 + lifted * 0.5])
    if hind:
        knee[0] -= 0.035
    end = np.array([x + step - (0.02 if hind else 0.0), lifted])
    shin = (knee + end) / 2 + np.array([0.01, 0])
    wide = build.hips * (1.25 if hind else 1.0)
    leg = limb([(x, high), knee, shin, np.add(end, (0, 0.02))], [wide, build.leg * 1.35, build.leg, build.leg * 0.95])
    hoof = np.array([[-0.5, 0.0], [0.75, 0.0], [0.45, 0.9], [-0.45, 0.9]]) * build.leg + end
    return [Part(leg, ink), Part(hoof, foot)]


def ears(poll: np.ndarray, size: float, ink: Colour, spread: float = 0.35) -> list[Part]:
    """Two ears above a poll."""
    parts = []
    for side, tone in ((-1.0, 0.25), (1.0, 0.0)):
        tip = poll + size * np.array([-0.25 + side * spread * 0.5, 1.0])
        root = poll + np.array([-0.1 * size + side * 0.12 * size, 0.1 * size])
        shape = limb(
            [root, (root + tip) / 2 + np.array([side * 0.05 * size, 0]), tip], [size * 0.26, size * 0.34, size * 0.05]
        )
        parts.append(Part(shape, mix(ink, BLACK, tone)))
    return parts


def pale(ink: Colour, share: float) -> Colour:
    """A lighter neighbour of a colour."""
    return mix(ink, WHITE, share)
