"""Red-crowned cranes (仙鹤): standing, dancing, flying."""

import numpy as np

from recipes.drawing.colour import Colour, mix
from recipes.landscapes.scene import Part, Scene
from recipes.landscapes.things.shapes import blob, limb, oval_at


def crane(scene: Scene, x: float, y: float, height: float, nearness: float = 1.0, pose: str = "") -> None:
    """A crane that stands, of this height in pixels. `pose`: 'standing', 'looking' or 'dancing', else chosen."""
    pose = pose or scene.pick(("standing", "looking", "dancing"), (0.4, 0.3, 0.3))
    white, black, red, leg = _inks(scene)
    shade = mix(white, scene.palette.near, 0.25)
    parts = [
        Part(limb([(0.06, 0.46), (0.10, 0.25), (0.05, 0.0)], [0.04, 0.022, 0.02]), mix(leg, white, 0.15)),
        Part(limb([(-0.01, 0.46), (0.01, 0.24), (-0.03, 0.0)], [0.045, 0.024, 0.022]), leg),
        *(Part(limb([(a, 0.008), (a + 0.08, 0.0)], [0.016, 0.010]), leg) for a in (-0.05, 0.03)),
    ]
    if pose == "dancing":
        parts += _wing((-0.02, 0.58), 0.62, 118, mix(white, shade, 0.6), black)
    parts += [
        Part(limb([(-0.12, 0.56), (-0.34, 0.48), (-0.42, 0.28)], [0.16, 0.13, 0.02]), black),
        Part(limb([(-0.10, 0.60), (-0.30, 0.56), (-0.46, 0.40)], [0.10, 0.08, 0.01]), mix(black, white, 0.18)),
        Part(blob((-0.28, 0.50), (-0.10, 0.64), (0.10, 0.67), (0.20, 0.58), (0.08, 0.45), (-0.12, 0.42)), white),
        Part(blob((-0.24, 0.49), (-0.05, 0.52), (0.14, 0.53), (0.06, 0.45), (-0.12, 0.43)), shade),
    ]
    if pose == "dancing":
        parts += _wing((0.02, 0.60), 0.66, 62, white, black)
        neck = [(0.14, 0.60), (0.28, 0.72), (0.22, 0.90), (0.34, 1.02)]
    elif pose == "looking":
        neck = [(0.14, 0.60), (0.30, 0.66), (0.42, 0.54), (0.46, 0.40)]
    else:
        neck = [(0.14, 0.60), (0.26, 0.72), (0.18, 0.86), (0.22, 0.98)]
    parts += _neck(np.array(neck), -70 if pose == "looking" else -6, white, black, red)
    with scene.thing("仙鹤", "动物"):
        scene.solid(parts, x, y, height, nearness, 1.0 if scene.chance(0.5) else -1.0)


def flying_crane(scene: Scene, x: float, y: float, size: float, nearness: float = 1.0, face: float = 0.0) -> None:
    """A crane that flies; `size`: its length in pixels from bill to feet; `face`: 1 to the right, -1 to the left."""
    white, black, red, leg = _inks(scene)
    shade = mix(white, scene.palette.near, 0.22)
    raised = scene.chance(0.65)
    parts = [
        Part(limb([(-0.20, 0.0), (-0.40, -0.02), (-0.60, -0.05)], [0.03, 0.018, 0.014]), leg),
        *_wing((0.06, 0.04), 0.62, 62 if raised else 28, shade, mix(black, white, 0.15)),
        Part(blob((-0.26, 0.0), (-0.08, 0.07), (0.10, 0.08), (0.20, 0.03), (0.08, -0.06), (-0.10, -0.05)), white),
        Part(blob((-0.22, -0.01), (0.0, 0.0), (0.16, 0.01), (0.06, -0.055), (-0.10, -0.045)), shade),
        *_neck(np.array([(0.13, 0.03), (0.28, 0.03), (0.38, 0.07), (0.48, 0.09)]), 4, white, black, red, 0.75),
        *_wing((0.02, 0.04), 0.68, 112 if raised else -48, white, black),
    ]
    with scene.thing("仙鹤", "动物"):
        scene.solid(parts, x, y, size, nearness, face or (1.0 if scene.chance(0.5) else -1.0))


