"""The browser that the tests drive: what it reports is what other tests rely on."""

from pathlib import Path
from typing import Any

import pytest

from tests.support.browser import absent, missing_glyphs, visit

PAGE = "<!doctype html><html lang=zh><meta charset=utf-8><body>{}"


def written(tmp_path: Path, body: str) -> str:
    path = tmp_path / "page.html"
    path.write_text(PAGE.format(body), encoding="utf-8")
    return path.as_uri()


def test_a_page_tells_its_errors_and_requests(browser: Any, tmp_path: Path) -> None:
    address = written(tmp_path, "<script>console.error('坏了'); undefined.x</script><img src=nowhere.png>")
    with visit(browser) as seen:
        seen.page.goto(address)
        assert any("坏了" in error for error in seen.errors)
        assert any("undefined" in error for error in seen.errors)
        assert seen.requests == [address, address.replace("page.html", "nowhere.png")]


def test_missing_glyphs_are_named(browser: Any, tmp_path: Path) -> None:
    """Unassigned code points are missing; Chinese characters in use are there."""
    with visit(browser) as seen:
        seen.page.goto(written(tmp_path, "熊猫画廊，\u0380没有<code>\u0379</code>"))
        assert sorted(missing_glyphs(seen.page)) == ["\u0379", "\u0380"]


def test_without_a_browser(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("REQUIRE_BROWSER", raising=False)
    with pytest.raises(pytest.skip.Exception, match="no browser"):
        absent("no browser")
    monkeypatch.setenv("REQUIRE_BROWSER", "1")
    with pytest.raises(pytest.fail.Exception, match="no browser"):
        absent("no browser")
