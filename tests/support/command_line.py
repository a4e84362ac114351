"""What the tests of the command line share."""

import os
import shutil
import sys
from pathlib import Path

import numpy as np
from PIL import Image

import pai_modelscope
from pai_modelscope.cli import main

QUICK = ["--steps", "2", "--size", "64"]
COMMAND = [sys.executable, "-m", "pai_modelscope.cli"]


def pixels(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


def names(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir())


def generate(*arguments: str | Path) -> int:
    return main(["generate", *map(str, arguments)])


def broken_model(folder: Path, fault: str) -> Path:
    shutil.copytree(pai_modelscope.model_dir("pai-diffusion-mini-zh"), folder)
    weights = folder / "unet" / "diffusion_pytorch_model.safetensors"
    if fault == "lacks a part":
        shutil.rmtree(folder / "vae")
    elif fault == "truncated":
        weights.write_bytes(weights.read_bytes()[:100_000])
    elif fault == "corrupt":
        weights.write_bytes(os.urandom(100_000))
    elif fault == "no model":
        (folder / "model_index.json").unlink()
    return folder
