"""The gallery in a browser: opened from files, it looks nothing up anywhere, and works by mouse, keyboard and phone."""

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

from tests.support.browser import Visit, missing_glyphs, visit

PHONE = {"viewport": {"width": 360, "height": 740}, "has_touch": True, "is_mobile": True}
CHINESE = re.compile(r"[\u4e00-\u9fff]")


@pytest.fixture
def front(browser: Any, small_gallery: Path) -> Iterator[Visit]:
    with visit(browser) as seen:
        seen.page.goto((small_gallery / "index.html").as_uri())
        yield seen


def pages(site: Path) -> list[Path]:
    found = [site / "index.html", *sorted((site / "notebooks").glob("*.html"))]
    assert len(found) == 4
    return found


def test_opens_from_files_without_errors_or_network(browser: Any, small_gallery: Path) -> None:
    for path in pages(small_gallery):
        with visit(browser) as seen:
            seen.page.goto(path.as_uri())
            seen.page.evaluate("document.querySelectorAll('img').forEach(each => { each.loading = 'eager'; })")
            seen.page.wait_for_load_state("networkidle")
            assert seen.errors == []
            assert [address for address in seen.requests if not address.startswith(small_gallery.as_uri())] == []
            assert seen.page.evaluate("[...document.images].filter(each => each.src && !each.naturalWidth).length") == 0
            assert missing_glyphs(seen.page) == []


