"""The directive `{options}`: a table of options, made from their declarations when the pages are built.

Its argument names the options: `generate`, `label`, `train METHOD`, `train common`, or `train other-names`. In the
Chinese pages the texts come from `docs/zh/options.yaml`; one that is missing there is shown in English.
"""

import dataclasses
import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from pai_modelscope.cli.options import generation_flags
from pai_modelscope.config import GenerationOptions
from pai_modelscope.config.diffusers_flags import ALIASES, NO_EFFECT, NOT_HERE
from pai_modelscope.config.labels import LabelOptions
from pai_modelscope.config.option import bounds_of, declaration_of, flag_of, kind_of
from pai_modelscope.methods.registry import method_named, methods

TRANSLATIONS = Path(__file__).parents[1] / "zh" / "options.yaml"
HEADS = {
    "generate": {"en": ("Flag", "In Python", "Meaning", "Default"), "zh": ("参数", "Python", "含义", "默认值")},
    "train": {"en": ("Option", "Meaning", "Valid", "Default"), "zh": ("选项", "含义", "取值", "默认值")},
    "other-names": {"en": ("Flag", "Meaning"), "zh": ("参数", "含义")},
}


class Code(str):
    """What a table shows as code, and no language translates."""


class Row(NamedTuple):
    """A line of a table. `key` is the meaning's place in the translations; other texts are translated by themselves."""

    key: str
    cells: tuple[str, ...]
    meaning: str


def generate_rows() -> Iterator[Row]:
    """Every option that shapes a picture, in the order of `pai-modelscope generate --help`."""
    size, flags = "pixels: N, or WxH", generation_flags()
    yield Row("generate.size", (Code("--size"), Code("height, width"), size, "the model's own"), size)
    for field in dataclasses.fields(GenerationOptions):
        if field.name not in ("height", "width"):
            declared = declaration_of(field)
            cells = (
                Code(flags.get(field.name, "")),
                Code(field.name),
                declared.help,
                declared.absent or _default(field),
            )
            yield Row(f"generate.{field.name}", cells, declared.help)


def label_rows() -> Iterator[Row]:
    """The options of the label on generated pictures."""
    for field in dataclasses.fields(LabelOptions):
        declared = declaration_of(field)
        cells = (Code(flag_of(field)), declared.help, _valid(field), declared.absent or "")
        yield Row(f"label.{field.name}", cells, declared.help)


def train_rows(options: type, name: str) -> Iterator[Row]:
    """The options that a dataclass itself declares; `name` is the method's, or `train` for what all share.

    A method's table so has those of the shared options whose default it changes.
    """
    declared = inspect.get_annotations(options)
    for field in dataclasses.fields(options):
        if field.name not in declared:
            continue
        said = declaration_of(field).help
        yield Row(f"{name}.{field.name}", (Code(f"--{field.name}"), said, _valid(field), _default(field)), said)


def other_rows() -> Iterator[Row]:
    """The flags of diffusers' scripts that have another name here, those that change nothing, and those refused."""
    for name, (ours, _) in sorted(ALIASES.items()):
        yield Row(f"other.{name}", (Code(f"--{name}"), Code(f"--{ours}")), "")
    for name, why in sorted(NO_EFFECT.items()):
        yield Row(f"other.{name}", (Code(f"--{name}"), f"changes nothing: {why}"), f"changes nothing: {why}")
    for name, instead in sorted(NOT_HERE.items()):
        yield Row(f"other.{name}", (Code(f"--{name}"), f"refused: {instead}"), f"refused: {instead}")


def tables(argument: str) -> list[tuple[str, list[Row]]]:
    """What a directive shows: each table with the first sentence of its dataclass, or ''."""
    if argument == "generate":
        return [("", list(generate_rows()))]
    if argument == "label":
        return [("", list(label_rows()))]
    what = argument.removeprefix("train ")
    if what == "other-names":
        return [("", list(other_rows()))]
    if what == "common":
        spec = next(iter(methods().values()))
        shared = [part for part in spec.groups() if part is not spec.options]
        return [(_first(part), list(train_rows(part, "train"))) for part in shared]
    return [("", list(train_rows(method_named(what).options, what)))]


def texts() -> tuple[set[str], set[str]]:
    """What `docs/zh/options.yaml` translates: the keys of meanings, and the other texts of the tables."""
    arguments = ["generate", "label", "train common", *(f"train {method}" for method in methods()), "train other-names"]
    parts = [part for argument in arguments for part in tables(argument)]
    rows = [row for _, rows in parts for row in rows]
    others = {title for title, _ in parts} | {
        cell for row in rows for cell in row.cells if cell != row.meaning and not isinstance(cell, Code)
    }
    return {row.key for row in rows if row.meaning}, others - {""}


def _first(options: type) -> str:
    return (options.__doc__ or "").strip().splitlines()[0]


def _default(field: dataclasses.Field[Any]) -> str:
    if isinstance(field.default, bool):
        return "on" if field.default else "off"
    nothing = field.default in (None, "") or field.default is dataclasses.MISSING
    return "" if nothing else Code(field.default)


def _valid(field: dataclasses.Field[Any]) -> str:
    """The choices of an option, or its bounds as mathematics writes them: `0 < x <= 1`."""
    bounds, kind = bounds_of(field), kind_of(field)
    if bounds.choices:
        return Code(", ".join(map(str, bounds.choices)))
    low, high = (
        (bounds.minimum, "≤") if bounds.above is None else (bounds.above, "<"),
        (bounds.maximum, "≤") if bounds.below is None else (bounds.below, "<"),
    )
    left = "" if low[0] is None else f"{low[0]:g} {low[1]} "
    right = "" if high[0] is None or high[0] > _NO_LIMIT else f" {high[1]} {high[0]:g}"
    name = {int: "n", float: "x"}.get(kind, "")
    return Code(f"{left}{name}{right}") if left or right else ""


_NO_LIMIT = 10**6  # limits above it only keep out what no machine holds


class OptionTables(SphinxDirective):
    """`{options} train lora`."""

    required_arguments = 1
    final_argument_whitespace = True

    def run(self) -> list[nodes.Node]:
        self.env.note_dependency(str(TRANSLATIONS))
        argument = " ".join(self.arguments)
        language = "zh" if self.env.config.language.startswith("zh") else "en"
        words = yaml.safe_load(TRANSLATIONS.read_text(encoding="utf-8")) if language == "zh" else {}
        kind = "generate" if argument == "generate" else "other-names" if "other-names" in argument else "train"
        made: list[nodes.Node] = []
        for title, rows in tables(argument):
            if title:
                made.append(nodes.paragraph("", words.get(title, title), classes=["table-title"]))
            made.append(_table(HEADS[kind][language], rows, words))
        return made


def _table(head: tuple[str, ...], rows: list[Row], words: dict[str, str]) -> nodes.table:
    def cell(row: Row, text: str) -> nodes.Node:
        if isinstance(text, Code) and text:
            return nodes.literal("", text)
        return nodes.Text(words.get(row.key if text == row.meaning else text, text))

    group = nodes.tgroup(cols=len(head))
    group += [nodes.colspec(colwidth=1) for _ in head]
    group += nodes.thead("", _row([nodes.Text(text) for text in head]))
    group += nodes.tbody("", *(_row([cell(row, text) for text in row.cells]) for row in rows))
    return nodes.table("", group, classes=["options"])


def _row(cells: list[nodes.Node]) -> nodes.row:
    return nodes.row("", *(nodes.entry("", nodes.paragraph("", "", cell)) for cell in cells))


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_directive("options", OptionTables)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
