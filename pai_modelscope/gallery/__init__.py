"""The gallery: a static site of pictures, each with the call that makes it, and of the notebooks.

nbconvert and Jinja2 make it, not a documentation generator: Material for MkDocs opens from `file://` only with a script
of another site, and its search, as Sphinx's, cuts Chinese into words that a reader then has to hit; MyST asks for
Node.js. nbconvert renders notebooks as plain HTML, and a search for substrings needs no engine.
"""

from pai_modelscope.errors import need

need("gallery", "the gallery", "jinja2", "nbconvert", "nbformat")

from pai_modelscope.gallery.cards import write_cards  # noqa: E402  what it imports is there now
from pai_modelscope.gallery.index import read_index  # noqa: E402
from pai_modelscope.gallery.site import build_site  # noqa: E402

__all__ = ["build_site", "read_index", "write_cards"]
