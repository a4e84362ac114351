"""What a training set says twice: counted in one warning, or refused."""

import pytest

from pai_modelscope.data import open_training_set
from pai_modelscope.errors import UserError
from tests.support.picture_files import name, write_metadata, write_plain


@pytest.mark.parametrize("kohya", [False, True])
def test_captions_beside_captions_are_counted(tmp_path, kohya) -> None:
    folder = write_plain(tmp_path / "set" / "2_猫" if kohya else tmp_path / "set", 2)
    for number in range(2):
        (folder / f"{number}.caption").write_text("another")
    with pytest.warns(UserWarning, match=r"^Captions that are left out: 2, the first \S*0\.caption; another file "):
        found = open_training_set(tmp_path / "set")
    assert found[0].captions == (name(0),)


def test_captions_beside_metadata_are_counted(tmp_path) -> None:
    folder = write_metadata(tmp_path / "set", 2)
    (folder / "README.txt").write_text("about")
    assert len(open_training_set(folder)) == 2
    (folder / "1.txt").write_text("another")
    with pytest.warns(UserWarning, match=r"^Captions that are left out: 1, the first \S*1\.txt; metadata\.jsonl is"):
        assert open_training_set(folder)[1].captions == (name(1),)


def test_columns_of_one_name_in_csv_are_refused(tmp_path) -> None:
    folder = write_plain(tmp_path, 1)
    (folder / "metadata.csv").write_text("file_name,text,text\n0.png,one,two\n")
    with pytest.raises(
        UserError, match=r"metadata\.csv, line 1 names the column 'text' twice: leave one, or rename it"
    ):
        open_training_set(folder)
    (folder / "metadata.csv").write_text("file_name,text,,\n0.png,one,,\n")
    assert open_training_set(folder)[0].captions == ("one",)


def test_rows_of_json_that_name_a_caption_twice_are_refused(tmp_path) -> None:
    folder = write_plain(tmp_path, 1)
    (folder / "metadata.jsonl").write_text('{"file_name": "0.png", "text": "one", "text": "two"}\n')
    with pytest.raises(UserError, match=r"metadata\.jsonl, line 1 gives 'text' twice in one place: leave one"):
        open_training_set(folder)
