"""Training sets that are folders of picture files: kohya's, and with one text per picture."""

import os
import re
import warnings
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pai_modelscope import limits
from pai_modelscope.data.captions import encodings_of, lines_of, read_caption_file
from pai_modelscope.data.examples import Broken, Example, Reader
from pai_modelscope.data.stored_pictures import PICTURES, PictureFile
from pai_modelscope.errors import UserError, printable

METADATA = ("metadata.jsonl", "metadata.csv")
CAPTIONS = (".txt", ".caption")
DOUBLE = "another file of the same name is taken"
# Pictures too, but none that Pillow reads by itself.
_OTHER_PICTURES = (".heic", ".heif", ".svg", ".jxl", ".psd", ".raw", ".dng")
_REPEATS = re.compile(r"(\d+)_(.*)", re.DOTALL)


@dataclass(frozen=True)
class Columns:
    """How the columns of a data file are called; None: the file's own names, where it has them."""

    image: str = "image"
    caption: str = "text"
    condition: str | None = None
    mask: str | None = None


@dataclass(frozen=True)
class PictureBeside:
    """A picture file and the text beside it; `caption` stands for a text that is missing."""

    path: Path
    text: Path | None
    caption: str | None


class FolderReader(Reader[PictureBeside]):
    """Picture files, each with the captions of the text beside it; texts are read when an example is asked for."""

    def __init__(
        self,
        root: Path,
        rows: Sequence[PictureBeside | Broken],
        encodings: Mapping[Path, str],
        order: Sequence[int] | None = None,
    ):
        """`root`: of the paths, for messages; `encodings`: of the texts that are not in UTF-8."""
        super().__init__(rows, order)
        self._root, self._encodings = root, encodings

    def example(self, row: PictureBeside) -> Example:
        path, text = row.path, row.text
        if text is not None:
            captions = lines_of(read_caption_file(text, self._encodings.get(text, "utf-8")))
        elif row.caption is not None:
            captions = [row.caption]
        else:
            raise UserError(f"{path} has no caption: write {path.stem}.txt beside it.")
        return Example.of(path.relative_to(self._root).as_posix(), captions, PictureFile(path, str(path)))


def open_kohya(root: Path) -> FolderReader:
    """kohya's folders: in `30_小狗`, every picture counts thirty times; without a text of its own it is a 小狗.

    Raises:
        UserError: none of the folders holds a picture, a folder repeats beyond `limits.REPEATS`. Pictures without a
            text in a folder without words, and texts without a picture, are broken examples.
    """
    subsets = [(folder, *repeats) for folder in sorted(_folders(root)) if (repeats := repeats_of(folder.name))]
    doubles: list[Path] = []
    texts = {folder: texts_in(folder, doubles) for folder, _, _ in subsets}
    encodings = encodings_of([path for named in texts.values() for path in named.values()])
    rows: list[PictureBeside | Broken] = []
    order: list[int] = []
    pictures: list[Path] = []
    for folder, times, words in subsets:
        paths = list(pictures_in(folder))
        rows_of_folder = _beside(paths, texts[folder], words or None)
        if len(order) + len(rows_of_folder) * times > limits.ROWS:
            raise UserError(f"{folder} makes more than {limits.ROWS} pictures of the set: let it repeat less.")
        for place in range(len(rows_of_folder)):
            order += [len(rows) + place] * times
        rows += rows_of_folder
        pictures += paths
    if not order:
        raise UserError(f"{root} has folders such as 30_dog, but no pictures in them that repeat at least once.")
    warn_of_others(root, pictures)
    warn_of_left_out("Captions", doubles, DOUBLE)
    return FolderReader(root, rows, encodings, order)


