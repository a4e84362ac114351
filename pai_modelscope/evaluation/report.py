"""The table, measured and written: `report.json`, `report.md` and sheets of pictures."""

import json
import os
import platform
import time
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import NotRequired, TypedDict

import torch

from pai_modelscope.evaluation import metrics
from pai_modelscope.evaluation.prompts import Case
from pai_modelscope.evaluation.rows import Bench, Figures, Images, Row
from pai_modelscope.images.colors import NAMED_COLOURS

PACKAGES = ("torch", "diffusers", "transformers")
PERCENT = ("R@1", "R@5", "style", "colour", "both", "one half", "edges")
MISSES = 12  # cases a row that the report names


class Miss(TypedDict):
    """A prompt whose name the judge did not see in its picture: the name's rank, and the names that it saw."""

    prompt: str
    seed: int
    rank: int
    seen: list[str]


class RowResult(TypedDict):
    """A row that was measured. Beside these entries, `of_NAME` is its ratio to the row of that name."""

    name: str
    title: str
    prompts: int
    options: dict[str, object]
    skipped: NotRequired[str]
    real: NotRequired[Figures]
    generated: NotRequired[Figures]
    misses: NotRequired[list[Miss]]
    chance: NotRequired[Figures]
    share: NotRequired[Figures]
    examples: NotRequired[list[str]]
    seconds: NotRequired[float]


class Surroundings(TypedDict):
    hardware: str
    python: str
    versions: dict[str, str]


class Report(Surroundings):
    """What `report.json` holds."""

    model: str
    data: str
    candidates: int
    limit: int
    options: dict[str, object]
    loras: dict[str, float]
    rows: list[RowResult]
    seconds: int


def run_row(row: Row, bench: Bench) -> RowResult:
    """Measure one row: `generated`, `real` (the real pictures of the same prompts), and their ratio `share`."""
    start = time.perf_counter()
    cases = row.cases(bench.pictures, bench.limit)
    result: RowResult = {"name": row.name, "title": row.title, "prompts": len(cases), "options": dict(row.options)}
    if not cases:
        return {**result, "skipped": "the data set has no such pictures"}
    reals = bench.real([case.scene for case in cases])
    if row.name != "vae":  # there the real pictures are what the generated ones are measured against
        result["real"] = row.measure(bench, reals, cases)
    if row.draw is not None:
        images = row.draw(bench, cases, row.options)
        result["generated"] = row.measure(bench, images, cases)
        result["misses"] = misses(bench, images, cases)
    result["chance"] = chance(bench, cases, result)
    result["share"] = ratio(result.get("generated", {}), result.get("real", {}))
    result["examples"] = [case.prompt for case in cases[:4]]
    return {**result, "seconds": round(time.perf_counter() - start, 1)}


def ratio(figures: Figures, reference: Figures) -> Figures:
    """Give figures as a share of others of the same name, where that has a meaning."""
    return {key: figures[key] / reference[key] for key in figures if key in PERCENT and reference.get(key)}


def chance(bench: Bench, cases: Sequence[Case], result: RowResult) -> Figures:
    """Compute what pictures that show nothing reach: R@k over the names, one of the styles, one of the colours."""
    keys = {**result.get("real", {}), **result.get("generated", {})}
    targets = bench.targets(cases)
    known = {"style": 1 / len(bench.styles), "colour": 1 / len(NAMED_COLOURS)}
    known |= {key: metrics.chance(targets, len(bench.pictures.names), int(key[2:])) for key in keys if key[:2] == "R@"}
    return {key: known[key] for key in keys if key in known}


def misses(bench: Bench, images: Images, cases: Sequence[Case]) -> list[Miss]:
    """List prompts whose (left) name is not in the judge's top five, with what the judge saw instead."""
    if not cases[0].prompt or len(cases[0].targets) > 1:
        return []
    similarity = bench.judge.images(images) @ bench.name_features.T
    ranks = bench.ranks(images, bench.targets(cases))
    names = bench.pictures.names
    missed: list[Miss] = [
        {
            "prompt": case.prompt,
            "seed": case.seed,
            "rank": int(rank) + 1,
            "seen": [names[i] for i in row.topk(min(3, len(names))).indices],
        }
        for case, rank, row in zip(cases, ranks, similarity, strict=True)
        if rank >= 5
    ]
    return missed[:MISSES]


