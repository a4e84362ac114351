"""Generation parameters in PNG files, and contact sheets."""

import os
import stat
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pai_modelscope import UserError
from pai_modelscope.images import contact_sheet
from pai_modelscope.images.contact_sheet import _wrap
from pai_modelscope.images.fonts import PLAIN, shipped_font
from pai_modelscope.images.infotext import format_infotext, parse_infotext, read_png, write_png

RED = Image.new("RGB", (48, 32), "red")
TEXT = format_infotext("熊猫", "模糊", {"Steps": 20, "Sampler": "DPM++ 2M Karras", "Seed": 7, "Size": "48x32"})
# Written by AUTOMATIC1111's WebUI 1.6 and 1.9.
FOREIGN = """masterpiece, (cat:1.2)
on a roof
Negative prompt: lowres, bad hands,
blurry
Steps: 25, Sampler: DPM++ 2M, Schedule type: Karras, CFG scale: 7, Seed: 1234, Size: 512x768, Model hash: 6ce0161689, \
Model: "v1,5", Clip skip: 2, Lora hashes: "a: 1, b: 2", Version: v1.9.3"""


# PNG


def test_the_text_is_the_webuis():
    values = {"Steps": 20, "CFG scale": 5.0, "Clip skip": None, "Model": "a, b"}
    assert format_infotext("猫", "狗", values) == '猫\nNegative prompt: 狗\nSteps: 20, CFG scale: 5.0, Model: "a, b"'
    assert format_infotext("猫", "", {"Steps": 1}) == "猫\nSteps: 1"


def test_what_is_written_is_read_back(tmp_path):
    write_png(RED, tmp_path / "一.png", TEXT)
    assert read_png(tmp_path / "一.png") == {
        "text": "熊猫",
        "negative_prompt": "模糊",
        "num_inference_steps": 20,
        "scheduler": "DPM++ 2M Karras",
        "seed": 7,
        "width": 48,
        "height": 32,
    }
    with Image.open(tmp_path / "一.png") as image:
        assert image.text["parameters"] == TEXT and np.array_equal(np.asarray(image), np.asarray(RED))
    assert [path.name for path in tmp_path.iterdir()] == ["一.png"]


@pytest.mark.parametrize(
    ("prompt", "negative"),
    [("a, b: c", ""), ("(猫:1.3)\n第二行", "丑\n模糊"), ('"引号", Steps: 3', "x" * 2000), ("😀" * 9, "，。")],
)
def test_any_prompt_survives(prompt, negative):
    options = parse_infotext(format_infotext(prompt, negative, {"Steps": 1, "Seed": 2}))
    assert (options["text"], options["negative_prompt"]) == (prompt, negative)


@pytest.mark.parametrize("number", [5.0, 0.1 + 0.2, 1 / 3])
def test_numbers_survive_bit_for_bit(number):
    text = format_infotext("猫", "", {"Steps": 1, "Seed": 2**63 - 1, "CFG scale": number, "CFG rescale": number})
    options = parse_infotext(text)
    assert (options["guidance_scale"], options["guidance_rescale"], options["seed"]) == (number, number, 2**63 - 1)


def test_pictures_of_the_webui_are_understood():
    assert parse_infotext(FOREIGN) == {
        "text": "masterpiece, (cat:1.2)\non a roof",
        "negative_prompt": "lowres, bad hands,\nblurry",
        "num_inference_steps": 25,
        "scheduler": "DPM++ 2M Karras",
        "guidance_scale": 7.0,
        "seed": 1234,
        "width": 512,
        "height": 768,
        "model": "v1,5",
        "clip_skip": 1,
    }


def test_a_file_is_never_overwritten(tmp_path):
    path = tmp_path / "a.png"
    path.write_text("mine")
    with pytest.raises(UserError, match=r"a\.png exists"):
        write_png(RED, path, TEXT)
    assert path.read_text() == "mine" and len(list(tmp_path.iterdir())) == 1


def test_nothing_is_left_half_written(tmp_path, monkeypatch):
    def full(self, content):
        with self.open("wb") as file:
            file.write(content[: len(content) // 2])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(UserError, match="No space left"):
        write_png(RED, tmp_path / "a.png", TEXT)
    assert not list(tmp_path.iterdir())


def test_a_folder_that_is_none(tmp_path):
    with pytest.raises(UserError, match="can't be written"):
        write_png(RED, tmp_path / "nowhere" / "a.png", TEXT)


def test_a_file_system_without_links_is_served(tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(os, "link", refuse)
    write_png(RED, tmp_path / "a.png", TEXT)
    assert read_png(tmp_path / "a.png")["seed"] == 7
    with pytest.raises(UserError, match="exists"):
        write_png(RED, tmp_path / "a.png", TEXT)
    assert len(list(tmp_path.iterdir())) == 1


def test_the_file_is_as_open_to_others_as_any(tmp_path):
    (tmp_path / "b").touch()
    write_png(RED, tmp_path / "a.png", TEXT)
    assert stat.S_IMODE((tmp_path / "a.png").stat().st_mode) == stat.S_IMODE((tmp_path / "b").stat().st_mode)


def bare(path: Path) -> None:
    RED.save(path)


def other_text(path: Path) -> None:
    write_png(RED, path, "a holiday")


def bad_number(path: Path) -> None:
    write_png(RED, path, "猫\nSteps: many, Seed: 1")


def cut(path: Path) -> None:
    write_png(RED, path, TEXT)
    path.write_bytes(path.read_bytes()[:-40])


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda path: None, "no picture"),
        (lambda path: path.write_text("x"), "is no picture of a known format"),
        (lambda path: path.mkdir(), "is a folder"),
        (bare, "no generation parameters"),
        (other_text, "names no Steps"),
        (bad_number, "Steps: 'many'"),
        (cut, "can't be read as a picture"),
    ],
)
def test_pictures_without_readable_parameters(tmp_path, make, words):
    make(tmp_path / "a.png")
    with pytest.raises(UserError, match=words) as error:
        read_png(tmp_path / "a.png")
    assert "a.png" in str(error.value) and "\n" not in str(error.value)


