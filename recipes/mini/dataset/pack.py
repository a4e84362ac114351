"""Pack what ships: `python -m recipes.mini.dataset.pack --build build/mini --out pai_modelscope/assets/dataset`.

Chooses among the built records the pictures that notebooks, tests and evaluation need, as SVG and within 6 MiB, and
writes the data card beside them. The same records give the same bytes.
"""

import argparse
import json
from pathlib import Path

from pai_modelscope.data.shipped import CONTROL_PAIRS, PARTS
from recipes.mini.dataset.build import read_records, write_records
from recipes.mini.dataset.card import card, notice
from recipes.mini.dataset.sources import ALLOWED_LICENSES, Record

BASE_STYLE = "twemoji"
MAX_BYTES = 6 * 2**20
NOTICE = Path(__file__).parents[1] / "NOTICE.part"


def part_of(record: Record, paired: set[str]) -> str | None:
    """The file that a picture goes into, None if it stays out; `paired` holds the ids of control pairs."""
    if "svg" not in record:
        return None
    by_split = {"food": "food", "held_style": "style", "held_pair": "held", "held_concept": "held"}
    if record["split"] in by_split:
        return by_split[record["split"]]
    if record["source"] == BASE_STYLE:
        return "base"
    return "control" if record["id"] in paired else None


def control_ids(records: list[Record]) -> set[str]:
    """Ids of both drawings of every trained control pair; flags and people's variants are left out, being many."""
    plain = [r for r in records if r["split"] == "train" and not r["is_flag"] and not r["variant"]]
    at = {(record["source"], record["key"]): record["id"] for record in plain}
    pairs = [(at[a, key], at[CONTROL_PAIRS[a], key]) for a, key in at if (CONTROL_PAIRS.get(a), key) in at]
    return {picture for pair in pairs for picture in pair}


def parts(records: list[Record]) -> dict[str, list[Record]]:
    """The rows of every file, in the order of the build."""
    chosen: dict[str, list[Record]] = {name: [] for name in PARTS}
    paired = control_ids(records)
    for record in records:
        if part := part_of(record, paired):
            chosen[part].append(record)
    return chosen


def pack(records: list[Record], summary: dict, out: Path) -> dict[str, int]:
    """Write the files and the card, and return the bytes of each."""
    chosen = parts(records)
    wrong = {r["license"] for rows in chosen.values() for r in rows} - set(ALLOWED_LICENSES)
    if wrong:
        raise RuntimeError(f"licences outside the allowed list: {sorted(wrong)}")
    for name, rows in chosen.items():
        write_records(rows, out / f"{name}.jsonl.xz")
    size = sum((out / f"{name}.jsonl.xz").stat().st_size for name in chosen)
    (out / "README.md").write_text(card(chosen, size, summary), encoding="utf-8")
    sizes = {path.name: path.stat().st_size for path in sorted(out.iterdir())}
    if sum(sizes.values()) > MAX_BYTES:
        raise RuntimeError(f"{sum(sizes.values())} bytes; at most {MAX_BYTES} may ship: {sizes}")
    return sizes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", type=Path, default=Path("build/mini"), help="what recipes.mini.dataset.build wrote")
    parser.add_argument("--out", type=Path, default=Path("pai_modelscope/assets/dataset"))
    options = parser.parse_args()
    summary = json.loads((options.build / "SUMMARY.json").read_text(encoding="utf-8"))
    sizes = pack(read_records(options.build / "pictures.jsonl.xz"), summary, options.out)
    NOTICE.write_text(notice(summary), encoding="utf-8")
    print(f"{sum(sizes.values()) / 2**20:.2f} MiB in {options.out}:", sizes)


if __name__ == "__main__":
    main()
