"""Chinese captions of paintings: nothing is said that cannot be seen."""

from recipes.landscapes.captions.writer import KINDS, captions

__all__ = ["KINDS", "captions"]