def open_plain(root: Path, caption: str | None = None) -> FolderReader:
    """A folder of pictures, each beside a text of the same name; `caption` stands for texts that are missing.

    Raises:
        UserError: no pictures; no texts at all and no `caption`. Single pictures without a text, and texts without a
            picture, are broken examples.
    """
    paths = list(pictures_in(root))
    if not paths:
        raise UserError(f"{root} holds no pictures; valid are {', '.join(PICTURES)}.")
    doubles: list[Path] = []
    texts = texts_in(root, doubles)
    if caption is None and not any(path.stem in texts for path in paths):
        raise UserError(
            f"{root} has {len(paths)} pictures and no captions: write {METADATA[0]}, or a {paths[0].stem}.txt beside "
            f"{paths[0].name} and so on, or name the folder like 10_小狗 inside another."
        )
    warn_of_others(root, paths)
    warn_of_left_out("Captions", doubles, DOUBLE)
    return FolderReader(root, _beside(paths, texts, caption), encodings_of(list(texts.values())))


def repeats_of(name: str) -> tuple[int, str] | None:
    """How often the pictures of a folder of kohya's kind count, and the words that its name gives them.

    None for a folder of another kind.

    Raises:
        UserError: beyond `limits.REPEATS`, as a date is.
    """
    parts = _REPEATS.fullmatch(name)
    if parts is None:
        return None
    times = int(parts[1]) if len(parts[1]) < 20 else limits.REPEATS + 1
    if times > limits.REPEATS:
        raise UserError(
            f"{name[:200]!r} asks for {parts[1][:20]} repeats of its pictures; valid are up to {limits.REPEATS}. If "
            "the number is a date, rename the folder, such as to 10_photos, or give it by itself."
        )
    return times, parts[2].replace("_", " ").strip()


def is_kohya(root: Path) -> bool:
    return any(_REPEATS.fullmatch(folder.name) for folder in _folders(root))


def pictures_in(folder: Path) -> Iterator[Path]:
    """The picture files of a folder by name. They may be symbolic links to anywhere: who made the folder made them."""
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() in PICTURES and not path.name.startswith("."):
            yield path


def _folders(root: Path) -> list[Path]:
    return [path for path in root.iterdir() if path.is_dir()]


def texts_in(folder: Path, doubles: list[Path]) -> dict[str, Path]:
    """The caption files of a folder by what they are called without their suffix; .txt goes before .caption.

    Those of a name that another one has are added to `doubles`.
    """
    files = [path for path in sorted(folder.iterdir()) if path.is_file() and not path.name.startswith(".")]
    texts: dict[str, Path] = {}
    for kind in reversed(CAPTIONS):
        for path in files:
            if path.suffix.lower() == kind:
                doubles += [texts[path.stem]] if path.stem in texts else []
                texts[path.stem] = path
    return texts


def in_sight(path: Path, root: Path) -> bool:
    """Whether nothing on the way from `root` is hidden, as `.cache` is, and the `._x.png` of a Mac."""
    return not any(part.startswith(".") for part in path.relative_to(root).parts)


def warn_of_others(
    root: Path, read: Collection[Path] = (), why: str = "they lie in another folder, or are of no kind that is read"
) -> None:
    """Say which pictures lie there, too, and are not read."""
    kinds, known = {*PICTURES, *_OTHER_PICTURES}, {os.path.normpath(path) for path in read}
    pictures = (path for path in root.rglob("*") if path.suffix.lower() in kinds)
    left_out = (path for path in pictures if os.path.normpath(path) not in known and in_sight(path, root))
    warn_of_left_out(f"Pictures in {root}", [path.relative_to(root).as_posix() for path in left_out], why)


def warn_of_left_out(what: str, names: Collection[object], why: str) -> None:
    """Say in one warning how many `names` are left out, and the first of them."""
    if names:
        text = f"{what} that are left out: {len(names)}, the first {min(map(str, names))[:200]}; {why}."
        warnings.warn(printable(text), stacklevel=3)


def _beside(paths: list[Path], texts: dict[str, Path], caption: str | None) -> list[PictureBeside | Broken]:
    """Of the pictures of a folder and the texts beside them; a text without a picture is a broken example."""
    lonely = sorted(texts.keys() - {path.stem for path in paths})
    return [
        *(PictureBeside(path, texts.get(path.stem), caption) for path in paths),
        *(Broken(f"{texts[stem]}: a caption without a picture; remove it.") for stem in lonely),
    ]
