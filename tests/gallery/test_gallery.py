"""The gallery's declaration, its drawings, the pages made of notebooks, and the README's cards."""

import shlex
import shutil
import warnings
from pathlib import Path
from typing import Any

import nbformat
import numpy as np
import pytest
import yaml
from PIL import Image

from pai_modelscope.cli import build_parser, main
from pai_modelscope.cli.options import options_of
from pai_modelscope.errors import UserError
from pai_modelscope.gallery import build_site, cards, draw, read_index, write_cards
from pai_modelscope.gallery.index import FLAGS, Entry, Index
from pai_modelscope.gallery.notebooks import read_notebooks
from tests.support.command_line import names, pixels
from tests.support.gallery_site import INDEX, code, notebook, picture_output, save, write_notebooks

ROOT = Path(__file__).parents[2]
REAL = ROOT / "gallery" / "index.yaml"
THUMBNAILS = ROOT / "docs" / "images" / "gallery"
READMES = {"en": ROOT / "README.md", "zh": ROOT / "README.zh.md"}


@pytest.fixture(scope="module")
def declared() -> Index:
    return read_index(REAL)


def index_of(tmp_path: Path, text: str = INDEX) -> Index:
    path = tmp_path / "index.yaml"
    path.write_text(text, encoding="utf-8")
    return read_index(path)


def entry(index: Index, key: str) -> Entry:
    return next(each for each in index.entries if each.key == key)


def test_the_real_declaration_shows_enough_and_refers_to_what_exists(declared: Index) -> None:
    wall = [each for group in declared.groups for each in group.entries]
    assert 60 <= len(wall) <= 90 and len(declared.pairs) >= 4
    there = {path.stem for path in (ROOT / "notebooks").glob("*.ipynb")}
    assert {each.notebook for each in declared.entries} <= there | {""}
    assert set(declared.covers) <= there
    assert all((ROOT / card.link).is_file() for card in declared.cards)


def test_commands_say_what_the_python_says(declared: Index) -> None:
    """The two calls of a picture are read back: the same text, seed, model and options."""
    checked, parser = 0, build_parser()
    for each in declared.entries:
        if not each.command:
            continue
        args = parser.parse_args(shlex.split(each.command)[1:])
        said = {"texts": args.texts, "model": args.model or "pai-diffusion-mini-zh", "device": args.device}
        assert said == {"texts": [each.prompt], "model": each.model, "device": "cpu"}
        options = "".join(f", {name}={value!r}" for name, value in options_of(args).items() if name != "seed")
        assert each.python == f"picture = sampler({each.prompt!r}, seed={options_of(args)['seed']}{options})[0].image\n"
        checked += 1
    assert checked >= 35


def test_every_flag_is_the_one_of_generate(tmp_path: Path) -> None:
    values = {"negative_prompt": "猫", "num_inference_steps": 3, "guidance_scale": 4.5, "scheduler": "DDIM"}
    values |= {"upscale": 2, "upscaler": "hires"}
    assert values.keys() == FLAGS.keys()
    content = yaml.safe_load(INDEX)
    content["wall"][0]["pictures"] = [{"id": "fox", "prompt": "它 的 '家'", "options": values}]
    made = entry(index_of(tmp_path, yaml.safe_dump(content, allow_unicode=True)), "fox")
    args = build_parser().parse_args(shlex.split(made.command)[1:])
    assert options_of(args) == {**values, "seed": 7} and args.texts == ["它 的 '家'"]


