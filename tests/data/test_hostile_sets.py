"""Training sets that claim, repeat or unfold to more than they hold: refused in one line, in bounded memory."""

import base64
import io
import json
import lzma
import os
import tarfile

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pai_modelscope import limits
from pai_modelscope.data import open_training_set, scan
from pai_modelscope.data.archives import samples_of
from pai_modelscope.data.folders import repeats_of
from pai_modelscope.data.latent_cache import ShardCache
from pai_modelscope.data.lines import text_lines
from pai_modelscope.data.metadata import rows_of
from pai_modelscope.data.parquet_pages import unfolded_bytes
from pai_modelscope.data.tsv import lines_of
from pai_modelscope.errors import UserError
from tests.support.limited import answers_within
from tests.support.picture_files import (
    FEATURES,
    members,
    name,
    png,
    write_metadata,
    write_parquet,
    write_plain,
    write_tar,
)

OPEN = "from pai_modelscope.data import open_training_set, scan\ncall = lambda path: len(scan(open_training_set(path)))"


def header(member: bytes, size: bytes, kind: bytes = b"0") -> bytes:
    """The head of a tar's member as GNU tar writes it; `size` in twelve bytes."""
    made = bytearray(512)
    made[: len(member)], made[100:108], made[124:136] = member, b"0000644\0", size
    made[156:157], made[257:265], made[148:156] = kind, b"ustar  \0", b" " * 8
    made[148:156] = b"%06o\0 " % sum(made)
    return bytes(made)


HUGE = {"huge": b"\x80\0" + b"\xff" * 10, "negative": b"\xff" * 12, "terabyte": b"\x80" + (10**12).to_bytes(11)}


@pytest.mark.parametrize("folder", ["20231105_photos", "2023_photos", "1001_x", "9" * 5000 + "_x", "٢٠٢٣_x"])
def test_repeats_that_are_dates_are_refused_and_named(folder, tmp_path) -> None:
    with pytest.raises(UserError, match=r"repeats of its pictures; valid are up to 1000.* rename the folder"):
        repeats_of(folder)
    if len(folder) < 200:
        write_plain(tmp_path / folder, 1)
        with pytest.raises(UserError, match=f"{folder[:20]}.*asks for"):
            open_training_set(tmp_path)


def test_repeats_that_people_use() -> None:
    assert repeats_of("1000_a_b") == (1000, "a b") and repeats_of("0_") == (0, "") and repeats_of("٣_x") == (3, "x")
    assert repeats_of("photos") is None and repeats_of("1_a\nb") == (1, "a\nb")


def test_all_repeats_together_have_a_bound(tmp_path, monkeypatch) -> None:
    write_plain(tmp_path / "1000_x", 2)
    monkeypatch.setattr(limits, "ROWS", 1999)
    with pytest.raises(UserError, match="1000_x makes more than 1999 pictures"):
        open_training_set(tmp_path)


def test_tars_that_claim_sizes_are_refused_in_bounded_memory(tmp_path) -> None:
    blank = bytes(1024)
    made = {f"{kind} picture": header(b"0.png", size) + blank for kind, size in HUGE.items()}
    made |= {f"{kind} long name": header(b"././@LongLink", size, b"L") + blank for kind, size in HUGE.items()}
    made |= {f"{kind} extended": header(b"x", size, b"x") + blank for kind, size in HUGE.items()}
    made["deep"] = header(b"././@LongLink", b"00000000001\0", b"L").ljust(1024, b"\0") * 3000
    made["xz"] = lzma.compress(bytes(2**24))
    made["nothing"] = b""
    made["text"] = b"hello" * 1000
    for number, content in enumerate(made.values()):
        (tmp_path / f"{number}.tar").write_bytes(content)
    with open(tmp_path / "sparse.tar", "wb") as file:
        file.write(header(b"x", b"%011o\0" % (2**33 - 1), b"x"))
        file.truncate(2**34)
    paths = [str(path) for path in sorted(tmp_path.glob("*.tar"))]
    for path, answer in answers_within(OPEN, paths).items():
        assert answer.startswith(f"UserError: {path}"), answer


