"""The vessels by their names."""

from recipes.dishes.vessels.base import Vessel
from recipes.dishes.vessels.bowls import BOWLS
from recipes.dishes.vessels.plates import PLATES
from recipes.dishes.vessels.pots import POTS

VESSELS: dict[str, Vessel] = {vessel.name: vessel for vessel in (*BOWLS, *PLATES, *POTS)}
