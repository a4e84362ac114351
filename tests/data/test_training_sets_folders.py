"""Folders as users leave them: what lies there is read, or it is said that it is not."""

import warnings

import pytest

from pai_modelscope.data import open_training_set, scan
from tests.support.picture_files import members, name, png, write_metadata, write_plain, write_tar, write_tsv


@pytest.mark.parametrize("folder", [".", "2_dog"])
def test_texts_are_found_whatever_the_case_of_their_suffix(folder, tmp_path) -> None:
    write_plain(tmp_path / folder, 1)
    (tmp_path / folder / "0.txt").rename(tmp_path / folder / "0.TXT")
    (tmp_path / folder / "0.caption").write_text("not this one")
    assert open_training_set(tmp_path)[0].captions == (name(0),)


def test_only_ends_of_lines_part_captions(tmp_path) -> None:
    """Texts from office programs hold breaks within a line."""
    text = "一只\u2028猫\x0b在跑\r\n\r\n小猫\r".encode()
    write_plain(tmp_path / "plain", 1)
    (tmp_path / "plain" / "0.txt").write_bytes(text)
    file = write_tar(tmp_path / "x.tar", {"0.png": png(0), "0.txt": text})
    for source in (tmp_path / "plain", file):
        assert open_training_set(source)[0].captions == ("一只\u2028猫\x0b在跑", "小猫")


def test_a_text_that_is_no_readable_file(tmp_path) -> None:
    write_plain(tmp_path, 2)
    (tmp_path / "0.txt").unlink()
    (tmp_path / "0.txt").symlink_to(tmp_path / "gone.txt")
    (tmp_path / "more.txt").mkdir()
    kept = scan(open_training_set(tmp_path), on_broken="skip")
    assert len(kept) == 1 and "0.png has no caption" in kept.report and len(kept.broken) == 1


def test_kohyas_folders_without_words_and_texts_without_pictures(tmp_path) -> None:
    write_plain(tmp_path / "2_", 2)
    (tmp_path / "2_" / "0.txt").unlink()
    write_plain(tmp_path / "1_dog", 1)
    (tmp_path / "1_dog" / "lost.txt").write_text("一")
    kept = scan(open_training_set(tmp_path), on_broken="skip")
    assert [each.name for each in kept] == ["1_dog/0.png", "2_/1.png", "2_/1.png"]
    assert "lost.txt: a caption without a picture" in kept.broken[0] and "0.png has no caption" in kept.broken[1]


def test_metadata_says_what_it_passes_over(tmp_path, recwarn) -> None:
    """Masks and names that are written in a roundabout way are named by a row, too."""
    write_metadata(tmp_path, 2, mask_file_name="./{}.png".format)
    assert len(open_training_set(tmp_path)) == 2 and not recwarn.list
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "9.png").write_bytes(png(0))
    with pytest.warns(UserWarning, match=r"left out: 1, the first more/9\.png; no row of metadata\.jsonl names them"):
        open_training_set(tmp_path)
    (tmp_path / "metadata.csv").write_text("file_name,text\n0.png,一\n", encoding="utf-8")
    with pytest.warns(UserWarning, match=r"metadata\.csv is not read: metadata\.jsonl lies beside it"):
        assert len(open_training_set(tmp_path)) == 2


def test_pictures_that_are_not_taken_are_counted_and_named(tmp_path) -> None:
    """In other folders, or from a telephone in a format that Pillow can't read."""
    write_plain(tmp_path / "plain", 1)
    write_plain(tmp_path / "plain" / "more", 1)
    (tmp_path / "plain" / "IMG_1.HEIC").write_bytes(b"x")
    with pytest.warns(UserWarning, match=r"left out: 2, the first IMG_1\.HEIC"):
        assert len(open_training_set(tmp_path / "plain", caption="一")) == 1
    write_plain(tmp_path / "kohya" / "1_dog" / "more", 1)
    write_plain(tmp_path / "kohya" / "1_dog", 1)
    write_plain(tmp_path / "kohya", 1)
    with pytest.warns(UserWarning, match=r"left out: 2, the first 0\.png"):
        assert len(open_training_set(tmp_path / "kohya")) == 1


def test_what_systems_leave_in_folders_is_no_picture(tmp_path) -> None:
    write_plain(tmp_path, 1)
    (tmp_path / "1.JFIF").write_bytes(png(1))
    (tmp_path / "1.txt").write_text("一")
    for litter in ("Thumbs.db", "desktop.ini", ".DS_Store", "._0.png", "._0.txt", "__MACOSX/._0.png", ".git/a.png"):
        (tmp_path / litter).parent.mkdir(exist_ok=True)
        (tmp_path / litter).write_bytes(b"x")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(scan(open_training_set(tmp_path))) == 2


def test_a_packed_set_beside_pictures_is_told(tmp_path) -> None:
    """Of what was unpacked in place, and then mended, the pack would be read."""
    for folder in ("tar", "tsv"):
        write_plain(tmp_path / folder, 2)
    write_tar(tmp_path / "tar" / "x.tar", members(0, 1))
    write_tsv(tmp_path / "tsv" / "x.tsv", 1)
    for folder, why in (("tar", "beside x.tar only"), ("tsv", "x.tsv is read instead")):
        with pytest.warns(UserWarning, match=f"left out: 2, the first 0.png; {why}"):
            assert len(open_training_set(tmp_path / folder)) == 1
