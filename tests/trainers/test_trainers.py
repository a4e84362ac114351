"""ModelScope's `build_trainer`: its argument names, its configuration file, and a result that `pipeline` opens."""

import dataclasses
import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from datasets import Dataset, Features, Image, Value
from modelscope.msdatasets import MsDataset
from modelscope.pipelines import pipeline
from modelscope.trainers import build_trainer

from pai_modelscope.config.option import option
from pai_modelscope.data import open_dataset
from pai_modelscope.errors import UserError
from pai_modelscope.methods.registry import method_named, methods
from pai_modelscope.trainers.settings import empty_sections, options_in, places
from pai_modelscope.zoo import model_dir

SMALL = {"resolution": 64, "train_batch_size": 2, "logging_steps": 1, "rank": 2, "learning_rate": 0.01}


@pytest.fixture(scope="module")
def pictures() -> Dataset:
    rows = [{"image": row["image"], "text": row["text"]} for row in open_dataset("style", size=64).select(range(4))]
    rows = [row | {"text": row["text"] if isinstance(row["text"], str) else row["text"][0]} for row in rows]
    return Dataset.from_list(rows, features=Features({"image": Image(), "text": Value("string")}))


def lora(work_dir: Path, pictures: object, **more: object):
    given = {"model": model_dir("pai-diffusion-mini-zh"), "train_dataset": pictures, "work_dir": str(work_dir)}
    return build_trainer("pai-diffusion-lora", {**given, "max_epochs": 1, "device": "cpu", **SMALL, **more})


@pytest.mark.parametrize("method", methods())
def test_every_method_has_a_trainer(method):
    with pytest.raises(UserError, match="train_data_dir must be given"):
        build_trainer(f"pai-diffusion-{method}", {"work_dir": "x", "max_epochs": 1})


def test_a_trained_folder_opens_in_a_pipeline(tmp_path, pictures):
    done = lora(tmp_path, MsDataset.to_ms_dataset(pictures), seed=3).train()
    assert (done["step"], done["finished"]) == (2, True)
    pipe = pipeline("text-to-image-synthesis", str(tmp_path / "output"))
    found = pipe("猫", num_inference_steps=1, height=64, width=64, seed=1)
    assert f"<lora:{tmp_path.name}:1>" in found["infotext"][0]
    assert not (tmp_path / "result").exists() and (tmp_path / "checkpoint-2").is_dir()
    again = lora(tmp_path, pictures, seed=3, max_epochs=2, resume_from_checkpoint="latest").train()
    assert again["step"] == 4 and (tmp_path / "output/README.md").exists()


def test_evaluation_is_the_same_every_time_and_falls_as_it_learns(tmp_path, pictures):
    trainer = lora(
        tmp_path, pictures, eval_dataset=pictures, max_train_steps=12, checkpointing_steps=6, checkpoints_total_limit=0
    )
    before, state = trainer.evaluate(), torch.get_rng_state()
    assert trainer.evaluate() == before and torch.equal(torch.get_rng_state(), state)
    trainer.train()
    after = trainer.evaluate()
    assert after["loss"] < before["loss"]
    assert {name for name in after if name.startswith("loss/")} <= {
        "loss/0-249",
        "loss/250-499",
        "loss/500-749",
        "loss/750-999",
    }
    middle = trainer.evaluate(str(tmp_path / "checkpoint-6"))
    assert middle != after and trainer.evaluate(str(tmp_path / "checkpoint-12")) == after
    with pytest.raises(UserError, match="is no checkpoint"):
        trainer.evaluate(str(tmp_path / "output"))
    with pytest.raises(UserError, match="eval_dataset must be given"):
        lora(tmp_path / "b", pictures).evaluate()


