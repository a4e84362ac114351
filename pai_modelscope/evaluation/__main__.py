"""``python -m pai_modelscope.evaluation``: recompute the table of the model card."""

import argparse
import os
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from pai_modelscope.config import GENERATION_FALLBACKS
from pai_modelscope.errors import UserError, printable

if TYPE_CHECKING:
    from pai_modelscope.evaluation.report import Report

_PROGRAM = "python -m pai_modelscope.evaluation"
SHIPPED_MODEL = "pai-diffusion-mini-zh"


class _Parser(argparse.ArgumentParser):
    """A parser whose errors take one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {printable(' '.join(message.split()))} (see '{self.prog} --help')\n")


def parser(program: str = _PROGRAM) -> argparse.ArgumentParser:
    from pai_modelscope.evaluation.judge import SHIPPED_JUDGE
    from pai_modelscope.evaluation.rows import row_names

    p = _Parser(program, description=__doc__)
    p.add_argument("--model", default=SHIPPED_MODEL, help="name, id or folder (%(default)s)")
    p.add_argument("--judge", default=str(SHIPPED_JUDGE), help="folder of the judge (the shipped one)")
    p.add_argument("--data", default="shipped", help="'shipped', or the pictures.jsonl.xz of the full set")
    p.add_argument("--limit", type=int, default=512, help="prompts a row (%(default)s)")
    p.add_argument("--rows", nargs="+", choices=row_names(), metavar="ROW", help=f"of {', '.join(row_names())}")
    p.add_argument("--out", type=Path, default=Path("out/evaluation"), help="folder of the report (%(default)s)")
    p.add_argument("--device", help="cuda where there is one, else cpu")
    p.add_argument("--batch", type=int, help="pictures at a time (128 on a GPU, 8 on a CPU)")
    p.add_argument("--no-sheets", action="store_true", help="figures only, no sheets of pictures")
    return p


def evaluate(options: argparse.Namespace) -> "Report":
    """Measure, write the report, and return it."""
    from pai_modelscope.evaluation import report, rows, sheets
    from pai_modelscope.evaluation.judge import Judge
    from pai_modelscope.evaluation.pictures import open_pictures
    from pai_modelscope.sampling import Sampler

    start = time.perf_counter()
    sampler = Sampler.from_pretrained(options.model, device=options.device, safety=False)
    device = sampler.pipe.device
    loras = sampler.recommended.get("loras")
    bench = rows.Bench(
        sampler=sampler,
        judge=Judge.load(options.judge, device),
        pictures=open_pictures(options.data),
        options={key: sampler.recommended.get(key, value) for key, value in GENERATION_FALLBACKS.items()},
        limit=options.limit,
        batch=options.batch or (128 if device.type == "cuda" else 8),
        workers=min(os.cpu_count() or 1, 16),
    )
    options.out.mkdir(parents=True, exist_ok=True)
    figures: Report = {
        "model": sampler.name,
        "data": bench.pictures.title,
        "candidates": len(bench.pictures.names),
        "limit": options.limit,
        "options": dict(bench.options),
        "loras": {Path(str(file)).name: weight for file, weight in loras.items()} if isinstance(loras, Mapping) else {},
        **report.surroundings(device),
        "rows": [],
        "seconds": 0,
    }
    chosen = [row for row in rows.ROWS if not options.rows or row.name in options.rows]
    for result in report.measure(bench, chosen):
        figures["rows"].append(result)
        figures["seconds"] = round(time.perf_counter() - start)
        report.write(figures, options.out)  # after every row, so that a run that is cut short leaves its figures
        print(printable(report.one_line(result)), flush=True)
    if not options.no_sheets:
        sheets.write_sheets(bench, options.out)
    return figures


def main(arguments: list[str] | None = None, program: str = _PROGRAM) -> int:
    """Measure and write the report; the exit status. `program`: what errors begin with, and `error` for this module."""
    options = parser(program).parse_args(arguments)
    try:
        if options.limit < 1:
            raise UserError(f"--limit is {options.limit}; give at least 1 prompt a row.")
        if options.batch is not None and options.batch < 1:
            raise UserError(f"--batch is {options.batch}; give at least 1 picture at a time.")
        evaluate(options)
    except UserError as error:
        prefix = "error" if program == _PROGRAM else program.split()[0]
        print(f"{prefix}: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    print(printable(str(options.out / "report.md")))
    return 0


if __name__ == "__main__":
    sys.exit(main())
