"""Which pairs are kept: by rules on their scores, the first that fails being the reason. Nothing is scored again."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pai_modelscope.curation.plan import SCORES, Plan
from pai_modelscope.curation.rules import read_rule
from pai_modelscope.errors import UserError
from pai_modelscope.files import whole

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.dataset as ds

LEFT_OUT, DUPLICATES = "left_out.parquet", "duplicates.parquet"
BROKEN, DOUBLE, NOT_BEST = "it can't be read", "it is a duplicate", "it is not among the best"
_NOT_FOR_RULES = {"thumbnail", "part", "place"}


@dataclass(frozen=True)
class Selection:
    """`pairs`: of the input; `kept`: id, part and place of those that are kept, in its order; `left_out`: how many of
    the others for each reason."""

    pairs: int
    kept: "pa.Table"
    left_out: dict[str, int]


def select(folder: Path, plan: Plan, rules: Sequence[str], top: int | None = None, by: str | None = None) -> Selection:
    """Decide, and write `left_out.parquet` with the first reason of each pair that is not kept.

    Args:
        rules: a pair is kept where all are true; see `read_rule`.
        top: of those, so many with the highest values of the column `by`; of equals the first.

    Raises:
        UserError: a rule can't be read; no such column; not all shards are scored.
    """
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    scores = scores_of(folder, plan)
    columns = set(scores.schema.names) - _NOT_FOR_RULES
    tests = [read_rule(rule, columns) for rule in rules]
    if (top is None) != (by is None):
        raise UserError("--top and --by go together: so many pairs with the highest values of a column")
    if by is not None and by not in columns:
        raise UserError(f"there is no column {by[:80]!r}; valid are {', '.join(sorted(columns))}")
    wanted = {name: pc.field(name) for name in ("id", "part", "place")} | {"0": pc.field("problem").is_null()}
    wanted |= {str(number): test for number, test in enumerate(tests, 1)}
    try:
        table = scores.to_table(columns=wanted | ({"by": pc.field(by)} if by else {}))
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, pa.ArrowTypeError) as error:
        problem = str(error).splitlines()[0][:200]
        raise UserError(f"the rules compare what can't be compared ({problem})") from None
    reason = pa.nulls(len(table), pa.string())
    for number, why in reversed([*enumerate([BROKEN, *rules])]):  # the first has the last word
        fails = pc.invert(pc.fill_null(table[str(number)].cast(pa.bool_()), False))
        reason = pc.if_else(fails, why, reason)
    if (folder / DUPLICATES).exists():  # what the rules keep of a group is one picture, see below
        reason = _without_doubles(reason, table["id"], pq.read_table(folder / DUPLICATES))
    if top is not None:
        reason = _best(reason, table["by"], top)
    out = pc.is_valid(reason)
    left = pa.table({"id": table["id"], "reason": reason}).filter(out)
    with whole(folder / LEFT_OUT) as partial:
        pq.write_table(left, partial, compression="zstd")
    counted = {each["values"]: each["counts"] for each in left["reason"].value_counts().to_pylist()}
    known = [why for why in (BROKEN, *rules, DOUBLE, NOT_BEST) if why in counted]
    return Selection(
        plan.pairs, table.select(["id", "part", "place"]).filter(pc.invert(out)), {why: counted[why] for why in known}
    )


def scores_of(folder: Path, plan: Plan) -> "ds.Dataset":
    """The tables of a plan, in its order. Raises `UserError`: some are not there."""
    import pyarrow.dataset as ds

    files = [folder / SCORES / shard.file for shard in plan.shards()]
    if missing := sum(not file.exists() for file in files):
        raise UserError(
            f"{folder} has scores of {len(files) - missing} shards of {len(files)}: go on with scoring first"
        )
    return ds.dataset(files, format="parquet")


def _without_doubles(reason: "pa.Array", ids: "pa.ChunkedArray", doubles: "pa.Table") -> "pa.Array":
    """Of each group, the picture that stands for it is kept; where a rule leaves that out, the first that none does."""
    import pyarrow as pa

    reasons, group_of = (
        reason.to_pylist(),
        dict(zip(doubles["id"].to_pylist(), doubles["duplicate_of"].to_pylist(), strict=True)),
    )
    names = ids.to_pylist()
    stands = {name for name, why in zip(names, reasons, strict=True) if why is None and name not in group_of}
    for place, name in enumerate(names):
        if reasons[place] is None and (best := group_of.get(name)) is not None:
            if best in stands:
                reasons[place] = DOUBLE
            else:
                stands.add(best)  # this one is there for it
    return pa.array(reasons, pa.string())


def _best(reason: "pa.Array", by: "pa.ChunkedArray", top: int) -> "pa.Array":
    import pyarrow as pa
    import pyarrow.compute as pc

    left = pc.indices_nonzero(pc.is_null(reason))
    order = pc.array_sort_indices(pc.negate(by.cast(pa.float64())).take(left), null_placement="at_end")
    gone = left.take(order[top:])
    mask = pc.is_in(pa.array(range(len(reason)), pa.uint64()), pc.cast(gone, pa.uint64()))
    return pc.if_else(mask, NOT_BEST, reason)
