"""A run whose gradient is exactly zero on all that trains is stopped with the reason; one that learns never is."""

import json

import pytest
import torch

from pai_modelscope.config import TrainingConfig
from pai_modelscope.errors import UserError
from pai_modelscope.methods import ControlNetTraining, FullFineTuning, LoraTraining, TextualInversion
from pai_modelscope.text import chunk_ids
from pai_modelscope.training import train
from pai_modelscope.training.gradients import PATIENCE
from tests.support.training_runs import Regression, Table, run, steps_saved


class Detached(Regression):
    """What trains has no part in the loss, from one call on."""

    def __init__(self, call: int = 0, by: float = 0.0):
        super().__init__()
        self.call, self.by, self.calls = call, by, 0

    def training_step(self, batch, phase):
        learned, known = (
            super().training_step(batch, phase)["loss"],
            (self.frozen(batch["x"]) - batch["y"]).square().mean(),
        )
        self.calls += 1
        return {"loss": known + self.by * learned} if self.calls > self.call else {"loss": learned}


class Small:
    """Eight small latents with one caption, a picture to follow, and masks."""

    lengths, cycle = (8,), (0,)

    def __init__(self, tokenizer, caption: str, masks=(1.0,) * 8):
        generator = torch.Generator().manual_seed(0)
        self.ids, self.latents = chunk_ids(tokenizer, [caption]), torch.randn(8, 4, 8, 8, generator=generator)
        self.control, self.masks = torch.rand(8, 3, 64, 64, generator=generator), torch.tensor(masks).view(8, 1, 1, 1)
        self.steps = 0

    def batch(self, bucket, indices, device, keys):
        self.steps += 1
        masks = self.masks[indices].expand(-1, 1, 8, 8)
        ids = self.ids.expand(len(indices), -1, -1)
        return {"latents": self.latents[indices], "ids": ids, "control": self.control[indices], "mask": masks}


def learn(folder, method, source, **options):
    settings = {"max_train_steps": 3, "train_batch_size": 1, "logging_steps": 1, **options}
    return train(method, source, TrainingConfig(output_dir=str(folder), **settings))


@pytest.fixture
def parts(pipe):
    return {
        "unet": pipe.unet,
        "text_encoder": pipe.text_encoder,
        "scheduler": pipe.scheduler,
        "empty_ids": chunk_ids(pipe.tokenizer, [""])[0, 0],
    }


def inversion(parts, pipe, **options):
    words = {"placeholder": "<小奶猫>", "initializer": "小猫"}
    return TextualInversion(**parts, tokenizer=pipe.tokenizer, **words, **options)


@pytest.mark.parametrize(
    "options", [{}, {"gradient_accumulation_steps": 2}, {"max_grad_norm": 0.0}, {"ema_decay": 0.9}]
)
def test_a_run_that_can_learn_nothing_stops_soon_with_the_reason(tmp_path, options):
    table = Table()
    with pytest.raises(
        UserError, match=rf"in the last {PATIENCE} steps the gradient was exactly zero.*2 tensors.*captions"
    ):
        run(tmp_path, method=Detached(), table=table, max_train_steps=1000, logging_steps=1000, **options)
    assert len(table.seen) == PATIENCE * options.get("gradient_accumulation_steps", 1)
    assert not steps_saved(tmp_path) and not (tmp_path / "result").exists()


@pytest.mark.parametrize("steps", [2, PATIENCE - 1])
def test_a_short_run_that_learned_nothing_has_no_result(tmp_path, steps):
    with pytest.raises(UserError, match="nothing is learned"):
        run(tmp_path, method=Detached(), max_train_steps=steps, logging_steps=1)
    assert not (tmp_path / "result").exists()


def test_a_gradient_that_is_lost_later_stops_at_the_next_line_of_the_log(tmp_path):
    table = Table()
    with pytest.raises(UserError, match="nothing is learned"):
        run(tmp_path, method=Detached(5), table=table, max_train_steps=100, logging_steps=30)
    assert len(table.seen) == 30


@pytest.mark.parametrize("by", [1e-30, 1e-38])
def test_a_tiny_gradient_is_not_zero(tmp_path, by):
    """Its square is, and so is its length as it is logged."""
    assert run(tmp_path, method=Detached(0, by), max_train_steps=3)[1]["finished"]


def test_a_resumed_run_is_not_judged_by_its_last_step(tmp_path):
    for calls, steps in ((3, 3), (0, 4)):
        torch.manual_seed(7)
        method = Detached(calls)
        assert run(tmp_path, method=method, max_train_steps=steps)[1]["finished"]
    assert method.calls == 1


def test_a_word_that_no_caption_holds_is_not_learned(tmp_path, parts, pipe):
    method = inversion(parts, pipe)
    with pytest.raises(UserError, match="the captions hold the word that is learned"):
        learn(tmp_path, method, Small(method.tokenizer, "一只小猫"))


def test_dropped_captions_do_not_stop_a_word_that_is_learned(tmp_path, parts, pipe):
    method = inversion(parts, pipe, caption_dropout=0.5)
    done = learn(tmp_path, method, Small(method.tokenizer, "一只<小奶猫>"), max_train_steps=8)
    norms = [json.loads(line)["grad_norm"] for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert done["finished"] and 0.0 in norms and max(norms) > 0


def test_a_lora_without_a_beginning_is_stopped_and_a_new_one_is_not(tmp_path, parts, pipe):
    """Its B is zero at first, so that the gradient of A is; both zero never move."""
    method = LoraTraining(**parts, rank=2)
    assert learn(tmp_path / "new", method, Small(pipe.tokenizer, "猫"), max_train_steps=2)["finished"]
    for weight in method.trainable():
        weight.data.zero_()
    with pytest.raises(UserError, match="nothing is learned"):
        learn(tmp_path / "zero", method, Small(pipe.tokenizer, "猫"))


def test_a_new_controlnet_whose_outputs_are_zero_learns(tmp_path, parts, pipe):
    method = ControlNetTraining(**parts)
    assert learn(tmp_path / "new", method, Small(pipe.tokenizer, "猫"), max_train_steps=2)["finished"]
    for name, weight in method.controlnet.named_parameters():
        weight.requires_grad_("controlnet_" not in name)  # the zero convolutions no longer learn
        if "controlnet_" in name:
            weight.data.zero_()
    with pytest.raises(UserError, match="nothing is learned"):
        learn(tmp_path / "zero", method, Small(pipe.tokenizer, "猫"))


def test_empty_masks_stop_a_run_only_if_all_are_empty(tmp_path, parts, pipe):
    method = FullFineTuning(**parts, train="attention")
    some = Small(pipe.tokenizer, "猫", masks=[0.0] * 7 + [1.0])
    assert learn(tmp_path / "some", method, some, max_train_steps=8)["finished"]
    with pytest.raises(UserError, match="masks and weights of the loss are not all 0"):
        learn(tmp_path / "none", method, Small(pipe.tokenizer, "猫", masks=[0.0] * 8))
