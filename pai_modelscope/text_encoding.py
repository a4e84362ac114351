"""Which encoding texts are in, when their authors did not say: UTF-8, or what Windows writes for Chinese.

A short text may be valid in several: 木牛 in GBK is "ľţ" in UTF-8, and "(g[r" is 木牛 in UTF-16. So the texts of a set
are judged together, by what people write: characters of daily use (level 1 of GB 2312-80 and of Big5), no letters of
several alphabets in a row. What is none of these goes to charset-normalizer.
"""

import codecs
import re
import unicodedata
import warnings
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cache

from pai_modelscope.errors import UserError, printable

_MARKS = {  # longest first: UTF-32's begins as UTF-16's
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    b"\x84\x31\x95\x33": "gb18030",
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
_CANDIDATES = ("gb18030", "utf-16-le", "utf-16-be", "big5hkscs")
_NAMES = {"gb18030": "GBK (GB18030)", "big5hkscs": "Big5"}
_PLAUSIBLE, _SURE = 0.6, 0.9  # shares of characters of daily use
_COHERENT = 0.4  # charset-normalizer's measure of a language
_LONGEST_ODD = 64  # bytes
_NEAR = 0.3  # how much less plausible the set's encoding may be than a text's own

_NOT_ASCII = re.compile(r"[^\x00-\x7f]+")
_FIELDS = re.compile(r"[\"\t\r\n,，、:]+")
_ODD_ASCII = re.compile(r"[\[\]{}|\\^~<>`]")
# Alphabets whose letters are two bytes in UTF-8, as far as they are in use.
_CYRILLIC = "\u0401\u0404\u0406-\u044f\u0451-\u0457\u0490\u0491"
_ALPHABETS = re.compile(f"[\u0386-\u03ce]+|[{_CYRILLIC}]+|[\u05d0-\u05ea]+|[\u0621-\u064a]+")


@dataclass(frozen=True)
class Look:
    """What the bytes of one text say by themselves.

    Args:
        kind: the encoding that a mark at the beginning names; or
            'ascii'; 'odd ascii', which is plain Chinese in UTF-16;
            'utf-8', beyond doubt; 'latin', UTF-8 of two bytes a letter as Europeans write it; 'odd', such UTF-8 as
            nobody writes; 'broken', UTF-8 with damaged bytes; 'foreign', no UTF-8.
        scores: how plausible each candidate is, 0 to 1, where the text is valid in it.
    """

    kind: str
    scores: dict[str, float] = field(default_factory=dict)

    @property
    def best(self) -> str:
        """The most plausible candidate; '' if none is plausible."""
        best = max(self.scores, key=lambda name: self.scores[name], default="")
        return best if self.scores.get(best, 0) >= _PLAUSIBLE else ""


def marked(content: bytes) -> str:
    """Read the encoding that a mark at the beginning names; '' without one."""
    return next((encoding for mark, encoding in _MARKS.items() if content.startswith(mark)), "")


def look(content: bytes) -> Look:
    """Judge one text by itself."""
    if encoding := marked(content):
        return Look(encoding)
    try:
        text = content.decode()
    except UnicodeDecodeError:
        lost = content.decode(errors="replace")
        if sum(character > "\u07ff" for character in lost) > 2 * lost.count("\ufffd"):
            return Look("broken")
        return Look("foreign", _scores(content))
    if "\0" in text:
        return Look("foreign", _scores(content))
    if text.isascii():
        # "(g[r": too odd for a text in ASCII, where it is plain Chinese in UTF-16.
        wide = {name: score for name, score in _scores(content).items() if "16" in name} if _is_even(content) else {}
        return Look("odd ascii" if _ODD_ASCII.search(text) and max(wide.values(), default=0) == 1 else "ascii", wide)
    if any(character > "\u07ff" for character in text):
        return Look("utf-8")
    return Look("odd" if _is_odd(text) else "latin", _scores(content))


def choose(looks: Sequence[Look]) -> list[str]:
    """Choose the encoding of each text of a set; '' where there is no telling."""
    kinds = Counter(look.kind for look in looks)
    votes: Counter[str] = Counter()
    for look in looks:
        if look.kind == "foreign":
            votes.update({name: score for name, score in look.scores.items() if score >= _PLAUSIBLE})
        elif look.kind.startswith("utf-16"):
            votes["utf-16-le"] += 1
    of_set = max(votes, key=lambda name: votes[name], default="")
    foreign, proven = kinds["foreign"] > kinds["utf-8"], kinds["odd"] > kinds["latin"]
    return [_chosen(look, of_set, foreign, proven) for look in looks]


def foreign(content: bytes) -> str:
    """Ask charset-normalizer what a text is in that `choose` can't tell, if it finds a language in it; else ''."""
    from charset_normalizer import from_bytes

    match = from_bytes(content[: 2**16]).best()
    return match.encoding if match is not None and not match.chaos and match.coherence >= _COHERENT else ""


def decode(content: bytes, encoding: str, name: str) -> str:
    """Decode a text, without its mark; `encoding` is of `choose` or `foreign`, `name` says in messages what holds it.

    Raises:
        UserError: no text of that encoding, or of none.
    """
    if not encoding:
        raise UserError(f"{name} is not in UTF-8, nor in an encoding that can be told: save it as UTF-8.")
    try:
        return content.decode("utf-8-sig" if encoding == "utf-8" else encoding).removeprefix("\ufeff")
    except ValueError:
        raise UserError(f"{name} is not in {readable(encoding)} throughout: save it as UTF-8.") from None


def decode_text(content: bytes, name: str) -> str:
    """Decode one text that stands by itself, such as a file of prompts; warns if it is not in UTF-8.

    Raises:
        UserError: as `decode`.
    """
    encoding = choose([look(content)])[0] or foreign(content)
    text = decode(content, encoding, name)
    warn_of_encodings([(name, encoding)], "Texts")
    return text


def warn_of_encodings(encodings: Iterable[tuple[str, str]], what: str) -> None:
    """Warn once if texts are not in UTF-8: how many of which encoding, and the first of them.

    Args:
        found: the name and the encoding of each text.
        what: of which kind they are, a plural with a capital.
    """
    others: dict[str, list[str]] = {}
    for name, encoding in encodings:
        if encoding and not encoding.startswith("utf-8"):
            others.setdefault(readable(encoding), []).append(name)
    if others:
        parts = [f"{len(names)} in {encoding}, the first {names[0]}" for encoding, names in others.items()]
        text = f"{what} that are not in UTF-8 are read as what they seem to be: {'; '.join(parts)}."
        warnings.warn(printable(f"{text} Save them as UTF-8 to be sure."), stacklevel=3)


def readable(encoding: str) -> str:
    """The name that people know an encoding by."""
    return _NAMES.get(encoding, encoding.upper().removesuffix("-LE").removesuffix("-BE").removesuffix("-SIG"))


def _chosen(look: Look, of_set: str, foreign: bool, proven: bool) -> str:
    of_sets = look.scores.get(of_set, 0)
    if look.kind == "ascii":
        return of_set if of_sets >= _SURE else "utf-8"
    if look.kind == "odd ascii":
        return of_set if of_sets >= _SURE else look.best
    if look.kind == "foreign":
        return of_set if of_sets >= max(_PLAUSIBLE, look.scores.get(look.best, 0) - _NEAR) else look.best
    if look.kind in ("odd", "latin"):
        if foreign and of_sets >= (_PLAUSIBLE if look.kind == "odd" else _SURE):
            return of_set
        sure = look.kind == "odd" and proven and look.scores.get(look.best, 0) >= _SURE
        return look.best if sure else "utf-8"
    return "utf-8" if look.kind == "broken" else look.kind


def _is_even(content: bytes) -> bool:
    """Whether ASCII may be UTF-16: a text longer than this holds other bytes, too."""
    return 0 < len(content) <= _LONGEST_ODD and len(content) % 2 == 0


def _scores(content: bytes) -> dict[str, float]:
    scores = {}
    for encoding in _CANDIDATES:
        try:
            text = content.decode(encoding)
        except ValueError:
            continue
        scores[encoding] = _daily(text, encoding)
    return scores


def _daily(text: str, encoding: str) -> float:
    """The share of a text's characters that are in daily use: all of them for UTF-16, else those that are not ASCII."""
    wide = encoding.startswith("utf-16")
    simple, traditional = _simple(), _traditional()
    common = simple | traditional if wide else traditional if encoding == "big5hkscs" else simple
    total, good = 0, 0.0
    for character, count in Counter(text).items():
        if character < "\x80":
            printable = character.isprintable() or character in "\t\r\n"
            total += count * (wide or not printable)
            good += count * (wide and printable)
            continue
        total += count
        good += count if character in common or _is_punctuation(character) else count / 2 if _is_rare(character) else 0
    return good / total if total else 0.0


def _is_punctuation(character: str) -> bool:
    return "\u3000" <= character <= "\u303f" or "\uff01" <= character <= "\uff5e" or character in "·—‘’“”…×℃"


def _is_rare(character: str) -> bool:
    """Kana, and characters that GB 2312 or Big5 have in their second levels."""
    return "\u3041" <= character <= "\u30ff" or character in _seldom()


@cache
def _simple() -> frozenset[str]:
    return _table("gb2312", range(0xB0, 0xD8))


@cache
def _traditional() -> frozenset[str]:
    return _table("big5", range(0xA4, 0xC7))


@cache
def _seldom() -> frozenset[str]:
    return _table("gb2312", range(0xD8, 0xF8)) | _table("big5", range(0xC9, 0xFA))


def _table(encoding: str, rows: range) -> frozenset[str]:
    """The characters of some rows of a code table (GB 2312-80 and Big5 have daily use first)."""
    codes = (bytes([row, cell]) for row in rows for cell in range(0x40, 0xFF))
    return frozenset("".join(code.decode(encoding, errors="ignore") for code in codes)) - set(map(chr, range(128)))


def _is_odd(text: str) -> bool:
    """Whether more of its fields are such as nobody writes than such as Europeans do.

    Odd is a field without an ASCII letter whose letters are of no alphabet, or of several: "ľţ", but not "été", "но".
    """
    odd = natural = 0
    for part in _FIELDS.split(text):
        letters = [run for run in _NOT_ASCII.findall(part) if unicodedata.category(run[0])[0] in "LM"]
        if not letters:
            continue
        plain = any("a" <= character <= "z" for character in part.lower()) or all(map(_ALPHABETS.fullmatch, letters))
        natural += plain
        odd += not plain
    return odd > natural
