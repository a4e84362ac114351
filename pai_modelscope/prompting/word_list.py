"""A list of words that prompts may not contain, found whatever their width, case, characters and gaps.

Each character counts alone: compatibility forms as the plain ones, without case and accents, traditional as
simplified. What the characters around it mean for OpenCC can so not hide a word, and no text takes more than linear
time. Between Chinese characters, all that is no letter and no digit is passed over; words of letters are whole words.
"""

import os
import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache

from pai_modelscope import limits
from pai_modelscope.errors import UserError
from pai_modelscope.prompting.simplified import simplified
from pai_modelscope.untrusted import read_text

_SPACED = "0-9a-z\u00aa-\u058f\u1e00-\u1fff"  # letters of alphabets that put spaces between words: Latin to Armenian
_IS_SPACED = re.compile(f"[{_SPACED}]")
_GAP = re.compile(rf"(?<=[{_SPACED}])[\W_]++(?=[{_SPACED}])|([\W_]++)")


@dataclass(frozen=True)
class Listed:
    """A word of a list, as it is written there, and its line."""

    word: str
    line: int


class WordList:
    """Words of a file, a line each."""

    def __init__(self, words: dict[str, Listed]):
        """`words`: by their `folded` texts."""
        self._words = words
        lengths: dict[str, set[int]] = {}
        for word in words:
            lengths.setdefault(word[0], set()).add(len(word))
        self._lengths = {first: sorted(several, reverse=True) for first, several in lengths.items()}

    def __len__(self) -> int:
        return len(self._words)

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> "WordList":
        """Read a file of UTF-8; empty lines and those that begin with # are left out.

        Raises:
            UserError: as `read_text`; a line of no letter or digit, or of too many; no word. No message holds a word.
        """
        words: dict[str, Listed] = {}
        for number, line in enumerate(read_text(path, limits.WORD_LIST_BYTES).splitlines(), 1):
            word = line.strip()
            if not word or word.startswith("#"):
                continue
            plain = folded(word)
            if not 0 < len(plain) <= limits.LISTED_WORD_CHARACTERS:
                valid = f"1 to {limits.LISTED_WORD_CHARACTERS}"
                raise UserError(f"{path}, line {number}: give a word of {valid} letters, digits or Chinese characters")
            words.setdefault(plain, Listed(word, number))
        if not words:
            raise UserError(f"{path} holds no words: write one a line")
        return cls(words)

    def found(self, text: str) -> Listed | None:
        """The first word of the list that stands in a text."""
        plain = folded(text)
        for start, first in enumerate(plain):
            for length in self._lengths.get(first, ()):
                word = plain[start : start + length]
                if word in self._words and _is_whole(plain, start, start + length):
                    return self._words[word]
        return None


def folded(text: str) -> str:
    """What of a text counts: '敏-感', '敏 感' and '敏\u200b感' are '敏感', 'ＢＡＤ_Wörd' is 'bad word'."""
    return _GAP.sub(lambda gap: "" if gap[1] else " ", "".join(map(_plain, text)))


@lru_cache(2**16)
def _plain(character: str) -> str:
    decomposed = unicodedata.normalize("NFKD", character)
    # Without accents, variation selectors and characters of no width.
    kept = "".join(each for each in decomposed if unicodedata.category(each) not in ("Mn", "Mc", "Me", "Cf"))
    return simplified(unicodedata.normalize("NFKC", kept).casefold())


def _is_whole(text: str, start: int, end: int) -> bool:
    """Whether the word does not go on: 'ass' is no part of 'grass', and 性 is one of 异性."""
    joins = ((start - 1, start), (end - 1, end))
    return not any(
        left >= 0 and right < len(text) and _IS_SPACED.match(text[left]) and _IS_SPACED.match(text[right])
        for left, right in joins
    )