def test_a_configuration_file_sets_what_the_call_does_not(tmp_path, pictures):
    train = {
        "work_dir": str(tmp_path / "elsewhere"),
        "dataloader": {"batch_size_per_gpu": 4},
        "optimizer": {"type": "AdamW", "lr": 0.5, "options": {"grad_clip": {"max_norm": 2.0}}},
        "rank": 3,
    }
    path = tmp_path / "configuration.json"
    path.write_text(json.dumps({"framework": "pytorch", "task": "text-to-image-synthesis", "train": train}))

    def changed(cfg):
        cfg.train.lr_scheduler = {"type": "constant"}
        return cfg

    trainer = lora(tmp_path / "run", pictures, cfg_file=str(path), cfg_modify_fn=changed)
    config = trainer.run.config
    assert (config.output_dir, config.train_batch_size, config.learning_rate) == (str(tmp_path / "run"), 2, 0.01)
    assert (config.optimizer, config.max_grad_norm, config.lr_scheduler) == ("adamw", 2.0, "constant")
    assert trainer.run.options.method.rank == 2


def test_a_function_of_modelscopes_guides_changes_what_no_file_says(tmp_path, pictures):
    def changed(cfg):
        cfg.train.max_epochs = 3
        cfg.train.optimizer.lr = 1e-3
        cfg.train.optimizer.options.grad_clip.max_norm = 0.5
        return cfg

    given = {"model": model_dir("pai-diffusion-mini-zh"), "train_dataset": pictures, "work_dir": str(tmp_path)}
    given |= {"resolution": 64, "lora_rank": 3, "device": "cpu"}
    trainer = build_trainer("pai-diffusion-lora", {**given, "cfg_modify_fn": changed})
    config = trainer.run.config
    assert (config.num_train_epochs, config.learning_rate, config.max_grad_norm) == (3.0, 1e-3, 0.5)
    assert trainer.run.options.method.rank == 3
    with pytest.raises(UserError, match="cfg_modify_fn returned nothing"):
        build_trainer("pai-diffusion-lora", {**given, "cfg_modify_fn": lambda cfg: None})


def test_what_a_configuration_says_in_vain_is_named():
    with pytest.raises(UserError, match=r"train.hooks, train.optimizer.momentum is not known here") as caught:
        options_in({"hooks": [], "optimizer": {"momentum": 0.9}}, method_named("lora").fields())
    assert [fault.field for fault in caught.value.faults] == ["train.hooks", "train.optimizer.momentum"]


def test_places_of_a_configuration_come_from_the_options():
    fields = method_named("lora").fields()
    assert places(fields.values())["optimizer.options.grad_clip.max_norm"] == "max_grad_norm"
    assert empty_sections(places(fields.values())) == {
        "checkpoint": {"period": {}},
        "dataloader": {},
        "logging": {},
        "lr_scheduler": {},
        "optimizer": {"options": {"grad_clip": {}}},
    }


@dataclass
class Placed:
    rank: int = option(4, help="of the matrices", modelscope="lora.rank")


def test_an_option_of_any_method_has_a_place_of_its_own():
    fields = {field.name: field for field in dataclasses.fields(Placed)}
    assert options_in({"lora": {"rank": 8}}, fields) == {"rank": 8}
    assert options_in({"rank": 9}, fields) == {"rank": 9}


def test_bad_arguments_are_one_line(tmp_path, pictures):
    with pytest.raises(UserError, match="unknown option rnak of lora"):
        lora(tmp_path, pictures, rnak=4)
    with pytest.raises(UserError, match="seed is -1"):
        lora(tmp_path, pictures, seed=-1).train()


@pytest.mark.parametrize("first", ["pai_modelscope", "modelscope.trainers.builder"])
@pytest.mark.slow
def test_trainers_are_there_whichever_is_imported_first(first):
    second = {"pai_modelscope", "modelscope.trainers.builder"} - {first}
    code = f"import {first}, {second.pop()}; from modelscope.trainers.builder import TRAINERS; "
    code += "print('pai-diffusion-full' in TRAINERS.modules['default'])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "True"


def test_a_large_seed_orders_samples():
    from pai_modelscope.training.sample_order import Order

    one, other = (Order([50], 50, seed=seed).indices(0) for seed in (2**32 - 1, 2**32 - 2))
    assert sorted(one.tolist()) == list(range(50)) and not np.array_equal(one, other)
