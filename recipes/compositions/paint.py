"""A composition from a seed: what is wished, then things that fit it, tried until all can be seen."""

from dataclasses import dataclass

import numpy as np

from recipes.compositions import plain, scenes
from recipes.compositions.art import Library
from recipes.compositions.facts import Facts, Wish, sample_wish
from recipes.compositions.placed import Seen
from recipes.compositions.surreal import DESIGNS
from recipes.compositions.surreal import compose as compose_surreal

_ATTEMPTS = 60


@dataclass(frozen=True)
class Composition:
    """`image`: (h, w, 3) uint8; `facts`: what it shows; `things`: where each thing is."""

    image: np.ndarray
    facts: Facts
    things: tuple[Seen, ...]


def wish_of(seed: int, **wishes: str) -> Wish:
    """What is decided of a seed's picture; `wishes`: 'kind', 'relation', 'design'."""
    return sample_wish(np.random.default_rng([seed, 0]), tuple(DESIGNS), **wishes)


def paint(seed: int, size: tuple[int, int], art: Library, **wishes: str) -> Composition:
    """The picture of a seed over this art; the same seed and art give the same bits. `size`: width and height.

    Raises:
        RuntimeError: the art has nothing that fits what is wished.
    """
    wish = wish_of(seed, **wishes)
    compose = {"scene": scenes.compose, "surreal": compose_surreal}.get(wish.kind, plain.compose)
    for attempt in range(_ATTEMPTS):
        made = compose(wish, size, art, np.random.default_rng([seed, 1, attempt]))
        if made is not None:
            pixels = (np.clip(made.image, 0, 1) * 255 + np.float32(0.5)).astype(np.uint8)
            return Composition(pixels, made.facts, tuple(made.things))
    raise RuntimeError(f"Nothing in the art fits {wish} (seed {seed}). Give a library with more things.")
