"""Bad training sets: each defect is named with its place and the way out, and no path escapes its folder."""

import json
import tarfile

import datasets
import numpy as np
import pytest
from PIL import Image

from pai_modelscope.data import open_dataset, open_training_set, scan, tables
from pai_modelscope.data.folders import Columns
from pai_modelscope.data.tables import open_table
from pai_modelscope.errors import UserError
from tests.support.picture_files import (
    FEATURES,
    members,
    name,
    picture,
    png,
    write_metadata,
    write_parquet,
    write_plain,
    write_rows,
    write_tar,
    write_tsv,
)


def test_a_hubs_rows_read_no_files_of_this_machine(tmp_path) -> None:
    (tmp_path / "private.png").write_bytes(png(0))
    rows = [{"image": {"bytes": None, "path": str(tmp_path / "private.png")}, "text": "一"}]
    table = datasets.Dataset.from_list(rows).cast(FEATURES)
    assert open_training_set(table)[0].size == picture(0).size  # a program's own may
    with pytest.raises(UserError, match="only paths inside that folder"):
        open_table(table, Columns(), "a/b", tables._in_cache)[0]  # as `open_hub` opens what a hub sent


def test_parquet_paths_lie_beside_the_file(tmp_path) -> None:
    (tmp_path / "set").mkdir()
    for place in (tmp_path, tmp_path / "set"):
        (place / "0.png").write_bytes(png(0))
    rows = [{"image": "0.png", "text": "一"}, {"image": "../0.png", "text": "二"}]
    datasets.Dataset.from_list(rows).to_parquet(str(tmp_path / "set" / "x.parquet"))
    found = open_training_set(tmp_path / "set")
    assert found[0].read().tobytes() == picture(0).tobytes()
    with pytest.raises(UserError, match="only paths inside that folder"):
        found[1]


@pytest.mark.parametrize("column", ["file_name", "conditioning_file_name", "mask_file_name"])
@pytest.mark.parametrize("path", ["../secret.png", "{outside}", "{inside}", "sub/../../secret.png", "a\0b.png"])
def test_metadata_paths_cannot_escape(column, path, tmp_path) -> None:
    folder = write_metadata(tmp_path / "set", 1)
    (tmp_path / "secret.png").write_bytes(png(1))
    row = {
        "file_name": "0.png",
        "text": "一",
        column: path.format(outside=tmp_path / "secret.png", inside=folder / "0.png"),
    }
    (folder / "metadata.jsonl").write_text(json.dumps(row))
    with pytest.raises(UserError, match=r"metadata.jsonl, line 1: .*only paths inside that folder are taken"):
        open_training_set(folder)


def bad(form, folder):
    """A training set that can't be opened at all."""
    if form == "missing":
        return folder / "missing"
    if form == "no captions":
        write_plain(folder)
        [path.unlink() for path in folder.glob("*.txt")]
    if form == "no rows":
        (folder / "metadata.jsonl").write_text("\n")
    if form == "no json":
        (folder / "metadata.jsonl").write_text('{"file_name": "0.png", "text": "一"}\n{"file_name"')
    if form == "list row":
        (folder / "metadata.jsonl").write_text("[1]")
    if form == "no column":
        write_rows(folder, [{"file_name": "0.png", "caption": "一"}])
    if form == "no file name":
        write_rows(folder, [{"text": "一"}])
    if form == "number":
        write_rows(folder, [{"file_name": "0.png", "text": 7}])
    if form == "no captions in list":
        write_rows(folder, [{"file_name": "0.png", "text": []}])
    if form == "no encoding":
        (folder / "metadata.jsonl").write_bytes(b'{"file_name": "0.png", "text": "\x80\x81\x82"}')
    if form == "comma":
        (folder / "metadata.csv").write_text("file_name,text\n0.png,a,b\n")
    if form == "empty kohya":
        (folder / "3_dog").mkdir()
    if form == "tsv columns":
        (folder / "x.tsv").write_text("一\tQUJD\n")
        return folder / "x.tsv"
    if form == "gzip":
        with tarfile.open(folder / "x.tar", "w:gz") as archive:
            archive.add(folder, "x", recursive=False)
    if form == "cut tar":
        whole = write_tar(folder / "x.tar", members(0, 2)).read_bytes()
        (folder / "x.tar").write_bytes(whole[:1500])
    if form == "no parquet":
        (folder / "x.parquet").write_bytes(b"PAR1")
    if form == "parquet column":
        write_parquet(folder / "x.parquet", column="picture")
    if form == "unknown file":
        (folder / "x.zip").write_bytes(b"PK")
        return folder / "x.zip"
    return folder