def test_members_that_are_stored_with_holes_are_refused(tmp_path) -> None:
    info = tarfile.TarInfo("0.png")
    info.pax_headers = {"GNU.sparse.major": "0", "GNU.sparse.minor": "1", "GNU.sparse.map": "0,8"}
    info.pax_headers |= {"GNU.sparse.size": str(10**12), "GNU.sparse.name": "0.png"}
    info.size = 8
    with tarfile.open(tmp_path / "x.tar", "w", format=tarfile.PAX_FORMAT) as archive:
        archive.addfile(info, io.BytesIO(bytes(8)))
    with pytest.raises(UserError, match=r"x\.tar: 0\.png is stored with holes; pack it without --sparse"):
        open_training_set(tmp_path / "x.tar")


def test_a_tars_json_and_captions_of_any_kind_count_as_broken(tmp_path) -> None:
    deep = ("[" * 5000).encode()
    rows = [deep, b"\xff", b"[1]", b'{"text": 1}', b'{"text": {"a": []}}', b'{"text": NaN}', b"1" * 5000, b""]
    content = members(0, 1)
    for number, row in enumerate([*rows, b'{"text": "' + b"x" * 2**20 + b'"}'], 1):
        content |= {f"{number:03d}.png": png(1), f"{number:03d}.json": row}
    with pytest.warns(UserWarning, match=f"^{len(rows) + 1} broken, 1 sound"):
        kept = scan(open_training_set(write_tar(tmp_path / "x.tar", content)), on_broken="skip")
    assert "001.json nests more than" in kept.broken[0]
    assert "009.json has" in kept.broken[8]


def test_a_parquet_that_grows_is_refused_in_bounded_memory(tmp_path) -> None:
    """The same 20 MB 40 times, in plain pages and by dictionary, and 20 million rows of nothing."""
    for number, dictionary in enumerate((False, True)):
        table = pa.table({"image": pa.array([bytes(20_000_000)] * 10), "text": ["x"] * 10})
        with pq.ParquetWriter(
            tmp_path / f"{number}.parquet", table.schema, compression="zstd", use_dictionary=dictionary
        ) as writer:
            for _ in range(4):
                writer.write_table(table)
    nothing = pa.table({"image": pa.nulls(20_000_000, pa.binary()), "text": pa.nulls(20_000_000, pa.string())})
    pq.write_table(nothing, tmp_path / "rows.parquet")
    paths = [str(path) for path in sorted(tmp_path.glob("*.parquet"))]
    answers = answers_within(OPEN, paths)
    for path in paths[:2]:
        assert "unfolds to more than" in answers[path], answers[path]
    assert "20000000 rows; valid are up to 10000000" in answers[paths[2]]


def test_a_parquet_whose_footer_lies_is_refused_before_its_pages_are_unfolded(tmp_path) -> None:
    """The footer says one byte for a page of 600 MB: its pages say what they are."""
    table = pa.table({"image": pa.array(["a.png"]), "text": pa.array(["\0" * 600_000_000], pa.large_string())})
    file = tmp_path / "a.parquet"
    pq.write_table(table, file, compression="zstd", use_dictionary=False, write_statistics=False)
    content = file.read_bytes()
    footer = len(content) - 8 - int.from_bytes(content[-8:-4], "little")
    claimed = varint(2 * pq.read_metadata(file).row_group(0).column(1).total_uncompressed_size)
    assert content[footer:].count(claimed) >= 1
    one = b"\x82" + b"\x80" * (len(claimed) - 2) + b"\0"
    file.write_bytes(content[:footer] + content[footer:].replace(claimed, one))
    assert pq.read_metadata(file).row_group(0).column(1).total_uncompressed_size == 1
    (answer,) = answers_within(OPEN, [str(file)]).values()
    assert answer.startswith("UserError") and "unfolds to more than" in answer


def varint(number: int) -> bytes:
    groups = []
    while number:
        groups.append(number & 127 | (128 if number > 127 else 0))
        number >>= 7
    return bytes(groups)


