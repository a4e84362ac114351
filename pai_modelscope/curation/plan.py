"""Which shards an input is cut into. The plan lies beside the scores: a run that goes on finds the same."""

import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from tqdm.auto import tqdm

from pai_modelscope.curation.pairs import Columns, count_pairs, parts_of
from pai_modelscope.errors import UserError
from pai_modelscope.files import write_text
from pai_modelscope.model_layout import read_json

PLAN, SCORES = "plan.json", "scores"


@dataclass(frozen=True)
class Shard:
    """The pairs from `start` up to `stop` of a part; `number` names its file."""

    number: int
    part: str
    start: int
    stop: int

    @property
    def file(self) -> str:
        return f"{self.number:06d}.parquet"


@dataclass(frozen=True)
class Plan:
    """What a run was begun with. `counts`: pairs of each part; `stamps`: of the parts' files, so that a changed input
    is noticed."""

    source: str
    columns: Columns
    rows: int
    scorers: tuple[str, ...]
    parts: tuple[str, ...]
    counts: tuple[int, ...]
    stamps: tuple[str, ...]

    @property
    def pairs(self) -> int:
        return sum(self.counts)

    def shards(self) -> Iterator[Shard]:
        number = 0
        for part, count in zip(self.parts, self.counts, strict=True):
            for start in range(0, count, self.rows):
                yield Shard(number, part, start, min(start + self.rows, count))
                number += 1


def planned(folder: Path, source: str, columns: Columns, rows: int, scorers: Sequence[str]) -> Plan:
    """The plan of an output folder; a new one where there is none.

    Raises:
        UserError: the folder was begun with another input, other scorers or columns; the input has changed since; it
            can't be read.
    """
    source = os.path.abspath(source) if os.path.exists(source) else source  # or a name, such as a hub's
    if (folder / PLAN).exists():
        plan = read_plan(folder)
        for what, was, now in (
            ("the input", plan.source, source),
            ("the columns", plan.columns, columns),
            ("the scorers", plan.scorers, tuple(scorers)),
            ("the rows of a shard", plan.rows, rows),
        ):
            if was != now:
                raise UserError(f"{folder} was begun with {what} {was}, not {now}: give that again, or another folder")
        parts = tuple(parts_of(source))
        if (plan.parts, plan.stamps) != (parts, _stamps(parts)):
            raise UserError(f"{source} has changed since {folder} was begun: give another folder")
        return plan
    parts = tuple(parts_of(source))
    counts = tuple(count_pairs(part, columns) for part in tqdm(parts, desc="input", disable=None))
    plan = Plan(source, columns, rows, tuple(scorers), parts, counts, _stamps(parts))
    write_text(folder / PLAN, json.dumps(asdict(plan), ensure_ascii=False))
    return plan


def read_plan(folder: Path) -> Plan:
    """Raises `UserError`: there is none, or it is of another program."""
    values = read_json(folder / PLAN, f"{folder} holds no scores: begin with 'pai-modelscope curate score'")
    try:
        lists = {name: tuple(values.pop(name)) for name in ("scorers", "parts", "counts", "stamps")}  # type: ignore[arg-type]
        return Plan(columns=Columns(**values.pop("columns")), **values, **lists)  # type: ignore[arg-type]
    except (KeyError, TypeError):
        raise UserError(f"{folder / PLAN} is no plan of this program: give another folder") from None


def _stamps(parts: Sequence[str]) -> tuple[str, ...]:
    """One a part: of its files' names, sizes and times."""
    return tuple(_stamp(Path(part)) for part in parts)


def _stamp(path: Path) -> str:
    files = sorted(each for each in path.rglob("*") if each.is_file()) if path.is_dir() else [path]
    digest = hashlib.sha256()
    for each in files:
        try:
            about = each.stat()
        except OSError:  # an input that is no file
            continue
        digest.update(f"{each.relative_to(path)}\0{about.st_size}\0{about.st_mtime_ns}\n".encode(errors="replace"))
    return digest.hexdigest()[:16]