class References(HTMLParser):
    """What a page refers to, and the places in it that others may refer to."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.targets: list[str] = []
        self.places: set[str] = set()
        self.alternatives: list[tuple[str, str | None]] = []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        named = dict(attributes)
        self.targets += [value for name in ("href", "src", "data-notebook") if (value := named.get(name))]
        self.places |= {named["id"] or ""} if "id" in named else set()
        if tag == "img":
            self.alternatives.append((named.get("src") or "", named.get("alt")))


def test_every_reference_resolves(small_gallery: Path) -> None:
    read = {path: References(path) for path in pages(small_gallery)}
    checked = 0
    for path, references in read.items():
        for target in references.targets:
            if target.startswith("https://"):
                continue
            file, _, place = unquote(target).partition("#")
            pointed = (path.parent / file).resolve() if file else path
            assert pointed.is_file(), (path.name, target)
            assert not place or place in read[pointed].places, (path.name, target)
            checked += 1
    assert checked > 60
    data = (small_gallery / "search-data.js").read_text(encoding="utf-8")
    for file, place in re.findall(r'"url":"([^"#]+)#([^"]+)"', data):
        assert place in read[small_gallery / file].places


def test_pictures_have_chinese_alternatives(small_gallery: Path) -> None:
    """Those that say nothing beyond the text beside them are marked as such by an empty one."""
    for path in pages(small_gallery):
        alternatives = References(path).alternatives
        assert all(alt is not None for _, alt in alternatives)
        told = [alt for _, alt in alternatives if alt]
        assert all(CHINESE.search(alt or "") for alt in told)
    assert len(told) == 0, "the last page has no figures"
    wall = dict(References(small_gallery / "index.html").alternatives)
    assert wall["pictures/wide.webp"] == "根据“海豚”画的图"


def test_search_finds_pictures_and_notebooks(front: Visit) -> None:
    page = front.page
    page.fill("#search", "丽")
    assert page.inner_text("#found") == "没有找到，换个词试试"
    page.fill("#search", "海豚")
    assert page.locator("#found a").all_inner_texts() == ["宽宽的海豚"]
    page.fill("#search", "海豚 企鹅")
    assert page.locator("#found a").count() == 0, "every word has to occur"
    page.fill("#search", "站在 企鹅")
    assert page.locator("#found mark").all_inner_texts() == ["站在"]
    page.keyboard.press("Enter")
    page.wait_for_url("**/notebooks/01_drawn.html#*")
    anchor = page.url.split("#")[1]
    assert "企鹅站在冰上" in page.inner_text(f"#{anchor}")


def test_search_reaches_pictures_from_other_pages(browser: Any, small_gallery: Path) -> None:
    with visit(browser) as seen:
        seen.page.goto((small_gallery / "notebooks" / "02_waiting.html").as_uri())
        seen.page.keyboard.press("/")
        seen.page.keyboard.type("狐狸")
        seen.page.keyboard.press("ArrowDown")
        seen.page.keyboard.press("Enter")
        seen.page.wait_for_selector("#detail[open]")
        assert seen.page.inner_text("#detail-prompt") == "狐狸,蓝色背景"


def shown_part(page: Any, which: int) -> float:
    """How far from the left the second picture of a pair begins, in percent."""
    return float(
        page.evaluate(
            f"parseFloat(getComputedStyle(document.querySelectorAll('.after')[{which}]).clipPath.split(' ').at(-1))"
        )
    )


@pytest.mark.parametrize(("which", "start"), [(0, 40), (1, 50)], ids=["declared", "of a notebook"])
def test_the_slider_moves(front: Visit, which: int, start: int) -> None:
    page = front.page
    slider = page.locator(".stage input").nth(which)
    assert shown_part(page, which) == start
    slider.focus()
    for _ in range(10):
        page.keyboard.press("ArrowRight")
    assert shown_part(page, which) == start + 10
    slider.scroll_into_view_if_needed()
    box = slider.bounding_box()
    middle = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + box["width"] * (start + 10) / 100, middle)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.2, middle, steps=4)
    page.mouse.up()
    assert 15 < shown_part(page, which) < 25


def test_the_pair_of_a_notebook_is_shown_there_too(browser: Any, small_gallery: Path) -> None:
    with visit(browser) as seen:
        seen.page.goto((small_gallery / "notebooks" / "01_drawn.html").as_uri())
        assert seen.page.inner_text(".pair strong") == "蓝色变成黄色"
        seen.page.focus(".stage input")
        seen.page.keyboard.press("End")
        assert shown_part(seen.page, 0) == 100


def brightness(page: Any) -> float:
    colour = page.evaluate("getComputedStyle(document.body).backgroundColor")
    return sum(map(float, re.findall(r"[\d.]+", colour)[:3])) / 3


def test_dark_follows_the_system_and_the_switch(browser: Any, small_gallery: Path) -> None:
    first, second = pages(small_gallery)[:2]
    with visit(browser, color_scheme="dark") as seen:
        seen.page.goto(first.as_uri())
        assert brightness(seen.page) < 60
        assert seen.page.get_attribute("#theme", "aria-pressed") == "true"
    with visit(browser, color_scheme="light") as seen:
        seen.page.goto(first.as_uri())
        assert brightness(seen.page) > 200
        seen.page.focus("#theme")
        seen.page.keyboard.press("Enter")
        assert brightness(seen.page) < 60
        seen.page.goto(second.as_uri())
        assert brightness(seen.page) < 60, "the choice goes along to other pages"
        seen.page.click("#theme")
        assert brightness(seen.page) > 200


def test_the_keyboard_opens_a_picture_and_copies_its_call(front: Visit) -> None:
    page = front.page
    card = page.locator("#p-fox")
    page.keyboard.press("Tab")
    card.focus()
    outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid", "the focus is visible"
    page.keyboard.press("Enter")
    python, command = page.locator("#detail .code code").all_text_contents()
    assert "sampler('狐狸,蓝色背景', seed=7, num_inference_steps=2, width=64, height=64)" in python
    assert command == ""  # the size is no flag that the gallery knows
    page.locator("#detail .copy").first.click()
    page.wait_for_function("document.querySelector('#detail .copy').textContent === '已复制'")
    page.keyboard.press("ArrowRight")
    assert page.inner_text("#detail-title") == "熊猫"
    page.keyboard.press("Escape")
    assert page.locator("#detail").is_hidden()
    # The dialog gives the focus back to the first card by itself; its `close` event, which moves it on, comes after.
    page.wait_for_function("document.activeElement.dataset.prompt === '熊猫'")


def test_a_phone_scrolls_in_one_direction(browser: Any, small_gallery: Path) -> None:
    for path in pages(small_gallery):
        with visit(browser, **PHONE) as seen:
            seen.page.goto(path.as_uri())
            assert seen.page.evaluate("document.documentElement.scrollWidth") <= 360, path.name


def test_what_is_missing_is_told(front: Visit) -> None:
    told = front.page.locator("footer .note").all_inner_texts()
    assert told == [
        "这次构建少了 1 张图，因为还没有训练：学来的。",
        "2 个 Notebook 没有当前版本的完整结果：画一只狗、画一只鸟。",
    ]
