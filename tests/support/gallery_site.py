"""A gallery in small: four pictures of 64 pixels, a pair, and three notebooks that exist for the tests alone."""

import base64
import io
from pathlib import Path
from typing import Any

import nbformat
import pytest
from PIL import Image

INDEX = """
title: 小画廊
text: 给测试用的几张小图。
model: pai-diffusion-mini-zh
wall:
  - id: animals
    title: 动物
    text: 会动的。
    seed: 7
    notebook: 01_drawn
    pictures:
      - {id: fox, prompt: '狐狸,蓝色背景', options: &quick {num_inference_steps: 2, width: 64, height: 64}}
      - {prompt: 熊猫, options: *quick}
      - id: wide
        prompt: 海豚
        title: 宽宽的海豚
        python: |
          picture = sampler('海豚', seed=7, num_inference_steps=2, width=128, height=64)[0].image
  - id: taught
    title: 学来的
    model: nowhere/result
    seed: 1
    pictures: [朵拉鸟]
pairs:
  - id: blot
    title: 红点变黑点
    start: 40
    prompt: 猫
    seed: 3
    python: |
      from PIL import Image

      before = Image.new('RGB', (64, 64), 'red')
      picture = sampler('猫', seed=3, num_inference_steps=2, width=64, height=64)[0].image
covers: {01_drawn: fox}
cards:
  - {picture: fox, zh: 狐狸, en: A fox, link: notebooks/01_drawn.ipynb}
  - {picture: blot, zh: 猫, en: A cat, link: notebooks/01_drawn.ipynb}
"""
BADGE = "[![打开](https://example.org/badge.svg)](https://example.org/open)"
TITLE = f"# 画一只{{}}\n\n*Drawing one*\n\n{BADGE}\n\n## 简介\n\n| 项目 | 说明 |\n| --- | --- |\n| 费用 | 不产生费用 |"
LONG = "x = '" + "很长的一行" * 40 + "'"


def picture_output(colour: str, size: tuple[int, int] = (64, 64)) -> Any:
    file = io.BytesIO()
    Image.new("RGB", size, colour).save(file, "PNG")
    data = {"image/png": base64.b64encode(file.getvalue()).decode(), "text/plain": "<PIL.Image>"}
    return nbformat.v4.new_output("display_data", data)


def printed(text: str, name: str = "stdout") -> Any:
    return nbformat.v4.new_output("stream", name=name, text=text)


def code(source: str, outputs: list[Any] | None = None, tags: list[str] | None = None) -> Any:
    return nbformat.v4.new_code_cell(source, outputs=outputs or [], metadata={"tags": tags} if tags else {})


def notebook(*cells: Any, subject: str = "猫") -> Any:
    return nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell(TITLE.format(subject)), *cells])


def save(content: Any, path: Path, outputs: bool) -> Path:
    """Write it as papermill leaves an executed copy, or without outputs as a source."""
    kept = nbformat.from_dict(content)
    if outputs:
        kept.cells.insert(1, code("# Parameters\nFAST = False", tags=["injected-parameters"]))
    else:
        for cell in kept.cells:
            if cell.cell_type == "code":
                cell.outputs = []
    path.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(kept, path)
    return path


def write_notebooks(root: Path) -> tuple[Path, Path]:
    """Sources and executed copies: one drawn, with a pair; one never executed; one that stopped on an error."""
    sources, executed = root / "notebooks", root / "executed"
    drawn = notebook(
        nbformat.v4.new_markdown_cell("## 结果\n\n企鹅站在冰上，`看得见`。"),
        code(LONG, [picture_output("green", (1600, 200)), printed("100%|####|", "stderr")]),
        code("two()", [picture_output("blue"), printed("蓝色变成黄色\n"), picture_output("yellow")], ["before-after"]),
        nbformat.v4.new_markdown_cell("## 延伸\n\n更多见[下一个](https://example.org)。"),
    )
    failed = code("1 / 0", [nbformat.v4.new_output("error", ename="ZeroDivisionError", evalue="", traceback=["坏了"])])
    for name, content, ran in (
        ("01_drawn", drawn, True),
        ("02_waiting", notebook(code("pass"), subject="狗"), False),
        ("03_failed", notebook(failed, subject="鸟"), True),
    ):
        save(content, sources / f"{name}.ipynb", outputs=False)
        if ran:
            save(content, executed / f"{name}.ipynb", outputs=True)
    return sources, executed


def write_site(root: Path) -> Path:
    """Build the small gallery below `root`; gives the folder of the site."""
    from pai_modelscope.cli import main

    sources, executed = write_notebooks(root)
    index = root / "index.yaml"
    index.write_text(INDEX, encoding="utf-8")
    folders = ["--sources", sources, "--notebooks", executed, "--output", root / "site", "--kept", root / "kept"]
    assert main(["gallery", "build", "--index", str(index), *map(str, folders)]) == 0
    return root / "site"


@pytest.fixture(scope="session")
def small_gallery(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a small site, built once for all tests; its `index.yaml` and drawings lie beside it."""
    return write_site(tmp_path_factory.mktemp("gallery"))
