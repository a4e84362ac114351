"""Curation as one call, and its parts: score, deduplicate, choose."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout
from tqdm.auto import tqdm

from pai_modelscope.config.curation import DEFAULT_SCORERS, CurateOptions
from pai_modelscope.curation.duplicates import find_duplicates
from pai_modelscope.curation.export import export
from pai_modelscope.curation.launch import Processes
from pai_modelscope.curation.pairs import Columns
from pai_modelscope.curation.plan import SCORES, Plan, planned, read_plan
from pai_modelscope.curation.report import write_report
from pai_modelscope.curation.scorer import scorers_named
from pai_modelscope.curation.selection import Selection, select
from pai_modelscope.errors import UserError
from pai_modelscope.files import sweep, write_text

RUN = "run.json"


def curate(source: str, output: str, options: CurateOptions) -> Selection:
    """Score what is not scored yet, select, and write the training set. Raises `UserError`: see the parts."""
    plan = score(source, output, options)
    if "thumbnail" in plan.scorers:
        deduplicate(output)
    return choose(output, options)


def score(source: str, output: str, options: CurateOptions) -> Plan:
    """Score every pair of `source` into `output`; what was scored before stays.

    Raises:
        UserError: an input or an output that can't be; a scorer that is not there.
    """
    folder, scorers = Path(output), scorers_named(options.scorer or DEFAULT_SCORERS)
    with _alone(folder):
        columns = Columns(options.image_column, options.caption_column)
        plan = planned(folder, source, columns, options.rows, [spec.name for spec in scorers])
        sweep(folder / SCORES, r"\d+\.parquet")  # of killed workers
        left = [shard for shard in plan.shards() if not (folder / SCORES / shard.file).exists()]
        done = plan.pairs - sum(shard.stop - shard.start for shard in left)
        with tqdm(total=plan.pairs, initial=done, desc="scored", unit="pair", disable=None) as progress:
            workers = min(options.workers or os.cpu_count() or 1, max(1, len(left)))
            arguments = scorers, columns, (folder / SCORES).absolute(), workers
            if options.ray is None:
                Processes(*arguments).run(left, progress)
            elif left:
                from pai_modelscope.curation.ray_workers import RayWorkers

                RayWorkers(*arguments, options.ray).run(left, progress)
    return plan


def deduplicate(output: str) -> int:
    """Find the pictures that are there twice, and write `duplicates.parquet`; how many are left out by it.

    Raises:
        UserError: nothing is scored there, or not all, or without 'thumbnail'.
    """
    folder = Path(output)
    plan = read_plan(folder)
    with _alone(folder):
        return find_duplicates(folder, plan)


def choose(output: str, options: CurateOptions) -> Selection:
    """Select among the scored pairs by the rules, and write `kept/`, `left_out.parquet`, `report.html` and `run.json`.

    Raises:
        UserError: nothing is scored there, or not all; a rule that can't be.
    """
    folder = Path(output)
    plan = read_plan(folder)
    with _alone(folder):
        selection = select(folder, plan, options.rule or [], options.top, options.by)
        if len(selection.kept) == 0:
            raise UserError(f"no pair of {plan.pairs} is kept: {_counted(selection.left_out)}")
        if options.export:
            export(folder, plan, selection)
        if options.report:
            write_report(folder, plan, selection, options.rule or [])
        told = {
            "input": plan.source,
            "pairs": selection.pairs,
            "kept": len(selection.kept),
            "left_out": selection.left_out,
            "rules": options.rule or [],
            "top": options.top,
            "by": options.by,
            "scorers": _digests(folder, plan),
        }
        write_text(folder / RUN, json.dumps(told, ensure_ascii=False, indent=1) + "\n")
    return selection


def _digests(folder: Path, plan: Plan) -> dict[str, str]:
    """What each scorer's scores depend on. Raises `UserError`: not all tables are by the same."""
    import pyarrow.parquet as pq

    found = {pq.read_schema(folder / SCORES / shard.file).metadata[b"scorers"] for shard in plan.shards()}
    if len(found) > 1:
        raise UserError(f"{folder} was scored by two versions of a scorer: score it anew, into another folder")
    digests: dict[str, str] = json.loads(found.pop()) if found else {}
    return digests


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Raises `UserError`: another run is at work there, or it can't be written to."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / ".lock")
        lock.acquire(timeout=0)
    except Timeout:
        raise UserError(f"another run is at work in {folder}: wait for it, or give another folder") from None
    except OSError as error:
        raise UserError(f"cannot write to {folder}: {error.strerror or error}; give another folder") from None
    try:
        yield
    finally:
        lock.release()


def _counted(left_out: dict[str, int]) -> str:
    return "; ".join(f"{count} by {reason!r}" for reason, count in left_out.items())