@pytest.mark.parametrize("options", [
    {"compression": "zstd"}, {"compression": "none", "data_page_version": "2.0"}, {"row_group_size": 3},
    {"compression": "snappy", "use_dictionary": False, "write_statistics": False},
    {"compression": "gzip", "data_page_size": 100},
    {"write_page_index": True, "write_page_checksum": True, "data_page_version": "2.0", "compression": "brotli"},
], ids=str)  # fmt: skip
def test_the_pages_of_honest_parquet_files_say_what_their_footer_says(tmp_path, options) -> None:
    rows = [f"一段文字 {number} " * (number % 50) for number in range(500)]
    table = pa.table({"text": rows, "more": [{"a": [number, None], "b": {"x": 1.5}} for number in range(500)]})
    pq.write_table(table, tmp_path / "a.parquet", **options)
    metadata, size = pq.read_metadata(tmp_path / "a.parquet"), (tmp_path / "a.parquet").stat().st_size
    with open(tmp_path / "a.parquet", "rb") as file:
        for number in range(metadata.num_row_groups):
            group = metadata.row_group(number)
            for place in range(group.num_columns):
                column = group.column(place)
                found = unfolded_bytes(file, size, column)  # the footer counts the headers, too
                assert 0.5 * column.total_uncompressed_size - 200 <= found <= column.total_uncompressed_size


def test_parquet_pictures_above_the_bound_are_broken(tmp_path, monkeypatch) -> None:
    file = write_parquet(tmp_path / "x.parquet", 3)
    sizes = sorted(len(png(number)) for number in range(3))
    monkeypatch.setattr(limits, "PICTURE_BYTES", sizes[1])
    with pytest.warns(UserWarning, match=f"^1 broken, 2 sound: .* has {sizes[2]} bytes; valid are up to {sizes[1]}"):
        assert len(scan(open_training_set(file), on_broken="skip")) == 2


def test_other_columns_of_a_parquet_are_not_read(tmp_path) -> None:
    rows = [{"image": {"bytes": png(0), "path": None}, "text": "一", "more": bytes(1000)}] * 2
    datasets.Dataset.from_list(rows).to_parquet(str(tmp_path / "x.parquet"))
    assert open_training_set(tmp_path / "x.parquet")[1].captions == ("一",)


@pytest.mark.parametrize("form", ["file_name list", "number", "null", "nan", "nested", "deep", "digits", "mask number"])
def test_rows_of_wrong_types_are_named(form, tmp_path) -> None:
    row = {
        "file_name list": '{"file_name": ["0.png"], "text": "一"}',
        "number": '{"file_name": "0.png", "text": 7}',
        "null": '{"file_name": "0.png", "text": null}',
        "nan": '{"file_name": "0.png", "text": NaN}',
        "nested": '{"file_name": "0.png", "text": [["一"]]}',
        "deep": '{"file_name": "0.png", "text": ' + "[" * 100_000,
        "digits": '{"file_name": "0.png", "text": ' + "9" * 10_000,
        "mask number": '{"file_name": "0.png", "text": "一", "mask_file_name": 7}',
    }[form]
    write_metadata(tmp_path, 1)
    (tmp_path / "metadata.jsonl").write_text(row)
    with pytest.raises(UserError, match=r"metadata\.jsonl, line 1"):
        open_training_set(tmp_path)


def test_lines_without_end_are_refused_in_bounded_memory(tmp_path) -> None:
    """Ten sparse gigabytes that are one line; JSON, CSV and base64 of hundreds of megabytes in one."""
    for number, suffix in enumerate((".jsonl", ".csv", ".tsv")):
        with open(tmp_path / f"{number}{suffix}", "wb") as file:
            file.truncate(10**10 if suffix == ".tsv" else 10**9)
    (tmp_path / "3.jsonl").write_bytes(b'{"text": "' + b"x" * 300_000_000)
    (tmp_path / "4.csv").write_bytes(b'file_name,text\n"' + b"x\n" * 10_000_000)
    (tmp_path / "5.csv").write_bytes(b'file_name,text\n0.png,"' + b'","\n' * 10_000_000)
    (tmp_path / "6.jsonl").write_bytes(b"\n" + "猫".encode() * 10_000_000)
    with open(tmp_path / "7.tsv", "wb") as file:
        file.write("0\t猫\t".encode() + b"A" * 10_000)
        file.truncate(10**10)
    paths = [str(path) for path in sorted(tmp_path.glob("*.*"))]
    answers = answers_within(OPEN, paths, seconds=120)
    for path in paths:
        assert answers[path].startswith(f"UserError: {path}"), answers[path]
    assert "line 1 has more than" in answers[paths[7]] and "line 2 has more than" in answers[paths[6]]


