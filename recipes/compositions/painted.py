"""Things of the painter of landscapes as actors: they are painted in the scene's own style."""

from collections.abc import Callable

from recipes.compositions.nouns import AIR, LAND, WATER
from recipes.compositions.staging import Actor
from recipes.landscapes.captions.lexicon import WORDS
from recipes.landscapes.scene import Scene
from recipes.landscapes.things.boat import boat
from recipes.landscapes.things.buffalo import buffalo
from recipes.landscapes.things.camels import camel
from recipes.landscapes.things.crane import crane, flying_crane
from recipes.landscapes.things.deer import deer
from recipes.landscapes.things.duck import ducks
from recipes.landscapes.things.fir import fir
from recipes.landscapes.things.horse import horse
from recipes.landscapes.things.pavilion import pavilion
from recipes.landscapes.things.pine import pine
from recipes.landscapes.things.yurt import yurt

Draw = Callable[[Scene, float, float, float], None]


def _sized(draw: Draw, share: float) -> Draw:
    """The same for a longer side in pixels; `share`: how much of it the thing's own measure is."""
    return lambda scene, x, y, longer: draw(scene, x, y, longer * share)


def _canopied(scene: Scene, x: float, y: float, size: float) -> None:
    boat(scene, x, y, size, design="canopy")


def _sailing(scene: Scene, x: float, y: float, size: float) -> None:
    boat(scene, x, y, size, design="junk")


def _buffalo(scene: Scene, x: float, y: float, size: float) -> None:
    buffalo(scene, x, y, size, boy=False)


def _duck(scene: Scene, x: float, y: float, size: float) -> None:
    ducks(scene, x, y, size, count=1)


def _flying(scene: Scene, x: float, y: float, size: float) -> None:
    flying_crane(scene, x, y, size)


def _actor(
    name: str,
    draw: Draw,
    share: float,
    place: str,
    size: float,
    shape: tuple[float, float],
    names: tuple[str, ...] = (),
) -> Actor:
    word, alive = WORDS[name], name in ("仙鹤", "马", "鹿", "水牛", "骆驼", "鸭子")
    return Actor(word.nouns[0], (word.measure,), place, alive, size, shape, names or (name,), _sized(draw, share))


ACTORS: tuple[Actor, ...] = (
    _actor("仙鹤", crane, 0.95, LAND, 0.26, (0.9, 1.0)),
    _actor("马", horse, 0.62, LAND, 0.36, (1.0, 0.85)),
    _actor("鹿", deer, 0.6, LAND, 0.32, (0.85, 1.0)),
    _actor("水牛", _buffalo, 0.55, LAND, 0.36, (1.0, 0.66)),
    _actor("骆驼", camel, 0.66, LAND, 0.34, (1.0, 0.9)),
    _actor("松树", pine, 1.0, LAND, 0.46, (0.85, 1.0), ("松树", "雪松")),
    _actor("杉树", fir, 1.0, LAND, 0.46, (0.5, 1.0)),
    _actor("亭子", pavilion, 0.66, LAND, 0.4, (1.0, 0.95)),
    _actor("蒙古包", yurt, 0.9, LAND, 0.3, (1.0, 0.85)),
    _actor("小船", _canopied, 0.46, WATER, 0.3, (1.0, 0.35)),
    _actor("帆船", _sailing, 0.44, WATER, 0.34, (0.95, 1.0)),
    _actor("鸭子", _duck, 0.58, WATER, 0.2, (1.0, 0.7)),
    _actor("仙鹤", _flying, 0.5, AIR, 0.24, (1.0, 0.7)),
)
