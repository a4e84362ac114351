"""What a training set holds, whatever its form on disk: pictures that are read when asked for, and their captions."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from PIL import Image

Reader = Callable[[], Image.Image]


@dataclass(frozen=True)
class Example:
    """One picture of a training set.

    `read`, `condition` and `mask` open their pictures anew at every call, upright and in RGB (a mask in L, white where
    the loss counts); they raise `UserError` for a broken file.
    """

    name: str  # the file or row that it came from, for messages
    captions: tuple[str, ...]  # one of them is drawn whenever the picture is shown
    size: tuple[int, int]  # width and height in pixels
    digest: str  # of the encoded bytes: a changed picture has another
    read: Reader
    condition: Reader | None = None  # edges, depth, a pose: what a ControlNet is to follow
    mask: Reader | None = None
    weight: float = 1.0  # of its loss; class pictures of DreamBooth have the prior's
    digest_now: Callable[[], str] | None = None  # of what lies there by now, where that can change


class TrainingSet(Protocol):
    """Random access by place; the same place is the same picture in every process."""

    def __len__(self) -> int: ...

    def __getitem__(self, place: int) -> Example: ...