def test_pipes_and_devices_are_no_sets(tmp_path) -> None:
    for kind in ("metadata.jsonl", "metadata.csv", "x.tar", "x.tsv", "x.parquet"):
        (tmp_path / kind).mkdir()
        os.mkfifo(tmp_path / kind / kind)
        for source in (tmp_path / kind, tmp_path / kind / kind):
            with pytest.raises(UserError, match=f"{kind} is a named pipe or a device: give a regular file"):
                open_training_set(source)
    with pytest.raises(UserError, match="/dev/zero is a named pipe or a device"):
        open_training_set("/dev/zero")
    with pytest.raises(UserError, match="There is no training set"):
        open_training_set("x" * 5000)
    saved = tmp_path / "saved"
    datasets.Dataset.from_list([{"image": {"bytes": png(0), "path": None}, "text": "一"}]).save_to_disk(str(saved))
    arrow = next(saved.glob("*.arrow"))
    arrow.rename(tmp_path / "x.arrow")
    os.mkfifo(arrow)
    with pytest.raises(UserError, match="is a named pipe or a device"):
        open_training_set(saved)
    state = json.loads((saved / "state.json").read_text())
    for forged in ("../x.arrow", str(tmp_path / "x.arrow")):
        state["_data_files"] = [{"filename": forged}]
        (saved / "state.json").write_text(json.dumps(state))
        with pytest.raises(UserError, match="only paths inside that folder"):
            open_training_set(saved)


def test_a_cache_of_other_things_is_made_anew(tmp_path) -> None:
    import torch
    from safetensors.torch import save_file

    for number, keys in enumerate(("[" * 100_000, "7", "[1]", '{"a": 1}')):
        save_file({"x": torch.ones(1)}, tmp_path / f"{number}.safetensors", metadata={"keys": keys})
    os.mkfifo(tmp_path / "pipe.safetensors")
    assert "a" not in ShardCache(tmp_path)


def test_a_row_that_a_data_set_cannot_give_counts_as_broken() -> None:
    rows = datasets.Dataset.from_list([{"image": {"bytes": png(n), "path": None}, "text": name(n)} for n in range(2)])

    def failing(batch):
        if batch["text"] == [name(1)]:
            raise MemoryError("no more")
        return batch

    found = open_training_set(rows.cast(FEATURES).with_transform(failing))
    with pytest.warns(UserWarning, match=r"1 broken, 1 sound: .*row 1: text can't be read \(no more\)"):
        assert len(scan(found, on_broken="skip")) == 1


@pytest.mark.parametrize(
    "content", [b"", b"\0", b"\n\n", b"\xff\xfe", b"\xff\xfe\0", b"\t\t", b'"', b"{}", b"\xef\xbb\xbf"]
)
def test_readers_of_bytes_give_rows_or_one_sentence(content) -> None:
    calls = (
        lambda: list(rows_of(io.BytesIO(content), ".jsonl", "x")),
        lambda: list(rows_of(io.BytesIO(content), ".csv", "x")),
        lambda: list(lines_of(io.BytesIO(content), "x")),
        lambda: samples_of(io.BytesIO(content), "x"),
    )
    for call in calls:
        try:
            call()
        except UserError as error:
            assert "\n" not in str(error)


def test_a_tsv_still_gives_pictures_of_any_length(tmp_path) -> None:
    """Also where the line is longer than what is read at once."""
    import numpy as np
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (800, 800, 3), dtype=np.uint8)).save(file, "PNG")
    assert len(file.getvalue()) > limits.LINE_BYTES
    lines = [f"{n}\t{n}只猫\t{base64.b64encode(data).decode()}" for n, data in enumerate((file.getvalue(), png(0)))]
    (tmp_path / "x.tsv").write_text("\r\n".join(lines), encoding="utf-8")
    found = scan(open_training_set(tmp_path))
    assert [each.size for each in found] == [(800, 800), (96, 96)] and found[1].captions == ("1只猫",)


def test_lines_may_be_left_when_their_file_is_closed_already(tmp_path):
    """As an error among them does, which closes the file first: Python would tell of it beside the error."""
    path = tmp_path / "metadata.jsonl"
    path.write_text("1\n2\n", "utf-8")
    with path.open("rb") as file:
        lines = text_lines(file, "metadata.jsonl")
        assert next(lines) == "1\n"
    lines.close()
    with path.open("rb") as file:
        lines = text_lines(file, "metadata.jsonl")
        next(lines)
        lines.close()
        assert not file.closed and file.read() == b""
