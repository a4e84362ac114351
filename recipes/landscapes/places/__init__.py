"""The places by their names. A new one is a file here and a line below."""

from recipes.landscapes.places import lake, study
from recipes.landscapes.places.base import Place

PLACES: dict[str, Place] = {place.name: place for place in (lake.PLACE, study.PLACE)}

__all__ = ["PLACES", "Place"]
