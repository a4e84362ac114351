"""What captions state, and the judge's score of drawings of them."""

import numpy as np
import pytest
import torch
from diffusers import AutoencoderKL

from pai_modelscope import model_dir
from recipes.mini_v2.domains import Drawn
from recipes.mini_v2.evaluate import Asked, ask, score, table
from recipes.mini_v2.judge import FactJudge
from recipes.mini_v2.questions import Question, answers
from recipes.mini_v2.stated import STATED
from recipes.mini_v2.vae_report import reconstructed

SCENE = {"style": "油画", "time": "夜晚", "season": "夏", "weather": "雾", "place": "lake", "things": ["弯月", "小船"]}
WOMAN = {"style": "像素头像风格", "person": "女", "hair": "马尾辫", "hair_color": "红色", "glasses": "眼镜"}


@pytest.mark.parametrize(
    ("domain", "facts", "caption", "stated"),
    [
        ("landscapes", SCENE, "油画,夜里的小船", {"style": {"油画"}, "time": {"夜晚"}, "things": {"小船"}}),
        ("landscapes", SCENE, "雾蒙蒙的夏日,一弯新月", {"weather": {"雾"}, "season": {"夏"}, "things": {"弯月"}}),
        ("landscapes", SCENE, "一叶轻舟水上浮", {"things": {"小船"}}),
        ("portraits", WOMAN, "红色马尾辫的女生头像", {"person": {"女"}, "hair": {"马尾辫"}, "hair_color": {"红色"}}),
        ("portraits", WOMAN, "戴眼镜的人,红色背景", {"glasses": {"眼镜"}}),
        ("compositions", {"kind": "count", "things": {"猫": 2, "树": 1}}, "两只猫和一棵树", {"count": {"3"}}),
        ("compositions", {"kind": "surreal", "design": "巨月压城"}, "巨月压城", {"design": {"巨月压城"}}),
        ("dishes", {"dish": "月饼"}, "一盘月饼", {"dish": {"月饼"}}),
        ("dishes", {"dish": "月饼"}, "中秋的点心", {}),
    ],
)
def test_a_caption_states_what_it_says_and_no_more(domain, facts, caption, stated):
    assert STATED[domain](facts, caption) == stated


def test_of_two_things_side_by_side_each_is_on_a_side():
    assert answers({"relation": "左边"}, "relation") == answers({"relation": "右边"}, "relation") == {"左右"}
    assert answers({"relation": "里面"}, "relation") == {"里面"}


def test_held_out_captions_are_asked_for(tmp_path):
    asked = ask(tmp_path, "landscapes", 5, (64, 64))
    assert len(asked) == 5 and all(picture.stated for picture in asked)
    assert len({picture.caption for picture in asked}) == 5


def test_drawings_are_scored_beside_real_pictures():
    styles = Question("landscapes", "style", ("水墨画", "油画"), several=False)
    things = Question("landscapes", "things", ("小船", "弯月"), several=True)
    judge = FactJudge([styles, things]).eval()
    torch.nn.init.zeros_(judge.head.weight)
    judge.head.bias.data = torch.tensor([0.0, 1.0, -1.0, 1.0])  # oil and a moon, whatever it sees
    pictures = np.zeros((3, 64, 64, 3), np.uint8)
    drawn = Drawn(pictures[0], {}, {})
    asked = [
        Asked(drawn, "", {"style": {"油画"}, "things": {"弯月"}}),
        Asked(drawn, "", {"style": {"水墨画"}, "things": {"小船", "弯月", "没有的"}}),
        Asked(drawn, "", {"style": {"水墨画"}}),
    ]
    style, thing = score(judge, "landscapes", asked, pictures, pictures)
    assert (style.fact, style.number, style.drawn, style.share) == ("style", 3, 1 / 3, 1.0)
    assert (thing.fact, thing.number, thing.drawn) == ("things", 3, 2 / 3)
    assert "| landscapes | style | 3 | 0.333 ± 0.272 | 0.333 | 1.000 |" in table([style, thing])


def test_real_pictures_go_through_the_vae(monkeypatch):
    monkeypatch.setattr("recipes.mini_v2.vae_report._TOGETHER", 2)
    vae = AutoencoderKL.from_pretrained(model_dir("pai-diffusion-mini-zh") / "vae", torch_dtype=torch.float32)
    pictures = np.full((3, 64, 64, 3), 200, np.uint8)
    again = reconstructed(vae, pictures)
    assert again.shape == pictures.shape and again.dtype == np.uint8 and abs(int(again.mean()) - 200) < 12
