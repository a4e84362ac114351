"""Build the pictures of other hands: `python -m recipes.collections.build --npm NODE_MODULES --debian FOLDER`.

Writes `collections.jsonl.xz` (a record a line), `SUMMARY.json` (counts, versions, what was left out and why) and
`NOTICE.part` (attribution). Reads only the two folders; the same packages give the same bytes. Node must be installed:
it draws the portraits.
"""

import argparse
import json
import textwrap
from collections import Counter
from pathlib import Path

from recipes.collections import furniture, iconify, openclipart, portraits
from recipes.collections.leaks import leak
from recipes.collections.licenses import ALLOWED_LICENSES
from recipes.collections.names import EmojiNames
from recipes.collections.pictures import LeftOut, Picture
from recipes.mini.dataset.build import write_records
from recipes.mini.dataset.packages import load_json, package_version

PORTRAITS = 600  # in each style


def build(npm: Path, debian: Path, out: Path, number: int = PORTRAITS) -> tuple[list[Picture], LeftOut]:
    """Write the file and its summary under `out`; return the pictures and what was left out.

    Args:
        npm: the `node_modules` folder with the versions of `package-lock.json`.
        debian: where Debian's `openclipart-svg` and `sweethome3d-furniture` were unpacked.
        out: a folder, made where it is missing.
        number: portraits to draw in each style.
    """
    left_out = LeftOut()
    emoji = EmojiNames(npm)
    pictures = [picture for icons in iconify.COLLECTIONS for picture in iconify.read(npm, icons, emoji, left_out)]
    pictures += openclipart.read(debian, emoji, left_out)
    pictures += furniture.read(debian, emoji, left_out)
    pictures += portraits.read(npm, number, left_out)
    pictures = without_leaks(pictures, left_out)
    check(pictures)
    write_records((picture.record() for picture in pictures), out / "collections.jsonl.xz")
    summary = summarise(pictures, left_out, npm)
    (out / "NOTICE.part").write_text(notice(pictures), encoding="utf-8")
    (out / "SUMMARY.json").write_text(json.dumps(summary, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
    return pictures, left_out


def without_leaks(pictures: list[Picture], left_out: LeftOut) -> list[Picture]:
    """Return the pictures that the base UNet may see, and count the others by what they would show it."""
    kept = []
    for picture in pictures:
        if found := leak(picture):
            left_out.add(picture.source, f"held out: {found}")
        else:
            kept.append(picture)
    return kept


def check(pictures: list[Picture]) -> None:
    """Raise RuntimeError for a licence that is not on the list, an id that repeats, or a picture without a name."""
    ids = Counter(picture.id for picture in pictures)
    repeated = [name for name, count in ids.items() if count > 1]
    wrong = {picture.license for picture in pictures} - set(ALLOWED_LICENSES)
    nameless = [picture.id for picture in pictures if not picture.name or not picture.author]
    if repeated or wrong or nameless:
        raise RuntimeError(f"ids repeat: {repeated[:5]}; licences: {sorted(wrong)}; no name or author: {nameless[:5]}")


def summarise(pictures: list[Picture], left_out: LeftOut, npm: Path) -> dict:
    """Return counts by source and licence, the versions that were read, and what was left out."""
    packages = load_json(Path(__file__).with_name("package.json"))["dependencies"]
    return {
        "pictures": len(pictures),
        "licenses": dict(sorted(Counter(picture.license for picture in pictures).items())),
        "sources": {
            source: {
                "pictures": count,
                "names": len({picture.name for picture in pictures if picture.source == source}),
                "licenses": sorted({picture.license for picture in pictures if picture.source == source}),
                "authors": len({picture.author for picture in pictures if picture.source == source}),
            }
            for source, count in sorted(Counter(picture.source for picture in pictures).items())
        },
        "versions": {
            **{package: package_version(npm, package) for package in packages},
            "openclipart-svg": openclipart.VERSION,
            "sweethome3d-furniture": furniture.VERSION,
        },
        "left_out": left_out.table(),
    }


def notice(pictures: list[Picture]) -> str:
    """Return the paragraph of the project's NOTICE: who made what, under which licence, where it is at home.

    Names stand for whom a licence asks to be named; who dedicated a work to the public is named in the records.
    """
    lines = ["Pictures of other hands, from which weights that ship learned, too:", ""]
    works: dict[tuple[str, str, str], set[str]] = {}
    for picture in pictures:
        works.setdefault((picture.source, picture.license, picture.url), set()).add(picture.author)
    for (source, license, url), authors in sorted(works.items()):
        free = license in ("CC0-1.0", "Public-Domain")
        by = f"{len(authors)} author{'s' * (len(authors) > 1)}" if free else ", ".join(sorted(authors))
        lines += textwrap.wrap(f"- {source}, by {by}, {license}, {url}", 118, subsequent_indent="  ")
    lines += [
        "",
        "CC-BY-3.0: https://creativecommons.org/licenses/by/3.0/ , CC-BY-4.0: https://creativecommons.org/licenses/by/4.0/",
    ]
    lines += ["Changed: cut to what is drawn, without metadata; the portraits were drawn from the authors' parts."]
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--npm", type=Path, required=True, help="node_modules folder with the pinned packages")
    parser.add_argument(
        "--debian", type=Path, required=True, help="where the Debian packages were unpacked with dpkg -x"
    )
    parser.add_argument("--out", type=Path, default=Path("build/collections"))
    parser.add_argument("--portraits", type=int, default=PORTRAITS, help="in each style")
    options = parser.parse_args()
    pictures, left_out = build(options.npm, options.debian, options.out, options.portraits)
    for (source, license), count in sorted(Counter((p.source, p.license) for p in pictures).items()):
        print(f"{count:6} {source:24} {license}")
    print(f"{len(pictures):6} in {options.out}")
    for source, reasons in left_out.table().items():
        for reason, count in reasons.items():
            print(f"{count:6} left out of {source}: {reason}")


if __name__ == "__main__":
    main()