def measure(bench: Bench, rows: Sequence[Row]) -> Iterator[RowResult]:
    """Measure all rows in turn; a row with `beside` also gets its ratio to that row's generated pictures."""
    results: dict[str, RowResult] = {}
    for row in rows:
        result = results[row.name] = run_row(row, bench)
        if row.beside in results and "generated" in result:
            name = "of_" + row.beside
            result[name] = ratio(result["generated"], results[row.beside]["generated"])  # type: ignore[literal-required]
        yield result


def one_line(result: RowResult) -> str:
    """Write a row as a terminal shows it: each figure of the model, then that of the real pictures."""
    if "skipped" in result:
        return f"{result['name']:>18}: skipped, {result['skipped']}"
    parts = []
    for key in result.get("generated") or result["real"]:
        figures = (result.get("generated", {}).get(key), result.get("real", {}).get(key))
        parts.append(f"{key} {' / '.join(_number(key, figure) for figure in figures if figure is not None)}")
    return f"{result['name']:>18}: {', '.join(parts)}  ({result['prompts']} prompts, {result['seconds']} s)"


def surroundings(device: torch.device) -> Surroundings:
    """Tell hardware and versions, as a report must name them."""
    hardware = f"{os.cpu_count()} CPU cores ({platform.machine()})"
    if device.type == "cuda":
        hardware = f"{torch.cuda.get_device_name(device)}, float16"
    return {
        "hardware": hardware,
        "python": platform.python_version(),
        "versions": {package: version(package) for package in PACKAGES},
    }


def markdown(report: Report) -> str:
    """Write the table for a model card, with what is needed to read it and to make it again."""
    lines = [
        "| prompts | n | measure | model | real pictures | share of real | chance |",
        "| --- | ---: | --- | ---: | ---: | ---: | ---: |",
    ]
    lines += [line for result in report["rows"] if "skipped" not in result for line in _lines(result)]
    options = ", ".join(f"{key} {value}" for key, value in report["options"].items())
    versions = ", ".join(f"{name} {number}" for name, number in report["versions"].items())
    lines += [
        "",
        f"Judged over {report['candidates']} Chinese names; {report['data']}; flags and gendered variants are not "
        "asked for. R@k: a right name is among the judge's k nearest. Style: a linear probe on the judge's features "
        "recognises the style. Both: each name is in the judge's top five on its own half of the picture. Edges: F1 of "
        "edge pixels, within 2 pixels of those that were asked for.",
        f"Sampled with {options} and one fixed seed a picture, unless the row says otherwise. "
        f"{report['hardware']}; {versions}; {report['seconds']} s in all.",
    ]
    return "\n".join(lines) + "\n"


def _lines(result: RowResult) -> list[str]:
    lines = []
    for place, key in enumerate(result.get("generated") or result["real"]):
        cells = [_number(key, result.get("generated", {}).get(key)), _number(key, result.get("real", {}).get(key))]
        share, guess = result["share"].get(key), result["chance"].get(key)
        cells += ["" if share is None else f"{share:.3f}", _number(key, guess)]
        head = [result["title"], str(result["prompts"])] if place == 0 else ["", ""]
        lines.append("| " + " | ".join([*head, key, *cells]) + " |")
    return lines


def _number(key: str, value: float | None) -> str:
    if value is None:
        return ""
    if key in PERCENT:
        return f"{value:.3f}"
    return f"{value:.1f} dB" if "PSNR" in key else f"{value:.4f}"


def write(report: Report, folder: Path) -> None:
    """Write `report.json` and `report.md`."""
    text = json.dumps(report, ensure_ascii=False, indent=1)
    (folder / "report.json").write_text(text + "\n", encoding="utf-8")
    (folder / "report.md").write_text(markdown(report), encoding="utf-8")
