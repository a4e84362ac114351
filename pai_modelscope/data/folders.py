"""Training sets that are folders of picture files: with a metadata file, kohya's, and with one text per picture."""

import csv
import json
import os
import re
import warnings
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from pai_modelscope.data.examples import Example
from pai_modelscope.data.records import (
    PICTURES,
    Listed,
    Maker,
    broken,
    captions_of,
    example,
    file_in,
    lines_of,
    load_file,
)
from pai_modelscope.errors import UserError

METADATA = ("metadata.jsonl", "metadata.csv")
CAPTIONS = (".txt", ".caption")
# Pictures too, but none that Pillow reads by itself.
_OTHER_PICTURES = (".heic", ".heif", ".svg", ".jxl", ".psd", ".raw", ".dng")
_REPEATS = re.compile(r"(\d+)_(.*)")


@dataclass(frozen=True)
class Columns:
    """How the columns of a data file are called; None: the file's own names, where it has them."""

    image: str = "image"
    caption: str = "text"
    condition: str | None = None
    mask: str | None = None


def open_metadata(file: Path, columns: Columns) -> Listed:
    """A folder with `metadata.jsonl` or `metadata.csv`, as of Hugging Face's ImageFolder.

    A row has `file_name` and a caption, or a list of them; `conditioning_file_name` and `mask_file_name` if it likes.

    Raises:
        UserError: no rows, a line that is no row, no such column, a path that leaves the folder.
    """
    makers: list[Maker] = []
    taken: set[Path] = set()
    for line, row in _rows(file):
        where = f"{file}, line {line}"
        picture = _column(row, ("file_name", columns.image, f"{columns.image}_file_name"), where)
        if columns.caption not in row:
            raise UserError(f"{where}: there is no column {columns.caption!r}; the row has {', '.join(row)}.")
        captions = captions_of(row[columns.caption], where, columns.caption)
        extra = {
            "condition": _optional(row, columns.condition, "conditioning", where),
            "mask": _optional(row, columns.mask, "mask", where),
        }
        files = {kind: file_in(file.parent, name, where) for kind, name in extra.items() if name}
        files["load"] = file_in(file.parent, picture, where)
        taken.update(files.values())
        makers.append(
            partial(
                example, picture, captions, **{kind: partial(load_file, each, where) for kind, each in files.items()}
            )
        )
    if not makers:
        raise UserError(f"{file} has no rows; give a file_name and a {columns.caption} for each picture.")
    warn_of_others(file.parent, taken, f"no row of {file.name} names them")
    return Listed(makers)


def open_kohya(root: Path) -> Listed:
    """kohya's folders: in `30_小狗`, every picture counts thirty times; without a text of its own it is a 小狗.

    Raises:
        UserError: none of the folders holds a picture, a path leaves the folder. Pictures without a text in a folder
            without words, and texts without a picture, are broken examples.
    """
    makers: list[Maker] = []
    order: list[int] = []
    taken: list[Path] = []
    for folder in sorted(each for each in root.iterdir() if each.is_dir() and _REPEATS.fullmatch(each.name)):
        times, words = re.fullmatch(_REPEATS, folder.name).groups()  # type: ignore[union-attr]
        paths = list(pictures_in(folder, root))
        made = _beside(paths, folder, root, words.replace("_", " ").strip() or None)
        for place in range(len(made)):
            order += [len(makers) + place] * int(times)
        makers += made
        taken += paths
    if not order:
        raise UserError(f"{root} has folders such as 30_dog, but no pictures in them that repeat at least once.")
    warn_of_others(root, taken)
    return Listed(makers, order)


def open_plain(root: Path, caption: str | None = None) -> Listed:
    """A folder of pictures, each beside a text of the same name; `caption` stands for texts that are missing.

    Raises:
        UserError: no pictures; no texts at all and no `caption`. Single pictures without a text, and texts without a
            picture, are broken examples.
    """
    paths = list(pictures_in(root, root))
    if not paths:
        raise UserError(f"{root} holds no pictures; valid are {', '.join(PICTURES)}.")
    texts = texts_in(root)
    if caption is None and not any(path.stem in texts for path in paths):
        raise UserError(
            f"{root} has {len(paths)} pictures and no captions: write {METADATA[0]}, or a {paths[0].stem}.txt beside "
            f"{paths[0].name} and so on, or name the folder like 10_小狗 inside another."
        )
    warn_of_others(root, paths)
    return Listed(_beside(paths, root, root, caption))


def is_kohya(root: Path) -> bool:
    return any(each.is_dir() and _REPEATS.fullmatch(each.name) for each in root.iterdir())


