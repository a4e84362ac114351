"""What a model does not know of a prompt, and where in a picture its words act."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from pai_modelscope import Sampler, UserError
from pai_modelscope.cli import main
from pai_modelscope.prompting.learned_words import LearnedWords
from pai_modelscope.sampling.heat_map import AttentionRecord, overlaid, token_places
from pai_modelscope.sampling.prompt_check import WordFinder
from pai_modelscope.text.encode import TokenizedText

QUICK = {"num_inference_steps": 2, "height": 64, "width": 96, "seed": 1}


def test_each_finding_is_named(sampler: Sampler):
    check = sampler.check_prompt("可爱的日出,熊貓,(皓月:1.2),大象 <lora:ink:0.5>")
    assert check.unknown == ("貓",) and check.read_past == ("可爱的",)
    assert check.learned == ("日出",)
    unlearned = {word.text: word.nearest for word in check.unlearned}
    assert unlearned.keys() == {"熊貓", "皓月", "大象"} and unlearned["皓月"][0] == "月亮" and not unlearned["熊貓"]
    assert check.words == ("日出", "熊貓", "皓月", "大象") and not check.fine
    for text in ("unknown character: 貓", "never learned: 皓月", "shows nothing: 可爱的", "known: 日出"):
        assert text in check.report()


def test_a_prompt_that_changes_is_looked_at_whole(sampler: Sampler):
    check = sampler.check_prompt("[熊猫:老虎:0.5] AND [雪山|大象] :0.7")
    assert set(check.learned) == {"熊猫", "老虎", "雪山"} and [word.text for word in check.unlearned] == ["大象"]
    assert sampler.check_prompt("猫和狗,蓝色背景").fine


def test_what_a_program_that_cuts_would_drop_is_said(sampler: Sampler):
    prompt = "一只可爱的熊猫,在安静的森林里,阳光明亮,画面干净,线条清晰,色彩明快,构图居中,细节丰富,浅蓝色背景"
    check = sampler.check_prompt(prompt)
    assert len(check.chunks) == 2 and "".join(check.chunks) == prompt
    assert f"drops: {check.chunks[1]}" in check.report()


def test_a_model_without_a_list_is_taken_to_know_every_word():
    finder = WordFinder(None, None)
    assert finder.knows("大象") and finder.cut("骏马奔腾") == ["骏马", "奔腾"] and finder.nearest(["大象"]) == [()]
    known = WordFinder(LearnedWords(words=("马", "月亮")), None)
    assert known.cut("骏马") == ["骏马"] and known.nearest(["骏马", "皓月"]) == [("马",), ("月亮",)]
    vectors = {"甲": [1.0, 0.0], "乙": [0.0, 1.0], "丙": [0.8, 0.6]}
    compared = WordFinder(LearnedWords(words=("甲", "乙")), lambda words: np.array([vectors[word] for word in words]))
    assert compared.nearest(["丙"]) == [("甲", "乙")], "the nearer first"


def test_the_record_changes_no_bit_and_leaves_nothing(sampler: Sampler):
    processors = dict(sampler.pipe.unet.attn_processors)
    plain = sampler("熊猫,蓝色背景", **QUICK)[0]
    heat = sampler.heat_map("熊猫,蓝色背景", **QUICK)
    assert np.array_equal(np.asarray(plain.image), np.asarray(heat.picture.image))
    assert heat.picture.infotext == plain.infotext and sampler.pipe.unet.attn_processors == processors
    assert heat.words.keys() == {"熊猫", "蓝色背景"}
    for heat_of_word in heat.words.values():
        assert heat_of_word.shape == (64, 96) and heat_of_word.min() == 0 and heat_of_word.max() == pytest.approx(1)
    assert heat.sheet().width > 3 * 96


def test_the_record_is_attention(sampler: Sampler):
    """Every place attends to all tokens together with weight 1, at every level of the network."""
    with AttentionRecord(sampler.model) as record:
        sampler("熊猫", **QUICK)
    layers = sampler.model.family.cross_attentions(sampler.pipe)
    assert sum(record.counts.values()) == 2 * len(layers)
    for places, summed in record.sums.items():
        torch.testing.assert_close(summed.sum(1), torch.full((places,), float(record.counts[places])))
    mean = record.mean(64, 96)
    assert mean.shape == (32, 64, 96) and mean.sum(0).mean() == pytest.approx(1, abs=0.02)


def test_a_word_acts_where_it_is_drawn(sampler: Sampler):
    heat = sampler.heat_map("动漫风景,夏天的草原,白云", ["白云", "草原"], seed=3, num_inference_steps=6)
    upper, lower = slice(128), slice(128, None)
    assert heat.words["白云"][upper].mean() > 3 * heat.words["白云"][lower].mean()
    assert heat.words["草原"][lower].mean() > 3 * heat.words["草原"][upper].mean()


def test_tokens_are_found_in_their_chunks():
    text = TokenizedText("", (([5, 6, 7], [1.0] * 3), ([5, 6], [1.0] * 2)))
    assert token_places(text, [5, 6], 32) == [1, 2, 33, 34]
    assert token_places(text, [7, 5], 32) == [3, 33] and token_places(text, [8], 32) == [] == token_places(text, [], 32)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("熊猫 AND 雪山",), "of one text"),
        (("[熊猫:雪山:0.5]",), "of one text"),
        (("熊猫", ["老虎"]), "has no 老虎"),
    ],
)
def test_what_has_no_heat_map(sampler: Sampler, arguments: Any, said: str):
    with pytest.raises(UserError, match=said):
        sampler.heat_map(*arguments, **QUICK)
    with pytest.raises(UserError, match="leave upscale out"):
        sampler.heat_map("熊猫", upscale=2, **QUICK)


def test_a_word_that_no_token_holds_is_named_and_left_out(sampler: Sampler):
    with pytest.warns(UserWarning, match="no heat map of e99"):
        heat = sampler.heat_map("(猫:1e99", **QUICK)
    assert "猫" in heat.words and "e99" not in heat.words


def test_a_map_is_laid_over_its_picture(sampler: Sampler):
    picture = sampler("熊猫", **QUICK)[0].image
    heat = np.zeros((64, 96), np.float32)
    heat[:, 48:] = 1
    pixels = np.asarray(overlaid(picture, heat)).astype(int)
    assert pixels[:, 48:].mean() > pixels[:, :48].mean() + 60


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):
    def draw(sampler: Sampler, text: str, **options: Any) -> list[Any]:
        return list(sampler.stream(text, **{**options, **QUICK}))

    monkeypatch.setattr(Sampler, "__call__", draw)
    assert main(["check-prompt", "可爱的猫", "--heat-map", "--output", str(tmp_path)]) == 0
    (file,) = tmp_path.iterdir()
    said = capsys.readouterr().out
    assert said == f"read past, shows nothing: 可爱的\nknown: 猫\n{file}\n"
    assert file.name == "00001-heat-map-seed1.png"
