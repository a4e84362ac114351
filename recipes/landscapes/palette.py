"""The colours of a scene by time of day, season and weather; styles change them."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from recipes.drawing.colour import WHITE, Colour, brightness, colour, colours, lit, mix
from recipes.landscapes.facts import Facts

# By time: the sky from its top to the horizon (4), the far and the near ridge, sun or moon, mist.
SKIES = {
    "清晨": (
        "8fb8d8 c9dbe6 f8e3cf fbd0aa b4c6da 35525e fff3d6 f8eadc",
        "7b9fc6 d9c3d8 f9d0c4 ffe2b8 bfb2d0 3a4266 fff0cf fbe6e0",
        "9ccacf d0e6df fdf0d2 fdd9a8 a4c8c6 24504f fffbe0 f6f1df",
        "a9b7d6 e2d3e0 f7dcd6 fbe9cf c4bfd8 4b5577 ffe9d0 f9ece8",
    ),
    "白天": (
        "3f8fd0 7fbbe6 bfe0f0 e9f4f2 9dc0da 2f6150 fffbe6 eef6f6",
        "2f7fb8 62b0d8 a8dbe6 e6f4e2 8cbccd 1f6257 fffbe0 eaf6f0",
        "5aa0c8 a4cde0 dbe9e6 f7efdc a6c0d0 40664c fff8e0 f5f3ea",
        "1f6fae 4f9fd0 9fd0e8 fdf3dc 7fa9cf 265a66 fffbe8 f0f5f5",
    ),
    "黄昏": (
        "3b3a72 8a4f88 e8775f ffc27a a8618c 221b3a ffe6a8 f3a98a",
        "2d4d7c 7f7aa6 f09a7a ffd894 8d7aa0 1d2740 fff0b8 f5c2a2",
        "7a3b52 cf5f4d f59a4e ffd67f bd604f 321a2b fff0b0 f9b877",
        "35598a c58fa8 f7b6a0 ffe0b0 a58ab0 2c3355 fff4d0 fad0bc",
        "1f3f66 3f7f94 e8b06f ffdf8f 6f8f96 142a38 fff2b8 f3cf98",
    ),
    "夜晚": (
        "060b24 0f1f4a 1e3f70 3f709a 2f527f 060c1e fff8e0 6c93b8",
        "0b0a26 241a52 4a3478 86609c 453a7a 0a0818 fff2e0 8f78b4",
        "04161f 0a3442 165a64 4a9a92 1d5562 03121a f4ffe8 74aba6",
        "0a1230 182f60 2f5a8c 88a4b8 35588a 08102a fff6d8 92abc4",
    ),
}
AMBIENT: Mapping[str, Colour] = {
    "清晨": (0.95, 0.90, 0.90),
    "白天": (1.0, 1.0, 0.98),
    "黄昏": (0.62, 0.44, 0.46),
    "夜晚": (0.27, 0.34, 0.50),
}
_GREY = {"清晨": "d5d9dc", "白天": "cdd6da", "黄昏": "b79a98", "夜晚": "2a3a55"}
_OVERCAST = {"晴": 0.0, "雾": 0.42, "雨": 0.55, "雪": 0.45}
_GROUND = {
    "春": "a8c86a 5a964a",
    "夏": "78b050 2f7440",
    "秋": "dcae54 a0622e",
    "冬": "c0b090 7d7462",
    "雪": "f4f7fb b4c6dc",
}
_LEAVES = {
    "春": ("5f9a48 98c458 cfe07c", "4f8f50 86bc58 bcdc72"),
    "夏": ("1f5c3a 3f8a45 8fc058", "2a6648 4f9a50 a8cc64"),
    "秋": ("8a2f22 d0502a f2a03c", "a85a1e e09a30 f8d468", "782028 bc382c ee7840"),
    "冬": ("4c5a52 6f7d72 dfe6ea",),
}
BLOSSOM = "d27f9c f0aec2 fde6ec"
_EVERGREEN = {
    "春": "22503c 3f7a52 7fae6c",
    "夏": "17463a 2f6e4c 6aa264",
    "秋": "2a4a38 4f7248 90a058",
    "冬": "24463f 466c5c 8fa890",
}
MATERIALS = {
    "roof": "3d4856",
    "ridge": "2c3440",
    "wall": "efe4cf",
    "wood": "7c4a34",
    "pillar": "a23c2e",
    "stone": "bdb4a4",
    "old stone": "8d8578",
    "thatch": "b8955c",
    "dark": "2a2422",
    "hull": "5a3c2c",
    "robe": "e8e2d6",
    "red": "c8402f",
    "white": "f4f0e6",
    "canopy": "4a4038",
    "sand": "dcc49a",
    "brick": "b0644a",
    "gold": "d8a640",
    "skin": "d8a078",
    "wool": "f4eee0",
}


@dataclass
class Palette:
    """Colours that everything in a scene is painted with.

    `sky`: four, from the top to the horizon; `leaves`, `evergreen`: three, from shade to light; `materials`: of what
    people make, by name; `paper`: what shows where nothing is painted.
    """

    sky: list[Colour]
    far: Colour
    near: Colour
    sun: Colour
    mist: Colour
    ambient: Colour
    grass_light: Colour
    grass_dark: Colour
    leaves: list[Colour]
    evergreen: list[Colour]
    bark: Colour
    water: Colour
    materials: dict[str, Colour] = field(default_factory=dict)
    paper: Colour = (0.98, 0.96, 0.92)
    ink: Colour = (0.11, 0.12, 0.13)
    tint: Colour | None = None  # a weak second colour of washes of ink
    monochrome: float = 0.0  # how much of a surface's own colour ink replaces
    blossom: bool = False  # the broad-leaved trees are in flower
    foliage: str = ""  # of the broad leaves: '绿', '墨' of ink alone, '红', '黄', '花', or '' where there are none

    @property
    def haze(self) -> Colour:
        """What distance turns everything into."""
        return mix(self.mist, self.sky[3], 0.4)

    def lit(self, surface: Colour | str, daylight: float = 0.0) -> Colour:
        """A surface, a colour or its code, under the scene's light. `daylight`: 1 is full day."""
        base = colour(surface) if isinstance(surface, str) else surface
        grey = mix(self.ink, self.paper, brightness(base))
        return lit(mix(base, grey, self.monochrome), mix(self.ambient, WHITE, daylight))


