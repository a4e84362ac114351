"""A picture from a seed: facts are sampled, a place is composed in a style, and what can be seen is noted."""

from dataclasses import dataclass

import numpy as np

from recipes.landscapes.facts import Facts, meets, narrowed, sample_facts, wished
from recipes.landscapes.labels import LABELS
from recipes.landscapes.parts import finish, weather
from recipes.landscapes.places import PLACES
from recipes.landscapes.scene import Scene
from recipes.landscapes.styles import STYLES
from recipes.landscapes.things.subjects import SUBJECTS
from recipes.landscapes.visible import Sight, sights


@dataclass(frozen=True)
class Painting:
    """`image`: (h, w, 3) uint8; `facts`: what was wished; `sights`: what is seen, by name; `air`: what fills the scene;
    `labels`: (h, w) uint8, numbers of classes by their place in `LABELS`."""

    image: np.ndarray
    facts: Facts
    sights: dict[str, Sight]
    air: tuple[str, ...]
    labels: np.ndarray


def facts_of(seed: int, **wishes: str) -> Facts:
    """The facts of a seed; `wishes`: fields of `Facts` that are decided, such as style='水墨画'."""
    rng = np.random.default_rng([seed, 0])
    styles = [wishes["style"]] if "style" in wishes else list(STYLES)
    places = {name: place.rules for name, place in PLACES.items() if wishes.get("place", name) == name}
    subject = SUBJECTS.get(wishes.get("subject", ""))
    if subject is not None:
        places = {name: subject.rules(rules) for name, rules in places.items()}
    fitting = {name: rules for name, rules in places.items() if meets(rules, wishes)} or places
    rules = {name: narrowed(place, wishes) for name, place in fitting.items()}
    return wished(sample_facts(rng, styles, rules), **wishes)


def paint(seed: int, size: tuple[int, int] = (256, 256), **wishes: str) -> Painting:
    """The picture of a seed; the same seed gives the same bits. `size`: width and height; `wishes`: see `facts_of`."""
    facts = facts_of(seed, **wishes)
    style = STYLES[facts.style]
    scene = Scene(facts, size, style, np.random.default_rng([seed, 1]))
    PLACES[facts.place].compose(scene)
    weather.fall(scene)
    style.sign(scene)
    image = np.clip(style.finish(scene, finish.picture(scene)), 0, 1)
    numbers = np.array([0, *(LABELS.index(thing.label) for thing in scene.things)], np.uint8)
    labels = numbers[scene.owner[::2, ::2]]
    pixels = (image * 255 + np.float32(0.5)).astype(np.uint8)
    return Painting(pixels, facts, sights(scene, image), tuple(scene.says), labels)
