"""Stage 6, the judgement: `python -m recipes.mini.evaluate --work build/mini --assets build/mini/assets`.

Measures the assembled model on the full data set, says which goals it reaches, and writes the table into its card.
`--report FILE` takes figures that another machine measured.
"""

import argparse
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from pai_modelscope.evaluation import __main__ as evaluation
from pai_modelscope.evaluation.report import Report, markdown

MODEL = "pai-diffusion-mini-zh"
MARKERS = "<!-- evaluation: written by recipes.mini.evaluate -->", "<!-- end of evaluation -->"


@dataclass(frozen=True)
class Goal:
    """What a figure of a row must reach: `side` is 'share' (of real pictures), 'generated', or 'of_' another row."""

    row: str
    figure: str
    side: str
    bound: float
    at_most: bool = False

    def value(self, rows: Mapping[str, Mapping[str, object]]) -> float | None:
        """The figure, None where it was not measured."""
        figures = rows.get(self.row, {}).get(self.side)
        return figures.get(self.figure) if isinstance(figures, dict) else None

    def reached(self, value: float) -> bool:
        return value <= self.bound if self.at_most else value >= self.bound


GOALS = (
    Goal("trained", "R@1", "share", 0.92),
    Goal("trained", "R@5", "share", 0.98),
    Goal("held_pair", "R@1", "share", 0.85),
    Goal("held_pair", "R@5", "share", 0.96),
    Goal("keywords", "R@5", "share", 0.85),
    Goal("sentences", "R@5", "share", 0.85),
    Goal("background", "colour", "generated", 0.95),
    Goal("two_objects", "both", "generated", 0.60),
    Goal("vae", "mean PSNR", "generated", 31.0),
    Goal("defaults", "R@1", "of_trained", 0.95),
    Goal("defaults", "R@5", "of_trained", 0.95),
    Goal("defaults_held_pair", "R@1", "of_held_pair", 0.95),
    Goal("defaults_held_pair", "R@5", "of_held_pair", 0.95),
    Goal("controlled", "edges", "of_uncontrolled", 2.0),
    # Near chance, which is far below one in a hundred for names and one in thirteen for styles.
    Goal("food", "R@5", "generated", 0.05, at_most=True),
    Goal("held_style", "style", "generated", 0.15, at_most=True),
    Goal("held_concept", "R@5", "generated", 0.05, at_most=True),
)


def judged(report: Report) -> Iterator[str]:
    """One line a goal."""
    rows = {row["name"]: row for row in report["rows"]}
    for goal in GOALS:
        value = goal.value(rows)
        verdict = "not measured" if value is None else "reached" if goal.reached(value) else "MISSED"
        bound = f"{'at most' if goal.at_most else 'at least'} {goal.bound:g}"
        figure = "-" if value is None else f"{value:.3f}"
        yield f"{verdict:>12}  {goal.row} {goal.figure} ({goal.side}): {figure}, {bound}"


def write_card(report: Report, card: Path) -> None:
    """Put the table between its markers; a card without them is an error."""
    text = card.read_text(encoding="utf-8")
    begin, end = MARKERS
    pattern = re.compile(f"{re.escape(begin)}.*?{re.escape(end)}", re.DOTALL)
    if not pattern.search(text):
        raise SystemExit(f"{card} lacks the lines\n{begin}\n{end}\nbetween which the table belongs.")
    table = f"{begin}\n{markdown(report)}{end}"
    card.write_text(pattern.sub(lambda _: table, text), encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m recipes.mini.evaluate")
    parser.add_argument("--work", type=Path, default=Path("build/mini"), help="the folder of this recipe run")
    parser.add_argument("--assets", type=Path, default=Path("build/mini/assets"), help="where the model and judge lie")
    parser.add_argument("--limit", type=int, default=512, help="prompts a row")
    parser.add_argument("--report", type=Path, help="figures measured before: a report.json")
    parser.add_argument("--card", type=Path, help="the model card that gets the table")
    args = parser.parse_args()
    if args.report:
        report: Report = json.loads(args.report.read_text(encoding="utf-8"))
    else:
        flags = ["--model", str(args.assets / MODEL), "--judge", str(args.assets / "judge")]
        flags += ["--data", str(args.work / "pictures.jsonl.xz"), "--limit", str(args.limit)]
        report = evaluation.evaluate(evaluation.parser().parse_args([*flags, "--out", str(args.work / "evaluation")]))
    print(*judged(report), sep="\n")
    if args.card:
        write_card(report, args.card)


if __name__ == "__main__":
    main()
