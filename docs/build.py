"""The documentation as a site that opens without a server: `make docs`, or `python -m docs.build`, writes it."""

import argparse
import sys
from pathlib import Path

from pai_modelscope.files import whole

HERE = Path(__file__).resolve().parent
OUTPUT = HERE.parent / "build" / "docs"
LANGUAGES = {"zh": "zh_CN", "en": "en"}
# The first page leads to the reader's language, and shows both where no script runs.
INDEX = """<!doctype html>
<html lang="zh">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>pai_modelscope</title>
<script>location.replace((navigator.language.startsWith("zh") ? "zh" : "en") + "/index.html");</script>
<p><a href="zh/index.html">中文文档</a> · <a href="en/index.html" lang="en">Documentation in English</a></p>
</html>
"""


def build(output: Path = OUTPUT) -> Path:
    """Write the site, in place of an earlier one, and return its first page.

    Raises:
        SphinxError: a link that leads nowhere, an unknown directive, or whatever else Sphinx warns of.
    """
    from sphinx.application import Sphinx
    from sphinx.errors import SphinxError
    from sphinx.locale import translators
    from sphinx.util.docutils import docutils_namespace, patch_docutils

    import pai_modelscope.pipelines

    pai_modelscope.pipelines.register()  # their modules import each other only in this order
    with whole(output) as folder:
        for name, language in LANGUAGES.items():
            where = (HERE / name, HERE, folder / name, folder / f".{name}", "html")
            translators.clear()  # of the language before, which Sphinx would fall back to
            with patch_docutils(HERE), docutils_namespace():
                app = Sphinx(*where, {"language": language}, status=None, warning=sys.stderr, warningiserror=True)
                app.build()
            if app.statuscode:
                raise SphinxError(f"docs/{name}: see the warnings above")
        (folder / "index.html").write_text(INDEX, encoding="utf-8")
    return output / "index.html"


def main() -> None:
    argparse.ArgumentParser("python -m docs.build", description=__doc__).parse_args()
    print(build())


if __name__ == "__main__":
    main()
