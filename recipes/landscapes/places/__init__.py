"""The places by their names. A new one is a file here and a line below."""

from recipes.landscapes.places import bamboo, flower_field, forest, grassland, lake, lotus, plum, study, terraces
from recipes.landscapes.places.base import Place

PLACES: dict[str, Place] = {
    place.name: place
    for place in (
        lake.PLACE,
        study.PLACE,
        bamboo.PLACE,
        plum.PLACE,
        lotus.PLACE,
        flower_field.PLACE,
        grassland.PLACE,
        terraces.PLACE,
        forest.PLACE,
    )
}

__all__ = ["PLACES", "Place"]