def natural_palette(facts: Facts, rng: np.random.Generator) -> Palette:
    """The colours of nature, which painterly styles use as they are."""
    row = colours(str(rng.choice(SKIES[facts.time])))
    sky, far, near, sun, mist = row[:4], row[4], row[5], row[6], row[7]
    ambient, grey = AMBIENT[facts.time], colour(_GREY[facts.time])
    overcast = _OVERCAST[facts.weather] * (0.6 if facts.night else 1)
    sky = [mix(band, grey, overcast) for band in sky]
    far, mist, near = mix(far, grey, overcast * 0.8), mix(mist, grey, overcast * 0.45), mix(near, grey, overcast * 0.22)
    ground = colours(_GROUND["雪" if facts.snow else facts.season])
    light, dark = (mix(lit(part, ambient), near, 0.12) for part in ground)
    if facts.night:
        near = mix(near, far, 0.22)
    palette = Palette(
        sky=sky,
        far=far,
        near=near,
        sun=sun,
        mist=mist,
        ambient=ambient,
        grass_light=light,
        grass_dark=dark,
        leaves=[],
        evergreen=[lit(leaf, ambient) for leaf in colours(_EVERGREEN[facts.season])],
        bark=lit(colour("4a3428"), ambient),
        water=mix(sky[0], near, 0.35),
        materials={name: lit(colour(code), mix(ambient, WHITE, 0.12)) for name, code in MATERIALS.items()},
    )
    choose_leaves(palette, facts, rng)
    return palette


def choose_leaves(palette: Palette, facts: Facts, rng: np.random.Generator) -> None:
    """The broad leaves of the season; in spring every second scene has blossoms."""
    palette.blossom = facts.season == "春" and bool(rng.random() < 0.5)
    code = BLOSSOM if palette.blossom else str(rng.choice(_LEAVES[facts.season]))
    shades = colours(code)
    palette.leaves = [lit(leaf, palette.ambient) for leaf in shades]
    red, green = shades[1][0], shades[1][1]
    autumn = "红" if red > green * 1.75 else "黄"
    palette.foliage = "花" if palette.blossom else {"秋": autumn, "冬": ""}.get(facts.season, "绿")