@pytest.mark.parametrize(
    ("form", "message"),
    [
        ("missing", "There is no training set.*metadata.jsonl"),
        ("empty", "holds no pictures"),
        ("no captions", "3 pictures and no captions: write .*0.txt"),
        ("no rows", "metadata.jsonl has no rows"),
        ("no json", "line 2 can't be read as JSON"),
        ("list row", "line 1: a list"),
        ("no column", "line 1: there is no column 'text'; the row has file_name, caption"),
        ("no file name", "line 1: there is no file_name"),
        ("number", "line 1: 'text' is 7"),
        ("no captions in list", r"line 1: 'text' is \[\]"),
        ("no encoding", "not in UTF-8, nor in an encoding that can be told"),
        ("comma", "line 2: not as many fields as the 2"),
        ("empty kohya", "no pictures in them"),
        ("tsv columns", "x.tsv, line 1: .*three"),
        ("gzip", "without compression"),
        ("cut tar", "can't be read as a tar"),
        ("no parquet", "can't be read as parquet"),
        ("parquet column", "no column image; it has picture, text"),
        ("unknown file", "no training set; valid are"),
    ],
)
def test_what_cannot_be_opened_is_explained(form, message, tmp_path) -> None:
    with pytest.raises(UserError, match=message):
        open_training_set(bad(form, tmp_path))


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ([], "has no rows"),
        ([1, 2], "rows of type int"),
        (datasets.DatasetDict({"a": datasets.Dataset.from_list([{"x": 1}])}), r"several splits \(a\)"),
        (datasets.Dataset.from_list([{"x": 1}]).to_iterable_dataset(), "without streaming"),
        ("shipped:nothing", "no split 'nothing'"),
        ("modelscope:../x", "owner/name"),
        ("../x", "no training set"),
    ],
)
def test_other_sources_that_cannot_be_opened(source, message) -> None:
    with pytest.raises(UserError, match=message):
        open_training_set(source)


def test_limit_and_columns_are_checked(tmp_path) -> None:
    assert len(open_training_set(write_metadata(tmp_path, 4), limit=3)) == 3
    with pytest.raises(UserError, match="limit is 0"):
        open_training_set(tmp_path, limit=0)
    with pytest.raises(UserError, match="line 1: there is no edges"):
        open_training_set(tmp_path, conditioning_image_column="edges")
    assert len(open_training_set(tmp_path, limit=np.int64(2))) == len(open_training_set("shipped:food", limit=2)) == 2


@pytest.mark.parametrize("value", ["1", 1.5, True, float("nan"), [1], -1])
def test_numbers_that_are_none_are_named(tmp_path, value) -> None:
    found = open_training_set(write_metadata(tmp_path, 1))
    calls = {
        "limit": lambda: open_training_set(tmp_path, limit=value),
        "size": lambda: open_training_set("shipped:food", size=value),
        "workers": lambda: scan(found, workers=value),
    }
    for option, call in calls.items():
        with pytest.raises(UserError, match=rf"{option} is \S+; give a whole number "):
            call()
    with pytest.raises(UserError, match=r"size is \S+; give a whole number from 1 to 8192 pixels"):
        open_dataset("food", size=value)


@pytest.mark.parametrize(
    "option", ["image_column", "caption_column", "conditioning_image_column", "mask_column", "split", "caption"]
)
def test_names_that_are_no_texts_are_named(tmp_path, option) -> None:
    with pytest.raises(UserError, match=f"{option} is 5; give a text"):
        open_training_set(write_metadata(tmp_path, 1), **{option: 5})


