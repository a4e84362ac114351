"""Water that mirrors what stands above it."""

from dataclasses import dataclass

import cv2
import numpy as np

from recipes.drawing.colour import WHITE, mix
from recipes.drawing.noise import smoothstep
from recipes.landscapes.scene import Scene


@dataclass(frozen=True)
class Surface:
    """`line`: (W,) the rows of the shore; `waves`: 0.5 calm to 1.5 moved."""

    line: np.ndarray
    waves: float

    @property
    def top(self) -> int:
        return int(max(0, self.line.min()))


@dataclass(frozen=True)
class Mirror:
    """A surface seen: (h, W) each from the surface's top down. `image`: (h, W, 3) what it mirrors; `ripple`: noise of
    deviation 1, finer towards the horizon; `cover`: 1 below the shore; `nearness`: (h, 1) from 0 to 1."""

    image: np.ndarray
    ripple: np.ndarray
    cover: np.ndarray
    nearness: np.ndarray
    depth: np.ndarray


def water(scene: Scene, line: np.ndarray, waves: float = 1.0, name: str = "湖面") -> None:
    """Water below a shore, down to the bottom."""
    surface = Surface(line, waves)
    if scene.height - surface.top < 4:
        return
    with scene.thing(name, "水"):
        scene.style.water(scene, surface)


def mirror(scene: Scene, surface: Surface) -> Mirror:
    """What the water mirrors, rippled."""
    top, pixel = surface.top, scene.pixel
    height, width = scene.height - top, scene.width
    depth = scene.rows[top:] - surface.line[None]
    shore = cv2.GaussianBlur(surface.line[None].astype(np.float32), (0, 0), 18 * pixel)
    down = np.log1p((scene.rows[top:] - top) * np.float32(1 / (14 * pixel)))
    tile = scene.noise(256, 256, 0.5, 2.2)
    rows = np.broadcast_to(down * np.float32(66), (height, width)).astype(np.float32)
    along = 250 - np.abs((scene.columns * np.float32(0.30 / pixel)) % 500 - 250)  # there and back, without a seam
    columns = np.broadcast_to(along, (height, width))
    columns = columns / (1 + down * np.float32(0.42)) + 2
    ripple = cv2.remap(tile, columns.astype(np.float32), rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
    swing = (1 + np.clip(depth, 0, None) * np.float32(0.035)) * np.float32(surface.waves)
    source = shore - (scene.rows[top:] - shore) * np.float32(0.94) - ripple * swing * np.float32(1.7) - 2
    picture = cv2.merge([np.ascontiguousarray(channel) for channel in scene.rgb])
    image = cv2.remap(
        picture,
        (scene.columns + ripple * swing * np.float32(0.8)).astype(np.float32),
        np.clip(source, 0, scene.height - 1).astype(np.float32),
        cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REFLECT,
    )
    image = cv2.blur(image, (int(3 * pixel) | 1, int(5 * pixel) | 1))
    nearness = np.clip((scene.rows[top:] - top) * np.float32(1 / height), 0, 1)
    return Mirror(image, ripple, np.clip(depth + np.float32(0.5), 0, 1), nearness, depth)


def natural_water(scene: Scene, surface: Surface) -> None:
    """Mirror, sparkle, and the bright way to sun or moon."""
    palette, facts, top = scene.palette, scene.facts, surface.top
    seen = mirror(scene, surface)
    reflection = 0.80 - seen.nearness * np.float32(0.38)
    far = mix(palette.sky[3], palette.water, 0.25)
    inks = []
    for i in range(3):
        body = far[i] + (palette.water[i] - far[i]) * seen.nearness
        inks.append(body * (1 - reflection) + seen.image[..., i] * reflection * np.float32(0.95))
    if facts.snow and not facts.night:
        inks = [
            ink * np.float32(0.85) + np.float32(0.15 * white)
            for ink, white in zip(inks, (0.85, 0.9, 0.96), strict=True)
        ]
    scene.blend(seen.cover, inks, top)
    foam = mix(palette.sky[3], WHITE, 0.3)
    sparkle = smoothstep(seen.ripple, 0.9, 2.1) * (0.30 - 0.12 * seen.nearness)
    scene.tint(seen.cover * sparkle * np.float32(scene.style.roughness), foam, top)
    troughs = smoothstep(-seen.ripple, 0.9, 2.2) * (0.12 + 0.14 * seen.nearness)
    scene.soak(seen.cover * troughs * np.float32(scene.style.roughness), palette.water, top)
    shore_line(scene, surface, seen, 0.4)
    light_path(scene, surface, seen, 0.85)


def shore_line(scene: Scene, surface: Surface, seen: Mirror, strength: float) -> None:
    """A bright line where water meets land."""
    edge = np.clip(1 - np.abs(seen.depth - 1.5 * scene.pixel) * np.float32(0.6 / scene.pixel), 0, 1)
    foam = mix(scene.palette.mist if scene.style.chinese else scene.palette.sky[3], WHITE, 0.3)
    scene.tint(edge * np.float32(strength), foam, surface.top)


def light_falls(scene: Scene, surface: Surface) -> bool:
    """Whether sun or moon stands above the water, and no mountain or cloud hides most of it."""
    sun = scene.sun
    if sun is None or sun.y >= surface.top or scene.facts.rain:
        return False
    numbers = [thing.number for thing in scene.things if thing.label == "日月"]
    seen = np.count_nonzero(np.isin(scene.owner[: surface.top], numbers))
    return bool(seen > 0.3 * np.pi * sun.radius**2)


def light_path(scene: Scene, surface: Surface, seen: Mirror, strength: float) -> None:
    """The glitter under sun or moon."""
    sun, palette = scene.sun, scene.palette
    if sun is None or not light_falls(scene, surface):
        return
    clear = {"晴": 1.0, "雾": 0.6, "雪": 0.5, "雨": 0.0}[scene.facts.weather]
    width = sun.radius * (0.55 + seen.nearness * np.float32(1.5))
    across = np.clip(1 - ((scene.columns - sun.x) / width) ** 2 * np.float32(0.45), 0, 1)
    glitter = across * across * smoothstep(seen.ripple + np.float32(0.55) * across, 0.1, 1.0) * seen.cover
    ink = mix(palette.sun, palette.paper, 0.3) if scene.style.chinese else mix(palette.sun, WHITE, 0.25)
    scene.tint((glitter * np.float32(strength * clear)).astype(np.float32), ink, surface.top)