# Contact sheets


def test_a_sheet_has_a_cell_for_each_picture_in_order():
    colours = ["red", "green", "blue", "black", "yellow"]
    page = contact_sheet([Image.new("RGB", (40, 40), colour) for colour in colours], ["字"] * 5, columns=3)
    cell = np.array([(page.width - 8) // 3, (page.height - 8) // 2])
    for i, colour in enumerate(colours):
        x, y = 8 + cell * [i % 3, i // 3] + 20
        assert page.getpixel((int(x), int(y))) == Image.new("RGB", (1, 1), colour).getpixel((0, 0))
    assert page.getpixel((int(8 + cell[0] * 2 + 20), int(8 + cell[1] + 20))) == (255, 255, 255)


def test_pictures_of_all_sizes_fit():
    page = contact_sheet([Image.new("RGBA", (2000, 500), (0, 0, 0, 0)), RED], ["", "红"])
    assert page.width == 2 * (512 + 8) + 8 and page.getpixel((100, 100)) == (255, 255, 255)


def ink(label: str) -> np.ndarray:
    page = contact_sheet([Image.new("RGB", (200, 8), "white")], [label])
    return np.asarray(page.convert("L")) < 128


def test_labels_are_drawn_in_chinese():
    assert not ink("").any()
    drawn = {label: ink(label).tobytes() for label in ("熊猫", "老虎", "A，？", "繁體")}
    assert len(set(drawn.values())) == 4 and all(any(page) for page in drawn.values())
    assert np.array_equal(ink("龘"), ink("鱻"))  # both lacking, both a box
    assert ink("龘").any()


def test_every_common_character_has_a_glyph():
    """GB2312 level 1, ASCII and the punctuation that Chinese keyboards type."""
    font, box = shipped_font(PLAIN, 20), shipped_font(PLAIN, 20).getmask("龘").getbbox()
    level_1 = [bytes([row, cell]).decode("gb2312", "ignore") for row in range(0xB0, 0xD8) for cell in range(0xA1, 0xFF)]
    characters = "".join(level_1) + "".join(map(chr, range(33, 127))) + "，。、！？：；（）《》【】「」“”‘’…—·"
    assert len(characters) > 3850
    missing_glyph = bytes(font.getmask("龘"))
    assert box and not [char for char in characters if bytes(font.getmask(char)) == missing_glyph]


def test_long_labels_wrap_and_end_in_an_ellipsis():
    font = shipped_font(PLAIN, 16)
    first, second = _wrap("一只戴着红色帽子的小猫，" * 9, font, 200)
    assert second.endswith("…") and all(font.getlength(line) <= 200 for line in (first, second))
    assert _wrap("一二三四五六七八九十一二，三", font, 16 * 12) == ["一二三四五六七八九十一", "二，三"]
    assert _wrap("短", font, 200) == ["短"]
    assert _wrap("字", font, 1) == ["字"]


@pytest.mark.parametrize("how", [([], []), ([RED], []), ([RED], ["a"], 0)])
def test_sheets_that_cannot_be(how):
    with pytest.raises(UserError, match="contact sheet"):
        contact_sheet(*how)


def test_the_font_is_small_and_carries_its_licence():
    fonts = files("pai_modelscope") / "assets" / "fonts"
    assert "SIL OPEN FONT LICENSE Version 1.1" in (fonts / "OFL.txt").read_text("utf-8")
    assert sum(len(file.read_bytes()) for file in fonts.iterdir()) < 1.55 * 2**20


def test_the_font_has_every_character_that_the_model_reads():
    """A label shows the prompt: a character that the tokenizer knows and the font lacks would print as a box."""
    path = files("pai_modelscope") / "assets/pai-diffusion-mini-zh/tokenizer/vocab.txt"
    vocabulary = path.read_text(encoding="utf-8").split("\n")
    font = shipped_font(PLAIN, 16)
    box = bytes(font.getmask("\uffff"))
    missing = [token for token in vocabulary if len(token) == 1 and bytes(font.getmask(token)) == box]
    assert "".join(missing) == "𣃁𣨼𥩟𥬠𥮾𦶟𩭹𪨗𪭢𫇛𫍢𫏐𫐌𫗦𫘤𫛳𫛶𫛸", (
        "rare ones of old verse, which Noto Sans CJK SC lacks"
    )
