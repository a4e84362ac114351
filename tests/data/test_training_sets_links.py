"""Symbolic links in training sets: those that the user made are followed, those that came in with a file are not."""

import os
import tarfile

import pytest

from pai_modelscope.data import open_training_set, scan
from pai_modelscope.errors import UserError
from tests.support.picture_files import members, name, picture, png, write_metadata, write_plain, write_rows, write_tar


def linked(folder, store):
    """As Hugging Face's cache has it: each file is a link to one in `blobs`, which has no suffix."""
    store.mkdir()
    for number, path in enumerate(sorted(folder.iterdir())):
        path.rename(store / f"{number:040x}")
        path.symlink_to(os.path.relpath(store / f"{number:040x}", folder))
    return folder


@pytest.mark.parametrize("form", ["metadata", "kohya", "plain", "tar"])
def test_a_folder_of_links_is_the_folder(form, tmp_path) -> None:
    made = {
        "metadata": lambda folder: write_metadata(folder, 2, mask_file_name="{}.png".format),
        "kohya": lambda folder: write_plain(folder / "1_x", 2),
        "plain": lambda folder: write_plain(folder, 2),
        "tar": lambda folder: write_tar(folder / "x.tar", members(0, 2)).parent,
    }
    (tmp_path / "set").mkdir()
    linked(made[form](tmp_path / "set"), tmp_path / "blobs")
    (tmp_path / "link").symlink_to(tmp_path / "set")
    for source in (tmp_path / "set", tmp_path / "link"):
        found = scan(open_training_set(source))
        assert [each.captions for each in found] == [(name(0),), (name(1),)]
        assert [each.read().tobytes() for each in found] == [picture(0).tobytes(), picture(1).tobytes()]


def test_folders_of_kohyas_may_be_links(tmp_path) -> None:
    write_plain(tmp_path / "elsewhere", 1)
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "2_dog").symlink_to(tmp_path / "elsewhere")
    assert [each.name for each in scan(open_training_set(tmp_path / "set"))] == ["2_dog/0.png"] * 2


def test_links_that_lead_nowhere_or_in_a_circle_are_named_and_counted(tmp_path) -> None:
    (tmp_path / "set").mkdir()
    for form in ("metadata", "plain"):
        folder = tmp_path / form
        write_plain(folder, 1)
        for broken, target in (("round", folder / "round.png"), ("gone", tmp_path / "gone")):
            (folder / f"{broken}.png").symlink_to(target)
            (folder / f"{broken}.txt").write_text("一")
        if form == "metadata":
            write_rows(folder, [{"file_name": f"{each}.png", "text": "一"} for each in ("0", "round", "gone")])
        with pytest.warns(UserWarning, match="^2 broken, 1 sound") as told:
            assert len(scan(open_training_set(folder), on_broken="skip")) == 1
        assert "round.png can't be read (Too many levels" in str(told[-1].message)
        assert "gone.png can't be read (No such file" in str(told[-1].message)
    (tmp_path / "circle").symlink_to(tmp_path / "circle")
    with pytest.raises(UserError, match="There is no training set"):
        open_training_set(tmp_path / "circle")


def test_a_folder_that_holds_itself_ends(tmp_path) -> None:
    write_plain(tmp_path, 1)
    (tmp_path / "1_again").symlink_to(tmp_path)
    (tmp_path / "1_again" / "1_again").exists()
    assert len(open_training_set(tmp_path)) == 1


def test_links_in_a_tar_are_not_followed_and_counted(tmp_path) -> None:
    (tmp_path / "secret.png").write_bytes(png(1))
    for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE):
        write_tar(tmp_path / "x.tar", members(0, 1))
        link = tarfile.TarInfo("001.png")
        link.type, link.linkname = kind, str(tmp_path / "secret.png")
        with tarfile.open(tmp_path / "x.tar", "a") as archive:
            archive.addfile(link)
        with pytest.warns(UserWarning, match=r"x\.tar: links and devices that are left out: 1, the first 001\.png"):
            assert len(open_training_set(tmp_path / "x.tar")) == 1


def test_names_that_are_no_utf8_are_read_and_shown(tmp_path) -> None:
    odd = os.fsdecode(b"\xff\x1b[31m")
    write_plain(tmp_path, 1)
    os.rename(tmp_path / "0.png", tmp_path / f"{odd}.png")
    os.rename(tmp_path / "0.txt", tmp_path / f"{odd}.txt")
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / f"{odd}.png").write_bytes(png(1))
    with pytest.warns(UserWarning, match=r"the first more/\\udcff\\x1b\[31m\.png"):
        found = open_training_set(tmp_path)
    assert found[0].name == r"\udcff\x1b[31m.png" and found[0].captions == (name(0),)
    assert found[0].read().tobytes() == picture(0).tobytes()
    kohya = tmp_path / "kohya" / f"2_{odd}"
    kohya.mkdir(parents=True)
    (kohya / "0.png").write_bytes(png(0))
    with pytest.raises(UserError, match="has half a character"):
        scan(open_training_set(tmp_path / "kohya"))
