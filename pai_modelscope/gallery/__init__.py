"""The gallery: a static site of pictures, each with the call that makes it, and of the notebooks.

nbconvert and Jinja2 make it, not the generator of the documentation: it renders notebooks as plain HTML, and a search
for substrings needs no index.
"""

from pai_modelscope.errors import need

need("gallery", "the gallery", "jinja2", "nbconvert", "nbformat")

from pai_modelscope.gallery.cards import write_cards  # noqa: E402  what it imports is there now
from pai_modelscope.gallery.index import read_index  # noqa: E402
from pai_modelscope.gallery.site import build_site  # noqa: E402

__all__ = ["build_site", "read_index", "write_cards"]
