"""README and guides: what a reader copies works, what a reader follows is there, and both languages say the same."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
import torch

import pai_modelscope
from notebooks import build as notebooks_build
from pai_modelscope.cli import build_parser
from pai_modelscope.config import GenerationOptions
from pai_modelscope.serving.admission import FIELDS
from pai_modelscope.serving.apis import APIS
from tests.support.browser import missing_glyphs, visit
from tests.support.hub_server import HubServer, read_folder

ROOT = Path(__file__).parents[1]
ENGLISH = [ROOT / "README.md", *sorted((ROOT / "docs/en").glob("*.md"))]
GUIDES = ["generate", "edit", "fine-tune", "adapters", "zoo", "large-models", "serve"]
FENCE = re.compile(r"^```(\S*)[^\n]*\n(.*?)^```", re.MULTILINE | re.DOTALL)
SPANS = re.compile(r"`[^`\n]*`")
LINK = re.compile(r"\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)


def chinese(document: Path) -> Path:
    """The twin of an English document."""
    if document.parent == ROOT:
        return ROOT / "README.zh.md"
    return ROOT / "docs/zh" / document.name


ALL = [*ENGLISH, *map(chinese, ENGLISH)]
every_document = pytest.mark.parametrize("document", ALL, ids=lambda path: path.relative_to(ROOT).as_posix())
every_pair = pytest.mark.parametrize("document", ENGLISH, ids=lambda path: path.stem)


def read(document: Path) -> str:
    return document.read_text(encoding="utf-8")


def blocks(document: Path, language: str) -> list[str]:
    return [code for name, code in FENCE.findall(read(document)) if name == language]


def commands(document: Path) -> list[list[str]]:
    lines = "\n".join(blocks(document, "bash")).replace("\\\n", "").splitlines()
    return [words for line in lines if (words := shlex.split(line, comments=True))]


def prose(document: Path) -> str:
    """The text without code, in which brackets are links."""
    return SPANS.sub("", FENCE.sub("", read(document)))


def anchors(document: Path) -> set[str]:
    """The addresses of a document's headings, as GitHub makes them."""
    titles = HEADING.findall(FENCE.sub("", read(document)))
    kept = ("".join(c for c in title.lower() if c in " -_" or unicodedata.category(c)[0] in "LMN") for title in titles)
    return {title.strip().replace(" ", "-") for title in kept}


def test_the_readme_is_short() -> None:
    assert all(len(read(ROOT / name).splitlines()) <= 200 for name in ("README.md", "README.zh.md"))


def test_every_task_has_a_guide_in_both_languages() -> None:
    names = {path.name for path in ENGLISH[1:]}
    assert {f"{guide}.md" for guide in GUIDES} <= names == {path.name for path in (ROOT / "docs/zh").glob("*.md")}
    for readme, language in ((ROOT / "README.md", "en"), (ROOT / "README.zh.md", "zh")):
        assert {f"docs/{language}/{guide}.md" for guide in GUIDES} <= set(LINK.findall(read(readme)))


@every_pair
def test_both_languages_show_the_same_code(document: Path) -> None:
    def code(path: Path) -> list[tuple[str, str]]:
        return [(name, re.sub(r"\s*#.*", "", text)) for name, text in FENCE.findall(read(path)) if name != "{eval-rst}"]

    assert code(document) == code(chinese(document))
    assert blocks(document, "{eval-rst}") == blocks(chinese(document), "{eval-rst}")


@every_pair
def test_both_languages_have_the_same_parts(document: Path) -> None:
    """Headings by their depth, rows of tables, items of lists, pictures, and links but for their language."""

    def parts(path: Path) -> list[Any]:
        text = FENCE.sub("", read(path))
        marks = re.findall(r"^(#+ |\| |- |\d\. |<!--)", text, re.MULTILINE)
        links = {re.sub(r"README\.zh\.md|docs/zh/|\.\./zh/", "", link).split("#")[0] for link in LINK.findall(text)}
        links = {re.sub(r"README\.md|docs/en/|\.\./en/", "", link) for link in links} - {"", "../../"}
        return [marks, links - {path.name}]

    assert parts(document) == parts(chinese(document))


@every_document
def test_every_block_says_what_it_is(document: Path) -> None:
    """Blocks of other languages would not be run by the tests below."""
    assert {name for name, _ in FENCE.findall(read(document))} <= {
        "bash",
        "python",
        "{eval-rst}",
        "{options}",
        "{toctree}",
    }


@every_document
def test_make_targets_exist(document: Path) -> None:
    in_text = re.findall(r"`make ([a-z-]+)`", read(document))
    named = {*in_text, *(words[1] for words in commands(document) if words[0] == "make")}
    targets = set(re.findall(r"^([a-z-]+):", read(ROOT / "Makefile"), flags=re.MULTILINE))
    assert named <= targets
    assert document.parent != ROOT or {"demo", "test", "docs"} <= named


