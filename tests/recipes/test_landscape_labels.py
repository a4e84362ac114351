"""Label maps: every thing has a class, and a seal is one."""

import re
from pathlib import Path

import numpy as np

import recipes.landscapes
from recipes.landscapes.labels import LABELS
from recipes.landscapes.paint import paint
from recipes.landscapes.places import PLACES

SIZE = (96, 96)


def test_every_thing_has_a_class():
    """`paint` raises where a thing's label is none; the text of all files holds the labels that no seed here draws."""
    for number, place in enumerate(PLACES):
        labels = paint(number, SIZE, place=place).labels
        assert labels.shape == SIZE[::-1] and labels.max() < len(LABELS)
    source = "".join(path.read_text("utf-8") for path in Path(recipes.landscapes.__path__[0]).rglob("*.py"))
    written = set(re.findall(r'scene\.thing\([^\n]*, "([^"]+)"\)', source))
    assert len(written) > 12 and written <= set(LABELS), written - set(LABELS)


def test_a_seal_is_a_class_of_its_own():
    maps = [paint(seed, SIZE, style="青绿山水", place="lake").labels for seed in range(16)]
    sealed = [labels == LABELS.index("印章") for labels in maps if (labels == LABELS.index("印章")).any()]
    assert sealed, "no seed has a seal"
    for seal in sealed:
        rows, columns = np.nonzero(seal)
        assert seal.sum() == (np.ptp(rows) + 1) * (np.ptp(columns) + 1), "a whole square"
        assert min(rows.min(), columns.min(), SIZE[1] - 1 - rows.max(), SIZE[0] - 1 - columns.max()) < SIZE[0] / 8
