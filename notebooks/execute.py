"""Runs notebooks by papermill, and holds their figures against those that were recorded.

python -m notebooks.execute [NAME ...]     # in full, as a reader would; executed copies in build/notebooks
python -m notebooks.execute --fast         # the short form, as the tests run it
python -m notebooks.execute --record       # and keep time, memory and figures; the guides' tables are made of them

A notebook's figures are what its cell tagged `figures` shows: a dict of numbers by name.
"""

import argparse
import ast
import json
import os
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import psutil

from notebooks import build
from notebooks.table import RECORD, read_record, table, update_guides
from pai_modelscope.files import write_text

RESULTS = build.HERE.parent / "build" / "notebooks"
# How far a figure may be from the recorded one: shares of few pictures jump by a picture or two from one processor to
# another; everything else may move by a share of itself, and by one.
SHARE, RELATIVE = {"full": 0.2, "fast": 0.35}, {"full": 0.25, "fast": 0.5}


class Failed(Exception):
    """A notebook that did not run through, or whose figures moved."""


@dataclass
class Result:
    """What one run of a notebook took and found."""

    seconds: float
    peak_gib: float
    figures: dict[str, float]


def run(source: Path, fast: bool, results: Path = RESULTS) -> Result:
    """Execute one notebook where a reader would open it; the executed copy goes to `results`.

    Raises:
        Failed: the notebook is not what its source makes; or a cell failed, and the copy shows where.
    """
    import papermill

    if build.target(source).read_text(encoding="utf-8") != build.render(source):
        raise Failed(f"{source.stem}: the notebook is not that of its source; run 'make notebooks-sync'")
    os.environ.setdefault("GOMP_SPINCOUNT", "3000")  # waiting threads would spin, and slow down a shared machine
    results.mkdir(parents=True, exist_ok=True)
    executed, start = results / build.target(source).name, time.perf_counter()
    parameters: dict[str, Any] = {"FAST": fast}
    if fast and "OUTPUT" in papermill.inspect_notebook(build.target(source)):
        # What a full run taught, and others read, stays as it is.
        parameters["OUTPUT"] = str(results / "out" / source.stem)
    try:
        with peak_memory() as peak:
            papermill.execute_notebook(
                build.target(source),
                executed,
                parameters=parameters,
                kernel_name=build.KERNEL["name"],
                cwd=build.HERE,
                progress_bar=False,
                iopub_timeout=60,  # seconds for a cell's last output; 4, the default, is too few on a busy machine
                store_widget_state=False,  # the copy shows what a page can show; state would only make it larger
            )
    except papermill.PapermillExecutionError as error:
        cell = f"{source.stem}, cell {error.exec_count}"
        raise Failed(f"{cell}: {error.ename}: {error.evalue}; {executed} shows it") from error
    return Result(round(time.perf_counter() - start, 1), round(peak[0] / 2**30, 2), figures_of(executed))


@contextmanager
def peak_memory(every: float = 0.2) -> Iterator[list[int]]:
    """The most bytes that the processes started meanwhile held together, in the list once it is over."""
    peak, done = [0], threading.Event()

    def watch() -> None:
        while not done.wait(every):
            held = 0
            for child in psutil.Process().children(recursive=True):
                try:
                    held += child.memory_info().rss
                except psutil.Error:  # it has just ended
                    continue
            peak[0] = max(peak[0], held)

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield peak
    finally:
        done.set()
        thread.join()


def figures_of(executed: Path) -> dict[str, float]:
    """What the cell tagged `figures` of an executed notebook shows.

    Raises:
        Failed: there is no such cell, or it shows no dict of numbers.
    """
    notebook = json.loads(executed.read_text(encoding="utf-8"))
    tagged = [cell for cell in notebook["cells"] if "figures" in cell["metadata"].get("tags", [])]
    shown = [output["data"]["text/plain"] for cell in tagged for output in cell["outputs"] if "data" in output]
    try:
        found = ast.literal_eval("".join(shown[-1]))
    except (IndexError, ValueError, SyntaxError):
        found = None
    if not isinstance(found, dict) or any(type(value) not in (int, float) for value in found.values()):
        raise Failed(f"{executed.stem} shows no figures: its cell tagged 'figures' must end on a dict of numbers")
    return {str(name): float(value) for name, value in found.items()}


def moved(now: dict[str, float], before: dict[str, float], form: str) -> list[str]:
    """What is wrong with figures beside the recorded ones, a line each; `form`: 'full' or 'fast'."""
    lines = [f"{name} is new; record it" for name in now if name not in before]
    for name, old in before.items():
        if name not in now:
            lines.append(f"{name} is missing")
            continue
        tolerance = SHARE[form] if 0 <= old <= 1 else max(1, RELATIVE[form] * abs(old))
        if abs(now[name] - old) > tolerance:
            lines.append(f"{name} is {now[name]:g}, recorded is {old:g} (within {tolerance:g})")
    return lines


def run_all(names: list[str], fast: bool, record: bool, results: Path = RESULTS) -> list[str]:
    """Run the notebooks one after the other, whatever becomes of the one before; what went wrong, a line each.

    `record`: what was found becomes the record, in place of being held against it.
    """
    form, kept, wrong = "fast" if fast else "full", read_record(), []
    rows: dict[str, dict[str, Any]] = {}
    for source in build.sources(names):
        print(f"{source.stem} ...", flush=True)
        try:
            found = run(source, fast, results)
        except Failed as error:
            wrong.append(str(error))
            print(f"  failed: {error}", flush=True)
            continue
        rows[source.stem] = asdict(found)
        before = kept.get(source.stem, {}).get(form, {}).get("figures", {})
        if record:
            kept.setdefault(source.stem, {})[form] = asdict(found)
            write_text(RECORD, json.dumps(dict(sorted(kept.items())), ensure_ascii=False, indent=1) + "\n")
        else:
            wrong += [f"{source.stem}: {line}" for line in moved(found.figures, before, form)]
        print(f"  {found.seconds:.0f} s, {found.peak_gib:.1f} GiB, {found.figures}", flush=True)
    print("\n" + table(rows))
    return wrong


def main() -> int:
    parser = argparse.ArgumentParser("python -m notebooks.execute", description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", help="beginnings of names, such as 01; default: all")
    parser.add_argument("--fast", action="store_true", help="the short form, as in the tests")
    parser.add_argument("--record", action="store_true", help="keep what was found in notebooks/results.json")
    args = parser.parse_args()
    if odd := [name for name in args.names if not build.sources([name])]:
        known = ", ".join(source.stem for source in build.sources())
        parser.error(f"no notebook begins with {', '.join(odd)}; there are {known}")
    wrong = run_all(args.names, args.fast, args.record)
    print("\n".join(wrong), file=sys.stderr)
    if args.record:
        update_guides()
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
