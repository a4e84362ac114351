"""A search that finds any Chinese word: texts and queries are both cut into pairs of neighbouring characters.

Sphinx's Chinese search cuts sentences by a dictionary, so that a reader finds only the words that the dictionary cut;
in Sphinx 9.0 its page does not run at all (sphinx-doc/sphinx, issue 14229). Pairs need no dictionary: a query is found
where all its pairs stand on one page.
"""

import re
from itertools import pairwise

from sphinx.application import Sphinx
from sphinx.search import SearchLanguage

# Runs of Chinese characters, and words of other scripts. `_JAVASCRIPT` cuts queries by the same two patterns.
_HAN = "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
_RUN = re.compile(rf"[{_HAN}]+|[^\W{_HAN}]+")
_JAVASCRIPT = """
var splitQuery = (query) => (query.match(/[HAN]+|(?:(?![HAN])[\\p{L}\\p{N}_])+/gu) || []).flatMap((run) => {
  const characters = Array.from(run);
  if (!/[HAN]/u.test(run) || characters.length === 1) return [run];
  return characters.slice(1).map((character, place) => characters[place] + character);
});
"""


def terms(text: str) -> list[str]:
    """What the index keeps of a text: words of letters, and Chinese characters alone and in pairs."""
    found = []
    for run in _RUN.findall(text):
        if re.match(f"[{_HAN}]", run):
            found += [*run, *(first + second for first, second in pairwise(run))]
        else:
            found.append(run)
    return found


class PairSearch(SearchLanguage):
    """Sphinx's hook for the index and for the page's script; see the module."""

    lang = "zh"
    language_name = "Chinese"
    js_splitter_code = _JAVASCRIPT.replace("HAN", _HAN)

    def split(self, input: str) -> list[str]:
        return terms(input)

    def word_filter(self, word: str) -> bool:
        return not word.isdigit()


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_search_language(PairSearch)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
