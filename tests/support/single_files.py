"""What the tests of single files share: the shipped model with other parts, and what lies in a folder."""

import json
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import ControlNetModel
from safetensors.torch import load_file

from pai_modelscope import Sampler
from tests.support.adapter_files import MODEL, State, same_state

UNET, VAE, TEXT = "model.diffusion_model.", "first_stage_model.", "cond_stage_model.transformer."
WEIGHTS = {
    "unet": "diffusion_pytorch_model.safetensors",
    "vae": "diffusion_pytorch_model.safetensors",
    "text_encoder": "model.safetensors",
}
QUICK = {"num_inference_steps": 2, "height": 64, "width": 64, "seed": 3}


def picture(folder: Path) -> np.ndarray:
    return np.asarray(Sampler.from_pretrained(folder, device="cpu")("(熊猫:1.2)", **QUICK)[0].image)


def copied(folder: Path, part: str, model: Any, **index: list[str]) -> Path:
    """The shipped model with another part."""
    shutil.copytree(MODEL, folder)
    shutil.rmtree(folder / part)
    model.save_pretrained(folder / part)
    rewrite(folder / "model_index.json", **index)
    return folder


def rewrite(path: Path, **values: Any) -> None:
    path.write_text(json.dumps(json.loads(path.read_text("utf-8")) | values, ensure_ascii=False), "utf-8")


def weights(folder: Path) -> State:
    return {f"{part}.{k}": t for part, name in WEIGHTS.items() for k, t in load_file(folder / part / name).items()}


def dtypes(tensors: State) -> Counter[torch.dtype]:
    """How many tensors there are of each type."""
    return Counter(tensor.dtype for tensor in tensors.values())


def same_bits(left: State, right: State) -> bool:
    return same_state(left, right) and all(left[key].dtype == right[key].dtype for key in left)


def control(unet: Any) -> Any:
    """A ControlNet of the UNet, as if trained."""
    torch.manual_seed(0)
    net = ControlNetModel.from_unet(unet)
    for parameter in net.parameters():
        parameter.data += 0.01 * torch.randn_like(parameter)
    return net
