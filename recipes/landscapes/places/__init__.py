"""The places by their names. A new one is a file here and a line below."""

from recipes.landscapes.places import (
    ancient_city,
    bamboo,
    desert,
    flower_field,
    forest,
    garden,
    grassland,
    lake,
    lotus,
    modern_city,
    peaks,
    plum,
    river,
    sea,
    study,
    terraces,
    village,
    waterfall,
)
from recipes.landscapes.places.base import Place

PLACES: dict[str, Place] = {
    place.name: place
    for place in (
        lake.PLACE,
        study.PLACE,
        peaks.PLACE,
        waterfall.PLACE,
        river.PLACE,
        village.PLACE,
        sea.PLACE,
        desert.PLACE,
        garden.PLACE,
        ancient_city.PLACE,
        modern_city.PLACE,
        bamboo.PLACE,
        flower_field.PLACE,
        forest.PLACE,
        grassland.PLACE,
        lotus.PLACE,
        plum.PLACE,
        terraces.PLACE,
    )
}

__all__ = ["PLACES", "Place"]
