"""The README's cards: a few pictures of the gallery, declared in its index."""

import io
import os
import re
from pathlib import Path

from PIL import Image

from pai_modelscope.errors import UserError
from pai_modelscope.files import whole, write_text
from pai_modelscope.gallery.draw import draw
from pai_modelscope.gallery.index import Card, Index

BEGIN, END = "<!-- cards: made from gallery/index.yaml by 'pai-modelscope gallery cards' -->", "<!-- /cards -->"
_COLUMNS = 4
_SIDE, _QUALITY = 200, 80


def write_cards(index: Index, readmes: dict[str, Path], pictures: Path, kept: Path) -> list[Path]:
    """Bring the READMEs, by language, and the cards' pictures up to date; gives the files that changed.

    A picture whose training result is not there stays as it is. Raises `UserError` if a README has no place for cards.
    """
    texts = {path: in_sync(path, index, language, pictures) for language, path in readmes.items()}
    changed = [path for path, text in texts.items() if path.read_text(encoding="utf-8") != text]
    named = {card.picture for card in index.cards}
    drawn = draw([entry for entry in index.entries if entry.key in named], kept)
    for key, parts in drawn.items():
        path, content = pictures / f"{key}.webp", thumbnail(parts[-1])
        if not path.exists() or path.read_bytes() != content:
            with whole(path) as partial:
                partial.write_bytes(content)
            changed.append(path)
    for path in changed:
        if path in texts:
            write_text(path, texts[path])
    return changed


def in_sync(readme: Path, index: Index, language: str, pictures: Path) -> str:
    """Give the README's text with the cards that the index declares. Raises `UserError` if it has no place for them."""
    text = readme.read_text(encoding="utf-8")
    place = re.compile(f"{re.escape(BEGIN)}.*?{re.escape(END)}", re.DOTALL)
    if len(place.findall(text)) != 1:
        raise UserError(f"{readme} has no place for cards: write the lines {BEGIN} and {END} into it once")
    folder = os.path.relpath(pictures, readme.parent).replace(os.sep, "/")
    return place.sub(lambda _: f"{BEGIN}\n\n{table(index, language, folder)}\n\n{END}", text)


def table(index: Index, language: str, folder: str) -> str:
    """Write the cards as Markdown: four a row, the picture over its text, both leading to the card's page."""

    def picture(card: Card) -> str:
        return f"[![{getattr(card, language)}]({folder}/{card.picture}.webp)]({card.link})"

    rows = [index.cards[place : place + _COLUMNS] for place in range(0, len(index.cards), _COLUMNS)]
    lines = []
    for row in rows:
        lines.append("| " + " | ".join(picture(card) for card in row) + " |")
        if len(lines) == 1:
            lines.append("|" + " :---: |" * len(row))
        lines.append("| " + " | ".join(f"[{getattr(card, language)}]({card.link})" for card in row) + " |")
    return "\n".join(lines)


def thumbnail(picture: Image.Image) -> bytes:
    """Cut a small square from the middle of the picture, as a WebP file."""
    side = min(picture.size)
    left, top = (picture.width - side) // 2, (picture.height - side) // 2
    small = picture.crop((left, top, left + side, top + side)).resize((_SIDE, _SIDE), Image.Resampling.LANCZOS)
    file = io.BytesIO()
    small.save(file, "WEBP", quality=_QUALITY, method=6)
    return file.getvalue()