def pictures_in(folder: Path, root: Path) -> Iterator[Path]:
    """The picture files of a folder by name. Raises `UserError` for a symbolic link that leaves `root`."""
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() in PICTURES and not path.name.startswith("."):
            yield file_in(root, path.relative_to(root).as_posix(), str(folder))


def texts_in(folder: Path) -> dict[str, Path]:
    """The caption files of a folder by what they are called without their suffix; .txt goes before .caption."""
    found = [path for path in sorted(folder.iterdir()) if path.is_file() and not path.name.startswith(".")]
    return {path.stem: path for kind in reversed(CAPTIONS) for path in found if path.suffix.lower() == kind}


def in_sight(path: Path, root: Path) -> bool:
    """Whether nothing on the way from `root` is hidden, as `.cache` is, and the `._x.png` of a Mac."""
    return not any(part.startswith(".") for part in path.relative_to(root).parts)


def warn_of_others(
    root: Path, taken: Collection[Path] = (), why: str = "they lie in another folder, or are of no kind that is read"
) -> None:
    """Say which pictures lie there, too, and are not taken."""
    kinds, known = {*PICTURES, *_OTHER_PICTURES}, {os.path.normpath(path) for path in taken}
    pictures = (path for path in root.rglob("*") if path.suffix.lower() in kinds)
    left = (path for path in pictures if os.path.normpath(path) not in known and in_sight(path, root))
    others = sorted(path.relative_to(root).as_posix() for path in left)
    if others:
        warnings.warn(
            f"Pictures in {root} that are left out: {len(others)}, the first {others[0]}; {why}.", stacklevel=2
        )


def _beside(paths: list[Path], folder: Path, root: Path, caption: str | None) -> list[Maker]:
    """Of the pictures of a folder and the texts beside them; a text without a picture is a broken example."""
    texts = texts_in(folder)
    makers: list[Maker] = [partial(_example_of_file, path, texts.get(path.stem), root, caption) for path in paths]
    lonely = texts.keys() - {path.stem for path in paths}
    return makers + [broken(f"{texts[stem]}: a caption without a picture; remove it.") for stem in sorted(lonely)]


def _example_of_file(path: Path, text: Path | None, root: Path, caption: str | None) -> Example:
    if text is None and caption is None:
        raise UserError(f"{path} has no caption: write {path.stem}.txt beside it.")
    captions = [caption or ""] if text is None else read_captions(file_in(root, str(text.relative_to(root)), str(root)))
    return example(path.relative_to(root).as_posix(), captions, partial(load_file, path, str(path)))


def read_captions(path: Path) -> list[str]:
    """The captions of a text file, one a line; an empty file is an empty caption."""
    try:
        return lines_of(load_file(path, str(path)).decode("utf-8-sig"))
    except UnicodeDecodeError:
        raise UserError(f"{path} is not in UTF-8; save it in that encoding.") from None


def _rows(file: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    try:
        with open(file, encoding="utf-8-sig", newline="") as lines:
            yield from _csv_rows(lines, file) if file.suffix == ".csv" else _json_rows(lines, file)
    except UnicodeDecodeError:
        raise UserError(f"{file} is not in UTF-8; save it in that encoding.") from None
    except csv.Error as error:
        raise UserError(f"{file} is no valid CSV ({error}); write it with a CSV library, or as .jsonl.") from None


def _json_rows(lines: Any, file: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError as error:
            raise UserError(f"{file}, line {number}: no valid JSON ({error}); give one object a line.") from None
        if not isinstance(row, dict):
            raise UserError(f"{file}, line {number}: a {type(row).__name__}; give one object a line.")
        yield number, row


def _csv_rows(lines: Any, file: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    reader = csv.DictReader(lines)
    for row in reader:
        if None in row or None in row.values():
            raise UserError(
                f"{file}, line {reader.line_num}: not as many fields as the {len(reader.fieldnames or ())} names in "
                "line 1; put a caption that has commas in double quotes."
            )
        yield reader.line_num, row


def _column(row: dict[str, Any], names: tuple[str, ...], where: str) -> str:
    found = next((name for name in names if name in row), None)
    if found is None or not isinstance(row[found], str) or not row[found]:
        raise UserError(f"{where}: there is no {names[0]}; the row has {', '.join(map(str, row)) or 'nothing'}.")
    return row[found]


def _optional(row: dict[str, Any], column: str | None, kind: str, where: str) -> str | None:
    """The file of a condition or mask; a column that the user named must be there."""
    if column is not None:
        return _column(row, (column, f"{column}_file_name"), where)
    name = next((row[each] for each in (f"{kind}_file_name", f"{kind}_image_file_name") if row.get(each)), None)
    return None if name is None else str(name)
