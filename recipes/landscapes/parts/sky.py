"""The sky: its gradient, sun and moon, clouds, stars, and what rises into it."""

import cv2
import numpy as np

from recipes.drawing.brushes import ellipse
from recipes.drawing.colour import WHITE, Colour, colour, mix
from recipes.drawing.noise import smoothstep
from recipes.landscapes.parts import bars
from recipes.landscapes.scene import Disc, Scene

_MORE_LOW_SUNS = 0.5  # share of the sunrises and sunsets without a sun that get one all the same


def gradient(scene: Scene, unevenness: float = 0.018) -> None:
    """The sky's colours from its top to the horizon; below it the last one goes on."""
    palette, horizon = scene.palette, max(scene.horizon, 1.0)
    depth = np.clip(np.arange(scene.height) / horizon, 0, 1)
    for i in range(3):
        scene.rgb[i] = np.interp(depth, np.linspace(0, 1, 4), [band[i] for band in palette.sky])[:, None]
    scene.rgb *= 1 + np.float32(unevenness) * scene.noise(scene.height, scene.width, 0.5, 0.9)


def shine(scene: Scene, disc: Disc, strength: float) -> None:
    """The glow of sun or moon in clear air, wide and near."""
    palette, square = scene.palette, (scene.columns - np.float32(disc.x)) ** 2 + (scene.rows - np.float32(disc.y)) ** 2
    wide = np.float32(0.55 * strength) / (1 + square * np.float32(1 / (disc.radius * 4.5) ** 2))
    scene.tint(wide, mix(palette.sun, palette.sky[3], 0.5))
    near = np.float32(0.75 * strength) / (1 + square * np.float32(1 / (disc.radius * 1.6) ** 2)) ** 2
    scene.tint(near, mix(palette.sun, palette.sky[3], 0.2))


def sun_or_moon(scene: Scene, x: float, y: float, radius: float) -> None:
    """The disc with its glow. Rain hides it."""
    facts, palette, style = scene.facts, scene.palette, scene.style
    strength = {"晴": 1.0, "雾": 0.8, "雨": 0.0, "雪": 0.6}[facts.weather]
    if not strength:
        return
    scene.sun = Disc(x, y, radius)
    scene.light = 1.0 if x > scene.width / 2 else -1.0
    across, down = scene.columns - np.float32(x), scene.rows - np.float32(y)
    square = across**2 + down**2
    style.halo(scene, scene.sun, strength)
    name = {"清晨": "日出", "白天": "红日" if style.chinese else "太阳", "黄昏": "落日", "夜晚": "明月"}[facts.time]
    disc = np.clip((radius - np.sqrt(square)) * np.float32(0.7) + np.float32(0.5), 0, 1)
    disc *= np.float32(0.97 if strength == 1 else 0.88)
    if facts.night and not style.chinese and scene.chance(0.3):
        bite = np.hypot(across - radius * 0.5 * scene.light, down + radius * 0.2)
        disc = disc * (1 - np.clip((radius * 1.05 - bite) * np.float32(0.6), 0, 1))
        name = "弯月"
    bright = hot = palette.sun
    if facts.low_sun and not style.chinese and not style.flat:  # redder than the pale sky around it
        ember, share = colour("ff5a30"), 0.5 if facts.time == "清晨" else 0.7
        bright, hot = mix(palette.sun, ember, share * 0.6), mix(palette.sun, ember, min(1.0, share * 1.3))
    shade = 1 - np.clip(down / (2 * radius) + np.float32(0.5), 0, 1) + 0 * across
    with scene.thing(name, "日月"):
        scene.cover(disc.astype(np.float32), hot, bright, shade.astype(np.float32))


def rays(scene: Scene, strength: float) -> None:
    """Beams that fan out from a low sun and fade with distance."""
    facts, sun = scene.facts, scene.sun
    if sun is None or scene.style.chinese or not facts.low_sun or facts.rain or not scene.style.roughness:
        return
    across, down = scene.columns - np.float32(sun.x), scene.rows - np.float32(sun.y)
    shape = (scene.height, scene.width)
    angle = cv2.phase(
        np.ascontiguousarray(np.broadcast_to(across, shape)), np.ascontiguousarray(np.broadcast_to(down, shape))
    )
    noise = scene.noise(1, 1024, 1.8)
    circle = np.concatenate([noise, noise[:, ::-1]], 1)
    beams = cv2.remap(
        circle,
        angle * np.float32(2046 / 6.2832),
        np.zeros_like(angle),
        cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REPLICATE,
    )
    near = 1 / (1 + (across * across + down * down) * np.float32(1 / (scene.side * 0.34) ** 2))
    scene.tint(
        smoothstep(beams, -0.1, 1.5) * near * np.float32(strength), mix(scene.palette.sun, scene.palette.sky[3], 0.25)
    )
    scene.say("霞光")


