"""Tars, TSV and parquet as they come about: what can't be told apart or is cut off is an error."""

import io
import json
import os
import tarfile

import datasets
import pytest

from pai_modelscope.data import open_training_set
from pai_modelscope.errors import UserError
from tests.support.picture_files import members, name, picture, png, write_parquet, write_tar


def test_a_tar_that_goes_on_after_its_end_or_ends_before(tmp_path) -> None:
    """`tarfile` itself stops at the first block that is no head, without a word."""
    one, other = (write_tar(tmp_path / f"{n}.tar", members(n, 2)).read_bytes() for n in (0, 2))
    second = one.index(b"001.png")
    damaged = bytearray(one)
    damaged[second + 150] ^= 255  # of the checksum
    for content in (one + other, bytes(damaged), one[:second], one[: second + 100]):
        (tmp_path / "x.tar").write_bytes(content)
        with pytest.raises(UserError, match=r"x\.tar does not end where its members do, at byte \d+"):
            open_training_set(tmp_path / "x.tar")
    (tmp_path / "x.tar").write_bytes(one + bytes(1 << 20))
    assert len(open_training_set(tmp_path / "x.tar")) == 2


def test_two_samples_of_one_name_in_a_tar(tmp_path) -> None:
    with tarfile.open(tmp_path / "x.tar", "w") as archive:
        for member, content in (("0.png", png(0)), ("0.txt", b"a"), ("0.PNG", png(1)), ("0.txt", b"b")):
            info = tarfile.TarInfo(member)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    with pytest.raises(UserError, match=r"x\.tar has 0\.PNG twice"):
        open_training_set(tmp_path / "x.tar")


def test_what_a_tar_says_twice_of_a_sample_is_counted(tmp_path) -> None:
    sample = members(0, 1)
    more = {"000.jpg": png(1), "000.image.png": png(1), "000.caption": b"b", "000.json": b'{"caption": "another"}'}
    with pytest.warns(UserWarning) as said:
        found = open_training_set(
            write_tar(tmp_path / "x.tar", {**sample, **more, **members(1, 1), "001.webp": png(0)})
        )
    pictures, captions = sorted((str(each.message) for each in said), reverse=True)
    assert pictures.startswith("Pictures that are left out: 3, the first ") and "x.tar, 000.image.png; " in pictures
    assert captions.startswith("Captions that are left out: 2, the first ") and "x.tar, 000.caption; " in captions
    assert [each.captions for each in (found[0], found[1])] == [(name(0),), (name(1),)]


@pytest.mark.parametrize("row", [{"caption": name(0)}, {"text": [name(0)]}, {"key": "000"}, [], "{"])
def test_json_beside_a_caption_that_says_nothing_else_is_not_warned_of(tmp_path, row, recwarn) -> None:
    """img2dataset writes both for each picture."""
    text = row if isinstance(row, str) else json.dumps(row)
    file = write_tar(tmp_path / "x.tar", {**members(0, 1), "000.json": text.encode()})
    assert open_training_set(file)[0].captions == (name(0),)
    assert [str(each.message) for each in recwarn] == []


def test_a_tars_field_that_was_named_goes_before_its_text(tmp_path) -> None:
    row = json.dumps({"zh": "一", "text": "a field"}).encode()
    file = write_tar(tmp_path / "x.tar", {**members(0, 1), "000.json": row})
    found = {column: open_training_set(file, caption_column=column)[0].captions for column in ("zh", "text", "other")}
    assert found == {"zh": ("一",), "text": (name(0),), "other": (name(0),)}


def test_parquet_paths_lie_beside_their_own_file(tmp_path) -> None:
    for number, folder in enumerate("ab"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "0.png").write_bytes(png(number))
        rows = [{"image": "0.png", "text": name(number), folder: 1}]  # a column that the other file lacks
        datasets.Dataset.from_list(rows).to_parquet(str(tmp_path / folder / "x.parquet"))
    found = open_training_set(tmp_path)
    assert [found[place].read().tobytes() for place in (0, 1)] == [picture(n).tobytes() for n in (0, 1)]


def test_parquet_of_the_split_that_its_folder_names(tmp_path) -> None:
    for folder, count in (("default/train", 2), ("default/test", 3)):
        (tmp_path / folder).mkdir(parents=True)
        write_parquet(tmp_path / folder / "0000.parquet", count)
    (tmp_path / "default" / "train" / "._0000.parquet").write_bytes(b"a Mac's")
    assert len(open_training_set(tmp_path)) == 2
    assert len(open_training_set(tmp_path, split="test")) == 3
    assert len(open_training_set(tmp_path / "default" / "test")) == 3


def test_a_changed_parquet_of_the_same_time_is_read_anew(tmp_path) -> None:
    file = write_parquet(tmp_path / "x.parquet", 1)
    time = file.stat().st_mtime_ns
    assert open_training_set(file)[0].captions == (name(0),)
    rows = [{"image": {"bytes": png(1), "path": "1.png"}, "text": "一"}]
    datasets.Dataset.from_list(rows).to_parquet(str(file))
    os.utime(file, ns=(time, time))
    assert open_training_set(file)[0].captions == ("一",)


def test_saved_sets_with_splits_and_damaged_ones(tmp_path) -> None:
    rows = [{"image": {"bytes": png(0), "path": "0.png"}, "text": "一"}]
    datasets.DatasetDict({"train": datasets.Dataset.from_list(rows)}).save_to_disk(str(tmp_path / "set"))
    assert open_training_set(tmp_path / "set")[0].captions == ("一",)
    file = next((tmp_path / "set" / "train").glob("*.arrow"))
    file.write_bytes(file.read_bytes()[:200])
    with pytest.raises(UserError, match="train can't be read as a saved data set"):
        open_training_set(tmp_path / "set")
