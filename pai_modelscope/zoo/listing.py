"""The zoo as text, for the command line and notebooks."""

import json
import unicodedata
from collections.abc import Mapping

from pai_modelscope.zoo.entries import ENTRIES, Entry, find

_LABELS = {
    "kind": "kind",
    "domain": "domain",
    "resolution": "resolution",
    "base": "made for",
    "text_encoder": "text encoder",
    "modelscope_id": "ModelScope",
    "revision": "revision",
    "huggingface_id": "Hugging Face",
    "licence": "licence",
}


def table() -> str:
    """List all entries, one a line; a trailing ? marks a fact that was not confirmed."""
    rows: list[tuple[str, ...]] = [("NAME", "KIND", "DOMAIN", "PIXELS", "MODELSCOPE", "HUGGING FACE")]
    for entry in ENTRIES:
        place = ("in this package", "-") if entry.shipped else (_fact(entry, "modelscope_id"), entry.huggingface_id)
        rows.append((entry.name, entry.kind, entry.domain, _fact(entry, "resolution"), *map(str, place)))
    widths = [max(map(_width, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join(map(_pad, row, widths)).rstrip() for row in rows]
    return "\n".join([*lines, "", "? = not confirmed. `pai-modelscope zoo show NAME` tells licence and settings."])


def show(name: str) -> str:
    """Write everything known about one entry; UserError when the zoo has no such name or id."""
    entry = find(name)
    lines = [entry.name]
    for field, label in _LABELS.items():
        value = getattr(entry, field)
        if value is not None:
            doubt = " (unconfirmed)" if field in entry.unconfirmed else ""
            lines.append(f"  {label + ':':<14}{value}{doubt}")
    settings = _settings(entry)
    if settings:
        lines.append(f"  {'settings:':<14}" + ", ".join(f"{key}={value!r}" for key, value in settings.items()))
    if entry.shipped:
        lines.append(f"  {'where:':<14}inside this package; works without a network")
    if entry.note:
        lines.append(f"  {'note:':<14}{entry.note}")
    return "\n".join(lines)


def _settings(entry: Entry) -> Mapping[str, object]:
    """What the entry recommends; the shipped model's own file is the only place where its values stand."""
    if not entry.shipped:
        return entry.settings
    from pai_modelscope.zoo.resolve import shipped_folder

    try:
        content: dict[str, dict[str, object]] = json.loads(
            (shipped_folder(entry.name) / "configuration.json").read_text("utf-8")
        )
        return content.get("generation", {})
    except (OSError, ValueError):
        return {}


def _fact(entry: Entry, field: str) -> str:
    return f"{getattr(entry, field)}{'?' if field in entry.unconfirmed else ''}"


def _width(text: str) -> int:
    """Columns on a terminal: Chinese characters take two."""
    return sum(2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in text)


def _pad(text: str, width: int) -> str:
    return text + " " * (width - _width(text))
