"""What a prompt leaves open is added, in words that the model knows, and what it says stays."""

import pytest

from pai_modelscope.prompting.beautify import LIGHT, beautify
from pai_modelscope.prompting.learned_words import LearnedWords
from pai_modelscope.text.prompt_schedule import composed_prompt, count_constructs
from pai_modelscope.text.prompt_tags import lora_tags
from pai_modelscope.text.weights import parse_weights

ICONS = LearnedWords(words=("熊猫", "雪山"), styles=("扁平插画风格", "三维立体风格"), backgrounds=("红色", "蓝色"))
SCENES = LearnedWords(
    words=("熊猫", "湖面", "春天", "秋日", "清晨", "夜晚"), styles=ICONS.styles, scene_styles=("水墨画", "版画")
)
PROMPTS = [
    *("山上的亭子", "熊猫", "雪山", "湖边,<lora:ink:0.8>", "雪中的小桥，有人", "一个女孩的肖像,油画风格", "黄昏的湖面"),
    *("(熊猫:1.3)和[竹子]", "[熊猫:雪山:0.5]", "熊猫 AND 湖面 :0.7", "红色背景的猫", "春天清晨的湖面,晨光,水墨画,远景"),
]


@pytest.mark.parametrize("prompt", PROMPTS)
@pytest.mark.parametrize("learned", [None, ICONS, SCENES], ids=["any", "icons", "scenes"])
def test_it_adds_known_words_once_and_keeps_the_prompt(prompt: str, learned: LearnedWords | None):
    for seed in range(8):
        result = beautify(prompt, seed, learned)
        assert result == beautify(prompt, seed, learned)
        assert beautify(result.prompt, seed + 1, learned).added == (), "nothing is left to add"
        assert all(text in result.prompt for text in prompt.split(" AND ")[0].split(" :")[0].split(" "))
        assert all(word in result.prompt for word in result.added)
        if learned is not None:
            assert set(result.added) <= learned.shown
        assert lora_tags(result.prompt) == lora_tags(prompt)
        assert count_constructs(result.prompt) == count_constructs(prompt)
        weights = [weight for text, weight in parse_weights(result.prompt) if weight != 1]
        assert weights == [weight for text, weight in parse_weights(prompt) if weight != 1]


def test_seeds_choose_among_what_fits():
    assert len({beautify("山上的亭子", seed).prompt for seed in range(20)}) > 8
    for seed in range(20):
        added = beautify("雪后的松树,月亮", seed).added
        assert added[:3] == ("冬天", "夜晚", LIGHT["夜晚"]), "snow is winter's, and the moon is the night's"


def test_every_text_of_a_composition_gets_the_words_before_its_weight():
    result = beautify("熊猫 AND 湖面 :0.7", 1, SCENES)
    first, second = composed_prompt(result.prompt, 10)
    words = ",".join(result.added)
    assert words and first.at(1) == f"熊猫,{words}" and (second.at(1).strip(), second.weight) == (f"湖面,{words}", 0.7)


def test_a_bare_noun_is_an_icon_where_a_model_draws_icons():
    assert [word[-2:] for word in beautify("雪山", 0, ICONS).added] == ["风格", "背景"]
    assert beautify("雪山", 0, LearnedWords(words=("冬天",), scene_styles=("版画",))).added == ("冬天", "版画")
    assert beautify("", 0).added == () and beautify("<lora:a:1>", 0).added == ()
    assert beautify("熊猫，竹子", 0, ICONS).prompt.count(",") == 0, "the prompt's own comma"
