"""One shard: its pairs are read, scored and written as one table, whole or not at all."""

import json
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from pai_modelscope.curation.pairs import Columns, Pair, read_pairs
from pai_modelscope.curation.plan import Shard
from pai_modelscope.curation.scorer import OWN_COLUMNS, Kind, Scorer, ScorerSpec, Value
from pai_modelscope.errors import UserError, printable, reason
from pai_modelscope.files import whole

if TYPE_CHECKING:
    import pyarrow as pa

AT_ONCE = 64  # pairs that are decoded and then scored
DEADLY = "the process that looked at it was killed each time, as where memory runs out"
Row = dict[str, Value]


@dataclass(frozen=True)
class Care:
    """What is known of a shard that killed its worker.

    `probe`: places whose pairs are first looked at one by one, to see which of them kills; `alone`: places that are
    scored one by one; `deadly`: those that are not looked at any more.
    """

    probe: frozenset[int] = frozenset()
    alone: frozenset[int] = frozenset()
    deadly: frozenset[int] = frozenset()


class ShardScorer:
    """Scores shards, one after the other, with scorers that are made once."""

    def __init__(self, scorers: Sequence[ScorerSpec], columns: Columns, folder: Path):
        """`folder`: of the tables."""
        self._specs, self._columns, self._folder = scorers, columns, folder

    @cached_property
    def _scorers(self) -> list[tuple[ScorerSpec, Scorer]]:
        return [(spec, spec.load()) for spec in self._specs]

    def load(self) -> None:
        """Make the scorers. Raises `UserError`: one can't be."""
        assert self._scorers is not None

    def score(self, shard: Shard, care: Care = Care(), at: Callable[[range], None] = lambda places: None) -> None:
        """Write the table of a shard. `at`: is told which places are being looked at.

        Raises:
            UserError: a scorer can't be made; the table can't be written.
        """
        import pyarrow as pa
        import pyarrow.parquet as pq

        rows: list[Row] = []
        for start in range(shard.start, shard.stop, AT_ONCE):
            places = range(start, min(start + AT_ONCE, shard.stop))
            for place in sorted(care.probe & set(places)):
                at(range(place, place + 1))
                self._rows(shard.part, [place], care)
            if care.alone & set(places):
                for place in places:
                    at(range(place, place + 1))
                    rows += self._rows(shard.part, [place], care)
            else:
                at(places)
                rows += self._rows(shard.part, list(places), care)
        schema = self._schema()
        columns = {name: [row.get(name) for row in rows] for name in schema.names}
        try:
            with whole(self._folder / shard.file) as partial:
                pq.write_table(pa.table(columns, schema), partial, compression="zstd")
        except OSError as error:
            raise UserError(
                f"{self._folder} can't be written to ({error.strerror or reason(error)}): make room, and run this again"
            ) from None

    def _rows(self, part: str, places: Sequence[int], care: Care) -> list[Row]:
        pairs = [pair for place in places for pair in self._read(part, place, care.deadly)]
        rows: dict[str, Row] = {
            pair.id: {
                "id": pair.id,
                "part": part,
                "place": pair.place,
                "path": printable(pair.path),
                "caption": pair.caption,
                "digest": pair.digest,
                "problem": pair.problem,
            }
            for pair in pairs
        }
        for spec, scorer in self._scorers:
            sound = [pair for pair in pairs if rows[pair.id]["problem"] is None]
            for start in range(0, len(sound), spec.batch):
                _enter(rows, spec, scorer, sound[start : start + spec.batch])
        return list(rows.values())

    def _read(self, part: str, place: int, deadly: Collection[int]) -> list[Pair]:
        pairs = read_pairs(part, range(place, place + 1), self._columns)
        if place not in deadly:
            return list(pairs)
        return [Pair(f"{Path(part).name}:{place}", place, "", "", problem=DEADLY)]

    def _schema(self) -> "pa.Schema":
        import pyarrow as pa

        kinds: dict[Kind, pa.DataType] = {
            "number": pa.float32(),
            "whole": pa.int64(),
            "flag": pa.bool_(),
            "text": pa.string(),
            "bytes": pa.binary(),
        }
        own = {name: pa.int64() if name == "place" else pa.string() for name in OWN_COLUMNS}
        scored = {name: kinds[kind] for spec in self._specs for name, kind in spec.columns.items()}
        digests = json.dumps({spec.name: scorer.digest() for spec, scorer in self._scorers})
        return pa.schema(own | scored, metadata={"scorers": digests})


def _enter(rows: dict[str, Row], spec: ScorerSpec, scorer: Scorer, pairs: Sequence[Pair]) -> None:
    """Add the scores of pairs to their rows; where that fails, each pair is scored alone, and an error is its own."""
    try:
        scores = scorer.score(pairs)
        if set(scores) != set(spec.columns) or any(len(values) != len(pairs) for values in scores.values()):
            raise ValueError(f"it gave {', '.join(scores)} of {[len(values) for values in scores.values()]} pairs")
    except Exception as error:
        if len(pairs) > 1:
            for pair in pairs:
                _enter(rows, spec, scorer, [pair])
        else:
            rows[pairs[0].id]["problem"] = printable(f"the scorer {spec.name} failed: {reason(error)}")
        return
    for place, pair in enumerate(pairs):
        rows[pair.id].update({name: values[place] for name, values in scores.items()})
