"""The styles by their names. A new one is a file here and a line below."""

from recipes.landscapes.style import Style
from recipes.landscapes.styles.anime import Anime
from recipes.landscapes.styles.blue_green import BlueGreen
from recipes.landscapes.styles.flat import Flat
from recipes.landscapes.styles.ink import Ink
from recipes.landscapes.styles.oil import Oil
from recipes.landscapes.styles.papercut import Papercut
from recipes.landscapes.styles.watercolour import Watercolour
from recipes.landscapes.styles.woodcut import Woodcut

STYLES: dict[str, Style] = {
    style.name: style for style in (Ink(), BlueGreen(), Watercolour(), Oil(), Flat(), Papercut(), Woodcut(), Anime())
}

__all__ = ["STYLES", "Style"]
