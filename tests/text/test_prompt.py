"""A prompt is read once: its LoRAs, and the texts of each pass over the picture."""

import pytest

from pai_modelscope import UserError
from pai_modelscope.text.prompt import DrawingPass, read_prompt
from pai_modelscope.text.prompt_schedule import PromptPart


def test_a_prompt_is_read_for_all_passes():
    """Of four steps and two more: 0.5 is the middle of the first pass, and step 3 is its third."""
    read = read_prompt("[山:湖:0.5]水 AND 日出 :0.6 <lora:ink:0.8>", "[坏:丑:3] AND", [4, 2])
    assert read.plain == "[山:湖:0.5]水 AND 日出 :0.6" and read.loras == {"ink": 0.8}
    sunrise = [PromptPart(((steps, " 日出"),), 0.6) for steps in (4, 2)]
    first = DrawingPass(
        4, (PromptPart(((2, "山水"), (4, "湖水"))), sunrise[0]), PromptPart(((3, "坏 AND"), (4, "丑 AND")))
    )
    second = DrawingPass(2, (PromptPart(((2, "湖水"),)), sunrise[1]), PromptPart(((2, "丑 AND"),)))
    assert read.passes == (first, second)


@pytest.mark.parametrize(
    ("prompt", "field", "words"),
    [
        ("猫\ud800", "prompt", "half a character"),
        ("猫<lora:ink:1><lora:ink:2>", "loras", "is named twice"),
        ("猫<lora:ink:x>", "loras", "no weight that is a number"),
    ],
)
def test_what_is_wrong_with_a_prompt_says_of_which_option(prompt, field, words):
    with pytest.raises(UserError, match=words) as caught:
        read_prompt(prompt, "", [4])
    assert [fault.field for fault in caught.value.faults] == [field]


def test_without_passes_nothing_is_drawn_and_tags_are_read():
    read = read_prompt(" AND ".join("猫" * 40) + "<lora:ink>", "", [])
    assert read.passes == () and read.loras == {"ink": 1.0}
