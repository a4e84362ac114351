"""Sphinx's configuration of both languages: `docs/build.py` says which."""

import re
import sys
from pathlib import Path

from sphinx.application import Sphinx

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT)]

from notebooks.build import BRANCH, REPOSITORY  # noqa: E402  the path above leads there
from pai_modelscope import __version__  # noqa: E402

project, version, release = "pai_modelscope", __version__, __version__
extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "docs.extensions.chinese_search",
    "docs.extensions.option_tables",
]
myst_heading_anchors = 3
myst_enable_extensions = ["colon_fence"]
default_role = "code"
add_module_names = False
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_default_options = {"members": True}
maximum_signature_line_length = 88
napoleon_numpy_docstring = False

html_theme = "furo"
html_title = "pai_modelscope"
html_static_path = ["static"]
html_css_files = ["style.css"]
templates_path = ["templates"]
locale_dirs = ["../locale"]  # of the sources, which are docs/en or docs/zh
html_sidebars = {
    "**": [
        "sidebar/brand.html",
        "sidebar/search.html",
        "sidebar/language.html",
        "sidebar/scroll-start.html",
        "sidebar/navigation.html",
        "sidebar/scroll-end.html",
    ]
}
html_copy_source = html_show_sphinx = html_show_copyright = html_use_index = html_domain_indices = False
# A summary is fetched from the page that was found, which a browser refuses for a page of file://.
html_show_search_summary = False

# The line under a guide's title, for readers of the repository: the site has the same links beside the text.
_NAVIGATION = re.compile(r"^\[(?:中文|English)\]\(\.\./(?:zh|en)/.*\n", re.MULTILINE)
# A line that ends and one that begins with a Chinese character: the browser would show a space between them.
_CHINESE_BREAK = re.compile(
    r"(?<=[\u2018-\u201d\u3000-\u9fff\uff00-\uffef])\n *(?=[\u2018-\u201d\u3000-\u9fff\uff00-\uffef])"
)
_REPOSITORY_FILE = re.compile(r"\]\(\.\./\.\./([^)#]+)")


def to_site(text: str) -> str:
    """A guide's text as the site needs it: links to files that the site lacks lead into the repository."""

    def address(match: re.Match[str]) -> str:
        kind = "tree" if (ROOT / match[1]).is_dir() else "blob"
        return f"]({REPOSITORY}/{kind}/{BRANCH}/{match[1]}"

    text = _CHINESE_BREAK.sub("", _NAVIGATION.sub("", text, count=1))
    return _REPOSITORY_FILE.sub(address, text)


def without_fences(lines: list[str]) -> list[str]:
    """A docstring whose blocks of code stand between lines of ```, with them as reStructuredText has them."""
    made, inside = [], ""
    for line in lines:
        if line.strip().startswith("```"):
            indent = line[: len(line) - len(line.lstrip())]
            if not inside:
                made += ["", f"{indent}.. code-block:: python", ""]
            inside = "" if inside else f"{indent}    "
        else:
            made.append(f"{inside}{line[len(inside) - 4 :]}" if inside else line)
    return made


def setup(app: Sphinx) -> None:
    def rewrite(app: Sphinx, name: str, source: list[str]) -> None:
        source[0] = to_site(source[0])

    def read_docstring(app: Sphinx, what: str, name: str, thing: object, options: object, lines: list[str]) -> None:
        lines[:] = without_fences(lines)

    app.connect("source-read", rewrite)
    app.connect("autodoc-process-docstring", read_docstring, priority=100)  # before napoleon
