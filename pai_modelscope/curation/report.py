"""One page of a selection: what was left out and why, every score with pictures around a threshold, the duplicates.

The page is one file without any other: it can be sent, and asks nobody for anything.
"""

import base64
import io
import random
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image

from pai_modelscope.curation.pairs import read_pairs
from pai_modelscope.curation.plan import Plan
from pai_modelscope.curation.selection import DUPLICATES, LEFT_OUT, Selection, scores_of
from pai_modelscope.errors import need
from pai_modelscope.files import write_text

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

REPORT = "report.html"
_BINS = 60  # of a histogram
_SHOWN = 24  # pictures of a score, from its lowest value to its highest
_EXAMPLES = 8  # of a reason, and of duplicates
_SIDE = 112  # pixels of a picture on the page
_LONGEST = 60  # characters of a caption on the page
_SIMPLE = re.compile(r"\s*(\w+)\s*(>=|>|<=|<)\s*(-?\d+(?:\.\d+)?)\s*")


@dataclass(frozen=True)
class Histogram:
    """Of one score. `counts`: between `low` and `high`, in equal steps; `threshold`: that a rule has, if one does;
    `above`: whether the rule keeps what lies above it; `shown`: value and id of pictures, by value."""

    name: str
    low: float
    high: float
    counts: list[int]
    missing: int
    threshold: float | None
    above: bool
    shown: list[tuple[float, str]]


@dataclass
class _Page:
    """What the template shows; `pictures`: by id, the image as a data URL, its caption, path and problem."""

    plan: Plan
    selection: Selection
    histograms: list[Histogram] = field(default_factory=list)
    reasons: list[tuple[str, int, list[str]]] = field(default_factory=list)
    doubles: list[tuple[str, str]] = field(default_factory=list)
    pictures: dict[str, dict[str, str]] = field(default_factory=dict)


def write_report(folder: Path, plan: Plan, selection: Selection, rules: Sequence[str]) -> Path:
    """Write `report.html`. Raises `UserError`: Jinja2 is not installed."""
    need("curation", "the report", "jinja2")
    from jinja2 import Environment, PackageLoader, StrictUndefined

    page, rng = _Page(plan, selection), random.Random(0)
    table = scores_of(folder, plan)
    page.histograms = _histograms(table.to_table(columns=["id", *_numbers(table.schema)]), rules)
    left = _by_reason(folder)
    page.reasons = [
        (reason, count, sorted(rng.sample(left[reason], min(_EXAMPLES, count))))
        for reason, count in selection.left_out.items()
    ]
    page.doubles = _doubles(folder, rng)
    wanted = {id for histogram in page.histograms for _, id in histogram.shown}
    wanted |= {id for _, _, ids in page.reasons for id in ids} | {id for pair in page.doubles for id in pair}
    page.pictures = _pictures(table, wanted, plan)
    environment = Environment(
        loader=PackageLoader("pai_modelscope.curation"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    write_text(folder / REPORT, environment.get_template("report.html").render(page=page))
    return folder / REPORT


def _numbers(schema: "pa.Schema") -> list[str]:
    import pyarrow as pa

    return [
        each.name
        for each in schema
        if pa.types.is_floating(each.type) or (each.name != "place" and pa.types.is_integer(each.type))
    ]


def _histograms(table: "pa.Table", rules: Sequence[str]) -> list[Histogram]:
    import numpy as np

    ids = table["id"]
    found = []
    for name in table.schema.names[1:]:
        values = table[name].to_numpy().astype(float)
        there = np.flatnonzero(np.isfinite(values))
        if not len(there):
            continue
        order = there[np.argsort(values[there], kind="stable")]
        low, high = float(values[order[0]]), float(values[order[-1]])
        counts, _ = np.histogram(values[there], _BINS, (low, high if high > low else low + 1))
        threshold, above = _threshold(name, rules)
        picked = _picked(values, order, threshold)
        shown = [(float(values[place]), ids[int(place)].as_py()) for place in picked]
        missing = len(values) - len(there)
        found.append(Histogram(name, low, high, counts.tolist(), missing, threshold, above, shown))
    return found


def _picked(values: "np.ndarray[Any, Any]", order: "np.ndarray[Any, Any]", threshold: float | None) -> list[int]:
    """Places of pictures to show: over the whole range, and those nearest a threshold."""
    import numpy as np

    spread = order[np.unique(np.linspace(0, len(order) - 1, _SHOWN).round().astype(int))]
    if threshold is None:
        return [int(place) for place in spread]
    at = int(np.searchsorted(values[order], threshold))
    near = order[max(0, at - 6) : at + 6]
    return [int(place) for place in order[np.isin(order, np.union1d(spread, near))]]


def _threshold(name: str, rules: Sequence[str]) -> tuple[float | None, bool]:
    """That of the first rule which compares this score with a number and says nothing else."""
    for rule in rules:
        if (simple := _SIMPLE.fullmatch(rule)) and simple[1] == name:
            return float(simple[3]), simple[2].startswith(">")
    return None, True


def _by_reason(folder: Path) -> dict[str, list[str]]:
    import pyarrow.parquet as pq

    found: dict[str, list[str]] = {}
    for row in pq.read_table(folder / LEFT_OUT).to_pylist():
        found.setdefault(row["reason"], []).append(row["id"])
    return found


def _doubles(folder: Path, rng: random.Random) -> list[tuple[str, str]]:
    import pyarrow.parquet as pq

    if not (folder / DUPLICATES).exists():
        return []
    rows = pq.read_table(folder / DUPLICATES).to_pylist()
    return [(row["id"], row["duplicate_of"]) for row in rng.sample(rows, min(3 * _EXAMPLES, len(rows)))]


def _pictures(scores: Any, ids: Iterable[str], plan: Plan) -> dict[str, dict[str, str]]:
    import pyarrow as pa
    import pyarrow.compute as pc

    columns = ["id", "part", "place", "caption", "path", "problem"]
    rows = scores.to_table(columns=columns, filter=pc.field("id").isin(pa.array(sorted(ids), pa.string()))).to_pylist()
    pictures = {}
    for row in rows:
        (pair,) = read_pairs(row["part"], range(row["place"], row["place"] + 1), plan.columns)
        caption = row["caption"] if len(row["caption"]) <= _LONGEST else row["caption"][: _LONGEST - 1] + "…"
        pictures[row["id"]] = {
            "image": _data_url(pair.image) if pair.image is not None else "",
            "caption": caption,
            "path": row["path"],
            "problem": row["problem"] or "",
        }
    return pictures


def _data_url(picture: Image.Image) -> str:
    small = picture.copy()
    small.thumbnail((_SIDE, _SIDE))
    file = io.BytesIO()
    small.save(file, "JPEG", quality=82)
    return f"data:image/jpeg;base64,{base64.b64encode(file.getvalue()).decode()}"