def test_what_a_reader_copies_makes_the_picture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The whole Python and the command, run as a reader runs them, and the drawing of the build: bit for bit."""
    text = INDEX.replace("{num_inference_steps: 2, width: 64, height: 64}", "{num_inference_steps: 2}")
    fox = entry(index_of(tmp_path, text), "fox")
    drawn = draw.draw([fox], tmp_path / "kept")["fox"][0]
    monkeypatch.chdir(tmp_path)
    exec(fox.call, {})
    assert np.array_equal(pixels(tmp_path / "picture.png"), np.asarray(drawn))
    assert main([*shlex.split(fox.command)[1:], "--output", "out"]) == 0
    assert np.array_equal(pixels(next((tmp_path / "out").glob("*.png"))), np.asarray(drawn))


def test_the_thumbnails_show_what_is_declared(declared: Index, tmp_path: Path) -> None:
    """One of them, as the others need more time or training; a picture of another seed is 40 away."""
    drawn = draw.draw([entry(declared, "fox")], tmp_path / "kept")["fox"][0]
    small = np.asarray(drawn.resize((cards._SIDE, cards._SIDE), Image.Resampling.LANCZOS), float)
    assert np.abs(pixels(THUMBNAILS / "fox.webp").astype(float) - small).mean() < 6


def test_a_second_build_draws_nothing(small_gallery: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: Any) -> Any:
        raise AssertionError("drawn again")

    monkeypatch.setattr(draw._Artist, "run", refuse)
    index = read_index(small_gallery.parent / "index.yaml")
    with pytest.warns(UserWarning, match="1 pictures are left out"):
        drawn = draw.draw(index.entries, small_gallery.parent / "kept")
    assert len(drawn) == 4 and len(drawn["blot"]) == 2
    changed = INDEX.replace("seed=7, num", "seed=7 , num")
    with pytest.raises(AssertionError, match="drawn again"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        draw.draw(index_of(tmp_path, changed).entries, small_gallery.parent / "kept")


def test_missing_results_are_counted_and_named(tmp_path: Path) -> None:
    index = index_of(tmp_path)
    lacking = [each for each in index.entries if each.needs_training]
    with pytest.warns(UserWarning, match=r"1 pictures are left out.*nowhere/result") as told:
        assert draw.draw(lacking, tmp_path / "kept") == {}
    assert len(told) == 1


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("title: 小画廊\n", "", "the top lacks title"),
        ("title: 小画廊", "titel: x\ntitle: 小画廊", "says 'titel'; known are cards"),
        ("wall:", "wall: 3\nwal:", "says 'wal'"),
        ("    seed: 7\n", "", "lacks seed"),
        ("prompt: 熊猫", "id: fox, prompt: 熊猫", "fox: declared twice"),
        ("covers: {01_drawn: fox}", "covers: {01_drawn: ghost}", "no picture has the id ghost"),
        ("sampler('海豚', seed=7", "sampler('海豚', seed=8", "does not say seed=7"),
        ("sampler('海豚'", "sampler('鲸鱼'", "does not say '海豚'"),
        ("start: 40", "start: half", "start of '猫' is 'half'"),
        ("before = Image", "first = Image", "does not say before ="),
        ("pictures: [朵拉鸟]", "pictures: [3]", "3 in taught is no picture"),
        ("pictures: [朵拉鸟]", "pictures: 朵拉鸟", "must be a list"),
        ("wall:", "wall: [", "no YAML"),
        ("title: 小画廊", "title: [1]", r"title of the top is \[1\]: it must be a text"),
        ("model: pai", "model: 5 #", "model of the top is 5"),
        ("covers: {01_drawn: fox}", "covers: [1]", r"covers is \[1\]"),
        ("covers: {01_drawn: fox}", "covers: {1: fox}", "covers is"),
        ("covers: {01_drawn: fox}", "covers: {01_drawn: [fox]}", "covers is"),
        ("picture: fox, zh: 狐狸", "picture: [fox], zh: 狐狸", "picture of a card is"),
        ("picture: fox, zh: 狐狸", "picture: fox, zh: .nan", "zh of a card is nan"),
        ("id: fox, prompt: '狐狸,蓝色背景'", "id: fox, prompt: 5", "prompt of a picture of animals is 5"),
        ("    seed: 7\n", "    seed: x\n", "seed of a group of the wall is 'x'"),
        ("    seed: 7\n", "    seed: .inf\n", "seed of a group of the wall is inf"),
        ("    seed: 3\n", "    seed: 1.5\n", "seed of a picture of pairs is 1.5"),
        ("id: animals", "id: ../animals", "id '../animals' is no name"),
        ("id: fox", "id: /etc/x", "id '/etc/x' is no name"),
        ("id: animals", "id: {a: b}", "id of a group of the wall is"),
        ("options: &quick {num", "options: &quick {5: 1, num", "options of '狐狸,蓝色背景' is"),
        ("options: *quick", "options: [1]", "options of '熊猫' is"),
        ("start: 40", "start: .nan", "start of '猫' is nan"),
        ("start: 40", "start: [40]", "start of '猫' is"),
        ("        python: |", "        python: [1]\n        alt: |", "python of a picture of animals is"),
        ("notebook: 01_drawn", "notebook: 2020-01-01", "notebook of a group of the wall is"),
        ("text: 给测试用的几张小图。", 'text: "\\ud800"', "it must be a text|no YAML"),
        ("wall:", "wall: " + "[" * 5000, "more than 64"),
        ("title: 小画廊", "? [1]\n: 2\ntitle: 小画廊", "no YAML|says"),
    ],
)
def test_a_wrong_declaration_is_refused(tmp_path: Path, old: str, new: str, said: str) -> None:
    assert old in INDEX
    with pytest.raises(UserError, match=said):
        index_of(tmp_path, INDEX.replace(old, new, 1))


def test_without_a_declaration(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["gallery", "build", "--index", str(tmp_path / "none.yaml")]) == 2
    assert "in a clone of the project" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("python", "said"),
    [
        ("picture = 1 / 0  # '海豚', seed=7", "ZeroDivisionError"),
        ("picture = 'x'  # '海豚', seed=7", "leaves no picture"),
    ],
)
def test_python_that_draws_nothing_is_named(tmp_path: Path, python: str, said: str) -> None:
    content = yaml.safe_load(INDEX)
    content["wall"][0]["pictures"][2]["python"] = python
    index = index_of(tmp_path, yaml.safe_dump(content, allow_unicode=True))
    with pytest.raises(UserError, match=f"宽宽的海豚.*{said}"):
        draw.draw([entry(index, "wide")], tmp_path / "kept")
    assert names(tmp_path / "kept") == []


def test_notebooks_without_results_are_counted_and_named(tmp_path: Path) -> None:
    sources, executed = write_notebooks(tmp_path)
    changed = nbformat.read(sources / "01_drawn.ipynb", 4)
    changed.cells[1].source += "\n再来一次。"
    nbformat.write(changed, sources / "01_drawn.ipynb")
    told = (
        r"3 notebooks lack.*01_drawn \(executed in another version\), 02_waiting \(not executed\), 03_failed \(stopped"
    )
    with pytest.warns(UserWarning, match=told):
        found = read_notebooks(sources, executed)
    assert [len(each.figures) for each in found] == [1, 0, 0]
    assert found[0].figures[0].size == (1200, 150), "wide figures are made as wide as fine screens show them"


@pytest.mark.parametrize("count", [1, 3])
def test_a_tagged_cell_shows_two_pictures(tmp_path: Path, count: int) -> None:
    content = notebook(code("several()", [picture_output("red")] * count, ["before-after"]))
    save(content, tmp_path / "s" / "01_x.ipynb", outputs=False)
    save(content, tmp_path / "e" / "01_x.ipynb", outputs=True)
    with pytest.warns(
        UserWarning, match=f"01_x: a cell tagged before-after shows {count} pictures, and two are needed"
    ):
        (found,) = read_notebooks(tmp_path / "s", tmp_path / "e")
    assert found.pairs == [] and len(found.figures) == count


def test_bad_notebooks_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="holds no notebook"):
        read_notebooks(tmp_path, tmp_path)
    (tmp_path / "01_x.ipynb").write_text("{", encoding="utf-8")
    with pytest.raises(UserError, match="cannot be read as a notebook"):
        read_notebooks(tmp_path, tmp_path / "executed")
    nbformat.write(nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell("没有标题")]), tmp_path / "01_x.ipynb")
    with pytest.raises(UserError, match="does not begin with a title"):
        read_notebooks(tmp_path, tmp_path / "executed")


def test_the_site_is_whole_or_as_it_was(small_gallery: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = small_gallery.parent
    site = shutil.copytree(small_gallery, tmp_path / "site")
    (site / "old.txt").write_text("of the build before", encoding="utf-8")
    before = sorted(path.relative_to(site) for path in site.rglob("*"))
    index = read_index(root / "index.yaml")

    def build(output: Path) -> Path:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            places = {"sources": root / "notebooks", "executed": root / "executed", "kept": root / "kept"}
            return build_site(index, output=output, **places)

    with monkeypatch.context() as broken:
        broken.setattr("pai_modelscope.gallery.site.render", lambda *a: (_ for _ in ()).throw(OSError(28, "disk full")))
        with pytest.raises(UserError, match="disk full"):
            build(site)
    assert sorted(path.relative_to(site) for path in site.rglob("*")) == before
    assert build(site) == site / "index.html"
    assert not (site / "old.txt").exists()
    assert names(tmp_path) == ["site"]
    other = tmp_path / "other"
    other.mkdir()
    (other / "thesis.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(UserError, match="is no gallery"):
        build(other)
    assert names(other) == ["thesis.txt"]


@pytest.mark.parametrize("language", READMES)
def test_the_cards_are_in_sync(declared: Index, language: str) -> None:
    readme = READMES[language]
    hint = "run 'pai-modelscope gallery cards'"
    assert cards.in_sync(readme, declared, language, THUMBNAILS) == readme.read_text(encoding="utf-8"), hint


def test_the_cards_have_small_pictures(declared: Index) -> None:
    assert names(THUMBNAILS) == sorted(f"{card.picture}.webp" for card in declared.cards)
    assert sum(path.stat().st_size for path in THUMBNAILS.iterdir()) < 150_000


def test_cards_are_written_between_their_lines(small_gallery: Path, tmp_path: Path) -> None:
    readme = tmp_path / "README.md"
    readme.write_text(f"# 上\n\n{cards.BEGIN}\nold\n{cards.END}\n\n下\n", encoding="utf-8")
    index = read_index(small_gallery.parent / "index.yaml")
    pictures = tmp_path / "docs"
    changed = write_cards(index, {"en": readme}, pictures, small_gallery.parent / "kept")
    assert changed == [readme, pictures / "fox.webp", pictures / "blot.webp"]
    text = readme.read_text(encoding="utf-8")
    assert text.startswith("# 上\n") and text.endswith("\n下\n") and "old" not in text
    assert "[![A fox](docs/fox.webp)](notebooks/01_drawn.ipynb)" in text
    assert write_cards(index, {"en": readme}, pictures, small_gallery.parent / "kept") == []
    readme.write_text("# 没有位置\n", encoding="utf-8")
    with pytest.raises(UserError, match="has no place for cards"):
        write_cards(index, {"en": readme}, pictures, small_gallery.parent / "kept")