def broken_set(folder):
    """Two sound pictures, and one of each defect that only its own picture has."""
    write_metadata(folder, 2)
    whole = png(2)
    (folder / "cut.png").write_bytes(whole[: len(whole) // 2])
    (folder / "text.png").write_text("no picture")
    (folder / "empty.png").write_bytes(b"")
    rows = [{"file_name": f"{each}.png", "text": "一"} for each in ("0", "cut", "text", "gone", "empty", "1")]
    write_rows(folder, rows)
    return open_training_set(folder)


def test_broken_pictures_are_counted_named_and_skipped_or_stop(tmp_path) -> None:
    found = broken_set(tmp_path)
    with pytest.raises(UserError, match=r"^4 broken, 2 sound: .*cut\.png.*text\.png.*gone\.png.* and 1 more"):
        scan(found)
    with pytest.warns(UserWarning, match=r"^4 broken, 2 sound: .*cut\.png.*left out"):
        kept = scan(found, on_broken="skip")
    assert [each.name for each in kept] == ["0.png", "1.png"]
    assert len(kept.broken) == 4 and "4 broken, 2 sound" in kept.report
    assert "line 4" in kept.broken[2]
    assert len(scan(found, on_broken="skip", quick=True)) == 3  # the head of the one that is cut off is sound
    with pytest.raises(UserError, match="'stop' and 'skip'"):
        scan(found, on_broken="ignore")
    assert scan(kept).report == ""


def test_no_sound_picture_is_an_error_even_if_skipping(tmp_path) -> None:
    broken_set(tmp_path)
    write_rows(tmp_path, [{"file_name": "gone.png", "text": "一"}])
    with pytest.raises(UserError, match=r"No picture .* can be used"):
        scan(open_training_set(tmp_path), on_broken="skip")


def test_broken_masks_and_conditions_count_as_broken(tmp_path) -> None:
    folder = write_metadata(tmp_path, 3, mask_file_name=lambda n: ["0.png", "bad.png", "2.png"][n])
    (folder / "bad.png").write_text("no picture")
    kept = scan(open_training_set(folder), on_broken="skip")
    assert [each.name for each in kept] == ["0.png", "2.png"] and "mask of 1.png" in kept.broken[0]


@pytest.mark.parametrize("column", ["mask_file_name", "conditioning_file_name"])
def test_masks_and_conditions_of_another_shape_count_as_broken(column, tmp_path) -> None:
    """One picture with several masks is checked with each of them."""
    folder = write_metadata(tmp_path, 2)
    rows = [{"file_name": "0.png", "text": "一", column: f"{other}.png"} for other in (0, 1)]
    write_rows(folder, rows)
    kept = scan(open_training_set(folder), on_broken="skip")
    assert len(kept) == 1 and "of 0.png is 144x96 and its picture 96x96" in kept.broken[0]


def test_transparent_masks_count_as_broken(tmp_path) -> None:
    folder = write_metadata(tmp_path, 2, mask_file_name=lambda n: f"mask{n}.png")
    for number, alpha in enumerate((0, 255)):  # what is opaque all over says no more than white and black
        Image.new("RGBA", picture(number).size, (255, 255, 255, alpha)).save(folder / f"mask{number}.png")
    kept = scan(open_training_set(folder), on_broken="skip")
    assert [each.name for each in kept] == ["1.png"] and "mask of 0.png is transparent all over" in kept.broken[0]


def test_single_captions_and_pictures_without_the_other(tmp_path) -> None:
    folder = write_plain(tmp_path, 3)
    (folder / "1.txt").unlink()
    (folder / "lost.txt").write_text("一")
    kept = scan(open_training_set(folder), on_broken="skip")
    assert [each.name for each in kept] == ["0.png", "2.png"]
    assert "1.png has no caption: write 1.txt" in kept.report and "lost.txt: a caption without a picture" in kept.report
    given = scan(open_training_set(folder, caption="一只小狗"), on_broken="skip")
    assert [each.captions for each in given] == [(name(0),), ("一只小狗",), (name(2),)]


def test_broken_lines_of_packed_files(tmp_path) -> None:
    file = write_tsv(tmp_path / "x.tsv", 2)
    file.write_text(file.read_text("utf-8") + "2\t三\n3\t四\t!!!\n", encoding="utf-8")
    kept = scan(open_training_set(file), on_broken="skip")
    assert len(kept) == 2 and "line 3: 2 columns" in kept.broken[0] and "line 4: the picture is no" in kept.broken[1]
    content = {**members(0, 1), "001.png": png(1), "002.txt": b"x"}
    kept = scan(open_training_set(write_tar(tmp_path / "x.tar", content)), on_broken="skip")
    assert len(kept) == 1 and "001: no caption" in kept.broken[0] and "002: no picture" in kept.broken[1]


def test_rows_of_a_list_that_lack_a_column_or_have_half_a_character() -> None:
    rows = [{"image": picture(0), "text": "一"}, {"image": picture(1)}, {"text": "二"}]
    rows.append({"image": picture(2), "text": "\ud83d猫"})  # an emoji that was cut in two
    kept = scan(open_training_set(rows), on_broken="skip")
    assert len(kept) == 1 and "row 1: there is no column text" in kept.broken[0]
    assert "row 2: there is no column image" in kept.broken[1] and "row 3: the caption" in kept.broken[2]
