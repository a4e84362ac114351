"""Encoded pictures become examples: what all readers of training sets share."""

import hashlib
import math
import re
import reprlib
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from PIL import Image

from pai_modelscope import limits
from pai_modelscope.data.examples import Example, TrainingSet
from pai_modelscope.errors import UserError, printable, reason
from pai_modelscope.images.decoding import head_size
from pai_modelscope.images.open_images import open_image, read_mask
from pai_modelscope.untrusted import inside, open_regular, read_bytes

Load = Callable[[], bytes | Image.Image]
Maker = Callable[[], Example]

PICTURES = (".jpg", ".jpeg", ".jfif", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".avif", ".jp2", ".ppm")
CONDITION = "conditioning_image"  # the column that diffusers' script reads unasked
_HALVES = re.compile("[\ud800-\udfff]")  # a surrogate stands for no character
_LONGEST = 1024  # characters of a path


class Listed:
    """A training set of functions that each make one example, called when it is first asked for.

    Args:
        makers: one for each picture. What it raises, asking for the place raises.
        order: the maker of each place; None: each once. A picture that repeats is one example at several places.
    """

    def __init__(self, makers: Sequence[Maker], order: Sequence[int] | None = None):
        self._makers = makers
        self._order = range(len(makers)) if order is None else order
        self._made: dict[int, Example] = {}

    def __len__(self) -> int:
        return len(self._order)

    def __getitem__(self, place: int) -> Example:
        which = self._order[place]
        if which not in self._made:
            self._made[which] = self._makers[which]()
        return self._made[which]

    def first(self, limit: int | None) -> TrainingSet:
        """The first `limit` places; all if None."""
        return self if limit is None else Listed(self._makers, self._order[:limit])


def broken(message: str) -> Maker:
    """Stands where an example should be: `scan` counts it, and asking for it raises `UserError`."""

    def fail() -> Example:
        raise UserError(message)

    return fail


def example(
    name: str, captions: Sequence[str], load: Load, condition: Load | None = None, mask: Load | None = None
) -> Example:
    """An example of encoded pictures, which `load`, `condition` and `mask` fetch.

    Raises:
        UserError: the picture is missing, or not even its head can be read.
    """
    name = printable(name)  # a file may be called by what no text holds
    if any(_HALVES.search(caption) for caption in captions):
        raise UserError(
            f"{name}: the caption {list(captions)!a:.80} has half a character, as of a text cut or in another "
            "encoding; mend it."
        )
    content = load()
    return Example(
        name=name,
        captions=tuple(captions),
        size=_size(content, name),
        digest=digest(content),
        read=partial(_read, load, f"picture of {name}"),
        condition=partial(_read, condition, f"conditioning picture of {name}") if condition else None,
        mask=partial(_read_mask, mask, f"mask of {name}") if mask else None,
        digest_now=lambda: digest(load()),
    )


def digest(content: bytes | Image.Image) -> str:
    """SHA-256 of an encoded picture, or of the pixels that a decoded one shows: palette and orientation change them."""
    if isinstance(content, Image.Image):
        picture = open_image(content)
        content = f"{picture.mode} {picture.size} ".encode() + picture.tobytes()
    return hashlib.sha256(content).hexdigest()


def file_in(root: Path, name: str, where: str) -> Path:
    """A file that a data file names, relative to the folder `root`; it need not exist.

    It may be a symbolic link that leads out of the folder, as every file of Hugging Face's cache is: who made the
    folder made the link.

    Raises:
        UserError: an absolute path, or one with `..`.
    """
    try:
        return inside(root, name, links=True)
    except UserError as error:
        raise UserError(f"{where}: {error}") from None


def load_file(path: Path, where: str) -> bytes:
    """The bytes of a picture file. Raises `UserError`, which begins with `where`, if there is none that can be one."""
    return read_file(path, where, limits.PICTURE_BYTES)


