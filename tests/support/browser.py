"""A headless Chromium for tests: Playwright's Python package drives the browser that the system has.

Tests take the fixture `browser`, and open a page by `visit(browser)`. Where there is no Chromium they are skipped,
unless the variable REQUIRE_BROWSER is set: then they fail, so that a check that is meant to run it cannot pass without.
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome")
FLAGS = [
    "--no-sandbox",  # a container's root has no other choice
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
# Runs in the page: each character of its text is drawn in the font of its element; one that comes out as an unassigned
# code point does has no glyph in any font of the system.
MISSING_GLYPHS = """() => {
  const canvas = document.createElement('canvas'), side = 32;
  canvas.width = canvas.height = side;
  const pen = canvas.getContext('2d', {willReadFrequently: true});
  const drawn = (character, font) => {
    pen.clearRect(0, 0, side, side);
    pen.font = '20px ' + font;
    pen.fillText(character, 4, 24);
    return pen.getImageData(0, 0, side, side).data.join();
  };
  const nothing = {}, seen = new Set(), missing = new Set();
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    const element = texts.currentNode.parentElement;
    if (['SCRIPT', 'STYLE', 'TEMPLATE'].includes(element.tagName)) continue;
    const font = getComputedStyle(element).fontFamily;
    nothing[font] ??= drawn('\\u0378', font);
    for (const character of texts.currentNode.data) {
      if (seen.has(font + character) || /\\s/.test(character)) continue;
      seen.add(font + character);
      if (drawn(character, font) === nothing[font]) missing.add(character);
    }
  }
  return [...missing];
}"""


@dataclass
class Visit:
    """A page, and what it did: `errors` of its console and scripts, `requests` by address."""

    page: Any
    errors: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)


def absent(reason: str) -> None:
    """Skip the test, or fail it where a browser is required."""
    if os.environ.get("REQUIRE_BROWSER"):
        pytest.fail(f"REQUIRE_BROWSER is set, and {reason}")
    pytest.skip(reason)


# Once a module, not once for all: Playwright keeps an event loop running, in which other tests could not run theirs.
@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """A Playwright browser without a window."""
    program = next(filter(None, map(shutil.which, NAMES)), None)
    if program is None:
        absent("there is no Chromium on the PATH (Debian and Ubuntu: apt-get install chromium fonts-noto-cjk)")
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        absent("Playwright is not installed (pip install playwright)")
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=program, headless=True, args=FLAGS)
        yield running
        running.close()


@contextmanager
def visit(browser: Any, **settings: Any) -> Iterator[Visit]:
    """A fresh page without history; `settings` as Playwright's `new_context` takes them, such as `color_scheme`."""
    context = browser.new_context(**settings)
    found = Visit(context.new_page())
    found.page.on("console", lambda line: found.errors.append(line.text) if line.type == "error" else None)
    found.page.on("pageerror", lambda error: found.errors.append(str(error)))
    found.page.on("request", lambda request: found.requests.append(request.url))
    try:
        yield found
    finally:
        context.close()


def missing_glyphs(page: Any) -> list[str]:
    """The characters of the page's text for which no font of the system has a picture."""
    found: list[str] = page.evaluate(MISSING_GLYPHS)
    return found
