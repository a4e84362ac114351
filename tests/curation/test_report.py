"""The page of a selection, in a browser."""

from pathlib import Path
from typing import Any

import pytest

from pai_modelscope.config.curation import CurateOptions
from pai_modelscope.curation.run import curate
from tests.support.browser import browser, missing_glyphs, visit  # noqa: F401  # a fixture


@pytest.fixture(scope="module")
def report(noisy: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("report") / "out"
    curate(str(noisy), str(folder), CurateOptions(workers=2, rule=["contrast >= 10", "not advert"], export=False))
    return folder / "report.html"


@pytest.mark.parametrize("settings", [{}, {"viewport": {"width": 390, "height": 800}, "color_scheme": "dark"}])
def test_the_page(browser: Any, report: Path, settings: dict[str, Any]) -> None:  # noqa: F811
    with visit(browser, **settings) as found:
        page = found.page
        page.goto(report.as_uri())
        assert page.inner_text("h1").strip() == "清洗报告"
        lines = [row.split("\t")[:2] for row in page.inner_text("table").splitlines() if "\t" in row]
        told = {name.strip(): count.strip() for name, count in lines}
        assert (
            told["全部"] == "69" and told["读不了"] == "−2" and told["contrast >= 10"] == "−1" and told["副本"] == "−5"
        )
        assert told["not advert"] == "−1" and told["留下"] == "60"
        assert page.locator(".pair").count() == 5 and "html.png" in page.inner_text("figure .none >> nth=0")
        width = page.evaluate("document.documentElement.scrollWidth")
        assert width <= page.viewport_size["width"], "nothing stands out at the side"
        section = page.locator(".score", has=page.get_by_text("contrast", exact=True))
        assert "contrast >= 10" in section.inner_text() and "would" not in section.inner_text()
        before = section.locator(".pictures >> nth=0").locator("figure").count()
        assert 1 <= before < 8 and section.locator(".pictures >> nth=1").locator("figure").count() == 8
        section.locator("input").focus()
        for _ in range(30):
            page.keyboard.press("ArrowRight")
        assert "contrast >= 10" not in section.inner_text()
        assert section.locator(".pictures >> nth=0").locator("figure").count() > before, "more would be left out"
        page.click("#language")
        assert page.inner_text("h1").strip() == "Curation" and "would be kept" in section.inner_text()
        assert missing_glyphs(page) == [] and found.errors == []
        assert [address for address in found.requests if not address.startswith(("file:", "data:"))] == []
        broken = page.evaluate("[...document.images].filter(image => !image.naturalWidth).length")
        assert broken == 0


def test_captions_are_text(tmp_path: Path, noisy: Path, browser: Any) -> None:  # noqa: F811
    import json
    import shutil

    source = Path(shutil.copytree(noisy, tmp_path / "in"))
    rows = [json.loads(line) for line in (source / "metadata.jsonl").read_text("utf-8").splitlines()]
    for row in rows:
        row["text"] = "</script><script>document.title='bad'</script><b>猫</b>"
    (source / "metadata.jsonl").write_text("\n".join(json.dumps(row, ensure_ascii=False) for row in rows), "utf-8")
    options = CurateOptions(workers=1, scorer=["picture", "caption"], rule=["side < 100"], export=False)
    curate(str(source), str(tmp_path / "out"), options)
    with visit(browser) as found:
        found.page.goto((tmp_path / "out/report.html").as_uri())
        assert "清洗报告" in found.page.title() and found.errors == []
        assert "<b>猫</b>" in found.page.inner_text("body")
