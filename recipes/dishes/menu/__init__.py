"""The dishes by their names. A new one is a function and a line in a file here."""

from recipes.dishes.menu import dimsum, mains, noodles, sweets
from recipes.dishes.menu.base import Dish

MENU: dict[str, Dish] = {dish.name: dish for dish in (*noodles.DISHES, *dimsum.DISHES, *mains.DISHES, *sweets.DISHES)}