def layered_clouds(scene: Scene, amount: float) -> None:
    """Thin clouds over the whole sky; `amount`: 0 to 1."""
    if scene.style.flat:
        for _ in range(1 + round(3 * amount * scene.width / scene.side)):
            size, y = scene.side * scene.between(0.10, 0.2), scene.horizon * scene.between(0.12, 0.7)
            flat_cloud(scene, _beside_sun(scene, scene.between(0, scene.width), size), y, size)
        return
    palette, height = scene.palette, int(scene.horizon)
    noise = (
        scene.noise(height, scene.width, 0.9, 2.6) if scene.chance(0.6) else scene.noise(height, scene.width, 1.0, 1.5)
    )
    shift = (-int(7 * scene.pixel), int(5 * scene.pixel * scene.light))
    relief = noise - np.roll(noise, shift, (0, 1))
    depth = scene.rows[:height] / height
    cover = smoothstep(noise, 1.1 - 1.5 * amount, 2.3 - amount) * (0.25 + depth * 0.75) * np.float32(0.85)
    if scene.style.chinese:
        top, low, cover = mix(palette.mist, WHITE, 0.35), palette.sky[0], cover * np.float32(0.5)
    else:
        top = mix(palette.mist, WHITE, 0.15) if scene.facts.night else mix(palette.sun, WHITE, 0.3)
        day = scene.facts.time == "白天"
        low = mix(palette.far, WHITE, 0.55) if day else mix(palette.sky[1], palette.far, 0.45)
    shade = scene.style.tone(np.clip(relief * np.float32(0.55) + np.float32(0.55), 0, 1))
    scene.tint(scene.style.tone(cover), [a + (b - a) * shade for a, b in zip(low, top, strict=True)])


def flat_cloud(scene: Scene, x: float, y: float, size: float) -> None:
    """A cloud of rounded bars; `size`: half its width."""
    palette = scene.palette
    ink = mix(palette.mist, palette.sky[2], 0.3) if scene.facts.night else mix(palette.sky[3], WHITE, 0.55)
    with scene.thing("白云" if scene.facts.time == "白天" else "云霞", "云"):
        scene.blend(bars.cloud(scene, x, y, size) * np.float32(0.95), ink)


def _beside_sun(scene: Scene, x: float, size: float) -> float:
    """`x`, or half a picture away from it, so that no cloud of this half width hides the sun."""
    hides = scene.sun is not None and abs(x - scene.sun.x) < 1.2 * size + scene.sun.radius
    return (x + scene.width / 2) % scene.width if hides else x


