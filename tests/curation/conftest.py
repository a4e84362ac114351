"""A small noisy folder of pairs, for all tests of curation."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageEnhance

from pai_modelscope.data.load_dataset import open_training_set


@pytest.fixture(scope="session")
def noisy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sixty shipped pictures with their captions; copies of some; and what the names of the files say."""
    folder = tmp_path_factory.mktemp("noisy")
    shipped = open_training_set("shipped:food", limit=60, size=128)
    rows = []

    def add(name: str, picture: Image.Image, caption: str, **how: object) -> None:
        picture.save(folder / name, **how)  # type: ignore[arg-type]
        rows.append({"file_name": name, "text": caption})

    for number in range(60):
        example = shipped[number]
        add(f"{number:02d}.png", example.read(), example.captions[0])
    first = [shipped[number].read() for number in range(5)]
    add("resized.png", first[0].resize((97, 97), Image.Resampling.LANCZOS), "别的说法")
    add("compressed.jpg", first[1], "别的说法", quality=40)
    add("mirrored.png", first[2].transpose(Image.Transpose.FLIP_LEFT_RIGHT), "别的说法")
    add("darker.png", ImageEnhance.Brightness(first[3]).enhance(0.8), "别的说法")
    add("same.png", first[4], "别的说法")
    add("plain.png", Image.new("RGB", (128, 128), "teal"), "一张图")
    add("advert.png", Image.fromarray(np.random.default_rng(0).integers(0, 255, (80, 120, 3), np.uint8)),
        "厂家批发包邮，微信 13812345678，详见 www.example.com")  # fmt: skip
    (folder / "html.png").write_bytes(b"<html>not found</html>")
    rows += [{"file_name": "html.png", "text": "网页"}, {"file_name": "gone.png", "text": "没有了"}]
    lines = "\n".join(json.dumps(row, ensure_ascii=False) for row in rows)
    (folder / "metadata.jsonl").write_text(lines + "\n", encoding="utf-8")
    return folder