def cranes_in_flight(scene: Scene, x: float, y: float, size: float, nearness: float = 1.0, count: int = 0) -> None:
    """One to five cranes in a slanting line; `size`: the length of the first."""
    face = 1.0 if scene.chance(0.5) else -1.0
    for place in range(count or int(scene.rng.integers(1, 6))):
        share = 1 if place == 0 else scene.between(0.5, 0.75)
        away = (
            np.ceil(place / 2) * size * scene.between(0.75, 0.95),
            (place % 2 * 2 - 1) * size * scene.between(0.5, 0.7),
        )
        offset = away if place else (0.0, 0.0)
        flying_crane(scene, x - face * offset[0], y + offset[1], size * share, nearness, face)


def _inks(scene: Scene) -> tuple[Colour, Colour, Colour, Colour]:
    lit = scene.palette.lit
    return lit("fbf8f0", 0.45), lit("1e2228", 0.1), lit("d0342c", 0.3), lit("3a3e42", 0.1)


def _neck(points: np.ndarray, tilt: float, white: Colour, black: Colour, red: Colour, scale: float = 1.0) -> list[Part]:
    """Neck, head and bill; `tilt`: of the bill, in degrees."""
    head = points[-1]
    turn = np.radians(tilt)
    ahead, above = np.array([np.cos(turn), np.sin(turn)]), np.array([-np.sin(turn), np.cos(turn)])
    bill = np.stack([head + ahead * 0.03 + above * 0.014, head + ahead * 0.20, head + ahead * 0.03 - above * 0.014])
    return [
        Part(limb(points, [0.11, 0.065, 0.052, 0.06]), white),
        Part(limb((points[1:] + points[:-1]) / 2 + [0.006, -0.006], [0.055, 0.05, 0.052]), black),
        Part(bill, mix(black, white, 0.35)),
        Part(oval_at(head, 0.045 * scale + 0.01, 0.036 * scale + 0.008, tilt), white),
        Part(oval_at(head + above * 0.026, 0.032, 0.016, tilt), red),
        Part(oval_at(head + ahead * 0.018, 0.009, 0.009), black),
    ]


def _wing(root: tuple[float, float], length: float, degrees: float, white: Colour, black: Colour) -> list[Part]:
    """A spread wing from the shoulder in a direction: white, its last feathers black."""
    turn = np.radians(degrees)
    ahead, back = np.array([np.cos(turn), np.sin(turn)]), np.array([-np.sin(turn), np.cos(turn)])
    if back[0] > 0:
        back = -back
    at = np.array(root)

    def place(along: float, behind: float) -> tuple[float, float]:
        point = at + ahead * along * length + back * behind * length
        return float(point[0]), float(point[1])

    parts = []
    for along in np.linspace(0.30, 1.0, 8):
        reach = 0.50 - 0.22 * along
        start, end = place(along * 0.8, 0.05), place(along * 1.02 + 0.04, reach)
        parts.append(Part(limb([start, end], [0.10, 0.035]), black))
    for along in np.linspace(0.08, 0.72, 7):
        start, end = place(along, 0.0), place(along + 0.03, 0.34 - 0.10 * along)
        parts.append(Part(limb([start, end], [0.11, 0.06]), mix(white, black, 0.10)))
    lead = [
        place(-0.05, 0.06),
        place(0.3, -0.07),
        place(0.65, -0.06),
        place(0.98, 0.06),
        place(0.7, 0.14),
        place(0.3, 0.2),
        place(0.0, 0.2),
    ]
    parts.append(Part(blob(*lead), white))
    return parts