def heaped_cloud(scene: Scene, x: float, y: float, size: float) -> None:
    """A heaped cloud: round heads on a flat foot, lit from above."""
    palette, count = scene.palette, 16
    region = scene.region([x - size * 1.5, x + size * 1.5], [y - size * 0.9, y + size * 0.25], 2)
    if region is None:
        return
    centres = scene.rng.normal(0, 0.45, count).clip(-1, 1)
    radii = (1 - np.abs(centres)) * 0.34 * scene.rng.uniform(0.7, 1.25, count) + 0.1
    mask: np.ndarray = np.zeros((region.height, region.width), np.uint8)
    light: np.ndarray = np.zeros_like(mask)
    for i in np.argsort(-radii):
        head = np.array([x + centres[i] * size - region.left, y - radii[i] * size * 0.75 - region.top])
        radius = radii[i] * size
        cv2.circle(mask, head.astype(int).tolist(), int(radius), 255, -1)
        for step, value in enumerate((120, 160, 196, 226, 250)):
            lit_at = head + np.array([scene.light * radius * 0.09 * step, -radius * 0.10 * step])
            cv2.circle(light, lit_at.astype(int).tolist(), int(radius * (1 - 0.15 * step)), value, -1)
    columns, rows = np.meshgrid(np.arange(region.width, dtype=np.float32), np.arange(region.height, dtype=np.float32))
    if scene.style.roughness:
        ripple = [scene.noise(region.height, region.width, 1.6) * np.float32(size * 0.04) for _ in range(2)]
        warped = columns + ripple[0], rows + ripple[1]
        mask = cv2.remap(mask, *warped, cv2.INTER_LINEAR)
        light = cv2.remap(cv2.GaussianBlur(light, (0, 0), size * 0.045), *warped, cv2.INTER_LINEAR)
    cover = cv2.GaussianBlur(mask, (0, 0), 1.2 * scene.pixel).astype(np.float32) * np.float32(1 / 255)
    below = np.clip((rows + region.top - y) / (size * 0.8) + np.float32(0.5), 0, 1)
    shade = np.clip(light.astype(np.float32) / 255 * 1.1 - below * np.float32(0.45), 0, 1)
    foot = np.clip((y - (rows + region.top)) / (size * 0.22) + np.float32(0.45), 0, 1)
    if scene.style.flat:
        foot, shade = (foot > 0.5).astype(np.float32), np.ones_like(shade)
    top = mix(palette.mist, WHITE, 0.1) if scene.facts.night else mix(palette.sun, WHITE, 0.6)
    low = mix(palette.far, WHITE, 0.42) if scene.facts.time == "白天" else mix(palette.sky[1], palette.far, 0.3)
    with scene.thing("白云" if scene.facts.time == "白天" else "云霞", "云"):
        scene.cover(cover * foot * np.float32(0.93), low, top, shade, region.top, region.left)


def stars(scene: Scene) -> None:
    """Stars of several sizes, and on a clear night the band of the Milky Way."""
    horizon, palette, rng = scene.horizon, scene.palette, scene.rng
    count = int(260 * scene.width * horizon / 512 / 300 / scene.pixel**2)
    xs, ys = rng.uniform(0, scene.width, count), rng.uniform(0, 1, count) ** 1.3 * horizon * 0.95
    light = rng.uniform(0.2, 1, count) ** 1.6
    if scene.style.flat:
        some = rng.random(count) < 0.4
        xs, ys, light = xs[some], ys[some], light[some]
    if scene.facts.weather == "晴":
        scene.say("星空")
        if scene.style.roughness:
            texture = smoothstep(scene.noise(scene.height, scene.width, 0.7), 0.2, 2.4) * (
                1 - np.clip(scene.rows / horizon, 0, 1)
            )
            distance = (scene.columns - scene.width * 0.5) * 0.5 + (scene.rows - horizon * 0.4) * scene.light
            band = 1 / (1 + (distance / (70 * scene.pixel)) ** 2)
            scene.tint((band * (0.10 + 0.22 * texture)).astype(np.float32), mix(palette.sky[3], WHITE, 0.35))
        count = 0 if scene.style.flat else count
        along = rng.uniform(0, scene.width, count * 2)
        beside = (
            horizon * 0.4 - scene.light * (along - scene.width * 0.5) * 0.5 + rng.normal(0, 45 * scene.pixel, count * 2)
        )
        up = (beside > 0) & (beside < horizon * 0.95)
        xs, ys = np.r_[xs, along[up]], np.r_[ys, beside[up]]
        light = np.r_[light, rng.uniform(0.1, 0.55, up.sum())]
    large = light > 0.8
    inks = [palette.sky[2], mix(palette.sky[3], WHITE, 0.6), (1.0, 1.0, 0.95)]
    least = 2.6 * scene.pixel if scene.style.flat else 1.0
    scene.dabs(xs, ys, light, [ellipse(least, least)], inks, 0.85)
    scene.dabs(xs[large], ys[large], light[large], [ellipse(4 * scene.pixel, 4 * scene.pixel)], inks, 0.95)


