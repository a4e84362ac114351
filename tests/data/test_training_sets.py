"""Every form of training set reads as the same pictures and captions."""

import json
import struct
import zlib

import datasets
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from pai_modelscope.data import join, open_dataset, open_training_set, scan
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
    write_tar,
    write_tsv,
)


def make(form, folder):
    folder.mkdir(exist_ok=True)
    if form == "metadata":
        return write_metadata(folder, 3)
    if form == "split":
        write_metadata(folder / "train", 3)
    if form == "csv":
        write_metadata(folder, 3)
        (folder / "metadata.jsonl").unlink()
        lines = ["file_name,text", *(f'{n}.png,"{name(n)}"' for n in range(3))]
        (folder / "metadata.csv").write_text("\n".join(lines), encoding="utf-8-sig")
    if form == "plain":
        return write_plain(folder)
    if form == "tsv":
        return write_tsv(folder / "train.tsv")
    if form == "parquet":
        return write_parquet(folder / "some.parquet")
    if form == "parquet folder":
        (folder / "data").mkdir()
        write_parquet(folder / "data" / "train-00000-of-00001.parquet")
        write_parquet(folder / "data" / "test-00000-of-00001.parquet", 2)
    if form == "tars":
        write_tar(folder / "train-0.tar", members(0, 2))
        write_tar(folder / "train-1.tar", members(2, 1))
    if form == "saved":
        rows = {"image": [picture(n) for n in range(3)], "text": [name(n) for n in range(3)]}
        datasets.Dataset.from_dict(rows, features=FEATURES).save_to_disk(str(folder))
    return folder


FORMS = ["metadata", "split", "csv", "plain", "tsv", "parquet", "parquet folder", "tars", "saved"]


@pytest.mark.parametrize("form", FORMS)
def test_every_form_gives_the_same_examples(form, tmp_path) -> None:
    found = open_training_set(make(form, tmp_path / "set"))
    assert len(found) == 3
    for number in range(3):
        made = found[number]
        assert made.captions == (name(number),)
        assert made.size == picture(number).size
        assert made.read().tobytes() == picture(number).tobytes()
    assert len({found[number].digest for number in range(3)}) == 3


def test_a_data_file_or_the_folder_that_has_it(tmp_path) -> None:
    make("csv", tmp_path / "csv")
    make("tsv", tmp_path / "tsv")
    make("tars", tmp_path / "tars")
    for source, count in (("csv/metadata.csv", 3), ("tsv", 3), ("tars/train-1.tar", 1)):
        assert len(open_training_set(tmp_path / source)) == count
        assert open_training_set(str(tmp_path / source))[0].size == picture(3 - count).size


def test_the_same_bytes_have_one_digest_in_all_forms(tmp_path) -> None:
    """A cache of latents outlives the packing of the pictures."""
    forms = [form for form in FORMS if form != "saved"]
    digests = {open_training_set(make(form, tmp_path / form))[1].digest for form in forms}
    assert len(digests) == 1


def test_kohya_repeats_and_falls_back_on_the_folders_words(tmp_path) -> None:
    for folder, numbers in (("3_小狗", (0, 1)), ("1_a_hat", (2,)), ("notes", (3,))):
        (tmp_path / folder).mkdir()
        for number in numbers:
            (tmp_path / folder / f"{number}.png").write_bytes(png(number))
    (tmp_path / "3_小狗" / "1.caption").write_text("一只小狗\n\n小狗在跑\n", encoding="utf-8")
    found = open_training_set(tmp_path)
    captions = [found[place].captions for place in range(len(found))]
    assert captions == [("a hat",)] + [("小狗",)] * 3 + [("一只小狗", "小狗在跑")] * 3
    assert len(scan(found)) == 7


def test_rows_bring_several_captions_conditions_and_masks(tmp_path) -> None:
    Image.new("L", (96, 96), 40).save(tmp_path / "grey.png")
    columns = {
        "caption": lambda n: ["一", "二"],
        "conditioning_file_name": lambda n: "grey.png",
        "area": lambda n: "grey.png",
    }
    found = open_training_set(write_metadata(tmp_path, 2, **columns), caption_column="caption", mask_column="area")
    assert found[0].captions == ("一", "二")
    assert found[0].read_condition().getpixel((0, 0)) == (40, 40, 40)
    assert found[0].read_mask().mode == "L" and found[0].read_mask().getpixel((5, 5)) == 40


def test_a_tar_brings_conditions_masks_and_json(tmp_path) -> None:
    content = {
        "a/0.jpg": png(0),
        "a/0.json": json.dumps({"text": ["一", "二"]}).encode(),
        "a/0.mask.png": png(1),
        "a/0.edges.png": png(2),
        "a/._0.jpg": b"a Mac's",
    }
    found = open_training_set(write_tar(tmp_path / "x.tar", content), conditioning_image_column="edges")
    assert len(found) == 1 and found[0].captions == ("一", "二")
    assert found[0].read_condition().tobytes() == picture(2).tobytes()
    assert found[0].read_mask().tobytes() == picture(1).convert("L").tobytes()


