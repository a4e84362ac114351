"""Poems and beautified prompts through the sampler, the pipeline's dicts, the command line and back from the file."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pai_modelscope import Sampler, UserError
from pai_modelscope.cli import main
from pai_modelscope.images.infotext import parse_infotext
from tests.support.command_line import pixels

QUICK = {"num_inference_steps": 1, "height": 64, "width": 64, "seed": 1}
POEM = "空山新雨后,天气晚来秋"
PROMPT = "山,秋天,傍晚,雨后,水墨画"


def same(one: Any, other: Any) -> bool:
    return np.array_equal(np.asarray(one), np.asarray(other))


def test_a_poem_is_drawn_as_its_prompt_is(sampler: Sampler):
    (picture,) = sampler(poem=POEM, **QUICK)
    assert picture.prompt == PROMPT and picture.reading and "秋" in picture.reading.concepts
    assert same(picture.image, sampler(PROMPT, **QUICK)[0].image)
    (edited,) = sampler({"text": "山,秋天", "poem": POEM}, **QUICK)
    assert edited.prompt == "山,秋天" and edited.reading == picture.reading, "a prompt beside it goes first"


def test_the_file_remembers_the_poem(sampler: Sampler):
    for text in ({"poem": POEM}, {"poem": POEM, "text": "山", "beautify": True}):
        (picture,) = sampler(text, **QUICK)
        remembered = parse_infotext(picture.infotext)
        assert (remembered["poem"], remembered["text"]) == (POEM, picture.prompt)
        assert ("Beautified" in picture.infotext) == bool(picture.added)
        del remembered["model"]
        text = remembered.pop("text")
        (again,) = sampler(text, **remembered)
        assert same(again.image, picture.image) and again.prompt == picture.prompt


def test_each_seed_is_beautified_in_its_way(sampler: Sampler):
    pictures = sampler(["熊猫", "山"], beautify=True, **{**QUICK, "seed": 3, "num_images_per_prompt": 2})
    assert [p.prompt for p in pictures] == [
        ",".join([text, *p.added]) for text, p in zip(("熊猫", "熊猫", "山", "山"), pictures, strict=True)
    ]
    assert len({p.prompt for p in pictures}) > 2
    for picture in pictures:
        assert same(picture.image, sampler(picture.prompt, **{**QUICK, "seed": picture.seed})[0].image)
    assert not sampler("熊猫", **QUICK)[0].added, "off by default"


def test_a_poem_without_a_picture_is_an_error_beside_the_others(sampler: Sampler):
    with pytest.raises(UserError) as caught:
        sampler(poem="之乎者也", steps=3, width=7)
    assert [fault.field for fault in caught.value.faults] == ["", "width", "poem"]
    with pytest.raises(UserError, match="the text is empty"):
        sampler()


def test_the_tower_reads_more_of_a_poem(sampler: Sampler):
    (picture,) = sampler(poem="航船明月", **QUICK)
    assert picture.reading and picture.reading.of_way("unread") == ("航",), "a single character is no phrase"
    vectors = sampler.phrase_vectors
    assert vectors is not None
    near = vectors(["蝴蝶", "彩蝶", "老虎", "龘龘"])
    assert near.shape == (4, 256) and np.allclose((near**2).sum(1), [1, 1, 1, 0], atol=1e-5)
    assert near[0] @ near[1] > 0.8 > near[0] @ near[2]


def test_the_command_says_what_it_draws(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    flags = ["--size", "64", "--steps", "1", "--seed", "1", "--output", str(tmp_path)]
    assert main(["generate", "--poem", POEM, *flags]) == 0
    said = capsys.readouterr()
    assert f"prompt: {PROMPT}" in said.err and "晚来秋: 黄昏、秋" in said.err and said.out.count("\n") == 1
    assert main(["generate", "熊猫", "--beautify", *flags]) == 0
    assert "added: " in capsys.readouterr().err
    (poem, beautified) = sorted(tmp_path.glob("*.png"))
    for picture in (poem, beautified):
        assert main(["generate", "--like", str(picture), "--output", str(tmp_path / picture.stem)]) == 0
        (again,) = (tmp_path / picture.stem).glob("*.png")
        assert same(pixels(again), pixels(picture))
        if picture == poem:
            assert again.read_bytes() == picture.read_bytes()


def test_a_scroll_comes_beside_the_picture(sampler: Sampler, tmp_path: Path):
    options = {"poem": POEM, "scroll_date": "丙午冬", "scroll_seal": "王维"}
    (picture,) = sampler(scroll=True, **options, **QUICK)
    assert picture.scroll and picture.scroll.size == (768, 2304) and picture.image.size == (64, 64)
    remembered = parse_infotext(picture.infotext)
    assert remembered["scroll"] and remembered["scroll_date"] == "丙午冬" and remembered["scroll_seal"] == "王维"
    assert sampler(**options, **QUICK)[0].scroll is None
    flags = ["--size", "64", "--steps", "1", "--seed", "1"]
    assert main(["generate", "--poem", POEM, "--scroll", *flags, "--output", str(tmp_path / "a")]) == 0
    first, second = sorted((tmp_path / "a").iterdir())
    assert second.name == "00002-seed1-scroll.png"
    assert main(["generate", "--like", str(first), "--output", str(tmp_path / "b")]) == 0
    assert [file.read_bytes() for file in sorted((tmp_path / "b").iterdir())] == [
        file.read_bytes() for file in (first, second)
    ]


def test_what_no_scroll_can_say_is_said_at_once(sampler: Sampler):
    with pytest.raises(UserError, match="no poem to write"):
        sampler("山", scroll=True)
    with pytest.raises(UserError) as caught:
        sampler(poem="明月\U00020000", scroll=True, scroll_seal="五个字的印", scroll_date="2026")
    assert [fault.field for fault in caught.value.faults] == ["poem", "scroll_date", "scroll_seal"]
    assert "font lacks \U00020000" in str(caught.value)
