"""魔幻现实: pictures of what cannot be, design by design. A new one is a function and a line in its file's table."""

import numpy as np

from recipes.compositions.art import MONOCHROME, Library, measured
from recipes.compositions.facts import Facts, Wish
from recipes.compositions.nouns import NOUNS
from recipes.compositions.scenes import Made, disc_seen, finished, scene_facts, scene_style, seen_in
from recipes.compositions.surreal.base import Design
from recipes.compositions.surreal.giants import GIANTS
from recipes.compositions.surreal.skies import SKIES
from recipes.landscapes.scene import Scene
from recipes.landscapes.styles import STYLES
from recipes.landscapes.visible import sights

DESIGNS: dict[str, Design] = {design.name: design for design in (*SKIES, *GIANTS)}


def whole(name: str, source: str) -> bool:
    """Whether a source draws a thing with its body, as far as that is known."""
    noun = NOUNS[name]
    return not noun.place or source in noun.sides


def compose(wish: Wish, size: tuple[int, int], art: Library, rng: np.random.Generator) -> Made | None:
    """A picture of the wished design; None where what it is of can't be seen well."""
    design = DESIGNS[wish.design]
    source, pieces = "", []
    if design.art:
        sources = [
            name
            for name in art.sources
            if name not in (*MONOCHROME, "openclipart", "sweethome3d")
            and all(set(names) & set(art.names(name)) for names in design.art)
        ]
        if not sources:
            return None
        source = sources[int(rng.integers(len(sources)))]
        for names in design.art:
            fitting = [name for name in names if whole(name, source) and name in art.pieces[source]]
            if not fitting:
                return None
            piece = measured(art.pieces[source][fitting[int(rng.integers(len(fitting)))]][0])
            if piece is None:
                return None
            pieces.append(piece)
    styles = design.styles
    style = styles[int(rng.integers(len(styles)))] if styles else scene_style(source, rng)
    facts = scene_facts(style, design.seasons, design.weathers, rng, design.times)
    scene = Scene(facts, size, STYLES[style], rng)
    told = design.paint(scene, pieces)
    if told is None:
        return None
    image = finished(scene)
    things = seen_in(scene, [told.things], told.most, told.cut)
    shown = sights(scene, image)
    by_number = {thing.number: thing.name for thing in scene.things}
    needed = {by_number[number] for number in told.things} | set(told.names)
    if things is None or not needed <= set(shown):
        return None
    hand = pieces[0].style if pieces else ""
    disc = "明月" if "月" in told.group.word and facts.night else disc_seen(scene, image)
    if disc in ("巨月", "月亮"):  # it does not tell an evening from a night
        disc = ""
    made = Facts(
        wish.kind, hand, "", (told.group, *told.others), scene=facts, design=design.name, disc=disc, texts=told.texts
    )
    return Made(image, things, made)
