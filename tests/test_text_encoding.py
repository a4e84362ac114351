"""Texts in the encodings that Windows gives Chinese: read rightly, and said once."""

import io
import json
import warnings

import pytest

from pai_modelscope.data import open_training_set
from pai_modelscope.data.metadata import rows_of
from pai_modelscope.errors import UserError
from pai_modelscope.text_encoding import choose, decode, decode_text, look
from tests.support.picture_files import members, png, write_tar

SIMPLE = ["木牛", "一只猫在雪地里奔跑", "小狗", "小雪", "红色的花，绿色的叶子", "1girl, 猫, 雪地", "a cat", "琵琶"]
TRADITIONAL = ["木牛", "一隻貓在雪地裡奔跑", "紅色的花，綠色的葉子", "1girl, 貓, 雪地"]
FOREIGN = ["gbk", "gb18030", "big5", "utf-16-le", "utf-16-be", "utf-16"]


def texts_in(encoding: str) -> list[str]:
    return TRADITIONAL if encoding == "big5" else SIMPLE


@pytest.mark.parametrize("encoding", [*FOREIGN, "utf-8", "utf-8-sig"])
def test_the_texts_of_a_set_are_judged_together(encoding) -> None:
    texts = texts_in(encoding)
    contents = [text.encode(encoding) for text in texts]
    chosen = choose([look(content) for content in contents])
    assert [decode(c, e, "x") for c, e in zip(contents, chosen, strict=True)] == texts


@pytest.mark.parametrize("encoding", FOREIGN)
@pytest.mark.parametrize("place", range(4))
def test_a_text_by_itself_is_told_if_it_is_no_utf8(encoding, place) -> None:
    """木牛 and 小雪 in GBK are valid UTF-8 ("ľţ" and "Сѩ"); in UTF-16, 木牛 is valid ASCII ("(g[r")."""
    text = texts_in(encoding)[place]
    with pytest.warns(
        UserWarning, match=r"Texts that are not in UTF-8 .*: 1 in (GBK \(GB18030\)|Big5|UTF-16), .* x\.txt"
    ):
        assert decode_text(text.encode(encoding), "x.txt") == text


EUROPEAN = ["café noir", "été", "où", "a menina é feliz", "üç kedi", "köpek, üç", "Ä", "25° south", "naïve – dash"]
OTHERS = ["кошка", "но", "γάτα", "חתול", "قطة", "🐱", "ソフト猫", "고양이", "con mèo", "木牛"]
PLAIN = ["(masterpiece:1.2), [cat]", "", "\n", "C:\\x\\y"]


@pytest.mark.parametrize("text", EUROPEAN + OTHERS + PLAIN)
def test_what_people_write_in_utf8_stays_so(text) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert decode_text(text.encode(), "x") == text
        assert decode_text(text.encode("utf-8-sig"), "x") == text


@pytest.mark.parametrize("content", [b"\x80\x81\x82", "éclair café".encode("latin-1"), "一只猫在雪地里".encode()[:-1]])
def test_what_cannot_be_told_is_refused(content) -> None:
    with pytest.raises(UserError, match=r"^x\.txt is not in UTF-8.*: save it as UTF-8"):
        decode_text(content, "x.txt")


def test_other_languages_are_told_by_charset_normalizer() -> None:
    text = "кошка спит на диване, большая серая кошка"
    with pytest.warns(UserWarning, match="1 in CP1251"):
        assert decode_text(text.encode("cp1251"), "x") == text


def captioned(folder, texts, encoding, suffix=".txt"):
    folder.mkdir(parents=True)
    for number, text in enumerate(texts):
        (folder / f"{number}.png").write_bytes(png(0))
        (folder / f"{number}{suffix}").write_bytes(text.encode(encoding))
    return folder


@pytest.mark.parametrize("encoding", FOREIGN)
@pytest.mark.parametrize("form", ["plain", "kohya"])
def test_captions_are_read_in_the_encoding_of_their_folder(form, encoding, tmp_path) -> None:
    texts = texts_in(encoding)
    plain = form == "plain"
    captioned(tmp_path / ("set" if plain else "set/1_x"), texts, encoding, ".txt" if plain else ".caption")
    with pytest.warns(
        UserWarning, match=r"^Captions that are not in UTF-8 .*: [3-8] in .*, the first .*0\.(txt|caption)"
    ) as told:
        found = open_training_set(tmp_path / "set")
    assert [found[place].captions for place in range(len(texts))] == [(text,) for text in texts]
    assert len(told) == 1