def aurora(scene: Scene) -> None:
    """Curtains of light: a bright lower hem, rays that fade upward."""
    scene.say("极光")
    hues = (colour("4ff0a8"), colour("58d8e0"), colour("b070f0"))[: int(scene.rng.integers(2, 4))]
    if scene.style.flat:
        for hue in hues:
            _flat_curtain(scene, hue)
        return
    height = int(scene.horizon)
    for hue in hues:
        hem = scene.outline(scene.horizon * scene.between(0.55, 0.95), scene.horizon * 0.35, "hill")
        above = hem[None] - scene.rows[:height]
        folds = 0.55 + 0.4 * scene.noise(1, scene.width, 3.5) + 0.35 * scene.noise(height, scene.width, 1.2, 0.25)
        fading = np.exp(-np.clip(above, 0, None) * np.float32(3.2 / scene.horizon))
        cover = fading * smoothstep(above, -6 * scene.pixel, 16 * scene.pixel) * np.clip(folds, 0.05, 1.3)
        scene.tint(np.clip(cover * np.float32(0.5), 0, 0.9).astype(np.float32), hue)


def _flat_curtain(scene: Scene, hue: Colour) -> None:
    """A ribbon of three steps, the brightest at its hem."""
    hem = scene.outline(scene.horizon * scene.between(0.45, 0.85), scene.horizon * 0.35, "hill")
    for height in (0.34, 0.2, 0.08):
        above = hem[None] - scene.rows
        inside = np.clip(above, 0, 1) * np.clip(scene.horizon * height - above, 0, 1)
        scene.tint((inside * np.float32(0.3)).astype(np.float32), hue)


def birds(scene: Scene, x: float, y: float, count: int, size: float) -> None:
    """A flock of birds; `size`: a wing in pixels."""
    t, ways, widths = np.linspace(0, 1, 7), [], []
    for i in range(count):
        wing = size * scene.between(0.6, 1.15)
        at_x = x + (scene.rng.normal(0, size * 2.6) if i else 0)
        at_y = y + (scene.rng.normal(0, size * 1.5) if i else 0)
        lift = scene.between(0.25, 0.6)
        for side in (-1, 1):
            points = np.stack([at_x + side * wing * t, at_y - wing * lift * np.sin(t * 2.1) * (1 - 0.25 * t)], 1)
            ways.append(np.stack([points[:-1], points[1:]], 1))
            widths.append(np.linspace(0.17, 0.06, 6) * size)
    ink = mix(scene.palette.near, scene.palette.haze, 0.12)
    with scene.thing("飞鸟", "动物"):
        scene.strokes(np.concatenate(ways), np.concatenate(widths), ink, 0.95)


def heaven(scene: Scene, horizon: float, *, disc: float = 0.75, cloud: float | None = None, flock: float = 0.4) -> None:
    """The whole sky down to a row: gradient, clouds, stars, sun or moon in a share `disc` of the scenes, and a flock of
    birds in a share `flock`."""
    facts, style = scene.facts, scene.style
    scene.horizon = horizon
    style.sky(scene)
    scene.owner[:] = 0
    clear_night = facts.night and not style.chinese and facts.weather in ("晴", "雪")
    if clear_night:
        stars(scene)
    # mountains and trees hide low suns, which would be rarer than the moon
    if scene.chance(disc + (1 - disc) * _MORE_LOW_SUNS if facts.low_sun and disc else disc):
        radius = scene.side * (0.045 if facts.time == "白天" else scene.between(0.05, 0.085))
        x = scene.width * (0.5 - scene.focus * scene.between(0.08, 0.3))
        # a low sun stands above most mountains, or it would be named and never seen
        height = scene.between(0.32, 0.62) if facts.low_sun else scene.between(0.5, 0.75)
        sun_or_moon(scene, x, horizon - horizon * height, radius)
    amount = scene.between(0, 0.75) if cloud is None else cloud
    if clear_night and scene.chance(0.45 if facts.season == "冬" else 0.08):
        aurora(scene)
        amount = 0
    if style.chinese:
        if scene.chance(0.5):
            layered_clouds(scene, 0.35)
    elif facts.weather in ("晴", "雪") and not facts.night and scene.chance(0.45):
        for _ in range(int(scene.rng.integers(2, 5) * scene.width / scene.side)):
            size = scene.side * scene.between(0.10, 0.22)
            x = _beside_sun(scene, scene.between(0, scene.width), size)
            heaped_cloud(scene, x, horizon * scene.between(0.35, 0.95), size)
    elif amount > 0.25:
        layered_clouds(scene, amount)
    if not facts.rain and not facts.night and scene.chance(flock):
        size = scene.side * scene.between(0.016, 0.026)
        birds(
            scene,
            scene.width * scene.between(0.25, 0.75),
            horizon * scene.between(0.3, 0.7),
            int(scene.rng.integers(3, 9)),
            size,
        )