def test_the_shipped_set_and_objects_with_rows() -> None:
    shipped = open_training_set("shipped:control_test", limit=2)
    row = open_dataset("control_test", size=512)[1]
    assert len(shipped) == 2 and shipped[1].captions == (row["text"],)
    assert shipped[1].read().tobytes() == row["image"].tobytes()
    assert shipped[1].read_condition().tobytes() == row["conditioning_image"].tobytes()

    small = open_training_set("shipped:control_test", limit=2, size=64)
    assert small[0].size == small[0].read().size == (64, 64) and small[0].digest != shipped[0].digest

    paired = open_training_set([{"image": picture(0), "text": "一", "conditioning_image": picture(3)}])
    assert paired[0].read_condition().tobytes() == picture(3).tobytes(), (
        "named as diffusers' script has it: not asked for"
    )

    rows = [{"image": picture(n), "text": name(n)} for n in range(3)]
    table = datasets.Dataset.from_list([{"image": {"bytes": png(n)}, "text": name(n)} for n in range(3)])
    for source in (rows, table.cast(FEATURES), MsLike(table), open_training_set(rows), scan(open_training_set(rows))):
        found = open_training_set(source, limit=2)
        assert len(found) == 2 and found[1].captions == (name(1),)
        assert found[1].read().tobytes() == picture(1).tobytes()


def test_a_transform_may_look_at_all_columns() -> None:
    rows = [{"image": {"bytes": png(n)}, "text": name(n)} for n in range(2)]

    def told(batch):
        return {"image": batch["image"], "text": [f"{text},{len(batch['image'])}" for text in batch["text"]]}

    found = open_training_set(datasets.Dataset.from_list(rows).cast(FEATURES).with_transform(told))
    assert found[1].captions == (f"{name(1)},1",) and found[1].read().tobytes() == picture(1).tobytes()


def test_the_shipped_set_has_columns_of_its_own() -> None:
    with pytest.raises(UserError, match="shipped:food has no column words; it has id, name"):
        open_training_set("shipped:food", caption_column="words")
    with pytest.raises(UserError, match="no column mask"):
        open_training_set("shipped:food", mask_column="mask")
    with pytest.raises(UserError, match="'aliases' is no drawing"):
        open_training_set("shipped:food", image_column="aliases")[0]


def test_shipped_pictures_are_drawn_when_they_are_read_and_not_before(monkeypatch) -> None:
    def refuse(*_):
        raise AssertionError("drawn")

    found = open_training_set("shipped:food", caption_column="captions", limit=3)
    monkeypatch.setattr("pai_modelscope.data.shipped.render_svg", refuse)
    sound = scan(found, quick=True)
    assert len(sound) == 3 and len({each.digest for each in sound}) == 3 and len(sound[0].captions) > 2
    with pytest.raises(AssertionError, match="drawn"):
        sound[0].read()


class MsLike:
    """As ModelScope's MsDataset wraps a data set of Hugging Face's library."""

    def __init__(self, table):
        self.table = table

    def to_hf_dataset(self):
        return self.table


def test_a_turned_photograph_has_its_upright_size(tmp_path) -> None:
    folder = write_plain(tmp_path, 1)
    (folder / "0.png").unlink()
    exif = Image.Exif()
    exif[0x0112] = 6
    picture(1).save(folder / "0.jpg", exif=exif)
    made = open_training_set(folder)[0]
    assert made.size == made.read().size == (96, 144)


@pytest.mark.parametrize("place", ["eXIf", "XML:com.adobe.xmp", "Raw profile type exif"])
def test_a_turned_png_has_its_upright_size_wherever_it_says_so(place, tmp_path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    content, info = exif.tobytes(), PngInfo()
    if place == "Raw profile type exif":  # as ImageMagick writes it
        info.add_text(place, f"\nexif\n{len(content):8}\n{content.hex()}\n")
    if place == "XML:com.adobe.xmp":
        info.add_itxt(place, '<x:xmpmeta xmlns:x="adobe:ns:meta/"><a tiff:Orientation="6"/></x:xmpmeta>')
    picture(1).save(tmp_path / "0.png", pnginfo=info)
    if place == "eXIf":  # behind the pixels
        chunk, png = place.encode() + content.removeprefix(b"Exif\0\0"), (tmp_path / "0.png").read_bytes()
        chunk = struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk))
        (tmp_path / "0.png").write_bytes(png[:-12] + chunk + png[-12:])
    made = open_training_set(tmp_path, caption="一")[0]
    assert made.size == made.read().size == (96, 144)


def test_a_decoded_pictures_digest_is_of_what_it_shows(tmp_path) -> None:
    """Another palette is another picture, and another orientation; a path of pathlib is one, too."""
    plain = picture(1).quantize(8)
    other = plain.copy()
    other.putpalette(plain.getpalette()[::-1])
    exif = Image.Exif()
    exif[0x0112] = 2
    plain.save(tmp_path / "0.png", exif=exif)
    rows = [
        {"image": each, "text": "一"} for each in (plain, other, Image.open(tmp_path / "0.png"), tmp_path / "0.png")
    ]
    found = open_training_set(rows)
    assert len({found[place].digest for place in range(4)}) == 4
    assert found[2].read().tobytes() == found[3].read().tobytes() != found[0].read().tobytes()


def test_sets_join_with_weights(tmp_path) -> None:
    one, other = (open_training_set(write_metadata(tmp_path / each, 2)) for each in "ab")
    both = join([one, other], [1.0, 0.5])
    assert [both[place].weight for place in range(4)] == [1, 1, 0.5, 0.5]
    assert both[3].digest == other[1].digest
