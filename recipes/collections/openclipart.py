"""Debian's `openclipart-svg`: drawings by hundreds of hands, dedicated to the public domain file by file."""

import hashlib
import html
import re
from collections.abc import Iterator
from pathlib import Path

from pai_modelscope.data.render import render_svg
from recipes.collections.debian import check_version
from recipes.collections.drawing import colouring, cut_out
from recipes.collections.licenses import LicenseError, agreed_license, contradiction
from recipes.collections.names import EmojiNames, Names, read_table, stands_alone
from recipes.collections.pictures import LeftOut, Picture

SOURCE = "openclipart"
STYLES = {"colour": "剪贴画风格", "grey": "黑白剪贴画风格", "silhouette": "剪影剪贴画风格"}
MAX_BYTES = 150_000
PACKAGE = "openclipart-svg"
VERSION = "1:0.18+dfsg-19"
_FOLDER = Path("usr/share/openclipart/svg")
_URL = "https://openclipart.org/"
_LICENSE = re.compile(r'<(?:\w+:)?license\s+rdf:resource="([^"]*)"')
_IMAGE, _TEXT = re.compile(r"<(?:\w+:)?image\b"), re.compile(r"<(?:\w+:)?(?:text|flowRoot)\b")


def read(debian: Path, emoji: EmojiNames, left_out: LeftOut) -> Iterator[Picture]:
    """Read the files that `names/openclipart.tsv` names from an unpacked Debian package.

    Raises:
        FileNotFoundError: `debian` holds no unpacked `openclipart-svg`.
        RuntimeError: it is not the version whose pictures were named.
    """
    check_version(debian, PACKAGE, VERSION)
    folder = debian / _FOLDER
    table = read_table(SOURCE)
    foods = _foods(folder)
    seen: set[str] = set()
    for path in sorted(path for path in folder.rglob("*.svg") if not path.is_symlink()):
        place = path.relative_to(folder).with_suffix("").as_posix()
        if path in foods:
            left_out.add(SOURCE, "food, by its folder")
        elif place not in table:
            left_out.add(SOURCE, "no Chinese name written")
        else:
            try:
                picture = _picture(path, place, table[place], emoji, seen)
            except (LicenseError, ValueError) as error:
                left_out.add(SOURCE, str(error))
            else:
                yield picture


def _foods(folder: Path) -> set[Path]:
    """Return the files in the folder of food, and those that a link there leads to."""
    return {path.resolve() for path in (folder / "food").rglob("*.svg")}


def _picture(path: Path, place: str, names: Names, emoji: EmojiNames, seen: set[str]) -> Picture:
    data = path.read_bytes()
    text = data.decode("utf-8", errors="replace")
    if len(data) > MAX_BYTES:
        raise ValueError("too large a file")
    if _IMAGE.search(text):
        raise ValueError("holds a raster picture, whose origin is not stated")
    if _TEXT.search(text):
        raise ValueError("holds text in a font of its own")
    license = agreed_license(_LICENSE.findall(text))
    if words := contradiction(text):
        raise LicenseError(f"the file contradicts its licence: {words.lower()}")
    svg = cut_out(data)
    pixels = render_svg(svg, 96)
    digest = hashlib.sha256(pixels.tobytes()).hexdigest()
    if digest in seen:
        raise ValueError("repeats another picture")
    seen.add(digest)
    look = colouring(pixels)
    return Picture(
        id=f"{SOURCE}/{place}",
        source=SOURCE,
        svg=svg,
        name=names.name,
        aliases=list(names.aliases),
        keywords=emoji.keywords(names),
        family=emoji.family(names),
        en_name=_metadata(text, r"<(?:\w+:)?metadata.*?<dc:title[^>]*>([^<]*)"),
        style=STYLES[look],
        bare=stands_alone(names) and look == "colour",
        license=license,
        author=_metadata(text, r"<dc:creator>.*?<dc:title[^>]*>([^<]*)") or "Open Clip Art Library",
        url=_URL,
    )


def _metadata(text: str, pattern: str) -> str:
    match = re.search(pattern, text, re.DOTALL)
    return html.unescape(" ".join(match[1].split())) if match else ""