def test_a_single_caption_in_gbk_and_one_among_others_in_utf8(tmp_path) -> None:
    captioned(tmp_path / "one", ["木牛"], "gbk")
    with pytest.warns(UserWarning, match=r"1 in GBK \(GB18030\), the first .*0\.txt"):
        assert open_training_set(tmp_path / "one")[0].captions == ("木牛",)
    captioned(tmp_path / "two", ["红色的花", "绿色的叶子"], "utf-8")
    (tmp_path / "two" / "1.txt").write_bytes("绿色的叶子".encode("gbk"))
    with pytest.warns(UserWarning, match=r"1 in GBK \(GB18030\), the first .*1\.txt"):
        found = open_training_set(tmp_path / "two")
    assert [found[place].captions for place in (0, 1)] == [("红色的花",), ("绿色的叶子",)]


@pytest.mark.parametrize("encoding", FOREIGN)
@pytest.mark.parametrize("suffix", [".jsonl", ".csv"])
def test_metadata_is_read_in_its_encoding(encoding, suffix, tmp_path) -> None:
    texts = texts_in(encoding)
    rows = [json.dumps({"file_name": "0.png", "text": text}, ensure_ascii=False) for text in texts]
    if suffix == ".csv":
        rows = ["file_name,text", *(f'0.png,"{text}"' for text in texts)]
    (tmp_path / "0.png").write_bytes(png(0))
    (tmp_path / f"metadata{suffix}").write_bytes("\n".join(rows).encode(encoding))
    with pytest.warns(UserWarning, match=r"^Metadata that are not in UTF-8 .*: 1 in "):
        found = open_training_set(tmp_path)
    assert [found[place].captions[0] for place in range(len(texts))] == texts


def test_metadata_with_one_short_caption_in_gbk() -> None:
    row = '{"file_name": "0.png", "text": "木牛"}'
    with pytest.warns(UserWarning, match="1 in GBK"):
        assert list(rows_of(io.BytesIO(row.encode("gbk")), ".jsonl", "x")) == [(1, json.loads(row))]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for text in ("木牛", "été", "a\r", "\u2028"):
            row = json.dumps({"text": text}, ensure_ascii=False)
            assert list(rows_of(io.BytesIO(row.encode()), ".jsonl", "x")) == [(1, json.loads(row))]


def test_metadata_that_changes_its_encoding_is_refused() -> None:
    lines = ['{"text": "红色的花"}'.encode(), b"\n" * 9000, '{"text": "红色"}'.encode("gbk")]
    with pytest.raises(UserError, match="x is not in UTF-8 throughout"):
        list(rows_of(io.BytesIO(b"".join(lines)), ".jsonl", "x"))


@pytest.mark.parametrize("encoding", ["gbk", "big5", "utf-16-le", "utf-16"])
def test_captions_in_tars(encoding, tmp_path) -> None:
    texts = texts_in(encoding)
    content = {}
    for number, text in enumerate(texts):
        content |= {f"{number}.png": png(0), f"{number}.txt": text.encode(encoding)}
    write_tar(tmp_path / "x.tar", content)
    with pytest.warns(UserWarning, match="Captions that are not in UTF-8"):
        found = open_training_set(tmp_path / "x.tar")
    assert [found[place].captions[0] for place in range(len(texts))] == texts


@pytest.mark.parametrize("encoding", ["gbk", "big5"])
def test_captions_in_tsv(encoding, tmp_path) -> None:
    import base64

    texts = texts_in(encoding)
    data = base64.b64encode(png(0))
    lines = [f"{number}\t{text}\t".encode(encoding) + data for number, text in enumerate(texts)]
    (tmp_path / "x.tsv").write_bytes(b"\n".join(lines))
    with pytest.warns(UserWarning, match="Captions that are not in UTF-8 .*line 1"):
        found = open_training_set(tmp_path / "x.tsv")
    assert [found[place].captions[0] for place in range(len(texts))] == texts
    (tmp_path / "x.tsv").write_bytes(b"".join(["0\t猫\t".encode("utf-16"), data.decode().encode("utf-16-le")]))
    with pytest.raises(UserError, match=r"x\.tsv is in UTF-16: save it as UTF-8"):
        open_training_set(tmp_path / "x.tsv")


def test_utf8_with_a_mark_needs_no_word(tmp_path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        captioned(tmp_path / "plain", SIMPLE, "utf-8-sig")
        assert open_training_set(tmp_path / "plain")[0].captions == ("木牛",)
        content = {**members(0, 1), "000.txt": "\ufeff木牛".encode()}
        assert open_training_set(write_tar(tmp_path / "x.tar", content))[0].captions == ("木牛",)
