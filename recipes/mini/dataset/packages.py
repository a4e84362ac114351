"""Reading the npm packages: icon collections in Iconify's format, and JSON tables."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

_ROOT = (
    '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
    'viewBox="{box}"{color}>{body}</svg>'
)


@dataclass(frozen=True)
class Icon:
    """One picture of a collection: its name, the other names that the collection gives it, and a complete SVG."""

    name: str
    synonyms: tuple[str, ...]
    svg: str


@cache
def load_json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def package_version(npm: Path, package: str) -> str:
    return load_json(npm / package / "package.json")["version"]


def _number(value: float) -> str:
    return f"{value:.4f}".rstrip("0").rstrip(".")


def square_svg(body: str, left: float, top: float, width: float, height: float) -> str:
    """Wrap a body in an `<svg>` whose view box is a square around the picture's own box.

    A square box keeps flags and other wide pictures undistorted at any square size, without a nested `<svg>`.
    """
    side = max(width, height)
    box = (left - (side - width) / 2, top - (side - height) / 2, side, side)
    # A fixed ink colour: "currentColor" has no meaning outside a web page.
    color = ' color="#202020"' if "currentColor" in body else ""
    return _ROOT.format(box=" ".join(map(_number, box)), color=color, body=body)


def icons(npm: Path, prefix: str) -> Iterator[Icon]:
    """Visible pictures of `@iconify-json/<prefix>`, mirrored copies included.

    An alias without a transformation is a second name; one with `hFlip` is a picture of its own.
    """
    collection = load_json(npm / "@iconify-json" / prefix / "icons.json")
    aliases = collection.get("aliases", {})
    synonyms: dict[str, list[str]] = {}
    for name, alias in aliases.items():
        if set(alias) <= {"parent", "hidden"}:
            synonyms.setdefault(alias["parent"], []).append(name)

    for name, icon in collection["icons"].items():
        if not icon.get("hidden"):
            yield Icon(name, tuple(synonyms.get(name, ())), _icon_svg(collection, icon, icon["body"]))
    for name, alias in aliases.items():
        if alias.get("hFlip") and not alias.get("hidden") and set(alias) <= {"parent", "hFlip"}:
            icon = collection["icons"][alias["parent"]]
            shift = 2 * icon.get("left", 0) + icon.get("width", collection["width"])
            body = f'<g transform="translate({_number(shift)} 0) scale(-1 1)">{icon["body"]}</g>'
            yield Icon(name, (), _icon_svg(collection, icon, body))


def _icon_svg(collection: dict, icon: dict, body: str) -> str:
    box = {key: icon.get(key, collection.get(key, 0)) for key in ("left", "top", "width", "height")}
    return square_svg(body, **box)