def our_arguments(words: list[str]) -> list[str] | None:
    """What a command gives to our command line, in any of the forms that a reader types; None: to no part of it."""
    if words[0].endswith("pai-modelscope"):
        return words[1:]
    if words[0] == "accelerate" and "-m" in words:
        place = words.index("-m") + 1
        return words[place + 1 :] if words[place] == "pai_modelscope.cli" else None
    return None


def script_arguments(words: list[str]) -> list[str]:
    """What `accelerate launch scripts/NAME.py ...` gives to our command line."""
    place = next(number for number, word in enumerate(words) if word.endswith(".py"))
    script = read(ROOT / words[place])
    method = re.search(r'main\(\["train", "([a-z-]+)"', script)
    assert method
    return ["train", method[1], *words[place + 1 :]]


def check_curl(words: list[str]) -> None:
    """A call of the service: its path is there, and a body holds fields that it knows."""
    paths = {route.path for api in APIS for route in api.router(None).routes}
    assert "/" + words[-1].split("://")[1].partition("/")[2] in paths, words
    if "-d" in words:
        named = {*FIELDS, "model", "format", "size", "response_format"}
        assert json.loads(words[words.index("-d") + 1]).keys() <= named


@every_document
def test_commands_are_understood(document: Path) -> None:
    for words in commands(document):
        if words[0] == "curl":
            check_curl(words)
            continue
        arguments = our_arguments(words)
        if arguments is None and words[0] != "make":
            arguments = script_arguments(words)
        if arguments is not None:
            args, rest = build_parser().parse_known_args(arguments)
            assert callable(args.run)
            assert not rest or arguments[0] == "evaluate", rest


def test_commands_are_seen() -> None:
    assert len([words for document in ENGLISH for words in commands(document)]) > 25


@every_document
def test_options_in_tables_exist(document: Path) -> None:
    if document.stem in ("generate", "edit"):
        rows = re.findall(r"^\| (`[^|]*) \|", read(document), re.MULTILINE)
        named = {name for row in rows for name in re.findall(r"`([a-z_]+)`", row)}
        assert named and named <= set(GenerationOptions.__dataclass_fields__)


def missing(document: Path, links: list[str]) -> list[str]:
    """The links that lead to no file, or to no heading of it."""
    wrong = []
    for link in links:
        path, _, anchor = unquote(link).partition("#")
        target = (document.parent / path).resolve() if path else document
        lost = not target.exists() or (anchor and target.suffix == ".md" and anchor not in anchors(target))
        wrong += [link] if "://" not in link and lost else []
    return wrong


@pytest.mark.parametrize(
    "document",
    [
        *ALL,
        ROOT / "CONTRIBUTING.md",
        ROOT / "CHANGELOG.md",
        *sorted((ROOT / "recipes").glob("*/README.md")),
        *sorted((ROOT / "deploy").glob("*.md")),
    ],
    ids=lambda path: path.relative_to(ROOT).as_posix(),
)
def test_links_and_pictures_exist(document: Path) -> None:
    assert missing(document, LINK.findall(prose(document))) == []


@pytest.mark.parametrize("source", notebooks_build.sources(), ids=lambda path: path.stem)
def test_what_notebooks_refer_to_exists(source: Path) -> None:
    """Links, and files of the repository that the text names."""
    text = "\n".join(line for line in read(source).splitlines() if line.startswith("# "))
    links = [link for link in LINK.findall(text) if "{" not in link]
    assert missing(source.parents[1] / source.name, links) == []
    named = re.findall(r"`((?:recipes|benchmarks|docs|scripts|gallery)/[\w./-]+)`", text)
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_a_lost_link_is_seen(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("# 第一 节！\n", encoding="utf-8")
    links = ["a.md", "b.md", "a.md#第一-节", "a.md#第二节", "https://example.org"]
    assert missing(tmp_path / "c.md", links) == ["b.md", "a.md#第二节"]


# The Python of the English documents; the Chinese ones hold the same. Fewer steps than the text says.
SHORTER = {
    "max_train_steps=500": "max_train_steps=1",
    "max_epochs=10": "max_epochs=1",
    "num_inference_steps=12": "num_inference_steps=2",
    "pipe('一首诗')": "pipe('一首诗', num_inference_steps=2)",
}
IN_FEW_STEPS = {
    "pipe(prompt)": "pipe(prompt, num_inference_steps=4)",  # 50 by itself
    "seed=3)[0]": "seed=3, num_inference_steps=4)[0]",
    "image=lake,": "image=lake, num_inference_steps=4,",
}
SLOW = {("fine-tune", 1)}  # what it shows, tests/trainers shows as well
PYTHON = [(path, number) for path in ENGLISH for number in range(len(blocks(path, "python")))]
IN_GUIDES = [(path, number) for path, number in PYTHON if path.parent != ROOT and path.stem != "zoo"]


@pytest.mark.parametrize("number", [number for path, number in PYTHON if path.parent == ROOT])
def test_python_of_the_readme_runs_alone(number: int, tmp_path: Path) -> None:
    code = blocks(ROOT / "README.md", "python")[number]
    for whole, short in IN_FEW_STEPS.items():
        code = code.replace(whole, short)
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-2000:]
    assert list(tmp_path.glob("*.png")), "every snippet of the README makes a picture"


