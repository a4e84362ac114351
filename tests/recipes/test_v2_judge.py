"""The judge of facts: what it is asked, what it learns from, and that it learns."""

import numpy as np
import pytest
import torch
from diffusers import AutoencoderKL

from pai_modelscope import model_dir
from pai_modelscope.config import TrainingConfig
from pai_modelscope.training import train
from recipes.mini_v2 import judge as judges
from recipes.mini_v2 import pool, questions
from recipes.mini_v2.judge import FactJudge, FactSource, FactTraining, altered, open_judge, told
from recipes.mini_v2.pool import paint_shards, shards
from recipes.mini_v2.questions import Question, questions_of

SIZE, CPU = (64, 64), torch.device("cpu")
FACTS = [
    {"style": "油画", "time": "夜晚", "things": ["小船", "明月"]},
    {"style": "油画", "time": "白天", "things": ["小船"]},
    {"style": "剪纸", "time": "白天", "things": []},
]


def test_questions_have_the_answers_that_pictures_give():
    style, time, things = questions_of("landscapes", FACTS, rarest=1)
    assert style == Question("landscapes", "style", ("剪纸", "油画"), False)
    assert things == Question("landscapes", "things", ("小船", "明月"), True)
    assert things.target(FACTS[1]).tolist() == [1, 0] and style.target(FACTS[2]).tolist() == [1, 0]
    assert time.target({"time": "清晨"}).tolist() == [0, 0], "no answer of the list is right"
    assert [question.fact for question in questions_of("landscapes", FACTS, rarest=2)] == []


def test_a_count_is_of_all_things_where_the_picture_is_about_it():
    (count,) = (
        question
        for question in questions_of(
            "compositions",
            [
                {"kind": "count", "things": {"猫": 2, "狗": 1}},
                {"kind": "count", "things": {"鸟": 4}},
                {"kind": "scene"},
            ],
            rarest=1,
        )
        if question.fact == "count"
    )
    assert count.answers == ("3", "4") and count.target({"kind": "scene", "things": {"猫": 3}}).sum() == 0


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    folder = tmp_path_factory.mktemp("judge")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pool, "SHARD", 8)
        paint_shards(folder, "landscapes", 8, SIZE, 0, 1)
    return folder


@pytest.mark.slow
def test_a_judge_learns_is_saved_and_tells(work, monkeypatch):
    monkeypatch.setattr(judges, "SHARD", 8)
    monkeypatch.setattr(judges, "PIXELS", 64)
    torch.manual_seed(0)
    (shard,) = shards(work, "landscapes", SIZE)
    asked = questions_of("landscapes", shard.facts(), rarest=2)
    other = Question("dishes", "dish", ("饺子", "面条"), False)
    source = FactSource(work, [*asked, other], {"landscapes": 1.0}, CPU, 8, SIZE)
    batch = source.batch(0, torch.arange(6), CPU, torch.arange(6))
    assert batch["pictures"].shape == (6, 3, 64, 64) and (batch["right"][:, -2:] == -1).all()
    assert set(batch["right"][:, :-2].unique().tolist()) == {0.0, 1.0}
    judge = FactJudge([*asked, other])
    method = FactTraining(judge, AutoencoderKL.from_pretrained(model_dir("pai-diffusion-mini-zh") / "vae"))
    config = TrainingConfig(
        output_dir=str(work / "run"), max_train_steps=12, train_batch_size=6, learning_rate=2e-3, logging_steps=6
    )
    before = [value.clone() for value in method.vae.parameters()]
    first = float(method.training_step(batch, "main")["loss"])
    logged = train(method, source, config)
    assert logged["loss"] < first and all(map(torch.equal, before, method.vae.parameters()))
    again = open_judge(work / "run/result/judge", CPU)
    assert again.asked == judge.asked
    tells, images = told(again, shard.pictures().numpy()), shard.pictures().numpy()
    for question in again.asked:
        chances = tells[question.domain, question.fact]
        assert chances.shape == (8, len(question.answers)) and (question.several or np.allclose(chances.sum(1), 1))
    wide = told(again, np.concatenate([images, images], 2))
    assert all(np.isfinite(chances).all() for chances in wide.values()), "any aspect"


def test_pictures_are_altered_a_little_and_never_mirrored():
    torch.manual_seed(0)
    ramp = torch.linspace(-1, 1, 64).expand(4, 3, 64, 64).contiguous()
    changed = altered(ramp)
    assert changed.shape == ramp.shape and changed.abs().max() <= 1 and 0.01 < (changed - ramp).abs().mean() < 0.2
    assert (changed[..., -16:].mean((1, 2, 3)) > changed[..., :16].mean((1, 2, 3))).all()


def test_some_pictures_are_pressed():
    images = np.random.default_rng(0).integers(0, 255, (40, 32, 32, 3)).astype(np.uint8)
    pressed = judges._some_as_jpeg(images, np.random.default_rng(1))
    differ = [not np.array_equal(a, b) for a, b in zip(images, pressed, strict=True)]
    assert 5 < sum(differ) < 20


def test_questions_are_read_as_they_were_written(tmp_path):
    asked = questions_of("landscapes", FACTS, rarest=1)
    questions.write(tmp_path / "questions.json", asked)
    assert questions.read(tmp_path / "questions.json") == asked
