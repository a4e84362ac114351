"""How well the package's rules read verse: precision and recall on the lines of `texts/poem_lines.jsonl`.

    python -m recipes.mini_v2.poem_readings [--tower MODEL]

What each line names was written down before the rules, and the rules were written without sight of the lines. Counted
are the names of `texts/closed_lists.json`: a name that stands there and is not in the line's facts is wrong, even where
a person might argue for it; a name that stands there not at all, such as a river, is not counted.
"""

import argparse
import json
from collections import Counter
from pathlib import Path

from pai_modelscope.prompting.concepts import BROADER
from pai_modelscope.prompting.poem import PhraseVectors, PoemReading, read_poem

TEXTS = Path(__file__).parent / "texts"
_KINDS = ("things", "place", "season", "time", "weather")
# Names of ours for what the lists have under others.
_LISTED = {"城墙": "城楼"}


def main() -> None:
    """Print a table: by kind and together, how many names, precision, recall."""
    parser = argparse.ArgumentParser(prog="python -m recipes.mini_v2.poem_readings")
    parser.add_argument("--tower", metavar="MODEL", help="a model whose text tower reads what the rules do not")
    args = parser.parse_args()
    lists: dict[str, list[str]] = json.loads((TEXTS / "closed_lists.json").read_text(encoding="utf-8"))
    kind_of = {name: kind for kind in reversed(_KINDS) for name in lists[kind]}
    vectors = _vectors(args.tower) if args.tower else None
    right, read_count, listed_count = Counter[str](), Counter[str](), Counter[str]()
    whole = unread = characters = 0
    lines = [json.loads(line) for line in (TEXTS / "poem_lines.jsonl").read_text(encoding="utf-8").splitlines()]
    for line in lines:
        reading = read_poem(line["text"], vectors)
        listed, names = facts_of(line), named(reading, set(kind_of))
        whole += listed <= names
        unread += sum(len(word.text) for word in reading.words if word.way == "unread")
        characters += sum(len(word.text) for word in reading.words)
        right.update(kind_of[name] for name in names & listed)
        read_count.update(kind_of[name] for name in names)
        listed_count.update(kind_of[name] for name in listed)
    print("| kind | names listed | read | precision | recall |\n| --- | ---: | ---: | ---: | ---: |")
    for kind in (*_KINDS, "all"):
        counts = [counter.total() if kind == "all" else counter[kind] for counter in (listed_count, read_count, right)]
        listed_total, read_total, hits = counts
        print(f"| {kind} | {listed_total} | {read_total} | {hits / read_total:.3f} | {hits / listed_total:.3f} |")
    print(
        f"\n{len(lines)} lines; all that is listed was read in {whole}; "
        f"{unread} of {characters} characters were not understood"
    )


def facts_of(line: dict[str, object]) -> set[str]:
    """The names that a line was listed with."""
    facts: set[str] = set()
    for kind in _KINDS:
        value = line.get(kind, [])
        facts.update(value if isinstance(value, list) else [str(value)])
    return facts


def named(reading: PoemReading, listed: set[str]) -> set[str]:
    """The concepts of a reading by the names of the lists."""
    names = (_LISTED.get(name, name if name in listed else BROADER.get(name, name)) for name in reading.concepts)
    return {name for name in names if name in listed}


def _vectors(model: str) -> PhraseVectors | None:
    from pai_modelscope.sampling import Sampler

    return Sampler.from_pretrained(model, device="cpu").phrase_vectors


if __name__ == "__main__":
    main()
