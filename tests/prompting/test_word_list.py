"""Words that prompts may not contain: found however they are written, and nowhere else."""

import time
from pathlib import Path

import pytest

from pai_modelscope import UserError
from pai_modelscope.prompting.word_list import WordList, folded


def words(tmp_path: Path, *lines: str) -> WordList:
    (tmp_path / "words").write_text("\n".join(lines), encoding="utf-8")
    return WordList.read(tmp_path / "words")


@pytest.mark.parametrize(
    ("listed", "text"),
    [
        ("敏感", "一张敏感的图"),
        ("敏感", "敏 感"),
        ("敏感", "敏\u200b感"),
        ("敏感", "敏\u3000-·、，*_|\n感"),
        ("敏感", "敏\u0338感\ufe0f"),
        ("敏感", "(敏)[感]"),
        ("敏 感", "敏感"),
        ("秘密", "㊙密"),
        ("后宫", "後宮"),
        ("後宮", "后宫"),
        ("乾坤", "乾坤"),
        ("乾坤", "一干坤"),
        ("金", "⾦"),
        ("BadWord", "ｂａｄｗｏｒｄ"),
        ("bad word", "a BAD-_-word."),
        ("bad word", "bad\u00a0 word"),
        ("café", "CAFE\u0301"),
        ("straße", "STRASSE"),
        ("naked", "na\u200bked人"),
        ("naked", "穿naked衣"),
        ("Z级", "这是z级片"),
        ("64", "8964年6 4 64"),
        ("#1", "no 1"),
    ],
)
def test_a_word_is_found_however_it_is_written(tmp_path: Path, listed: str, text: str) -> None:
    found = words(tmp_path, "# a comment", "", listed if not listed.startswith("#") else f"-{listed}").found(text)
    assert found is not None and found.line == 3 and found.word.lstrip("-") == listed


@pytest.mark.parametrize(
    ("listed", "text"),
    [
        ("敏感", "敏捷的感官"),
        ("敏感", "感敏"),
        ("敏感", "敏1感"),
        ("ass", "grass, Glass, assist"),
        ("bad word", "badword"),
        ("64", "1964"),
        ("敏感", ""),
        ("敏感", "。，！"),
        ("敏感", "a comment"),
    ],
)
def test_other_words_are_not(tmp_path: Path, listed: str, text: str) -> None:
    assert words(tmp_path, "# a comment", listed).found(text) is None


def test_the_longest_of_those_that_begin_first_is_named(tmp_path: Path) -> None:
    found = words(tmp_path, "感觉", "敏感", "敏感词").found("敏感词感觉")
    assert found is not None and (found.word, found.line) == ("敏感词", 3)


def test_what_counts_of_a_text() -> None:
    assert folded("敏-感, ＢＡＤ_Wörd!") == "敏感bad word"


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        (["# nothing"], "holds no words"),
        (["好词", "……"], "line 2"),
        (["密" * 65], "line 1"),
    ],
)
def test_lists_that_are_none_are_refused_without_their_words(tmp_path: Path, lines: list[str], says: str) -> None:
    with pytest.raises(UserError, match=says) as error:
        words(tmp_path, *lines)
    assert "好词" not in str(error.value) and "密密" not in str(error.value)


def test_files_that_are_none_are_refused(tmp_path: Path) -> None:
    (tmp_path / "latin").write_bytes("é".encode("latin-1"))
    (tmp_path / "large").write_bytes(b"word\n" * 2**20)
    for name, says in (("absent", "can't be read"), ("latin", "not UTF-8"), ("large", "up to 4194304")):
        with pytest.raises(UserError, match=says):
            WordList.read(tmp_path / name)


@pytest.mark.parametrize("kind", ["of all", "of beginnings", "of marks", "of gaps", "of turns"])
def test_ten_thousand_words_are_sought_in_a_long_text_at_once(tmp_path: Path, kind: str) -> None:
    many = [chr(0x4E00 + number % 7000) * 2 + chr(0x4E00 + number) * (1 + number % 3) for number in range(10_000)]
    listed = words(tmp_path, *many)
    text = {
        "of all": "".join(chr(0x4E00 + number % 20_000) for number in range(100_000)),
        "of beginnings": "".join(word[:-1] for word in many)[:100_000],
        "of marks": "a" + "\u0301" * 50_000 + "\u0323" * 50_000,  # which NFKC sorts in quadratic time
        "of gaps": "a " * 10_000 + " " * 80_000,
        "of turns": "\u0301a" * 50_000,
    }[kind]
    began = time.process_time()
    found = listed.found(text)
    assert time.process_time() - began < 1.0
    assert found is None or kind == "of beginnings"
    assert listed.found(text + many[-1]) is not None
