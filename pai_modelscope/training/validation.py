"""Looking at a run while it trains: pictures and numbers at fixed steps, which leave no trace in the training."""

import math
import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from PIL import Image
from torch import nn

from pai_modelscope.files import whole
from pai_modelscope.images import contact_sheet
from pai_modelscope.methods.base import Method
from pai_modelscope.training.ownership import SAMPLES, RunFolder

CAPTION = "caption"  # in a picture's `info`: what stands under it in the grid


Outcome = dict[str, float] | list[Image.Image]  # numbers to log, or pictures to show


class Validation(Protocol):
    def validate(self, method: Method, step: int) -> Outcome:
        """Numbers to log, or pictures to show, after `step` steps.

        It runs in the main process, without gradients, with the averaged weights in if there are any. Whatever random
        numbers it draws, the training goes on as if it had drawn none.
        """
        ...


@contextmanager
def untouched(method: nn.Module) -> Iterator[None]:
    """Random numbers, and which modules are in training mode, are afterwards as they were."""
    modes = {module: module.training for module in method.modules()}
    python, numpy = random.getstate(), np.random.get_state()
    try:
        with torch.random.fork_rng(), torch.no_grad():
            yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)
        for module, mode in modes.items():
            module.training = mode


def grid(pictures: Sequence[Image.Image]) -> Image.Image:
    """Near square, each picture over its caption."""
    captions = [str(picture.info.get(CAPTION, "")) for picture in pictures]
    return contact_sheet(pictures, captions, columns=math.ceil(math.sqrt(len(pictures))))


def save_grid(page: Image.Image, folder: RunFolder, step: int) -> Path:
    path = folder.path / SAMPLES / f"step-{step:06d}.png"
    with whole(path, folder.scratch) as partial:
        page.save(partial, format="PNG")
    return path
