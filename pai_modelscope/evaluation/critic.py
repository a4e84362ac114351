"""What the judge says of any pictures, against the names and styles of the data set that ships."""

from collections.abc import Sequence
from functools import cached_property

import torch
from PIL import Image

from pai_modelscope.evaluation import metrics
from pai_modelscope.evaluation.judge import SHIPPED_JUDGE, Judge
from pai_modelscope.evaluation.pictures import open_pictures
from pai_modelscope.evaluation.rows import Reference


class Critic:
    """`Critic().styles(pictures)`: the judge that ships, which was trained apart from the model that draws.

    The looks of styles are learned at their first use from up to `samples` real drawings a style, which takes seconds.
    The data set that ships has hundreds of two styles, and few of the others: those are told less surely.
    """

    def __init__(self, judge: Judge | None = None, samples: int = 60, device: torch.device | str = "cpu"):
        pictures = open_pictures("shipped")
        judge = judge or Judge.load(SHIPPED_JUDGE, device)
        self._reference = Reference(judge=judge, pictures=pictures, limit=0, style_samples=samples)

    def names(self, pictures: Sequence[Image.Image], count: int = 5) -> list[list[str]]:
        """For every picture the `count` names that fit best, the fittest first."""
        likeness = self._reference.judge.images(pictures) @ self._reference.name_features.T
        known = self._reference.pictures.names
        return [[known[place] for place in places] for places in likeness.topk(count, 1).indices.tolist()]

    def finds(self, pictures: Sequence[Image.Image], name: str, count: int = 5) -> list[bool]:
        """Whether `name`, or another name of the same thing, is among the `count` names that fit a picture best."""
        right = self._synonyms.get(name, {name})
        return [bool(right.intersection(names)) for names in self.names(pictures, count)]

    def likeness(self, pictures: Sequence[Image.Image], others: Sequence[Image.Image] | str) -> torch.Tensor:
        """(n,) in [-1, 1]: how near each picture is to a text, or to the mean of other pictures."""
        judge = self._reference.judge
        aim = judge.texts([others])[0] if isinstance(others, str) else judge.images(others).mean(0)
        return judge.images(pictures) @ torch.nn.functional.normalize(aim, dim=0)

    def styles(self, pictures: Sequence[Image.Image]) -> list[str]:
        """The style phrase, such as 扁平插画风格, of the look that each picture comes nearest to."""
        classes = metrics.probe_classes(self._reference.judge.styles(pictures), self._reference.style_probe)
        return [self._reference.pictures.styles[self._reference.styles[place]] for place in classes.tolist()]

    def style_scores(self, pictures: Sequence[Image.Image], style: str) -> torch.Tensor:
        """(n,), near 1 for pictures that look like the style phrase and near -1 for others: finer than `styles`."""
        phrases = [self._reference.pictures.styles[style_id] for style_id in self._reference.styles]
        scores = metrics.probe_scores(self._reference.judge.styles(pictures), self._reference.style_probe)
        return scores[:, phrases.index(style)].float()

    @cached_property
    def _synonyms(self) -> dict[str, frozenset[str]]:
        pictures = self._reference.pictures
        return {record.name: pictures.targets(record) for record in pictures.records if record.plain}
