"""Build the full picture set: `python -m recipes.mini.dataset.build --npm NODE_MODULES --out build/mini`.

Writes `pictures.jsonl.xz` (a record a line), `rasters/` (the pictures that have no vector form, 256 px WebP)
and `SUMMARY.json`. Reads only the npm folder; the same packages give the same bytes.
"""

import argparse
import json
import lzma
import os
from collections import Counter
from collections.abc import Iterable
from multiprocessing import get_context
from pathlib import Path

from recipes.mini.dataset import splits
from recipes.mini.dataset.check import open_picture, visible_and_distinct
from recipes.mini.dataset.packages import package_version
from recipes.mini.dataset.sources import ALLOWED_LICENSES, SOURCES, Reader, Record

RASTER_SIZE = 256
RASTER_QUALITY = 83
_TABLES = ("@icon-park/svg", "cldr-annotations-full", "cldr-annotations-derived-full", "emojibase-data")


def build(npm: Path, out: Path) -> list[Record]:
    """Write the set under `out` and return its records."""
    reader = Reader(npm)
    records = [record for source in SOURCES for record in reader.records(source)]
    order = {record["id"]: place for place, record in enumerate(records)}
    if len(order) < len(records):
        raise RuntimeError(f"ids repeat: {[i for i, n in Counter(r['id'] for r in records).items() if n > 1][:5]}")
    records = sorted(visible_and_distinct(records), key=lambda record: order[record["id"]])
    splits.assign(records)
    write_rasters(records, out)
    for record in records:
        record.pop("path", None)
    write_records(records, out / "pictures.jsonl.xz")
    summary = summarise(records, npm)
    (out / "SUMMARY.json").write_text(json.dumps(summary, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
    return records


def write_records(records: Iterable[Record], path: Path) -> None:
    """One JSON object a line, xz-compressed, keys sorted so that equal records give equal bytes."""
    lines = (json.dumps(record, ensure_ascii=False, sort_keys=True) + "\n" for record in records)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(lzma.compress("".join(lines).encode(), preset=9))


def read_records(path: Path) -> list[Record]:
    with lzma.open(path, "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def write_rasters(records: list[Record], out: Path) -> None:
    jobs = [(record, out / record["raster"]) for record in records if "raster" in record]
    for folder in {path.parent for _, path in jobs}:
        folder.mkdir(parents=True, exist_ok=True)
    with get_context("spawn").Pool(os.cpu_count()) as pool:
        pool.starmap(_write_raster, jobs, chunksize=32)


def _write_raster(record: Record, path: Path) -> None:
    open_picture(record, RASTER_SIZE).save(path, quality=RASTER_QUALITY, alpha_quality=80, method=4)


def summarise(records: list[Record], npm: Path) -> dict:
    """Counts by source and split, licences, and the exact package versions."""
    unknown = {record["license"] for record in records} - set(ALLOWED_LICENSES)
    if unknown:
        raise RuntimeError(f"licences outside the allowed list: {sorted(unknown)}")
    return {
        "pictures": len(records),
        "families": len({record["family"] for record in records}),
        "splits": _counts(records, "split"),
        "licenses": _counts(records, "license"),
        "food_test": sum(record["food_test"] for record in records),
        "sources": {
            source.name: {
                "package": source.package,
                "version": package_version(npm, source.package),
                "license": source.license,
                "author": source.author,
                "style": source.style,
                "splits": _counts((record for record in records if record["source"] == source.name), "split"),
            }
            for source in SOURCES
        },
        "tables": {package: package_version(npm, package) for package in _TABLES},
    }


def _counts(records: Iterable[Record], column: str) -> dict[str, int]:
    return dict(sorted(Counter(record[column] for record in records).items()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--npm", type=Path, required=True, help="node_modules folder with the pinned packages")
    parser.add_argument("--out", type=Path, default=Path("build/mini"))
    options = parser.parse_args()
    records = build(options.npm, options.out)
    print(f"{len(records)} pictures in {options.out}", _counts(records, "split"))


if __name__ == "__main__":
    main()
