"""A picture from a seed: facts are sampled, a table is laid, a dish is served, and what shows is noted."""

from dataclasses import dataclass, replace

import cv2
import numpy as np

from recipes.dishes import extras, tables
from recipes.dishes.facts import Facts, sample_facts, wished
from recipes.dishes.menu import MENU
from recipes.dishes.scene import Scene
from recipes.dishes.style import STYLES
from recipes.dishes.vessels import VESSELS
from recipes.dishes.visible import Sight, sights


@dataclass(frozen=True)
class Painting:
    """`image`: (h, w, 3) uint8; `facts`: what was wished, steam and what lies beside only where they show; `sights`:
    what is seen, by name; `table`: what captions call it, '' where the style paints none; `table_area`: its share
    of the picture; `labels`: (h, w) of the numbers of `label_names`."""

    image: np.ndarray
    facts: Facts
    sights: dict[str, Sight]
    table: str
    table_area: float
    labels: np.ndarray
    label_names: tuple[str, ...]


def facts_of(seed: int, **wishes: str) -> Facts:
    """The facts of a seed; `wishes`: fields of `Facts` that are decided, such as dish='月饼'."""
    rng = np.random.default_rng([seed, 0])
    styles = [wishes["style"]] if "style" in wishes else list(STYLES)
    dishes = {name: dish.rules for name, dish in MENU.items() if wishes.get("dish", name) == name}
    return wished(sample_facts(rng, styles, dishes), **wishes)


def paint(seed: int, size: tuple[int, int] = (256, 256), **wishes: str) -> Painting:
    """The picture of a seed; the same seed gives the same bits. `size`: width and height; `wishes`: see `facts_of`."""
    facts = facts_of(seed, **wishes)
    scene = Scene(facts, size, STYLES[facts.style], np.random.default_rng([seed, 1]))
    tables.lay(scene)
    surface = VESSELS[facts.vessel].draw(scene)
    dish = MENU[facts.dish]
    if dish.free:
        surface.face, surface.turn = (1.0 if scene.chance(0.5) else -1.0), scene.between(-0.4, 0.4)
    dish.compose(scene, surface)
    extras.beside(scene)
    if not STYLES[facts.style].table:
        tables.seal(scene)
    steamed = facts.steam and extras.steam(scene, surface)
    image = np.clip(cv2.merge([np.ascontiguousarray(channel) for channel in scene.rgb]), 0, 1)
    image = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    seen = sights(scene, image)
    facts = replace(facts, steam=steamed, beside=facts.beside if facts.beside in seen else "")
    names = ("", *(thing.name for thing in scene.things))
    pixels = (image * 255 + np.float32(0.5)).astype(np.uint8)
    labels = scene.owner[::2, ::2].astype(np.uint8)
    return Painting(pixels, facts, seen, scene.table, float((labels == 0).mean()), labels, names)
