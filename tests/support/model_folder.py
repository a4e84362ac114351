"""The shipped model as a folder of one's own, to be changed and opened."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from pai_modelscope import Sampler, UserError, model_dir

MINI = model_dir("pai-diffusion-mini-zh")
QUICK = {"num_inference_steps": 1, "height": 64, "width": 64, "seed": 0}
Values = dict[str, Any]
UNET, VAE, TEXT = "unet/config.json", "vae/config.json", "text_encoder/config.json"
SCHEDULER, TOKENIZER = "scheduler/scheduler_config.json", "tokenizer/tokenizer_config.json"


def copy_mini(made: Path) -> Path:
    """The shipped model, its weights linked."""
    shutil.copytree(MINI, made, ignore=shutil.ignore_patterns("*.safetensors"))
    for weights in MINI.rglob("*.safetensors"):
        (made / weights.relative_to(MINI)).symlink_to(weights)
    return made


def edit(path: Path, values: Values) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text("utf-8")), **values}))


def refused(folder: Path, words: str) -> None:
    with pytest.raises(UserError, match=words) as error:
        Sampler.from_pretrained(folder, device="cpu")
    assert "\n" not in str(error.value) and len(str(error.value)) < 600