def read_file(path: Path, where: str, most: int) -> bytes:
    """The bytes of a file. Raises `UserError`, which begins with `where`: none there, no regular file, above `most`."""
    try:
        return read_bytes(path, most)
    except UserError as error:
        raise UserError(str(error) if where == str(path) else f"{where}: {error}") from None
    except (OSError, ValueError) as error:  # a name that no file system takes is a ValueError
        name = printable(str(path))
        name = name if len(name) < _LONGEST else f"{name[:80]}..."  # what stands in its place may be no path at all
        problem = getattr(error, "strerror", None) or reason(error)
        raise UserError(f"{where}: {name} can't be read ({problem}); add the file or remove its row.") from None


def read_at(file: Path, offset: int, length: int) -> bytes:
    """Bytes from the middle of a file. Raises `UserError` if it has become shorter, or they are too many."""
    if length > limits.PICTURE_BYTES // 3 * 4 + limits.LINE_BYTES:  # a picture in base64
        raise UserError(f"{file} has a picture of {length} bytes; valid are up to {limits.PICTURE_BYTES}.")
    try:
        with open_regular(file) as opened:
            opened.seek(offset)
            content = opened.read(length)
    except OSError as error:
        raise UserError(f"{file} can't be read any more ({error.strerror or reason(error)}).") from None
    if len(content) < length:
        raise UserError(f"{file} ends within a picture: it was changed or cut off; make it again.")
    return content


def captions_of(value: object, where: str, column: str) -> tuple[str, ...]:
    """One caption or a list of them. Raises `UserError` for anything else."""
    captions = (value,) if isinstance(value, str) else tuple(value) if isinstance(value, list | tuple) else ()
    if not captions or not all(isinstance(caption, str) for caption in captions):
        raise UserError(f"{where}: {column!r} is {reprlib.repr(value):.80}; give a text or a list of texts.")
    if sum(map(len, captions)) > limits.CAPTION_BYTES:
        raise UserError(
            f"{where}: {column!r} has {sum(map(len, captions))} characters; valid are up to {limits.CAPTION_BYTES}."
        )
    return captions


def lines_of(text: str) -> list[str]:
    """The captions of a text, one a line; an empty text is an empty caption."""
    lines = text.replace("\r", "\n").split("\n")  # not `splitlines`: a caption may hold Word's and Unicode's own breaks
    return [line.strip() for line in lines if line.strip()] or [""]


def join(sets: Sequence[TrainingSet], weights: Sequence[float] | None = None) -> Listed:
    """Several training sets as one; `weights`: what each example's own weight is multiplied by, one number a set.

    DreamBooth's class pictures come as a second set, whose weight is that of the prior.
    """

    def make(which: int, place: int) -> Example:
        made = sets[which][place]
        factor = 1.0 if weights is None else weights[which]
        return Example(**{**made.__dict__, "weight": made.weight * factor})

    return Listed([partial(make, which, place) for which, one in enumerate(sets) for place in range(len(one))])


def mix(first: TrainingSet, second: TrainingSet, share: float) -> Listed:
    """Both sets as one, of which `share`, between 0 and 1, is the second's: the one that is too small for that repeats.

    Shares of each batch are a matter of the order then, and exact over an epoch, which shows every picture at least
    once. A batch is of one shape: pictures of other sizes than the other set's, and captions of more chunks, keep to
    themselves.
    """
    total = max(math.ceil(len(first) / (1 - share)), math.ceil(len(second) / share))
    both, order, taken = join([first, second]), [], 0
    for place in range(total):
        is_second = math.floor((place + 1) * share + 1e-9) > taken
        order.append(len(first) + taken % len(second) if is_second else (place - taken) % len(first))
        taken += is_second
    return Listed([partial(both.__getitem__, place) for place in range(len(both))], order)


def _size(content: bytes | Image.Image, name: str) -> tuple[int, int]:
    """Width and height of the upright picture, of its head alone where that is possible."""
    what = f"picture of {name}"
    if isinstance(content, Image.Image):
        return open_image(content, what=what).size
    return head_size(content, f"The {what}")


def _read(load: Load, what: str) -> Image.Image:
    return open_image(load(), what=what)


def _read_mask(load: Load, what: str) -> Image.Image:
    return read_mask(load(), what=what)
