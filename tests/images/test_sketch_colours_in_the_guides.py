"""The guides' tables of sketch colours say what the palette says."""

import re
from pathlib import Path

import pytest

from pai_modelscope.images.sketch_palette import SKETCH_COLOURS

GUIDES = Path(__file__).parents[2] / "docs"


@pytest.mark.parametrize("language", ["en", "zh"])
def test_every_colour_is_in_the_guide_beside_what_it_means(language: str) -> None:
    text = (GUIDES / language / "edit.md").read_text(encoding="utf-8")
    cells = re.findall(r"`#([0-9A-F]{6})` \| ([^|]+) \|", text)
    means = {tuple(bytes.fromhex(colour)): meaning for colour, meaning in cells}
    assert len(cells) == len(means) == len(SKETCH_COLOURS)
    wrong = [name for name, colour in SKETCH_COLOURS.items() if name not in re.findall(r"\w+", means.get(colour, ""))]
    assert wrong == []