@pytest.fixture
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shipped: Any) -> Iterator[Path]:
    """A folder with what the guides' code takes for granted: pictures, LoRAs of two forms, an embedding."""
    from pai_modelscope import adapters
    from tests.support.adapter_files import CAT, make_checkpoint, make_kohya

    draw = pai_modelscope.Sampler.__call__

    def draw_quickly(sampler: Any, texts: Any = "", **options: Any) -> Any:
        return draw(sampler, texts, **{"num_inference_steps": 2, **options})

    monkeypatch.setattr(pai_modelscope.Sampler, "__call__", draw_quickly)
    monkeypatch.chdir(tmp_path)
    for folder in ("pictures", "held_out", "model_path"):
        (tmp_path / folder).mkdir()
    for number, row in enumerate(pai_modelscope.open_dataset("style", size=64).select(range(4))):
        path = tmp_path / ("pictures", "held_out")[number % 2] / f"{number}.png"
        row["image"].save(path)
        path.with_suffix(".txt").write_text("一只猫,扁平插画风格", encoding="utf-8")
    make_checkpoint(shipped, tmp_path / "model_path")
    make_kohya(shipped, tmp_path)[0].rename(tmp_path / "poem.safetensors")
    shutil.copy(tmp_path / "poem.safetensors", tmp_path / "ink.safetensors")
    width = shipped.text_encoder.config.hidden_size
    adapters.write_embedding(
        adapters.Embedding(CAT, torch.ones(1, width) / 10), tmp_path / "cat.safetensors", "diffusers"
    )
    yield tmp_path
    pai_modelscope.compat.disable()


@pytest.mark.parametrize(
    ("document", "number"),
    [
        pytest.param(
            path,
            number,
            id=f"{path.stem}-{number}",
            marks=[pytest.mark.slow] if (path.stem, number) in SLOW else [],
        )
        for path, number in IN_GUIDES
    ],
)
@pytest.mark.slow
def test_python_of_the_guides_runs(document: Path, number: int, workplace: Path) -> None:
    code = blocks(document, "python")[number]
    for full, short in SHORTER.items():
        code = code.replace(full, short)
    before = set(workplace.rglob("*"))
    exec(compile(code, f"{document.name}[{number}]", "exec"), {"__name__": "__main__"})
    assert set(workplace.rglob("*")) - before, "every block leaves a picture or a result"


def test_python_of_the_guides_is_shortened() -> None:
    code = "".join(blocks(path, "python")[number] for path, number in IN_GUIDES)
    assert all(full in code for full in SHORTER)


