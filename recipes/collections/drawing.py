"""Drawings from a page: cut to what is drawn, freed of editors' data, and described by their colours."""

import re
from xml.etree import ElementTree

from PIL import Image

from pai_modelscope.data.render import render_svg

Box = tuple[float, float, float, float]  # left, top, width, height

_SVG = "{http://www.w3.org/2000/svg}"
_EDITORS = ("sodipodi", "inkscape", "adobe", "rdf-syntax", "purl.org", "web.resource.org", "creativecommons")
_UNITS = {"": 1.0, "px": 1.0, "pt": 4 / 3, "pc": 16.0, "mm": 96 / 25.4, "cm": 96 / 2.54, "in": 96.0}
_MARGIN = 0.04
_PAGES = 3.0  # a drawing is looked for this many pages wide
_SPILL = 1.6  # larger than this many pages, what lies outside of the page is an editor's scrap
ElementTree.register_namespace("", _SVG[1:-1])
ElementTree.register_namespace("xlink", "http://www.w3.org/1999/xlink")


def cut_out(svg: bytes) -> str:
    """Return the drawing in a square view box that fits around what is drawn, without metadata.

    Raises:
        ValueError: the file is no SVG, states no size, or draws nothing.
    """
    try:
        root = ElementTree.fromstring(svg)
    except ElementTree.ParseError as error:
        raise ValueError("no valid SVG") from error
    _strip(root)
    page = _page(root)
    for attribute in ("width", "height", "x", "y", "preserveAspectRatio"):
        root.attrib.pop(attribute, None)
    spread = _ink(root, _square(page, _PAGES))
    if spread is None:
        raise ValueError("draws nothing")
    if max(spread[2:]) > _SPILL * max(page[2:]):
        spread = page
    ink = _ink(root, _square(spread, 1.1))
    if ink is None:
        raise ValueError("draws nothing")
    _set_box(root, _square(ink, 1 + 2 * _MARGIN))
    return ElementTree.tostring(root, encoding="unicode")


def _strip(element: ElementTree.Element) -> None:
    """Remove metadata and editors' elements and attributes, which draw nothing."""
    for child in list(element):
        if not isinstance(child.tag, str) or child.tag == f"{_SVG}metadata" or _is_editors(child.tag):
            element.remove(child)
        else:
            _strip(child)
    for name in [name for name in element.attrib if _is_editors(name)]:
        del element.attrib[name]


def _is_editors(name: str) -> bool:
    return name.startswith("{") and any(word in name.partition("}")[0].lower() for word in _EDITORS)


def _page(root: ElementTree.Element) -> Box:
    if "viewBox" in root.attrib:
        left, top, width, height = map(float, re.split(r"[\s,]+", root.attrib["viewBox"].strip()))
    else:
        left, top, width, height = 0.0, 0.0, _length(root.get("width")), _length(root.get("height"))
    if width <= 0 or height <= 0:
        raise ValueError("states no size")
    return left, top, width, height


def _length(text: str | None) -> float:
    match = re.fullmatch(r"([\d.]+(?:e[+-]?\d+)?)([a-z]*)", (text or "").strip())
    if match is None or match[2] not in _UNITS:
        raise ValueError("states no size")
    return float(match[1]) * _UNITS[match[2]]


def _square(box: Box, scale: float) -> Box:
    left, top, width, height = box
    side = max(width, height) * scale
    return left + (width - side) / 2, top + (height - side) / 2, side, side


def _set_box(root: ElementTree.Element, box: Box) -> None:
    root.set("viewBox", " ".join(f"{value:.4g}" if abs(value) < 1 else f"{value:.2f}" for value in box))


def _ink(root: ElementTree.Element, window: Box, pixels: int = 256) -> Box | None:
    """Return the box around everything that is drawn in a square window, None if nothing is."""
    _set_box(root, window)
    alpha = render_svg(ElementTree.tostring(root, encoding="unicode"), pixels).getchannel("A")
    box = alpha.point(lambda value: 255 * (value > 8)).getbbox()
    if box is None:
        return None
    unit = window[2] / pixels
    left, top, right, bottom = box
    return window[0] + left * unit, window[1] + top * unit, (right - left) * unit, (bottom - top) * unit


def colouring(picture: Image.Image) -> str:
    """Say how an RGBA picture is coloured: "colour", "grey" (black, white and greys) or "silhouette" (nearly all dark).

    A fiftieth of the visible pixels makes a picture coloured; nine tenths of them make it dark.
    """
    data = picture.resize((48, 48)).tobytes()
    visible = [data[place : place + 3] for place in range(0, len(data), 4) if data[place + 3] > 127]
    if not visible:
        return "grey"
    coloured = sum(max(pixel) - min(pixel) > 40 for pixel in visible) / len(visible)
    dark = sum(max(pixel) < 80 for pixel in visible) / len(visible)
    if coloured > 0.02:
        return "colour"
    return "silhouette" if dark > 0.9 else "grey"
