"""The styles by their names. A new one is a file here and a line below."""

from recipes.landscapes.style import Style
from recipes.landscapes.styles.anime import Anime

STYLES: dict[str, Style] = {style.name: style for style in (Anime(),)}

__all__ = ["STYLES", "Style"]
