"""What a training set holds, whatever its form on disk: where pictures lie, and their captions.

An example is data. It says where its pictures are and fetches them when asked, so that worker processes can be sent it.
"""

import hashlib
import re
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from PIL import Image

from pai_modelscope.data.geometry import Size
from pai_modelscope.errors import UserError, printable
from pai_modelscope.images.decoding import head_size
from pai_modelscope.images.open_images import open_image, read_mask

Content = bytes | Image.Image  # a picture encoded as in a file, or decoded already

_HALVES = re.compile("[\ud800-\udfff]")  # a surrogate stands for no character


class PictureReference(ABC):
    """Where a picture lies, and how it is fetched. Two of them that are equal are the same picture."""

    @abstractmethod
    def read(self) -> Content:
        """The picture, fetched anew. Raises `UserError` if it is not there any more."""

    def digest(self) -> str:
        """See `digest`; of what lies there by now."""
        return digest(self.read())


@dataclass(frozen=True)
class Example:
    """One picture of a training set; `Example.of` makes one.

    Its `read` functions open their picture anew at every call, upright; they raise `UserError` for a broken file.
    """

    name: str  # the file or row that it came from, for messages
    captions: tuple[str, ...]  # one of them is drawn whenever the picture is shown
    size: Size  # width and height in pixels
    digest: str  # of the encoded bytes: a changed picture has another
    picture: PictureReference
    condition: PictureReference | None = None  # edges, depth, a pose: what a ControlNet is to follow
    mask: PictureReference | None = None
    weight: float = 1.0  # of its loss; class pictures of DreamBooth have the prior's

    @classmethod
    def of(
        cls,
        name: str,
        captions: Sequence[str],
        picture: PictureReference,
        condition: PictureReference | None = None,
        mask: PictureReference | None = None,
    ) -> "Example":
        """Fetches the picture once, for its size and digest; of an encoded one, only the head is decoded.

        Raises:
            UserError: the picture is missing, or not even its head can be read; half a character in a caption.
        """
        name = printable(name)  # a file may be called by what no text holds
        if any(_HALVES.search(caption) for caption in captions):
            raise UserError(
                f"{name}: the caption {list(captions)!a:.80} has half a character, as of a text cut or in another "
                "encoding; mend it."
            )
        content = picture.read()
        if isinstance(content, Image.Image):
            size = open_image(content, what=f"picture of {name}").size
        else:
            size = head_size(content, f"The picture of {name}")
        return cls(name, tuple(captions), size, digest(content), picture, condition, mask)

    def read(self) -> Image.Image:
        """The picture, RGB."""
        return open_image(self.picture.read(), what=f"picture of {self.name}")

    def read_condition(self) -> Image.Image | None:
        """What a ControlNet is to follow, RGB; None where the example has no such picture."""
        if self.condition is None:
            return None
        return open_image(self.condition.read(), what=f"conditioning picture of {self.name}")

    def read_mask(self) -> Image.Image | None:
        """L, white where the loss counts; None where the example has no mask."""
        return None if self.mask is None else read_mask(self.mask.read(), what=f"mask of {self.name}")


class TrainingSet(Protocol):
    """Random access by place; the same place is the same picture in every process."""

    def __len__(self) -> int: ...

    def __getitem__(self, place: int, /) -> Example: ...


@dataclass(frozen=True)
class Broken:
    """Stands where a row should be: `scan` counts it, and asking for its example raises `UserError` with `message`."""

    message: str


Row = TypeVar("Row")


class Reader(ABC, Generic[Row]):
    """A training set of rows that become examples; each is read when it is first asked for, and once."""

    def __init__(self, rows: Sequence[Row | Broken], order: Sequence[int] | None = None):
        """`order`: the row of each place, where pictures repeat; None: each once."""
        self._rows = rows
        self._order = range(len(rows)) if order is None else order
        self._examples: dict[int, Example] = {}

    def __len__(self) -> int:
        return len(self._order)

    def __getitem__(self, place: int, /) -> Example:
        number = self._order[place]
        if number not in self._examples:
            row = self._rows[number]
            if isinstance(row, Broken):
                raise UserError(row.message)
            self._examples[number] = self.example(row)
        return self._examples[number]

    @abstractmethod
    def example(self, row: Row) -> Example:
        """The example of a row. Raises `UserError` for one that can't be read."""


@dataclass(frozen=True)
class Unread:
    """A row whose captions are known already and whose picture has not been looked at."""

    name: str
    captions: Sequence[str]
    picture: PictureReference
    condition: PictureReference | None = None
    mask: PictureReference | None = None


class UnreadReader(Reader[Unread]):
    """Of a form whose captions were read as the set was opened."""

    def example(self, row: Unread) -> Example:
        return Example.of(row.name, row.captions, row.picture, row.condition, row.mask)


def digest(content: Content) -> str:
    """SHA-256 of an encoded picture, or of the pixels that a decoded one shows: palette and orientation change them."""
    if isinstance(content, Image.Image):
        picture = open_image(content)
        content = f"{picture.mode} {picture.size} ".encode() + picture.tobytes()
    return hashlib.sha256(content).hexdigest()
