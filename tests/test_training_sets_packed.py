"""Tars, TSV and parquet as they come about: what can't be told apart or is cut off is an error."""

import io
import json
import tarfile

import pytest

from pai_modelscope.data import open_training_set
from pai_modelscope.errors import UserError
from tests.picture_files import members, name, png, write_tar


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


def test_a_tars_field_that_was_named_goes_before_its_text(tmp_path) -> None:
    row = json.dumps({"zh": "一", "text": "a field"}).encode()
    file = write_tar(tmp_path / "x.tar", {**members(0, 1), "000.json": row})
    found = {column: open_training_set(file, caption_column=column)[0].captions for column in ("zh", "text", "other")}
    assert found == {"zh": ("一",), "text": (name(0),), "other": (name(0),)}