@pytest.mark.slow  # tests/zoo/test_hub.py makes the same calls
def test_python_of_the_zoo_runs_with_a_hub(tmp_path: Path) -> None:
    """Its blocks in their order, as the last one opens what the first has downloaded."""
    files = read_folder(pai_modelscope.model_dir("pai-diffusion-mini-zh"))
    code = "\n".join(blocks(ROOT / "docs/en/zoo.md", "python"))
    assert code.count("p = pipeline(") == 3
    with HubServer({("PAI/pai-diffusion-artist-large-zh", "v1.0.0"): files}) as hub:
        code += "\nassert 'snapshots' in str(folder) and type(p).__name__ == 'PaiDiffusionPipeline'"
        environment = {**os.environ, **hub.environment(tmp_path)}
        done = subprocess.run(
            [sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=300
        )
    assert done.returncode == 0, done.stderr[-2000:]


# The site.


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the built site."""
    from docs.build import build

    return build(tmp_path_factory.mktemp("site") / "docs").parent


def pages(site: Path) -> list[Path]:
    return sorted(path for path in site.rglob("*.html") if not path.parent.name.startswith("."))


def test_the_site_has_every_page(site: Path) -> None:
    for language in ("zh", "en"):
        names = {page.stem for page in pages(site) if page.parent.name == language}
        assert names == {path.stem for path in ENGLISH[1:]} | {"search"}


@pytest.mark.parametrize(
    ("language", "labels"), [("zh", ["下一页", "上一页", "本页内容"]), ("en", ["Next", "Previous"])]
)
def test_what_the_theme_says_is_in_the_language_of_the_page(site: Path, language: str, labels: list[str]) -> None:
    text = (site / language / "fine-tune.html").read_text(encoding="utf-8")
    assert all(f">{label}<" in "".join(text.split()) for label in labels)


def test_links_of_the_site_lead_somewhere(site: Path) -> None:
    lost = []
    for page in pages(site):
        text = page.read_text(encoding="utf-8")
        for address in re.findall(r'(?:href|src)="([^"]+)"', text):
            link = urlsplit(address.replace("&amp;", "&"))
            target = (page.parent / unquote(link.path)).resolve() if link.path else page
            if link.scheme or target.suffix == ".svg":
                continue
            content = target.read_text(encoding="utf-8", errors="ignore") if target.is_file() else ""
            if not target.is_file() or (link.fragment and f'id="{unquote(link.fragment)}"' not in content):
                lost.append((page.name, address))
    assert lost == []


def test_the_site_names_no_other_host_but_the_repository(site: Path) -> None:
    loaded = re.compile(r'<(?:script|link|img)[^>]+(?:src|href)="(?:https?:)?//[^"]+"')
    assert [found for page in pages(site) for found in loaded.findall(page.read_text("utf-8"))] == []


def test_every_option_is_in_the_tables_and_in_chinese(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import yaml

    from docs.extensions import option_tables

    keys, others = option_tables.texts()
    translated = yaml.safe_load(option_tables.TRANSLATIONS.read_text(encoding="utf-8"))
    hint = "write the Chinese of these options into docs/zh/options.yaml, and remove those that are gone"
    assert keys | others == translated.keys(), hint
    with pytest.raises(SystemExit):
        build_parser().parse_args(["train", "lora", "--help"])
    flags = set(re.findall(r"--[a-z0-9_]+(?![a-z0-9_-])", capsys.readouterr().out))
    assert len(flags) > 80
    for language in ("zh", "en"):
        text = (site / language / "options.html").read_text(encoding="utf-8")
        assert [flag for flag in flags if f">{flag}<" not in text and flag not in NOT_OPTIONS] == []


# Of `train --help`: flags of the command line itself.
NOT_OPTIONS = {"--config", "--flat", "--help", "--model", "--pretrained_model_name_or_path", "--revision"}


SEARCHES = {  # a query, and the page that it must find
    "zh": {
        "水墨": "微调",
        "微调": "微调",
        "断点续训": "微调",
        "局部重绘": "编辑",
        "墨": "微调",
        "学习率": "选项",
        "read_lora": "适配器",
        "熊猫 蓝色": "生成",
    },
    "en": {"scheduler": "Generate", "DreamBooth": "Fine-tune"},
}


@pytest.mark.parametrize("language", SEARCHES)
def test_the_search_finds(browser: Any, site: Path, language: str) -> None:
    """From `file://`, without a server: the page with the words, and no page without them."""
    with visit(browser) as seen:
        for query, title in SEARCHES[language].items():
            results = searched(seen.page, site / language, query)
            assert title in results.all_inner_texts(), query
            for address in results.evaluate_all("links => [...new Set(links.map(link => link.pathname))]"):
                text = Path(unquote(address)).read_text(encoding="utf-8").lower()
                assert all(word.lower() in text for word in query.split()), (query, address)
        if language == "zh":
            assert searched(seen.page, site / language, "量子力学").count() == 0
        assert not seen.errors and all(request.startswith("file:") for request in seen.requests)


def searched(page: Any, folder: Path, query: str) -> Any:
    """The links that the search shows once it has ended."""
    page.goto((folder / "search.html").as_uri() + f"?q={query}")
    page.wait_for_selector("#search-results .search-summary:not(:empty)")
    return page.locator("#search-results ul.search li a")


@pytest.mark.parametrize("language", ["zh", "en"])
def test_pages_open_whole(browser: Any, site: Path, language: str) -> None:
    """No error, no request elsewhere, no missing glyph, nothing wider than a phone, a way to the other language."""
    other = "en" if language == "zh" else "zh"
    with visit(browser, viewport={"width": 400, "height": 800}) as seen:
        for name in ("index", "generate", "options", "api"):
            seen.page.goto((site / language / f"{name}.html").as_uri())
            assert not seen.errors and all(request.startswith(("file:", "data:")) for request in seen.requests)
            assert missing_glyphs(seen.page) == []
            assert seen.page.evaluate("document.documentElement.scrollWidth <= innerWidth"), name
            address = seen.page.locator(".language-switch a").evaluate("link => link.href")
            assert address == (site / other / f"{name}.html").as_uri()


def test_the_first_page_leads_to_the_readers_language(browser: Any, site: Path) -> None:
    for locale, language in (("zh-CN", "zh"), ("de-DE", "en")):
        with visit(browser, locale=locale) as seen:
            seen.page.goto((site / "index.html").as_uri())
            seen.page.wait_for_url(f"**/{language}/index.html")
