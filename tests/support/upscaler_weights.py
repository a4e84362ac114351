"""Weights of the painter's upscaler for tests of how it runs: random ones, or such that repeat the nearest pixel."""

from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import nn

from pai_modelscope.images.upscalers.painter_network import PainterUpscaler


def random_upscaler() -> PainterUpscaler:
    """A network in which a pixel's result depends on all that its convolutions reach."""
    torch.manual_seed(0)
    network = PainterUpscaler().eval()
    last = network.layers[-2]
    assert isinstance(last, nn.Conv2d)
    nn.init.normal_(last.weight, std=0.01)
    return network


def write_weights(network: PainterUpscaler, file: Path) -> Path:
    """As the recipe writes them, in float16."""
    file.parent.mkdir(parents=True, exist_ok=True)
    save_file({name: value.half().contiguous() for name, value in network.state_dict().items()}, file)
    return file
